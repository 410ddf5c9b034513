"""A host is changed by one console at a time: others are told who has it, and take a quiet one over."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from console.errors import FileError
from console.hosts import lock
from console.hosts.local import Local
from console.hosts.lock import Console, HostLock, HostLocked, holder
from tests.attacks.conftest import top
from tests.console.hosts.conftest import Make
from tests.console.hosts.lock_lab import BOB, EVE, ROOT, Lab, Shell, age, folder, host, real
from tests.console.hosts.ssh_server import Server

__all__ = ["folder", "host", "real", "top"]


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
