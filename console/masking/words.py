"""The words of a line, in their places, and what hides one of them or all that follow it."""

from __future__ import annotations

import re
from bisect import bisect_right
from functools import cache
from typing import NamedTuple

from console.masking import values
from console.masking.found import Found
from console.masking.values import harmless


class Word(NamedTuple):
    """A word of a line, in its place: `plain` is without quotes and backslashes, `low` the same in lower case."""

    start: int
    end: int
    plain: str
    low: str


@cache
def _word() -> re.Pattern[str]:
    return re.compile(
        r"[|;&]++|(?:[^\s\"'\\,|;&]++|\\.|\\$|,(?![\"'\s]|$)|\"(?:[^\"\\]++|\\.)*+\"|'[^']*+'|[\"'])++", re.DOTALL
    )


def split(text: str, start: int = 0, end: int | None = None) -> list[Word]:
    """Return the words of a line; runs of |, ; and & are words of their own."""
    found = []
    for each in _word().finditer(text, start, len(text) if end is None else end):
        raw = each[0]
        plain = raw
        if "\\" in raw or '"' in raw or "'" in raw:
            plain = re.sub(r"\\(.)|[\"']", r"\1", raw)
        plain = plain.lstrip("[({`$" if plain.startswith(("[", "(", "{", "`", "$(")) else "").rstrip("])`,") or raw
        found.append(Word(each.start(), each.end(), plain, plain.lower()))
    return found


def operator(word: Word) -> bool:
    return word.low[:1] in ("|", ";", "&") and not word.low.strip("|;&")


class Words:
    """The words of one line, and the places to hide in `found`."""

    def __init__(self, text: str, found: Found, depth: int = 0) -> None:
        self.text, self.found, self.depth = text, found, depth
        self.words: list[Word] = []
        self.program = ""
        self.first = ""
        self.ends: list[int] = []
        self.seen: dict[str, int] = {}

    def again(self, rule: str, at: int) -> bool:
        """Say whether a rule has read this place before, so that no line is read over and over; note how far it is."""
        before = self.seen.get(rule, -1)
        self.seen[rule] = max(before, at)
        return at <= before

    def next(self, at: int) -> Word | None:
        """The word behind the one at `at`, in the same command."""
        word = self.words[at + 1] if at + 1 < len(self.words) else None
        return None if word is None or operator(word) or word.plain in ("", "\\") else word

    def hide(self, word: Word, skip: int = 0) -> None:
        """Hide a word to its end, blanks in quotes and escapes included."""
        start, end = word.start, max(word.end, values.word_end(self.text, word.start))
        raw = self.text[start:end]
        closing = len(raw) - len(raw.rstrip("])},;"))
        if closing and self.text[:start].count("[") + self.text[:start].count("{") > 0:
            end -= closing
        if self.text[start] in "\"'" and self.text[end - 1] == self.text[start] and end - start > 1:
            start, end = start + 1, end - 1
        self.found.hide(start + skip, end)

    def hide_rest(self, word: Word) -> None:
        """Hide everything from a word to the condition of its rule, or to the end of its line."""
        later = bisect_right(self.ends, word.start)
        end = len(self.text[: self.ends[later] if later < len(self.ends) else None].rstrip())
        if not harmless(self.text[word.start : end].strip("\"'"), "strong"):
            self.found.hide(word.start, end)
