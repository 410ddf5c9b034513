"""What another user of the host can do to the program that works on its disks: nothing.

Each test is an attack that won, or could have: a name that root is about to use is made to lead elsewhere."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from assets import disk
from tests.assets.place import Place, told
from tests.assets.plain_disk import said
from tests.assets.test_disk_proof import DEVICE, Volume

SECRET = b"root:$6$precious\n"
NOBODY = 65534

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")


@pytest.fixture
def volume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Volume:
    return Volume(tmp_path, monkeypatch)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file of root's, elsewhere on the host."""
    path = tmp_path / "shadow"
    path.write_bytes(SECRET)
    path.chmod(0o600)
    return path


def untouched(secret: Path, before: os.stat_result) -> bool:
    after = secret.stat()
    return secret.read_bytes() == SECRET and (after.st_mode, after.st_uid, after.st_mtime_ns, after.st_nlink) == (
        before.st_mode, before.st_uid, before.st_mtime_ns, before.st_nlink)  # fmt: skip


# ── the proof: a name on the volume, whose owner may be anybody ─────────────────────────────────────────────────────


def link(name: Path, secret: Path) -> None:
    name.symlink_to(secret)


def dangling(name: Path, secret: Path) -> None:
    name.symlink_to(secret.with_name("cron.d"))


def relative(name: Path, secret: Path) -> None:
    name.symlink_to(f"../{secret.name}")


def folder(name: Path, secret: Path) -> None:
    name.mkdir()
    (name / "theirs").write_text("x")


def pipe(name: Path, secret: Path) -> None:
    """Nobody writes into it: to open it would last for ever."""
    os.mkfifo(name)


PLANTED = (link, dangling, relative, folder, pipe)


@pytest.mark.parametrize("plant", PLANTED)
def test_a_proof_is_not_written_through_what_somebody_laid_in_its_place(
    volume: Volume, secret: Path, plant: Callable[[Path, Path], None]
) -> None:
    plant(volume.proof, secret)
    before, there = secret.stat(), volume.proof.lstat()
    assert volume.write() == (3, f"not done: {volume.proof} is not a regular file; remove it")
    assert untouched(secret, before)
    assert volume.proof.lstat().st_ino == there.st_ino
    assert not secret.with_name("cron.d").exists()


@pytest.mark.parametrize("plant", PLANTED)
def test_a_proof_is_not_read_through_what_somebody_laid_in_its_place(
    volume: Volume, secret: Path, plant: Callable[[Path, Path], None]
) -> None:
    plant(volume.proof, secret)
    assert volume.check() == (3, f"not done: {volume.proof} is not what was written")
    assert volume.proof.lstat()


def test_a_hard_link_to_another_file_is_taken_away_and_the_file_keeps_its_bytes(volume: Volume, secret: Path) -> None:
    before = secret.stat()
    os.link(secret, volume.proof)
    assert volume.write()[0] == 0
    assert untouched(secret, before)


@pytest.mark.parametrize("plant", PLANTED[:3])
def test_a_link_that_is_laid_just_before_the_proof_is_made_is_not_followed(
    volume: Volume, secret: Path, monkeypatch: pytest.MonkeyPatch, plant: Callable[[Path, Path], None]
) -> None:
    """It wins the race: the name was looked at, and is a link when the file is made."""
    before, real = secret.stat(), os.open

    def lose(path: str, flags: int, *args: object, **kwargs: object) -> int:
        if flags & os.O_CREAT:
            plant(volume.proof, secret)
        return real(path, flags, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", lose)
    assert volume.write()[0] == 1
    assert untouched(secret, before)
    assert not secret.with_name("cron.d").exists()


@pytest.mark.parametrize("plant", [link, pipe])
def test_what_is_swapped_just_before_the_proof_is_read_is_not_followed(
    volume: Volume, secret: Path, monkeypatch: pytest.MonkeyPatch, plant: Callable[[Path, Path], None]
) -> None:
    volume.write()
    real = os.open

    def lose(path: str, flags: int, *args: object, **kwargs: object) -> int:
        if path == disk.PROOF:
            volume.proof.unlink()
            plant(volume.proof, secret)
        return real(path, flags, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", lose)
    assert volume.check()[0] in (1, 3)
    assert secret.read_bytes() == SECRET


def test_a_path_that_is_a_link_to_the_volume_is_not_followed(volume: Volume) -> None:
    """The table tells the link's path, as a mount through it would."""
    volume.path.rename(volume.root / "real")
    volume.path.symlink_to("real")
    for step in (volume.write, volume.check):
        assert step() == (1, f"not done: {volume.path}: Not a directory")
    assert os.listdir(volume.root / "real") == []


# ── the copy: a folder in one that another user owns ────────────────────────────────────────────────────────────────


def trust(monkeypatch: pytest.MonkeyPatch, top: Path) -> None:
    """Begin at the folder of the test: /tmp above it may be written to by everybody."""
    monkeypatch.setattr(disk, "TOP", str(top))


@pytest.mark.parametrize("mode", [0o757, 0o775, 0o777, 0o1777, 0o2775, 0o702, 0o720])
@pytest.mark.parametrize("deep", [0, 1, 2])
def test_a_folder_below_one_that_others_may_write_in_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int, deep: int
) -> None:
    trust(monkeypatch, tmp_path)
    above = [tmp_path, tmp_path / "srv", tmp_path / "srv" / "a"]
    (above[2] / "mail").mkdir(parents=True)
    above[deep].chmod(mode)
    why = f"others may write in {above[deep]}, and could swap the folders in it"
    with pytest.raises(disk.Stop) as stopped:
        disk.open_parent(str(above[2] / "mail"))
    assert str(stopped.value) == why
    assert disk.exposed(str(above[2] / "mail")) == why
    tmp_path.chmod(0o700)


@root_only
@pytest.mark.parametrize("deep", [0, 1, 2])
def test_a_folder_below_one_of_another_user_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deep: int
) -> None:
    trust(monkeypatch, tmp_path)
    above = [tmp_path, tmp_path / "home", tmp_path / "home" / "bob"]
    (above[2] / "mail").mkdir(parents=True)
    os.chown(above[deep], NOBODY, 0)
    why = f"{above[deep]} belongs to user {NOBODY}, who could swap the folders in it"
    assert disk.exposed(str(above[2] / "mail")) == why


