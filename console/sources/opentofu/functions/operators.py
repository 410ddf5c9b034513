"""OpenTofu's binary operators over known values, && and || excepted."""

from __future__ import annotations

import math
from collections.abc import Callable

from console.sources.opentofu.functions.values import TOO_LARGE, Unknown, Wrong, certain, huge, number, plain, same
from console.sources.opentofu.values import Value


def operate(operator: str, one: Value, other: Value) -> Value:
    """Return the outcome of a binary operator, && and || excepted."""
    if operator in ("==", "!="):
        return same(certain(one), certain(other)) == (operator == "==")
    left, right = number(one), number(other)
    if operator in ("/", "%") and right == 0:
        raise Wrong("division by zero")
    try:
        return _OPERATORS[operator](left, right)
    except OverflowError:
        raise Unknown(TOO_LARGE) from None


_OPERATORS: dict[str, Callable[[int | float, int | float], Value]] = {
    "+": lambda a, b: plain(a + b),
    "-": lambda a, b: plain(a - b),
    "*": lambda a, b: plain(a * b) if abs(a) < 1e300 and abs(b) < 1e300 else huge(),
    "/": lambda a, b: a // b if isinstance(a, int) and isinstance(b, int) and a % b == 0 else plain(a / b),
    "%": lambda a, b: plain(math.fmod(a, b)) if abs(a) > 1 << 53 or isinstance(a + b, float) else _remainder(a, b),
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
    "<=": lambda a, b: a <= b,
    ">=": lambda a, b: a >= b,
}


def _remainder(a: int | float, b: int | float) -> int | float:
    """Return the remainder with the sign of the dividend, as Go has it."""
    found = abs(a) % abs(b)
    return -found if a < 0 else found


OPERATORS = frozenset(_OPERATORS) | {"==", "!="}
