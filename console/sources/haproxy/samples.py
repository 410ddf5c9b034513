"""Sample expressions worked out for a client that is known in part: its port, the name it asks for, its first request.

`None` is a sample that is not there, which no pattern matches; what a file cannot tell is `Unknown`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Literal

from msgspec import Struct

LONGEST = 400
"""Characters of an expression, a value or a pattern that are looked at."""

STARTTLS = frozenset((25, 587, 110, 143, 4190, 80))
"""Ports whose clients do not begin with TLS."""

TLS = frozenset((443, 465, 993, 995))
"""Ports whose clients begin with TLS."""

Sample = str | int | bool | None


class Unknown(Exception):
    """The files do not tell."""


class Client(Struct, frozen=True):
    """A client as far as the files tell: the port it came to, and the name it asks for ("" when nobody knows).

    `ended` says whether HAProxy ends its TLS at this listener (None: at some of them), `http` that HAProxy reads its
    requests. A client is `usual` when it asks for / and finds all servers up; else its path and they are not known.
    `begins` says whether its first bytes are TLS's (None: nobody knows); `socket` and `socket_id` are what the bind
    line calls the socket that it came to, "" when there is no such name, or more than one."""

    port: int
    name: str = ""
    ended: bool | None = False
    http: bool = False
    usual: bool = True
    begins: bool | None = None
    socket: str = ""
    socket_id: str = ""


class World(Struct, frozen=True):
    """What expressions may ask for beside the client: files by the names HAProxy's file has for them.

    `sets` are the rules that set variables, by the variables' names, `servers` the number of servers by backend,
    `frontend` the own name."""

    files: Mapping[str, str] = {}
    sets: Mapping[str, list[tuple[str, ...]]] = {}
    servers: Mapping[str, int] = {}
    frontend: str = ""


class Call(Struct, frozen=True):
    """One fetch or converter with its arguments."""

    name: str
    arguments: tuple[str, ...] = ()


_CALL = re.compile(r"([A-Za-z0-9._]+)(?:\(((?:\"[^\"]*\"|'[^']*'|\\.|[^()\\])*)\))?")
_ARGUMENT = re.compile(r"((?:\"[^\"]*\"|'[^']*'|\\.|[^,\"'\\])*)(?:,|\Z)")


def calls(text: str) -> list[Call]:
    """Split `fetch(arguments),converter(arguments)`; raises `Unknown` for anything else."""
    found: list[Call] = []
    at = 0
    while at < len(text) and len(text) <= LONGEST:
        match = _CALL.match(text, at)
        if match is None:
            raise Unknown
        found.append(Call(match[1], _arguments(match[2]) if match[2] is not None else ()))
        at = match.end()
        if at < len(text):
            if text[at] != ",":
                raise Unknown
            at += 1
    if not found:
        raise Unknown
    return found


def _arguments(text: str) -> tuple[str, ...]:
    found = [re.sub(r"\\(.)|[\"']", lambda hit: hit[1] or "", match[1]) for match in _ARGUMENT.finditer(text)]
    return tuple(found[:-1]) if len(found) > 1 and text[-1:] != "," else tuple(found)


def work_out(text: str, client: Client, world: World, depth: int = 0) -> Sample:
    """Return what an expression gives for a client; raises `Unknown`."""
    if depth > 4:
        raise Unknown
    fetch, *converters = calls(text)
    value = _fetch(fetch, client, world, depth)
    for each in converters:
        if value is None:
            return None
        value = _convert(each, value, world)
    return value


# ── fetches ─────────────────────────────────────────────────────────────────────────────────────────────────────────

_SNI = frozenset(("req.ssl_sni", "req_ssl_sni", "ssl_fc_sni"))
_HOST = frozenset(("hdr", "req.hdr", "req.fhdr", "fhdr"))
_PATHS = frozenset(("path", "pathq", "url", "base", "capture.req.uri"))


def _fetch(fetch: Call, client: Client, world: World, depth: int) -> Sample:
    name, given = fetch.name, fetch.arguments
    if name in ("dst_port", "fc_dst_port"):
        if not client.port:
            raise Unknown
        return client.port
    if name in _SNI:
        return _sni(name, client)
    if name in _HOST:
        return _host(given, client)
    if name == "ssl_fc":
        return _known(client.ended)
    if name in ("req.ssl_hello_type", "req_ssl_hello_type"):
        return 1 if _begins_with_tls(client) else None
    if name in _PATHS and client.http and client.usual:
        return _path(name, client)
    if name == "method" and client.http and client.usual:
        return "GET"
    if name in ("nbsrv", "srv_is_up", "be_conn", "fe_conn") and client.usual:
        return _servers(name, given, world)
    if name in ("str", "int", "bool"):
        return _literal(name, given)
    if name in ("always_true", "always_false"):
        return name == "always_true"
    if name in ("so_name", "so_id"):
        called = client.socket if name == "so_name" else client.socket_id
        if not called:
            raise Unknown
        return called if name == "so_name" else int(called) if called.isdigit() and len(called) < 10 else called
    if name == "fe_name":
        return world.frontend
    if name == "var" and given:
        return _variable(given[0], client, world, depth)
    raise Unknown


def _known(value: bool | None) -> bool:
    if value is None:
        raise Unknown
    return value


def _begins_with_tls(client: Client) -> bool:
    """Whether the bytes that this listener's rules see begin with TLS."""
    return not client.ended and _known(client.begins)


