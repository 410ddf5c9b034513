"""What is in a folder is copied, compared and put in place; whenever that is interrupted, nothing is lost."""

from __future__ import annotations

import ctypes
import os
import shutil
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from assets import disk
from tests.assets.plain_disk import Answer, said

DATA = b"mail\n" * 500_000


class Place:
    """A folder that holds files, and a folder that stands for the volume they are copied onto."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.path = root / "srv" / "mail"
        self.aside = root / "srv" / f"mail{disk.ASIDE}"
        self.volume = root / "volume"
        (self.volume / "lost+found").mkdir(parents=True)
        (self.path / "a folder" / "deep").mkdir(parents=True)
        (self.path / "a folder" / "deep" / "vmail").write_bytes(DATA)
        (self.path / "empty").mkdir(mode=0o750)
        (self.path / ".hidden").write_text("x")
        (self.path / "link").symlink_to("a folder/deep/vmail")
        (self.path / "nowhere").symlink_to("/no/such/file")
        os.link(self.path / ".hidden", self.path / "twin")
        os.mkfifo(self.path / "pipe")
        os.setxattr(self.path / ".hidden", "user.mail", b"seen")
        os.setxattr(self.path, "user.top", b"folder")
        os.utime(self.path / ".hidden", ns=(1, 10**18 + 123))
        self.path.chmod(0o2750)
        os.utime(self.path, ns=(5 * 10**17, 6 * 10**17 + 7))

    def copy(self) -> str:
        """Copy as `copy_in` does once the volume is mounted."""
        volume, parent = os.open(self.volume, disk.FOLDER), os.open(self.path.parent, disk.FOLDER)
        try:
            return disk.copy_folder(volume, parent, str(self.path))
        finally:
            os.close(volume)
            os.close(parent)


def told(top: Path) -> dict[str, tuple[object, ...]]:
    """All of a tree but what is in the name of disk.py, its top folder with it: told by other means than the tool's."""
    found: dict[str, tuple[object, ...]] = {}
    for path in [top, *sorted(top.rglob("*"))]:
        name = str(path.relative_to(top))
        if name.split("/")[0] in disk.OURS:
            continue
        state = path.lstat()
        content = path.read_bytes() if stat.S_ISREG(state.st_mode) else b""
        target = os.readlink(path) if path.is_symlink() else ""
        marks = {key: os.getxattr(path, key) for key in os.listxattr(path)} if not path.is_symlink() else {}
        found[name] = (state.st_mode, state.st_uid, state.st_gid, state.st_mtime_ns, target, marks, content)
    return found


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def done(place: Place, before: dict[str, tuple[object, ...]]) -> None:
    """The volume has all, the original folder is kept, and an empty one like it is in its place."""
    top = told(place.volume)["."]
    # the volume's own names came and went since
    assert told(place.volume) == {**before, ".": (*before["."][:3], top[3], *before["."][4:])}
    assert told(place.aside) == before
    assert told(place.path) == {".": before["."]}
    assert sorted(os.listdir(place.volume)) == sorted({*os.listdir(place.aside), "lost+found"})


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


