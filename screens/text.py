"""Lines of styled text, cut to cells: what every pane is painted with."""

from __future__ import annotations

import time
from collections.abc import Iterable

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from console.text import is_plain, replace

Piece = tuple[str, Style]
"""Text and its style; never markup."""

Line = tuple[Piece, ...]
"""One row of a pane, left to right."""

DAY = 86400


def clean(text: str) -> str:
    """Return text that cannot move a terminal's cursor, colour it or reverse it: one `·` for each such character."""
    return text if is_plain(text) else replace(text, lambda char: " " if char in "\t\u00a0\u3000" else "·")


def fit(text: str, width: int) -> str:
    """Return text in exactly `width` cells, padded with spaces or cut with an ellipsis."""
    text = clean(text)
    if cell_len(text) > width:
        return set_cell_size(text, width - 1) + "…" if width > 0 else ""
    return set_cell_size(text, width)


def clip(text: str, width: int) -> str:
    """Return text in at most `width` cells, cut with an ellipsis."""
    text = clean(text)
    return text if cell_len(text) <= width else fit(text, width)


def clip_left(text: str, width: int) -> str:
    """Return text in at most `width` cells, its end kept: a place in a file is told by how it ends."""
    text = clean(text)
    while cell_len(text) > max(width, 1):
        text = "…" + text.lstrip("…")[1:]
    return text


def wrap(text: str, width: int, limit: int = 0) -> list[str]:
    """Break text at spaces into rows of at most `width` cells; a `limit` of rows cuts the last with an ellipsis."""
    width = max(width, 1)
    rows: list[str] = []
    row = ""
    for word in clean(text).split():
        joined = f"{row} {word}" if row else word
        if cell_len(joined) <= width:
            row = joined
            continue
        if row:
            rows.append(row)
        row = word
        while cell_len(row) > width:
            head = set_cell_size(row, width)
            rows.append(head)
            row = row[len(head.rstrip()) or 1 :]
    if row:
        rows.append(row)
    if limit and len(rows) > limit:
        rows[limit - 1 :] = [fit(f"{rows[limit - 1]} {rows[limit]}", width)]
    return rows


def follow(top: int, cursor: int, count: int, room: int) -> int:
    """Return the first row to show of `count`, near `top`, so that the cursor is among the `room` rows shown."""
    top = max(min(top, cursor), cursor - room + 1)
    return max(min(top, count - room), 0)


def cells(line: Iterable[Piece]) -> int:
    """Return the width of a line in terminal cells."""
    return sum(cell_len(text) for text, _ in line)


def settle(line: Line, width: int, base: Style) -> Line:
    """Return a line of exactly `width` cells, clean, neighbours of one style joined to save bytes."""
    pieces: list[Piece] = []
    room = width
    for raw, style in (*line, (" " * width, base)):
        text = clean(raw)
        size = cell_len(text)
        if size > room:
            text, size = set_cell_size(text, room), room
        if not text:
            continue
        room -= size
        before, worn = pieces[-1] if pieces else ("", style)
        if worn == style or (text.isspace() and _alike(worn, style)):
            pieces[-1:] = [(before + text, worn)]
        elif before.isspace() and _alike(worn, style):
            pieces[-1:] = [(before + text, style)]
        else:
            pieces.append((text, style))
    return tuple(pieces)


def _alike(one: Style, other: Style) -> bool:
    """Whether a blank looks the same in both: each change of style costs up to 40 bytes."""
    return one.bgcolor == other.bgcolor and not (one.reverse or other.reverse)


def to_strip(line: Line, width: int) -> Strip:
    """Return a settled line as Textual draws it."""
    return Strip([Segment(text, style) for text, style in line], width)


def changed_span(old: Line, new: Line) -> tuple[int, int] | None:
    """Return the cells, first and one after the last, in which two settled lines of one width differ."""
    if old == new:
        return None
    before = [_look(char, style) for text, style in old for char in text]
    after = [_look(char, style) for text, style in new for char in text]
    shorter = min(len(before), len(after))
    first = 0
    while first < shorter and before[first] == after[first]:
        first += 1
    tail = 0
    while tail < shorter - first and before[-1 - tail] == after[-1 - tail]:
        tail += 1
    if first == len(before) == len(after):
        return None
    start = cell_len("".join(look[0] for look in after[:first]))
    end = cell_len("".join(look[0] for look in after[: len(after) - tail]))
    return start, max(end, start + 1)


def _look(char: str, style: Style) -> tuple[str, object, object]:
    return (char, style.bgcolor, style.reverse) if char == " " else (char, style, None)


def clock(moment: float, now: float, seconds: bool = False) -> str:
    """Return a Unix time as a clock time of this machine's zone, with month and day when it is not `now`'s day."""
    then = time.localtime(moment)
    shape = "%H:%M:%S" if seconds else "%H:%M"
    if now and then[:3] != time.localtime(now)[:3]:
        shape = f"%m-%d {shape}"
    return time.strftime(shape, then)
