"""OpenTofu's conversions between types."""

from __future__ import annotations

from collections.abc import Callable

from console.sources.opentofu.functions.values import boolean, listed, mapped, number, string, unique
from console.sources.opentofu.values import Value


def _tostring(arguments: list[Value]) -> Value:
    return None if arguments[0] is None else string(arguments[0])


def _tonumber(arguments: list[Value]) -> Value:
    return None if arguments[0] is None else number(arguments[0])


def _tobool(arguments: list[Value]) -> Value:
    return None if arguments[0] is None else boolean(arguments[0])


def _tolist(arguments: list[Value]) -> Value:
    return list(listed(arguments[0]))


def _toset(arguments: list[Value]) -> Value:
    values = listed(arguments[0])
    if len({type(each) for each in values}) > 1 and any(isinstance(each, str) for each in values):
        values = [string(each) for each in values]
    return unique(values)


def _tomap(arguments: list[Value]) -> Value:
    return dict(mapped(arguments[0]))


def _same_value(arguments: list[Value]) -> Value:
    return arguments[0]


FUNCTIONS: dict[str, Callable[[list[Value]], Value]] = {
    "nonsensitive": _same_value,
    "sensitive": _same_value,
    "tobool": _tobool,
    "tolist": _tolist,
    "tomap": _tomap,
    "tonumber": _tonumber,
    "toset": _toset,
    "tostring": _tostring,
}
