"""HCL text to blocks and attributes with their places: python-hcl2's grammar, lark's raw tree, our own walk."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from math import isfinite
from typing import TYPE_CHECKING, Any, TypeAlias

from msgspec import Struct

from console.errors import InputError
from console.model import Span
from console.sources.hcl_scan import Scan
from console.text import clean

if TYPE_CHECKING:
    from lark import Lark, Token, Tree


class Expression(Struct, frozen=True):
    """What is not a literal. `text` is its source; a template has `parts`, a call its name and `arguments`."""

    text: str
    parts: tuple[Value, ...] = ()
    call: str = ""
    arguments: tuple[Value, ...] = ()


Value: TypeAlias = "str | int | float | bool | Expression | list[Value] | dict[str, Value] | None"


class Attribute(Struct, frozen=True):
    """`name = value`; for an object, `places` are those of its own keys."""

    name: str
    value: Value
    span: Span
    places: dict[str, Span] = {}


class Block(Struct, frozen=True):
    """`kind "label" … { … }`; `span` is its first line's head, `last` the line of its closing brace."""

    kind: str
    labels: tuple[str, ...]
    attributes: tuple[Attribute, ...]
    blocks: tuple[Block, ...]
    span: Span
    last: int

    def get(self, name: str) -> Attribute | None:
        """Return the attribute of that name."""
        return next((attribute for attribute in self.attributes if attribute.name == name), None)

    def all(self, kind: str) -> Iterator[Block]:
        """Yield the blocks of that kind that stand directly in this one."""
        return (block for block in self.blocks if block.kind == kind)


class Document(Struct, frozen=True):
    """One file: its attributes (a *.tfvars has only these), blocks, and its comments by line, without their marks."""

    file: str
    attributes: tuple[Attribute, ...] = ()
    blocks: tuple[Block, ...] = ()
    comments: dict[int, str] = {}


def parse(text: str, file: str) -> Document:
    """Parse one file; raises `InputError` with the place of what is not HCL."""
    text = text.removeprefix("\ufeff")
    scan = Scan(text)
    if scan.hopeless:
        raise scan.error(file)
    from lark.exceptions import UnexpectedInput

    try:
        tree = _grammar().parse(text + "\n")
    except UnexpectedInput as error:
        found = [scan.error(file)] if scan.flaw else []
        raise min([*found, _explain(error, text, file)], key=lambda each: (each.line, each.column)) from None
    attributes, blocks = _Walk(text, file).body(_trees(tree)[0])
    return Document(file, attributes, blocks, scan.comments)


_kept: list[str] = []


def keep_grammar(path: str) -> None:
    """Keep the compiled grammar in that file, which is unpickled: its folder must be the operator's alone."""
    _kept[:] = [path]


@lru_cache(maxsize=1)
def _grammar() -> Lark:
    # Importing the package hcl2 would bring its transformer, builder and formatter, none of which is used here.
    from importlib.util import find_spec, module_from_spec, spec_from_file_location
    from pathlib import Path

    from lark import Lark

    package = find_spec("hcl2")
    assert package is not None and package.submodule_search_locations
    folder = Path(package.submodule_search_locations[0])
    spec = spec_from_file_location("_hcl2_postlexer", folder / "postlexer.py")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return Lark(
        (folder / "hcl2.lark").read_text(encoding="utf-8"),
        parser="lalr",
        propagate_positions=True,
        postlex=module.PostLexer(),
        cache=_kept[0] if _kept else False,
    )


_SPELLED = {
    "RBRACE": "}",
    "LBRACE": "{",
    "RPAR": ")",
    "LPAR": "(",
    "RSQB": "]",
    "LSQB": "[",
    "EQ": "=",
    "COMMA": ",",
    "COLON": ":",
    "DBLQUOTE": '"',
    "DOT": ".",
    "IN": "in",
}


def _explain(error: Any, text: str, file: str) -> InputError:
    """Say lark's complaint in words, at lark's place."""
    line, column = max(error.line, 1), max(error.column, 1)
    expected = getattr(error, "expected", None) or getattr(error, "allowed", None) or set()
    here = getattr(error, "pos_in_stream", None)
    found = re.compile(r"\s*([\w.-]+|\S)").match(text, here) if here is not None else None
    what = f'"{clean(found[1], 30)}"' if found else "the end of the file"
    if found and here is not None and (blanks := found.start(1) - here):
        skipped = text[here : found.start(1)]
        line += skipped.count("\n")
        column = blanks - skipped.rfind("\n") if "\n" in skipped else column + blanks
    if {"EQ", "LBRACE"} <= expected:
        wanted = ["=", "{"]
    else:
        wanted = sorted(_SPELLED[name] for name in expected if name in _SPELLED) if len(expected) <= 3 else []
    if wanted:
        problem = " or ".join(f'"{word}"' for word in wanted) + f" expected before {what}"
    else:
        problem = f"{what} cannot stand here"
    return InputError(file, line, column, f"this is not HCL: {problem}")


_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|.)", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\"}
_LITERALS = {"true": True, "false": False, "null": None}


def _unescape(match: re.Match[str]) -> str:
    code = match[1]
    if len(code) > 1:
        number = int(code[1:], 16)
        return chr(number) if number < 0x110000 else match[0]
    return _ESCAPED.get(code, match[0])


