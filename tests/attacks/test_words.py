"""A server's or a file's words hide nothing and are drawn over nothing: invisible characters and stacked marks."""

from __future__ import annotations

import sys
import unicodedata

import pytest

from console.text import clean, is_plain, quote
from screens import text as screen

INVISIBLE = (
    "\u3164\u115f\u1160\uffa0\u2800\ufe0f\U000e0100\u034f\u17b4\u17b5\u180b\u180f\ufe00\U000e01ef\U000e0041\U0001d159"
)
"""What Python calls printable, or leaves to us, and no terminal draws."""


@pytest.mark.parametrize("character", INVISIBLE, ids=lambda character: f"U+{ord(character):04X}")
def test_an_invisible_character_is_shown_as_an_escape(character: str) -> None:
    shown = clean(f"vps{character}.example.org")
    assert shown.isascii() and shown.startswith("vps\\") and int(shown[5:-12], 16) == ord(character)
    assert not is_plain(f"vps{character}")
    assert screen.clean(f"vps{character}") == "vps·"


def test_no_character_that_unicode_calls_a_filler_or_a_selector_is_shown() -> None:
    blank = ("FILLER", "VARIATION SELECTOR", "BRAILLE PATTERN BLANK", "GRAPHEME JOINER", "INHERENT")
    named = [c for c in map(chr, range(sys.maxunicode + 1)) if unicodedata.name(c, "").startswith(blank)]
    named += [c for c in map(chr, range(sys.maxunicode + 1)) if unicodedata.name(c, "").endswith(blank)]
    assert len(named) > 256
    drawn = [unicodedata.name(c) for c in named if clean(f"a{c}") == f"a{c}"]
    assert all(
        name.endswith(("GAP FILLER", "LINE FILLER", "SPACE FILLER")) for name in drawn
    )  # those are lines and dots


@pytest.mark.parametrize("base", ["e", "я", "語"])
def test_of_stacked_marks_two_are_drawn_and_the_rest_is_shown_as_escapes(base: str) -> None:
    assert clean(base + "\u0301" * 2) == base + "\u0301" * 2
    assert clean(base + "\u0301" * 4) == base + "\u0301\u0301\\u0301\\u0301"
    assert screen.clean(base + "\u0301" * 3) == base + "\u0301\u0301·"


def test_a_mark_without_a_letter_is_not_drawn_onto_the_row_before_it() -> None:
    assert clean("\u0301a") == "\\u0301a"


@pytest.mark.parametrize("text", ["naïve ü", "Привет", "日本語", "한국어", "─●▲│ — …", "שָׁלוֹם", "tiếng Việt"])
def test_ordinary_words_of_any_language_stay_as_they_are(text: str) -> None:
    assert clean(text) == text
    assert screen.clean(text) == text


def test_what_is_quoted_is_ascii_and_does_not_end_its_quotation() -> None:
    assert quote('sudo p\u0430ssword" of deploy') == "sudo p\\u0430ssword' of deploy"
    assert quote("\x1b[2Jü") == "\\x1b[2J\\xfc"
    assert len(quote("\u0430" * 500, 120)) == 120
    assert quote("a" * 500, 120) == "a" * 117 + "..."
