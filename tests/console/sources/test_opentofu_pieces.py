"""One block, list or object of thousands of lines is read in pieces: as it would be whole, in bounded memory."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from console.errors import InputError
from console.sources.opentofu import scan, syntax
from console.sources.opentofu.values import Document

pytestmark = pytest.mark.slow

ROWS: dict[str, tuple[str, Callable[[int], str], str]] = {
    "attributes": ('resource "a" "b" {\n', lambda n: f'  name{n} = "v-${{var.x}}" # why\n', "}\n"),
    "plain attributes": ("locals {\n", lambda n: f"  name{n} = {n}\n", "}\n"),
    "operations": ("locals {\n", lambda n: f"  name{n} = var.a && var.b{n}\n", "}\n"),
    "blocks": ('a "b" {\n', lambda n: f'  device {{\n    name = "{n}"\n    p = {{ q = var.x }}\n  }}\n\n', "}\n"),
    "blocks in a block": (
        'a "b" {\n  in "c" {\n    d = 1\n',
        lambda n: f'    device {{\n      name = "{n}"\n    }}\n', "  }\n  e = 2\n}\n"
    ),
    "object": ("locals {\n  a = {\n", lambda n: f'    "r{n}" = {{ ip = "10.0.0.1", ttl = {n} }}\n', "  }\n}\n"),
    "object in brackets": ("locals {\n  a = f({\n", lambda n: f"   (var.k{n}) = [{n},\n     2]\n", " }, 1)[0].b\n}\n"),
    "list": ("locals {\n  a = toset([\n", lambda n: f'    "r{n}", # why\n', "  ])\n}\n"),
    "list of objects": ("a = [\n", lambda n: f'  # one\n  {{ name = "r{n}"\n    v = [{n}] }},\n', "]\n"),
    "objects under comments": ("a = [\n", lambda n: f"  /* {n} */ {{\n    v = {n}\n  }},\n", "]\n"),
    "one line": ("a = [", lambda n: f'{{a="é{n}",b={n}}}, ', "]\n"),
    "what is looped over": ("a = { for k, v in {\n", lambda n: f"  r{n} = <<-E\n    {n}\n  E\n", "  } : k => v }\n"),
    "branches": ("a = var.x ? {\n", lambda n: f"  r{n} = {n}\n", "} : {\n  b = 1\n}\n"),
    "in a text": ('a = "${jsonencode({', lambda n: f" r{n} = [{n}],", '})}"\n'),
}  # fmt: skip


def written(shape: str, count: int) -> str:
    head, row, tail = ROWS[shape]
    return head + "".join(row(n) for n in range(count)) + tail


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The lengths of what the grammar is given, blanks not counted."""
    lengths: list[int] = []
    parse = syntax.parser().parse

    def counting(text: str) -> object:
        lengths.append(len("".join(text.split())))
        return parse(text)

    monkeypatch.setattr(syntax, "parser", lambda: SimpleNamespace(parse=counting))
    return lengths


def read(text: str, monkeypatch: pytest.MonkeyPatch, large: int, piece: int) -> Document | str:
    monkeypatch.setattr(scan, "LARGE", large)
    monkeypatch.setattr(scan, "PIECE", piece)
    try:
        return syntax.parse(text, "a.tf")
    except InputError as error:
        return str(error)


@pytest.mark.parametrize("shape", ROWS)
def test_what_is_read_in_pieces_is_what_would_be_read_whole(
    shape: str, given: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = f"# first\n{written(shape, 40)}last = 1\n"
    whole = read(text, monkeypatch, 10**9, 10**9)
    assert isinstance(whole, Document)
    assert len(given) == 1
    for large, piece in ((40, 16), (200, 64), (64, 1)):
        given.clear()
        assert read(text, monkeypatch, large, piece) == whole
        assert len(given) > 3


@pytest.mark.parametrize("shape", ROWS)
@pytest.mark.parametrize("flaw", ["§", " = ", "}", ")", '"', "<<E"])
def test_what_is_wrong_in_a_piece_is_said_at_its_line(shape: str, flaw: str, monkeypatch: pytest.MonkeyPatch) -> None:
    head, row, tail = ROWS[shape]
    rows = [row(n) for n in range(40)]
    text = head + "".join(rows[:20]) + flaw + "".join(rows[20:]) + tail
    said = read(text, monkeypatch, 40, 16)
    line = text[: text.index(flaw)].count("\n") + 1 if flaw == "§" else None
    assert isinstance(said, str)
    assert line is None or said.startswith(f"a.tf:{line}:")


@pytest.mark.parametrize("shape", ROWS)
def test_the_first_of_two_wrong_things_is_said(shape: str, monkeypatch: pytest.MonkeyPatch) -> None:
    head, row, tail = ROWS[shape]
    text = head + "".join(row(n) for n in range(30)) + "§" + "".join(row(n) for n in range(30)) + tail + "b = §\n"
    said = read(text, monkeypatch, 40, 16)
    assert isinstance(said, str)
    assert said.startswith(f"a.tf:{text[: text.index('§')].count(chr(10)) + 1}:")


def test_a_list_that_turns_into_a_loop_is_none() -> None:
    text = "a = [\n" + "".join(f"  {n},\n" for n in range(2000)) + "  for x in y : x\n]\n"
    with pytest.raises(InputError, match="this is not HCL"):
        syntax.parse(text, "a.tf")


@pytest.mark.parametrize("shape", ROWS)
def test_what_the_grammar_is_given_grows_with_the_file(shape: str, given: list[int]) -> None:
    sums = []
    for count in (400, 800):
        given.clear()
        text = written(shape, count)
        syntax.parse(text, "a.tf")
        assert max(given) < 2 * scan.PIECE
        sums.append(sum(given))
        assert sums[-1] < 1.1 * len(text)
    assert sums[1] < 2.2 * sums[0]


@pytest.mark.parametrize("shape", ["blocks", "object", "list"])
def test_a_large_block_that_was_cut_off_is_said_without_reading_it_whole(shape: str, given: list[int]) -> None:
    head, row, _ = ROWS[shape]
    with pytest.raises(InputError, match="was the file cut"):
        syntax.parse(head + "".join(row(n) for n in range(2000)), "a.tf")
    assert sum(given) < 2 * scan.PIECE


@pytest.mark.slow
@pytest.mark.parametrize("shape", ["attributes", "blocks", "object", "list", "what is looped over"])
def test_a_block_of_5000_lines_takes_about_40_times_its_own_memory_at_most(shape: str) -> None:
    text = written(shape, 5000 // ROWS[shape][1](0).count("\n"))
    assert 4900 < text.count("\n") < 5100
    syntax.parse(text, "a.tf")  # not counted: the grammar, and the interpreter's table of names when it grows
    most = 42 * len(text)  # 40.1 with no free lists
    assert any(peak(text) < most for _ in range(3)), "threads that other tests left may allocate beside it"


def peak(text: str) -> int:
    """Most bytes that reading it held at a time."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()  # full collections are rarer the more a process holds, and other tests have left much
    gc.set_threshold(700, 10, 10)  # Python's own: what waits to be collected counts, and tests before may leave another
    tracemalloc.start()
    try:
        syntax.parse(text, "a.tf")
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        gc.set_threshold(*before)
        gc.unfreeze()
