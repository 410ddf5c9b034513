"""What OpenTofu's functions take and give: known values, their conversions, and why there is none."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable

from console.sources.opentofu.values import Expression, Value

TOO_LARGE = "it grows too large to work out here"

LARGEST = 65536
"""Characters of a text, entries of a collection: templates of templates double with every step."""


class Unknown(Exception):
    """The outcome cannot be known from the files; the argument is the reason, in words."""


class Wrong(Unknown):
    """OpenTofu would refuse this: `try` and `can` go on after it."""


class Asked(str):
    """A key of an object that is not known; as text it is its own source."""


class Partial(dict[str, Value]):
    """A resource: what its block says; all else is the provider's."""


def text(value: Value) -> str:
    """Return a value as a template writes it; an expression by its own text, a collection as "…"."""
    if isinstance(value, Expression):
        return value.text
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return ""
    if isinstance(value, list | dict):
        return "…"
    return str(plain(value)) if isinstance(value, float) else str(value)


def plain(number: float) -> int | float:
    """Return a whole number as such, when it is exact."""
    return int(number) if isinstance(number, float) and number.is_integer() and abs(number) < 1e18 else number


def huge() -> Value:
    """Raise `Unknown`: the outcome would be too large."""
    raise Unknown(TOO_LARGE)


def certain(value: Value, room: list[int] | None = None) -> Value:
    """Return a value that is known through and through; raises `Unknown` otherwise, or when it is too large."""
    room = [LARGEST] if room is None else room
    room[0] -= 1
    if room[0] < 0:
        raise Unknown(TOO_LARGE)
    if isinstance(value, Expression):
        raise Unknown(value.reason or f"{value.text} is not known")
    if isinstance(value, Partial):
        raise Unknown("the provider decides the rest of it")
    if isinstance(value, list):
        for each in value:
            certain(each, room)
    elif isinstance(value, dict):
        for key, each in value.items():
            if isinstance(key, Asked):
                raise Unknown(f"the key {key} is not known")
            certain(each, room)
    return value


def string(value: Value) -> str:
    """Return a text, number or bool as text; raises `Wrong` for anything else."""
    certain(value)
    if value is None or isinstance(value, list | dict):
        raise Wrong("a text is needed")
    return text(value)


def number(value: Value) -> int | float:
    """Return a number, or the one a text spells; raises `Wrong` otherwise."""
    certain(value)
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise Wrong("a number is needed")
    if not isinstance(value, str):
        return plain(value)
    if not re.fullmatch(r"[+-]?(\d{1,4000}\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", value):
        raise Wrong("a number is needed")
    found = float(value) if re.search(r"[.eE]", value) else int(value)
    if isinstance(found, float) and not math.isfinite(found):
        raise Unknown(TOO_LARGE)
    return plain(found)


def boolean(value: Value) -> bool:
    """Return a bool, or the one a text spells; raises `Wrong` otherwise."""
    certain(value)
    if isinstance(value, bool):
        return value
    if value in ("true", "false") and isinstance(value, str):
        return value == "true"
    raise Wrong("true or false is needed")


def same(one: Value, other: Value) -> bool:
    """Compare as OpenTofu does: 1 is not "1", and not true."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(same(a, b) for a, b in zip(one, other, strict=True))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return (one is None) == (other is None) and one == other


def listed(value: Value) -> list[Value]:
    """Return a list; raises `Unknown`, or `Wrong` for anything else."""
    if isinstance(value, Expression):
        raise Unknown(value.reason or f"{value.text} is not known")
    if not isinstance(value, list):
        raise Wrong("a list is needed")
    return value


def mapped(value: Value) -> dict[str, Value]:
    """Return a map whose keys are all known; raises `Unknown`, or `Wrong` for anything else."""
    if isinstance(value, Expression):
        raise Unknown(value.reason or f"{value.text} is not known")
    if isinstance(value, Partial) or (isinstance(value, dict) and any(isinstance(key, Asked) for key in value)):
        raise Unknown("not all of its keys are known")
    if not isinstance(value, dict):
        raise Wrong("a map is needed")
    return value


def of_texts(function: Callable[..., Value]) -> Callable[[list[Value]], Value]:
    """Return a function whose arguments are all texts."""
    return lambda arguments: function(*(string(each) for each in arguments))


def _order(value: Value) -> tuple[int, float, str]:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return (0, value, "")
    return (1, 0, text(value) if not isinstance(value, list | dict) else json.dumps(value, default=str))


def unique(values: list[Value]) -> list[Value]:
    """Return each value once, in the order of a set."""
    return sorted(distinct([values]), key=_order)


def distinct(arguments: list[Value]) -> list[Value]:
    """Return each value of a list once, in its order."""
    kept: list[Value] = []
    seen: set[str] = set()
    for each in listed(arguments[0]):
        mark = f"{type(certain(each)).__name__}{json.dumps(each, sort_keys=True)}"
        if mark not in seen:
            seen.add(mark)
            kept.append(each)
    return kept
