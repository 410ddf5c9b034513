"""Text in cells: what is cut, what is cleaned, and what of a line is sent again."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.style import Style

from screens.text import Line, cells, changed_span, clean, clip, clip_left, clock, fit, follow, settle, wrap

RED, PLAIN, CHOSEN = Style(color="red", bgcolor="black"), Style(bgcolor="black"), Style(bgcolor="blue")
STYLES = st.sampled_from([RED, PLAIN, CHOSEN])
LINES = st.lists(st.tuples(st.text(max_size=12), STYLES), max_size=5).map(tuple)


@given(st.text())
def test_cleaned_text_has_no_character_that_a_terminal_obeys(text: str) -> None:
    assert clean(text).isprintable()
    clean(text).encode()


@pytest.mark.parametrize(
    "evil", ["\x1b[2J", "\x9b2J", "\x07", "\r\n", "\x00", "\u202e", "\u2066", "\ud83d", "\x7f", "\ufeff"]
)
def test_each_obeyed_character_becomes_a_dot(evil: str) -> None:
    assert clean(evil)[0] == "·"


@given(st.text(), st.integers(0, 40))
def test_fitted_text_has_exactly_its_width(text: str, width: int) -> None:
    assert cell_len(fit(text, width)) == width


@given(st.text(), st.integers(1, 40))
def test_clipped_text_is_never_wider(text: str, width: int) -> None:
    assert cell_len(clip(text, width)) <= width
    assert cell_len(clip_left(text, width)) <= width


def test_what_was_cut_says_so() -> None:
    assert clip("haproxy.cfg", 8) == "haproxy…"
    assert clip_left("docker-compose.override.yml:9", 15) == "…override.yml:9"


@given(st.text(alphabet=st.characters(categories=["L", "N", "P", "Zs"])), st.integers(2, 30))
def test_wrapped_rows_fit_and_lose_no_letter(text: str, width: int) -> None:
    rows = wrap(text, width)
    assert all(cell_len(row) <= width for row in rows)
    assert "".join("".join(rows).split()) == "".join(clean(text).split())


def test_a_limit_of_rows_cuts_the_last() -> None:
    assert wrap("one two three four", 5, 2) == ["one", "two …"]


@given(LINES, st.integers(0, 30))
def test_a_settled_line_has_exactly_its_width(line: Line, width: int) -> None:
    assert cells(settle(line, width, PLAIN)) == width


@given(LINES, LINES, st.integers(1, 30))
def test_sending_the_changed_span_makes_the_old_line_the_new_one(old: Line, new: Line, width: int) -> None:
    before, after = settle(old, width, PLAIN), settle(new, width, PLAIN)
    span = changed_span(before, after)
    if span is None:
        assert _looks(before) == _looks(after)
    else:
        start, end = span
        assert 0 <= start < end <= width
        mixed = [*_looks(before)[:start], *_looks(after)[start:end], *_looks(before)[end:]]
        assert mixed == _looks(after)


def _looks(line: Line) -> list[tuple[str, object]]:
    """What each cell shows: its character (a wide one twice) and its colours; a blank has but a ground."""
    return [
        (char, style.bgcolor if char == " " else style)
        for text, style in line
        for char in text
        for _ in range(cell_len(char))
    ]


def test_an_equal_line_changes_nowhere() -> None:
    line = settle((("● 12 ms", RED),), 20, PLAIN)
    assert changed_span(line, settle((("● 12 ms", RED),), 20, PLAIN)) is None


def test_a_blank_of_another_colour_is_no_change() -> None:
    assert changed_span((("a", RED), ("  ", RED)), (("a", RED), ("  ", PLAIN))) is None
    assert changed_span((("a", RED), ("  ", RED)), (("a", RED), ("  ", CHOSEN))) == (1, 3)


def test_neighbours_of_one_style_are_joined() -> None:
    assert settle((("a", RED), ("b", RED), (" ", PLAIN), ("c", RED)), 6, PLAIN) == (("ab c  ", RED),)


@pytest.mark.parametrize(
    ("top", "cursor", "count", "room", "first"),
    [(0, 0, 5, 10, 0), (0, 12, 40, 10, 3), (20, 5, 40, 10, 5), (35, 39, 40, 10, 30), (3, 0, 0, 10, 0), (0, 4, 5, 1, 4)],
)
def test_the_window_follows_the_cursor(top: int, cursor: int, count: int, room: int, first: int) -> None:
    assert follow(top, cursor, count, room) == first


def test_a_time_of_another_day_says_which() -> None:
    noon = 1_770_984_000.0
    assert clock(noon, noon + 3600) == "12:00"
    assert clock(noon, noon + 86_400, seconds=True) == "02-13 12:00:00"
    assert clock(noon, 0.0) == "12:00"


def test_a_time_is_that_of_this_machines_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    assert clock(1_770_984_000.0, 1_770_984_000.0) == "21:00"
