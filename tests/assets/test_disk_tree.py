"""What is told of each entry of a folder, so that a copy can be compared with it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from assets import disk
from tests.assets.place import Place, done, told


def tree(path: Path, content: bool = False) -> dict[str, tuple[object, ...]]:
    held = os.open(path, disk.FOLDER)
    try:
        return disk.tree(held, content)
    finally:
        os.close(held)


def test_a_tree_tells_everything_of_each_entry(place: Place) -> None:
    found = tree(place.path, True)
    state = (place.path / ".hidden").stat()
    assert found[".hidden"] == (
        stat.S_IFREG | stat.S_IMODE(state.st_mode), os.getuid(), os.getgid(), 10**18 + 123, 1, 0, "",
        [("user.mail", b"seen")], "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881",
    )  # fmt: skip
    assert found["link"][6] == "a folder/deep/vmail"
    assert found["empty"][4] == 0
    assert set(found) == set(told(place.path)) - {"."}
    assert tree(place.path)[".hidden"][8] == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a device")
def test_a_device_is_told_by_its_number_and_is_not_opened(place: Place) -> None:
    os.mknod(place.path / "null", 0o600 | stat.S_IFCHR, os.makedev(1, 3))
    os.mknod(place.path / "sdz", 0o600 | stat.S_IFBLK, os.makedev(259, 9))
    found = tree(place.path, True)
    assert found["null"][5] == os.makedev(1, 3)
    assert found["sdz"][5:] == (os.makedev(259, 9), "", [], "")
    before = told(place.path)
    place.copy()
    done(place, before)


def test_what_is_ours_is_left_out_at_the_top_only(place: Place) -> None:
    for name in disk.OURS:
        (place.path / name).mkdir()
        (place.path / "empty" / name).mkdir()
    found = tree(place.path)
    assert not disk.OURS & set(found)
    assert {f"empty/{name}" for name in disk.OURS} <= set(found)


def test_the_attributes_are_those_of_a_link_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only root can give a link any, and only such as begin with trusted or security."""
    asked: list[tuple[object, ...]] = []
    monkeypatch.setattr(os, "listxattr", lambda path, **how: (asked.append((path, how)), ["trusted.b", "trusted.a"])[1])
    monkeypatch.setattr(os, "getxattr", lambda path, key, **how: (asked.append((path, key, how)), key.encode())[1])
    assert disk.attributes("/link") == [("trusted.a", b"trusted.a"), ("trusted.b", b"trusted.b")]
    assert [each[-1] for each in asked] == [{"follow_symlinks": False}] * 3


def test_where_there_can_be_no_attributes_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str, **how: object) -> list[str]:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "listxattr", refuse)
    assert disk.attributes("/vfat") == []


def test_another_file_system_below_a_folder_is_told_and_not_entered(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As cp -x does not enter it either."""
    real = os.stat

    def elsewhere(name: str, **kwargs: object) -> os.stat_result:
        state = real(name, **kwargs)  # type: ignore[arg-type]
        fields = list(state)
        fields[2] += name == "a folder"
        more = {"st_mtime_ns": state.st_mtime_ns, "st_rdev": state.st_rdev}
        return os.stat_result(fields, more)

    whole = set(tree(place.path))
    monkeypatch.setattr(os, "stat", elsewhere)
    assert whole - set(tree(place.path)) == {"a folder/deep", "a folder/deep/vmail"}


def test_owners_are_compared(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    real = disk.entry
    seen = [0]

    def entry(folder: int, name: str, state: os.stat_result, content: bool) -> tuple[object, ...]:
        told_entry = list(real(folder, name, state, content))
        assert told_entry[1:3] == [state.st_uid, state.st_gid]
        seen[0] += 1
        return tuple(told_entry)

    monkeypatch.setattr(disk, "entry", entry)
    tree(place.path)
    assert seen[0] == 9
