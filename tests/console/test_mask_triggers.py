"""Which lines are looked through for secrets, and for what: lines without any word of the list are left alone."""

from __future__ import annotations

import pytest

from console.masking.triggers import LINE, PLAIN, TOKEN, _any_of, suspects

LOOKED: list[tuple[list[str], dict[int, int]]] = [
    ([""], {}),
    (["listen smtp", " bind :25"], {}),
    (["dbpass x"], {0: PLAIN}),
    (["x ghp_abc"], {0: TOKEN}),
    (["x", "dbpass ghp_abc", "y"], {1: PLAIN | TOKEN}),
    (["dbpass", "ghp_abc", "dbpass dbpass"], {0: PLAIN, 1: TOKEN, 2: PLAIN}),
    (["dbpass", "dbpass"], {0: PLAIN, 1: PLAIN}),
]


@pytest.mark.parametrize(("rows", "marks"), LOOKED)
def test_a_line_is_looked_through_for_what_one_of_its_words_says(rows: list[str], marks: dict[int, int]) -> None:
    starts = [sum(len(row) + 1 for row in rows[:at]) for at in range(len(rows))]
    assert suspects("\n".join(rows), starts) == marks


def test_what_is_looked_for_can_be_told_apart() -> None:
    assert (PLAIN | TOKEN | LINE).bit_count() == 3
    assert PLAIN + TOKEN + LINE == PLAIN | TOKEN | LINE


def test_each_word_of_a_list_is_found_whatever_the_others_begin_with() -> None:
    words = ["pass", "passwd", "pat", "x.y", "xz"]
    assert [word for word in words if (found := _any_of(words).search(f"-{word}-")) and found.start() == 1] == words
    assert _any_of(words).search("-pa-x-y-") is None
