"""OpenTofu's functions of paths, which look at no file."""

from __future__ import annotations

import posixpath
from collections.abc import Callable

from console.sources.opentofu.functions.values import of_texts
from console.sources.opentofu.values import Value


def _basename(path: str) -> Value:
    return posixpath.basename(path.rstrip("/")) or ("/" if path else ".")


def _dirname(path: str) -> Value:
    return posixpath.normpath(posixpath.dirname(path)) if posixpath.dirname(path) else "."


FUNCTIONS: dict[str, Callable[[list[Value]], Value]] = {
    "basename": of_texts(_basename),
    "dirname": of_texts(_dirname),
}