@pytest.mark.parametrize("kind", ["link", "file"])
def test_a_folder_below_a_link_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    trust(monkeypatch, tmp_path)
    (tmp_path / "real" / "mail").mkdir(parents=True)
    above = tmp_path / "srv"
    above.symlink_to("real") if kind == "link" else above.write_text("x")
    assert disk.exposed(f"{above}/mail") == f"{above} is a link or a file, not a folder"


def test_the_owner_of_the_folder_itself_may_be_anybody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trust(monkeypatch, tmp_path)
    (tmp_path / "srv" / "mail").mkdir(parents=True)
    (tmp_path / "srv" / "mail").chmod(0o777)
    assert disk.exposed(str(tmp_path / "srv" / "mail")) == ""
    assert disk.exposed(str(tmp_path / "srv")) == ""
    assert disk.exposed(str(tmp_path / "not" / "there" / "yet")) == ""


def test_the_folder_above_is_the_one_that_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trust(monkeypatch, tmp_path)
    (tmp_path / "srv" / "a" / "mail").mkdir(parents=True)
    for path in (tmp_path / "srv", tmp_path / "srv" / "a", tmp_path / "srv" / "a" / "mail"):
        held = disk.open_parent(str(path))
        assert os.path.samestat(os.fstat(held), path.parent.stat())
        os.close(held)


def test_a_folder_of_roots_is_safe_whoever_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 4242)
    assert disk.exposed("/mail") == ""


def test_the_walk_begins_at_the_root_of_the_file_system() -> None:
    assert disk.TOP == "/"
    held = disk.open_parent("/mail")
    assert os.path.samestat(os.fstat(held), os.stat("/"))
    os.close(held)


def test_no_descriptor_is_left_open_when_a_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trust(monkeypatch, tmp_path)
    (tmp_path / "srv" / "a").mkdir(parents=True)
    (tmp_path / "srv").chmod(0o777)
    before = len(os.listdir("/proc/self/fd"))
    assert disk.exposed(str(tmp_path / "srv" / "a" / "mail"))
    assert disk.exposed(str(tmp_path / "none" / "mail")) == ""
    assert len(os.listdir("/proc/self/fd")) == before


def swap(place: Place, secret: Path, monkeypatch: pytest.MonkeyPatch, at: str) -> None:
    """The owner of the folder above wins each race: whatever name root is about to use by itself is a link."""
    real = getattr(os, at)

    def lose(*args: object, **kwargs: object) -> object:
        result = real(*args, **kwargs)
        if at == "mkdir" and place.aside.exists():
            place.path.rmdir()
            place.path.symlink_to(secret)
        if at == "rename" and place.aside.exists() and not place.path.is_symlink():
            place.path.symlink_to(secret)
        return result

    monkeypatch.setattr(os, at, lose)


