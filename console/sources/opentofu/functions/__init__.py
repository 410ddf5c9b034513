"""OpenTofu's pure functions and operators over known values; what they cannot tell raises `Unknown` with a reason."""

from __future__ import annotations

from collections.abc import Callable

from console.sources.opentofu.functions import arithmetic, collections, conversions, encodings, networks, paths, texts
from console.sources.opentofu.functions.operators import OPERATORS, operate
from console.sources.opentofu.functions.values import (
    LARGEST,
    TOO_LARGE,
    Asked,
    Partial,
    Unknown,
    Wrong,
    boolean,
    certain,
    huge,
    number,
    same,
    string,
    text,
    unique,
)
from console.sources.opentofu.values import Value

__all__ = [
    "FUNCTIONS",
    "LARGEST",
    "OPERATORS",
    "RESTLESS",
    "TOO_LARGE",
    "Asked",
    "Partial",
    "Unknown",
    "Wrong",
    "boolean",
    "call",
    "certain",
    "number",
    "operate",
    "same",
    "string",
    "text",
    "unique",
]

FUNCTIONS: dict[str, Callable[[list[Value]], Value]] = {
    **arithmetic.FUNCTIONS,
    **collections.FUNCTIONS,
    **texts.FUNCTIONS,
    **encodings.FUNCTIONS,
    **paths.FUNCTIONS,
    **networks.FUNCTIONS,
    **conversions.FUNCTIONS,
}
"""By name; arguments come evaluated, and may still hold expressions."""

RESTLESS = frozenset({"bcrypt", "plantimestamp", "timestamp", "uuid"})
"""Functions whose outcome differs with each run."""


def call(name: str, arguments: list[Value]) -> Value:
    """Return a function's outcome; raises `Unknown`."""
    if name in RESTLESS:
        raise Unknown(f"{name}() differs with each run")
    function = FUNCTIONS.get(name)
    if function is None:
        raise Unknown(f"{name}() is not worked out here")
    try:
        found = function(arguments)
    except (TypeError, ValueError, LookupError, OverflowError) as error:
        raise Wrong(f"{name}() cannot take that") from error
    if isinstance(found, str | list | dict) and len(found) > LARGEST:
        huge()
    return found
