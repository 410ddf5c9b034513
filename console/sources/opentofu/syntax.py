"""HCL text to blocks and attributes with their places: python-hcl2's grammar, lark's raw tree, our own walk."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from console.errors import InputError
from console.sources.opentofu.grammar import parser
from console.sources.opentofu.scan import PIECE, Large, Piece, Scan
from console.sources.opentofu.values import Attribute, Block, Document, Expression, Value
from console.text import clean

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lark import Token, Tree

    from console.sources.opentofu.walk import Walk

__all__ = ["Attribute", "Block", "Document", "Expression", "Value", "expression", "parse", "template"]


def parse(text: str, file: str) -> Document:
    """Parse one file; raises `InputError` with the place of what is not HCL."""
    text = text.removeprefix("\ufeff")
    scan = Scan(text)
    walk = _walk(scan, file)
    try:
        attributes, blocks = walk.bodies(scan.whole)
    except RecursionError:
        raise InputError(file, *scan.place(walk.base), "this is not HCL: it is nested too deep") from None
    return Document(file, attributes, blocks, scan.comments)


def _walk(scan: Scan, file: str) -> Walk:
    from console.sources.opentofu.walk import Walk

    return Walk(scan, file, lambda inner: expression(inner, file), lambda large: _trees(scan, file, large))


_SIMPLE = re.compile(r"[A-Za-z_][\w-]*(?:\.[A-Za-z_][\w-]*)*", re.ASCII)


def expression(text: str, file: str) -> Value:
    """Parse one expression on its own; raises `InputError`."""
    from console.sources.opentofu.walk import trees

    if _SIMPLE.fullmatch(text) and text not in ("true", "false", "null"):
        return Expression(text)
    scan = Scan(f"_=({text}\n)")
    ((_, tree),) = _trees(scan, file, scan.whole)
    body = trees(trees(tree)[0])
    if len(body) != 1:
        raise InputError(file, 1, 1, "this is not HCL: one expression was expected")
    return _walk(scan, file).value(trees(body[0])[-1])


def template(text: str, file: str) -> Value:
    """Parse a text with `${…}` and `%{…}` in it, as `templatefile` reads one."""
    from console.sources.opentofu.template import heredoc

    return heredoc(text, False, lambda inner: expression(inner, file))


def _trees(scan: Scan, file: str, large: Large) -> Iterator[tuple[int, Tree[Token]]]:
    """Yield the trees of a text piece by piece, each with its offset."""
    if scan.hopeless:
        raise scan.error(file)
    from lark.exceptions import UnexpectedInput

    whole = large is scan.whole
    for piece in scan.pieces(large):
        if whole and scan.flaw and piece.end == large.end and len(piece.text) > 16 * PIECE:
            raise scan.error(file)
        try:
            tree = parser().parse(piece.text)
        except UnexpectedInput as error:
            raise _first(_explain(error, scan, piece, file), scan, file, piece.inner) from None
        yield piece.base, tree
    if whole and scan.flaw:
        raise scan.error(file)


def _first(said: InputError, scan: Scan, file: str, inner: Sequence[Large]) -> InputError:
    """Return the first of what is wrong: that, what the scan found, or what is in a part that is parsed apart."""
    from lark.exceptions import UnexpectedInput

    found = [scan.error(file), said] if scan.flaw else [said]
    for each in inner:
        try:
            for piece in scan.pieces(each):
                parser().parse(piece.text)
        except UnexpectedInput as error:
            found.append(_first(_explain(error, scan, piece, file), scan, file, piece.inner))
            break
    return min(found, key=lambda each: (each.line, each.column))


_SPELLED = {
    "RBRACE": "}",
    "LBRACE": "{",
    "RPAR": ")",
    "LPAR": "(",
    "RSQB": "]",
    "LSQB": "[",
    "EQ": "=",
    "COMMA": ",",
    "COLON": ":",
    "DBLQUOTE": '"',
    "DOT": ".",
    "IN": "in",
}


def _explain(error: Any, scan: Scan, piece: Piece, file: str) -> InputError:
    """Say lark's complaint in words, at lark's place."""
    expected = getattr(error, "expected", None) or getattr(error, "allowed", None) or set()
    here = getattr(error, "pos_in_stream", None)
    if here is None or getattr(getattr(error, "token", None), "type", "") == "$END":
        here = piece.end - piece.base
    here += piece.base
    masked = scan.masked
    found = re.compile(r"\s*([^\W\d][\w.-]*|[\w.-]+|\S)").match(masked, here)
    what = f'"{clean(scan.text[found.start(1) : found.end(1)], 30)}"' if found else "the end of the file"
    line, column = scan.place(found.start(1) if found else len(masked.rstrip()))
    if {"EQ", "LBRACE"} <= expected:
        wanted = ["=", "{"]
    else:
        wanted = sorted(_SPELLED[name] for name in expected if name in _SPELLED) if len(expected) <= 3 else []
    if wanted:
        problem = " or ".join(f'"{word}"' for word in wanted) + f" expected before {what}"
    else:
        problem = f"{what} cannot stand here"
    return InputError(file, line, column, f"this is not HCL: {problem}")
