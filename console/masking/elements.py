"""Finds secrets in the attributes and the content of elements of XML and HTML: `<key name="api" value="…">`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from console.masking import names, terms
from console.masking.values import harmless, ordinary

Span = tuple[int, int]

_TELL = terms("name key id property")
"""Attributes that say whose value an element has."""

_VALUES = terms("value content val default data secret text")
"""Attributes that have it."""


@cache
def _element() -> re.Pattern[str]:
    return re.compile(
        r"<([\w.:-]{1,60}+)((?:[ \t]++[\w.:-]{1,60}+[ \t]*+=[ \t]*+(?:\"[^\"<>]*+\"|'[^'<>]*+'|[^\s\"'<>]++)"
        r"|[ \t]++[\w.:-]{1,60}+)++)[ \t]*+/?>([^<>]*+)"
    )


@cache
def _attribute() -> re.Pattern[str]:
    return re.compile(r"([\w.:-]{1,60}+)[ \t]*+=[ \t]*+(?:\"([^\"<>]*+)\"|'([^'<>]*+)'|([^\s\"'<>]++))")


@cache
def _opened() -> re.Pattern[str]:
    return re.compile(r"[ \t]*+<([\w.:-]{2,60}+)([^<>]{0,200}+)>\s*+\Z")


def opened(text: str) -> str:
    """Return the name of the element that alone is opened on a line, and is a secret's by a name; "" for none."""
    found = _opened().match(text)
    if found is None:
        return ""
    told = next((each[2] or each[3] or "" for each in _attribute().finditer(found[2]) if each[1].lower() in _TELL), "")
    return found[1] if "strong" in (names.kind(found[1]), names.kind(told)) else ""


@cache
def _listed() -> re.Pattern[str]:
    """<key>NAME</key><string>…</string>, as in property lists."""
    return re.compile(r"<key>([\w.:-]{1,60}+)</key>\s*+<string>([^<>]++)</string>")


def spans(text: str) -> Iterator[Span]:
    """Yield the places of values and contents that an element's name, or an attribute of it, calls a secret."""
    if "<key>" in text:
        for found in _listed().finditer(text):
            if names.kind(found[1]) == "strong" and not harmless(found[2], "strong"):
                yield found.span(2)
    for found in _element().finditer(text):
        kind, values = names.kind(found[1]), []
        told = ""
        for each in _attribute().finditer(text, found.start(2), found.end(2)):
            which = each.lastindex or 2
            if each[1].lower() in _TELL:
                told = told or each[which]
            elif each[1].lower() in _VALUES:
                values.append(each.span(which))
        sure = kind == "strong" or names.kind(told) != ""
        if not sure and not (kind == "weak" and told and not names.about(told)):
            continue
        if text.startswith("</", found.end(3)):
            values.append(found.span(3))
        for start, end in values:
            value = text[start:end]
            if not harmless(value, "strong") and (sure or not ordinary(value)):
                yield start, end
