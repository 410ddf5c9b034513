"""What a server says reaches the terminal as text, never as a command to it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.text import clean, join_words, progress


@given(st.text() | st.binary())
def test_whatever_comes_is_one_printable_line_of_bounded_length(said: str | bytes) -> None:
    shown = clean(said, 80)
    assert shown.isprintable()
    assert len(shown) <= 80


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (b"220 mail ESMTP", "220 mail ESMTP"),
        (b"\x1b]0;pwned\x07", "\\x1b]0;pwned\\x07"),
        ("a\u202eb", "a\\u202eb"),
        ("a\u200bb", "a\\u200bb"),
        ("tab\there", "tab\\there"),
        (b"caf\xe9", "caf\\xe9"),
        ("日本語 ü", "日本語 ü"),
        ("\x9b31m", "\\x9b31m"),
        ("e\u0301 e\u0301\u0302", "e\u0301 e\u0301\u0302"),
    ],
)
def test_what_could_steer_a_terminal_is_shown_as_an_escape(said: str | bytes, shown: str) -> None:
    assert clean(said) == shown


def test_names_are_joined_as_a_sentence_does() -> None:
    assert join_words(["993"]) == "993"
    assert join_words(["993", "4190"]) == "993 and 4190"
    assert join_words(["25", "465", "993"]) == "25, 465 and 993"
    assert join_words([str(n) for n in range(10)]) == "0, 1, 2, 3, 4 and 5 more"
    assert join_words([]) == ""


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ((3.1 * 2**30, 10 * 2**30, "B", 40 * 2**20, 176.0), "3.1 of 10.0 GiB, 40 MiB/s, about 3 min left"),
        ((512, 0, "B", 0, 0), "512.0 B"),
        ((3, 12, "files", 0.5, 18.0), "3 of 12 files, 0.5 files/s, about 18 s left"),
        ((3, 12, "", 0, 0), "3 of 12"),
        ((0, 2**20, "B", 1024, 7500.0), "0.0 of 1.0 MiB, 1 KiB/s, about 2 h 5 min left"),
    ],
)
def test_progress_says_what_is_known_and_nothing_else(
    given: tuple[float, float, str, float, float], words: str
) -> None:
    assert progress(*given) == words
