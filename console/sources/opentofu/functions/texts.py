"""OpenTofu's functions of texts."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from console.sources.opentofu.functions.encodings import jsonencode
from console.sources.opentofu.functions.values import (
    LARGEST,
    Unknown,
    Wrong,
    boolean,
    certain,
    huge,
    listed,
    number,
    of_texts,
    string,
    text,
)
from console.sources.opentofu.values import Value

_VERB = re.compile(r"%(?:%|([-+ 0]?)(\d{0,3})(?:\.(\d{1,3}))?([sdvqfxXot]))")


def _format(arguments: list[Value]) -> Value:
    pattern, values = string(arguments[0]), arguments[1:]
    used = 0

    def fill(match: re.Match[str]) -> str:
        nonlocal used
        if match[0] == "%%":
            return "%"
        if used >= len(values):
            raise Wrong("format() has too few values")
        value = certain(values[used])
        used += 1
        return _verb(match, value)

    if "%" in _VERB.sub("", pattern):
        raise Unknown("format() has a verb that is not worked out here")
    return _VERB.sub(fill, pattern)


def _verb(match: re.Match[str], value: Value) -> str:
    flag, width, precision, verb = match[1], int(match[2] or 0), match[3], match[4]
    if verb in "dxXo":
        found = number(value)
        if not isinstance(found, int):
            raise Wrong("format() needs a whole number")
        word = format(found, f"{'+' if flag == '+' else ''}{verb}")
    elif verb == "f":
        word = format(number(value), f".{precision or 6}f")
    elif verb == "t":
        word = text(boolean(value))
    elif verb == "q":
        word = json.dumps(string(value), ensure_ascii=False)
    elif isinstance(value, list | dict):
        word = jsonencode([value])
    else:
        word = string(value)[: int(precision) if precision else None]
    if flag == "-":
        return word.ljust(width)
    if flag == "0" and verb in "dxXof":
        return word.zfill(width)
    return word.rjust(width)


def _formatlist(arguments: list[Value]) -> Value:
    lists = [len(each) for each in arguments[1:] if isinstance(each, list)]
    if len(set(lists)) > 1:
        raise Wrong("formatlist() of unequal lists")
    count = lists[0] if lists else 1
    rows = [[each[n] if isinstance(each, list) else each for each in arguments[1:]] for n in range(count)]
    return [_format([arguments[0], *row]) for row in rows]


def _join(arguments: list[Value]) -> Value:
    words = [string(each) for values in arguments[1:] for each in listed(values)]
    if sum(map(len, words)) > LARGEST:
        huge()
    return string(arguments[0]).join(words)


def _split(separator: str, whole: str) -> Value:
    return list(whole.split(separator) if separator else whole)


def _replace(whole: str, old: str, new: str) -> Value:
    if len(old) > 1 and old.startswith("/") and old.endswith("/"):
        raise Unknown("regular expressions are not worked out here")
    if len(whole) * (len(new) + 1) > LARGEST * 16:
        huge()
    return whole.replace(old, new)


def _substr(arguments: list[Value]) -> Value:
    whole, offset, length = string(arguments[0]), number(arguments[1]), number(arguments[2])
    if not isinstance(offset, int) or not isinstance(length, int):
        raise Wrong("substr() needs whole numbers")
    offset += len(whole) if offset < 0 else 0
    return whole[max(offset, 0) : None if length < 0 else max(offset, 0) + length]


def _indent(arguments: list[Value]) -> Value:
    count, whole = number(arguments[0]), string(arguments[1])
    if not isinstance(count, int) or not 0 <= count <= 200 or (count + 1) * len(whole) > LARGEST * 16:
        huge()
    return whole.replace("\n", "\n" + " " * int(count))


FUNCTIONS: dict[str, Callable[[list[Value]], Value]] = {
    "chomp": of_texts(lambda whole: whole.rstrip("\r\n")),
    "endswith": of_texts(lambda whole, end: whole.endswith(end)),
    "format": _format,
    "formatlist": _formatlist,
    "indent": _indent,
    "join": _join,
    "lower": of_texts(str.lower),
    "replace": of_texts(_replace),
    "split": of_texts(_split),
    "startswith": of_texts(lambda whole, begin: whole.startswith(begin)),
    "strcontains": of_texts(lambda whole, part: part in whole),
    "strrev": of_texts(lambda whole: whole[::-1]),
    "substr": _substr,
    "title": of_texts(lambda whole: re.sub(r"(?<!\S)\w", lambda match: match[0].upper(), whole)),
    "trim": of_texts(lambda whole, marks: whole.strip(marks)),
    "trimprefix": of_texts(str.removeprefix),
    "trimspace": of_texts(str.strip),
    "trimsuffix": of_texts(str.removesuffix),
    "upper": of_texts(str.upper),
}
