"""A file copied in pieces, by the real scripts in a real shell: what is kept, what is refused, and the limits."""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from console.errors import FileError
from console.hosts.host import ABSENT, ANY, Before, Completed
from console.runner import transfer
from console.runner.plan import Amount, Copy
from tests.console.flows.case import Rooted

DATA = b"0123456789abcdefghijklmnopqrstuvwxyz"


class Far(Rooted):
    """A host that is this machine, with the tools of `bin` before its own; keeps what it was asked."""

    def __init__(self, folder: Path) -> None:
        super().__init__(Path("/"))
        self.name = "far"
        self.bin, self.log = folder / "bin", folder / "log"
        self.bin.mkdir()
        self.log.touch()
        self.runs: list[tuple[str, float, int]] = []
        self.writes: list[tuple[str, int, int, Before]] = []
        self.after_write: Callable[[Path], None] = lambda path: None
        self.answers: Callable[[str], Completed | None] = lambda script: None

    def tool(self, name: str, text: str) -> None:
        """Put a stand-in for a command in its place."""
        (self.bin / name).write_text(f"#!/bin/sh\nLOG={self.log}\n{text}\n")
        (self.bin / name).chmod(0o755)

    async def run(self, argv: Sequence[str], timeout: float, cap: int = 1 << 20) -> Completed:
        self.runs.append((argv[2], timeout, cap))
        if (answer := self.answers(argv[2])) is not None:
            return answer
        there = {**os.environ, "PATH": f"{self.bin}:{os.environ['PATH']}", "LC_ALL": "C"}
        done = subprocess.run(argv, capture_output=True, env=there, check=False)  # noqa: ASYNC221
        return Completed(done.returncode, done.stdout[:cap], done.stderr)

    async def write(self, path: str, data: bytes, mode: int = 0o600, before: Before = ANY) -> None:
        self.writes.append((path, len(data), mode, before))
        Path(path).write_bytes(data)
        self.after_write(Path(path))


@pytest.fixture
def far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Far:
    monkeypatch.setattr(transfer, "SMALLEST", 4)
    monkeypatch.setattr(transfer, "LARGEST", 16)
    (tmp_path / "source").write_bytes(DATA)
    (tmp_path / "there").mkdir()
    return Far(tmp_path)


def planned(tmp_path: Path, before: bytes | None = None, data: bytes = DATA) -> Copy:
    was = hashlib.sha256(before).hexdigest() if before is not None else ""
    source, target = tmp_path / "source", tmp_path / "there/target"
    return Copy("far", str(target), "far", str(source), len(data), hashlib.sha256(data).hexdigest(), was, 0o640)


async def copied(far: Far, action: Copy) -> list[Amount]:
    told: list[Amount] = []
    await transfer.copy(far, far, action, told.append)
    return told


async def refused(far: Far, action: Copy) -> str:
    with pytest.raises(FileError) as caught:
        await copied(far, action)
    return str(caught.value)


async def test_pieces_grow_and_each_is_told_and_written_for_us_alone(far: Far, tmp_path: Path) -> None:
    action = planned(tmp_path)
    modes: list[int] = []
    part = Path(action.path + ".cowhand-part")
    far.after_write = lambda path: modes.append(stat.S_IMODE(part.stat().st_mode)) if part.exists() else None
    told = await copied(far, action)
    assert told == [Amount(at, 36, "B", action.path) for at in (0, 4, 12, 28, 36)]
    assert far.writes == [(action.path + ".cowhand-piece", size, 0o600, ABSENT) for size in (4, 8, 16, 8)]
    assert modes == [0o600] * 3
    assert Path(action.path).read_bytes() == DATA
    assert stat.S_IMODE(Path(action.path).stat().st_mode) == 0o640
    assert [each.name for each in Path(action.path).parent.iterdir()] == ["target"]


SPEEDS = [
    ([1.9] * 4, [4, 8, 16, 8]),
    ([2.0] * 9, [4] * 9),
    ([1.0, 1.0, 2.0, 2.0, 1.0], [4, 8, 16, 8]),
    ([1.0, 2.0, 2.0, 1.0, 2.0, 1.0], [4, 8, 4, 4, 8, 4, 4]),
]


