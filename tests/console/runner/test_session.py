"""Before a run: what an earlier one left running on its hosts is waited for, and never started beside itself."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from console.hosts.host import Completed
from console.hosts.local import Local
from console.runner import session
from console.runner.session import Leftover
from console.store import journal
from tests.console.flows.playing import SITE, Leave, Play


def lost(tmp_path: Path, *argv: str, ago: float = 0.0, limit: float = 60.0) -> None:
    """Leave the journal of a console that was killed while a command ran."""
    (tmp_path / "site.toml").write_text(SITE)
    made = journal.Journal(journal.place(tmp_path / "site.toml"))
    with pytest.MonkeyPatch.context() as patch:
        moment = time.time() - ago
        patch.setattr(time, "time", lambda: moment)
        made.write("began", flow="play", pid=1)
        made.write("do", step="x", role="here", host="here", text=" ".join(argv), argv=list(argv), limit=limit)
    made.close()


@pytest.fixture
def sleeping() -> Iterator[Callable[[str], subprocess.Popen[bytes]]]:
    """Starts a command that outlives its console, for so many seconds."""
    started: list[subprocess.Popen[bytes]] = []

    def start(seconds: str) -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen(["sleep", seconds]))
        return started[-1]

    yield start
    for each in started:
        each.kill()
        each.wait()


Sleeping = Callable[[str], subprocess.Popen[bytes]]


async def test_a_command_that_still_runs_is_waited_for(tmp_path: Path, sleeping: Sleeping) -> None:
    lost(tmp_path, "sleep", "0.71")
    left = sleeping("0.71")
    assert (await Play(tmp_path, [Leave(tmp_path / "a")], ["yes"]).run()).outcome == "done"
    assert left.poll() is not None


async def test_one_that_runs_beyond_its_limit_is_named_and_nothing_begins(tmp_path: Path, sleeping: Sleeping) -> None:
    lost(tmp_path, "sleep", "30.72", ago=100)
    left = sleeping("30.72")
    with pytest.raises(Leftover, match=f"still runs on here as process {left.pid}: end it"):
        await Play(tmp_path, [Leave(tmp_path / "a")], ["yes"]).run()
    assert not (tmp_path / "a").exists()


async def test_one_that_has_ended_holds_nothing_up(tmp_path: Path) -> None:
    lost(tmp_path, "sleep", "0.73")
    assert (await Play(tmp_path, [Leave(tmp_path / "a")], ["yes"]).run()).outcome == "done"


class NoPs(Local):
    async def run(self, argv: object, timeout: float, cap: int = 1 << 20) -> Completed:
        return Completed(127, b"", b"ps: command not found")


async def test_where_nobody_can_tell_its_limit_is_waited_for(tmp_path: Path) -> None:
    lost(tmp_path, "sleep", "0.74", ago=60 + session.GRACE - 0.2)
    play = Play(tmp_path, [Leave(tmp_path / "a")], ["yes", "stop"], host=NoPs())
    assert (await play.run()).outcome in ("done", "failed")


async def test_waiting_can_be_stopped(tmp_path: Path, sleeping: Sleeping) -> None:
    lost(tmp_path, "sleep", "30.75")
    sleeping("30.75")
    play = Play(tmp_path, [Leave(tmp_path / "a")], ["yes"])
    play.session.stop()
    with pytest.raises(Leftover, match="nothing was changed"):
        await play.run()


@pytest.mark.parametrize(
    ("listed", "same"),
    [
        ("mkfs.ext4 -L opt /dev/sdb", True),
        ("sudo -n -- timeout -s KILL 62 mkfs.ext4 -L opt /dev/sdb", True),
        ("/sbin/mkfs.ext4 -L opt /dev/sdb", True),
        ("/bin/sh /usr/local/sbin/mkfs.ext4 -L opt /dev/sdb", True),
        ("mkfs.ext4 -L opt /dev/sdb1", False),
        ("notmkfs.ext4 -L opt /dev/sdb", False),
        ("mkfs.ext4", False),
    ],
)
def test_a_command_is_known_by_its_end(listed: str, same: bool) -> None:
    assert session._runs(listed, "mkfs.ext4 -L opt /dev/sdb") is same


@pytest.mark.parametrize(
    "listed", [b"sh -c  sleep 5; echo \xc3\xa9", b"sh -c ?sleep 5; echo ??", b"sh -c sleep 5; echo "]
)
def test_every_ps_lists_what_it_cannot_show_in_its_own_way(listed: bytes) -> None:
    assert session._listed(listed) == session._listed("sh -c \nsleep 5; echo é".encode())
