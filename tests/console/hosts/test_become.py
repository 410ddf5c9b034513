"""Root by sudo: with and without a password, here and there; a stand-in for sudo says what the real one does."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from console.errors import FileError, Missing, NoWayIn, TimedOut
from console.hosts.become import NEEDS, REFUSES
from console.hosts.host import Host
from console.hosts.local import Local
from console.hosts.ssh import Ssh
from console.questions import Asker, Question
from tests.console.hosts.ssh_server import Server, answering, until

PASSWORD = "my sudo password"

SUDO = r"""#!/bin/sh
echo "$*" >> "$COWHAND_TEST/sudo.log"
if [ -e "$COWHAND_TEST/denied" ]; then cat "$COWHAND_TEST/denied" >&2; exit 1; fi
if [ "$1" = -n ]; then
  shift 2
  if [ -e "$COWHAND_TEST/free" ]; then exec "$@"; fi
  echo "sudo: a password is required" >&2; exit 1
fi
prompt=$4
shift 5
if [ ! -e "$COWHAND_TEST/free" ]; then
  printf %s "$prompt" >&2
  IFS= read -r typed
  if [ "$typed" != "$(cat "$COWHAND_TEST/password")" ]; then
    echo "Sorry, try again." >&2
    printf %s "$prompt" >&2
    IFS= read -r typed || { echo >&2; echo "sudo: no password was provided" >&2; exit 1; }
  fi
