"""Blocks in braces that are a secret's, by their label or by what stands in them."""

from __future__ import annotations

import re
from functools import cache

from console.masking import names
from console.masking.found import LONGEST, WHOLE
from console.masking.values import DOTS as DOTS


@cache
def _brace() -> re.Pattern[str]:
    return re.compile(
        r"\"?\bsensitive[\"']?\s*+[=:]\s*+true\b|\"type\"\s*+:\s*+\"(?P<type>[\w.-]++)\""
        r"|\$?\{|\}|\"(?:[^\"\\]++|\\.)*+\"|(?:^|\s)#.*+|(?:^|\s)//.*+"
    )


class Blocks:
    """Finds the blocks in braces that are a secret's: their label says so, or `sensitive = true` in them."""

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        self.open: list[list[int]] = []
        """Of each open block: its line, its column, and whether it is a secret's."""
        self.found: list[tuple[int, int, int, int]] = []

    def rows(self) -> dict[int, list[tuple[int, int]]]:
        """Return the parts of lines, by their numbers, that are inside of such blocks."""
        for row, line in enumerate(self.lines):
            if len(line) <= LONGEST and ("{" in line or "}" in line or "sensitive" in line or '"type"' in line):
                if _opening().match(line):
                    self._end_all(row - 1)
                self._line(row, line)
        self._end_all(len(self.lines) - 1)
        rows: dict[int, list[tuple[int, int]]] = {}
        done = -1
        for first, start, last, end in sorted(self.found):  # what is around others begins before them
            if last <= done:
                continue
            if first == last:
                rows.setdefault(first, []).append((start, end))
                continue
            rows.setdefault(first, []).append((start, LONGEST + 1))
            for row in range(max(first, done) + 1, last):
                rows[row] = list(WHOLE)
            rows.setdefault(last, []).append((0, end))
            done = last
        return rows

    def _line(self, row: int, line: str) -> None:
        at = 0
        for each in _brace().finditer(line):
            said = each[0]
            if said in ("{", "${"):
                self.open.append([row, each.start(), int(said == "{" and _label(line[at : each.start()]))])
                at = each.end()
            elif said == "}":
                if self.open:
                    self._close(row, each.end())
                at = each.end()
            elif said.strip('"').startswith("sensitive") or names.kind(each["type"] or "") == "strong":
                # In OpenTofu's state a resource's type stands beside what it made: "random_password".
                if not self.open:
                    self.open.append([self._paragraph(row), 0, True])
                self.open[-1][2] = True

    def _paragraph(self, row: int) -> int:
        """Return the first line of a piece of a block whose opening is not in this text."""
        first = row
        while first > 0 and row - first < 50 and "{" not in self.lines[first - 1] and "}" not in self.lines[first - 1]:
            first -= 1
        return first

    def _close(self, row: int, column: int) -> None:
        first, start, secret = self.open.pop()
        if secret:
            self.found.append((first, start, row, column))

    def _end_all(self, row: int) -> None:
        while self.open:
            self._close(row, LONGEST + 1)


@cache
def _opening() -> re.Pattern[str]:
    return re.compile(
        r"(?:variable|output|resource|data|module|provider|locals|terraform|moved|import|check|ephemeral)\b"
    )


def _label(before: str) -> bool:
    """Say whether what stands before a brace names a secret: the labels of HCL's blocks, a key of JSON."""
    before = before[-200:]
    if "(" in before and "=" not in before:
        return False
    said = re.findall(r"[\w.-]+", before)
    hcl = re.fullmatch(r"\s*\w+(?:\s+\"[^\"]*\")+\s*", before) is not None
    labels = said[1:] if hcl else said[-1:]
    if said[-1:] == ["set_sensitive"]:
        return True  # Helm's, in OpenTofu
    # Compose's `secrets` are names and files; a map of that name in HCL holds them.
    return any(names.kind(each) == "strong" and (each.lower() != "secrets" or "=" in before) for each in labels)
