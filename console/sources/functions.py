"""OpenTofu's pure functions and operators over known values; what they cannot tell raises `Unknown` with a reason."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import posixpath
import re
from collections.abc import Callable
from ipaddress import ip_network
from itertools import product
from urllib.parse import quote_plus

from console.sources.hcl_values import Expression, Value

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
    return str(_plain(value)) if isinstance(value, float) else str(value)


def _plain(number: float) -> int | float:
    return int(number) if isinstance(number, float) and number.is_integer() and abs(number) < 1e18 else number


def certain(value: Value, room: list[int] | None = None) -> Value:
    """Return a value that is known through and through; raises `Unknown` otherwise, or when it is too large."""
    room = [LARGEST] if room is None else room
    room[0] -= 1
    if room[0] < 0:
        raise Unknown("it grows too large to work out here")
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
        return _plain(value)
    if not re.fullmatch(r"[+-]?(\d{1,4000}\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", value):
        raise Wrong("a number is needed")
    found = float(value) if re.search(r"[.eE]", value) else int(value)
    if isinstance(found, float) and not math.isfinite(found):
        raise Unknown("it grows too large to work out here")
    return _plain(found)


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
        raise Unknown("it grows too large to work out here") from None


_OPERATORS: dict[str, Callable[[int | float, int | float], Value]] = {
    "+": lambda a, b: _plain(a + b),
    "-": lambda a, b: _plain(a - b),
    "*": lambda a, b: _plain(a * b) if abs(a) < 1e300 and abs(b) < 1e300 else _huge(),
    "/": lambda a, b: a // b if isinstance(a, int) and isinstance(b, int) and a % b == 0 else _plain(a / b),
    "%": lambda a, b: _plain(math.fmod(a, b)) if abs(a) > 1 << 53 or isinstance(a + b, float) else _remainder(a, b),
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
    "<=": lambda a, b: a <= b,
    ">=": lambda a, b: a >= b,
}


def _huge() -> Value:
    raise Unknown("it grows too large to work out here")


def _remainder(a: int | float, b: int | float) -> int | float:
    """Return the remainder with the sign of the dividend, as Go has it."""
    found = abs(a) % abs(b)
    return -found if a < 0 else found


OPERATORS = frozenset(_OPERATORS) | {"==", "!="}


# ── collections ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _list(value: Value) -> list[Value]:
    if isinstance(value, Expression):
        raise Unknown(value.reason or f"{value.text} is not known")
    if not isinstance(value, list):
        raise Wrong("a list is needed")
    return value


def _table(value: Value) -> dict[str, Value]:
    if isinstance(value, Expression):
        raise Unknown(value.reason or f"{value.text} is not known")
    if isinstance(value, Partial) or (isinstance(value, dict) and any(isinstance(key, Asked) for key in value)):
        raise Unknown("not all of its keys are known")
    if not isinstance(value, dict):
        raise Wrong("a map is needed")
    return value


def _order(value: Value) -> tuple[int, float, str]:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return (0, value, "")
    return (1, 0, text(value) if not isinstance(value, list | dict) else json.dumps(value, default=str))


def unique(values: list[Value]) -> list[Value]:
    """Return each value once, in the order of a set."""
    return sorted(_distinct([values]), key=_order)


def _distinct(arguments: list[Value]) -> list[Value]:
    kept: list[Value] = []
    seen: set[str] = set()
    for each in _list(arguments[0]):
        mark = f"{type(certain(each)).__name__}{json.dumps(each, sort_keys=True)}"
        if mark not in seen:
            seen.add(mark)
            kept.append(each)
    return kept


def _length(arguments: list[Value]) -> Value:
    (value,) = arguments
    if isinstance(value, str):
        return len(value)
    return len(value if isinstance(value, list) else _table(value))


def _element(arguments: list[Value]) -> Value:
    values, index = _list(arguments[0]), number(arguments[1])
    if not values or not isinstance(index, int) or index < 0:
        raise Wrong("element() of nothing")
    return values[index % len(values)]


def _lookup(arguments: list[Value]) -> Value:
    table, key, *rest = arguments
    found = _table(table)
    if string(key) in found:
        return found[string(key)]
    if not rest:
        raise Wrong(f"it has no key {string(key)}")
    return rest[0]


def _merge(arguments: list[Value]) -> Value:
    result: dict[str, Value] = {}
    for each in arguments:
        if each is not None:
            result.update(_table(each))
    return result


def _flatten(arguments: list[Value]) -> Value:
    found: list[Value] = []
    for each in _list(arguments[0]):
        if isinstance(each, Expression):
            raise Unknown(each.reason or f"{each.text} is not known")
        if isinstance(each, list):
            deeper = _flatten([each])
            found.extend(deeper if isinstance(deeper, list) else [])
        else:
            found.append(each)
        if len(found) > LARGEST:
            _huge()
    return found


def _concat(arguments: list[Value]) -> Value:
    return [each for values in arguments for each in _list(values)]


def _contains(arguments: list[Value]) -> Value:
    return any(same(certain(each), certain(arguments[1])) for each in _list(arguments[0]))


def _index(arguments: list[Value]) -> Value:
    for index, each in enumerate(_list(arguments[0])):
        if same(certain(each), certain(arguments[1])):
            return index
    raise Wrong("it is not in the list")


def _keys(arguments: list[Value]) -> Value:
    return list[Value](sorted(_table(arguments[0])))


def _values(arguments: list[Value]) -> Value:
    table = _table(arguments[0])
    return [table[key] for key in sorted(table)]


def _zipmap(arguments: list[Value]) -> Value:
    keys, values = _list(arguments[0]), _list(arguments[1])
    if len(keys) != len(values):
        raise Wrong("zipmap() of unequal lists")
    return {string(key): value for key, value in zip(keys, values, strict=True)}


def _slice(arguments: list[Value]) -> Value:
    values, start, end = _list(arguments[0]), number(arguments[1]), number(arguments[2])
    if not isinstance(start, int) or not isinstance(end, int) or not 0 <= start <= end <= len(values):
        raise Wrong("slice() beyond the list")
    return values[start:end]


def _range(arguments: list[Value]) -> Value:
    numbers = [number(each) for each in arguments]
    start, limit = (0, numbers[0]) if len(numbers) == 1 else numbers[:2]
    step = numbers[2] if len(numbers) == 3 else (1 if start <= limit else -1)
    if step == 0 or (limit - start) / step > 1024:
        raise Wrong("range() of more than 1024 numbers")
    found: list[Value] = []
    while (start < limit) if step > 0 else (start > limit):
        found.append(_plain(start))
        start += step
    return found


def _sets(combine: Callable[[list[str], list[str]], list[str]]) -> Callable[[list[Value]], Value]:
    """Return a function of sets, which are compared by what they hold."""

    def run(arguments: list[Value]) -> Value:
        held: dict[str, Value] = {}
        marks: list[list[str]] = []
        for values in arguments:
            marks.append([])
            for each in _list(values):
                mark = json.dumps(certain(each), sort_keys=True)
                held[mark] = each
                marks[-1].append(mark)
        left = marks[0]
        for right in marks[1:]:
            left = combine(left, right)
        return unique([held[mark] for mark in left])

    return run


def _setproduct(arguments: list[Value]) -> Value:
    lists = [_list(each) for each in arguments]
    if math.prod(len(each) for each in lists) > 4096:
        _huge()
    return [list(each) for each in product(*lists)]


def _chunks(arguments: list[Value]) -> Value:
    values, size = _list(arguments[0]), number(arguments[1])
    if not isinstance(size, int) or size < 1:
        raise Wrong("chunklist() needs a size")
    return [values[at : at + size] for at in range(0, len(values), size)]


def _one(arguments: list[Value]) -> Value:
    values = _list(arguments[0])
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
        if _list(each):
            return each
    raise Wrong("coalescelist() of nothing")


def _all(arguments: list[Value]) -> Value:
    return all(boolean(each) for each in _list(arguments[0]))


def _any(arguments: list[Value]) -> Value:
    return any(boolean(each) for each in _list(arguments[0]))


def _sum(arguments: list[Value]) -> Value:
    return _plain(sum(number(each) for each in _list(arguments[0])))


def _sorted(arguments: list[Value]) -> Value:
    return list[Value](sorted(string(each) for each in _list(arguments[0])))


def _compact(arguments: list[Value]) -> Value:
    return [each for each in _list(arguments[0]) if certain(each) not in (None, "")]


def _reversed(arguments: list[Value]) -> Value:
    return list(reversed(_list(arguments[0])))


def _numbers(pick: Callable[[list[int | float]], Value]) -> Callable[[list[Value]], Value]:
    return lambda arguments: pick([number(each) for each in arguments])


# ── texts ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _text(function: Callable[..., Value]) -> Callable[[list[Value]], Value]:
    """Return a function whose arguments are all texts."""
    return lambda arguments: function(*(string(each) for each in arguments))


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
        word = _jsonencode([value])
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
    words = [string(each) for values in arguments[1:] for each in _list(values)]
    if sum(map(len, words)) > LARGEST:
        _huge()
    return string(arguments[0]).join(words)


def _split(separator: str, whole: str) -> Value:
    return list(whole.split(separator) if separator else whole)


def _replace(whole: str, old: str, new: str) -> Value:
    if len(old) > 1 and old.startswith("/") and old.endswith("/"):
        raise Unknown("regular expressions are not worked out here")
    if len(whole) * (len(new) + 1) > LARGEST * 16:
        _huge()
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
        _huge()
    return whole.replace("\n", "\n" + " " * int(count))


def _jsonencode(arguments: list[Value]) -> str:
    plain = json.dumps(_tidy(certain(arguments[0])), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return re.sub("[<>&\u2028\u2029]", lambda match: f"\\u{ord(match[0]):04x}", plain)


def _tidy(value: Value) -> Value:
    if isinstance(value, list):
        return [_tidy(each) for each in value]
    if isinstance(value, dict):
        return {key: _tidy(each) for key, each in value.items()}
    return _plain(value) if isinstance(value, float) else value


def _jsondecode(whole: str) -> Value:
    if len(whole) > LARGEST:
        _huge()
    try:
        found: Value = json.loads(whole)
    except (ValueError, RecursionError):
        raise Wrong("this is not JSON") from None
    return found


def _decode64(whole: str) -> Value:
    try:
        return base64.b64decode(whole, validate=True).decode()
    except ValueError:
        raise Wrong("this is not base64 of a text") from None


def _basename(path: str) -> Value:
    return posixpath.basename(path.rstrip("/")) or ("/" if path else ".")


def _dirname(path: str) -> Value:
    return posixpath.normpath(posixpath.dirname(path)) if posixpath.dirname(path) else "."


def _parseint(arguments: list[Value]) -> Value:
    try:
        return int(string(arguments[0]), int(number(arguments[1])))
    except ValueError:
        raise Wrong("this is no whole number") from None


# ── addresses ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _cidrhost(arguments: list[Value]) -> Value:
    network, host = ip_network(string(arguments[0]), strict=False), number(arguments[1])
    if not isinstance(host, int) or not -network.num_addresses <= host < network.num_addresses:
        raise Wrong("the network has no such host")
    return str(network[host])


def _cidrnetmask(prefix: str) -> Value:
    network = ip_network(prefix, strict=False)
    if network.version == 6:
        raise Wrong("cidrnetmask() is for IPv4")
    return str(network.netmask)


def _cidrsubnet(arguments: list[Value]) -> Value:
    network = ip_network(string(arguments[0]), strict=False)
    more, which = number(arguments[1]), number(arguments[2])
    if not isinstance(more, int) or not isinstance(which, int) or more < 0:
        raise Wrong("cidrsubnet() needs whole numbers")
    length = network.prefixlen + more
    if length > network.max_prefixlen or not 0 <= which < 1 << more:
        raise Wrong("the network has no room for that")
    first = int(network.network_address) + (which << (network.max_prefixlen - length))
    kind = type(network.network_address)
    return f"{kind(first)}/{length}"


def _cidrsubnets(arguments: list[Value]) -> Value:
    network = ip_network(string(arguments[0]), strict=False)
    at, found = int(network.network_address), list[Value]()
    kind = type(network.network_address)
    for each in arguments[1:]:
        length = network.prefixlen + int(number(each))
        if not network.prefixlen <= length <= network.max_prefixlen:
            raise Wrong("the network has no room for that")
        size = 1 << (network.max_prefixlen - length)
        at = (at + size - 1) // size * size
        if at + size > int(network.broadcast_address) + 1:
            raise Wrong("the network has no room for that")
        found.append(f"{kind(at)}/{length}")
        at += size
    return found


# ── conversions ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _tostring(arguments: list[Value]) -> Value:
    return None if arguments[0] is None else string(arguments[0])


def _tonumber(arguments: list[Value]) -> Value:
    return None if arguments[0] is None else number(arguments[0])


def _tobool(arguments: list[Value]) -> Value:
    return None if arguments[0] is None else boolean(arguments[0])


def _tolist(arguments: list[Value]) -> Value:
    return list(_list(arguments[0]))


def _toset(arguments: list[Value]) -> Value:
    values = _list(arguments[0])
    if len({type(each) for each in values}) > 1 and any(isinstance(each, str) for each in values):
        values = [string(each) for each in values]
    return unique(values)


def _tomap(arguments: list[Value]) -> Value:
    return dict(_table(arguments[0]))


def _same_value(arguments: list[Value]) -> Value:
    return arguments[0]


FUNCTIONS: dict[str, Callable[[list[Value]], Value]] = {
    "abs": lambda arguments: abs(number(arguments[0])),
    "alltrue": _all,
    "anytrue": _any,
    "base64decode": _text(_decode64),
    "base64encode": _text(lambda whole: base64.b64encode(whole.encode()).decode()),
    "basename": _text(_basename),
    "ceil": lambda arguments: math.ceil(number(arguments[0])),
    "chomp": _text(lambda whole: whole.rstrip("\r\n")),
    "chunklist": _chunks,
    "cidrhost": _cidrhost,
    "cidrnetmask": _text(_cidrnetmask),
    "cidrsubnet": _cidrsubnet,
    "cidrsubnets": _cidrsubnets,
    "coalesce": _coalesce,
    "coalescelist": _coalescelist,
    "compact": _compact,
    "concat": _concat,
    "contains": _contains,
    "dirname": _text(_dirname),
    "distinct": _distinct,
    "element": _element,
    "endswith": _text(lambda whole, end: whole.endswith(end)),
    "flatten": _flatten,
    "floor": lambda arguments: math.floor(number(arguments[0])),
    "format": _format,
    "formatlist": _formatlist,
    "indent": _indent,
    "index": _index,
    "join": _join,
    "jsondecode": _text(_jsondecode),
    "jsonencode": _jsonencode,
    "keys": _keys,
    "length": _length,
    "lookup": _lookup,
    "lower": _text(str.lower),
    "max": _numbers(max),
    "md5": _text(lambda whole: hashlib.md5(whole.encode(), usedforsecurity=False).hexdigest()),
    "merge": _merge,
    "min": _numbers(min),
    "nonsensitive": _same_value,
    "one": _one,
    "parseint": _parseint,
    "range": _range,
    "replace": _text(_replace),
    "reverse": _reversed,
    "sensitive": _same_value,
    "setintersection": _sets(lambda left, right: [each for each in left if each in set(right)]),
    "setproduct": _setproduct,
    "setsubtract": _sets(lambda left, right: [each for each in left if each not in set(right)]),
    "setunion": _sets(lambda left, right: left + right),
    "sha256": _text(lambda whole: hashlib.sha256(whole.encode()).hexdigest()),
    "signum": lambda arguments: (number(arguments[0]) > 0) - (number(arguments[0]) < 0),
    "slice": _slice,
    "sort": _sorted,
    "split": _text(_split),
    "startswith": _text(lambda whole, begin: whole.startswith(begin)),
    "strcontains": _text(lambda whole, part: part in whole),
    "strrev": _text(lambda whole: whole[::-1]),
    "substr": _substr,
    "sum": _sum,
    "title": _text(lambda whole: re.sub(r"(?<!\S)\w", lambda match: match[0].upper(), whole)),
    "tobool": _tobool,
    "tolist": _tolist,
    "tomap": _tomap,
    "tonumber": _tonumber,
    "toset": _toset,
    "tostring": _tostring,
    "trim": _text(lambda whole, marks: whole.strip(marks)),
    "trimprefix": _text(str.removeprefix),
    "trimspace": _text(str.strip),
    "trimsuffix": _text(str.removesuffix),
    "upper": _text(str.upper),
    "urlencode": _text(quote_plus),
    "values": _values,
    "zipmap": _zipmap,
}
"""By name; arguments come evaluated, and may still hold expressions."""

RESTLESS = frozenset({"bcrypt", "plantimestamp", "timestamp", "uuid"})
"""Functions whose outcome differs with each run."""


def call(name: str, arguments: list[Value]) -> Value:
    """Return a function's outcome; raises `Unknown`."""
    if name in RESTLESS:
        raise Unknown(f"{name}() differs with each run")
    function = FUNCTIONS.get(name)
    if function is None:
        raise Unknown(f"{name}() is not worked out here")
    try:
        found = function(arguments)
    except (TypeError, ValueError, LookupError, OverflowError) as error:
        raise Wrong(f"{name}() cannot take that") from error
    if isinstance(found, str | list | dict) and len(found) > LARGEST:
        _huge()
    return found
