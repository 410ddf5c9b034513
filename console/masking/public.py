"""Finds the lines of public certificates: base64 that looks like keys and options now and then, and hides nothing."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterator, Sequence

_ROW = re.compile(r"([A-Za-z0-9+/]{1,76}={0,2})\r?")

MOST = 400
"""Lines of one certificate: 25 kB of it."""


def rows(lines: Sequence[str]) -> Iterator[int]:
    """Yield the numbers of the lines between BEGIN and END of each whole certificate, those of a diff too.

    What only stands between such lines is none: its length has to be what it says itself (X.690, 8.1.3)."""
    for begin, line in enumerate(lines):
        lead, mark, after = line.partition("-----BEGIN CERTIFICATE-----")
        if not mark or after.strip() or lead.strip(" \t+-"):
            continue
        body: list[str] = []
        for row in range(begin + 1, min(begin + 1 + MOST, len(lines))):
            text = lines[row]
            if text.startswith(lead) and (found := _ROW.fullmatch(text, len(lead))):
                body.append(found[1])
                continue
            if text.startswith(f"{lead}-----END CERTIFICATE-----") and _whole("".join(body)):
                yield from range(begin + 1, row)
            break


def _whole(body: str) -> bool:
    try:
        der = b64decode(body, validate=True)
    except ValueError:
        return False
    return der[:2] == b"0\x82" and int.from_bytes(der[2:4], "big") == len(der) - 4
