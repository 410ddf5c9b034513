"""A host is changed by one console at a time: others are told who has it, and take a quiet one over."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from console.errors import FileError, HostError, NoWayIn
from console.hosts import lock
from console.hosts.host import Completed
from console.hosts.local import Local
from console.hosts.lock import Console, Holder, HostLock, HostLocked, HostLocks, holder
from console.lab.machines.locks import Locks
from tests.attacks.conftest import top
from tests.console.hosts.conftest import Make
from tests.console.hosts.ssh_server import Server

__all__ = ["top"]

ROOT = os.geteuid() == 0
BOB = Console("run-1", "mount-volumes", 17, "bob", "laptop")
EVE = Console("run-2", "provision", 18, "eve", "desk")


class Shell(Local):
    """This machine with another program as its sh."""

    def __init__(self, shell: str) -> None:
        super().__init__("vps")
        self.shell = ["busybox", "sh"] if shell == "busybox" else [shell]

    async def run(self, argv: Sequence[str], timeout: float, cap: int = 1 << 20) -> Completed:
        return await super().run([*self.shell, *argv[1:]], timeout, cap)


class Lab(Local):
    """The lab's own stand-in for the lock, which must answer as the script does."""

    def __init__(self) -> None:
        super().__init__("vps")
        self.locks = Locks()

    async def run(self, argv: Sequence[str], timeout: float, cap: int = 1 << 20) -> Completed:
        assert tuple(argv[:3]) == ("sh", "-c", lock.SCRIPT)
        done = self.locks.run("vps", argv[4:])
        return Completed(done.status, done.stdout.encode(), done.stderr.encode())


@pytest.fixture(params=["dash", "bash", "busybox", "lab"])
def host(request: pytest.FixtureRequest) -> Local:
    if request.param == "lab":
        return Lab()
    if shutil.which(request.param) is None:
        pytest.skip(f"there is no {request.param} here")
    return Shell(request.param)


@pytest.fixture
def folder(home: Path) -> Path:
    """Where the record is: what `home` made of root's folder, or the user's own."""
    return Path(lock.LOCKS) if ROOT else home / "state" / "cowhand" / "locks" / os.uname().nodename


def age(host: Local, folder: Path, seconds: float) -> None:
    """Make the last renewal so much older."""
    if isinstance(host, Lab):
        run, site, since, renewed, told = host.locks.held["vps"]
        host.locks.held["vps"] = run, site, since, renewed - seconds, told
        return
    lines = (folder / "lock").read_text().splitlines()
    lines[3] = str(int(lines[3]) - int(seconds))
    (folder / "lock").write_text("\n".join(lines) + "\n")


# ── taking and giving back ──────────────────────────────────────────────────────────────────────────────────────────


async def test_a_second_console_is_told_who_holds_it_since_when(host: Local) -> None:
    assert await holder(host) is None
    await HostLock(host, BOB, "site-1").take()
    with pytest.raises(HostLocked) as raised:
        await HostLock(host, EVE, "site-2").take()
    found = raised.value.holder
    assert found is not None
    assert (found.console, found.quiet < 60) == (BOB, True)
    words = str(raised.value)
    assert words.startswith("vps is locked by the run run-1 of mount-volumes: process 17 of bob on laptop, since 20")
    assert words.endswith(f", last heard of {found.quiet:.0f} s ago")
    told = await holder(host)
    assert told is not None
    assert (told.console, told.since) == (BOB, found.since)


async def test_a_lock_that_was_given_back_is_free(host: Local) -> None:
    ours, theirs = HostLock(host, BOB, "site-1"), HostLock(host, EVE, "site-2")
    await ours.take()
    await theirs.release()  # not theirs to give
    with pytest.raises(HostLocked):
        await theirs.take()
    await ours.release()
    await ours.release()
    assert await holder(host) is None
    await theirs.take()


async def test_the_same_site_takes_its_own_lock_again_after_it_was_killed(host: Local) -> None:
    await HostLock(host, BOB, "site-1").take()
    again = Console("run-9", "mount-volumes", 99, "bob", "laptop")
    await HostLock(host, again, "site-1").take()
    told = await holder(host)
    assert told is not None
    assert told.console == again
    with pytest.raises(HostLocked):
        await HostLock(host, BOB, "site-1").renew()


