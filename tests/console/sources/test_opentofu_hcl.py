"""HCL: values with their places, comments by line, and broken text said with line and column."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from console.errors import InputError
from console.sources import opentofu
from console.sources.opentofu import syntax
from console.sources.opentofu.syntax import Attribute, Document, Expression, Value


def only(text: str) -> Attribute:
    (attribute,) = syntax.parse(text, "a.tf").attributes
    return attribute


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ('"text"', "text"),
        ('""', ""),
        ("1", 1),
        ("-5", -5),
        ("1.5e3", 1500.0),
        ("true", True),
        ("false", False),
        ("null", None),
        ("[]", []),
        ('[1, "a", true]', [1, "a", True]),
        ("[\n  1, # one\n  2,\n]", [1, 2]),
        ("{}", {}),
        ('{ a = 1, "b.c" = 2, d = 3, 4 = 5, true = 6 }', {"a": 1, "b.c": 2, "d": 3, "4": 5, "true": 6}),
        ("{ in = 1, for : 2 }", {"in": 1, "for": 2}),
        ("{\n  a = { b = [1] } // c\n}", {"a": {"b": [1]}}),
        ('"a\\n\\t\\"\\\\\\u00e9\\U0001F600"', 'a\n\t"\\é😀'),
        ('"$${kept} %%{kept}"', "${kept} %{kept}"),
        ("<<EOT\nplain\n  text\nEOT", "plain\n  text\n"),
        ("<<-EOT\n    cut\n      to\n    size\n  EOT", "cut\n  to\nsize\n"),
        ("<<E\nE", ""),
        ("<<E\n$${kept}\nE", "${kept}\n"),
        ("99999999999999999999", 99999999999999999999),
    ],
)
def test_a_literal_is_its_value(written: str, value: Value) -> None:
    assert only(f"a = {written}\n").value == value


@pytest.mark.parametrize(
    "written",
    [
        "a.b.c",
        "a[0].b",
        "a[*].b",
        "1 + 2",
        "!a",
        "-a",
        "a ? 1 : 2",
        "a == 1 && b",
        'f("x", 1)',
        "f(a...)",
        "[for x in y : x if x]",
        "{ for k, v in y : k => v }",
        '"${a}-${b.c}"',
        "{ (a) = 1 }",
        '"%{ if a }b%{ endif }"',
        "a::b::c(1)",
        "9" * 5000,
        "1e999",
    ],
)
def test_what_is_no_literal_keeps_its_text(written: str) -> None:
    value = only(f"a = {written}").value
    assert isinstance(value, Expression)
    assert value.text == written.strip('"')


def test_a_template_has_its_parts() -> None:
    value = only('a = "x${var.b}y"').value
    assert isinstance(value, Expression)
    assert value.parts == ("x", Expression("var.b"), "y")


def test_a_heredoc_s_template_has_its_parts() -> None:
    value = only("a = <<E\nx ${var.b} y\nE\n").value
    assert isinstance(value, Expression)
    assert value.parts == ("x ", Expression("var.b"), " y\n")


@pytest.mark.parametrize(
    "text",
    [
        'b "one" /* between */ "two" {\n}\n',
        "locals {\n  π = 3\n  größe = local.π\n}\n",
        "a = (\n  var.b\n  .c\n)\n",
        "a = f(\n  1,\n  # two\n  2\n)\n",
        "a = { for k in b :\n  k\n  => 1 }\n",
        "a = {\n  for k, v in data.\n  b : k => v\n}\n",
        'a = "${\n  b\n}"\n',
        'a = "${~ b ~}"\n',
        'a = "x ${\n  join(",", [\n    for x in y :\n    try(x, "")\n  ])\n}"\n',
        "a = f(<<E\n  }\n  E\n, 1)\n",
        'a = <<-E\n  "unclosed ${b["c"]} {\n  E\nb = 1\n',
        "a = <<E\n" + "\n" * 20_000 + "E\n",
        "a = 1 # one\r\nb = [ // two\r\n  2, /* three */\r\n]\r\n",
    ],
)
def test_what_opentofu_reads_is_read(text: str) -> None:
    assert syntax.parse(text, "a.tf") != Document("a.tf")


def test_a_long_file_is_read_in_pieces_with_its_lines() -> None:
    one = 'resource "a" "b%d" {\n  c = [\n    1,\n  ]\n}\n\nd%d = "e"\n'
    found = syntax.parse("".join(one % (n, n) for n in range(300)), "a.tf")
    assert [(block.labels[1], block.span.line, block.last) for block in found.blocks] == [
        (f"b{n}", 7 * n + 1, 7 * n + 5) for n in range(300)
    ]
    assert [(each.name, each.span.line) for each in found.attributes] == [(f"d{n}", 7 * n + 7) for n in range(300)]


def test_an_error_late_in_a_long_file_has_its_line() -> None:
    with pytest.raises(InputError) as caught:
        syntax.parse("a = {\n}\n" * 2000 + "b = = 1\n", "a.tf")
    assert (caught.value.line, caught.value.column) == (4001, 5)


@pytest.mark.parametrize(
    ("body", "value"),
    [
        ("-E\n  a\n    b\n  E", "a\n  b\n"),
        ("-E\n    a\n\n  b\n  E", "  a\n\nb\n"),
        ('E\nquote " and \\n stay\nE', 'quote " and \\n stay\n'),
        ("E\n%%{ if } $${x}\nE", "%{ if } ${x}\n"),
    ],
)
def test_a_heredoc_is_its_text(body: str, value: str) -> None:
    assert only(f"a = <<{body}\n").value == value


TEXT = 'block "one" two {\n  name = "x"\n  inner {\n    map = {\n      "a.b" = 1\n    }\n  }\n}\n'


@pytest.mark.parametrize("text", [TEXT, TEXT.replace("\n", "\r\n"), "\ufeff" + TEXT], ids=["plain", "CRLF", "BOM"])
def test_every_block_attribute_and_key_has_its_place(text: str) -> None:
    (block,) = opentofu.parse(text, "a.tf")
    (name,), (inner,) = block.attributes, block.blocks
    (table,) = inner.attributes
    assert (block.kind, block.labels, block.last) == ("block", ("one", "two"), 8)
    assert [(s.line, s.column, s.end) for s in (block.span, name.span, inner.span)] == [
        (1, 1, 16),
        (2, 3, 13),
        (3, 3, 8),
    ]
    assert (table.span.line, table.span.column, table.span.end) == (4, 5, 0)
    place = table.places["a.b"]
    assert (place.file, place.line, place.column, place.end) == ("a.tf", 5, 7, 16)


def test_comments_are_kept_by_line() -> None:
    text = 'a = 1 # after\n// before\nb = "# no" /* one\n * two */\nc = <<E\n# no\nE\n## three\n'
    assert syntax.parse(text, "a.tf").comments == {1: "after", 2: "before", 3: "one", 4: "two", 8: "three"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            'resource "a" "b" {\n  device {\n    a = 1',
            '3:10: this is not HCL: "}" expected before the end of the file, for the "{" of line 2; was the file cut?',
        ),
        ('resource "a" "b" {\n  x = = 1\n}', '2:7: this is not HCL: "=" cannot stand here'),
        ('resource "a" "b" {\n  x 1\n}', '2:5: this is not HCL: "=" or "{" expected before "1"'),
        ('a = "one\nb = 2\n', '1:5: this is not HCL: the text that begins here has no closing " on its line'),
        ("a = [1, 2)\n", '1:10: this is not HCL: "]" expected before ")", for the "[" of line 1'),
        ("a = 1\n}\n", '2:1: this is not HCL: "}" closes nothing'),
        ("a = <<EOF\ntext\n", '1:5: this is not HCL: the text that begins here has no closing "EOF"'),
        ("a = 1 /* b\n", '1:7: this is not HCL: the comment that begins here has no closing "*/"'),
        ("a = ,\n", '1:5: this is not HCL: "," cannot stand here'),
        ("a =\n", "1:4: this is not HCL: the end of the file cannot stand here"),
        ("a = \x1b[31m\n", '1:5: this is not HCL: "\\x1b" cannot stand here'),
        ('a = "${b"\n', '1:9: this is not HCL: the text that begins here has no closing " on its line'),
        ("a = " + "[" * 500, "1:105: this is not HCL: more than 100 brackets inside each other"),
        ("just words\n", None),
        ('{"resource": {}}', None),
        ("\x7fELF\x02\x01", None),
    ],
)
def test_broken_text_is_said_at_its_place(text: str, said: str | None) -> None:
    with pytest.raises(InputError) as caught:
        syntax.parse(text, "a.tf")
    assert caught.value.problem.startswith("this is not HCL: ")
    assert caught.value.problem.isprintable()
    assert said is None or str(caught.value) == f"a.tf:{said}"


@pytest.mark.parametrize(
    "text",
    [
        "a = <<EOF\n" + "\n" * 200_000,
        "a = " + "(" * 200_000,
        'a = "' + "${" * 200_000,
        "/*" * 200_000,
        "<<A\n" * 50_000,
    ],
    ids=["open heredoc", "brackets", "templates", "comments", "heredocs"],
)
def test_what_would_take_the_grammar_for_ever_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        syntax.parse(text, "a.tf")


_PIECES = st.sampled_from(
    [
        'resource "a" "b" {', "}", "{", "[", "]", "(", ")", '"', "${", "%{", "a", "=", "\n", "1", ",", ".", "#", "/*",
        "*/", "<<EOF\n", "EOF", "\\", "for", "in", "?", ":", " ", "\r\n", "var.x", "\ufeff", "é", "null", "-", "=>",
    ]
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.text(max_size=80), st.lists(_PIECES, max_size=25).map("".join)))
def test_any_text_is_a_document_or_an_input_error(text: str) -> None:
    try:
        found = syntax.parse(text, "a.tf")
    except InputError as error:
        assert 1 <= error.line <= text.count("\n") + 2
        assert error.column >= 1
    else:
        assert isinstance(found, Document)


@settings(max_examples=60, deadline=None)
@given(st.lists(_PIECES, max_size=20).map("".join), st.integers(0, 2**32))
def test_any_change_to_a_good_file_is_read_or_said(piece: str, seed: int) -> None:
    good = 'resource "incus_instance" "vm" {\n  name = "${var.a}"\n  device {\n    type = "nic"\n  }\n}\n'
    at = random.Random(seed).randrange(len(good))
    found = opentofu.read([("a.tf", good[:at] + piece + good[at + len(piece) :])])
    assert found.problems or found.blocks or not good


@settings(max_examples=60, deadline=None)
@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(10**9), 10**9)
        | st.integers(-(10**9), 10**9).map(lambda number: number / 8)
        | st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=12),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("ab_é-", max_size=5), inner, max_size=4),
        max_leaves=12,
    )
)
def test_what_is_written_as_a_literal_is_read_as_that_value(value: Value) -> None:
    assert only(f"a = {_written(value)}\n").value == value


def _written(value: Value) -> str:
    if isinstance(value, str):
        text = value.replace("\\", "\\\\").replace('"', '\\"').replace("${", "$${").replace("%{", "%%{")
        return f'"{text}"'
    if isinstance(value, list):
        return "[" + ", ".join(_written(each) for each in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_written(key)} = {_written(each)}" for key, each in value.items()) + "}"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return f"{value:.6f}" if isinstance(value, float) else str(value)
