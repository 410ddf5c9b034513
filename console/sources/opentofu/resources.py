"""Resources and devices of OpenTofu files, with their values followed."""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec import Struct

from console.model import Span
from console.sources.opentofu.functions import text
from console.sources.opentofu.path import Copy
from console.sources.opentofu.scope import Scope
from console.sources.opentofu.values import Block, Value


class Device(Struct, frozen=True):
    """A device of an instance or profile, with its properties followed to their values."""

    name: str
    type: str
    properties: dict[str, Value]
    places: dict[str, Span]
    source: Span
    last: int
    scope: Scope

    def get(self, name: str) -> str | None:
        """Return a property as text, a reference by its name."""
        value = self.properties.get(name)
        return None if value is None or isinstance(value, list | dict) else text(value)


def resources(scope: Scope, kind: re.Pattern[str]) -> Iterator[tuple[Block, Copy]]:
    """Yield the resources of a kind, each with the copies that it stands for."""
    for block in scope.blocks:
        if block.kind == "resource" and len(block.labels) == 2 and kind.fullmatch(block.labels[0]):
            for copy in scope.copies(block):
                if not scope.root.make(block.span):
                    return
                yield block, copy


def said(scope: Scope, block: Block, name: str, copy: Copy) -> str | None:
    """Return an attribute as text, a reference by its name; None when it is absent."""
    attribute = block.get(name)
    value = scope.value(attribute.value, copy.bindings) if attribute else None
    return None if value is None or isinstance(value, list | dict) else text(value)


def table(scope: Scope, block: Block, name: str, copy: Copy) -> dict[str, Value]:
    """Return an attribute that is an object; empty when it is none."""
    attribute = block.get(name)
    value = scope.value(attribute.value, copy.bindings) if attribute else None
    return value if isinstance(value, dict) else {}
