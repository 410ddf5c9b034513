"""Templates of HCL: `${…}`, `%{if}`, `%{for}` and `~`, put together from pieces; heredocs cut into such pieces."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from msgspec import Struct

from console.sources.opentofu.values import Expression, Value

DEEPEST = 50
"""Directives inside directives, brackets inside an interpolation."""


class Piece(Struct, frozen=True):
    """`${value}`, or a directive: `if`, `else`, `endif`, `for`, `endfor`; the strips say on which sides a ~ stands."""

    kind: str
    value: Value = None
    names: tuple[str, ...] = ()
    left: bool = False
    right: bool = False


class Unclosed(ValueError):
    """A template that does not end, or whose directives do not match."""


def assemble(pieces: Sequence[str | Piece]) -> tuple[Value, ...]:
    """Return the parts of a template; raises `Unclosed`."""
    items = _stripped(pieces)
    parts, at = _until(items, 0, (), 0)
    if at != len(items):
        raise Unclosed
    return tuple(parts)


def _stripped(pieces: Sequence[str | Piece]) -> list[str | Piece]:
    items = list(pieces)
    for number, piece in enumerate(items):
        if not isinstance(piece, Piece):
            continue
        before = items[number - 1] if number else None
        after = items[number + 1] if number + 1 < len(items) else None
        if piece.left and isinstance(before, str):
            items[number - 1] = before.rstrip()
        if piece.right and isinstance(after, str):
            items[number + 1] = after.lstrip()
    return [item for item in items if item != ""]


def _until(items: list[str | Piece], at: int, ends: tuple[str, ...], depth: int) -> tuple[list[Value], int]:
    """Collect parts up to a directive that ends them; return these and where that directive stands."""
    if depth > DEEPEST:
        raise Unclosed
    parts: list[Value] = []
    while at < len(items):
        item = items[at]
        at += 1
        if isinstance(item, str):
            parts.append(item)
        elif item.kind in ends:
            return parts, at - 1
        elif item.kind == "value":
            parts.append(item.value)
        elif item.kind == "if":
            then, at = _until(items, at, ("else", "endif"), depth + 1)
            other: list[Value] = []
            if _kind(items, at) == "else":
                other, at = _until(items, at + 1, ("endif",), depth + 1)
            at = _past(items, at, "endif")
            parts.append(Expression("%{if}", call="%if", arguments=(item.value, _whole(then), _whole(other))))
        elif item.kind == "for":
            body, at = _until(items, at, ("endfor",), depth + 1)
            at = _past(items, at, "endfor")
            arguments: tuple[Value, ...] = (list(item.names), item.value, _whole(body))
            parts.append(Expression("%{for}", call="%for", arguments=arguments))
        else:
            raise Unclosed
    return parts, at


def _kind(items: list[str | Piece], at: int) -> str:
    item = items[at] if at < len(items) else None
    return item.kind if isinstance(item, Piece) else ""


def _past(items: list[str | Piece], at: int, kind: str) -> int:
    if _kind(items, at) != kind:
        raise Unclosed
    return at + 1


def _whole(parts: list[Value]) -> Value:
    if all(isinstance(part, str) for part in parts):
        return "".join(part for part in parts if isinstance(part, str))
    return Expression("…", parts=("", *parts))


def heredoc(body: str, trim: bool, read: Callable[[str], Value]) -> Value:
    """Return a heredoc's text, or its template; `read` reads one expression, and may raise `ValueError`."""
    body = body.replace("\r\n", "\n")
    if "${" not in body and "%{" not in body:
        return "".join(_trimmed([body])) if trim else body
    try:
        texts, pieces = _cut(body, read)
        if trim:
            texts = _trimmed(texts)
        together: list[str | Piece] = [texts[0].replace("$${", "${").replace("%%{", "%{")]
        for piece, text in zip(pieces, texts[1:], strict=True):
            together += [piece, text.replace("$${", "${").replace("%%{", "%{")]
        parts = assemble(together)
    except ValueError:
        return Expression(body)
    if all(isinstance(part, str) for part in parts):
        return "".join(part for part in parts if isinstance(part, str))
    return Expression(body, parts=parts)


