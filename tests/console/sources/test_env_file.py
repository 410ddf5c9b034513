"""mailcow.conf: values as compose reads them, and where each name stands."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from console.sources.compose.env_file import read


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=1", "1"),
        ("A=", ""),
        ("export A=1", "1"),
        ("  A = 1  ", "1"),
        ("A='one two' # comment", "one two"),
        ('A="one two" # comment', "one two"),
        ("A=one two # comment", "one two"),
        ("A=one#two", "one#two"),
        ('A="$B-${B}-${NONE:-c}"', "b-b-c"),
        ("A='$B'", "$B"),
        ("A=$$B", "$B"),
        ('A="two\nlines"', "two\nlines"),
        ("A=1\nA=2", "2"),
        ("A=10.10.10.214:10025", "10.10.10.214:10025"),
    ],
)
def test_a_value_is_read_as_compose_reads_it(line: str, value: str) -> None:
    found = read(f"B=b\n{line}\n", "m.conf")
    assert (found.values["A"], found.problems) == (value, ())


def test_a_name_alone_sets_nothing() -> None:
    assert read("A\n", "m.conf").values == {}


TEXT = "# ----\n\nFIRST=1\n\n\n  export SECOND='x'\nMULTI=\"a\nb\"\nLAST=2"


@pytest.mark.parametrize("text", [TEXT, TEXT.replace("\n", "\r\n"), "\ufeff" + TEXT], ids=["plain", "CRLF", "BOM"])
def test_each_name_has_its_place(text: str) -> None:
    spans = read(text, "m.conf").spans
    assert {name: (span.line, span.column, span.end) for name, span in spans.items()} == {
        "FIRST": (3, 1, 6),
        "SECOND": (6, 10, 16),
        "MULTI": (7, 1, 6),
        "LAST": (9, 1, 5),
    }


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("A='open", "m.conf:2:1: this is no NAME=value; quotes must close"),
        ("  1=2", "m.conf:2:3: this is no name of a variable"),
        ("A B=2", "m.conf:2:1: this is no NAME=value; quotes must close"),
    ],
)
def test_a_broken_line_is_said_and_the_others_are_kept(line: str, said: str) -> None:
    found = read(f"FIRST=1\n{line}\nLAST=2\n", "m.conf")
    assert [str(problem) for problem in found.problems] == [said]
    assert found.values == {"FIRST": "1", "LAST": "2"}


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.text(max_size=60), st.text("A=$\"'{}#\n\r\\ -:\t", max_size=40)))
def test_any_text_is_read_or_said(text: str) -> None:
    found = read(text, "m.conf")
    assert found.values.keys() == found.spans.keys()
    assert all(problem.line >= 1 and problem.problem.isprintable() for problem in found.problems)
