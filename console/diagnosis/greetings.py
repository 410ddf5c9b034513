"""What each daemon says first, and whether the answer that a health check waits for is among it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from console.model import Protocol
from console.text import clean

if TYPE_CHECKING:
    from console.sources.haproxy.checks import Method
    from console.sources.settings import Settings

RECIPES: dict[Protocol, str] = {
    "submission": "tcp-check expect rstring ^220",
    "smtps": "tcp-check connect … ssl, tcp-check expect rstring ^220",
    "imap": "tcp-check expect string *\\ OK",
    "imaps": "tcp-check connect … ssl, tcp-check expect string *\\ OK",
    "pop3": "tcp-check expect string +OK",
    "pop3s": "tcp-check connect … ssl, tcp-check expect string +OK",
    "sieve": "tcp-check expect string IMPLEMENTATION",
}
"""The check that proves something, by what the daemon speaks."""

PAUSE = 3.0
"""Seconds that postscreen waits behind its `220-` (postscreen_greet_wait of Mailcow's main.cf)."""

_SAID: dict[Protocol, str] = {
    "smtp": "220 ", "submission": "220 ", "smtps": "220 ", "imap": "* OK ", "imaps": "* OK ",
    "pop3": "+OK ", "pop3s": "+OK ", "sieve": '"IMPLEMENTATION" "',
}  # fmt: skip
"""How each greeting begins; what follows is the operator's to choose."""

_MARKS = ("220", "* OK", "+OK", "IMPLEMENTATION")
"""What the greetings of the other protocols begin with."""

When = Literal["first", "late", "never", "unknown"]


class Expect(Struct, frozen=True):
    """The first answer that a check waits for: `kind` is HAProxy's word ("string", "rstring", "binary")."""

    kind: str
    pattern: str
    negated: bool = False


def first_expect(method: Method) -> Expect | None:
    """Return the first answer that the rules wait for before anything is sent; None when there is none."""
    for line in method.tcp:
        words = [word for word in line.words[1:] if word]
        if words[:1] == ["send"] or words[:1] == ["send-binary"]:
            return None
        if words[:1] != ["expect"]:
            continue
        at = 1
        while at < len(words) and words[at] not in ("string", "rstring", "binary", "rbinary", "string-lf", "!"):
            at += 1
        negated = words[at : at + 1] == ["!"]
        rest = words[at + negated :]
        return Expect(rest[0], rest[1], negated) if len(rest) > 1 else None
    return None


def shown(expected: Expect) -> str:
    """Return the answer as it is shown to an operator."""
    return f"'{clean(_text(expected) or expected.pattern, 40)}'"


def _text(expected: Expect) -> str:
    if expected.kind != "binary":
        return expected.pattern
    try:
        return bytes.fromhex(expected.pattern).decode("latin-1")
    except ValueError:
        return ""


def pause(postfix: Settings | None) -> float | None:
    """Return how long postscreen waits before its last greeting line; None when the files leave it open."""
    said = postfix.get("postscreen_greet_wait") if postfix is not None else ""
    if not said:
        return PAUSE
    match = re.fullmatch(r"(\d{1,5})(s|m)?", said)
    return float(match[1]) * (60 if match[2] == "m" else 1) if match else None


def when(expected: Expect, protocol: Protocol | None, screened: bool) -> When:
    """Return when a daemon says what a check waits for; "late" is behind postscreen's pause."""
    if expected.negated or protocol not in _SAID:
        return "unknown"
    if expected.kind in ("string", "binary"):
        return _plain(_text(expected), _SAID[protocol], screened)
    if expected.kind == "rstring":
        return _regular(expected.pattern, _SAID[protocol], screened)
    return "unknown"


def _plain(text: str, said: str, screened: bool) -> When:
    if not text:
        return "unknown"
    if screened and text.startswith("220"):
        return "late" if text.startswith("220 ") else "first"
    if text in said or said in text or text.startswith(said.strip()):
        return "first"
    return "never" if any(text.startswith(mark) for mark in _MARKS if mark not in said) else "unknown"


_LITERAL = re.compile(r"(\^?)((?:[A-Za-z0-9 <>@:,_-]|\\[.*+ \-\"]|\[ \]|\[\[:space:\]\]|\\s)*)")


def _regular(pattern: str, said: str, screened: bool) -> When:
    """Judge a regular expression by the literal that it begins with."""
    match = _LITERAL.match(pattern)
    rest = pattern[match.end() :] if match else pattern
    if match is None or rest[:1] in ("*", "?", "{", "|", "+") or "|" in pattern:
        return "unknown"
    literal = re.sub(r"\\s|\[\[:space:\]\]|\[ \]", " ", match[2])
    literal = re.sub(r"\\(.)", r"\1", literal)
    if match[1] and screened and literal.startswith("220 "):
        # The first line is `220-…`, and ^ is the beginning of all that was read.
        return "never"
    if match[1] and literal:
        size = min(len(literal), len(said))
        if literal[:size] == said[:size] or (screened and said[:3] == literal[:3]):
            return _plain(literal, said, screened) if screened else "first"
        return "never"
    return _plain(literal, said, screened)