def _trimmed(texts: list[str]) -> list[str]:
    """Take the common indent off; the texts are what stands between interpolations, and blank lines do not count."""
    margin: int | None = None
    split = [text.splitlines(keepends=True) for text in texts]
    for number, lines in enumerate(split):
        last = number == len(split) - 1
        if number and not lines and not last:
            continue
        for index, line in enumerate(lines):
            begins = index > 0 or number == 0
            blank = not line.strip() and line.endswith("\n")
            if begins and not blank:
                indent = len(line) - len(line.lstrip())
                margin = indent if margin is None else min(margin, indent)
        if not last and (not lines if number == 0 else False):
            margin = 0
        if not last and lines and lines[-1].endswith("\n"):
            margin = 0
    if not margin:
        return texts
    for number, lines in enumerate(split):
        for index, line in enumerate(lines):
            if (index > 0 or number == 0) and (line.strip() or not line.endswith("\n")):
                lines[index] = line[margin:]
    return ["".join(lines) for lines in split]


_OPENS = re.compile(r"\$\$\{|%%\{|([$%])\{(~?)")
_NAMES = re.compile(r"for\s+([^\W\d][\w-]*)(?:\s*,\s*([^\W\d][\w-]*))?\s+in\b")


def _cut(body: str, read: Callable[[str], Value]) -> tuple[list[str], list[Piece]]:
    texts: list[str] = []
    pieces: list[Piece] = []
    at = begin = 0
    while match := _OPENS.search(body, at):
        at = match.end()
        if match[1] is None:
            continue
        end = _closing(body, at)
        inside = body[at:end]
        right = inside.endswith("~")
        inside = inside.removesuffix("~").strip()
        texts.append(body[begin : match.start()])
        piece = Piece("value", read(inside)) if match[1] == "$" else _directive(inside, read)
        pieces.append(Piece(piece.kind, piece.value, piece.names, bool(match[2]), right))
        at = begin = end + 1
    texts.append(body[begin:])
    return texts, pieces


def _directive(inside: str, read: Callable[[str], Value]) -> Piece:
    if inside in ("else", "endif", "endfor"):
        return Piece(inside)
    if match := _NAMES.match(inside):
        return Piece("for", read(inside[match.end() :]), tuple(name for name in match.groups() if name))
    if re.match(r"if\b", inside):
        return Piece("if", read(inside[2:]))
    raise Unclosed


_INSIDE = re.compile(r'"|[()\[\]{}]|#[^\n]*|//[^\n]*|/\*.*?\*/|<<-?([^\W\d][\w-]*)\r?\n', re.DOTALL)
_QUOTED = re.compile(r'\\.|\$\$\{|%%\{|[$%]\{|"', re.DOTALL)


def _closing(text: str, at: int, depth: int = 0) -> int:
    """Return where the brace is that ends an interpolation whose inside begins at `at`."""
    stack = ["{"]
    while match := (_QUOTED if stack[-1] == '"' else _INSIDE).search(text, at):
        found = match[0]
        at = match.end()
        if stack[-1] == '"':
            if found == '"':
                stack.pop()
            elif found in ("${", "%{"):
                stack.append("{")
        elif found in '"([{':
            stack.append(found)
        elif found in ")]}":
            stack.pop()
            if not stack:
                return match.start()
        elif found.startswith("<<"):
            at = end_of(text, at, match[1], depth + 1)[1]
        if len(stack) + depth > DEEPEST:
            break
    raise Unclosed(at)


def end_of(text: str, at: int, marker: str, depth: int = 0) -> tuple[int, int]:
    """Return begin and end of the line that ends a heredoc whose text begins at `at`; raises `Unclosed`.

    A line inside of an interpolation ends nothing."""
    ends = re.compile(rf"\$\$\{{|%%\{{|[$%]\{{|^[ \t]*{re.escape(marker)}[ \t]*(?=\r?$)", re.MULTILINE)
    while match := ends.search(text, at):
        at = match.end()
        if match[0] in ("${", "%{"):
            at = _closing(text, at, depth + 1) + 1
        elif match[0] not in ("$${", "%%{"):
            return match.start(), at
    raise Unclosed
