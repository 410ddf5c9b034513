"""Whether a line of HAProxy's lets a request carry the client's address, as X-Forwarded-For."""

from __future__ import annotations

from console.sources.haproxy.lines import Line

HEADER = "x-forwarded-for"

_PROGRAMS = ("lua.", "send-spoe-group")
"""Actions whose programs may do anything to a request."""


def tells_client(line: Line) -> bool:
    """Whether the line adds the header, or may: a program may, and so may what an environment variable holds.

    Only `option forwardfor` and rules over requests do so; a header of another name is not the one that counts."""
    words = line.words
    if words[0] == "option":
        if words[1:2] != ("forwardfor",):
            return False
        named = words[words.index("header") + 1 :][:1] if "header" in words else (HEADER,)
        return not named or "$" in named[0] or named[0].lower() == HEADER
    if words[0] == "filter":
        return words[1:2] in (("spoe",), ("lua",)) or (words[1:2] != () and words[1].startswith("lua."))
    if words[0] != "http-request" or len(words) < 2 or words[1].startswith("del-"):
        return False
    return words[1].startswith(_PROGRAMS) or any(HEADER in word.lower() or "${" in word for word in words[2:])
