"""A file is replaced whole or not at all: on the disk before it has its name, as it was left, and never blindly."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from console.store import atomic
from console.store.atomic import ChangedError
from console.store.safe_folder import UnsafePathError, why


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_text("old\n")
    path.chmod(0o640)
    return path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_that_is_there_keeps_its_mode_and_a_new_one_is_for_its_owner_alone(file: Path) -> None:
    new = file.with_name("new")
    mask = os.umask(0)
    try:
        atomic.write(file, b"new\n")
        atomic.write(new, b"new\n", keep="~")
    finally:
        os.umask(mask)
    assert [stat.S_IMODE(path.stat().st_mode) for path in (file, new)] == [0o640, 0o600]
    assert names(file.parent) == ["file", "new"]


def test_the_content_is_on_the_disk_before_it_has_its_name_and_the_name_before_we_return(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[object] = []
    fsync, rename = os.fsync, os.rename

    def synced(handle: int) -> None:
        found = os.fstat(handle)
        told.append("folder" if stat.S_ISDIR(found.st_mode) else (found.st_size, stat.S_IMODE(found.st_mode)))
        fsync(handle)

    def renamed(*words: Any, **more: Any) -> None:
        told.append(words[1])
        rename(*words, **more)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "rename", renamed)
    atomic.write(file, b"longer\n", keep="~")
    assert told == [(7, 0o640), (4, 0o640), "file~", "file", "folder"]
    told.clear()
    atomic.write(file, b"last\n")
    assert told == [(5, 0o640), "file", "folder"]


def test_a_file_with_another_content_than_it_must_have_is_left_as_it_is(file: Path) -> None:
    for before in (b"older\n", b""):
        for keep in ("", "~"):
            with pytest.raises(ChangedError) as raised:
                atomic.write(file, b"new\n", before=before, keep=keep)
    assert why(raised.value) == "it was changed by somebody else meanwhile"
    assert raised.value.errno == errno.ESTALE
    with pytest.raises(ChangedError):
        atomic.write(file.with_name("none"), b"new\n", before=b"")
    assert names(file.parent) == ["file"]
    atomic.write(file, b"new\n", before=b"old\n")
    assert file.read_text() == "new\n"
    assert names(file.parent) == ["file"]


def test_a_file_is_read_as_it_would_be_replaced(file: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("file")
    assert atomic.read(file) == atomic.read(tmp_path / "link") == b"old\n"
    with pytest.raises(FileNotFoundError, match="No such file or directory"):
        atomic.read(tmp_path / "none")
    with pytest.raises(FileNotFoundError, match="No such file or directory"):
        atomic.read(tmp_path / "none" / "file")


def test_a_link_to_nothing_makes_the_file_it_points_at(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("made")
    atomic.write(tmp_path / "link", b"new\n")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "made").read_text() == "new\n"


def test_a_draft_of_somebody_elses_is_neither_written_nor_removed(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("secrets.token_hex", lambda *size: "same")
    draft = file.with_name(".cowhand.same")
    for make in (lambda: draft.write_text("theirs"), lambda: draft.symlink_to(file)):
        make()
        with pytest.raises(FileExistsError):
            atomic.write(file, b"new\n")
        assert draft.exists()
        draft.unlink()
    assert file.read_text() == "old\n"


def test_a_plain_file_that_becomes_a_pipe_before_it_is_opened_is_not_waited_for(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = file.stat()
    file.unlink()
    os.mkfifo(file)
    monkeypatch.setattr(atomic, "_plain", lambda place: old)
    with pytest.raises(UnsafePathError, match=f"{file} is not a plain file"):
        atomic.write(file, b"new\n", before=b"old\n")
    assert names(file.parent) == ["file"]


def test_what_a_failed_write_left_is_removed(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*words: Any, **more: Any) -> None:
        raise OSError(errno.EIO, "Input/output error")

    for call in ("fsync", "rename", "fchmod"):
        with monkeypatch.context() as patch:
            patch.setattr(os, call, fails)
            with pytest.raises(OSError, match="Input/output error") as raised:
                atomic.write(file, b"new\n", keep="~")
        assert why(raised.value) == "input/output error"
        assert (file.read_text(), names(file.parent)) == ("old\n", ["file"])


def test_a_reason_that_nobody_gave_is_said_so() -> None:
    assert why(OSError()) == "unknown reason"
    assert why(UnsafePathError("/home/Bob belongs to Bob")) == "/home/Bob belongs to Bob"


def test_a_path_is_taken_from_where_we_are_and_a_folder_is_none(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    atomic.write(Path("folder/../file"), b"new\n")
    assert file.read_text() == "new\n"
    for path in ("folder", "folder/..", ".", "/", "/.."):
        with pytest.raises(UnsafePathError, match=r"is a folder$"):
            atomic.write(Path(path), b"new\n")
    (tmp_path / "root").symlink_to("/")
    with pytest.raises(UnsafePathError, match=r"^\[Errno 1\] / is a folder$"):
        atomic.write(tmp_path / "root", b"new\n")
    with pytest.raises(NotADirectoryError):
        atomic.write(file / "file", b"new\n")


def test_no_descriptor_is_left_open(file: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "file")
    (tmp_path / "loop").symlink_to("loop")
    before = len([*Path("/proc/self/fd").iterdir()])
    for _ in range(3):
        atomic.write(tmp_path / "link", b"new\n", keep="~")
        for wrong in (tmp_path, tmp_path / "none" / "file", tmp_path / "loop"):
            with pytest.raises(OSError):
                atomic.write(wrong, b"new\n")
    assert len([*Path("/proc/self/fd").iterdir()]) == before


KILLED = """
import os, signal, sys
from pathlib import Path
from console.store import atomic

def killed(*given, **where):
    if sys.argv[2] == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    print("written", flush=True)
    sys.stdin.read()

os.rename = killed
atomic.write(Path(sys.argv[1]), b"data")
"""


def test_what_a_killed_start_left_is_swept_and_what_is_being_written_stays(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    folder.mkdir()
    others = {"kept.msgpack", ".cowhand.mine", ".cowhand." + "0" * 63}
    for name in others:
        (folder / name).write_bytes(b"")
    argv = [sys.executable, "-c", KILLED, str(folder / "new")]
    subprocess.run([*argv, "killed"], check=False, timeout=60)
    left = {each.name for each in folder.iterdir()} - others
    assert len(left) == 1
    with subprocess.Popen([*argv, "waits"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writing:
        assert writing.stdout is not None and writing.stdout.readline() == b"written\n"
        written = {each.name for each in folder.iterdir()} - others - left
        assert len(written) == 1
        atomic.sweep(folder)
        assert {each.name for each in folder.iterdir()} == others | written
        writing.kill()
    atomic.sweep(folder)
    assert {each.name for each in folder.iterdir()} == others
