"""The manual: the page in mdoc with the catalogue in it, and the page as plain text where no `man` shows it.

The macros are those that the page uses (mdoc(7)); text is wrapped at 78 columns."""

from __future__ import annotations

import re
from collections.abc import Iterator
from textwrap import fill

from console.diagnosis.catalogue import CATALOGUE

WIDTH = 78
MARK = '.\\" catalogue'
"""The line of the page that the catalogue takes the place of."""

_STEP = 4
_QUOTES = {"Dq": ("“", "”"), "Op": ("[", "]"), "Oo": ("[", ""), "Oc": ("", "]")}
_CLOSING = (".", ",", ";", ":", ")", "]", "?", "!")
_PLAIN = {"Ar", "Cm", "Ic", "Pa", "Ev", "Nm", "Nd", "Sh", "It", "Em"}


def page(source: str) -> str:
    """Return the page in mdoc, with one item for each id of the catalogue."""
    rows = [
        ".Sh CATALOGUE",
        "What a finding can be;",
        ".Ic cowhand explain ID",
        "tells more of each.",
        ".Bl -tag -width Ds",
    ]
    for entry in CATALOGUE.values():
        rows += [f".It {entry.id} {entry.name} \\(em {entry.severity}", _escaped(entry.remedy)]
    return source.replace(MARK, "\n".join([*rows, ".El"]))


def _escaped(text: str) -> str:
    """Return a text that mdoc takes for nothing but text."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{escaped}" if escaped.startswith((".", "'")) else escaped


def plain(mdoc: str) -> str:
    """Return the page as plain text."""
    told: list[str] = []
    waiting: list[str] = []
    depth, literal = 1, False

    def flush(indent: int) -> None:
        if waiting:
            lead = " " * indent
            told.append(
                fill(" ".join(waiting), WIDTH, initial_indent=lead, subsequent_indent=lead, break_on_hyphens=False)
            )
            waiting.clear()

    for line in mdoc.splitlines():
        if literal and line != ".Ed":
            told.append(" " * _STEP + _unescaped(line))
            continue
        macro, _, rest = line[1:].partition(" ") if line.startswith(".") else ("", "", line)
        if macro in ("Dd", "Dt", "Os", '\\"'):
            continue
        if macro not in ("", *_PLAIN, "Fl", "Xr", *_QUOTES) or macro in ("Sh", "It"):
            flush(_STEP * depth)
        if macro == "Sh":
            told += ["", rest]
            depth = 1
        elif macro == "It":
            told.append("")
            waiting.append(_inline(rest))
            flush(_STEP)
            depth = 2
        elif macro == "Pp":
            told.append("")
        elif macro in ("Bl", "El"):
            depth = 1
        elif macro in ("Bd", "Ed"):
            literal = macro == "Bd"
        else:
            waiting.append(_inline(line[1:] if macro else line) if macro else _unescaped(line))
    flush(_STEP * depth)
    return "\n".join(told).lstrip("\n") + "\n"


def _inline(line: str) -> str:
    """Return a line of macros as text: `Op Fl \\-json` is [--json]."""
    return re.sub(r" +([\].,;:)”])", r"\1", re.sub(r"([\[“(]) +", r"\1", " ".join(_words(line))))


def _words(line: str) -> Iterator[str]:
    ends: list[str] = []
    flag = False
    for word in line.replace("Nm cowhand", "Nm").split():
        if word in _QUOTES:
            opening, closing = _QUOTES[word]
            yield opening or closing
            if word in ("Op", "Dq"):
                ends.append(closing)
            flag = False
        elif word == "Fl":
            flag = True
        elif word == "Nm":
            yield "cowhand"
            flag = False
        elif word == "Nd":
            yield "—"
        elif word in _PLAIN:
            flag = False
        elif word == "Xr":
            continue
        elif flag and word not in (*_CLOSING, "|"):
            yield f"-{_unescaped(word)}"
        else:
            yield _unescaped(word)
    yield from reversed(ends)


def _unescaped(text: str) -> str:
    return text.replace("\\-", "-").replace("\\(em", "—").replace("\\&", "").replace("\\e", "\\")