async def test_a_run_of_the_same_name_on_another_site_is_another_run(host: Local) -> None:
    await HostLock(host, BOB, "site-1").take()
    for verb in ("take", "renew"):
        with pytest.raises(HostLocked):
            await getattr(HostLock(host, BOB, "site-2"), verb)()
    await HostLock(host, BOB, "site-2").release()
    await HostLock(host, BOB, "site-1").renew()


# ── a console that never returns ────────────────────────────────────────────────────────────────────────────────────


async def test_a_quiet_console_loses_its_lock_to_whoever_names_its_run_and_to_nobody_else(
    host: Local, folder: Path
) -> None:
    ours, theirs = HostLock(host, BOB, "site-1"), HostLock(host, EVE, "site-2")
    await ours.take()
    since = (await holder(host)).since  # type: ignore[union-attr]
    with pytest.raises(HostLocked):
        await theirs.take(over="run-1")  # it was heard of just now
    age(host, folder, lock.QUIET)
    for over in ("", "run", "run-2"):
        with pytest.raises(HostLocked) as raised:
            await theirs.take(over)
        assert raised.value.holder is not None
        assert raised.value.holder.quiet >= lock.QUIET
    await theirs.take(over="run-1")
    with pytest.raises(HostLocked, match="vps is locked by the run run-2 of provision: process 18 of eve on desk"):
        await ours.renew()
    assert since <= (await holder(host)).since  # type: ignore[union-attr]


async def test_a_renewal_is_heard_of_and_changes_nothing_else(host: Local, folder: Path) -> None:
    ours = HostLock(host, BOB, "site-1")
    await ours.take()
    if not isinstance(host, Lab):
        lines = (folder / "lock").read_text().splitlines()
        lines[4] = "1000"
        (folder / "lock").write_text("\n".join(lines) + "\n")
    else:
        run, site, _, renewed, told = host.locks.held["vps"]
        host.locks.held["vps"] = run, site, 1000, renewed, told
    age(host, folder, 500)
    assert (await holder(host)).quiet >= 500  # type: ignore[union-attr]
    await ours.renew()
    told_ = await holder(host)
    assert told_ is not None
    assert (told_.since, told_.quiet < 60) == (1000, True)
    age(host, folder, 500)
    await ours.take()
    told_ = await holder(host)
    assert told_ is not None
    assert (told_.since, told_.quiet < 60) == (1000, True), "what is ours is renewed by taking it"


@pytest.fixture
def real(folder: Path) -> Shell:
    return Shell("sh")


async def test_a_lock_does_not_outlive_the_start_of_its_host(real: Shell, folder: Path) -> None:
    ours = HostLock(real, BOB, "site-1")
    await ours.take()
    lines = (folder / "lock").read_text().splitlines()
    lines[2] = "an earlier boot"
    (folder / "lock").write_text("\n".join(lines) + "\n")
    assert await holder(real) is None
    with pytest.raises(HostLocked, match=r"^the lock of vps was lost: it was restarted, or somebody removed the lock$"):
        await ours.renew()
    await HostLock(real, EVE, "site-2").take()


@pytest.mark.parametrize("text", ["", "run-1\n", "run-1\nsite-1\n"])
async def test_a_record_that_is_torn_holds_nobody_up(text: str, real: Shell, folder: Path) -> None:
    await HostLock(real, BOB, "site-1").take()
    (folder / "lock").write_text(text)
    await HostLock(real, EVE, "site-2").take()


async def test_a_record_that_says_nothing_sensible_still_holds(real: Shell, folder: Path) -> None:
    await HostLock(real, BOB, "site-1").take()
    lines = (folder / "lock").read_text().splitlines()
    lines[5] = "{"
    (folder / "lock").write_text("\n".join(lines) + "\n")
    with pytest.raises(HostLocked, match=r"vps is locked by the run \? of \?"):
        await HostLock(real, EVE, "site-2").take()


async def test_the_record_is_for_its_owner_alone(real: Shell, folder: Path) -> None:
    await HostLock(real, BOB, "site-1").take()
    assert folder.stat().st_mode & 0o7777 == 0o700
    assert sorted(path.name for path in folder.iterdir()) == ["guard", "lock"]
    folder.chmod(0o755)
    words = f"the lock of vps cannot be used: {folder} is not a folder of this user alone"
    with pytest.raises(FileError, match=words):
        await HostLock(real, BOB, "site-1").take()


