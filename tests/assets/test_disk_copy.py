"""What is in a folder is copied, compared and put in place; whenever that is interrupted, nothing is lost."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from assets import disk
from tests.assets.place import Place, done, told
from tests.assets.plain_disk import Answer


def test_a_folder_is_copied_kept_beside_its_path_and_left_empty(place: Place) -> None:
    before = told(place.path)
    count = len(before) - 1
    assert place.copy() == f"{count} entries copied and compared; the original folder is {place.aside}"
    done(place, before)
    assert (place.volume / ".hidden").samefile(place.volume / "twin")


def test_an_empty_folder_is_copied_too(place: Place) -> None:
    shutil.rmtree(place.path)
    place.path.mkdir()
    assert place.copy().startswith("0 entries copied")


# ── interrupted ─────────────────────────────────────────────────────────────────────────────────────────────────────

CHANGING = ("rename", "mkdir", "rmdir", "fsync", "fchown", "fchmod", "utime", "setxattr", "sync")


class Cut(BaseException):
    """The machine is gone."""


def cut(monkeypatch: pytest.MonkeyPatch, number: int, after: bool) -> list[str]:
    """Have the machine die at a changing call, before or after it; returns those that were made."""
    made: list[str] = []

    def wrap(name: str) -> None:
        real = getattr(os, name)

        def call(*args: object, **kwargs: object) -> object:
            if len(made) == number and not after:
                raise Cut
            made.append(name)
            result = real(*args, **kwargs)
            if len(made) == number + 1 and after:
                raise Cut
            return result

        monkeypatch.setattr(os, name, call)

    for name in CHANGING:
        wrap(name)
    return made


def test_a_copy_that_dies_at_any_call_is_brought_to_its_end_by_the_next_run(tmp_path: Path) -> None:
    number, died = 0, True
    while died:
        for after in (False, True):
            place = Place(tmp_path / f"{number}-{after}")
            before, died = told(place.path), False
            with pytest.MonkeyPatch.context() as patch:
                cut(patch, number, after)
                try:
                    place.copy()
                except Cut:
                    died = True
            here = [each for each in (place.path, place.aside) if each.exists() and told(each) == before]
            assert here, f"the original folder is gone at call {number}"
            if died and not (place.aside.exists() and not (place.volume / disk.COPIED).exists()):
                place.copy()  # else the last of its traces was removed: all was done
            done(place, before)
            shutil.rmtree(place.root)
        number += 1
    assert number > 15


def test_each_change_is_on_the_disk_before_the_next_one_relies_on_it(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []
    real = {name: getattr(os, name) for name in ("rename", "fsync", "sync", "mkdir", "rmdir")}

    def where(fd: object) -> str:
        return os.path.basename(os.readlink(f"/proc/self/fd/{fd}"))

    monkeypatch.setattr(os, "sync", lambda: (events.append("sync"), real["sync"]())[1])
    monkeypatch.setattr(os, "fsync", lambda fd: (events.append(f"fsync {where(fd)}"), real["fsync"](fd))[1])
    monkeypatch.setattr(
        os,
        "mkdir",
        lambda name, mode, dir_fd: (
            events.append(f"mkdir {name} {mode:o} in {where(dir_fd)}"),
            real["mkdir"](name, mode, dir_fd=dir_fd),
        )[1],
    )
    monkeypatch.setattr(
        os,
        "rmdir",
        lambda name, dir_fd: (events.append(f"rmdir {name} in {where(dir_fd)}"), real["rmdir"](name, dir_fd=dir_fd))[1],
    )

    def rename(old: str, new: str, src_dir_fd: int, dst_dir_fd: int) -> None:
        events.append(f"rename {old} in {where(src_dir_fd)} to {new} in {where(dst_dir_fd)}")
        real["rename"](old, new, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)

    monkeypatch.setattr(os, "rename", rename)
    place.copy()
    moves = [each for each in events if "in .cowhand-copied" in each]
    assert len(moves) == 7
    assert [each for each in events if each not in moves] == [
        "mkdir .cowhand-copying 700 in volume",
        "sync",
        "rename .cowhand-copying in volume to .cowhand-copied in volume",
        "fsync volume",
        "fsync volume",
        "rename mail in srv to mail.before-cowhand in srv",
        "mkdir mail 700 in srv",
        "fsync srv",
        "rmdir .cowhand-copied in volume",
        "fsync volume",
    ]
    assert events.index(moves[0]) == 4
    assert events.index(moves[-1]) == 10


def test_half_a_copy_is_removed_and_begun_again(place: Place) -> None:
    before = told(place.path)
    (place.volume / disk.COPYING / "half").mkdir(parents=True)
    (place.volume / disk.COPYING / "half" / "vmail").write_bytes(b"mai")
    place.copy()
    done(place, before)


def test_a_folder_that_was_renamed_already_is_made_anew_at_its_path(place: Place) -> None:
    """The machine died between renaming the folder and making the new one, or before the copy's folder was removed."""
    before = told(place.path)
    place.copy()
    for again in (lambda: place.path.rmdir(), lambda: place.path.chmod(0o700)):
        (place.volume / disk.COPIED).mkdir()
        again()
        assert place.copy().startswith("9 entries copied and compared")
        done(place, before)


