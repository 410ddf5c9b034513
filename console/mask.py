"""Hides secrets in a text before it is shown, copied or written down; what is parsed stays as it is.

A value is hidden by its name, by the statement it is in and by its shape: see `console.masking`. It may be as short as
a line of a program's output or as long as a file. What a line leaves open (a block of YAML, a heredoc, a quote, a key)
is hidden to its end. The work grows with the length of the text: lines without a word of `masking.triggers` are
not looked at, no expression goes back, and a line over `LONGEST` is hidden whole."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

from console.masking import elements, lines, listings, names, pairs, public, values
from console.masking.blocks import Blocks
from console.masking.found import LONGEST, WHOLE, Found, Opens
from console.masking.options import program_of
from console.masking.reading import read
from console.masking.triggers import LINE, PLAIN, suspects
from console.masking.values import DOTS as DOTS

_Place = tuple[int, int, bool]
"""A line, the place in it behind which to look, and whether it is inside of a secret's block."""


def mask(text: str) -> str:
    """Return `text` with dots for its secrets; lines stay lines, so that places stay true."""
    if not text:
        return text
    walk = _Walk(text)
    return text if not walk.run() else "\n".join(walk.lines)


@cache
def _begin() -> re.Pattern[str]:
    return re.compile(r"-{4,5} ?BEGIN ([A-Za-z0-9 ]{0,40}(?:PRIVATE|SECRET|Static)[A-Za-z0-9 ]{0,40}?) ?-{4,5}")


@cache
def _end() -> re.Pattern[str]:
    return re.compile(r"-{4,5} ?END [A-Za-z0-9 ]{0,40}(?:PRIVATE|SECRET|Static)[A-Za-z0-9 ]{0,40}-{4,5}")


@cache
def _body() -> re.Pattern[str]:
    """A line of a key: base64 and no blanks; or one of its headers."""
    return re.compile(r"[\s>#+*|;/\"'-]*+(?:[^\s]*+[\s\"',\\]*+|[A-Z][A-Za-z-]{2,30}: .*+)")


@cache
def _base64() -> re.Pattern[str]:
    return re.compile(r"[\s>#+*|;\"'-]*+[A-Za-z0-9+/=]{8,}+[\s\"',\\nr]*+")


@cache
def _named() -> re.Pattern[str]:
    """name: DB_PASSWORD, or <property name="password", whose value is another line's."""
    name = r"[\"']?(?:name|key|variable|type)[\"']?\s*+[:=]\s*+[\"']?([\w.-]++)[\"']?,?\s*+\Z"
    path = r"|[\s>#-]*+path:[ \t]*+[\"']?([\w./-]++)[\"']?\s*+\Z"
    return re.compile(r"([\s>#-]*+)(?:<[\w.:-]{1,60}+[ \t]++)?" + name + path)


@cache
def _its_value() -> re.Pattern[str]:
    return re.compile(r"[\s>#-]*+[\"']?(\w++)[\"']?\s*+[:=]")