async def test_a_folder_that_cannot_be_made_is_told_with_the_reason_and_nothing_else_is_tried(
    real: Shell, folder: Path
) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.touch()
    with pytest.raises(FileError, match=r"^the lock of vps cannot be used: File exists$"):
        await HostLock(real, BOB, "site-1").take()


async def test_looking_makes_nothing(real: Shell, folder: Path) -> None:
    assert await holder(real) is None
    assert not folder.exists()


async def test_a_host_without_flock_is_said(tmp_path: Path, real: Shell) -> None:
    for tool in ("id", "uname", "mkdir", "stat", "sh"):
        (tmp_path / tool).symlink_to(str(shutil.which(tool)))
    real.shell = ["env", f"PATH={tmp_path}", "sh"]
    with pytest.raises(FileError, match=r"lock of vps cannot be used: there is no flock there \(of util-linux\)"):
        await HostLock(real, BOB, "site-1").take()


@pytest.mark.skipif(not ROOT, reason="only root can act as another user")
async def test_a_user_who_is_not_root_has_a_lock_of_their_own(real: Shell, top: Path) -> None:
    home = top / "home"
    home.mkdir()
    os.chown(home, 64123, 64123)
    words = ["setpriv", "--reuid=64123", "--regid=64123", "--clear-groups"]
    real.shell = [*words, "env", "-u", "XDG_STATE_HOME", f"HOME={home}", "sh"]
    await HostLock(real, BOB, "site-1").take()
    assert (home / ".local" / "state" / "cowhand" / "locks" / os.uname().nodename / "lock").exists()
    real.shell = [*words, "env", f"XDG_STATE_HOME={home}/own", "sh"]
    await HostLock(real, EVE, "site-2").take()
    assert (home / "own" / "cowhand" / "locks" / os.uname().nodename / "lock").exists()


