"""OpenTofu's JSON files (*.tf.json, *.tfvars.json) to the same documents as its HCL, each key with its place."""

from __future__ import annotations

import re
from json.decoder import scanstring  # type: ignore[attr-defined]

from msgspec import Struct

from console.errors import InputError
from console.model import Span
from console.sources.opentofu import syntax
from console.sources.opentofu.scan import DEEPEST, Scan
from console.sources.opentofu.values import Attribute, Block, Document, Expression, Value

_LABELS = {"resource": 2, "data": 2, "ephemeral": 2, "variable": 1, "output": 1, "module": 1, "provider": 1, "check": 1}
_BLOCKS = frozenset(
    ["backend", "connection", "content", "device", "file", "lifecycle", "precondition", "postcondition", "provisioner",
     "required_providers", "timeouts", "validation"]
)  # fmt: skip
"""Inner blocks, by the schema of OpenTofu and of Incus's provider; JSON itself does not tell them from maps."""

_BLANK = re.compile(r"[ \t\r\n]*")
_NUMBER = re.compile(r"-?(0|[1-9]\d{0,3000})(\.\d{1,3000})?([eE][+-]?\d{1,3})?")
_WORDS = {"true": True, "false": False, "null": None}


class _Pair(Struct, frozen=True, gc=False):
    """A key of an object: where it begins and where its value ends."""

    name: str
    value: _Json
    start: int
    end: int


class _Object(Struct, frozen=True, gc=False):
    pairs: tuple[_Pair, ...]


_Json = str | int | float | bool | None | list["_Json"] | _Object


def parse(text: str, file: str) -> Document:
    """Parse one JSON file; raises `InputError` with the place of what is not JSON."""
    text = text.removeprefix("\ufeff")
    reader = _Reader(text, file)
    root = reader.whole()
    if not isinstance(root, _Object):
        raise InputError(file, 1, 1, 'this is not OpenTofu\'s JSON: it begins with "{"')
    build = _Builder(reader, file, literal=file.endswith(".tfvars.json"))
    if build.literal:
        return Document(file, tuple(build.attribute(pair) for pair in root.pairs))
    blocks = [block for pair in root.pairs if pair.name != "//" for block in build.top(pair)]
    return Document(file, (), tuple(blocks))


class _Reader:
    """A reader of JSON that knows where everything stands; Python's own does not say."""

    def __init__(self, text: str, file: str) -> None:
        self.text, self.file, self.at = text, file, 0
        self.lines = Scan.lines(text)

    def fail(self, at: int, problem: str) -> InputError:
        return InputError(self.file, *self.place(at), f"this is not JSON: {problem}")

    def place(self, at: int) -> tuple[int, int]:
        return Scan.place_in(self.lines, at)

    def skip(self) -> str:
        match = _BLANK.match(self.text, self.at)
        assert match is not None
        self.at = match.end()
        return self.text[self.at : self.at + 1]

    def whole(self) -> _Json:
        value = self.value(0)
        if self.skip():
            raise self.fail(self.at, "the file goes on after its end")
        return value

    def value(self, depth: int) -> _Json:
        char, start = self.skip(), self.at
        if depth > DEEPEST:
            raise self.fail(start, f"more than {DEEPEST} brackets inside each other")
        if char == '"':
            return self.string()
        if char == "{":
            return self.object(depth)
        if char == "[":
            return self.array(depth)
        if match := _NUMBER.match(self.text, start):
            self.at = match.end()
            return float(match[0]) if match[2] or match[3] else int(match[0])
        if match := re.compile(r"true|false|null").match(self.text, start):
            self.at = match.end()
            return _WORDS[match[0]]
        raise self.fail(start, "a value expected here" if char else "the end of the file; was it cut?")

    def string(self) -> str:
        start = self.at
        try:
            value, self.at = scanstring(self.text, start + 1, True)
        except ValueError:
            raise self.fail(
                start, 'the text that begins here has no closing ", or a character that needs a \\'
            ) from None
        return str(value)

    def object(self, depth: int) -> _Object:
        pairs: list[_Pair] = []
        self.at += 1
        while self.skip() != "}":
            if pairs:
                self.expect(",")
            if self.skip() != '"':
                raise self.fail(self.at, "a name in quotes expected here")
            start = self.at
            name = self.string()
            self.skip()
            self.expect(":")
            value = self.value(depth + 1)
            pairs.append(_Pair(name, value, start, self.at))
        self.at += 1
        return _Object(tuple(pairs))

    def array(self, depth: int) -> list[_Json]:
        values: list[_Json] = []
        self.at += 1
        while self.skip() != "]":
            if values:
                self.expect(",")
            values.append(self.value(depth + 1))
        self.at += 1
        return values

    def expect(self, mark: str) -> None:
        if self.skip() != mark:
            raise self.fail(self.at, f'"{mark}" expected here')
        self.at += 1


