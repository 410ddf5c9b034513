"""The verdict, its sentence, the matrix and the map say the same, and say it whole."""

from __future__ import annotations

from typing import cast

import pytest
from msgspec.structs import replace

from console.diagnosis.catalogue import finding
from console.events import Awaited, EstateRead, FindingsChanged, ReadingsChanged
from console.model import HOPS, HopName, Lane, Outcome, Reading, Verdict
from screens.app import CowhandApp
from screens.board import Board
from screens.bridge import News
from screens.themes import TERMINAL, ink
from screens.views.lanes import Lanes
from screens.widgets.edges import masthead
from tests.screens.house import build, settle
from tests.screens.stage import CALM, CH001, START, TROUBLE, UNTRUSTED, WELL, calm, crowd, reading, trouble
from tests.screens.stage_estate import ESTATE, LANES
from tests.screens.test_bar import STOP, run

SMALL = (80, 24)
IMAPS = next(lane for lane in LANES if lane.port == 993)
STOPPED = finding(
    "CH029", "dovecot is stopped inside mailcow", "mailcow", observed=True, lanes=("993/imaps",), hop="service"
)
OTHER = finding(
    "CH022", "certificate expired, served by vps", "vps", observed=True, lanes=("443/https",), hop="haproxy"
)


def board(
    *readings: Reading, found: FindingsChanged = WELL, estate: EstateRead = ESTATE, before: tuple[Reading, ...] = CALM
) -> Board:
    """What the screens know after one sweep."""
    made = Board("benoit")
    made.take(News(estate=estate, readings=(*before, *readings)))
    made.take(News(findings=found))
    return made


def head(known: Board, width: int = 80) -> list[str]:
    """The three rows above every screen."""
    rows = masthead(known, ink(TERMINAL), "lanes", "", width, read_only=False, lab=False)
    return ["".join(text for text, _ in row) for row in rows]


def told(verdict: Verdict, cause: str, *found: object) -> FindingsChanged:
    """What the engine concluded."""
    first = found[0].id if found else None  # type: ignore[attr-defined]
    return FindingsChanged(found, verdict, cause, first, START)  # type: ignore[arg-type]


# ── the map ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("hop", "row"),
    [
        ("public", "✗993"),
        ("haproxy", "✗ 993  imaps"),
        ("tunnel", "✗ tunnel"),
        ("vm", "✗ 10993 ← 993 imaps"),
        ("service", "✗ 10993 ← 993 imaps"),
    ],
)
async def test_the_map_is_red_for_each_hop_that_the_matrix_is_red_for(hop: HopName, row: str) -> None:
    stage = calm()
    app = build(stage)
    async with app.run_test(size=(80, 40)) as pilot:
        rows = await settle(pilot, "4")
        assert not any("✗" in line for line in rows)
        stage.say(ReadingsChanged((reading(IMAPS, hop, "failed", "broken"),)))
        rows = await settle(pilot)
    assert any(row in line for line in rows), "\n".join(rows)


@pytest.mark.parametrize("width", [80, 120, 130])
async def test_the_word_of_what_is_wrong_stands_whole_on_the_map(width: int) -> None:
    stage = calm()
    app = build(stage)
    async with app.run_test(size=(width, 50)) as pilot:
        await settle(pilot, "4")
        stage.say(ReadingsChanged((reading(IMAPS, "haproxy", "degraded", "header missing"),)))
        rows = await settle(pilot)
    (row,) = [row for row in rows if "▲ 993  imaps" in row]
    assert ":10993" in row
    assert "  header missing " in row


async def test_what_is_broken_below_the_edge_of_the_map_is_told_there() -> None:
    stage = calm()
    app = build(stage)
    async with app.run_test(size=(80, 24)) as pilot:
        rows = await settle(pilot, "4")
        assert "more lines" in rows[-2] and "broken" not in rows[-2]
        stage.say(ReadingsChanged((reading(IMAPS, "service", "failed", "stopped"),)))
        rows = await settle(pilot)
        assert rows[-2].endswith("✗ 1 broken there")
        rows = await settle(pilot, "G")
    assert any("✗ 10993" in row for row in rows)


async def test_a_lane_that_no_file_publishes_is_on_the_map_with_all_its_hops() -> None:
    app = build(calm())
    async with app.run_test(size=(80, 40)) as pilot:
        rows = await settle(pilot, "4")
    assert any("nginx-mailcow" in row for row in rows)
    assert any("● 443   ← 443 https" in row for row in rows)


async def test_public_ports_that_do_not_fit_are_counted_and_the_broken_ones_come_first() -> None:
    stage = crowd(40)
    app = build(stage)
    async with app.run_test(size=(60, 24)) as pilot:
        await settle(pilot, "4")
        last = app.board.lanes[-1]
        stage.say(ReadingsChanged((Reading(last.id, "public", "here", "failed", "refused"),)))
        rows = await settle(pilot)
    assert f"│ ✗{last.port} " in rows[4]
    assert "more" in rows[4]


