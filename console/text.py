"""Foreign text made safe to show: what servers, files and hosts say passes through here before anybody sees it."""

from __future__ import annotations

import re
from collections.abc import Callable

INVISIBLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U00013441\U00013442\U00016fe4\U0001bca0-\U0001bca3\U0001d159"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
"""Characters that draw nothing, though Python calls some of them printable, as a regular expression's class.

Unicode's Default_Ignorable_Code_Point (DerivedCoreProperties.txt), and the blanks and fillers that are not in it."""

MARKS = 2
"""Combining marks in a row that are shown: more are drawn over the rows above and below."""

_INVISIBLE = re.compile(f"[{INVISIBLE}]")
_SUSPECT = re.compile("[\u0300-\u1fff\u20d0-\u20ff\u2800\u2c00-\u303f\u3099\u309a\u3164\ua000-\uabff\ud7b0-\U0010ffff]")
"""Where the printable ones of them and all marks are; accents, dashes, arrows and box drawing are elsewhere."""


def is_plain(text: str) -> bool:
    """Whether every character of `text` is seen, and none steers a terminal or is drawn over other rows."""
    return text.isprintable() and (text.isascii() or not _SUSPECT.search(text) or replace(text, escape) == text)


def clean(text: str | bytes, limit: int = 200) -> str:
    """Return one printable line of at most `limit` characters; what could steer a terminal is shown as an escape."""
    if isinstance(text, bytes):
        text = text[: limit * 4].decode("utf-8", "backslashreplace")
    if not text.isprintable() or not (text.isascii() or not _SUSPECT.search(text)):
        text = replace(text[: limit * 2], escape)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def count(text: str | None) -> int | None:
    """Return a number in plain digits; None for any other text, and for one longer than a machine counts."""
    return int(text) if text and len(text) <= 18 and text.isascii() and text.isdecimal() else None


def address(host: str, port: int | str) -> str:
    """Return `host:port`, an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host and not host.startswith("[") else f"{host}:{port}"


def quote(text: str | bytes, limit: int = 200) -> str:
    """Return `clean` text for a quotation: in ASCII, so that no letter looks like another, without a double quote."""
    text = "".join(c if c.isascii() else escape(c) for c in clean(text, limit * 2)).replace('"', "'")
    return text if len(text) <= limit else text[: limit - 3] + "..."


def escape(character: str) -> str:
    """Return a character as Python would write it in a string: \\n, \\x1b, \\u200b."""
    if character in "\t\r\n":
        return {"\t": "\\t", "\r": "\\r", "\n": "\\n"}[character]
    code = ord(character)
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}"


def replace(text: str, by: Callable[[str], str]) -> str:
    """Return `text` with each character that is not plain replaced `by` something to show instead."""
    from unicodedata import category

    shown: list[str] = []
    marks = MARKS  # a mark without a letter before it would be drawn onto what is not ours to change
    for character in text:
        if character.isascii():
            marks = 0
            shown.append(character if character.isprintable() else by(character))
        elif not character.isprintable() or _INVISIBLE.match(character):
            shown.append(by(character))
        elif category(character) in ("Mn", "Me"):
            marks += 1
            shown.append(character if marks <= MARKS else by(character))
        else:
            marks = 0
            shown.append(character)
    return "".join(shown)


def join_words(names: tuple[str, ...] | list[str], most: int = 6) -> str:
    """Join words as a sentence does: "a", "a and b", "a, b and c"; beyond `most`, "… and 4 more"."""
    words = list(names)
    if len(words) > most:
        words = [*words[: most - 1], f"{len(words) - most + 1} more"]
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + f" and {words[-1]}" if words else ""


_BINARY = ("B", "KiB", "MiB", "GiB", "TiB")


def progress(done: float, total: float, unit: str, rate: float, left: float) -> str:
    """Return how far an action is: "3.1 of 10.0 GiB, 40 MiB/s, about 3 min left"; 0 stands for what is not known.

    `unit` "B" is bytes; `rate` is a second's worth, `left` are seconds."""
    if unit == "B":
        size, name = _scale(total or done)
        amount = f"{done / size:.1f} of {total / size:.1f} {name}" if total else f"{done / size:.1f} {name}"
        fast, each = _scale(rate)
        speed = f"{rate / fast:.0f} {each}/s" if rate else ""
    else:
        amount = f"{done:g} of {total:g} {unit}" if total else f"{done:g} {unit}"
        speed = f"{rate:.1f} {unit}/s" if rate else ""
    return ", ".join(part.strip() for part in (amount, speed, f"about {duration(left)} left" if left else "") if part)


def duration(seconds: float) -> str:
    """Return seconds in the unit that a person would use: "40 s", "3 min", "2 h 5 min"."""
    if round(seconds) < 60:
        return f"{max(round(seconds), 1)} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min" if minutes % 60 else f"{minutes // 60} h"


def _scale(count: float) -> tuple[float, str]:
    """The largest binary unit that `count` bytes reach: its size in bytes, and its name."""
    size, names = 1.0, list(_BINARY)
    while count >= size * 1024 and len(names) > 1:
        size *= 1024
        names.pop(0)
    return size, names[0]
