"""install-mailcow: what forbids it, what it sets, what it adopts, and whether each service works."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from console.events import FlowEvent, StepChanged, StepPlanned
from console.facts import installation
from console.facts.installation import Container, Installation, Socket
from console.facts.mounts import Mounts
from console.flows.install_mailcow import working
from console.flows.install_mailcow.commands import Layers, cloning
from console.flows.install_mailcow.ground import FOLDER, QUIET, Ground, conflicts, forbidden
from console.flows.install_mailcow.preparing import missing
from console.flows.install_mailcow.wanted import judged, secrets, settings
from console.runner.ending import Ending
from console.runner.plan import Amount
from tests.console.flows.case import tree
from tests.console.flows.cases import install_mailcow as case
from tests.console.flows.install_stage import world
from tests.console.flows.walking import context, walk

__all__ = ["world"]


WELL = Installation(root=True, apt=True, kind="mailcow", engine="26.1.3", compose="2.26.1", settings=0o600)
CONF = case.CONFIGURATION.replace("$MAILCOW_HOSTNAME", "mail.example.org")


def ground(there: Installation = WELL, own: tuple[str, ...] = (case.ADDRESS,), address: str = case.ADDRESS) -> Ground:
    return Ground(there, Mounts(), own, address, "" if address else "no lane sends a header")


async def run(root: Path) -> tuple[Ending, dict[int, StepChanged], list[StepPlanned]]:
    heard: list[FlowEvent] = []
    ending = await walk(case.CASE, root, heard.append)
    assert ending is not None
    steps = {event.step: event for event in heard if isinstance(event, StepChanged)}
    return ending, steps, [event for event in heard if isinstance(event, StepPlanned)]


# ── the look ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_what_the_stand_in_says_to_a_look_is_what_the_script_says(world: Path) -> None:
    vm = case.Vm(world, "mail", "mailcow")
    vm.slow = True

    async def both() -> tuple[Installation, Installation]:
        said = await installation.ask(vm, FOLDER)
        assert said.error == ""
        machine = {"memory": 8000000, "zone": "Europe/Berlin", "apt": True, "system": "debian bookworm"}
        return msgspec.structs.replace(said, **machine), installation.parse(case.look(world))

    first, told = await both()
    assert first == told
    assert (first.kind, first.lacking, first.root, first.engine) == ("none", ("docker", "jq"), True, "")
    assert (await run(world))[0].outcome == "done"
    (world / "run/sockets").write_text('LISTEN 0 100 0.0.0.0:25 0.0.0.0:* users:(("master",pid=812,fd=13))\n')
    last, told = await both()
    assert last.sockets == (Socket("", 25, "master", 812),)
    assert msgspec.structs.replace(last, sockets=()) == told
    assert (last.absent, last.stopped, len(last.containers)) == ((), (), len(case.SERVICES))


def test_images_without_a_tag_are_known_and_what_does_not_run_is_stopped() -> None:
    found = installation.parse(
        "wanted\tmemcached\nwanted\tmariadb:10.11\nimage\tmemcached:latest\nservice\ta\nservice\tb\nservice\tc\n"
        "container\ta running Up 2 hours (healthy)\ncontainer\tb exited Exited (1) 2 hours ago\nnothing\n"
    )
    assert (found.absent, found.stopped) == (("mariadb:10.11",), ("b", "c"))
    assert found.containers[0] == Container("a", "running", "Up 2 hours (healthy)")


REFUSED = [
    ({"root": False}, "we are not root on mailcow"),
    ({"places": ("/srv/mailcow",)}, "runs from /srv/mailcow"),
    ({"kind": "other"}, "a folder with other files in it: move it away"),
    ({"kind": "link"}, "a symbolic link"),
    ({"rootless": True}, "is rootless"),
    ({"engine": "20.10.24"}, "docker on mailcow is 20.10.24, and Mailcow needs 24 or newer. Upgrade it"),
    ({"engine": "20.10.24"}, "apt-get remove docker.io containerd runc; images and volumes stay), and start again"),
    ({"complaint": "no such port"}, "docker compose refuses Mailcow's files as they are: no such port"),
    ({"settings": 0, "volumes": ("mailcowdockerized_mysql-vol-1",)}, "it has the passwords of the database"),
    ({"sockets": (Socket("", 25, "master", 812),)}, "port 25 is taken by master, process 812"),
]


@pytest.mark.parametrize(("change", "words"), REFUSED)
def test_what_forbids_an_installation_is_said(change: dict[str, object], words: str) -> None:
    assert words in forbidden(ground(msgspec.structs.replace(WELL, **change)), "mailcow")


def test_nothing_is_in_the_way_of_a_machine_that_is_well_or_has_one_already() -> None:
    taken = Socket("", 25, "docker-proxy", 9)
    assert forbidden(ground(), "mailcow") == ""
    assert forbidden(ground(msgspec.structs.replace(WELL, engine="", compose="", kind="none", settings=0)), "vm") == ""
    ours = msgspec.structs.replace(WELL, containers=(Container("a", "running"),), sockets=(taken,), places=(FOLDER,))
    assert forbidden(ground(ours), "mailcow") == ""


def test_a_listener_on_another_address_is_no_conflict_when_ours_is_known() -> None:
    local = (Socket("127.0.0.1", 25, "master", 1), Socket("", 53, "x", 2))
    assert conflicts(local, case.ADDRESS) == []
    assert conflicts(local, "") == ["port 25 is taken by master, process 1"]


def test_programs_are_named_by_their_packages() -> None:
    assert missing(Installation(lacking=("docker", "awk", "sha1sum", "cut", "jq"))) == (
        "docker", "compose", "gawk", "coreutils", "jq",
    )  # fmt: skip
    assert missing(WELL) == ()


# ── mailcow.conf ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_the_installer_gets_wrong_behind_haproxy_is_set_and_then_nothing_changes() -> None:
    made = settings(CONF, ground())
    changed = {line for line in made.text.split("\n") if line not in CONF.split("\n")}
    assert changed == {
        "HTTP_BIND=10.10.10.214", "HTTPS_BIND=10.10.10.214", "HTTP_REDIRECT=n", "SKIP_LETS_ENCRYPT=y",
        "SMTP_PORT=10.10.10.214:25", "SMTPS_PORT=10.10.10.214:465", "SUBMISSION_PORT=10.10.10.214:587",
        "IMAP_PORT=10.10.10.214:143", "IMAPS_PORT=10.10.10.214:993", "POP_PORT=10.10.10.214:110",
        "POPS_PORT=10.10.10.214:995", "SIEVE_PORT=10.10.10.214:4190",
    }  # fmt: skip
    assert settings(made.text, ground()).changes == ()
    assert secrets(CONF) == [f"hunter{n}" * 4 for n in (2, 3, 4)]


@pytest.mark.parametrize(
    ("peer", "before", "after"),
    [
        ("100.64.0.1", "", "100.64.0.1"),
        ("100.64.0.1", "TRUSTED_PROXIES=203.0.113.7, cdn.test\n", "203.0.113.7,cdn.test,100.64.0.1"),
        ("100.64.0.1", "TRUSTED_PROXIES=100.64.0.0/10\n", "100.64.0.0/10"),
        ("10.10.10.1", "", None),
        ("fd7a:115c:a1e0::1", "", None),
        ("", "", None),
    ],
)
def test_nginx_is_told_of_a_proxy_that_it_does_not_believe_anyway(peer: str, before: str, after: str | None) -> None:
    made = settings(CONF + before, ground(), peer)
    lines = [line.partition("=")[2] for line in made.text.split("\n") if line.startswith("TRUSTED_PROXIES=")]
    assert lines == ([] if after is None else [after])
    assert settings(made.text, ground(), peer).changes == ()


def test_a_port_that_was_moved_keeps_its_number_and_one_that_is_bound_stays() -> None:
    text = CONF.replace("SMTP_PORT=25", "SMTP_PORT=2525").replace("IMAP_PORT=143", "IMAP_PORT=127.0.0.1:143")
    made = settings(text, ground()).text
    assert "\nSMTP_PORT=10.10.10.214:2525\n" in made
    assert "\nIMAP_PORT=127.0.0.1:143\n" in made


SIX = "2a01:4f8:1:2::3"


@pytest.mark.parametrize(
    ("own", "routed", "value"),
    [((), True, "false"), (("fd00::1",), True, "false"), ((SIX,), False, "false"), ((SIX,), True, "true")],
)
def test_ipv6_is_on_when_the_network_has_it(own: tuple[str, ...], routed: bool, value: str) -> None:
    there = msgspec.structs.replace(WELL, routed6=routed)
    made = settings(CONF, ground(there, (case.ADDRESS, *own)))
    assert f"\nENABLE_IPV6={value}\n" in made.text


def test_what_differs_in_a_file_that_is_in_use_is_told_with_the_open_relay_first() -> None:
    rows = judged(CONF, ground(WELL, (case.ADDRESS, SIX)))
    assert (
        rows[0] == f"danger: ENABLE_IPV6=false, and this machine has {SIX}: its clients count as Mailcow's own (CH007)"
    )
    bound = CONF.replace("SMTP_PORT=25", f"SMTP_PORT={case.ADDRESS}:25")
    assert not any("danger" in row for row in judged(bound, ground(WELL, (case.ADDRESS, SIX))))


def test_without_haproxys_address_only_ipv6_is_decided() -> None:
    assert settings(CONF, ground(address="")).changes == ()


# ── what is said while it runs ──────────────────────────────────────────────────────────────────────────────────────


def test_a_pull_and_a_clone_say_how_far_they_are() -> None:
    layers = Layers("mariadb:10.11")
    said = [layers(line) for line in ("10.11: Pulling from mariadb", "0123456789ab: Pulling fs layer",
                                      "fedcba987654: Already exists", "0123456789ab: Pull complete")]  # fmt: skip
    assert said == [
        None, Amount(0, 1, "layers", "mariadb:10.11"), Amount(1, 2, "layers", "mariadb:10.11"),
        Amount(2, 2, "layers", "mariadb:10.11"),
    ]  # fmt: skip
    assert cloning("Receiving objects:  45% (9/20), 1.2 MiB | 3 MiB/s") == Amount(9, 20, "objects", "Receiving objects")
    assert cloning("Cloning into 'x'...") is None


# ── runs ────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_from_nothing_to_services_that_answer_and_no_secret_is_shown(world: Path) -> None:
    ending, steps, plans = await run(world)
    assert ending.outcome == "done"
    assert steps[7].words == "Mailcow runs: 4 services answer as they should, 1 run and cannot be asked"
    assert "hunter" not in repr((steps, plans))
    conf = world / case.FOLDER / "mailcow.conf"
    assert conf.stat().st_mode & 0o777 == 0o600
    assert (world / case.FOLDER / "data/assets/ssl/key.pem").stat().st_mode & 0o777 == 0o600
    assert "--no-install-recommends docker.io docker-compose-v2 jq" in (world / "run/installed").read_text()


STOPPED: list[tuple[Callable[[Path], object], str]] = [
    (lambda root: (root / "world/mounts").write_text(case.MOUNTS.replace('"/opt"', '"/mnt"')),
     "no volume is mounted at /opt: start the flow mount-volumes first"),
    (lambda root: (root / case.FOLDER / "mine").mkdir(parents=True), "a folder with other files in it"),
]  # fmt: skip


@pytest.mark.parametrize(("spoil", "words"), STOPPED)
async def test_where_it_must_not_go_on_it_says_why_and_lays_nothing(
    world: Path, spoil: Callable[[Path], object], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(case.Vm, "slow", True)
    spoil(world)
    before = tree(world, "opt")
    ending, _, _ = await run(world)
    assert ending.outcome in ("refused", "failed")
    assert words in ending.words
    assert tree(world, "opt") == before
    assert not (world / "run/installed").exists()


def test_an_update_is_seen_and_neither_what_looks_for_it_nor_another_script_is_one() -> None:
    seen = re.compile(installation.UPDATING)
    for line in ("/bin/bash ./update.sh --force", "bash update.sh", "/bin/bash /opt/mailcow-dockerized/update.sh"):
        assert seen.search(line)
    for line in (
        QUIET,
        installation.SCRIPT,
        f"pgrep -af {installation.UPDATING}",
        "vi update.sh.orig",
        "dns-update.sh",
    ):
        assert not seen.search(line), line


async def test_while_mailcow_updates_itself_nothing_is_done(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(case.Vm, "slow", True)
    (world / "run/update").write_text("812 /bin/bash ./update.sh\n")
    ending, _, plans = await run(world)
    assert (ending.outcome, plans) == ("failed", [])
    assert "Mailcow's update.sh runs on mailcow: look again when it has ended" in ending.words


async def test_one_that_is_in_use_is_adopted_and_not_a_byte_is_written(world: Path) -> None:
    await run(world)
    conf = world / case.FOLDER / "mailcow.conf"
    conf.write_text(conf.read_text().replace("HTTP_REDIRECT=n", "HTTP_REDIRECT=y"))
    before = tree(world, "opt")
    ending, steps, plans = await run(world)
    assert (ending.outcome, plans, tree(world, "opt")) == ("done", [], before)
    assert steps[4].words == "mailcow.conf is in use, and left as it is, though it differs"
    assert steps[4].evidence == ("HTTP_REDIRECT=n: a proxy that ends TLS would be redirected without end (CH015)",)


async def test_a_service_that_runs_and_does_not_answer_is_named(world: Path) -> None:
    (world / "run/silent").write_text("143\n")
    ending, steps, _ = await run(world)
    assert ending.outcome == "failed"
    assert steps[7].words == "dovecot-mailcow: no sign of work"
    assert steps[7].evidence[0] == "dovecot-mailcow: 10.10.10.214 port 143: connection refused"


@pytest.mark.parametrize(
    ("service", "said", "well"),
    [
        ("postfix-mailcow", "220-mail\r\n220 mail ESMTP\r\n", True),
        ("postfix-mailcow", "421 4.3.2 no\r\n", False),
        ("dovecot-mailcow", "* OK ready\r\n", True),
        ("dovecot-mailcow", "* BYE\r\n", False),
        ("php-fpm-mailcow", "HTTP/1.1 500 Internal Server Error\r\n", False),
        ("nginx-mailcow", "HTTP/1.1 500 Internal Server Error\r\n", True),
        ("sogo-mailcow", "HTTP/1.1 502 Bad Gateway\r\n", False),
        ("sogo-mailcow", "HTTP/1.1 302 Found\r\n", True),
        ("rspamd-mailcow", "garbage\r\n", False),
        ("rspamd-mailcow", "HTTP/1.1 404 Not Found\r\n", True),
        ("php-fpm-mailcow", "HTTP/1.1 301 Moved Permanently\r\n", False),
    ],
)
def test_each_service_is_judged_by_its_own_answer(service: str, said: str, well: bool) -> None:
    question = next(each for each in working.QUESTIONS if each.service == service)
    assert question.right(said) is well


@pytest.mark.parametrize(
    ("values", "where"),
    [
        ({}, ("127.0.0.1", 25)),
        ({"SMTP_PORT": "2525"}, ("127.0.0.1", 2525)),
        ({"SMTP_PORT": "10.1.2.3:25"}, ("10.1.2.3", 25)),
        ({"SMTP_PORT": "0.0.0.0:25"}, ("127.0.0.1", 25)),
        ({"SMTP_PORT": "[fd00::1]:25"}, ("fd00::1", 25)),
        ({"SMTP_PORT": "x"}, ("127.0.0.1", 25)),
    ],
)
def test_a_service_is_asked_where_mailcow_conf_has_it(values: dict[str, str], where: tuple[str, int]) -> None:
    assert working.where(values, "SMTP_PORT", 25, "127.0.0.1") == where


async def test_a_redirect_of_nginx_proves_nothing_of_what_is_behind_it(
    world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await run(world)
    monkeypatch.setitem(case.ANSWERS, 80, b"HTTP/1.1 301 Moved Permanently\r\n\r\n")
    containers = tuple(Container(name, "running") for name in (*case.SERVICES, "sogo-mailcow", "mysql-mailcow"))
    found = await working.ask(context(case.CASE, world), {"SKIP_SOGO": "y"}, case.ADDRESS, containers)
    assert (found.bad, found.well) == ((), ("nginx-mailcow", "postfix-mailcow", "dovecot-mailcow"))
    assert found.unasked == ("php-fpm-mailcow", "memcached-mailcow", "sogo-mailcow", "mysql-mailcow")


def test_the_web_is_asked_at_its_own_address() -> None:
    assert working.where({"HTTP_BIND": "10.1.2.3", "HTTP_PORT": "8080"}, "HTTP_PORT", 80, "") == ("10.1.2.3", 8080)
