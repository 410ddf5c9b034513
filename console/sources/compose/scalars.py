"""How a scalar is written in a compose file."""

from __future__ import annotations

import json
import re
from typing import TypeAlias

Scalar: TypeAlias = "str | int | bool | None"


_SAFE = re.compile(r"[A-Za-z_./][\w./@+=-]*", re.ASCII)
_WORDS = frozenset(["true", "false", "yes", "no", "on", "off", "null", "y", "n"])


def render(value: Scalar, style: str = "") -> str:
    """Write a scalar; a text that YAML would read as anything else is quoted, as `style` (\" or ') says."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if style == "'" and value.isprintable():
        return "'" + value.replace("'", "''") + "'"
    if style != '"' and _SAFE.fullmatch(value) and value.lower() not in _WORDS and not value.startswith("."):
        return value
    return json.dumps(value, ensure_ascii=not value.isprintable())
