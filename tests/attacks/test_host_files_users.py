"""As a user who is not root, a write of ours goes into folders of their own and nowhere else."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from console.errors import FileError
from console.hosts.host import ABSENT
from tests.attacks.conftest import MALLORY, Mallory
from tests.attacks.host_shells import Shell, folder, host, names

__all__ = ["folder", "host"]


async def test_a_user_who_is_not_root_writes_in_folders_of_their_own_and_of_their_group(
    host: Shell, folder: Path, mallory: Mallory
) -> None:
    host.user = MALLORY
    host.locks.chmod(0o755)
    os.chown(folder, 0, MALLORY)
    folder.chmod(0o775)
    for place in (mallory.folder, folder):
        await host.write(str(place / "file"), b"new", 0o640, ABSENT)
        found = (place / "file").stat()
        assert (found.st_uid, found.st_mode & 0o7777) == (MALLORY, 0o640)


async def test_a_lock_that_another_user_holds_on_the_folder_is_said_and_leaves_no_draft(
    host: Shell, mallory: Mallory
) -> None:
    """Whoever may read a folder may lock it."""
    host.user, other = MALLORY, MALLORY + 1
    words = ["flock", "-x", mallory.folder, "sh", "-c", "echo held; read -r _"]
    holder = subprocess.Popen(words, stdin=-1, stdout=-1, user=other, group=other, extra_groups=[])  # noqa: ASYNC220
    assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
    with pytest.raises(FileError, match=f"has held the lock on {mallory.folder} for 10 seconds"):
        await host.write(str(mallory.folder / "file"), b"new", 0o640, ABSENT)
    holder.communicate(b"\n")
    assert names(mallory.folder) == []
    await host.write(str(mallory.folder / "file"), b"new", 0o640, ABSENT)


async def test_a_user_who_is_not_root_passes_folders_as_the_system_lets_them(
    host: Shell, folder: Path, mallory: Mallory
) -> None:
    host.user = MALLORY
    (folder / "own").mkdir()
    os.chown(folder / "own", MALLORY, MALLORY)
    os.chown(folder, MALLORY + 1, MALLORY + 1)
    folder.chmod(0o777)
    await host.write(str(folder / "own" / "file"), b"new", 0o640, ABSENT)
    assert (folder / "own" / "file").read_text() == "new"


async def test_a_user_who_is_not_root_cannot_take_over_the_file_of_another(host: Shell, mallory: Mallory) -> None:
    host.user = MALLORY
    (mallory.folder / "file").write_text("root's")
    with pytest.raises(FileError, match="was not written: its owner cannot be kept"):
        await host.write(str(mallory.folder / "file"), b"new")
    assert (mallory.folder / "file").read_text() == "root's" and names(mallory.folder) == ["file"]


@pytest.mark.parametrize(
    ("owner", "mode", "why"),
    [
        (MALLORY + 1, 0o777, "{} belongs to UNKNOWN, who could redirect what is written there"),
        (MALLORY, 0o777, "everybody can change {} (mode 777), and so what is written there"),
        (0, 0o1777, "everybody can change {} (mode 1777), and so what is written there"),
    ],
)
async def test_a_user_who_is_not_root_writes_in_no_folder_of_a_stranger_or_of_everybody(
    owner: int, mode: int, why: str, host: Shell, folder: Path
) -> None:
    host.user = MALLORY
    os.chown(folder, owner, owner)
    folder.chmod(mode)
    with pytest.raises(FileError) as raised:
        await host.write(str(folder / "file"), b"new")
    assert str(raised.value) == f"{folder}/file on vps was not written: {why.format(folder)}"
