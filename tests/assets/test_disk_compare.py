"""A copy that is not the same in anything is told, by what is on the disk, before the folder is renamed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from assets import disk
from tests.assets.place import Place
from tests.assets.test_disk_copy import copying


def byte(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(2_000_000)
        file.write(b"X")
    state = path.stat()
    os.utime(path, ns=(state.st_atime_ns, 10**18))


HALF = f"{disk.COPYING}/a folder/deep/vmail"
LATER: tuple[tuple[str, Callable[[Path], object], str], ...] = (
    ("a folder/deep/vmail", byte, "a folder/deep/vmail"),
    ("a folder/deep/vmail", lambda path: path.unlink(), "a folder/deep"),
    ("a folder/deep/new", lambda path: path.write_text("x"), "a folder/deep"),
    (".hidden", lambda path: path.chmod(0o640), ".hidden"),
    (".hidden", lambda path: os.utime(path, ns=(1, 10**18 + 124)), ".hidden"),
    (".hidden", lambda path: os.setxattr(path, "user.mail", b"new"), ".hidden"),
    (".hidden", lambda path: os.setxattr(path, "user.more", b""), ".hidden"),
    ("link", lambda path: (path.unlink(), path.symlink_to("empty")), "link"),
    ("empty", lambda path: path.chmod(0o700), "empty"),
    ("pipe", lambda path: path.chmod(0o600), "pipe"),
)


@pytest.mark.parametrize(("name", "change", "told_name"), LATER, ids=range(len(LATER)))
@pytest.mark.parametrize("side", ["source", "copy"])
def test_a_copy_that_is_not_the_same_in_anything_is_told_and_the_folder_stays(
    place: Place, monkeypatch: pytest.MonkeyPatch, name: str, change: Callable[[Path], object], told_name: str,
    side: str,
) -> None:  # fmt: skip
    top = place.path if side == "source" else place.volume / disk.COPYING
    with pytest.MonkeyPatch.context() as patch:
        copying(patch, lambda: (change(top / name), None)[1])
        with pytest.raises(disk.Stop) as stopped:
            place.copy()
    assert str(stopped.value) == f"the copy of {told_name} is not the same, or it was changed meanwhile"
    assert place.path.is_dir()
    assert not place.aside.exists()


def test_one_other_byte_in_a_file_with_the_same_size_and_time_is_told(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = place.volume / disk.COPYING / "a folder/deep/vmail"

    def change() -> None:
        state = copy.stat()
        byte(copy)
        os.utime(copy, ns=(state.st_atime_ns, state.st_mtime_ns))

    copying(monkeypatch, change)
    with pytest.raises(disk.Stop, match="the copy of a folder/deep/vmail is not the same"):
        place.copy()


def test_the_first_of_several_names_is_told(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    copying(monkeypatch, lambda: [(place.path / name).write_text("x") for name in ("zz", "aa")] and None)
    with pytest.raises(disk.Stop, match="the copy of aa is not the same"):
        place.copy()


def test_what_changes_after_the_copy_was_compared_is_told_before_the_folder_is_renamed(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = os.rename

    def late(old: str, new: str, **kwargs: int) -> None:
        rename(old, new, **kwargs)
        (place.path / "late").write_text("mail")

    monkeypatch.setattr(os, "rename", late)
    with pytest.raises(disk.Stop, match="the copy of late is not the same"):
        place.copy()
    assert not place.aside.exists()


def test_every_byte_is_read_from_the_disk(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The memory of each file is dropped before it is read, and it was written out before that."""
    dropped: list[str] = []

    def advise(fd: int, *rest: object) -> None:
        assert rest == (0, 0, os.POSIX_FADV_DONTNEED)
        dropped.append(os.readlink(f"/proc/self/fd/{fd}"))

    monkeypatch.setattr(os, "sync", lambda: dropped.append("sync"))
    monkeypatch.setattr(os, "posix_fadvise", advise)
    place.copy()
    assert dropped[0] == "sync"
    assert len(dropped) == 1 + 2 * 3


def test_the_content_is_read_once_on_each_side(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mail server has too many files to read them for every comparison."""
    read: list[str] = []
    real = disk.checksum
    monkeypatch.setattr(disk, "checksum", lambda folder, name: (read.append(name), real(folder, name))[1])
    place.copy()
    assert sorted(read) == sorted(2 * [".hidden", "twin", "vmail"])


# ── trees ───────────────────────────────────────────────────────────────────────────────────────────────────────────
