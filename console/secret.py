"""A value that is never shown: a passphrase or a password, from the moment it was typed."""

from __future__ import annotations

import hmac
from typing import NoReturn

MASK = "Secret(…)"

LEAST = 4
"""Characters that a secret must have to be looked for in texts: a shorter one is a part of ordinary words, and to hide
it there would tell where it stands."""

LEAST_ENCODED = 6
"""Characters that its encoded forms must have, and each line of a secret of several lines."""


class Secret:
    """Holds a text that no repr, str, format, log, traceback, copy or pickle gives away; `reveal` alone does."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The text itself, for the one call that needs it."""
        return self._value

    def __repr__(self) -> str:
        return MASK

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._value.encode(), other._value.encode())

    __hash__ = None  # type: ignore[assignment]  # a hash would tell equal ones apart in a dump

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not written down")


def forms(secret: str) -> tuple[str, ...]:
    """Return the texts that give a secret away, the longest first: itself, its lines, and how programs write it.

    These are base64 at each of its three offsets (as in `user:password`), percent signs of URLs, the escapes of JSON
    and shells, and hexadecimal. A secret shorter than `LEAST` has none."""
    import base64
    import json
    import shlex
    from urllib.parse import quote, quote_plus

    if len(secret) < LEAST:
        return ()
    data = secret.encode("utf-8", "surrogateescape")
    found = {secret, secret.strip()}
    encoded = {quote(data, safe=""), quote(data), quote_plus(data), data.hex(), data.hex().upper()}
    encoded |= {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], shlex.quote(secret)}
    encoded |= {secret.replace(mark, f"\\{mark}") for mark in (" ", '"', "'", "$")}
    for offset in range(3):
        # Characters that depend on what stands before or behind are left out.
        start, stop = -(-offset * 8 // 6), (offset + len(data)) * 8 // 6
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            encoded.add(encode(bytes(offset) + data).decode()[start:stop])
    lines = {line.strip() for line in secret.splitlines()} if "\n" in secret else set()
    found |= {each for each in encoded | lines if len(each) >= LEAST_ENCODED and "-----" not in each}
    return tuple(sorted((each for each in found if len(each) >= LEAST), key=lambda each: (-len(each), each)))
