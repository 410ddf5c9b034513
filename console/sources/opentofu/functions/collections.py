"""OpenTofu's functions of lists, maps and sets."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from itertools import product

from console.sources.opentofu.functions.values import (
    LARGEST,
    Unknown,
    Wrong,
    boolean,
    certain,
    distinct,
    huge,
    listed,
    mapped,
    number,
    same,
    string,
    unique,
)
from console.sources.opentofu.values import Expression, Value


def _length(arguments: list[Value]) -> Value:
    (value,) = arguments
    if isinstance(value, str):
        return len(value)
    return len(value if isinstance(value, list) else mapped(value))


def _element(arguments: list[Value]) -> Value:
    values, index = listed(arguments[0]), number(arguments[1])
    if not values or not isinstance(index, int) or index < 0:
        raise Wrong("element() of nothing")
    return values[index % len(values)]


def _lookup(arguments: list[Value]) -> Value:
    table, key, *rest = arguments
    found = mapped(table)
    if string(key) in found:
        return found[string(key)]
    if not rest:
        raise Wrong(f"it has no key {string(key)}")
    return rest[0]


def _merge(arguments: list[Value]) -> Value:
    result: dict[str, Value] = {}
    for each in arguments:
        if each is not None:
            result.update(mapped(each))
    return result


def _flatten(arguments: list[Value]) -> Value:
    found: list[Value] = []
    for each in listed(arguments[0]):
        if isinstance(each, Expression):
            raise Unknown(each.reason or f"{each.text} is not known")
        if isinstance(each, list):
            deeper = _flatten([each])
            found.extend(deeper if isinstance(deeper, list) else [])
        else:
            found.append(each)
        if len(found) > LARGEST:
            huge()
    return found


def _concat(arguments: list[Value]) -> Value:
    return [each for values in arguments for each in listed(values)]


def _contains(arguments: list[Value]) -> Value:
    return any(same(certain(each), certain(arguments[1])) for each in listed(arguments[0]))


def _index(arguments: list[Value]) -> Value:
    for index, each in enumerate(listed(arguments[0])):
        if same(certain(each), certain(arguments[1])):
            return index
    raise Wrong("it is not in the list")


def _keys(arguments: list[Value]) -> Value:
    return list[Value](sorted(mapped(arguments[0])))


def _values(arguments: list[Value]) -> Value:
    table = mapped(arguments[0])
    return [table[key] for key in sorted(table)]


def _zipmap(arguments: list[Value]) -> Value:
    keys, values = listed(arguments[0]), listed(arguments[1])
    if len(keys) != len(values):
        raise Wrong("zipmap() of unequal lists")
    return {string(key): value for key, value in zip(keys, values, strict=True)}


def _slice(arguments: list[Value]) -> Value:
    values, start, end = listed(arguments[0]), number(arguments[1]), number(arguments[2])
    if not isinstance(start, int) or not isinstance(end, int) or not 0 <= start <= end <= len(values):
        raise Wrong("slice() beyond the list")
    return values[start:end]


def _sets(combine: Callable[[list[str], list[str]], list[str]]) -> Callable[[list[Value]], Value]:
    """Return a function of sets, which are compared by what they hold."""

    def run(arguments: list[Value]) -> Value:
        held: dict[str, Value] = {}
        marks: list[list[str]] = []
        for values in arguments:
            marks.append([])
            for each in listed(values):
                mark = json.dumps(certain(each), sort_keys=True)
                held[mark] = each
                marks[-1].append(mark)
        left = marks[0]
        for right in marks[1:]:
            left = combine(left, right)
        return unique([held[mark] for mark in left])

    return run


def _setproduct(arguments: list[Value]) -> Value:
    lists = [listed(each) for each in arguments]
    if math.prod(len(each) for each in lists) > 4096:
        huge()
    return [list(each) for each in product(*lists)]


def _chunks(arguments: list[Value]) -> Value:
    values, size = listed(arguments[0]), number(arguments[1])
    if not isinstance(size, int) or size < 1:
        raise Wrong("chunklist() needs a size")
    return [values[at : at + size] for at in range(0, len(values), size)]


def _one(arguments: list[Value]) -> Value:
    values = listed(arguments[0])
    if len(values) > 1:
        raise Wrong("one() of several")
    return values[0] if values else None


def _coalesce(arguments: list[Value]) -> Value:
    for each in arguments:
        if certain(each) not in (None, ""):
            return each
    raise Wrong("coalesce() of nothing")


def _coalescelist(arguments: list[Value]) -> Value:
    for each in arguments:
        if listed(each):
            return each
    raise Wrong("coalescelist() of nothing")


def _all(arguments: list[Value]) -> Value:
    return all(boolean(each) for each in listed(arguments[0]))


def _any(arguments: list[Value]) -> Value:
    return any(boolean(each) for each in listed(arguments[0]))


def _sorted(arguments: list[Value]) -> Value:
    return list[Value](sorted(string(each) for each in listed(arguments[0])))


def _compact(arguments: list[Value]) -> Value:
    return [each for each in listed(arguments[0]) if certain(each) not in (None, "")]


def _reversed(arguments: list[Value]) -> Value:
    return list(reversed(listed(arguments[0])))


FUNCTIONS: dict[str, Callable[[list[Value]], Value]] = {
    "alltrue": _all,
    "anytrue": _any,
    "chunklist": _chunks,
    "coalesce": _coalesce,
    "coalescelist": _coalescelist,
    "compact": _compact,
    "concat": _concat,
    "contains": _contains,
    "distinct": distinct,
    "element": _element,
    "flatten": _flatten,
    "index": _index,
    "keys": _keys,
    "length": _length,
    "lookup": _lookup,
    "merge": _merge,
    "one": _one,
    "reverse": _reversed,
    "setintersection": _sets(lambda left, right: [each for each in left if each in set(right)]),
    "setproduct": _setproduct,
    "setsubtract": _sets(lambda left, right: [each for each in left if each not in set(right)]),
    "setunion": _sets(lambda left, right: left + right),
    "slice": _slice,
    "sort": _sorted,
    "values": _values,
    "zipmap": _zipmap,
}
