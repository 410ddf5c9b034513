"""Where a volume is mounted for its copy: for us alone, and unmounted whatever happens."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

import pytest

from assets import disk
from tests.assets.place import Place, done, told
from tests.assets.plain_disk import Answer, said


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