class _Walk:
    """Goes through a text line by line, and on where a line leaves something open."""

    def __init__(self, text: str) -> None:
        self.lines = text.split("\n")
        low = text.lower()
        # Lower case may be longer than what it is made of, so that places are counted in its own lines.
        starts, at = [], 0
        for line in low.split("\n") if len(low) != len(text) else self.lines:
            starts.append(at)
            at += len(line) + 1
        self.marks = suspects(low, starts)
        self._wireguard(text)
        for row in lines.rows(text):
            self.marks[row] = self.marks.get(row, 0) | LINE
        for row, line in enumerate(self.lines):
            if len(line) > LONGEST:
                self.marks[row] = PLAIN | LINE
        if "-----BEGIN CERTIFICATE-----" in text:
            for row in public.rows(self.lines):
                self.marks.pop(row, None)
        self._continued_rows()
        self.secrets = self._secrets(low)
        labelled = "sensitive" in low or '"type"' in low or self._labels()
        self.inside = Blocks(self.lines).rows() if labelled else {}
        self.listed = listings.rows(self.lines, low)
        self.last_end = max((row for row in self.marks if _end().search(self.lines[row][:LONGEST])), default=-1)
        self.programs: dict[int, str] = {}
        """The program whose options a line ends with, by the number of the line."""
        self.next = 0
        self.ended = 0
        """The line behind the last end of a key whose beginning was seen."""

    def _labels(self) -> bool:
        return any("{" in self.lines[row] for row in self.marks)

    def _wireguard(self, text: str) -> None:
        at, row, behind = text.find("="), 0, 0
        while at >= 0:
            if at >= 43 and text[at - 43 : at].replace("+", "").replace("/", "").isalnum():
                row += text.count("\n", behind, at)
                behind = at
                self.marks[row] = self.marks.get(row, 0) | PLAIN
            at = text.find("=", at + 1)

    def _continued_rows(self) -> None:
        """Mark the lines that a marked one goes on in: of them the program is known, and what its options are."""
        for marked in sorted(self.marks):
            row = marked
            while row + 1 < len(self.lines) and self.lines[row].endswith("\\") and len(self.lines[row]) <= LONGEST:
                row += 1
                if self.marks.get(row, 0) & PLAIN:
                    break
                self.marks[row] = self.marks.get(row, 0) | PLAIN

    def _secrets(self, low: str) -> set[int]:
        """Return the numbers of the lines `data:` of Kubernetes' Secrets: all that is below them is one."""
        found: set[int] = set()
        if "kind:" not in low or "secret" not in low:
            return found
        rows: list[int] = []
        secret = False
        for row, line in enumerate([*self.lines, "---"]):
            if line.startswith("---"):
                found |= {*rows} if secret else set()
                rows, secret = [], False
            elif line.strip() in ("data:", "stringData:"):
                rows.append(row)
            elif line.strip().strip("\"'") in ("kind: Secret", 'kind: "Secret'):
                secret = True
        for row in found:
            self.marks[row] = self.marks.get(row, 0) | PLAIN
        return found

    def run(self) -> bool:
        """Mask the lines in place; False when there was nothing to look at."""
        rows = sorted({*self.marks, *self.inside, *self.listed})
        for row in rows:
            if row >= self.next:
                self._go((row, 0, False))
        return bool(rows)

    def _go(self, place: _Place | None) -> None:
        """Mask a line, what it leaves open below it, and what follows the end of that on its line."""
        while place is not None:
            place = self._line(*place)

    def _line(self, row: int, start: int, inside: bool) -> _Place | None:
        text = self.lines[row]
        self.next = row + 1
        if len(text) > LONGEST:
            return self._too_long(row, text)
        before = self._program(row) if "-" in text[:40] and text.lstrip(" \t-[\"'") != text.lstrip() else ""
        found = read(text, start, self.marks.get(row, 0), WHOLE if inside else self.inside.get(row, ()), before)
        found.spans += [each for each in self.listed.get(row, ()) if each[0] >= start]
        private = self._private(row, text, found)
        self.lines[row] = found.masked(text)
        if private is not None:
            return private()
        opens = found.opens or self._element(row, text)
        if row in self.secrets:
            opens = Opens("nested", indent=len(text) - len(text.lstrip()))
        if opens is not None:
            # What is inside already needs no second count of its depth.
            return None if inside and opens.kind in ("nested", "brackets") else self._below(row, opens)
        named = _named().match(text)
        if named and names.kind(named[2] or (named[3] or "").rpartition("/")[2].partition(".")[0]) == "strong":
            return self._after(row)
        return None

    def _element(self, row: int, text: str) -> Opens | None:
        """<password> alone on its line: to its end, if that is near; <password> is a placeholder elsewhere."""
        name = elements.opened(text) if text.endswith((">", ">\r")) else ""
        near = self.lines[row + 1 : row + 50] if name else []
        return Opens("quote", "</") if any(each[:LONGEST].lstrip().startswith(f"</{name}") for each in near) else None

    def _program(self, row: int) -> str:
        """Return the program that the options of this line are for: of a command over lines, or of a list."""
        listed = self.lines[row].lstrip(" \t").startswith(("- ", '"', "'"))
        ends = ("\\", ">-", ">", "|", *("\"',':[-" if listed else ""))
        found, passed = "", []
        for above in range(row - 1, -1, -1):
            if above in self.programs:
                found = self.programs[above]
                break
            text = self.lines[above].rstrip()
            if len(text) > LONGEST or not (text.endswith(ends) or (listed and text.lstrip().startswith("- "))):
                break
            passed.append(above)
            found = program_of(text)
            if found:
                break
        self.programs |= dict.fromkeys(passed, found)
        return found

    def _too_long(self, row: int, text: str) -> _Place | None:
        self.lines[row] = f"({len(text)} characters in one line: too many to look through for what must not be shown)"
        # It may open what goes on below it, as any other line does.
        tail = text[-LONGEST // 2 :]
        head, ends = (read(each, 0, PLAIN | LINE, ()) for each in (text[: LONGEST // 2], tail))
        private = self._private(row, tail, Found())
        if private is not None:
            return private()
        opens = ends.opens or head.opens
        return self._below(row, opens) if opens and opens.kind != "brackets" else None

    # ── what goes on ────────────────────────────────────────────────────────────────────────────────────────────────

    def _below(self, row: int, opens: Opens) -> _Place | None:
        found: _Place | None = getattr(self, f"_{opens.kind}")(row, opens)
        return found

    def _hide(self, row: int) -> None:
        """Hide a line but for its indentation."""
        text = self.lines[row]
        if text.strip():
            self.lines[row] = text[: len(text) - len(text.lstrip())] + DOTS + ("\r" if text.endswith("\r") else "")
        self.next = row + 1

    def _rest(self, row: int, end: int) -> _Place:
        """Hide a line up to the end of what was open, and go on behind it."""
        text = self.lines[row]
        lead = len(text) - len(text.lstrip())
        shown = text[:lead] + DOTS if text[lead:end].strip(" \t\"')]}#>+-") else text[:end]
        self.lines[row] = shown + text[end:]
        return row, len(shown), False

    def _quote(self, row: int, opens: Opens) -> _Place | None:
        for below in range(row + 1, len(self.lines)):
            end = values.quoted_end(self.lines[below][:LONGEST], 0, opens.mark)
            if end >= 0:
                _, start, inside = self._rest(below, end - len(opens.mark))
                return below, start + len(opens.mark), inside
            self._hide(below)
        return None

    def _block(self, row: int, opens: Opens) -> None:
        below = row + 1
        while below < len(self.lines) and _deeper(self.lines[below], opens.indent):
            self._hide(below)
            below += 1

    def _nested(self, row: int, opens: Opens) -> None:
        below = row + 1
        while below < len(self.lines):
            text = self.lines[below]
            item = text.lstrip().startswith("- ") and len(text) - len(text.lstrip()) == opens.indent
            if opens.mark and text.lstrip().startswith("- "):
                return  # a list has the names of compose's secrets
            if not item and (not text.strip() or not _deeper(text, opens.indent)):
                return
            self._go((below, 0, True))
            below = max(self.next, below + 1)

    def _brackets(self, row: int, opens: Opens) -> _Place | None:
        below, depth = row + 1, opens.indent
        while below < len(self.lines):
            end, depth = pairs.closing(self.lines[below][:LONGEST], 0, depth)
            if depth == 0:
                return self._rest(below, end - 1)
            self._go((below, 0, True))
            below = max(self.next, below + 1)
        return None

    def _heredoc(self, row: int, opens: Opens) -> None:
        for below in range(row + 1, len(self.lines)):
            if self.lines[below].strip() == opens.mark:
                self.next = below + 1
                return
            self._hide(below)

    def _next(self, row: int, opens: Opens) -> _Place | None:
        if row + 1 >= len(self.lines):
            return None
        text = self.lines[row + 1][:LONGEST]
        start = len(text) - len(text.lstrip(" \t#"))
        if text.startswith("- ", start):
            start += 2
        word = text[start : values.word_end(text, start)].rstrip(",")
        bare = word.strip("\"'")
        if not word or word.startswith("-") or values.harmless(bare, "strong"):
            return None
        if opens.mark == "random" and not values.random(bare):
            return None
        self.lines[row + 1] = text[:start] + DOTS + self.lines[row + 1][start + len(word) :]
        return row + 1, start + len(DOTS), False

    def _continued(self, row: int, opens: Opens) -> None:
        below = row + 1
        while below < len(self.lines):
            goes_on = self.lines[below].rstrip("\r").endswith("\\")
            self._hide(below)
            if not goes_on:
                return
            below += 1

    def _after(self, row: int) -> _Place | None:
        """Hide the `value:` beside a `name:` that is a secret's, in the two lines below it."""
        for below in range(row + 1, min(row + 3, len(self.lines))):
            value = _its_value().match(self.lines[below][:LONGEST])
            if value and value[1].lower() in pairs.VALUES:
                return below, 0, True
            if not value or below in self.marks:
                return None
        return None

    # ── private keys ────────────────────────────────────────────────────────────────────────────────────────────────

    def _private(self, row: int, text: str, found: Found) -> Callable[[], _Place | None] | None:
        """Hide what a line has of private keys; return how to go on when one does not end in it."""
        if text.lstrip().startswith("Private-Lines:"):
            return lambda: self._count(row, int("".join(filter(str.isdecimal, text))[:4] or 0))
        at = 0
        for end in _end().finditer(text):
            begin = _begin().search(text, at, end.start())
            if begin is None and at == 0 and row + 1 > self.ended:
                self._before(row)
            found.hide(begin.end() if begin else at, end.start())
            at = end.end()
        begin = _begin().search(text, at)
        if begin is None:
            return None
        # A pattern that a script looks for ends with its quote; a key goes on.
        pattern = text.startswith(("'", '"', "/"), begin.end())
        if not pattern:
            found.hide(begin.end(), len(text.rstrip()))
        return lambda: self._to_end(row, self.last_end > row and not pattern)

    def _count(self, row: int, number: int) -> None:
        for below in range(row + 1, min(row + 1 + number, len(self.lines))):
            self._hide(below)

    def _to_end(self, row: int, ends: bool) -> _Place | None:
        for below in range(row + 1, len(self.lines)):
            text = self.lines[below]
            end = _end().search(text[:LONGEST])
            if end:
                self.ended = below + 1
                _, start, inside = self._rest(below, end.start())
                return below, start + end.end() - end.start(), inside
            if not ends and not _body().fullmatch(text[:LONGEST]):
                self.next = below
                return None
            self._hide(below)
        return None

    def _before(self, row: int) -> None:
        """Hide the lines of a key whose beginning is not in this text."""
        above = row - 1
        while above >= 0 and _base64().fullmatch(self.lines[above][:LONGEST]) and DOTS not in self.lines[above]:
            self._hide(above)
            above -= 1
        self.next = row + 1


def _deeper(text: str, column: int) -> bool:
    """Say whether a line is empty or begins behind a column."""
    inner = text.lstrip(" \t")
    return not inner.strip() or len(text) - len(inner) > column