@pytest.mark.parametrize(("took", "sizes"), SPEEDS)
async def test_a_piece_that_takes_two_seconds_is_followed_by_a_smaller_one(
    took: list[float], sizes: list[int], far: Far, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, left = 100.0, [*took]

    def later(path: Path) -> None:
        nonlocal now
        now += left.pop(0) if left else 0.0

    monkeypatch.setattr(time, "monotonic", lambda: now)
    far.after_write = later
    await copied(far, planned(tmp_path))
    assert [size for _, size, _, _ in far.writes] == sizes


async def test_the_first_piece_has_a_quarter_of_a_mebibyte_and_none_more_than_eight(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    far = Far(tmp_path)
    (tmp_path / "there").mkdir()
    data = bytes((1 << 18) + 1)
    (tmp_path / "source").write_bytes(data)
    await copied(far, planned(tmp_path, data=data))
    assert [size for _, size, _, _ in far.writes] == [1 << 18, 1]
    monkeypatch.setattr(transfer, "SMALLEST", 1 << 23)
    far.writes.clear()
    data = bytes((1 << 24) + 1)
    (tmp_path / "source").write_bytes(data)
    (tmp_path / "there/target").unlink()
    await copied(far, planned(tmp_path, data=data))
    assert [size for _, size, _, _ in far.writes] == [1 << 23, 1 << 23, 1]


async def test_each_command_has_its_time_and_its_cap(far: Far, tmp_path: Path) -> None:
    await copied(far, planned(tmp_path))
    limits = {script.split("\n")[0]: (timeout, cap) for script, timeout, cap in far.runs}
    assert limits == {
        'rm -f -- "$1" "$1.previous"': (3600.0, 1 << 20),
        transfer.STATE.split("\n")[0]: (30.0, 1 << 20),
        'tail -c "+$2" -- "$1" | head -c "$3"': (390.0, 9),
        "set -eu": (3600.0, 1 << 20),
        'sha256sum < "$1"': (3600.0, 1 << 20),
    }


async def test_an_empty_file_is_copied_as_well(far: Far, tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"")
    action = planned(tmp_path, data=b"")
    assert await copied(far, action) == [Amount(0, 0, "B", action.path)]
    assert far.writes == [(action.path + ".cowhand-piece", 0, 0o600, ABSENT)]
    assert Path(action.path).read_bytes() == b""
    assert [each.name for each in Path(action.path).parent.iterdir()] == ["target"]


BEGUN = [
    (DATA[:10], 10),
    (DATA, 36),
    (DATA + b"x", 0),  # longer than the source: none of it is believed
    (b"theirs", 0),
    (b"", 0),
]


@pytest.mark.parametrize(("there", "at"), BEGUN)
async def test_only_what_is_proven_to_be_the_sources_is_kept(there: bytes, at: int, far: Far, tmp_path: Path) -> None:
    action = planned(tmp_path)
    Path(action.path + ".cowhand-part").write_bytes(there)
    Path(action.path + ".cowhand-piece").write_bytes(b"old")
    Path(action.path + ".cowhand-piece.previous").write_bytes(b"older")
    assert (await copied(far, action))[0].done == at
    assert Path(action.path).read_bytes() == DATA
    assert [each.name for each in Path(action.path).parent.iterdir()] == ["target"]


@pytest.mark.parametrize(
    "answer",
    [Completed(1, b"4\n", b""), Completed(0, b"", b""), Completed(0, b"four\n", b""), Completed(0, b"-4", b"")],
)
async def test_a_beginning_that_cannot_be_told_is_sent_again(answer: Completed, far: Far, tmp_path: Path) -> None:
    action = planned(tmp_path)
    Path(action.path + ".cowhand-part").write_bytes(DATA[:4])
    far.answers = lambda script: answer if script == transfer.STATE else None
    assert (await copied(far, action))[0].done == 0
    assert Path(action.path).read_bytes() == DATA


async def test_a_beginning_that_is_a_link_or_a_folder_is_not_followed(far: Far, tmp_path: Path) -> None:
    action = planned(tmp_path)
    part, theirs = Path(action.path + ".cowhand-part"), tmp_path / "theirs"
    theirs.write_bytes(DATA[:8])
    part.symlink_to(theirs)
    assert await refused(far, action) == f"{part} on far: {part} is a link"
    assert far.writes[0][1] == 4, "it was not taken for a beginning"
    assert theirs.read_bytes() == DATA[:8]
    part.unlink()
    part.mkdir()
    assert "far: " in await refused(far, action)
    assert not Path(action.path).exists()


async def test_a_beginning_that_changes_meanwhile_is_an_error(far: Far, tmp_path: Path) -> None:
    action = planned(tmp_path)
    part = Path(action.path + ".cowhand-part")
    part.write_bytes(DATA[:4])
    far.after_write = lambda path: part.write_bytes(DATA[:5])  # type: ignore[assignment]
    assert await refused(far, action) == f"{part} on far: {part} is not as far as it was"
    assert part.read_bytes() == DATA[:5]


async def test_a_piece_that_arrives_cut_off_is_an_error(far: Far, tmp_path: Path) -> None:
    action = planned(tmp_path)
    far.after_write = lambda path: path.write_bytes(b"012")  # type: ignore[assignment]
    part = Path(action.path + ".cowhand-part")
    assert await refused(far, action) == f"{part} on far: {part.with_suffix('.cowhand-piece')} did not arrive whole"
    assert part.read_bytes() == b""


async def test_a_source_that_becomes_shorter_is_an_error(far: Far, tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(DATA[:6])
    words = f"{tmp_path}/source on far has become shorter, or cannot be read: status 0"
    assert await refused(far, planned(tmp_path)) == words
    (tmp_path / "source").unlink()
    said = await refused(far, planned(tmp_path))
    assert "No such file or directory" in said
    assert "\n" not in said


async def test_what_did_not_arrive_as_it_was_sent_is_removed_and_never_placed(far: Far, tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(DATA.upper())
    action, found = planned(tmp_path), hashlib.sha256(DATA.upper()).hexdigest()
    assert await refused(far, action) == f"{action.path} on far did not arrive as it was sent: its sum is {found}"
    assert [*(tmp_path / "there").iterdir()] == []


@pytest.mark.parametrize("answer", [Completed(1, b"a" * 64, b"sh: cannot: no\n"), Completed(0, b"a" * 63, b"no\n")])
async def test_a_sum_that_is_none_is_an_error(answer: Completed, far: Far, tmp_path: Path) -> None:
    far.answers = lambda script: answer
    said = answer.stderr.decode().strip()
    with pytest.raises(FileError) as caught:
        await transfer.digest(far, "/x")
    assert str(caught.value) == f"/x on far cannot be read: {said}"
    far.answers = lambda script: Completed(0, b"a" * 64 + b"  -\n", b"")
    assert await transfer.digest(far, "/x") == "a" * 64


async def test_the_sum_of_a_beginning_is_of_so_many_bytes(far: Far, tmp_path: Path) -> None:
    assert await transfer.digest(far, str(tmp_path / "source"), 7) == hashlib.sha256(DATA[:7]).hexdigest()
    assert await transfer.digest(far, str(tmp_path / "source"), 0) == hashlib.sha256(b"").hexdigest()


# ── its place ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_what_is_replaced_is_kept_beside(far: Far, tmp_path: Path) -> None:
    action = planned(tmp_path, b"old")
    Path(action.path).write_bytes(b"old")
    Path(action.path + ".previous").write_bytes(b"older")
    far.tool("chown", 'echo "$*" >> "$LOG"')
    await copied(far, action)
    assert Path(action.path).read_bytes() == DATA
    assert Path(action.path + ".previous").read_bytes() == b"old"
    assert far.log.read_text() == f"--reference={action.path} -- {action.path}.cowhand-part\n"


async def test_a_file_that_is_new_belongs_to_whoever_copies_and_nothing_is_kept(far: Far, tmp_path: Path) -> None:
    far.tool("chown", 'echo "$*" >> "$LOG"')
    await copied(far, planned(tmp_path))
    assert far.log.read_text() == ""


def link(path: Path) -> None:
    (path.parent / "theirs").write_bytes(b"old")
    path.symlink_to(path.parent / "theirs")


FOUND: list[tuple[Callable[[Path], object], bytes | None, str]] = [
    (link, b"old", "{0} is no plain file"),
    (lambda path: path.symlink_to("nowhere"), None, "{0} is no plain file"),
    (lambda path: path.mkdir(), None, "{0} is no plain file"),
    (lambda path: path.write_bytes(b"theirs"), b"old", "{0} has changed since its plan was shown"),
    (lambda path: path.write_bytes(b""), None, "{0} has changed since its plan was shown"),
    (lambda path: None, b"old", "{0} has changed since its plan was shown"),
]


@pytest.mark.parametrize(("make", "before", "words"), FOUND)
async def test_what_is_there_and_was_not_planned_is_left(
    make: Callable[[Path], object], before: bytes | None, words: str, far: Far, tmp_path: Path
) -> None:
    action = planned(tmp_path, before)
    path = Path(action.path)
    make(path)
    was = (path.lstat().st_ino, path.read_bytes() if path.is_file() else b"") if os.path.lexists(path) else None
    assert await refused(far, action) == f"{path}.cowhand-part on far: {words.format(path)}"
    now = (path.lstat().st_ino, path.read_bytes() if path.is_file() else b"") if os.path.lexists(path) else None
    assert now == was


@pytest.mark.parametrize("tool", ["cat", "chmod", "chown", "ln", "mv"])
async def test_a_command_that_fails_leaves_the_file_as_it_was(tool: str, far: Far, tmp_path: Path) -> None:
    action = planned(tmp_path, b"old")
    Path(action.path).write_bytes(b"old")
    far.tool(tool, "echo no >&2; exit 1")
    assert (await refused(far, action)).endswith("on far: no")
    assert Path(action.path).read_bytes() == b"old"


async def test_content_reaches_the_disk_before_its_name_does(far: Far, tmp_path: Path) -> None:
    for tool in ("sync", "mv"):
        far.tool(tool, f'for last; do :; done; echo "{tool} ${{last##*/}}" >> "$LOG"; exec /bin/{tool} "$@"')
    await copied(far, planned(tmp_path))
    assert far.log.read_text().splitlines() == ["sync target.cowhand-part", "mv target", "sync there"]


async def test_a_sync_that_takes_no_file_is_called_for_all(far: Far, tmp_path: Path) -> None:
    far.tool("sync", '[ $# = 0 ] || exit 1; echo all >> "$LOG"')
    await copied(far, planned(tmp_path))
    assert far.log.read_text() == "all\nall\n"
