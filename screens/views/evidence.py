"""What is known of one cell, as rows: what was asked, what came back, what it means, where it is written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from console.errors import InputError
from console.model import Finding, HopName, Lane, Reading, Rung, Span
from screens.board import Board
from screens.text import Line, Piece, cells, clip, clip_left, clock, fit, wrap
from screens.themes import MARKS, SEVERITIES, Ink

LABEL = 15
"""Where what a label says begins, in cells."""

RUNG_ROWS = 3
"""Rows that a bad rung may take: a daemon's log line says it best whole."""

MOST_PLACES = 40
"""Places of a cell that are shown; a finding may have one for each of a thousand lanes."""

HOP_WORDS: dict[HopName, str] = {
    "public": "public", "haproxy": "haproxy", "tunnel": "tunnel", "vm": "vm", "service": "service",
}  # fmt: skip


def evidence(
    board: Board,
    ink: Ink,
    chosen: tuple[Lane, HopName] | None,
    width: int,
    latencies: Sequence[float] = (),
) -> list[Line]:
    """Return the rows of the evidence pane, the first of them a rule with the cell's name in it."""
    if chosen is None:
        return [rule(ink, (), width)]
    lane, hop = chosen
    reading = board.readings.get((lane.id, hop))
    name = f"{lane.port} {lane.name} · {HOP_WORDS[hop]}"
    asked: list[Piece] = [(name, ink.bright)]
    if reading is not None:
        asked.append((f" · asked{f' from {reading.vantage}' if reading.vantage else ''}", ink.muted))
        if reading.at:
            asked.append((f" at {clock(reading.at, board.now, seconds=True)}", ink.muted))
    lines = [rule(ink, asked, width)]
    if reading is None:
        lines.append(((" not asked yet", ink.muted),))
    else:
        lines += _outcome(board, ink, reading, width, latencies)
        lines += [row for rung in reading.evidence for row in _rung(ink, rung, width)]
    told, rest = _told(board, lane, hop)
    bad = reading is not None and reading.outcome in ("failed", "degraded")
    if bad and not any(found.observed for found in told):
        lines += [row for found in board.causes(lane) for row in _effect(ink, found, width)]
    for found in told:
        lines += [(), *explain(ink, found, width, places=False)]
    places = board.memory.once(("places", lane.id, hop), lambda: list(_places(board, lane, hop)))
    if places:
        lines.append(())
        longest = max(len(_short(place)) for place in places[:MOST_PLACES])
        shown = min(longest, max(width // 5 - 1, 15))
        lines += [_source(board, ink, place, shown, width) for place in places[:MOST_PLACES]]
        if len(places) > MOST_PLACES:
            lines.append(((f" and {len(places) - MOST_PLACES} more places: 2 findings, or y copies all", ink.muted),))
    if lacks := lacking(board, reading):
        rows = [((f"   {row}", ink.text),) for row in lacks.split("\n")]
        lines += [(), ((" site.toml lacks this (y copies it); then start cowhand again", ink.muted),), *rows]
    if rest:
        lines += [(), ((" also read in the sources", ink.muted),), *(brief(ink, found, width) for found in rest)]
    return lines


def lacking(board: Board, reading: Reading | None) -> str:
    """Return what the site file lacks, as TOML, for a cell that could not be asked; "" for any other."""
    asked = reading is not None and reading.outcome != "unknown"
    return board.estate.missing if board.estate and not asked else ""


def unusable(ink: Ink, problems: Iterable[InputError], width: int) -> list[Line]:
    """Return why nothing of the estate can be used, whole."""
    lines = [rule(ink, (("what cannot be used", ink.bright),), width)]
    for problem in problems:
        lines += [
            ((f" {'✗' if not at else ' '} {row}", ink.failed),) for at, row in enumerate(wrap(str(problem), width - 4))
        ]
    return [*lines, (), ((" Files are read again when they are saved.", ink.muted),)]


def stopped(ink: Ink, why: str, width: int) -> list[Line]:
    """Return why the engine stopped, whole."""
    rows = [((f" {row}", ink.text),) for row in wrap(why, width - 2)]
    return [rule(ink, (("why the engine stopped", ink.bright),), width), *rows]


def _told(board: Board, lane: Lane, hop: HopName) -> tuple[list[Finding], list[Finding]]:
    """Return the findings of a cell to tell in full, and those to name: what was observed leaves the rest to a row."""
    touching = board.touching(lane, hop)
    observed = [found for found in touching if found.observed]
    if observed or board.causes(lane):
        return observed, [found for found in touching if not found.observed]
    return touching, []


def _effect(ink: Ink, found: Finding, width: int) -> list[Line]:
    """Return what a cell shows the effect of, and at which hop that is."""
    at = f" at {HOP_WORDS[found.hop]}" if found.hop else ""
    rows = wrap(f"shows the effect of {found.id}{at}: {found.summary}", width - 2)
    return [(), *(((f" {row}", ink.bright if not number else ink.text),) for number, row in enumerate(rows))]


def rule(ink: Ink, title: Iterable[Piece], width: int) -> Line:
    """Return a horizontal rule with a title in it."""
    pieces = [("─ ", ink.faint), *title, (" ", ink.faint)] if title else [("─", ink.faint)]
    return (*pieces, ("─" * max(width - cells(pieces), 0), ink.faint))


def _outcome(board: Board, ink: Ink, reading: Reading, width: int, latencies: Sequence[float]) -> list[Line]:
    style = ink.broken if reading.outcome == "failed" else ink.state(reading.outcome)
    pieces: list[Piece] = [(f" {MARKS[reading.outcome]} {clip(reading.word or reading.outcome, 30)}", style)]
    if reading.since:
        pieces.append((f"  since {clock(reading.since, board.now, seconds=True)}", ink.muted))
    if reading.latency_ms is not None and not reading.word.endswith(" ms"):
        pieces.append((f"  {_ms(reading.latency_ms)}", ink.muted))
    trail = tuple(board.trails.get(reading.key, ()))
    if not trail:
        return [tuple(pieces)]
    from screens.views.history import below, strip  # nothing has a history at the first paint

    cells_of, axis = strip(ink, trail, board.now, width - cells(pieces) - 2)
    if not cells_of:
        return [tuple(pieces)]
    pieces += [(" " * (width - cells(pieces) - len(cells_of) - 1), ink.text), *cells_of]
    return [tuple(pieces), below(ink, latencies, axis, width)]


def _rung(ink: Ink, rung: Rung, width: int) -> list[Line]:
    took = _ms(rung.ms) if rung.ms is not None else ""
    bad = rung.outcome not in ("ok", "skipped")
    lamp = ink.broken if rung.outcome == "failed" else ink.state(rung.outcome)
    room = width - LABEL - 10
    rows = wrap(rung.detail, room, RUNG_ROWS) if bad else [clip(rung.detail, room)]
    head: Line = (
        (f"   {rung.name:<{LABEL - 5}}", ink.muted),
        (f"{MARKS[rung.outcome]} ", lamp),
        (f"{took:>7}  ", ink.muted),
        (rows[0] if rows else "", ink.text if bad else ink.muted),
    )
    return [head, *(((" " * (LABEL + 9), ink.text), (row, ink.text)) for row in rows[1:])]


def _ms(value: float) -> str:
    return f"{value:.0f} ms" if value >= 10 else f"{value:.1f} ms"


def brief(ink: Ink, found: Finding, width: int, *, chosen: bool = False) -> Line:
    """Return a finding on one row: mark, id, name, what it is or where, severity."""
    where = found.where if isinstance(found.where, str) else _short(found.where)
    lead = "▸" if chosen else " "
    room = max(width - 48, 0)
    shown = clip_left(where, 31)
    place = fit(shown, room) if room < 60 else fit(shown, 32) + fit(found.summary, room - 32)
    pieces: Line = (
        (f"{lead}{SEVERITIES[found.severity]} ", ink.severity(found.severity)),
        (f"{found.id} ", ink.text),
        (fit(found.name, 28) + " ", ink.bright if chosen or found.observed else ink.text),
        (place + " ", ink.muted),
        (f"{found.severity:<8} ", ink.severity(found.severity)),
    )
    return tuple((text, ink.chosen(style)) for text, style in pieces) if chosen else pieces


def explain(ink: Ink, found: Finding, width: int, *, places: bool = True) -> list[Line]:
    """Return a finding in full: its name, what it is, where it is (unless the places follow), and what to do."""
    mark = ink.severity(found.severity)
    name: list[Piece] = [(f" {SEVERITIES[found.severity]} {found.id} ", mark), (found.name, ink.bright)]
    seen = "observed" if found.observed else "read in the sources"
    side = f"{found.severity} · {seen} "
    gap = width - cells(name) - len(side)
    head: Line = (*name, (" " * gap + side, ink.muted)) if gap > 0 else tuple(name)
    lines = [head, *(((f"   {row}", ink.text),) for row in wrap(found.summary, width - 4))]
    lines += labelled(ink, "remedy", found.remedy, width)
    lines += labelled(ink, "where", _gathered(found), width) if places else []
    proof = [
        ((f"   {clip(row, width - 4)}", ink.text if row[:1] in ("+", "-") else ink.muted),) for row in found.evidence
    ]
    return lines + proof


def _gathered(found: Finding) -> str:
    """Return all places of a finding, each file named once."""
    said: list[str] = []
    last = ""
    for place in (found.where, *found.also):
        if isinstance(place, Span) and place.file == last:
            said[-1] += f", {place.line}"
        else:
            said.append(_short(place) if isinstance(place, Span) else place)
            last = place.file if isinstance(place, Span) else ""
    return "; ".join(said)


def labelled(ink: Ink, label: str, text: str, width: int) -> list[Line]:
    """Return a text of any length beside its label."""
    rows = wrap(text, width - LABEL + 1)
    heads = [label, *[""] * len(rows)]
    return [((f"   {head:<{LABEL - 5}}", ink.muted), (row, ink.text)) for head, row in zip(heads, rows, strict=False)]


def _source(board: Board, ink: Ink, place: Span, shown: int, width: int) -> Line:
    row = board.row(place)
    head = f" {clip_left(_short(place), shown):<{shown}} "
    return (
        (head, ink.muted),
        ("│ ", ink.faint),
        (clip((row or "").strip(), width - len(head) - 2), ink.text),
    )


def _short(place: Span) -> str:
    return f"{short_name(place.file)}:{place.line}"


def short_name(file: str) -> str:
    """Return a file's name without its folders."""
    return file.rsplit("/", 1)[-1]


def place_of(board: Board, lane: Lane, hop: HopName) -> Span | None:
    """Return the first place that a cell comes from."""
    return next(_places(board, lane, hop), None)


def _places(board: Board, lane: Lane, hop: HopName) -> Iterator[Span]:
    target = lane.target.source if lane.target else None
    check = lane.check.source if lane.check else None
    topology = board.estate.topology if board.estate else None
    published = [
        port.source
        for port in (topology.published if topology else ())
        if (port.service, port.container_port) == (lane.service, lane.service_port)
    ]
    of_hop: dict[HopName, list[Span | None]] = {
        "public": [bind.source for bind in lane.binds] or [lane.source],
        "haproxy": [target, check, lane.source],
        "tunnel": [target],
        "vm": [target, *published],
        "service": [*published, target],
    }
    found = [place for finding in _told(board, lane, hop)[0] for place in (finding.where, *finding.also)]
    seen: set[tuple[str, int]] = set()
    for place in (*of_hop[hop], *found, lane.source):
        if isinstance(place, Span) and (place.file, place.line) not in seen:
            seen.add((place.file, place.line))
            yield place


def excerpt(board: Board, ink: Ink, place: Span | None, width: int, height: int) -> list[Line]:
    """Return at most `height` rows: a rule with a file's name, and its lines round a place, the place itself bright."""
    rows = board.rows(place.file) if place else ()
    if place is None or not rows:
        return []
    room = height - 1
    step = max(room // 2, 1)
    first = max(min((place.line - 1) // step * step - step // 2 + 1, len(rows) - room + 1), 1)
    lines = [rule(ink, ((_short(place), ink.muted),), width)]
    for number in range(first, min(first + room, len(rows) + 1)):
        here = number == place.line
        text = clip(rows[number - 1].expandtabs(4), width - 8)
        head = f"{'▸' if here else ' '}{number:>4}  "
        lines.append(((head, ink.bright if here else ink.faint), (text, ink.bright if here else ink.muted)))
    return lines


def plain(board: Board, lane: Lane, hop: HopName) -> str:
    """Return the evidence as plain text, to be pasted into a ticket; else what the site file lacks, for that file."""
    reading = board.readings.get((lane.id, hop))
    if lacks := lacking(board, reading):
        return lacks + "\n"
    rows = [f"{lane.port} {lane.name}, {HOP_WORDS[hop]}"]
    if reading is not None:
        rows[0] += f", asked from {reading.vantage}: {reading.outcome} {reading.word}".rstrip()
        if reading.since:
            rows[0] += f", since {clock(reading.since, board.now, seconds=True)}"
        for rung in reading.evidence:
            took = f" ({_ms(rung.ms)})" if rung.ms is not None else ""
            rows.append(f"  {rung.name}: {rung.outcome}: {rung.detail}{took}")
    rows += [describe(found) for found in board.touching(lane, hop)]
    rows += [f"  {place}: {(board.row(place) or '').strip()}" for place in _places(board, lane, hop)]
    return "\n".join(rows) + "\n"


def describe(found: Finding) -> str:
    """Return a finding as plain text."""
    places = "  ".join(str(place) for place in (found.where, *found.also))
    return f"{found.id} {found.name} ({found.severity}): {found.summary}\n  where: {places}\n  remedy: {found.remedy}"
