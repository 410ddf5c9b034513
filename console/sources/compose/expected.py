"""What a compose file says, and what it has to say after an edit: plain values to compare."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from console.errors import InputError
from console.sources.compose.nodes import Node, is_kind, word
from console.sources.compose.scalars import Scalar, render
from console.text import clean

Plain: TypeAlias = Any
"""Mappings as dicts, sequences as lists, scalars as (tag, text); tagged collections as (tag, collection)."""

MOST = 200_000
"""Nodes; aliases of aliases multiply."""


def tagged(node: Node) -> bool:
    return not str(node.tag).startswith("tag:yaml.org,2002:")


def plain(root: Node | None, file: str) -> Plain:
    looked = 0

    def walk(node: Node) -> Plain:
        nonlocal looked
        looked += 1
        if looked > MOST:
            raise InputError(file, 1, 1, "aliases of aliases make this file too large to edit")
        if is_kind(node, "scalar"):
            return (str(node.tag), str(node.value))
        inner: Plain
        if is_kind(node, "sequence"):
            inner = [walk(each) for each in node.value]
        else:
            inner = {}
            for key, value in node.value:
                if word(key) in inner:
                    mark = key.start_mark
                    raise InputError(
                        file, mark.line + 1, mark.column + 1, f'"{clean(word(key), 40)}" stands here twice'
                    )
                inner[word(key)] = walk(value)
        return (str(node.tag), inner) if tagged(node) else inner

    return walk(root) if root is not None else None


def ordered(plain: Plain) -> Plain:
    if isinstance(plain, Mapping):
        return ("mapping", [(key, ordered(value)) for key, value in plain.items()])
    if isinstance(plain, list):
        return [ordered(each) for each in plain]
    if isinstance(plain, tuple):
        return (plain[0], ordered(plain[1]))
    return plain


def _scalar(value: Scalar) -> Plain:
    kind = (
        "null" if value is None else "bool" if isinstance(value, bool) else "int" if isinstance(value, int) else "str"
    )
    return (f"tag:yaml.org,2002:{kind}", render(value) if kind != "str" else value)


def _inner(plain: Plain) -> Plain:
    """Return a collection without its tag."""
    return plain[1] if isinstance(plain, tuple) and isinstance(plain[1], dict | list) else plain


def _is_null(plain: Plain) -> bool:
    return plain is None or (isinstance(plain, tuple) and plain == ("tag:yaml.org,2002:null", ""))


def placed(plain: Plain, path: list[str | int], value: Scalar, file: str) -> Plain:
    if not path:
        return _scalar(value)
    inner = _inner({} if _is_null(plain) else plain)
    step, rest = path[0], path[1:]
    if isinstance(inner, list) and isinstance(step, int) and 0 <= step < len(inner):
        inner[step] = placed(inner[step], rest, value, file)
    elif isinstance(inner, dict) and isinstance(step, str):
        inner[step] = placed(inner.get(step), rest, value, file)
    return (plain[0], inner) if isinstance(plain, tuple) and inner is plain[1] else inner


def appended(plain: Plain, path: list[str | int], value: Scalar, tag: str, file: str) -> Plain:
    if not path:
        made = _is_null(plain)
        inner = _inner([] if made else plain)
        if isinstance(inner, list):
            inner.append(_scalar(value))
        if made and tag:
            return (tag, inner)
        return (plain[0], inner) if isinstance(plain, tuple) and inner is plain[1] else inner
    inner = _inner({} if _is_null(plain) else plain)
    step, rest = path[0], path[1:]
    if isinstance(inner, list) and isinstance(step, int) and 0 <= step < len(inner):
        inner[step] = appended(inner[step], rest, value, tag, file)
    elif isinstance(inner, dict) and isinstance(step, str):
        inner[step] = appended(inner.get(step), rest, value, tag, file)
    return (plain[0], inner) if isinstance(plain, tuple) and inner is plain[1] else inner


def removed(plain: Plain, path: list[str | int]) -> Plain:
    inner = _inner(plain)
    for step in path[:-1]:
        inner = _inner(inner[step])
    del inner[path[-1]]
    return plain or None
