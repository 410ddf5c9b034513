"""The PROXY ports: which are needed, what is edited and explained, what is refused, and whom Dovecot has to trust."""

from __future__ import annotations

from pathlib import Path

import pytest

import assets
from console.errors import InputError
from console.estate.load import load
from console.events import FlowEvent, StepChanged, StepPlanned
from console.flows.proxy_override import steps
from console.flows.proxy_override.stack import Binding, broken, duplicates
from console.flows.proxy_override.wanted import (
    Needed,
    affected,
    covered,
    explained,
    files,
    needed,
    right,
    service,
    trusted,
    trusting,
)
from console.lab.plan import site_file
from console.runner.session import Session
from console.store import journal
from tests.console.flows.cases import proxy_override as case
from tests.console.flows.walking import agree, context, folder, ran

VM = "10.10.10.214"
NEED = Needed(VM, (10025, 10465, 10993, 14190))
SEED = (Path(assets.__file__).parent / "lab/docker-compose.override.yml").read_text()
OPEN = tuple(
    Binding(service(port), "0.0.0.0", port, port) for port in (10025, 10465, 10587, 10143, 10993, 10110, 10995, 14190)
)


def test_the_lanes_say_which_ports_are_needed_and_where() -> None:
    assert needed(load(site_file())) == NEED


def test_an_override_that_is_not_there_publishes_what_is_needed_on_one_address() -> None:
    made = files(NEED, (Binding("postfix-mailcow", "", 25, 25),), None, "")
    assert made.override == (
        'services:\n\n  postfix-mailcow:\n    ports:\n      - "10.10.10.214:10025:10025"\n'
        '      - "10.10.10.214:10465:10465"\n  dovecot-mailcow:\n    ports:\n'
        '      - "10.10.10.214:10993:10993"\n      - "10.10.10.214:14190:14190"\n'
    )
    assert len(made.changes) == 4


def test_the_seeds_override_is_narrowed_and_keeps_every_other_byte() -> None:
    made = files(NEED, OPEN, SEED, "")
    assert made.override == SEED.replace("0.0.0.0", VM)
    assert made.settings == ""


def test_an_address_that_mailcow_conf_gives_is_narrowed_there() -> None:
    conf = "HTTP_REDIRECT=n\nSMTP_PORT_HAPROXY=0.0.0.0:10025\n# mine\n"
    made = files(NEED, OPEN[:1], SEED, conf)
    assert made.settings == "HTTP_REDIRECT=n\nSMTP_PORT_HAPROXY=10.10.10.214:10025\n# mine\n"
    assert "${SMTP_PORT_HAPROXY:-0.0.0.0:10025}" in made.override


def test_a_port_that_is_published_elsewhere_or_by_hand_is_refused() -> None:
    with pytest.raises(InputError, match=r"10025 is published on 127\.0\.0\.1, and HAProxy dials 10\.10\.10\.214"):
        files(NEED, (Binding("postfix-mailcow", "127.0.0.1", 10025, 10025),), SEED, "")
    with pytest.raises(InputError, match="bind it by hand"):
        files(NEED, (Binding("dovecot-mailcow", "", 2525, 2525), Binding("dovecot-mailcow", "", 1, 10110)), "", "")


def test_what_is_dangerous_is_told_first_and_what_is_for_nobody_next() -> None:
    mixed = (Binding("dovecot-mailcow", VM, 14190, 14190), Binding("dovecot-mailcow", VM, 10110, 10110), OPEN[0])
    assert [row.split(":")[0] for row in explained(NEED, mixed)] == ["danger", "for nobody", "needed"]
    assert "open relay" in explained(NEED, OPEN)[0]


def test_a_port_on_every_address_is_never_right() -> None:
    there = tuple(Binding(service(port), VM, port, port) for port in NEED.ports)
    assert right(NEED, there)
    assert not right(NEED, (*there, Binding("dovecot-mailcow", "::", 10110, 10110)))
    assert not right(NEED, there[1:])
    assert affected(NEED, there, there[1:]) == ("postfix-mailcow",)
    assert affected(NEED, there, there) == ()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "haproxy_trusted_networks = 10.10.10.1\n"),
        ("# mine", "# mine\nhaproxy_trusted_networks = 10.10.10.1\n"),
        ("a = b\nhaproxy_trusted_networks = 10.0.0.1 # mine\nc = d\n",
         "a = b\nhaproxy_trusted_networks = 10.0.0.1 10.10.10.1 # mine\nc = d\n"),
        ("haproxy_trusted_networks =\n", "haproxy_trusted_networks = 10.10.10.1\n"),
        ("haproxy_trusted_networks = \\\n  10.0.0.1\n", "haproxy_trusted_networks = 10.10.10.1 \\\n  10.0.0.1\n"),
        ("haproxy_trusted_networks = 10.0.0.1 \\ # a\n  10.0.0.2\n",
         "haproxy_trusted_networks = 10.10.10.1 10.0.0.1 \\ # a\n  10.0.0.2\n"),
    ],
)  # fmt: skip
def test_one_more_peer_is_trusted_and_the_rest_stays(before: str, after: str) -> None:
    assert trusting(before, "10.10.10.1") == after
    assert "10.10.10.1" in trusted(after)