def _sni(name: str, client: Client) -> Sample:
    ended = _known(client.ended)
    if not (ended if name == "ssl_fc_sni" else _begins_with_tls(client)):
        return None
    if not client.name:
        raise Unknown
    return client.name


def _host(given: tuple[str, ...], client: Client) -> Sample:
    if given[:1] == () or given[0].lower() != "host" or not client.http or not client.name:
        raise Unknown
    return client.name if client.port in (80, 443) else f"{client.name}:{client.port}"


def _path(name: str, client: Client) -> str:
    if name != "base":
        return "/"
    if not client.name:
        raise Unknown
    return f"{client.name}/"


def _servers(name: str, given: tuple[str, ...], world: World) -> Sample:
    if name == "srv_is_up":
        return True
    if name == "nbsrv" and given and given[0] in world.servers:
        return world.servers[given[0]]
    raise Unknown


def _literal(name: str, given: tuple[str, ...]) -> Sample:
    text = ",".join(given)
    if name == "str":
        return text
    if name == "bool":
        return text.lower() in ("true", "1", "yes")
    return _number(text)


def by_variable(sets: Iterable[tuple[str, ...]]) -> dict[str, list[tuple[str, ...]]]:
    """Return rules such as `set-var(txn.host) …` by the names of their variables."""
    found: dict[str, list[tuple[str, ...]]] = {}
    for words in sets:
        action = next((word for word in words[1:3] if word.startswith("set-var")), "")
        name = action.partition("(")[2].rstrip(")").partition(",")[0]
        found.setdefault(name, []).append(words)
    return found


def _variable(name: str, client: Client, world: World, depth: int) -> Sample:
    """Return what the one rule that sets a variable, without a condition, puts into it."""
    found = world.sets.get(name, [])
    if len(found) != 1:
        raise Unknown
    words = found[0]
    at = next(index for index, word in enumerate(words) if word.startswith("set-var"))
    if not words[at].startswith("set-var(") or len(words) != at + 2:
        raise Unknown
    return work_out(words[at + 1], client, world, depth + 1)


# ── converters ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _convert(converter: Call, value: Sample, world: World) -> Sample:
    name, given = converter.name, converter.arguments
    if name == "map" or name.startswith("map_"):
        return _map(name, given, text_of(value), world)
    plain = _TEXTS.get(name)
    if plain is not None:
        return plain(text_of(value))
    if name in ("field", "word") and len(given) == 2 and given[0].isdigit():
        return _field(text_of(value), int(given[0]), given[1], name == "word")
    if name in ("add", "sub") and given:
        return _number(text_of(value)) + _number(given[0]) * (1 if name == "add" else -1)
    raise Unknown