class _Builder:
    """Makes blocks of objects, by what OpenTofu expects in each place."""

    def __init__(self, reader: _Reader, file: str, literal: bool) -> None:
        self.reader, self.file, self.literal = reader, file, literal

    def top(self, pair: _Pair) -> list[Block]:
        return self.labelled(pair.name, pair, (), _LABELS.get(pair.name, 0))

    def labelled(self, kind: str, pair: _Pair, labels: tuple[str, ...], left: int) -> list[Block]:
        """Go down as many labels as this kind of block has."""
        found: list[Block] = []
        for each in pair.value if isinstance(pair.value, list) else [pair.value]:
            if not isinstance(each, _Object):
                raise InputError(self.file, *self.reader.place(pair.start), f'"{pair.name}" has to be an object')
            if not left:
                found.append(self.block(kind, labels, pair, each))
                continue
            for inner in each.pairs:
                if inner.name != "//":
                    found.extend(self.labelled(kind, inner, (*labels, inner.name), left - 1))
        return found

    def block(self, kind: str, labels: tuple[str, ...], pair: _Pair, body: _Object) -> Block:
        attributes: list[Attribute] = []
        blocks: list[Block] = []
        for inner in body.pairs:
            if inner.name == "//":
                continue
            objects = inner.value if isinstance(inner.value, list) else [inner.value]
            nested = all(isinstance(each, _Object) for each in objects)
            if inner.name == "dynamic" and nested:
                blocks.extend(self.labelled("dynamic", inner, (), 1))
            elif inner.name in _BLOCKS and nested:
                blocks.extend(self.labelled(inner.name, inner, (), 0))
            else:
                attributes.append(self.attribute(inner))
        last = self.reader.place(pair.end)[0]
        return Block(kind, labels, tuple(attributes), tuple(blocks), self.span(pair), last)

    def attribute(self, pair: _Pair) -> Attribute:
        places = {}
        if isinstance(pair.value, _Object):
            places = {each.name: self.span(each) for each in pair.value.pairs}
        if not self.literal and pair.name in ("type", "provider", "depends_on", "ignore_changes"):
            return Attribute(pair.name, self.bare(pair.value), self.span(pair), places)
        return Attribute(pair.name, self.value(pair.value), self.span(pair), places)

    def span(self, pair: _Pair) -> Span:
        line, column = self.reader.place(pair.start)
        last, end = self.reader.place(pair.end)
        return Span(self.file, line, column, end if last == line else 0)

    def value(self, value: _Json) -> Value:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.value(each) for each in value]
        if isinstance(value, _Object):
            return {each.name: self.value(each.value) for each in value.pairs}
        return value

    def text(self, value: str) -> Value:
        """Return a text, which outside of files of variables is a template."""
        if self.literal or ("${" not in value and "%{" not in value):
            return value
        try:
            return syntax.template(value, self.file)
        except InputError:
            return Expression(value)

    def bare(self, value: _Json) -> Value:
        """Return what JSON writes in quotes but OpenTofu reads as an expression: types, mostly."""
        if isinstance(value, str) and "${" not in value:
            try:
                found = syntax.expression(value, self.file)
            except InputError:
                return value
            return value if isinstance(found, Expression) and not found.call else found
        return self.value(value)
