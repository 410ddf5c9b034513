"""The last hour of a hop, and its latencies: an outage, a flap and a slow stretch look different."""

from __future__ import annotations

import pytest

from console.events import DisksSeen, GuestSeen
from console.model import Outcome, Reading
from screens.themes import TERMINAL, ink
from screens.views.history import HOUR, below, spread, strip
from tests.screens.house import build, settle
from tests.screens.stage import START, calm
from tests.screens.stage_estate import LANES

INK = ink(TERMINAL)
NOW = START + 1800.0


def trail(*changes: tuple[float, Outcome, float | None]) -> list[Reading]:
    """Readings as they changed: minutes ago, outcome, milliseconds."""
    return [Reading("25/smtp", "public", "here", how, "", (), ms, at=NOW - ago * 60) for ago, how, ms in changes]


def drawn(changes: list[Reading], room: int = 30) -> str:
    """The strip."""
    return "".join(text for text, _ in strip(INK, changes, NOW, room)[0])


@pytest.mark.parametrize(
    ("changes", "picture"),
    [
        ([(90, "ok", 1.0)], "▁" * 30),
        ([(20, "ok", 1.0)], " " * 20 + "▁" * 10),
        ([(90, "ok", 1.0), (30, "failed", None), (20, "ok", 1.0)], "▁" * 15 + "✗" * 5 + "▁" * 10),
        ([(90, "ok", 1.0), (31, "failed", None), (30.5, "ok", 1.0)], "▁" * 14 + "x" + "▁" * 15),
        ([(90, "ok", 1.0), (30, "ok", 400.0), (20, "ok", 1.0)], "▁" * 15 + "█" * 5 + "▁" * 10),
        ([(90, "degraded", 1.0), (30, "unknown", None)], "▲" * 15 + "?" * 15),
        ([(90, "failed", None)], "✗" * 30),
    ],
)
def test_the_strip_shows_what_it_was_minute_by_minute(
    changes: list[tuple[float, Outcome, float | None]], picture: str
) -> None:
    told = drawn(trail(*changes))
    # a change on the border of two cells belongs to both: the cell of its end may show the worse one
    assert sum(one != other for one, other in zip(told, picture, strict=True)) <= 2, told
    assert set(picture) <= set(told)


def test_an_outage_a_flap_and_a_slow_stretch_are_told_apart() -> None:
    outage = drawn(trail((90, "ok", 1.0), (30, "failed", None), (20, "ok", 1.0)))
    flap = drawn(
        trail((90, "ok", 1.0), *((29.5 - at * 2, how, 1.0) for at in range(5) for how in ("failed",)), (1, "ok", 1))
    )
    blinks = drawn(trail((90, "ok", 1.0), (31, "failed", None), (30.5, "ok", 1.0)))
    slow = drawn(trail((90, "ok", 1.0), (30, "ok", 400.0), (20, "ok", 1.0)))
    assert len({outage, flap, blinks, slow}) == 4
    assert "✗" not in blinks
    assert "x" in blinks


def test_the_axis_says_from_when_to_when_and_the_strip_yields_to_a_narrow_row() -> None:
    pieces, axis = strip(INK, trail((90, "ok", 1.0)), NOW, 30)
    assert "".join(text for text, _ in axis) == f"13:30{' ' * 20}14:30"
    assert len(pieces) == 30
    assert len(drawn(trail((90, "ok", 1.0)), 25)) == 20
    assert drawn(trail((90, "ok", 1.0)), 8) == ""
    assert HOUR == 3600


def test_cells_that_have_passed_stay_as_they_are() -> None:
    changes = trail((90, "ok", 1.0), (30, "failed", None), (20, "ok", 1.0))
    first = "".join(text for text, _ in strip(INK, changes, NOW - 60, 30)[0])
    later = "".join(text for text, _ in strip(INK, changes, NOW - 1, 30)[0])
    assert first == later


@pytest.mark.parametrize(
    ("latencies", "words"),
    [
        ((), ""),
        ((1.0, 2.0, 3.0, 4.0), ""),
        ((1.0, 2.0, 3.0, 4.0, 1500.0), "p50 3 ms · p95 1.5 s · worst 1.5 s of 5 sweeps"),
        (tuple(float(at) for at in range(1, 101)), "p50 50 ms · p95 95 ms · worst 100 ms of 100 sweeps"),
        ((0.0,) * 5, "p50 <1 ms · p95 <1 ms · worst <1 ms of 5 sweeps"),
    ],
)
def test_latencies_are_told_with_their_spread(latencies: tuple[float, ...], words: str) -> None:
    assert spread(latencies) == words


def test_the_spread_gives_way_to_the_axis_and_never_makes_the_row_longer() -> None:
    axis = [("x" * 30, INK.muted)]
    for width in range(34, 120):
        row = "".join(text for text, _ in below(INK, tuple(map(float, range(1, 101))), axis, width))
        assert len(row) <= width
    assert "p95 95 ms" in "".join(text for text, _ in below(INK, tuple(map(float, range(1, 101))), axis, 80))


async def test_the_evidence_has_the_spread_of_the_chosen_cell_and_the_map_how_full_a_volume_is() -> None:
    stage = calm()
    stage.spreads = {(LANES[0].id, "public"): (12.0, 13.0, 14.0, 15.0, 90.0)}
    async with build(stage).run_test(size=(80, 40)) as pilot:
        rows = await settle(pilot)
        assert any("p50 14 ms · p95 90 ms · worst 90 ms" in row for row in rows)
        stage.say(DisksSeen((("/", 40), ("/opt", 96))))
        rows = await settle(pilot, "4")
    assert any("████████████ 96 % used" in row for row in rows)
    assert any("no file system is mounted there" in row for row in rows)  # /var/lib/docker


async def test_the_map_says_how_incus_has_the_vm_as_long_as_it_was_asked() -> None:
    stage = calm()
    async with build(stage).run_test(size=(80, 40)) as pilot:
        assert "says Incus" not in "\n".join(await settle(pilot, "4"))
        stage.say(GuestSeen("mailcow", "Stopped"))
        assert any("✗ stopped, says Incus" in row for row in await settle(pilot))
        stage.say(GuestSeen("mailcow", "Running"))
        assert any("● running, says Incus" in row for row in await settle(pilot))
        stage.say(GuestSeen("another", "Stopped"))
        assert "says Incus" not in "\n".join(await settle(pilot)), "another instance than the one of the files"
        stage.say(GuestSeen("mailcow", "Stopped"), GuestSeen())
        assert "says Incus" not in "\n".join(await settle(pilot)), "nobody has asked since"
