"""What HAProxy's health check of a server proves: `option …chk`, `tcp-check` and `http-check` on the server line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from console.model import Check, Span
from console.sources.haproxy.lines import Line
from console.sources.haproxy.servers import Raw

_CONNECT_VALUES = frozenset({"port", "addr", "sni", "alpn", "proto", "comment"})


Kind = Literal["none", "L4", "L6", "L7"]
"""What a check proves, as in `model.Check`."""

Asks = tuple[tuple[str, ...], bool]
"""The words of the `connect` rule before the first answer that is expected, and whether one is."""


class Method(Struct, frozen=True, gc=False):
    """How a section checks: `option` is the word behind `option` ("" for a bare connection), rules are its own lines.

    `span` is the option's line, `rules` the `tcp-check` or `http-check` lines in order."""

    option: str = ""
    span: Span | None = None
    tcp: Sequence[Line] = ()
    http: Sequence[Line] = ()

    @property
    def ignored(self) -> bool:
        """Rules stand there, but no `option tcp-check`, so HAProxy ignores them."""
        return bool(self.tcp) and self.option != "tcp-check"


class _Connection(Struct, frozen=True, gc=False):
    port: int | None
    proxy: bool
    tls: bool


INTERVAL = 2.0
"""Seconds between two checks, and the time one may take, when nothing else is said (DEF_CHKINTR)."""

UNSET = -1.0
"""No `timeout check`: a check may take as long as the time between two."""

_TIME = re.compile(r"([0-9]{1,10})(us|ms|s|m|h|d)?\Z")
_MICROSECONDS = {"us": 1, "ms": 1000, None: 1000, "s": 10**6, "m": 60 * 10**6, "h": 3600 * 10**6, "d": 86400 * 10**6}


def seconds(word: str) -> float | None:
    """Return a time as HAProxy writes it ("30m", "500") in seconds; None for one that is none."""
    time = _TIME.match(word)
    return int(time.group(1)) * _MICROSECONDS[time.group(2)] / 10**6 if time else None


def check(raw: Raw, method: Method, port: int | None, first: Asks, limit: float | None = UNSET) -> Check:
    """Return what the check of one server proves; `port` is the one it is dialled at, if that is fixed.

    `first` is what `asks()` made of the method's rules, `limit` the seconds of `timeout check`, None for one that a
    variable decides."""
    options = raw.options
    if options.get("agent"):
        return Check("L7", None, False, raw.span, other=True)
    if not options.get("check"):
        return Check("none", None, False, raw.span)
    if "healthcheck" in options:
        return Check("L7", port, bool(options.get("v1") or options.get("v2")), raw.span, other=True)
    if limit == UNSET:
        own = options.get("inter")
        limit = seconds(own) if isinstance(own, str) else INTERVAL
    found = _check(raw, method, port, first)
    return Check(*found, limit, method.option == "external-check", _elsewhere(raw, method, first))


def _elsewhere(raw: Raw, method: Method, first: Asks) -> str:
    """Return the address that a check goes to in place of the server's own; "" for that."""
    told = raw.options.get("addr")
    connect = first[0] if method.option in ("tcp-check", "httpchk") else ()
    for at, word in enumerate(connect[:-1]):
        if word == "addr":
            told = connect[at + 1]
    host = told.rpartition("@")[2].strip("[]") if isinstance(told, str) else ""
    return host if host != raw.address.host else ""


def _check(raw: Raw, method: Method, port: int | None, first: Asks) -> tuple[Kind, int | None, bool, Span | None, bool]:
    """Return the kind of a check, its port, whether it sends a header, its place, and whether it speaks TLS."""
    options = raw.options
    own = _number(options.get("port"))
    # With a port or address of its own the check inherits neither PROXY header nor TLS (check.c, init_srv_check).
    inherits = "port" not in options and "addr" not in options
    proxy = bool(options.get("check_proxy")) or (inherits and bool(options.get("v1") or options.get("v2")))
    tls = bool(options.get("check_tls")) or (inherits and bool(options.get("tls")))
    server = _Connection(own if own is not None else port, proxy, tls)
    source = method.span or raw.span
    if method.option in ("tcp-check", "httpchk"):
        connect, asked = first
        connection = _connect(connect, server) if connect else server
        proves = method.option == "httpchk" or asked
        return "L7" if proves else _transport(connection), connection.port, connection.proxy, source, connection.tls
    if method.option == "ssl-hello-chk":
        return "L6", server.port, server.proxy, source, True
    return "L7" if method.option else _transport(server), server.port, server.proxy, source, server.tls


def _transport(connection: _Connection) -> Literal["L4", "L6"]:
    return "L6" if connection.tls else "L4"


def asks(rules: Sequence[Line]) -> Asks:
    """Follow the rules to the first answer that is expected: the `connect` before it, and is one expected at all?"""
    connect: tuple[str, ...] = ()
    for rule in rules:
        words = rule.words
        if len(words) > 1 and words[1] == "connect":
            connect = words
        elif len(words) > 1 and words[1] == "expect":
            return connect, True
    return connect, False


def _connect(words: tuple[str, ...], server: _Connection) -> _Connection:
    """Read a `connect` rule: it drops the server's PROXY setting unless it says `default` or repeats `send-proxy`."""
    port, proxy, tls = server.port, False, False
    at = 2
    while at < len(words):
        word = words[at]
        if word == "port" and at + 1 < len(words):
            port = _number(words[at + 1])
        elif word == "default":
            proxy, tls = proxy or server.proxy, tls or server.tls
        elif word == "send-proxy":
            proxy = True
        elif word == "ssl":
            tls = True
        at += 2 if word in _CONNECT_VALUES else 1
    return _Connection(port, proxy, tls)


def _number(value: bool | str | None) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 6:
        return int(value)
    return None
