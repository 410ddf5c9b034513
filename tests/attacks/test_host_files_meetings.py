"""What others write to a host's file meanwhile is not lost, whoever they are."""

from __future__ import annotations

import asyncio
import os
import subprocess
from pathlib import Path

import pytest

from console.errors import Changed
from console.hosts.host import ABSENT, ANY
from tests.attacks.conftest import MALLORY
from tests.attacks.host_shells import Shell, folder, host, names

__all__ = ["folder", "host"]


async def test_a_line_that_somebody_adds_while_we_write_is_not_lost(host: Shell, folder: Path) -> None:
    file = folder / "fstab"
    file.write_text("ours\n")
    host.act = lambda: file.write_text("ours\ntheirs\n") and None
    with pytest.raises(Changed) as raised:
        await host.write(str(file), b"new\n", 0o644, b"ours\n")
    assert str(raised.value) == f"{file} on vps has changed meanwhile; nothing was written"
    assert file.read_text() == "ours\ntheirs\n" and names(folder) == ["fstab"]


async def test_a_file_that_somebody_makes_or_removes_while_we_write_stays_so(host: Shell, folder: Path) -> None:
    file = folder / "fstab"
    host.act = lambda: file.write_text("theirs\n") and None
    with pytest.raises(Changed):
        await host.write(str(file), b"new\n", 0o644, ABSENT)
    assert file.read_text() == "theirs\n"
    host.act = file.unlink
    with pytest.raises(Changed):
        await host.write(str(file), b"new\n", 0o644, b"theirs\n")
    assert not names(folder)
    host.act = lambda: None
    await host.write(str(file), b"new\n", 0o644, ANY)
    assert file.read_text() == "new\n"


@pytest.mark.parametrize("root", [True, False])
async def test_two_writes_that_meet_wait_for_each_other_and_the_second_sees_the_first(
    root: bool, host: Shell, folder: Path
) -> None:
    """Both have sent their content when the first is let go on: only one may find the file as it was."""
    file = folder / "fstab"
    file.write_text("old\n")
    os.chown(folder, 0 if root else MALLORY, 0)
    os.chown(file, 0 if root else MALLORY, 0 if root else MALLORY)
    host.user = None if root else MALLORY
    lock = host.locks / "files" if root else folder
    if root:
        lock.touch()
    held = subprocess.Popen(  # noqa: ASYNC220
        ["flock", str(lock), "sh", "-c", "echo held; read x"], stdin=-1, stdout=-1
    )
    assert held.stdin is not None and held.stdout is not None
    assert held.stdout.readline() == b"held\n"
    writing = [
        asyncio.ensure_future(host.write(str(file), text, 0o644, b"old\n")) for text in (b"first\n", b"second\n")
    ]
    while sent(folder) < 2:  # noqa: ASYNC110  # neither tells us so
        await asyncio.sleep(0.01)
    assert file.read_text() == "old\n"
    held.communicate(b"\n")
    results = await asyncio.gather(*writing, return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["Changed", "NoneType"]
    won = b"first\n" if results[0] is None else b"second\n"
    assert file.read_bytes() == won and (folder / "fstab.previous").read_bytes() == b"old\n"
    assert names(folder) == ["fstab", "fstab.previous"]


def sent(folder: Path) -> int:
    """How many writes have all of their content there, and want the lock next."""
    return sum(draft.stat().st_size > 0 for draft in folder.glob(".cowhand.*"))
