"""As a user who is not root, a local write of ours goes into folders of their own and nowhere else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from console.store import atomic
from console.store.safe_folder import UnsafePathError
from tests.attacks.conftest import MALLORY, Mallory


def test_a_user_who_is_not_root_passes_folders_and_links_as_the_system_lets_them(mallory: Mallory, top: Path) -> None:
    for mode, owner in ((0o777, MALLORY + 1), (0o711, 0)):
        parent = top / f"parent{owner}"
        (parent / "own").mkdir(parents=True)
        os.chown(parent / "own", MALLORY, MALLORY)
        os.chown(parent, owner, owner)
        parent.chmod(mode)
        mallory.does('ln -sfT "$1" link', parent / "own")
        with mallory.acting():
            atomic.write(mallory.folder / "link" / "file", b"new")
        assert (parent / "own" / "file").read_text() == "new"


def test_a_user_who_is_not_root_cannot_take_over_the_file_of_another(mallory: Mallory, top: Path) -> None:
    file = mallory.folder / "file"
    file.write_text("root's\n")
    file.chmod(0o666)
    with mallory.acting(), pytest.raises(UnsafePathError) as raised:
        atomic.write(file, b"new")
    assert raised.value.strerror == f"{file} belongs to root, and that cannot be kept"
    assert file.read_text() == "root's\n"
    assert [path.name for path in mallory.folder.iterdir()] == ["file"]


def test_a_user_who_is_not_root_writes_in_folders_of_their_own_and_of_their_group(mallory: Mallory, top: Path) -> None:
    (mallory.folder / "own").mkdir(mode=0o770)
    os.chown(mallory.folder / "own", MALLORY, MALLORY)
    (mallory.folder / "own").chmod(0o775)
    roots = top / "shared"
    roots.mkdir()
    os.chown(roots, 0, MALLORY)
    roots.chmod(0o775)
    for folder in (mallory.folder / "own", roots):
        with mallory.acting():
            atomic.write(folder / "file", b"new")
        assert (folder / "file").read_text() == "new"


@pytest.mark.parametrize(
    ("owner", "mode", "sentence"),
    [
        (MALLORY + 1, 0o777, "{} belongs to uid 64124, who could redirect what is written there"),
        (MALLORY, 0o777, "everybody can change {} (mode 0777), and so what is written there"),
        (0, 0o1777, "everybody can change {} (mode 1777), and so what is written there"),
    ],
)
def test_a_user_who_is_not_root_writes_in_no_folder_of_a_stranger_or_of_everybody(
    owner: int, mode: int, sentence: str, mallory: Mallory, top: Path
) -> None:
    folder = top / "shared"
    folder.mkdir()
    os.chown(folder, owner, owner)
    folder.chmod(mode)
    with mallory.acting(), pytest.raises(UnsafePathError) as raised:
        atomic.write(folder / "file", b"new")
    assert raised.value.strerror == sentence.format(folder)
    assert not [*folder.iterdir()]
