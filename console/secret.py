"""A value that is never shown: a passphrase or a password, from the moment it was typed."""

from __future__ import annotations

from typing import NoReturn

MASK = "Secret(…)"


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

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not written down")
