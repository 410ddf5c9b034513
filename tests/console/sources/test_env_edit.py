"""Edits to mailcow.conf: one name, and no other byte."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from console.errors import InputError
from console.sources.compose.env_edit import put, remove
from console.sources.compose.env_file import read

TEXT = "# head\nA=1 # one\n\n# about B\nexport B='x y'\nC=\n#D=off\nA=2\n"


@pytest.mark.parametrize(
    ("name", "value", "old", "new"),
    [
        ("A", "3", "A=2\n", "A=3\n"),
        ("B", "it's", "B='x y'", 'B="it\'s"'),
        ("B", "", "B='x y'", "B="),
        ("C", "a b", "C=\n", "C='a b'\n"),
        ("D", "$x", "A=2\n", "A=2\nD='$x'\n"),
    ],
)
def test_a_name_is_set_and_nothing_else(name: str, value: str, old: str, new: str) -> None:
    assert put(TEXT, name, value, "mailcow.conf") == TEXT.replace(old, new)


def test_the_comment_behind_a_value_stays() -> None:
    assert put("A=1 # one\r\nB=2", "A", "", "m") == "A= # one\r\nB=2"


def test_a_cut_last_line_is_ended_before_a_name_is_added() -> None:
    assert put("A=1", "B", "2", "m") == "A=1\nB=2\n"


def test_every_line_of_a_name_is_removed() -> None:
    assert remove(TEXT, "A") == "# head\n\n# about B\nexport B='x y'\nC=\n#D=off\n"


@pytest.mark.parametrize("value", ["a\nb", "it's $5", "\x1b[31m"])
def test_what_readers_would_not_agree_on_is_refused(value: str) -> None:
    with pytest.raises(InputError):
        put(TEXT, "A", value, "mailcow.conf")


@settings(max_examples=150, deadline=None)
@given(st.text("ABab=#'\"$ \\\n\t\r{}é", max_size=40), st.text("ab'\"$# \\=é", max_size=8))
def test_a_set_name_is_read_back_and_others_are_as_they_were(text: str, value: str) -> None:
    before = read(text, "m")
    try:
        after = read(edited := put(text, "ZZ", value, "m"), "m")
    except InputError:
        return
    assert after.values == {**before.values, "ZZ": value}
    assert remove(edited, "ZZ").startswith(text)