class Mounting:
    """What `copy_in` asks of the kernel and of mount, told in its order; `volume` is what is "mounted"."""

    def __init__(self, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
        self.place = place
        self.events: list[object] = []
        self.answers: dict[str, Answer] = {}
        self.mounts = place.root / "mountinfo"
        self.mounts.write_text("")
        monkeypatch.setattr(disk, "STAGE", str(place.root / "stage"))
        monkeypatch.setattr(disk, "MOUNTS", str(self.mounts))
        monkeypatch.setattr(disk, "TOP", str(place.root))
        monkeypatch.setattr(disk, "separate_mounts", lambda: self.events.append("separate"))
        monkeypatch.setattr(disk, "busy", lambda device: (self.events.append(("busy", device)), "")[1])
        self.real = disk.call
        monkeypatch.setattr(disk, "call", self.call)

    def call(self, *argv: str, **kwargs: object) -> object:
        self.events.append(argv if argv[0] != "cp" else "cp")
        stage = Path(disk.STAGE)
        if argv[0] in self.answers:
            return self.answers[argv[0]]
        if argv[0] == "mount":
            assert os.listdir(stage) == []
            stage.rmdir()
            self.place.volume.rename(stage)
            return 0, "", ""
        if argv[0] == "umount":
            opened = [os.readlink(f"/proc/self/fd/{each}") for each in os.listdir("/proc/self/fd")
                      if os.path.exists(f"/proc/self/fd/{each}")]  # fmt: skip
            assert str(stage) not in opened, "what is open cannot be unmounted"
            stage.rename(self.place.volume)
            stage.mkdir()
            return 0, "", ""
        return self.real(*argv, **kwargs)  # type: ignore[arg-type]

    def copy(self) -> tuple[int, str]:
        return said(["copy-in", "/dev/sdb", str(self.place.path)])


@pytest.fixture
def mounting(place: Place, monkeypatch: pytest.MonkeyPatch) -> Mounting:
    return Mounting(place, monkeypatch)


MOUNT = ("mount", "-t", "ext4", "-o", "nodev,nosuid,noexec", "/dev/sdb")


def test_a_volume_is_mounted_for_us_alone_filled_and_unmounted(mounting: Mounting) -> None:
    before = told(mounting.place.path)
    status, words = mounting.copy()
    assert (status, words) == (
        0, f"9 entries copied and compared; the original folder is {mounting.place.aside}")  # fmt: skip
    done(mounting.place, before)
    stage = disk.STAGE
    assert mounting.events == ["separate", ("busy", "/dev/sdb"), (*MOUNT, stage), "cp", ("umount", stage)]
    assert not os.path.exists(stage)


def test_a_stage_that_an_earlier_run_left_is_used_again(mounting: Mounting) -> None:
    os.mkdir(disk.STAGE)
    assert mounting.copy()[0] == 0


def test_a_copy_that_is_stopped_is_unmounted_all_the_same(mounting: Mounting) -> None:
    (mounting.place.volume / "theirs").write_text("mail")
    assert mounting.copy()[0] == 3
    assert mounting.events[-1] == ("umount", disk.STAGE)
    assert not os.path.exists(disk.STAGE)
    assert (mounting.place.volume / "theirs").exists()


@pytest.mark.parametrize(
    ("answer", "words"),
    [((32, "", "mount: wrong fs type"), "mount: wrong fs type"), ((1, "", ""), "it cannot be mounted"),
     ((124, "", "no answer within 120 seconds"), "no answer within 120 seconds")],
)  # fmt: skip
def test_a_volume_that_cannot_be_mounted_is_told_and_nothing_is_copied(
    mounting: Mounting, answer: Answer, words: str
) -> None:
    before = told(mounting.place.path)
    mounting.answers["mount"] = answer
    assert mounting.copy() == (3, f"not done: {words}")
    assert mounting.events[-1] == (*MOUNT, disk.STAGE)
    assert told(mounting.place.path) == before


def test_an_umount_that_fails_does_not_hide_what_was_done(mounting: Mounting) -> None:
    mounting.answers["umount"] = (32, "", "umount: target is busy.")
    assert mounting.copy()[0] == 0
    assert os.path.exists(disk.STAGE)


def test_a_disk_that_is_used_already_is_not_mounted(mounting: Mounting, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another namespace may have it mounted: whoever is in there could change what is compared."""
    monkeypatch.setattr(disk, "busy", lambda device: "Device or resource busy")
    assert mounting.copy() == (3, "not done: it cannot be opened exclusively: Device or resource busy")
    assert mounting.events == ["separate"]


def mount(mounting: Mounting, target: object) -> None:
    with mounting.mounts.open("a") as table:
        table.write(f"36 35 8:17 / {target} rw - ext4 /dev/sdc rw\n")


def test_a_folder_with_something_mounted_at_or_below_it_is_not_copied(mounting: Mounting) -> None:
    path = mounting.place.path
    mount(mounting, f"{path}er")
    mount(mounting, "/elsewhere")
    mount(mounting, f"{path}/b")
    assert mounting.copy() == (3, f"not done: something is mounted at {path}/b")
    mount(mounting, path)
    assert mounting.copy() == (3, f"not done: something is mounted at {path}, {path}/b")
    assert mounting.events == ["separate"] * 2


def test_a_folder_that_another_user_could_swap_is_refused_before_anything_is_mounted(mounting: Mounting) -> None:
    mounting.place.path.parent.chmod(0o777)
    status, words = mounting.copy()
    assert (status, words.split(",")[0]) == (3, f"not done: others may write in {mounting.place.path.parent}")
    assert mounting.events == ["separate"]


class Libc:
    """The C library, as far as it is asked for; `fails` is the call that does not succeed."""

    def __init__(self, fails: str = "") -> None:
        self.asked: list[object] = []
        self.fails = fails

    def __call__(self, name: object, use_errno: bool) -> Libc:
        self.asked.append((name, use_errno))
        return self

    def unshare(self, *words: object) -> int:
        self.asked.append(("unshare", *words))
        return -1 if self.fails == "unshare" else 0

    def mount(self, *words: object) -> int:
        self.asked.append(("mount", *words))
        return -1 if self.fails == "mount" else 0


def test_mounts_are_made_our_own_before_and_private_after_the_namespace_is_new(monkeypatch: pytest.MonkeyPatch) -> None:
    """CLONE_NEWNS is 0x20000, MS_REC | MS_PRIVATE are 0x44000 (linux/sched.h, linux/mount.h)."""
    libc = Libc()
    monkeypatch.setattr(ctypes, "CDLL", libc)
    disk.separate_mounts()
    assert libc.asked == [(None, True), ("unshare", 0x20000), ("mount", b"none", b"/", None, 0x44000, None)]


@pytest.mark.parametrize("fails", ["unshare", "mount"])
def test_without_mounts_of_our_own_nothing_is_done(monkeypatch: pytest.MonkeyPatch, fails: str) -> None:
    monkeypatch.setattr(ctypes, "CDLL", Libc(fails))
    monkeypatch.setattr(ctypes, "get_errno", lambda: 1)
    with pytest.raises(disk.Stop) as stopped:
        disk.separate_mounts()
    assert str(stopped.value) == "no mount namespace can be made: Operation not permitted"