# ── refused ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def refused(place: Place, reason: str) -> None:
    """It is not copied, and neither side has changed."""
    before = told(place.root)
    with pytest.raises(disk.Stop) as stopped:
        place.copy()
    assert str(stopped.value) == reason
    assert told(place.root) == before


def test_two_sides_with_files_are_refused(place: Place) -> None:
    (place.volume / "theirs").write_text("mail")
    refused(place, f"both the volume and {place.path} hold files: decide which to keep")


def test_a_folder_of_an_earlier_copy_is_never_written_over(place: Place) -> None:
    place.aside.mkdir()
    refused(place, f"{place.aside} exists already")
    place.aside.rmdir()
    place.aside.symlink_to("/nowhere")
    refused(place, f"{place.aside} exists already")


@pytest.mark.parametrize("kind", ["link", "file"])
def test_what_is_kept_is_copied_from_only_when_it_is_a_folder(place: Place, kind: str) -> None:
    (place.volume / disk.COPIED).mkdir()
    shutil.rmtree(place.path)
    place.aside.symlink_to(place.volume) if kind == "link" else place.aside.write_text("x")
    refused(place, f"{place.aside} exists already")


def test_a_kept_folder_without_a_whole_copy_is_not_copied_from(place: Place) -> None:
    place.path.rename(place.aside)
    refused(place, f"{place.aside} exists already")
    (place.volume / disk.COPYING).mkdir()
    refused(place, f"{place.aside} exists already")


def test_a_kept_folder_beside_files_at_the_path_is_refused(place: Place) -> None:
    place.copy()
    (place.volume / disk.COPIED).mkdir()
    (place.path / "new").write_text("mail")
    refused(place, f"{place.aside} exists already")


@pytest.mark.parametrize("name", sorted(disk.OURS))
def test_a_folder_with_a_name_that_the_volume_needs_is_refused(place: Place, name: str) -> None:
    (place.path / name).mkdir()
    refused(place, f"{place.path}/{name} has a name that cowhand or ext4 needs on the volume; move it away")


def test_a_name_that_is_on_the_volume_too_is_never_written_over(place: Place) -> None:
    (place.volume / disk.COPIED).mkdir()
    (place.volume / disk.COPIED / "mailbox").write_text("copy")
    (place.volume / "mailbox").write_text("theirs")
    refused(place, "the volume already has mailbox")


def test_a_path_that_is_a_file_or_not_there_is_refused(place: Place) -> None:
    shutil.rmtree(place.path)
    with pytest.raises(FileNotFoundError):
        place.copy()
    place.path.write_text("mail")
    with pytest.raises(NotADirectoryError):
        place.copy()
    assert place.path.read_text() == "mail"