# ── the verdict and its sentence ──────────────────────────────────────────────────────────────────────────────────────


def test_a_well_that_was_not_seen_from_inside_is_not_green() -> None:
    blind = [reading(lane, hop, "unknown", "not asked") for lane in LANES for hop in ("tunnel", "vm", "service")]
    rows = head(board(*blind, found=told("well", "could not look from vps: the host key of vps changed")))
    assert rows[0].startswith(" ? well from outside   5 of 5 lanes answer")
    assert "the host key of vps changed" in rows[1]


def test_a_second_cause_is_named_beside_the_first() -> None:
    rows = head(board(found=told("down", "dovecot is stopped inside mailcow", STOPPED, OTHER)))
    assert "dovecot is stopped inside mailcow (CH029)  +1 more: CH022, since" in rows[1]


def test_a_sentence_on_all_lanes_does_not_name_each_where_the_row_is_short() -> None:
    ports = ", ".join(str(lane.port) for lane in LANES[:-1]) + f" and {LANES[-1].port}"
    said = (
        f"lanes {ports}: no answer from vps to mailcow, and hung up at once from vps itself, which is a long sentence"
    )
    rows = head(board(found=told("down", said, STOPPED)))
    assert rows[1].startswith(" every lane: no answer from vps to mailcow, and hung up at once")
    few = head(board(found=told("down", said.replace(f", {LANES[2].port}", ""), STOPPED)))
    assert few[1].startswith(f" lanes {LANES[0].port}, ")


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (185, "every lane: no answer from vps to mailcow. Either mailcow is off, or hangs; or its address is another; "
              "or nothing publishes 10025; or something not known here"),
        (150, "every lane: either mailcow is off, or hangs; or its address is another; or nothing publishes 10025; "
              "or something not known here"),
        (110, "every lane: either mailcow is off, or hangs; or its address is another; or 2 others"),
        (80, "every lane: either mailcow is off, or hangs; or 3 others"),
    ],
)  # fmt: skip
def test_of_several_causes_that_do_not_fit_the_first_is_shown_and_how_many_others(width: int, shown: str) -> None:
    ports = ", ".join(str(lane.port) for lane in LANES[:-1]) + f" and {LANES[-1].port}"
    whole = (
        "mailcow is off, or hangs; or its address is another; or nothing publishes 10025; or something not known here"
    )
    said = f"lanes {ports}: no answer from vps to mailcow. Either {whole}"
    assert head(board(found=told("down", said, STOPPED)), width)[1].startswith(f" {shown}, since")


def test_where_nobody_answers_at_all_that_stays_in_front_of_the_causes() -> None:
    said = "nobody answers at 203.0.113.10 and 2001:db8:113::10, on any port. Either vps is off; or we are offline"
    shown = head(board(found=told("down", said, STOPPED)), 100)[1]
    assert shown.startswith(" nobody answers at 203.0.113.10 and 2001:db8:113::10, on any port: either ")


def test_whose_answer_is_missing_is_said_until_a_cause_is_told() -> None:
    known = board()
    known.take(News(awaited=Awaited("no answer for 0.9 s from vps to 10.10.10.214")))
    assert head(known)[1] == " no answer for 0.9 s from vps to 10.10.10.214"
    known.take(News(findings=told("down", "the tunnel is down", STOPPED)))
    assert head(known)[1].startswith(" the tunnel is down (CH029)")
    known.take(News(findings=told("well", ""), awaited=Awaited("")))
    assert "all 5 lanes well" in head(known)[1]


def test_count_and_verdict_change_together() -> None:
    known = board(*UNTRUSTED, found=TROUBLE)
    assert head(known)[0].startswith(" ✗ down   3 of 5 lanes well")
    known.take(News(readings=CALM))
    assert head(known)[0].startswith(" ✗ down   3 of 5 lanes well")
    known.take(News(findings=WELL))
    assert head(known)[0].startswith(" ● well   5 of 5 lanes well")


def test_a_lane_that_breaks_after_the_verdict_is_not_counted_as_well_until_the_next() -> None:
    known = board(*UNTRUSTED, found=TROUBLE)
    change = known.take(News(readings=(reading(LANES[0], "haproxy", "failed", "no header"),)))
    assert change.findings  # the masthead is drawn again
    assert head(known)[0].startswith(" ✗ down   2 of 5 lanes well")
    assert not known.take(News(readings=(reading(LANES[0], "haproxy", "failed", "no TLS"),))).findings