fi
command -v "$1" >/dev/null || { echo "sudo: $1: command not found" >&2; exit 1; }
exec "$@"
"""

Make = Callable[..., Host]


class Stage:
    """A machine with the stand-in: `make` gives it as a host, here or by SSH."""

    def __init__(self, folder: Path, make: Callable[[Asker | None], Host]) -> None:
        self.folder, self.make = folder, make

    def allow(self) -> None:
        (self.folder / "free").touch()

    def deny(self, words: str) -> None:
        (self.folder / "denied").write_text(words)

    def log(self) -> list[str]:
        log = self.folder / "sudo.log"
        return log.read_text().splitlines() if log.exists() else []


@pytest.fixture(params=["here", "there"])
async def stage(
    request: pytest.FixtureRequest, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Stage]:
    """The same tests for this machine and for one by SSH."""
    place = tmp_path / "bin"
    place.mkdir()
    (place / "sudo").write_text(SUDO)
    (place / "sudo").chmod(0o755)
    (tmp_path / "password").write_text(PASSWORD)
    monkeypatch.setenv("COWHAND_TEST", str(tmp_path))
    made: list[Host] = []
    if request.param == "here":
        monkeypatch.setenv("PATH", f"{place}:{os.environ['PATH']}")

        def make(ask: Asker | None) -> Host:
            return Local("vps", "proxy", become="sudo", ask=ask, keep=("COWHAND_TEST",))
    else:
        server.path = f"{place}:{server.path}"
        await server.start()
        file = server.configure()

        def make(ask: Asker | None) -> Host:
            made.append(Ssh("vps", "proxy", "vps", become="sudo", ask=ask, file=file))
            return made[-1]

    yield Stage(tmp_path, make)
    for host in made:
        await host.close()


async def test_without_a_password_nobody_is_asked(stage: Stage) -> None:
    stage.allow()
    asked, ask = answering()
    done = await stage.make(ask).run(["sh", "-c", "echo out; echo err >&2; exit 3"], 5)
    assert (done.status, done.stdout, done.stderr) == (3, b"out\n", b"err\n")
    assert asked == [] and stage.log()[0].startswith("-n -- timeout -s KILL 7 sh -c")


async def test_the_password_is_asked_for_once_and_never_an_argument(stage: Stage) -> None:
    asked, ask = answering(PASSWORD)
    host = stage.make(ask)
    await host.open()
    for _ in range(2):
        done = await host.run(["sh", "-c", "cat; echo well; echo odd >&2"], 5)
        assert (done.status, done.stdout, done.stderr) == (0, b"well\n", b"odd\n")
    (question,) = asked
    assert (question.kind, question.host, question.secret) == ("sudo", "vps", True)
    assert len([line for line in stage.log() if line.startswith("-n")]) == 2
    assert PASSWORD not in "".join(stage.log())


async def test_a_wrong_password_is_said_and_not_tried_again_until_asked(stage: Stage) -> None:
    asked, ask = answering("wrong", PASSWORD)
    host = stage.make(ask)
    for _ in range(3):
        with pytest.raises(NoWayIn, match="sudo on vps did not take that password"):
            await host.open()
        with pytest.raises(NoWayIn, match="sudo on vps did not take that password"):
            await host.run(["id"], 5)
    assert len(asked) == 1 and len([line for line in stage.log() if line.startswith("-S")]) == 1
    assert len(stage.log()) < 6
    host.forget()
    await host.open()
    assert (await host.run(["true"], 5)).status == 0
    assert len(asked) == 2


async def test_a_password_that_nobody_gives_is_said_and_not_asked_for_again(stage: Stage) -> None:
    asked, ask = answering(None)
    host = stage.make(ask)
    for _ in range(2):
        with pytest.raises(NoWayIn, match="sudo on vps wants a password; none was given"):
            await host.open()
    assert len(asked) == 1
    with pytest.raises(NoWayIn, match="sudo on vps wants a password; only the screens ask for it"):
        await stage.make(None).run(["true"], 5)


async def test_a_wrong_password_is_tried_once_by_many_commands(stage: Stage) -> None:
    asked, ask = answering("wrong")
    host = stage.make(ask)
    with pytest.raises(NoWayIn, match="waiting for your answer"):
        await host.run(["true"], 20)
    await until(lambda: bool(asked))
    done = await asyncio.gather(*(host.run([f"tool-{n}"], 20) for n in range(6)), return_exceptions=True)
    assert all(isinstance(each, NoWayIn) for each in done)
    assert len(asked) == 1 and len([line for line in stage.log() if line.startswith("-S")]) == 1


async def test_a_password_is_not_given_to_a_command_that_sudo_runs_without(stage: Stage) -> None:
    _, ask = answering(PASSWORD)
    host = stage.make(ask)
    await host.open()
    stage.allow()
    done = await host.run(["sh", "-c", "timeout 0.3 cat; echo end"], 5)
    assert done.stdout == b"end\n"


@pytest.mark.parametrize(
    "words",
    [
        "Sorry, user deploy is not allowed to execute '/usr/bin/true' as root on vps.",
        "deploy is not in the sudoers file.",
        "deploy is not in the sudoers file.  This incident will be reported.",
        "sudo: sorry, you must have a tty to run sudo",
        'sudo: The "no new privileges" flag is set, which prevents sudo from running as root.',
    ],
)
async def test_what_sudo_refuses_is_not_looked_at(stage: Stage, words: str) -> None:
    stage.deny(words + "\n")
    asked, ask = answering(PASSWORD)
    with pytest.raises(NoWayIn, match="sudo on vps does not let us run true: "):
        await stage.make(ask).run(["true"], 5)
    assert asked == []


async def test_a_missing_command_is_still_status_127(stage: Stage) -> None:
    _, ask = answering(PASSWORD)
    host = stage.make(ask)
    await host.open()
    done = await host.run(["no-such-command-here"], 5)
    assert (done.status, done.stderr) == (127, b"no-such-command-here: command not found")


async def test_a_machine_without_sudo_is_told(tmp_path: Path, server: Server) -> None:
    place = tmp_path / "few"
    place.mkdir()
    (place / "env").symlink_to("/usr/bin/env")
    server.path = str(place)
    await server.start()
    host = Ssh("vps", "proxy", "vps", become="sudo", file=server.configure())
    with pytest.raises(NoWayIn, match="vps has no sudo"):
        await host.run(["true"], 5)
    await host.close()


async def test_files_are_read_and_written_as_root(stage: Stage) -> None:
    asked, ask = answering(PASSWORD)
    host = stage.make(ask)
    await host.open()
    path = stage.folder / "key.pem"
    await host.write(str(path), b"secret key\n" * 20000, 0o640)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert await host.read(str(path)) == b"secret key\n" * 20000
    await host.write(str(path), b"new")
    assert (path.read_bytes(), Path(f"{path}.previous").stat().st_size) == (b"new", 220000)
    with pytest.raises(Missing):
        await host.read(str(stage.folder / "none"))
    with pytest.raises(FileError):
        await host.write(str(stage.folder / "none" / "file"), b"")
    assert len(asked) == 1
    assert PASSWORD not in "".join(stage.log()) and any(line.startswith("-S -k -p [") for line in stage.log())


SAID = [
    (b"sudo: a password is required\n", True, False),
    (b"sudo: a terminal is required to read the password; either use the -S option\n", True, False),
    (b"sudo: no tty present and no askpass program specified\n", True, False),
    (b"sudo: unable to resolve host vps: Name or service not known\nsudo: a password is required\n", True, False),
    (b"sudo: interactive authentication is required\n", True, False),
    (b"sudo-rs: interactive authentication is required\n", True, False),
    (b"Sorry, user a may not run sudo on vps.\n", False, True),
    (b"a is not in the sudoers file.\n", False, True),
    (b"sudo: a is not allowed to execute 'x' as root on vps\n", False, True),
    (b"sudo: I'm sorry a. I'm afraid I can't do that\n", False, True),
    (b"sudo: /usr/bin/sudo must be owned by uid 0 and have the setuid bit set\n", False, True),
    (b"sudo: effective uid is not 0, is /usr/bin/sudo on a file system with the 'nosuid' option set\n", False, True),
    (b"sudo: unable to resolve host vps: Name or service not known\n", False, False),
    (b"grep: x: No such file or directory\n", False, False),
    (b"", False, False),
]


@pytest.mark.parametrize(("said", "needs", "refuses"), SAID)
def test_what_sudo_says_is_understood(said: bytes, needs: bool, refuses: bool) -> None:
    assert (bool(NEEDS.search(said)), bool(REFUSES.search(said))) == (needs, refuses)


async def test_while_the_question_is_open_nobody_waits_and_closing_withdraws_it(stage: Stage) -> None:
    withdrawn = asyncio.Event()
    put: list[Any] = []

    async def ask(question: Question) -> str:
        put.append(question)
        try:
            await asyncio.sleep(60)
        finally:
            withdrawn.set()
        return ""

    host = stage.make(ask)
    for _ in range(3):
        with pytest.raises(NoWayIn, match="sudo on vps wants a password: waiting for your answer"):
            await host.run(["true"], 5)
        await until(lambda: bool(put))
    await host.close()
    await asyncio.wait_for(withdrawn.wait(), 60)
    assert len(put) == 1


@pytest.mark.parametrize("words", ["deploy is not in the sudoers file.\n"])
async def test_what_sudo_refused_is_not_tried_at_every_sweep(stage: Stage, words: str) -> None:
    stage.deny(words)
    host = stage.make(None)
    for _ in range(4):
        with pytest.raises(NoWayIn):
            await host.run(["docker", "ps"], 5)
    assert len(stage.log()) == 2


async def test_a_hanging_command_is_called_by_its_own_name(stage: Stage) -> None:
    stage.allow()
    with pytest.raises(TimedOut, match=r"sleep did not end within 0\.3 s on vps"):
        await stage.make(None).run(["sleep", "60"], 0.3)


async def test_without_the_password_what_needs_none_still_runs(stage: Stage) -> None:
    asked, ask = answering(None)
    host = stage.make(ask)
    with pytest.raises(NoWayIn):
        await host.open()
    stage.allow()
    assert (await host.run(["id"], 5)).status == 0
    assert len(asked) == 1


async def test_a_socket_that_only_root_may_open_is_opened_by_a_command(server: Server, tmp_path: Path) -> None:
    place = tmp_path / "bin"
    place.mkdir()
    (place / "sudo").write_text(SUDO)
    (place / "sudo").chmod(0o755)
    (tmp_path / "password").write_text(PASSWORD)
    server.path, server.forwarding = f"{place}:{server.path}", False
    await server.start()
    said: list[str] = []
    asked, ask = answering(PASSWORD)
    host = Ssh("vps", "proxy", "vps", become="sudo", ask=ask, tell=said.append, file=server.configure())

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"answer to " + await reader.readline())
        await writer.drain()
        writer.close()

    path = str(tmp_path / "stats.sock")
    await host.open()
    async with await asyncio.start_unix_server(serve, path):
        for _ in range(2):
            stream = await host.connect_unix(path, 5)
            await stream.write(b"show stat\n")
            assert await stream.read() == b"answer to show stat\n"
            assert await stream.read() == b""
            stream.close()
    assert len(asked) == 1
    assert said == [f"{path} on vps is not forwarded: asked by python3 there"]
    await host.close()