# ── cp ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def copying(monkeypatch: pytest.MonkeyPatch, then: Callable[[], Answer | None]) -> None:
    """Have something happen as soon as cp has ended."""
    real = disk.call

    def call(*argv: str, **kwargs: object) -> object:
        answer = real(*argv, **kwargs)  # type: ignore[arg-type]
        return (then() or answer) if argv[0] == "cp" else answer

    monkeypatch.setattr(disk, "call", call)


def test_cp_is_asked_for_all_rights_on_one_file_system_and_gets_a_day(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[object, ...]] = []
    real = disk.call

    def call(*argv: str, limit: float, fds: tuple[int, ...]) -> object:
        there = [os.readlink(f"/proc/self/fd/{each}") for each in fds]
        asked.append((*argv[:3], limit, *there))
        return real(*argv, limit=limit, fds=fds)

    monkeypatch.setattr(disk, "call", call)
    place.copy()
    assert asked == [("cp", "-a", "-x", 86400, str(place.path), str(place.volume / disk.COPYING))]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [((1, "", "cp: one\ncp: no space left"), "cp: cp: no space left"), ((1, "", ""), "cp: status 1"),
     ((124, "", "no answer within 86400 seconds"), "cp: no answer within 86400 seconds"),
     ((127, "", "cp: command not found"), "cp: cp: command not found")],
)  # fmt: skip
def test_a_cp_that_fails_is_told_and_the_folder_stays(
    place: Place, monkeypatch: pytest.MonkeyPatch, answer: tuple[int, str, str], reason: str
) -> None:
    before = told(place.path)
    copying(monkeypatch, lambda: answer)
    with pytest.raises(disk.Stop) as stopped:
        place.copy()
    assert str(stopped.value) == reason
    assert told(place.path) == before
    monkeypatch.undo()
    place.copy()
    done(place, before)


def test_a_file_that_cannot_be_copied_is_named_by_its_path(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def call(*argv: str, limit: float, fds: tuple[int, ...]) -> object:
        return 1, "", f"cp: cannot open '/proc/self/fd/{fds[0]}/./vmail': Input/output error"

    monkeypatch.setattr(disk, "call", call)
    with pytest.raises(disk.Stop) as stopped:
        place.copy()
    assert str(stopped.value) == f"cp: cp: cannot open '{place.path}/./vmail': Input/output error"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("owner", [(33, 0), (0, 33)])
def test_a_folder_of_another_user_is_copied_with_its_owner(place: Place, owner: tuple[int, int]) -> None:
    for path in (place.path, place.path / "empty", place.path / "link", place.path / ".hidden"):
        os.chown(path, *owner, follow_symlinks=False)
    before = told(place.path)
    place.copy()
    done(place, before)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("owner", [(33, 0), (0, 33)])
def test_a_copy_with_another_owner_is_told(
    place: Place, monkeypatch: pytest.MonkeyPatch, owner: tuple[int, int]
) -> None:
    copying(monkeypatch, lambda: os.chown(place.volume / disk.COPYING / "empty", *owner))
    with pytest.raises(disk.Stop, match="the copy of empty is not the same"):
        place.copy()


def test_no_descriptor_is_left_open(place: Place) -> None:
    def count() -> int:
        return len(os.listdir("/proc/self/fd"))

    before = count()
    place.copy()
    with pytest.raises(disk.Stop):
        place.copy()
    assert count() == before


def test_cp_is_the_one_of_coreutils_here() -> None:
    """The tests above take it as it is; a stand-in for it would prove nothing."""
    assert "coreutils" in subprocess.run(["cp", "--version"], capture_output=True, text=True, check=True).stdout


# ── the volume, mounted where nobody else sees it ───────────────────────────────────────────────────────────────────
