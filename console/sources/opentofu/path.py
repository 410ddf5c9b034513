"""References by their steps: `a.b[0]["c"]` as text, followed into a value, and the copies that a block stands for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from msgspec import Struct

from console.sources.opentofu.functions import Asked, Partial, Unknown, Wrong, text
from console.sources.opentofu.values import Expression, Value

Step: TypeAlias = "str | int"
"""One step of a reference: a name, or the key or index in brackets."""

Bindings: TypeAlias = Mapping[str, Value]
"""Names that hold for one copy of a block: `each`, `count`, and the iterator of a dynamic block."""

_ROOT = re.compile(r"\s*([^\W\d][\w-]*)")
_STEP = re.compile(r"\s*(?:\.\s*([^\W\d][\w-]*|\d+)|\[\s*(?:(\d+)|\"([^\"\\]*)\")\s*\])")


class Copy(Struct, frozen=True):
    """One object that a block stands for, by its `count` or `for_each`; `bindings` are what its expressions see."""

    bindings: dict[str, Value] = {}
    known: bool = True
    """Whether the number of copies is known; when it is not, one stands for all."""

    def index(self) -> tuple[Step, ...]:
        """Return what tells this copy from the others: the key of `for_each`, the index of `count`, or nothing."""
        found: list[Step] = []
        for name, part in (("each", "key"), ("count", "index")):
            binding = self.bindings.get(name)
            if isinstance(binding, dict) and isinstance(key := binding.get(part), str | int):
                found.append(key)
        return tuple(found)


def known(value: Value) -> str | None:
    """Return the text of a literal string or number; None for anything else."""
    return text(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else None


def path(source: str) -> list[Step]:
    """Split a.b[0]["c"] into its steps; empty when it is anything else."""
    match = _ROOT.match(source)
    if not match:
        return []
    steps: list[Step] = [match[1]]
    at = match.end()
    while step := _STEP.match(source, at):
        name, index, quoted = step.groups()
        if index is not None:
            steps.append(int(index[:9]))
        else:
            steps.append(name if name is not None else quoted)
        at = step.end()
    return steps if not source[at:].strip() else []


def walk(value: Value, steps: Sequence[Step]) -> Value:
    """Follow steps into a value; raises `Unknown`, or `Wrong` when it certainly has no such part."""
    for step in steps:
        if isinstance(value, Expression):
            raise Unknown(value.reason or f"{value.text} is not known")
        if isinstance(value, dict) and str(step) in value:
            value = value[str(step)]
        elif isinstance(value, list) and str(step).isdecimal() and int(step) < len(value):
            value = value[int(step)]
        elif isinstance(value, Partial):
            raise Unknown("the provider decides it")
        elif isinstance(value, dict) and any(isinstance(key, Asked) for key in value):
            raise Unknown("not all of its keys are known")
        else:
            raise Wrong(f"it has no {step}")
    return value
