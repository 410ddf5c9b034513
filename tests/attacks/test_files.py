"""Another user of this machine tries to have a file of root's read, replaced or given away, by way of a write of ours.

Who they are is real: their commands run under a user id of their own. Their moments are not left to luck: they act
inside the very call that they would have to win against."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from console.__main__ import main
from console.hosts.host import ANY, Before
from console.hosts.local import Local
from console.runner.ending import Ending
from console.store import atomic, journal, safe_folder
from console.store.folders import private
from console.store.safe_folder import UnsafePathError
from tests.attacks.conftest import MALLORY, Mallory
from tests.console.diagnosis.test_lint_corrected import CORRECTED
from tests.console.flows.playing import Leave, Play


def around(
    monkeypatch: pytest.MonkeyPatch, name: str, act: Callable[[], None], before: bool = True, last: str = ""
) -> None:
    """Have `act` happen once, right before or after the next call of a function of `os` with such a last argument."""
    real = getattr(os, name)
    left = [act]

    def call(*words: Any, **more: Any) -> Any:
        ours = str(words[-1]).endswith(last)
        if before and ours and left:
            left.pop()()
        result = real(*words, **more)
        if not before and ours and left:
            left.pop()()
        return result

    monkeypatch.setattr(os, name, call)


# ── lint --fix and every other local write (B6) ─────────────────────────────────────────────────────────────────────


def test_lint_fix_in_the_folder_of_another_user_writes_nothing_and_gives_nothing_away(
    mallory: Mallory, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    site = mallory.folder / "estate"
    shutil.copytree(CORRECTED, site)
    file = site / "mailcow.conf"
    file.write_text(file.read_text().replace("SKIP_LETS_ENCRYPT=y", "SKIP_LETS_ENCRYPT=n"))
    for path in (site, *site.rglob("*")):
        os.chown(path, MALLORY, MALLORY)
    before = file.read_bytes()
    # B6: as soon as the new file is in its place, its name leads to root's file; chown and a put-back would follow it.
    swap = lambda: mallory.does('ln -sfT "$1" "$2"', mallory.precious, file)  # noqa: E731
    for call in ("rename", "replace"):
        around(monkeypatch, call, swap, before=False, last=file.name)
    assert main(["--site", str(site / "site.toml"), "lint", "--fix", "--yes"]) == 2
    mallory.check_precious()
    assert file.read_bytes() == before and not (site / "mailcow.conf~").exists()
    said = capsys.readouterr().err
    assert f"{mallory.folder} belongs to uid {MALLORY}, who could redirect what is written there: run this as" in said


@pytest.mark.parametrize("call", ["fchown", "fchmod", "fsync", "rename"])
def test_a_draft_that_is_swapped_for_a_link_leaves_what_it_points_at_alone(
    call: str, mallory: Mallory, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = mallory.precious.parent
    file = mallory.owns(folder / "file", "old\n")

    def swap() -> None:
        for draft in folder.glob(".cowhand.*"):
            draft.unlink()
            draft.symlink_to(mallory.precious)

    around(monkeypatch, call, swap)
    atomic.write(file, b"new\n")
    mallory.check_precious()


def test_a_name_that_is_swapped_after_the_write_gives_no_owner_or_mode_to_what_it_points_at(
    mallory: Mallory, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = mallory.owns(mallory.precious.parent / "file", "old\n")
    file.chmod(0o666)

    def swap() -> None:
        file.unlink()
        file.symlink_to(mallory.precious)

    around(monkeypatch, "rename", swap, before=False)
    atomic.write(file, b"new\n")
    mallory.check_precious()


def test_a_folder_that_is_swapped_while_it_is_written_in_does_not_take_the_write_elsewhere(
    mallory: Mallory, monkeypatch: pytest.MonkeyPatch, top: Path
) -> None:
    folder = top / "site"
    folder.mkdir()
    (folder / "precious").write_text("old\n")

    def swap() -> None:
        folder.rename(top / "moved")
        folder.symlink_to(mallory.precious.parent)

    around(monkeypatch, "fsync", swap)
    atomic.write(folder / "precious", b"new\n", before=b"old\n", keep="~")
    mallory.check_precious()
    assert [path.name for path in mallory.precious.parent.iterdir()] == ["precious"]
    assert (top / "moved" / "precious").read_text() == "new\n"
    assert (top / "moved" / "precious~").read_text() == "old\n"


def test_a_link_at_the_kept_version_is_replaced_and_not_followed(mallory: Mallory) -> None:
    file = mallory.precious.parent / "file"
    file.write_text("old\n")
    (file.parent / "file~").symlink_to(mallory.precious)
    atomic.write(file, b"new\n", keep="~")
    mallory.check_precious()
    assert (file.parent / "file~").read_text() == "old\n" and not (file.parent / "file~").is_symlink()


def test_a_folder_at_the_kept_version_is_not_written_in(top: Path) -> None:
    file = top / "file"
    file.write_text("old\n")
    (top / "file~").mkdir()
    with pytest.raises(IsADirectoryError):
        atomic.write(file, b"new\n", keep="~")
    assert file.read_text() == "old\n"
    assert sorted(path.name for path in top.rglob("*")) == ["file", "file~"]


def test_a_link_of_another_user_is_not_followed_by_root(mallory: Mallory) -> None:
    mallory.does('ln -s "$1" link', mallory.precious)
    mallory.does('ln -s "$1" folder', mallory.precious.parent)
    for path in (mallory.folder / "link", mallory.folder / "folder" / "precious"):
        with pytest.raises(UnsafePathError, match="mallory belongs to"):
            atomic.write(path, b"new\n")
    mallory.check_precious()


@pytest.mark.parametrize("name", ["link", "folder/precious", "folder/../root/precious"])
def test_a_link_that_another_user_left_in_a_sticky_folder_is_not_followed_by_root(
    name: str, mallory: Mallory, top: Path
) -> None:
    sticky = top / "sticky"
    sticky.mkdir()
    sticky.chmod(0o1777)
    mallory.does('ln -s "$2" "$1/link"; ln -s "${2%/*}" "$1/folder"', sticky, mallory.precious)
    with pytest.raises(UnsafePathError, match=f"sticky/[a-z]+ belongs to uid {MALLORY}"):
        atomic.write(sticky / name, b"new\n")
    mallory.check_precious()


def test_roots_own_links_are_followed_one_step_at_a_time(top: Path) -> None:
    (top / "a" / "b").mkdir(parents=True)
    (top / "a" / "b" / "file").write_text("old\n")
    (top / "one").symlink_to("a/b")
    (top / "two").symlink_to(top / "one" / ".." / "b" / "." / "file")
    atomic.write(top / "two", b"new\n")
    assert (top / "two").is_symlink() and (top / "a" / "b" / "file").read_text() == "new\n"


def test_links_in_a_circle_end(top: Path) -> None:
    (top / "one").symlink_to("two")
    (top / "two").symlink_to("one")
    with pytest.raises(OSError, match="Too many levels of symbolic links"):
        atomic.write(top / "one", b"new\n")


@pytest.mark.parametrize(("links", "ends"), [(40, True), (41, False)])
def test_forty_links_are_followed_as_linux_does(links: int, ends: bool, top: Path) -> None:
    (top / "0").write_text("old\n")
    for number in range(links):
        (top / str(number + 1)).symlink_to(str(number))
    if ends:
        atomic.write(top / str(links), b"new\n")
    else:
        with pytest.raises(OSError, match="Too many levels"):
            atomic.write(top / str(links), b"new\n")
    assert (top / "0").read_text() == ("new\n" if ends else "old\n")


@pytest.mark.parametrize(
    ("mode", "sentence"),
    [
        (0o777, "everybody can change {} (mode 0777), and so what is written there"),
        (0o1777, "everybody can change {} (mode 1777), and so what is written there"),
        (0o757, "everybody can change {} (mode 0757), and so what is written there"),
        (0o775, f"group {MALLORY} can change {{}} (mode 0775), and so what is written there"),
        (0o1775, f"group {MALLORY} can change {{}} (mode 1775), and so what is written there"),
    ],
)
def test_root_writes_in_no_folder_that_others_can_change(mode: int, sentence: str, mallory: Mallory, top: Path) -> None:
    folder = top / "shared"
    folder.mkdir()
    os.chown(folder, 0, MALLORY if mode & 0o020 else 0)
    folder.chmod(mode)
    mallory.does('touch "$1/file"', folder)
    with pytest.raises(UnsafePathError) as raised:
        atomic.write(folder / "file", b"new\n")
    assert raised.value.strerror == sentence.format(folder)
    with pytest.raises(UnsafePathError):
        atomic.read(folder / "file")
    assert (folder / "file").read_text() == ""


@pytest.mark.parametrize(("mode", "taken"), [(0o1777, True), (0o1775, True), (0o777, False), (0o775, False)])
def test_a_parent_that_others_can_change_is_passed_only_when_it_is_sticky(
    mode: int, taken: bool, mallory: Mallory, top: Path
) -> None:
    parent = top / "shared"
    (parent / "folder").mkdir(parents=True)
    os.chown(parent, 0, MALLORY)
    parent.chmod(mode)
    if taken:
        atomic.write(parent / "folder" / "file", b"new\n")
    else:
        mallory.does('mv "$1/folder" "$1/moved"; mkdir "$1/folder"', parent)
        with pytest.raises(UnsafePathError, match="can change"):
            atomic.write(parent / "folder" / "file", b"new\n")
    assert (parent / "folder" / "file").exists() is taken


def test_a_parent_of_another_user_is_not_passed_by_root(mallory: Mallory) -> None:
    folder = mallory.folder / "roots"
    folder.mkdir()
    with pytest.raises(UnsafePathError, match=f"mallory belongs to uid {MALLORY}"):
        atomic.write(folder / "file", b"new\n")
    assert not [*folder.iterdir()]


@pytest.mark.parametrize("make", ["mkfifo", "mknod", "mkdir", "socket"])
def test_what_is_no_plain_file_is_neither_opened_nor_replaced(make: str, mallory: Mallory, top: Path) -> None:
    path = top / "file"
    {
        "mkfifo": lambda: os.mkfifo(path),
        "mknod": lambda: os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 3)),
        "mkdir": path.mkdir,
        "socket": lambda: os.mknod(path, stat.S_IFSOCK | 0o666),
    }[make]()
    kind = stat.S_IFMT(path.stat().st_mode)
    what = f"{path} is a folder" if make == "mkdir" else f"{path} is not a plain file"
    for act in (lambda: atomic.write(path, b"new\n", before=b""), lambda: atomic.read(path)):
        with pytest.raises(UnsafePathError) as raised:
            act()
        assert raised.value.strerror == what
    assert stat.S_IFMT(path.stat().st_mode) == kind


def test_a_hard_link_to_a_file_of_roots_is_replaced_by_name_and_its_other_name_keeps_everything(
    mallory: Mallory, top: Path
) -> None:
    file = top / "file"
    os.link(mallory.precious, file)
    atomic.write(file, b"new\n", keep="~")
    mallory.check_precious()
    assert (top / "file~").stat().st_ino != mallory.precious.stat().st_ino
    assert file.stat().st_mode & 0o777 == (top / "file~").stat().st_mode & 0o777 == 0o600


def test_a_plain_file_that_becomes_a_link_while_it_is_compared_is_not_read(
    mallory: Mallory, monkeypatch: pytest.MonkeyPatch, top: Path
) -> None:
    file = top / "file"
    file.write_text("old\n")

    def swap() -> None:
        file.unlink()
        file.symlink_to(mallory.precious)

    real = atomic._plain
    calls = iter([lambda: None, swap])

    def plain(place: Any) -> Any:
        found = real(place)
        next(calls)()
        return found

    monkeypatch.setattr(atomic, "_plain", plain)
    with pytest.raises(OSError, match="symbolic links"):
        atomic.write(file, b"new\n", before=b"precious\n", keep="~")
    mallory.check_precious()
    assert not (top / "file~").exists() and not [*top.glob(".cowhand.*")]


def test_a_plain_file_that_becomes_a_link_after_its_folder_was_opened_is_refused(
    mallory: Mallory, monkeypatch: pytest.MonkeyPatch, top: Path
) -> None:
    file = top / "file"
    file.write_text("old\n")
    real = safe_folder.open_place

    @contextmanager
    def opened(path: Path) -> Iterator[safe_folder.Place]:
        with real(path) as place:
            file.unlink()
            file.symlink_to(mallory.precious)
            yield place

    monkeypatch.setattr(atomic, "open_place", opened)
    with pytest.raises(UnsafePathError, match="is not a plain file"):
        atomic.write(file, b"new\n")
    mallory.check_precious()


def test_a_folder_on_the_way_that_becomes_a_link_after_it_was_looked_at_is_not_entered(
    mallory: Mallory, monkeypatch: pytest.MonkeyPatch, top: Path
) -> None:
    folder = top / "folder"
    folder.mkdir()
    real = safe_folder._link

    def link(name: str, step: int, path: str) -> str | None:
        found = real(name, step, path)
        if name == "folder":
            folder.rmdir()
            folder.symlink_to(mallory.precious.parent)
        return found

    monkeypatch.setattr(safe_folder, "_link", link)
    with pytest.raises(OSError, match=r"Not a directory|symbolic links"):
        atomic.write(folder / "precious", b"new\n")
    mallory.check_precious()


def test_a_path_is_told_as_it_is_once_links_and_dots_are_gone(mallory: Mallory, top: Path) -> None:
    (top / "shared").mkdir()
    (top / "shared").chmod(0o777)
    (top / "link").symlink_to(top / "root" / ".." / "shared")
    for path in (top / "root" / ".." / "shared" / "file", top / "link" / "file"):
        with pytest.raises(UnsafePathError) as raised:
            atomic.write(path, b"new\n")
        assert f"everybody can change {top}/shared (mode 0777)" in str(raised.value)


# ── two copies of one site (B13 g) ──────────────────────────────────────────────────────────────────────────────────


async def test_two_copies_of_a_site_do_not_change_a_host_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first stands before its change when the second begins: its own journals and lock are no obstacle."""
    monkeypatch.setattr("console.hosts.lock.LOCKS", str(tmp_path / "locks"))
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    second = Play(tmp_path / "two", [Leave(tmp_path / "b")], ["yes", "stop"])
    endings: list[Ending] = []

    class First(Local):
        async def write(self, path: str, data: bytes, mode: int = 0o600, before: Before = ANY) -> None:
            endings.append(await second.run())
            await super().write(path, data, mode, before)

    first = Play(tmp_path / "one", [Leave(tmp_path / "a")], ["yes"], host=First())
    assert (await first.run()).outcome == "done"
    assert first.folder != second.folder
    assert endings[0].outcome == "failed"
    assert f"here is locked by the run {first.record.run} of play: process {os.getpid()} of" in endings[0].words
    assert not (tmp_path / "b").exists()


def test_a_site_is_not_locked_twice_by_removing_its_lock_file(tmp_path: Path) -> None:
    (tmp_path / "site.toml").touch()
    folder = journal.place(tmp_path / "site.toml")
    with journal.Lock(folder, "first"):
        (folder / journal.LOCK).unlink()
        with pytest.raises(journal.SiteLocked), journal.Lock(folder, "second"):
            pass


def test_folders_above_our_state_are_closed_to_others_whatever_the_umask_is(top: Path) -> None:
    before = os.umask(0)
    try:
        private(top / "local" / "state" / "cowhand")
    finally:
        os.umask(before)
    made = [top / "local", top / "local/state", top / "local/state/cowhand"]
    assert [stat.S_IMODE(each.stat().st_mode) for each in made] == [0o700] * 3
