"""The listeners that mail needs: what is edited and what is left, what is refused, and what is taken back."""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

import assets
from console.errors import InputError
from console.estate.load import Estate, load
from console.events import FlowEvent, StepChanged, StepPlanned
from console.flows import StepContext
from console.flows.haproxy_listeners import running
from console.flows.haproxy_listeners.program import INSTALL, REMOVE
from console.flows.haproxy_listeners.wanted import offers, wanted
from console.hosts.programs import program
from console.lab.client import Lab
from console.lab.plan import site_file
from console.runner.session import Session
from console.store import journal
from tests.console.flows.cases import haproxy_listeners as case
from tests.console.flows.walking import agree, context, folder, ran

PATH = "/etc/haproxy/haproxy.cfg"
SEED = (Path(assets.__file__).parent / "lab/haproxy.cfg").read_text()

WEB = """\
global
    stats socket /run/haproxy/admin.sock
defaults
    mode http
    timeout connect 5s
    timeout client 50s   # of mine
    timeout server 50s
frontend web
    bind :80
    default_backend site
backend site
    server one 127.0.0.1:8080
"""


@pytest.fixture(scope="module")
def estate() -> Estate:
    return load(site_file())


def test_what_was_not_asked_for_keeps_every_byte(estate: Estate) -> None:
    mine = SEED.replace("    option tcplog\n", "    option  tcplog # mine\r\n", 1)
    done = wanted(estate, PATH, mine, six=True)
    assert [line for line in mine.splitlines(True) if "server" not in line and line not in done.text] == []
    assert done.text.count("inter 30s fastinter 2s downinter 5s") == 4
    assert "tcp-check connect port 10993 send-proxy ssl\n" in done.text
    assert done.left == ()
    assert wanted(estate, PATH, done.text, six=True).changes == ()


def test_haproxy_accepts_what_is_written(estate: Estate, tmp_path: Path) -> None:
    found = program("haproxy") or program("/usr/sbin/haproxy")
    if found is None:
        pytest.skip("haproxy is not installed")
    for text in (SEED, WEB):
        (tmp_path / "haproxy.cfg").write_text(wanted(estate, PATH, text, six=True, submission=True).text)
        said = subprocess.run([found, "-c", "-f", tmp_path / "haproxy.cfg"], capture_output=True, check=False)
        assert said.returncode == 0, said.stderr


def test_a_file_without_mail_gets_the_repositorys_listeners_and_its_own_sections_stay(estate: Estate) -> None:
    done = wanted(estate, PATH, WEB, six=True)
    assert done.text.startswith(WEB), "the limits of the web's defaults are not mail's to change"
    for port in (25, 465, 993, 4190):
        assert f"    bind :{port}\n    bind :::{port} v6only\n" in done.text
    assert done.text.count("timeout client 30m") == 2, "where a session may idle"
    assert done.left == ()


def test_ipv6_is_added_only_where_the_proxy_has_it(estate: Estate) -> None:
    four = SEED.replace("    bind :::993 v6only\n", "")
    assert wanted(estate, PATH, four, six=True).text.count("bind :::993 v6only\n") == 1
    assert "bind :::993" not in wanted(estate, PATH, four, six=False).text


def test_submission_is_offered_once(estate: Estate) -> None:
    assert offers(estate, PATH, SEED)
    done = wanted(estate, PATH, SEED, six=True, submission=True)
    assert "    server mailcow 10.10.10.214:10587 send-proxy check" in done.text
    assert not offers(estate, PATH, done.text)
    assert done.text == wanted(estate, PATH, done.text, six=True, submission=True).text


def test_a_listener_that_cannot_be_copied_is_named(estate: Estate) -> None:
    theirs = SEED.replace("listen imaps\n    bind :993\n    bind :::993 v6only", "listen imaps\n    bind :10")
    with pytest.raises(InputError, match="993 has no listener on the proxy"):
        wanted(estate, PATH, theirs, six=True)


SOCKET = 'LISTEN 0 20 {}  0.0.0.0:* users:(("{}",pid=7,fd=4))\n'


def lay(root: Path, path: str, text: str) -> None:
    (root / path).write_text(text)