class _Walk:
    """lark's tree to our values."""

    def __init__(self, text: str, file: str) -> None:
        self.text, self.file = text, file

    def body(self, tree: Tree[Token]) -> tuple[tuple[Attribute, ...], tuple[Block, ...]]:
        attributes: list[Attribute] = []
        blocks: list[Block] = []
        for child in _trees(tree):
            if child.data == "attribute":
                attributes.append(self._attribute(child))
            elif child.data == "block":
                blocks.append(self._block(child))
        return tuple(attributes), tuple(blocks)

    def _attribute(self, tree: Tree[Token]) -> Attribute:
        name, value = _trees(tree)[0], _trees(tree)[-1]
        places: dict[str, Span] = {}
        return Attribute(str(name.children[0]), self.value(value, places), self._span(tree), places)

    def _block(self, tree: Tree[Token]) -> Block:
        names, inner, meta = [], None, tree.meta
        for child in _trees(tree):
            if child.data == "body":
                inner = child
            elif child.data != "new_line_or_comment":
                names.append(child)
        assert inner is not None
        labels = tuple(_name(self.value(child)) for child in names[1:])
        head = names[-1].meta
        attributes, blocks = self.body(inner)
        span = Span(self.file, meta.line, meta.column, head.end_column if head.end_line == meta.line else 0)
        return Block(str(names[0].children[0]), labels, attributes, blocks, span, meta.end_line)

    def _span(self, tree: Tree[Token]) -> Span:
        meta = tree.meta
        return Span(self.file, meta.line, meta.column, meta.end_column if meta.end_line == meta.line else 0)

    def _source(self, tree: Tree[Token]) -> str:
        return " ".join(self.text[tree.meta.start_pos : tree.meta.end_pos].split())

    def value(self, tree: Tree[Token], places: dict[str, Span] | None = None) -> Value:
        """Return a literal as it is, anything else as an `Expression`; an object's keys go into `places`."""
        kind = tree.data
        if kind == "expr_term":
            inner = [child for child in _trees(tree) if child.data != "new_line_or_comment"]
            return self.value(inner[0], places)
        if kind in ("identifier", "literal_value", "keyword"):
            name = str(tree.children[0])
            return _LITERALS[name] if kind == "literal_value" else Expression(name)
        if kind == "string":
            return self._string(tree)
        if kind in ("int_lit", "float_lit", "unary_op"):
            return self._number(tree)
        if kind == "tuple":
            return [self.value(child) for child in _trees(tree) if child.data != "new_line_or_comment"]
        if kind == "object":
            return self._object(tree, places if places is not None else {})
        if kind.startswith("heredoc"):
            return _heredoc(str(tree.children[0]), kind.endswith("trim"))
        return self._call(tree) if kind == "function_call" else self._other(tree)

    def _string(self, tree: Tree[Token]) -> Value:
        parts: list[Value] = []
        for part in _trees(tree):
            for child in part.children:
                if isinstance(child, str):
                    escaped = child.type.startswith("ESCAPED")
                    parts.append(child[1:] if escaped else _ESCAPE.sub(_unescape, child))
                elif child.data == "interpolation":
                    parts.append(self.value(_trees(child)[0]))
                else:
                    return Expression(self._source(tree)[1:-1])
        return _template(parts, self._source(tree)[1:-1])

    def _number(self, tree: Tree[Token]) -> Value:
        source = self._source(tree).replace(" ", "")
        try:
            number = int(source) if tree.data != "float_lit" else float(source)
        except ValueError:
            return Expression(source)
        return number if isfinite(number) else Expression(source)

    def _object(self, tree: Tree[Token], places: dict[str, Span]) -> dict[str, Value]:
        result: dict[str, Value] = {}
        for element in _trees(tree):
            if element.data != "object_elem":
                continue
            key, value = _trees(element)[0], _trees(element)[-1]
            inner = _trees(key)
            found = self.value(inner[0]) if inner else None
            name = _name(found) if isinstance(found, str | Expression) else self._source(key)
            result[name] = self.value(value)
            places[name] = self._span(element)
        return result

    def _call(self, tree: Tree[Token]) -> Expression:
        name, *rest = _trees(tree)
        arguments = next((child for child in rest if child.data == "arguments"), None)
        if arguments is None or any(str(child) == "..." for child in arguments.children if isinstance(child, str)):
            return Expression(self._source(tree))
        values = [self.value(child) for child in _trees(arguments) if child.data != "new_line_or_comment"]
        return Expression(self._source(tree), call=str(name.children[0]), arguments=tuple(values))

    def _other(self, tree: Tree[Token]) -> Expression:
        if tree.data == "conditional":
            values = [child for child in _trees(tree) if child.data != "new_line_or_comment"]
            if not any(child.data == "conditional" for child in values):
                return Expression(self._source(tree), call="?", arguments=tuple(self.value(each) for each in values))
        return Expression(self._source(tree))


def _trees(tree: Tree[Token]) -> list[Tree[Token]]:
    return [child for child in tree.children if not isinstance(child, str)]


def _name(value: Value) -> str:
    return value.text if isinstance(value, Expression) else str(value)


def _template(parts: list[Value], source: str) -> Value:
    if all(isinstance(part, str) for part in parts):
        return "".join(part for part in parts if isinstance(part, str))
    return Expression(source, parts=tuple(parts))


_INTERPOLATION = re.compile(r"\$\$\{|%%\{|%\{|\$\{([^{}\"]*)\}|\$\{")


def _heredoc(source: str, trim: bool) -> Value:
    """Return a heredoc's text; one with directives or nested braces in its templates stays an expression."""
    lines = source.replace("\r\n", "\n").split("\n")[1:-2]
    if trim:
        margin = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
        lines = [line[margin:] for line in lines]
    body = "".join(line + "\n" for line in lines)
    parts: list[Value] = []
    at = 0
    for match in _INTERPOLATION.finditer(body):
        if match[0] in ("%{", "${"):
            return Expression(body)
        parts.append(body[at : match.start()])
        parts.append(match[0][1:] if match[1] is None else Expression(match[1].strip()))
        at = match.end()
    parts.append(body[at:])
    return _template(parts, body)