@pytest.mark.parametrize(("width", "kept"), [(100, "benoit"), (80, "mount-volumes 2/2"), (60, "docker stopped")])
def test_what_a_run_has_stopped_stays_in_the_head_longer_than_its_name(width: int, kept: str) -> None:
    known = board()
    known.flow = run((STOP, ""))
    (first, *_) = masthead(known, ink(TERMINAL), "lanes", "", width, read_only=False, lab=True)
    text = "".join(piece for piece, _ in first)
    assert kept in text
    assert "✗ docker stopped" in text
    assert " LAB " in text
    assert len(text) <= width


def test_lanes_that_nobody_could_ask_are_not_counted_as_dead() -> None:
    nobody = tuple(reading(lane, hop, "unknown", "not asked") for lane in LANES for hop in HOPS)
    rows = head(board(found=told("unknown", "nothing could be asked: no name is known"), before=nobody))
    assert rows[0].startswith(" ? unknown   5 lanes, none could be asked")


def test_the_tab_of_findings_says_how_many_there_are_and_how_many_are_critical() -> None:
    assert f"2 findings ({len(ESTATE.findings)} ◆1)" in head(board(), 120)[2]
    assert "(" in head(board(), 80)[2]
    assert len(head(board(), 80)[2]) == 80


# ── from the alarm to the cause ───────────────────────────────────────────────────────────────────────────────────────


def chosen(app: CowhandApp) -> tuple[int, str]:
    """The chosen cell."""
    cell = cast(Lanes, app.view).chosen()
    assert cell is not None
    return cell[0].port, cell[1]


def stopped() -> tuple[ReadingsChanged, FindingsChanged]:
    """Dovecot is stopped; 465 shows it at haproxy and at the service, and stands above."""
    cells: list[tuple[Lane, HopName, Outcome, str]] = [
        (LANES[1], "haproxy", "degraded", "L4OK"),
        (LANES[1], "service", "degraded", "no auth"),
        (IMAPS, "haproxy", "degraded", "L4OK"),
        (IMAPS, "service", "failed", "stopped"),
    ]
    readings = tuple(reading(lane, hop, outcome, word) for lane, hop, outcome, word in cells)
    both = replace(STOPPED, lanes=("993/imaps", "465/smtps"))
    return ReadingsChanged(readings), told("down", both.summary, both)


async def test_n_leads_to_the_cause_first_and_then_to_its_effects() -> None:
    stage = calm()
    app = build(stage)
    async with app.run_test(size=SMALL) as pilot:
        await settle(pilot, "G")
        stage.say(*stopped())
        await settle(pilot, "n")
        assert chosen(app) == (993, "service")
        rows = await settle(pilot, "n", "h", "h", "h")
        assert chosen(app) == (465, "haproxy")
        at = next(at for at, row in enumerate(rows) if "shows the effect of CH029 at service" in row)
        assert at < next(at for at, row in enumerate(rows) if "also read in the sources" in row)
        await settle(pilot, "enter")
        assert app.view.finding() is not None
        assert app.view.finding().id == "CH029"  # type: ignore[union-attr]
        await settle(pilot, "enter")  # no line of a file is known for it
        assert chosen(app) == (993, "service")
        await settle(pilot, "N")
        assert chosen(app) == (465, "service")


async def test_the_remedy_key_says_where_the_cause_is_when_the_cell_is_well() -> None:
    app = build(trouble())
    async with app.run_test(size=SMALL) as pilot:
        rows = await settle(pilot, "g", "f")
    assert rows[-1].strip() == f"nothing is known to be wrong here; n leads to CH001 {CH001.name}"


# ── what is not shown is said ─────────────────────────────────────────────────────────────────────────────────────────


async def test_lanes_above_and_below_are_counted_and_their_breaks_too() -> None:
    app = build(crowd(40))
    async with app.run_test(size=(60, 24)) as pilot:
        rows = await settle(pilot, "g")
        assert "lane ↓" in rows[3]
        assert "✗2" in rows[3]  # both that are broken
        rows = await settle(pilot, "G")
        assert "lane ↑" in rows[3]
        assert "↓" not in rows[3]


async def test_a_filter_that_nothing_passes_says_so() -> None:
    app = build(calm())
    async with app.run_test(size=SMALL) as pilot:
        rows = await settle(pilot, "slash", *"zzz", "enter")
    assert "none has “zzz”" in rows[4]


async def test_a_latency_is_whole_in_the_narrowest_terminal() -> None:
    stage = calm()
    app = build(stage)
    async with app.run_test(size=(60, 16)) as pilot:
        rows = await settle(pilot)
        assert rows[2].startswith("─ 1 lanes 2 (9)  3 4 5 6 7 ──")  # the names of the others are in `?` and `:`
        stage.say(ReadingsChanged((reading(IMAPS, "public", word="167 ms"),)))
        rows = await settle(pilot)
    assert any("993  imaps" in row and "167ms" in row for row in rows), "\n".join(rows)