def test_a_network_covers_its_addresses() -> None:
    assert covered("10.10.10.1", ["mail.example.org", "10.10.10.0/24"])
    assert not covered("10.10.11.1", ["10.10.10.0/24", "fd00::/8"])


def test_what_mailcows_own_files_must_not_say_is_found() -> None:
    assert duplicates("A=1\nB=2\nA=1\n# A=3\n") == []
    assert duplicates("A=1\nA=2\n") == ["A"]
    assert broken("# x\n\nname = a\n  more\nsmtpd_x=$y\n") == 0
    assert broken("name = a\nno value\n") == 2


SH = "#!/bin/sh\n"


@pytest.mark.parametrize(
    ("path", "text", "words"),
    [
        ("bin/docker", f"{SH}echo 'docker: command not found' >&2; exit 127\n", "there is no docker on mailcow"),
        ("bin/docker", f"{SH}echo '[\"name=rootless\"]'\n", "is rootless"),
        ("bin/docker", f"{SH}[ $1 = info ] && echo '[]'\n", "has no compose v2"),
        ("bin/docker", f"{SH}case $* in *version*) echo v2.26.1;; *) echo '[]';; esac\n", "no Mailcow"),
        ("run/files", ",/opt/mailcow-dockerized/more.yml", "compose reads /opt/mailcow-dockerized/more.yml as well"),
        ("run/files", f",/srv/{case.OVERRIDE.rpartition('/')[2]}", "compose reads /srv/docker-compose.override.yml as"),
        ("run/update", "12 bash ./update.sh\n", "update.sh runs"),
        (f"{case.FOLDER}/mailcow.conf", "A=1\nA=2\n", "mailcow.conf gives A more than once"),
        (f"{case.FOLDER}/data/conf/postfix/extra.cf", "myhostname\n", "extra.cf:1: this is no `name = value`"),
        (
            "run/refuses",
            "postconf: fatal: main.cf, line 3: missing '='\n",
            "Postfix would not start again with its files as they are: postconf: fatal: main.cf, line 3",
        ),
        (case.OVERRIDE, "broken\n", "docker compose refuses the files as they are"),
        ("bin/ip", f"{SH}echo '2: e    inet 10.0.0.9/24 scope global e'\n", "HAProxy dials 10.10.10.214, and mailcow"),
    ],
)
async def test_what_is_in_the_way_is_said_before_anything_changes(root: Path, path: str, text: str, words: str) -> None:
    file = root / "mail" / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    before = case.end(root)
    said, _ = await ran(case.CASE, root)
    assert words in said
    assert "nothing was changed" in said
    assert case.end(root) == before


async def test_the_plan_says_what_is_gone_for_how_long(root: Path) -> None:
    _, heard = await ran(case.CASE, root)
    first, second = [event.plan for event in heard if isinstance(event, StepPlanned)]
    assert (
        "postfix-mailcow is recreated: its ports refuse for some seconds, and clients have to try again" in first.notes
    )
    assert "10.10.10.1 is what Dovecot itself says of a connection from vps" in second.notes
    assert "a reload interrupts nobody" in second.notes


async def test_ports_that_the_proxy_does_not_reach_are_taken_back_at_once(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "TRIES", 1)
    before = case.end(root)

    async def unreached(*words: object) -> bool:
        return False

    monkeypatch.setattr(steps, "reaches", unreached)
    said, _ = await ran(case.CASE, root)
    assert "vps does not reach 10.10.10.214:10025, 10465, 10993 and 14190; taken back on mailcow" in said
    assert case.end(root) == before


async def test_a_peer_that_the_log_does_not_name_is_asked_for_and_never_guessed(root: Path) -> None:
    await ran(case.CASE, root)
    mail = root / "mail"
    (mail / case.TRUSTED).write_text("")
    (mail / "bin/docker").write_text((mail / "bin/docker").read_text().replace('cat "$ROOT/run/log"', ":"))
    said, _ = await ran(case.CASE, root)
    assert "Which address has HAProxy there? (--answer peer=…)" in said


async def test_it_is_undone(root: Path) -> None:
    before = (root / "mail" / case.UP).read_bytes(), (root / "mail" / case.EXTRA).read_bytes()
    await ran(case.CASE, root)
    record = journal.runs(folder(root), 1)[0]
    heard: list[FlowEvent] = []
    world = context(case.CASE, root)
    ending = await Session(case.CASE.flow, world, agree, heard.append, folder(root), record).run()
    assert ending.outcome == "done", [event.words for event in heard if isinstance(event, StepChanged)]
    assert ((root / "mail" / case.UP).read_bytes(), (root / "mail" / case.EXTRA).read_bytes()) == before
    assert not (root / "mail" / case.OVERRIDE).exists()
