"""Rows in frames, and frames side by side: what the map is drawn with."""

from __future__ import annotations

from screens.text import Line, cells, clip, clip_left
from screens.themes import Ink

Entry = tuple[Line, str]
"""A row, and the place it was read from, which stands at the right edge."""

Drawing = list[Line]


def box(ink: Ink, title: str, place: str, entries: list[Entry], width: int) -> Drawing:
    """Return entries in a frame of `width` cells, with a title at its left and a place at its right."""
    title = clip(title, width - 6)
    place = clip_left(place, width - cells(((title, ink.bright),)) - 9) if place else ""
    right: Line = ((f" {place} ", ink.muted), ("─┐", ink.faint)) if place else (("┐", ink.faint),)
    left: Line = (("┌─", ink.faint), (f" {title} ", ink.bright))
    line = "─" * max(width - cells(left) - cells(right), 0)
    inner = [(("│ ", ink.faint), *_placed(ink, entry, width - 4), (" │", ink.faint)) for entry in entries]
    return [(*left, (line, ink.faint), *right), *inner, (("└" + "─" * (width - 2) + "┘", ink.faint),)]


def beside(ink: Ink, *blocks: tuple[Drawing, int]) -> Drawing:
    """Return drawings next to each other, each in its own number of cells."""
    tall = max(len(block) for block, _ in blocks)
    return [
        tuple(piece for block, width in blocks for piece in _fill(ink, block[at] if at < len(block) else (), width))
        for at in range(tall)
    ]


def entries(drawing: Drawing) -> list[Entry]:
    """Return a drawing as rows of a box."""
    return [(line, "") for line in drawing]


def _placed(ink: Ink, entry: Entry, width: int) -> Line:
    line, place = entry
    if not place:
        return _fill(ink, line, width)
    shown = clip_left(place, max(width - cells(line) - 1, 5))
    return (*_fill(ink, line, width - len(shown)), (shown, ink.muted))


def _fill(ink: Ink, line: Line, width: int) -> Line:
    filled: Line = ()
    for text, style in line:
        room = width - cells(filled)
        if room > 0:
            filled = (*filled, (clip(text, room), style))
    return (*filled, (" " * max(width - cells(filled), 0), ink.text))