async def test_two_that_ask_at_once_are_answered_one_after_the_other(real: Shell, folder: Path) -> None:
    folder.mkdir(parents=True)
    folder.chmod(0o700)
    (folder / "guard").touch()
    held = subprocess.Popen(  # noqa: ASYNC220
        ["flock", str(folder / "guard"), "sh", "-c", "echo held; read x"], stdin=-1, stdout=-1
    )
    assert held.stdin is not None
    assert held.stdout is not None
    assert held.stdout.readline() == b"held\n"
    asking = [asyncio.ensure_future(HostLock(real, who, who.run).take()) for who in (BOB, EVE)]
    inode = f":{(folder / 'guard').stat().st_ino} "
    while sum("->" in line and inode in line for line in Path("/proc/locks").read_text().splitlines()) < 2:  # noqa: ASYNC110
        await asyncio.sleep(0.01)  # both wait in the kernel, and nothing tells us so
    held.communicate(b"\n")
    results = await asyncio.gather(*asking, return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["HostLocked", "NoneType"]


async def test_over_ssh_a_lost_link_frees_nothing(server: Server, ssh: Make, folder: Path) -> None:
    await server.start()
    host = ssh(server.configure())
    await HostLock(host, BOB, "site-1").take()
    server.cut()
    other, again = ssh(server.configure()), ssh(server.configure())
    with pytest.raises(HostLocked, match="is locked by the run run-1"):
        await HostLock(other, EVE, "site-2").take()
    await HostLock(again, BOB, "site-1").renew()
    await HostLock(again, BOB, "site-1").release()
    await HostLock(other, EVE, "site-2").take()


# ── the locks of a run ──────────────────────────────────────────────────────────────────────────────────────────────


class Line(Lab):
    """A host whose link can be down; `heard` are the verbs that reached it."""

    def __init__(self, name: str = "vps") -> None:
        super().__init__()
        self.name = name
        self.heard: list[str] = []
        self.down: Callable[[], Any] | None = None

    async def run(self, argv: Sequence[str], timeout: float, cap: int = 1 << 20) -> Completed:
        if self.down is not None:
            self.down()
        self.heard.append(argv[4])
        return await super().run(argv, timeout, cap)


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The clock of our machine, by hand."""
    clock = [1000.0]
    monkeypatch.setattr(lock, "_clock", lambda: clock[0])
    return clock


async def test_a_host_is_locked_once_and_confirmed_before_a_change_unless_it_was_just_now(
    real: Shell, now: list[float]
) -> None:
    host, locks = Line(), HostLocks(BOB, "site-1")
    for seconds in (0.0, lock.FRESH - 0.1, 0.1, lock.FRESH - 0.1, 0.1):
        now[0] += seconds
        await locks.hold(host)
    assert host.heard == ["take", "renew", "renew"]
    await locks.release()
    assert host.heard[3:] == ["release"]
    await locks.release()
    assert len(host.heard) == 4


async def test_it_is_renewed_while_a_change_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "RENEW", 0.0)
    hosts, locks = [Line("a"), Line("b")], HostLocks(BOB, "site-1")
    for host in hosts:
        await locks.hold(host)
    hosts[0].down = lambda: (_ for _ in ()).throw(NoWayIn("the link is down"))
    async with asyncio.timeout(60):
        while hosts[1].heard.count("renew") < 3:  # noqa: ASYNC110
            await asyncio.sleep(0)
        hosts[0].down = None
        while hosts[0].heard.count("renew") < 3:  # noqa: ASYNC110
            await asyncio.sleep(0)
    await locks.release()
    heard = len(hosts[1].heard)
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(hosts[1].heard) == heard, "nothing is renewed that was given back"


async def test_one_that_could_not_be_renewed_in_time_is_asked_for_before_the_next_change(
    real: Shell, now: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "RENEW", 0.0)
    host, locks = Line(), HostLocks(BOB, "site-1")
    await locks.hold(host)
    failed = asyncio.Event()

    def down() -> None:
        failed.set()
        raise NoWayIn("the link is down")

    host.down = down
    await failed.wait()
    with pytest.raises(NoWayIn):
        await locks.hold(host)
    host.down = None
    await locks.release()


async def test_a_lock_that_was_taken_over_is_told_before_the_next_change_and_taken_anew_after_it(
    now: list[float],
) -> None:
    host, locks = Line(), HostLocks(BOB, "site-1")
    await locks.hold(host)
    age(host, Path(), lock.QUIET)
    now[0] += lock.FRESH
    await HostLock(host, EVE, "site-2").take(over="run-1")
    with pytest.raises(HostLocked, match="is locked by the run run-2"):
        await locks.hold(host)
    await HostLock(host, EVE, "site-2").release()
    await locks.hold(host)
    assert (await holder(host)).console == BOB  # type: ignore[union-attr]
    await locks.release()


async def test_a_host_that_was_reached_anew_is_asked_by_its_new_way(real: Shell) -> None:
    old, new, locks = Line(), Line(), HostLocks(BOB, "site-1")
    await locks.hold(old)
    new.locks = old.locks
    await locks.hold(new)
    await locks.release()
    assert (old.heard, new.heard) == (["take"], ["renew", "release"])


async def test_a_host_that_cannot_be_reached_does_not_keep_the_others_locked(monkeypatch: pytest.MonkeyPatch) -> None:
    hosts, locks = [Line("a"), Line("b"), Line("c")], HostLocks(BOB, "site-1")
    for host in hosts:
        await locks.hold(host)
    monkeypatch.setattr(lock, "PARTING", 0.0)
    hosts[0].down = lambda: (_ for _ in ()).throw(NoWayIn("the link is down"))
    await locks.release()
    assert await holder(hosts[2]) is None


def test_what_a_call_is_for_is_told_in_words() -> None:
    call = ["sh", "-c", lock.SCRIPT, "sh"]
    words = [lock.described([*call, verb]) for verb in ("take", "renew", "release", "show")]
    assert words == ["take the lock", "", "release the lock", "see who holds the lock"]
    assert lock.described(["sh", "-c", "true", "sh", "take"]) is None


def test_a_holder_is_told_without_what_could_steer_a_terminal() -> None:
    words = str(Holder(Console("r\x1b[2J", "f\n", 1, "u\u202e", "h\x07"), 0.0, 3.4))
    assert words.isprintable()
    assert words.endswith("last heard of 3 s ago")


async def test_only_what_the_script_means_to_say_is_a_status(real: Shell) -> None:
    class Odd(Local):
        async def run(self, argv: Sequence[str], timeout: float, cap: int = 1 << 20) -> Completed:
            return Completed(127, b"", b"sh: 1: id: not found\n")

    with pytest.raises(HostError, match=r"^the lock of here cannot be used: not found$"):
        await HostLock(Odd(), BOB, "site-1").take()