_TEXTS: dict[str, Callable[[str], str]] = {
    "lower": str.lower,
    "upper": str.upper,
    "host_only": lambda text: re.sub(r":\d+\Z", "", text),
}


def _field(text: str, number: int, delimiters: str, skips: bool) -> Sample:
    parts = re.split(f"[{re.escape(delimiters)}]", text) if delimiters else [text]
    parts = [part for part in parts if part] if skips else parts
    return parts[number - 1] if 0 < number <= len(parts) else None


def text_of(value: Sample) -> str:
    """Return a sample as HAProxy writes it out: a boolean as 1 or 0."""
    return str(int(value)) if isinstance(value, bool) else "" if value is None else str(value)


def _number(text: str) -> int:
    if not re.fullmatch(r"-?[0-9]{1,9}", text):
        raise Unknown
    return int(text)


_MAPPED = {
    "map": "str", "map_str": "str", "map_beg": "beg", "map_end": "end", "map_sub": "sub", "map_dom": "dom",
    "map_dir": "dir", "map_reg": "reg", "map_int": "int",
}  # fmt: skip


def _map(name: str, given: tuple[str, ...], value: str, world: World) -> Sample:
    text = world.files.get(given[0]) if given else None
    if text is None or name not in _MAPPED:
        raise Unknown
    for row in text.splitlines():
        words = row.split(None, 1)
        if words and not words[0].startswith("#") and matches(_MAPPED[name], value, words[0]):
            return words[1].strip() if len(words) > 1 else ""
    return given[1] if len(given) > 1 else None


# ── matching ────────────────────────────────────────────────────────────────────────────────────────────────────────

Method = Literal["str", "sub", "beg", "end", "dir", "dom", "reg", "int", "len", "found", "bool", "bin", "ip"]

_SPLITS = {"dir": "/?", "dom": "/?.:"}


def matches(method: str, value: str, pattern: str, folded: bool = False) -> bool:
    """Whether a text matches a pattern; `folded` makes upper and lower case the same. Raises `Unknown`."""
    if folded and method != "reg":
        value, pattern = value.lower(), pattern.lower()
    if method == "str":
        return value == pattern
    if method == "beg":
        return value.startswith(pattern)
    if method == "end":
        return value.endswith(pattern)
    if method == "sub":
        return pattern in value
    if method in _SPLITS:
        return _between(value, pattern, _SPLITS[method])
    if method in ("int", "len"):
        return within(len(value) if method == "len" else _number(value), pattern)
    if method == "reg":
        return _regular(value, pattern, folded)
    raise Unknown


def _between(value: str, pattern: str, marks: str) -> bool:
    """Whether a pattern stands between two of the marks, or the ends, of a text."""
    bare = pattern.strip(marks)
    edge = f"[{re.escape(marks)}]"
    return bool(bare) and re.search(f"(?:{edge}|\\A){re.escape(bare)}(?:{edge}|\\Z)", value) is not None


# A pattern that a backtracking reader could take very long for is left unknown.
_HARMLESS = re.compile(r"(?:[A-Za-z0-9_.\-/:@^$\\|]|\[[A-Za-z0-9_.\-]*\][*+?]?|\.[*+?]|[a-z0-9][?])*\Z")


def _regular(value: str, pattern: str, folded: bool) -> bool:
    simple = re.sub(r"\((?:\?:)?((?:[A-Za-z0-9_.\-/]|\\\.|\|)*)\)[?]?", r"\1", pattern)
    if len(pattern) > LONGEST or not _HARMLESS.match(simple):
        raise Unknown
    try:
        return re.search(pattern, value, re.IGNORECASE if folded else 0) is not None
    except re.error:
        raise Unknown from None


_RANGE = re.compile(r"(-?\d{1,9})?(:)?(-?\d{1,9})?\Z")


def within(value: int, pattern: str) -> bool:
    """Whether a number is the one, or in the range, that a pattern writes as `25`, `25:100` or `25:`."""
    match = _RANGE.match(pattern)
    if match is None or not (match[1] or match[3]):
        raise Unknown
    low, high = match[1], match[3] if match[2] else match[1]
    return (not low or value >= int(low)) and (not high or value <= int(high))
