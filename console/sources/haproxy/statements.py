"""Where sample expressions and log-formats stand on the lines of a proxy, and what is wrong with them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from console.sources.haproxy import expressions
from console.sources.haproxy.expressions import ACL, Doubt
from console.sources.haproxy.lines import Line
from console.sources.haproxy.names import FETCHES
from console.text import clean


class Place(NamedTuple):
    """What is wrong, in which word (0-based) and at which 0-based offset of its value.

    `since` is the first version that does not take it, "" for all."""

    word: int
    offset: int
    problem: str
    since: str = ""


_RULES = frozenset(
    ("http-request", "http-response", "http-after-response", "tcp-request", "tcp-response", "quic-initial")
)
_CONDITIONED = _RULES | frozenset(
    ("use_backend", "use-server", "redirect", "stick", "monitor", "force-persist", "ignore-persist", "force-be-switch")
)
_FORMATS = frozenset(("log-format", "log-format-sd", "error-log-format", "unique-id-format", "use_backend"))
_CONDITION = frozenset(("if", "unless"))

# How many words after the action its formats stand.
_FORMATTED: dict[str, tuple[int, ...]] = {
    "set-header": (2,), "add-header": (2,), "replace-header": (3,), "replace-value": (3,), "replace-path": (2,),
    "replace-pathq": (2,), "replace-uri": (2,), "set-path": (1,), "set-pathq": (1,), "set-query": (1,),
    "set-uri": (1,), "set-method": (1,), "set-var-fmt": (1,), "add-acl": (1,), "del-acl": (1,), "del-map": (1,),
    "set-map": (1, 2),
}  # fmt: skip
_SAMPLED = frozenset(
    ("set-var", "set-src", "set-src-port", "set-dst", "set-dst-port", "set-priority-class", "set-priority-offset")
)
_TRACK = re.compile(r"track-sc(?:[0-9]+)\Z")
_SERVERS = frozenset(
    ("srv_conn", "srv_conn_free", "srv_is_up", "srv_iweight", "srv_queue", "srv_sess_rate", "srv_uweight", "srv_weight")
)
"""Sample fetch methods of a server, named as `backend/server` where a section has no servers of its own."""

OWN_HEADERS = frozenset(("host", "content-length", "transfer-encoding", "connection"))
"""Headers that `http-send-name-header` cannot be given."""


def check(kind: str, line: Line) -> Iterator[Place]:
    """Yield what HAProxy would not take on a line of a proxy section of this kind."""
    words = line.words
    keyword = words[0]
    if keyword in _FORMATS and len(words) > 1 and "%" in words[1]:
        yield from _format(words, 1)
    elif keyword == "acl" and len(words) > 2:
        yield from _sample(words, 2, ACL)
    elif keyword in _RULES:
        yield from _rule(kind, words)
    elif keyword == "stick" and len(words) > 2 and words[1] in ("on", "match", "store-request", "store-response"):
        yield from _sample(words, 2)
    elif keyword == "redirect":
        yield from _redirect(words, 1)
    elif keyword == "filter" and words[1:2] == ("spoe",) and "config" not in words:
        yield Place(1, 0, "'filter spoe' needs 'config' and a file: HAProxy refuses the line")
    elif keyword == "http-send-name-header" and len(words) > 1 and words[1].lower() in OWN_HEADERS:
        problem = (
            f"HAProxy takes no '{clean(words[1], 40)}' here since 3.3, for it sets that header itself: name another"
        )
        yield Place(1, 0, problem, "3.3-dev0")
    if keyword in _CONDITIONED:
        yield from _condition(words)


def _rule(kind: str, words: tuple[str, ...]) -> Iterator[Place]:
    """Judge a rule: its action stands first, or behind the layer of a TCP rule."""
    at = 2 if words[0].startswith("tcp-") else 1
    if len(words) <= at:
        return
    action = words[at].partition("(")[0]
    for further in _FORMATTED.get(action, ()):
        if at + further < len(words):
            yield from _format(words, at + further)
            if kind == "defaults":
                yield from _servers(words, at + further)
    if action == "redirect":
        yield from _redirect(words, at + 1)
    tracks = _TRACK.match(action) is not None
    if (tracks or action in _SAMPLED or action == "capture") and at + 1 < len(words):
        yield from _sample(words, at + 1)
    if tracks and kind == "defaults" and "table" not in words:
        yield Place(at, 0, f"'{action}' needs a 'table' in defaults, which have none of their own")


def _redirect(words: tuple[str, ...], at: int) -> Iterator[Place]:
    for index in range(at, min(len(words) - 1, at + 8)):
        if words[index] in _CONDITION:
            return
        if words[index] in ("location", "prefix", "scheme"):
            yield from _format(words, index + 1)
            return


def _condition(words: tuple[str, ...]) -> Iterator[Place]:
    """Judge the anonymous ACLs of a line, `{ … }` behind `if` or `unless`."""
    begun = False
    for index, word in enumerate(words[:-1]):
        if begun and word in ("{", "!{"):
            yield from _sample(words, index + 1, ACL)
        begun = begun or (index > 0 and word in _CONDITION)


def _format(words: tuple[str, ...], index: int) -> Iterator[Place]:
    for doubt in expressions.holes(words[index]) if "%" in words[index] else ():
        yield _place(index, doubt)


def _sample(words: tuple[str, ...], index: int, known: frozenset[str] = FETCHES) -> Iterator[Place]:
    doubt = expressions.whole(words[index], known)
    if doubt is not None:
        yield _place(index, doubt)


def _servers(words: tuple[str, ...], index: int) -> Iterator[Place]:
    for name, argument in expressions.names(words[index]):
        if name in _SERVERS and "/" not in argument:
            yield Place(index, 0, f"'{name}' needs backend/server in defaults, which have no servers of their own")
            return


def _place(index: int, doubt: Doubt) -> Place:
    return Place(index, *doubt)
