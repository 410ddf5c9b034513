"""A file on a machine is replaced whole or not at all: the script that does it, run by a real shell and cut off."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from console.errors import FileError, Missing
from console.hosts import files
from console.hosts.host import Completed
from console.hosts.process import Dialogue


class Shell:
    """Runs commands here, with the tools of `bin` before the machine's own; `cut` bytes of what is sent get lost."""

    def __init__(self, folder: Path, cut: int = 0) -> None:
        self.bin, self.cut = folder / "bin", cut
        self.log = folder / "log"
        self.bin.mkdir()
        self.log.touch()
        self.calls: list[tuple[list[str], float, int]] = []

    def tool(self, name: str, text: str) -> None:
        """Put a stand-in for a command in its place; LOG is where it may say that it was called."""
        (self.bin / name).write_text(f"#!/bin/sh\nLOG={self.log}\n{text}\n")
        (self.bin / name).chmod(0o755)

    def environment(self) -> dict[str, str]:
        return {**os.environ, "PATH": f"{self.bin}:{os.environ['PATH']}", "LC_ALL": "C"}

    async def __call__(self, argv: Sequence[str], dialogue: Dialogue, timeout: float, cap: int) -> Completed:
        self.calls.append((list(argv), timeout, cap))
        data = (dialogue.data or b"")[: len(dialogue.data or b"") - self.cut]
        done = subprocess.run(argv, input=data, capture_output=True, env=self.environment(), check=False)  # noqa: ASYNC221
        said = done.stderr.replace(dialogue.ready or b"\0", b"")
        return Completed(done.returncode, done.stdout[:cap], said)


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.setattr(files, "LOCKS", str(tmp_path / "locks"))
    return Shell(tmp_path)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with one file in it, which must not change unless all goes well."""
    folder = tmp_path / "etc"
    folder.mkdir()
    (folder / "fstab").write_bytes(b"old\n")
    (folder / "fstab").chmod(0o644)
    return folder / "fstab"


async def write(shell: Shell, place: Path, data: bytes = b"new\n", mode: int = 0o600) -> None:
    await files.write(shell, "vps", str(place), data, mode)


def untouched(place: Path) -> bool:
    """Whether the file is as it was and no draft is left; the version before may be it already, by another name."""
    names = {each.name for each in place.parent.iterdir()} - {f"{place.name}.previous"}
    return place.read_bytes() == b"old\n" and names == {place.name}


async def test_the_new_file_the_old_one_and_no_draft_are_there(shell: Shell, place: Path) -> None:
    await write(shell, place, mode=0o7640)
    assert {each.name: each.read_bytes() for each in place.parent.iterdir()} == {
        "fstab": b"new\n",
        "fstab.previous": b"old\n",
    }
    assert stat.S_IMODE(place.stat().st_mode) == 0o7640
    (_, timeout, cap), *_ = shell.calls
    assert (timeout, cap) == (30.0, 4096)


async def test_what_a_link_points_to_is_replaced_and_the_link_stays(shell: Shell, place: Path) -> None:
    link = place.parent / "link"
    link.symlink_to("fstab")
    await write(shell, link)
    assert link.is_symlink()
    assert (place.read_bytes(), place.is_symlink()) == (b"new\n", False)


async def test_a_folder_is_not_replaced(shell: Shell, place: Path) -> None:
    with pytest.raises(FileError) as caught:
        await write(shell, place.parent)
    assert str(caught.value) == f"{place.parent} on vps was not written: it is a folder"
    assert untouched(place)


async def test_content_that_arrives_cut_off_changes_nothing(shell: Shell, place: Path) -> None:
    shell.cut = 1
    with pytest.raises(FileError, match="was not written: what was sent did not arrive whole"):
        await write(shell, place)
    assert untouched(place)


@pytest.mark.parametrize("tool", ["chmod", "cat", "sha256sum", "ln", "mv"])
async def test_a_step_that_fails_is_an_error_and_leaves_the_file_as_it_was(
    tool: str, shell: Shell, place: Path
) -> None:
    shell.tool(tool, f"echo '{tool}: cannot: No space left on device' >&2; exit 1")
    with pytest.raises(FileError) as caught:
        await write(shell, place)
    assert str(caught.value) == f"{place} on vps was not written: No space left on device"
    assert untouched(place)


LOGGED = 'for last; do :; done; echo "$(basename "$0") ${last##*/}" >> "$LOG"; exec /bin/%s "$@"'


async def test_content_reaches_the_disk_before_the_name_does_and_then_the_name(shell: Shell, place: Path) -> None:
    shell.tool("sync", LOGGED % "sync")
    shell.tool("mv", LOGGED % "mv")
    await write(shell, place)
    done = [line for line in shell.log.read_text().splitlines() if line != "mv --help"]
    wanted = ["sync 9", "mv fstab.previous", "mv fstab", "sync ."]
    assert done == wanted, "the open draft, the version before, the name, the folder"


async def test_a_sync_that_takes_no_file_is_called_for_all(shell: Shell, place: Path) -> None:
    shell.tool("sync", '[ $# = 0 ] || exit 1; echo all >> "$LOG"')
    await write(shell, place)
    assert shell.log.read_text() == "all\nall\n"


CUTS = {"lost": 0, "HUP": signal.SIGHUP, "INT": signal.SIGINT, "TERM": signal.SIGTERM}
"""A signal; or the connection alone is lost, and nobody reads what the script says either."""


@pytest.mark.parametrize("number", CUTS.values(), ids=CUTS)
async def test_a_cut_while_content_arrives_leaves_the_file_and_no_draft(number: int, shell: Shell, place: Path) -> None:
    await write(shell, place.parent / "other")
    (place.parent / "other").unlink()
    (argv, *_), *_ = shell.calls
    argv = [str(place) if word.endswith("/other") else word for word in argv]
    mark, pipe = argv[7].encode(), subprocess.PIPE
    where = {"env": shell.environment(), "start_new_session": True}
    running = subprocess.Popen(argv, stdin=pipe, stderr=pipe, **where)  # type: ignore[call-overload]  # noqa: ASYNC220
    assert running.stdin is not None
    assert running.stderr is not None
    assert running.stderr.read(len(mark)) == mark
    running.stdin.write(b"ne")
    running.stdin.flush()
    assert len(list(place.parent.iterdir())) == 2
    os.killpg(running.pid, number)
    with running:
        pass
    assert running.returncode != 0
    assert untouched(place)


async def test_the_version_before_is_not_replaced_by_itself(shell: Shell, place: Path) -> None:
    previous = Path(f"{place}.previous")
    previous.hardlink_to(place)
    await write(shell, place)
    assert (place.read_bytes(), previous.read_bytes()) == (b"new\n", b"old\n")


async def test_a_name_may_hold_whatever_names_hold(shell: Shell, place: Path) -> None:
    for name in ("-f", "a b", "it's $HOME", "two\nlines", "*"):
        await write(shell, place.parent / name)
        assert (place.parent / name).read_bytes() == b"new\n"


# ── reading ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_file_as_large_as_the_cap_is_read_and_one_byte_more_is_refused(shell: Shell, place: Path) -> None:
    assert await files.read(shell, "vps", str(place), 4) == b"old\n"
    with pytest.raises(FileError, match=f"{place} on vps is larger than 3 bytes"):
        await files.read(shell, "vps", str(place), 3)
    assert shell.calls == [
        (["head", "-c", "5", "--", str(place)], 10.0, 5),
        (["head", "-c", "4", "--", str(place)], 10.0, 4),
    ]


async def answering(status: int, said: bytes) -> str:
    async def run(argv: Sequence[str], dialogue: Dialogue, timeout: float, cap: int) -> Completed:
        return Completed(status, b"", said)

    with pytest.raises(FileError) as caught:
        await files.read(run, "vps", "/etc/x", 100)
    return f"{type(caught.value).__name__}: {caught.value}"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (b"head: cannot open '/etc/x' for reading: No such file or directory\n", "Missing: /etc/x is not there on vps"),
        (b"head: cannot open '/etc/x': Permission denied\n",
         "FileError: /etc/x on vps cannot be read: Permission denied"),
        (b"motd\nhead: a: b: Is a directory\n\n", "FileError: /etc/x on vps cannot be read: Is a directory"),
        (b"", "FileError: /etc/x on vps cannot be read: status 7"),
    ],
)  # fmt: skip
async def test_why_a_file_cannot_be_read_is_the_last_that_was_said(said: bytes, words: str) -> None:
    assert await answering(7, said) == words


async def test_a_file_that_is_missing_while_it_is_written_is_no_missing_file(shell: Shell, place: Path) -> None:
    with pytest.raises(FileError, match="was not written: ") as caught:
        await write(shell, place.parent / "none" / "file")
    assert not isinstance(caught.value, Missing)


WRITTEN = [
    (3, b"motd\n/a: b: no\n", "FileError: /etc/x on vps was not written: /a: b: no"),
    (1, b"sh: mv: no space\n", "FileError: /etc/x on vps was not written: no space"),
    (4, b"", "Changed: /etc/x on vps has changed meanwhile; nothing was written"),
    (5, b"", "FileError: /etc/x on vps was not written: status 5"),
]


@pytest.mark.parametrize(("status", "said", "words"), WRITTEN)
async def test_what_the_script_says_is_said_whole_and_of_a_tool_the_reason_alone(
    status: int, said: bytes, words: str
) -> None:
    async def run(argv: Sequence[str], dialogue: Dialogue, timeout: float, cap: int) -> Completed:
        return Completed(status, b"", said)

    with pytest.raises(FileError) as caught:
        await files.write(run, "vps", "/etc/x", b"", 0o600)
    assert f"{type(caught.value).__name__}: {caught.value}" == words