@pytest.mark.parametrize(
    ("path", "text", "words"),
    [
        (case.CONFIGURATION, "listen a\n bind :25", "refuses /etc/haproxy/haproxy.cfg as it is: parsing: Missing LF"),
        ("bin/ps", "#!/bin/sh\necho 'Ss haproxy -f /etc/haproxy/other.cfg'\n", "runs /etc/haproxy/other.cfg, not"),
        ("bin/ps", "#!/bin/sh\necho 'Ss haproxy -f /etc/haproxy/haproxy.cfg /etc/b.cfg'\n", "/etc/b.cfg"),
        ("run/sockets", SOCKET.format("127.0.0.1:25", "exim4"), "exim4 has port 25 on vps: stop and disable it"),
        (case.CONFIGURATION, SEED.replace(":25", ":1").replace("::1 v6only", "::1"), "25 has no listener on the proxy"),
        ("run/closed", "imaps", "imaps/mailcow is DOWN (L4CON): the mail host does not answer there"),
    ],
)  # fmt: skip
async def test_what_is_in_the_way_is_said_before_anything_changes(root: Path, path: str, text: str, words: str) -> None:
    lay(root, path, text)
    before = case.end(root)
    said, _ = await ran(case.CASE, root)
    assert words in said
    assert "nothing was changed" in said
    assert case.end(root) == before


async def test_a_server_that_is_not_up_by_its_new_check_has_the_file_before_put_back_at_once(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "PROOF", 0)
    lay(root, "run/dumb", "imaps")
    before = (root / case.CONFIGURATION).read_bytes()
    said, _ = await ran(case.CASE, root)
    assert "imaps/mailcow is DOWN, by L7TOUT; taken back on vps" in said
    assert (root / case.CONFIGURATION).read_bytes() == (root / case.LOADED).read_bytes() == before
    assert not case.CASE.armed(root)


@pytest.mark.parametrize(
    ("sockets", "said"),
    [
        (SOCKET.format("0.0.0.0:25", "haproxy"), "done, and verified"),  # HAProxy's own
        (SOCKET.format("0.0.0.0:2525", "exim4"), "done, and verified"),  # no port of mail's
        ("LISTEN 0 20 0.0.0.0:25 0.0.0.0:*\n", "done, and verified"),  # HAProxy runs: it may be that one
        (SOCKET.format("*:25", "exim4") + SOCKET.format("[::1]:465", "exim4"), "exim4 has ports 25 and 465 on vps"),
    ],
)
async def test_only_another_program_on_a_port_of_mail_is_in_the_way(root: Path, sockets: str, said: str) -> None:
    lay(root, "run/sockets", sockets)
    assert said in (await ran(case.CASE, root))[0]


async def test_who_has_a_port_is_said_though_ss_does_not_show_it_where_no_haproxy_runs(root: Path) -> None:
    (root / "run/running").unlink()
    lay(root, "run/sockets", "LISTEN 0 20 0.0.0.0:25 0.0.0.0:*\n")
    assert "a program that ss does not show has port 25 on vps" in (await ran(case.CASE, root))[0]


async def test_a_haproxy_that_is_absent_is_installed_and_one_that_is_stopped_is_started(tmp_path: Path) -> None:
    case.bare(tmp_path)
    said, heard = await ran(case.CASE, tmp_path)
    assert said == "done, and verified"
    assert (tmp_path / "run/installed").read_text() == "installed\n"
    words = [each.words for each in heard if isinstance(each, StepChanged) and each.state == "planned"]
    assert words[0] == "HAProxy is not installed on vps"
    (tmp_path / "run/running").unlink()
    said, heard = await ran(case.CASE, tmp_path)
    assert said == "done, and verified"
    assert (tmp_path / "run/installed").read_text() == "installed\n"
    shown = [action.text for each in heard if isinstance(each, StepPlanned) for action in each.plan.actions]
    assert shown == ["systemctl enable --now haproxy.service"]


async def test_an_installation_that_was_cut_off_is_gone_on_with_by_apt_and_not_by_a_start(tmp_path: Path) -> None:
    case.bare(tmp_path)
    (tmp_path / "run/installed").touch()
    lay(tmp_path, "bin/dpkg-query", "#!/bin/sh\necho half-configured\n")
    (tmp_path / "bin/dpkg-query").chmod(0o755)
    said, heard = await ran(case.CASE, tmp_path)
    assert said == "done, and verified"
    shown = [action.text for each in heard if isinstance(each, StepPlanned) for action in each.plan.actions]
    assert "apt-get install" in shown[0]


PACKAGED = b"global\n\tstats socket /run/haproxy/admin.sock\n"


@pytest.mark.parametrize(
    ("mine", "others", "status", "words"),
    [
        ("", "", 0, ""),
        ("# mine\n", "", 3, "is not as the package brought it: HAProxy is in use"),
        ("", "Remv lean [1]", 3, "other packages need HAProxy"),
    ],
)
def test_an_installation_is_taken_back_only_while_nothing_uses_it(
    tmp_path: Path, mine: str, others: str, status: int, words: str
) -> None:
    sum = hashlib.md5(PACKAGED, usedforsecurity=False).hexdigest()
    tools = {
        "dpkg-query": f"echo ' /etc/haproxy/haproxy.cfg {sum}'",
        "apt-get": f"""\
case "$*" in
'-s remove haproxy') printf '%s\\n' 'Remv haproxy [2.6]' '{others}' ;;
'remove -q -y haproxy') : >'{tmp_path}/removed' ;;
esac""",
    }
    for name, text in tools.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    file = tmp_path / "haproxy.cfg"
    file.write_bytes(PACKAGED + mine.encode())
    path = f"{tmp_path}:{os.environ['PATH']}"
    argv = ["sh", "-c", REMOVE, "sh", str(file)]
    done = subprocess.run(argv, env={"PATH": path}, capture_output=True, text=True, check=False)
    assert (done.returncode, words in done.stderr, (tmp_path / "removed").exists()) == (status, True, status == 0)


