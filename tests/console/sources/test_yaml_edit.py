"""Edits to compose files: what is asked for is done, and no other line is touched."""

from __future__ import annotations

import difflib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from console.errors import InputError
from console.sources.compose.edit import Path, append, put, remove

TEXT = """\
# head
services:
  nginx-mailcow:   # front
    ports:
      - "8080:80"  # plain

      # kept
      - "443:443"
    environment:
      - A=b
  inline:
    ports: [ "1:1", '2:2' ]
    environment: {a: b}
  # tail
  replaced:
    ports: !override   # why
      - "25:25"
    labels:
# end
"""


def changes(before: str, after: str) -> list[str]:
    lines = difflib.ndiff(before.splitlines(keepends=True), after.splitlines(keepends=True))
    return [line.rstrip("\r\n") for line in lines if line[0] in "+-"]


BOTH, INLINE = """-     ports: [ "1:1", '2:2' ]""", "-     environment: {a: b}"
FRONT = ("services", "nginx-mailcow")


@pytest.mark.parametrize(
    ("path", "value", "changed"),
    [
        ((*FRONT, "ports"), "9:9", ['+       - "9:9"']),
        ((*FRONT, "environment"), "C=d", ["+       - C=d"]),
        (("services", "inline", "ports"), "9:9", [BOTH, """+     ports: [ "1:1", '2:2', '9:9' ]"""]),
        (("services", "replaced", "ports"), "9:9", ['+       - "9:9"']),
        (("services", "replaced", "labels"), "x", ["+       - x"]),
        (("services", "replaced", "expose"), "x", ["+     expose:", "+       - x"]),
        (("services", "new", "ports"), "9:9", ["+   new:", "+     ports:", '+       - "9:9"']),
        (("services", "inline", "environment", "list"), "x", [INLINE, "+     environment: {a: b, list: [x]}"]),
    ],
)
def test_an_entry_is_added_where_its_list_ends(path: Path, value: str, changed: list[str]) -> None:
    assert changes(TEXT, append(TEXT, path, value, "c.yml")) == changed


@pytest.mark.parametrize(
    ("path", "value", "changed"),
    [
        ((*FRONT, "ports", 0), "81:80", ['-       - "8080:80"  # plain', '+       - "81:80"  # plain']),
        ((*FRONT, "image"), "yes", ['+     image: "yes"']),
        ((*FRONT, "privileged"), True, ["+     privileged: true"]),
        (("services", "inline", "environment", "a"), 5, ["-     environment: {a: b}", "+     environment: {a: 5}"]),
        (("services", "replaced", "labels", "k"), "a: b", ['+       k: "a: b"']),
        (("services", "replaced", "labels"), "x", ["-     labels:", "+     labels: x"]),
    ],
)
def test_a_value_is_put_in_its_place(path: Path, value: str | int, changed: list[str]) -> None:
    assert changes(TEXT, put(TEXT, path, value, "c.yml")) == changed


@pytest.mark.parametrize(
    ("path", "changed"),
    [
        ((*FRONT, "ports", 0), ['-       - "8080:80"  # plain']),
        ((*FRONT, "ports", 1), ['-       - "443:443"']),
        ((*FRONT, "environment", 0), ["-     environment:", "-       - A=b"]),
        (("services", "inline", "ports", 0), ["""-     ports: [ "1:1", '2:2' ]""", """+     ports: [ '2:2' ]"""]),
        (("services", "inline", "ports", 1), ["""-     ports: [ "1:1", '2:2' ]""", """+     ports: [ "1:1" ]"""]),
        (("services", "inline", "environment", "a"), ["-     environment: {a: b}", "+     environment: {}"]),
        (
            ("services", "replaced", "ports", 0),
            ["-     ports: !override   # why", '-       - "25:25"', "+     ports: !override []   # why"],
        ),
        (("services", "inline"), ["-   inline:", """-     ports: [ "1:1", '2:2' ]""", "-     environment: {a: b}"]),
    ],
)
def test_what_is_removed_leaves_the_rest(path: Path, changed: list[str]) -> None:
    assert sorted(changes(TEXT, remove(TEXT, path, "c.yml"))) == sorted(changed)


def test_an_empty_file_is_begun() -> None:
    assert append("", ("services", "x", "ports"), "1:1", "c.yml", tag="!override") == (
        'services:\n  x:\n    ports: !override\n      - "1:1"\n'
    )


OTHERS = {"CRLF": TEXT.replace("\n", "\r\n"), "BOM": "\ufeff" + TEXT, "blanks": TEXT + "\n\n"}


@pytest.mark.parametrize("text", OTHERS.values(), ids=OTHERS)
def test_line_ends_and_marks_stay(text: str) -> None:
    edited = append(text, (*FRONT, "ports"), "9:9", "c.yml")
    assert remove(edited, (*FRONT, "ports", 2), "c.yml") == text


def test_a_shared_value_is_not_changed_for_all_who_share_it() -> None:
    text = "x: &a\n  k: v\ny: *a\n"
    with pytest.raises(InputError, match="edit it by hand"):
        put(text, ("y", "k"), "w", "c.yml")


@pytest.mark.parametrize(
    ("path", "said"),
    [((*FRONT, "ports"), "is no single value"), ((*FRONT, "ports", 7), "is not there")],
)
def test_what_cannot_be_done_is_said(path: Path, said: str) -> None:
    with pytest.raises(InputError, match=said):
        put(TEXT, path, "w", "c.yml")


_NAMES = st.sampled_from(["a", "b", "c d", "yes", "1"])


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(_NAMES, _NAMES, st.text("ab:#'\"{}- é$", max_size=6)), min_size=1, max_size=6))
@pytest.mark.slow
def test_whatever_is_added_can_be_taken_out_again(steps: list[tuple[str, str, str]]) -> None:
    texts = [TEXT]
    paths: list[Path] = []
    for number, (service, key, value) in enumerate(steps):
        paths.append(("services", f"{service}{number}", "environment", key))
        texts.append(put(texts[-1], paths[-1], value, "c.yml"))
    for path, before in zip(reversed(paths), reversed(texts[:-1]), strict=True):
        assert remove(texts.pop(), path, "c.yml") == before
