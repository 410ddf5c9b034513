"""OpenTofu's functions of numbers."""

from __future__ import annotations

import math
from collections.abc import Callable

from console.sources.opentofu.functions.values import Wrong, listed, number, plain, string
from console.sources.opentofu.values import Value


def _range(arguments: list[Value]) -> Value:
    numbers = [number(each) for each in arguments]
    start, limit = (0, numbers[0]) if len(numbers) == 1 else numbers[:2]
    step = numbers[2] if len(numbers) == 3 else (1 if start <= limit else -1)
    if step == 0 or (limit - start) / step > 1024:
        raise Wrong("range() of more than 1024 numbers")
    found: list[Value] = []
    while (start < limit) if step > 0 else (start > limit):
        found.append(plain(start))
        start += step
    return found


def _sum(arguments: list[Value]) -> Value:
    return plain(sum(number(each) for each in listed(arguments[0])))


def _numbers(pick: Callable[[list[int | float]], Value]) -> Callable[[list[Value]], Value]:
    return lambda arguments: pick([number(each) for each in arguments])


def _parseint(arguments: list[Value]) -> Value:
    try:
        return int(string(arguments[0]), int(number(arguments[1])))
    except ValueError:
        raise Wrong("this is no whole number") from None


FUNCTIONS: dict[str, Callable[[list[Value]], Value]] = {
    "abs": lambda arguments: abs(number(arguments[0])),
    "ceil": lambda arguments: math.ceil(number(arguments[0])),
    "floor": lambda arguments: math.floor(number(arguments[0])),
    "max": _numbers(max),
    "min": _numbers(min),
    "parseint": _parseint,
    "range": _range,
    "signum": lambda arguments: (number(arguments[0]) > 0) - (number(arguments[0]) < 0),
    "sum": _sum,
}