async def test_a_stopped_haproxy_is_not_started_on_a_file_that_it_refuses(root: Path) -> None:
    (root / "run/running").unlink()
    lay(root, case.CONFIGURATION, "listen a\n bind :25")
    said, _ = await ran(case.CASE, root)
    assert "Missing LF on last line" in said
    assert not (root / "run/running").exists()


async def test_where_there_is_no_apt_nothing_is_installed(tmp_path: Path) -> None:
    case.bare(tmp_path)
    lay(tmp_path, "bin/which", "#!/bin/sh\nexit 1\n")
    (tmp_path / "bin/which").chmod(0o755)
    assert "HAProxy is not installed on vps, and there is no apt-get" in (await ran(case.CASE, tmp_path))[0]


@pytest.mark.skipif(shutil.which("apt-get") is None, reason="no apt-get here")
def test_apt_takes_what_it_is_asked() -> None:
    (line,) = (each for each in INSTALL.replace("\\\n", "").split("\n") if each.startswith("apt-get install"))
    argv = [*shlex.split(line), "--simulate"]
    done = subprocess.run(
        argv, capture_output=True, text=True, check=False, env={"PATH": os.environ["PATH"], "LC_ALL": "C"}
    )
    assert done.returncode == 0 or "Unable to locate package" in done.stderr, done.stderr
    forces = {word.split("--force-")[1].split()[0] for word in INSTALL.split("::=")[1:]}
    known = subprocess.run(["dpkg", "--force-help"], capture_output=True, text=True, check=True).stdout
    assert forces == {"confold", "confmiss"} and all(f"{force} " in known for force in forces)


async def test_a_file_that_haproxy_has_not_read_is_read(root: Path) -> None:
    await ran(case.CASE, root)
    lay(root, case.LOADED, SEED)
    said, heard = await ran(case.CASE, root)
    assert said == "done, and verified"
    plan = next(event.plan for event in heard if isinstance(event, StepPlanned))
    assert [action.text for action in plan.actions[1:]] == ["systemctl reload haproxy"]


async def test_a_reload_that_is_reported_as_done_before_the_new_process_answers_is_waited_for(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "OFTEN", 0)
    lay(root, case.LATE, "5")
    said, _ = await ran(case.CASE, root)
    assert said == "done, and verified"
    assert (root / case.LATE).read_text() == "0"


async def test_a_reload_that_is_never_read_is_taken_back(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "PROOF", 0)
    lay(root, case.LATE, "1000")
    before = (root / case.CONFIGURATION).read_bytes()
    said, _ = await ran(case.CASE, root)
    assert "HAProxy has not read it" in said and "taken back on vps" in said
    assert (root / case.CONFIGURATION).read_bytes() == before


async def test_it_is_undone(root: Path) -> None:
    before = (root / case.CONFIGURATION).read_bytes()
    await ran(case.CASE, root)
    record = journal.runs(folder(root), 1)[0]
    world = context(case.CASE, root)
    ending = await Session(case.CASE.flow, world, agree, lambda event: None, folder(root), record).run()
    assert ending.outcome == "done", ending.words
    assert (root / case.CONFIGURATION).read_bytes() == (root / case.LOADED).read_bytes() == before


async def test_it_is_rehearsed_in_the_lab_and_nobody_is_interrupted(tmp_path: Path) -> None:
    lab = Lab.start_private()
    try:
        lab.wait()
        hosts = lab.hosts()
        stream = await hosts["here"].connect("203.0.113.10", 4190, 5)
        heard: list[FlowEvent] = []
        world = StepContext(load(site_file()), {"proxy": hosts["proxy"]}, {}, {"submission": "yes"})
        for words in ("done, and verified", "nothing to do: everything is as it should be"):
            ending = await Session(case.CASE.flow, world, agree, heard.append, tmp_path).run()
            assert ending.words == words, [event.words for event in heard if isinstance(event, StepChanged)]
        assert b"IMPLEMENTATION" in await stream.read()
        submission = await hosts["here"].connect("2001:db8:113::10", 587, 5)
        assert (await submission.read()).startswith(b"220 ")
        stream.close()
        submission.close()
        assert lab.status()["mishaps"] == []
    finally:
        lab.close()
