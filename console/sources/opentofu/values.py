"""What HCL text becomes: documents, blocks, attributes and values, each with its place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from msgspec import Struct

from console.model import Span


class Expression(Struct, frozen=True, gc=False):
    """What is not a literal; `text` is its source, `reason` why its value is not known, once that was tried.

    A template has `parts`. A call has its function's name in `call`, or else one of
    `?` `!` `neg` and the binary operators; `...` (the last argument, spread);
    `.` (base, step…) and `[*]` (base, step…);
    `for` (names, collection, key, value, condition, grouped), where a list has the key None;
    `{}` (key, value, key, value…) for an object with computed keys;
    `%if` (condition, then, else) and `%for` (names, collection, body) in templates."""

    text: str
    parts: tuple[Value, ...] = ()
    call: str = ""
    arguments: tuple[Value, ...] = ()
    reason: str = ""


Value: TypeAlias = "str | int | float | bool | Expression | list[Value] | dict[str, Value] | None"


class Attribute(Struct, frozen=True, gc=False):
    """`name = value`; for an object, `places` are those of its own keys."""

    name: str
    value: Value
    span: Span
    places: dict[str, Span] = {}


class Block(Struct, frozen=True, gc=False):
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


class Document(Struct, frozen=True, gc=False):
    """One file: its attributes (a *.tfvars has only these), blocks, and its comments by line, without their marks."""

    file: str
    attributes: tuple[Attribute, ...] = ()
    blocks: tuple[Block, ...] = ()
    comments: dict[int, str] = {}