@pytest.mark.parametrize("at", ["mkdir", "rename"])
def test_a_link_in_the_place_of_the_folder_that_was_renamed_is_not_followed(
    place: Place, secret: Path, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    """As the racer did who exchanged the two names: mode, owner and times were those of the mail folder then."""
    before = secret.stat()
    swap(place, secret, monkeypatch, at)
    with pytest.raises(OSError):
        place.copy()
    assert untouched(secret, before)


def test_a_path_that_becomes_a_link_before_it_is_copied_is_not_followed(place: Place, secret: Path) -> None:
    place.path.rename(place.root / "elsewhere")
    place.path.symlink_to(secret.parent)
    with pytest.raises(OSError):
        place.copy()
    assert os.listdir(place.volume) == ["lost+found"]


@pytest.mark.parametrize("name", [disk.COPYING, disk.COPIED])
def test_a_link_on_the_volume_in_the_place_of_an_unfinished_copy_is_not_followed(place: Place, name: str) -> None:
    """The volume was mounted before, and its top folder may belong to anybody."""
    theirs = place.root / "theirs"
    theirs.mkdir()
    (theirs / "precious").write_text("mail")
    (place.volume / name).symlink_to(theirs)
    before = told(theirs)
    with pytest.raises((OSError, disk.Stop)):
        place.copy()
    assert told(theirs) == before
    assert place.path.is_dir()


def test_a_link_inside_an_unfinished_copy_is_removed_and_not_what_it_leads_to(place: Place) -> None:
    theirs = place.root / "theirs"
    theirs.mkdir()
    (theirs / "precious").write_text("mail")
    (place.volume / disk.COPYING).mkdir()
    (place.volume / disk.COPYING / "link").symlink_to(theirs)
    before = told(theirs)
    place.copy()
    assert told(theirs) == before


@pytest.mark.parametrize("kind", ["folder", "file", "pipe"])
def test_an_entry_that_becomes_a_link_while_trees_are_compared_is_not_followed(
    place: Place, secret: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """A program of the folder's owner that still runs swaps it between the look at it and its opening."""
    name = "empty" if kind == "folder" else ".hidden"
    real, opened = os.open, []

    def lose(path: str, flags: int, *args: object, **kwargs: object) -> int:
        victim = place.path / name
        if path == name and not victim.is_symlink() and not victim.is_fifo():
            victim.rmdir() if kind == "folder" else victim.unlink()
            os.mkfifo(victim) if kind == "pipe" else victim.symlink_to(secret.parent if kind == "folder" else secret)
        held = real(path, flags, *args, **kwargs)  # type: ignore[arg-type]
        opened.append(os.readlink(f"/proc/self/fd/{held}"))
        return held

    monkeypatch.setattr(os, "open", lose)
    with pytest.raises((OSError, disk.Stop)):
        place.copy()
    assert str(secret) not in opened
    assert str(secret.parent) not in opened
    assert not place.aside.exists()


def test_a_folder_on_the_way_that_becomes_a_link_is_not_followed(place: Place) -> None:
    (place.path / "a folder" / "deep").rename(place.root / "deep")
    (place.path / "a folder" / "deep").symlink_to(place.root / "deep")
    held = os.open(place.path, disk.FOLDER)
    try:
        with pytest.raises(OSError):
            disk.open_below(held, "a folder/deep/")
    finally:
        os.close(held)


def test_attributes_of_a_link_are_not_those_of_what_it_leads_to(place: Place) -> None:
    (place.path / "marked").symlink_to(".hidden")
    held = os.open(place.path, disk.FOLDER)
    try:
        assert disk.tree(held, False)["marked"][7] == []
    finally:
        os.close(held)


@root_only
def test_another_user_cannot_look_into_a_copy_before_it_is_whole(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are there with rights of their own before the folder that kept them private is."""
    place.volume.chmod(0o777)
    place.root.chmod(0o755)
    seen: list[int] = []
    real = disk.call

    def call(*argv: str, **kwargs: object) -> object:
        answer = real(*argv, **kwargs)  # type: ignore[arg-type]
        if argv[0] == "cp":
            seen.append((place.volume / disk.COPYING).stat().st_mode & 0o777)
        return answer

    monkeypatch.setattr(disk, "call", call)
    place.copy()
    assert seen == [0o2750 & 0o777] or seen == [0o700]


def test_the_program_of_the_host_that_comes_first_on_path_is_never_one_of_this_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty entry of PATH is the current folder."""
    (tmp_path / "wipefs").write_text("#!/bin/sh\necho owned\n")
    (tmp_path / "wipefs").chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "")
    assert "" not in disk.environment()["PATH"].split(":")
    assert "owned" not in disk.call("wipefs", "--version")[1]
    monkeypatch.delenv("PATH")
    assert "" not in disk.environment()["PATH"].split(":")


def test_the_attack_that_wrote_noise_over_a_file_of_the_host_does_so_no_more(volume: Volume, secret: Path) -> None:
    """As it was found: the link is there, the proof is written, the proof is looked for."""
    before = secret.stat()
    volume.proof.symlink_to(secret)
    said(["write-proof", DEVICE, str(volume.path)])
    said(["check-proof", DEVICE, str(volume.path)])
    assert untouched(secret, before)
    assert volume.proof.is_symlink()
