"""Reads one line for secrets by every way there is: by names, by statements, by what the whole line says, by shapes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

from console.masking import elements, lines, names, shapes, told, values
from console.masking.found import Found
from console.masking.pairs import Pairs
from console.masking.statements import Statement
from console.masking.triggers import LINE, TOKEN


@cache
def _break() -> re.Pattern[str]:
    r"""What ends a line within a string: \r\n, \n, %0d%0a; and the quotes around what is said."""
    return re.compile(r"(?:\\{1,4}[rn]|%0[dDaA]|\\x0[dDaA]|\\01[25]|&#(?:1[03]|x0?[aAdD]);)++[\"']?+|[\"']")


def read(text: str, start: int, marks: int, inside: Sequence[tuple[int, int]] = (), before: str = "") -> Found:
    """Return what is to be hidden in a line behind `start`, and what it leaves open.

    `marks` say what is to be looked for, `inside` are its parts that belong to a secret's block, `before` is the
    program of the lines above that it goes on with."""
    found = Found()
    if marks or inside:
        _whole(text, start, marks, inside, before, found)
        if "\\" in text or "%0" in text or "&#" in text:
            _pieces(text, start, marks, found)
    return found


def _whole(text: str, start: int, marks: int, inside: Sequence[tuple[int, int]], before: str, found: Found) -> None:
    Pairs(text, found, inside).read(start)
    opens = found.opens
    Statement(text, found).read(start, program=before)
    found.opens = opens or found.opens
    low = text.lower()
    if marks & LINE or inside:
        found.spans += [each for each in lines.spans(text, low, before) if each[0] >= start]
        found.spans += [each for each in told.spans(text, low) if each[0] >= start]
    if "<" in low and ("=" in low or "<key>" in low):
        found.spans += [each for each in elements.spans(text) if each[0] >= start]
    found.spans += [each for each in shapes.spans(text, low, bool(marks & TOKEN)) if each[0] >= start]
    if "</" in low:
        for name, span in shapes.tags(text):
            listed = name == "key" and text.startswith("</key><", span[1])  # the name of a property list's value
            if names.kind(name) and not listed and not values.harmless(text[slice(*span)], "strong"):
                found.hide(*span)


def _pieces(text: str, start: int, marks: int, found: Found) -> None:
    r"""Read the lines that a string has in one: "USER bob\r\nPASS secret"."""
    breaks = list(_break().finditer(text, start))
    if not any(len(each[0]) > 1 for each in breaks):
        return
    begin = start
    for each in [*breaks, None]:
        end = each.start() if each else len(text)
        piece = text[begin:end]
        if " " in piece or "=" in piece or ":" in piece:
            apart = Found()
            _whole(piece, 0, marks | LINE, (), "", apart)
            found.spans += [(begin + first, begin + last) for first, last in apart.spans]
        begin = each.end() if each else end
