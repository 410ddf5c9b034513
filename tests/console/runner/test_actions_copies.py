"""A copy between hosts is whole, goes on where it was cut off, and replaces only what it may."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

import pytest

from console.errors import NoWayIn
from console.events import ActionProgressed
from console.flows import (
    Copy,
    Run,
)
from console.hosts.local import Local
from console.runner import transfer
from tests.console.runner.acting import play


def planned(source: Path, target: Path, before: str = "") -> Copy:
    data = source.read_bytes()
    return Copy("here", str(target), "here", str(source), len(data), hashlib.sha256(data).hexdigest(), before)


@pytest.mark.parametrize("size", [0, 1, transfer.SMALLEST, transfer.SMALLEST + 1, 3 * transfer.SMALLEST])
async def test_a_file_is_copied_whole_whatever_its_size(tmp_path: Path, size: int) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(os.urandom(size))
    first = await play(tmp_path, target, planned(source, target))
    assert first.ending.outcome == "done"
    assert target.read_bytes() == source.read_bytes()
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir() if "cowhand" in path.name) == []
    told = [event for event in first.events if isinstance(event, ActionProgressed)]
    assert (told[-1].done, told[-1].total, told[-1].unit) == (size, size, "B")


class Short(Local):
    """Loses its link after so many pieces."""

    def __init__(self, pieces: int) -> None:
        super().__init__()
        self.pieces = pieces
        self.sent = 0

    async def write(self, path: str, data: bytes, *rest: object) -> None:  # type: ignore[override]
        if path.endswith(transfer.PIECE):
            if not self.pieces:
                raise NoWayIn("the connection was lost")
            self.pieces -= 1
            self.sent += len(data)
        await super().write(path, data, *rest)  # type: ignore[arg-type]


@pytest.mark.slow
async def test_a_copy_that_was_cut_off_goes_on_where_it_was(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(os.urandom(8 * transfer.SMALLEST))
    cut = await play(tmp_path, target, planned(source, target), host=Short(1))
    assert (cut.ending.outcome, target.exists()) == ("failed", False)
    rest = Short(99)
    assert (await play(tmp_path, target, planned(source, target), host=rest)).ending.outcome == "done"
    assert target.read_bytes() == source.read_bytes()
    assert rest.sent == 7 * transfer.SMALLEST, "what was there already was not sent again"


async def test_a_beginning_that_is_not_the_source_s_is_sent_again(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(os.urandom(2 * transfer.SMALLEST))
    Path(f"{target}{transfer.PART}").write_bytes(b"x" * transfer.SMALLEST)
    assert (await play(tmp_path, target, planned(source, target))).ending.outcome == "done"
    assert target.read_bytes() == source.read_bytes()


async def test_a_source_that_changed_is_not_put_in_place(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(b"planned")
    action = planned(source, target)
    source.write_bytes(b"another")
    first = await play(tmp_path, target, action)
    assert (first.ending.outcome, target.exists()) == ("failed", False)
    assert "did not arrive as it was sent" in first.ending.words


async def test_a_target_that_somebody_made_meanwhile_is_left(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(b"ours")
    target.write_bytes(b"theirs")
    first = await play(tmp_path, tmp_path / "mark", planned(source, target))
    assert (first.ending.outcome, target.read_bytes()) == ("failed", b"theirs")


async def test_a_target_that_is_replaced_is_kept_beside(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(b"new")
    target.write_bytes(b"old")
    action = planned(source, target, hashlib.sha256(b"old").hexdigest())
    touch = Run("here", ("touch", str(tmp_path / "mark")))
    first = await play(tmp_path, tmp_path / "mark", action, touch)
    assert first.ending.outcome == "done"
    assert (target.read_bytes(), (tmp_path / "target.previous").read_bytes()) == (b"new", b"old")


async def test_a_copy_never_follows_a_link(tmp_path: Path) -> None:
    source, target, precious = tmp_path / "source", tmp_path / "target", tmp_path / "precious"
    source.write_bytes(b"new")
    precious.write_bytes(b"precious")
    Path(f"{target}{transfer.PART}").symlink_to(precious)
    first = await play(tmp_path, tmp_path / "mark", planned(source, target))
    assert (first.ending.outcome, precious.read_bytes()) == ("failed", b"precious")
