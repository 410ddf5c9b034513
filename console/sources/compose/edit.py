"""Edits to compose files: one key or list entry put, added or removed; every byte it is not about stays as it was.

Each edit is read back: what it does not say exactly, or says elsewhere too (anchors), is refused."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeAlias

from msgspec import Struct

from console.errors import InputError
from console.sources.compose.expected import Plain, appended, ordered, placed, plain, removed, tagged
from console.sources.compose.nodes import Node, is_kind, parse, word
from console.sources.compose.scalars import Scalar, render
from console.text import clean

Path: TypeAlias = "Sequence[str | int]"
"""Keys and list positions from the top: ("services", "nginx-mailcow", "ports", 0)."""


def put(text: str, path: Path, value: Scalar, file: str) -> str:
    """Return the text with the scalar at `path` set; a key that is not there is added, with those above it."""
    edit = _Edit(text, file)
    return edit.checked(edit.put(list(path), value), placed(edit.plain(), list(path), value, file))


def append(text: str, path: Path, value: Scalar, file: str, tag: str = "") -> str:
    """Return the text with `value` as the last entry of the list at `path`, made when it is not there.

    `tag` (`!override`) is only written on a list that is made."""
    edit = _Edit(text, file)
    return edit.checked(edit.append(list(path), value, tag), appended(edit.plain(), list(path), value, tag, file))


def remove(text: str, path: Path, file: str) -> str:
    """Return the text without the key or list entry at `path`; what it leaves empty goes too, but no tagged list."""
    edit = _Edit(text, file)
    before = edit.plain()
    cut = edit.outermost(list(path))
    return edit.checked(edit.remove(cut), removed(before, cut))


class _Mark(Struct, frozen=True):
    index: int
    line: int
    column: int


_COLON = re.compile(r"\s*:")


class _Edit:
    def __init__(self, text: str, file: str) -> None:
        self.mark = "\ufeff" if text.startswith("\ufeff") else ""
        self.text, self.file = text[len(self.mark) :], file
        self.newline = "\r\n" if "\r\n" in text else "\n"
        self.root = parse(self.text, file)
        self.settle()

    def settle(self) -> None:
        """Put values that are not written right behind their keys: the reader puts them beyond following comments."""
        waiting, seen = [self.root] if self.root is not None else [], set[int]()
        while waiting:
            node = waiting.pop()
            if is_kind(node, "scalar") or id(node) in seen:
                continue
            seen.add(id(node))
            if is_kind(node, "sequence"):
                waiting.extend(node.value)
                continue
            for key, value in node.value:
                waiting.append(value)
                if _empty(value) and (colon := _COLON.match(self.text, key.end_mark.index)):
                    value.start_mark = value.end_mark = _Mark(colon.end(), key.end_mark.line, key.end_mark.column)

    def plain(self) -> Plain:
        """Return what the text says."""
        return plain(self.root, self.file)

    def checked(self, text: str, wanted: Plain) -> str:
        """Return the new text when it says what is wanted and nothing else."""
        try:
            same = ordered(plain(parse(text, self.file), self.file)) == ordered(wanted)
        except InputError:
            same = False
        if not same:
            raise self.refusal(self.root, "this cannot be changed without touching more of the file: edit it by hand")
        return self.mark + text

    def refusal(self, node: Node | None, problem: str) -> InputError:
        """Return an error at a node's place."""
        mark = node.start_mark if node is not None else None
        return InputError(self.file, mark.line + 1 if mark else 1, mark.column + 1 if mark else 1, problem)

    # ── where things are ────────────────────────────────────────────────────────────────────────────────────────────

    def find(self, path: list[str | int]) -> tuple[Node | None, list[str | int]]:
        """Return the deepest node on the path that is there, and the steps that are left."""
        node, rest = self.root, list(path)
        while node is not None and rest and (pair := _child(node, rest[0])):
            node, rest = pair[1], rest[1:]
        return node, rest

    def line_end(self, index: int) -> int:
        """Return where the line of `index` ends, its line end included."""
        found = self.text.find("\n", index)
        return len(self.text) if found < 0 else found + 1

    def line_start(self, index: int) -> int:
        return self.text.rfind("\n", 0, index) + 1

    def after(self, node: Node) -> int:
        """Return where the lines of a node end."""
        end = _end(node)
        return end if end > 0 and self.text[end - 1] == "\n" else self.line_end(end)

    def step(self) -> tuple[int, int]:
        """Return how far this file indents a mapping in a mapping, and a list below its key."""
        mapping, sequence = 2, 2
        nodes = [self.root] if self.root is not None else []
        seen: list[int] = []
        lists: list[int] = []
        while nodes and len(seen) < 100:
            node = nodes.pop()
            if is_kind(node, "mapping") and not node.flow_style:
                for key, value in node.value:
                    inner = _column(value, self.text)
                    if inner is None or (value.start_mark.line == key.start_mark.line and is_kind(value, "mapping")):
                        continue
                    (seen if is_kind(value, "mapping") else lists).append(inner - key.start_mark.column)
                    nodes.append(value)
        mapping = next((each for each in seen if each > 0), mapping)
        sequence = next((each for each in lists if each >= 0), mapping)
        return mapping, sequence

    # ── edits ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def put(self, path: list[str | int], value: Scalar) -> str:
        node, rest = self.find(path)
        if not rest and node is not None:
            if not is_kind(node, "scalar"):
                raise self.refusal(node, f"{_shown(path)} is no single value")
            style = node.style if node.style in ("'", '"') else ""
            start, end = node.start_mark.index, node.end_mark.index
            gap = " " if start == end else ""
            return self.text[:start] + gap + render(value, style) + self.text[end:]
        return self.insert(node, path, rest, [render(value)], listed=False, tag="")

    def append(self, path: list[str | int], value: Scalar, tag: str) -> str:
        node, rest = self.find(path)
        if rest or node is None or _empty(node):
            return self.insert(node, path, rest, [render(value)], listed=True, tag=tag)
        if not is_kind(node, "sequence"):
            raise self.refusal(node, f"{_shown(path)} is no list")
        style = node.value[-1].style if node.value and is_kind(node.value[-1], "scalar") else ""
        shown = render(value, style if style in ("'", '"') else "")
        if node.flow_style:
            return self.flow(node, shown)
        column = _column(node, self.text) or 0
        return self.lines(self.after(node), [" " * column + "- " + shown])

    def flow(self, node: Node, shown: str) -> str:
        """Add an entry to a collection in brackets."""
        if node.value:
            last = node.value[-1][1] if is_kind(node, "mapping") else node.value[-1]
            at = _end(last)
            return self.text[:at] + ", " + shown + self.text[at:]
        close = node.end_mark.index - 1
        inside = self.text.rfind("{" if is_kind(node, "mapping") else "[", 0, close) + 1
        return self.text[:inside] + shown + self.text[close:]

    def insert(
        self, node: Node | None, path: list[str | int], rest: list[str | int], shown: list[str], listed: bool, tag: str
    ) -> str:
        """Write the keys that are missing, and the value below them, at the end of the deepest mapping there is."""
        if any(not isinstance(step, str) for step in rest):
            raise self.refusal(node, f"{_shown(path)} is not there")
        names = [str(step) for step in rest]
        if node is not None and is_kind(node, "mapping") and node.flow_style:
            value = f"[{shown[0]}]" if listed else shown[0]
            for name in reversed(names[1:]):
                value = f"{{{render(name)}: {value}}}"
            return self.flow(node, f"{render(names[0])}: {value}")
        if node is None:
            return self.lines(len(self.text), self.block(names, 0, shown[0], listed, tag))
        if is_kind(node, "mapping"):
            column = _column(node, self.text) or 0
            return self.lines(self.after(node), self.block(names, column, shown[0], listed, tag))
        if not _empty(node):
            raise self.refusal(node, f"{_shown(path[: len(path) - len(rest)])} is no mapping")
        column = self.key_column(path[: len(path) - len(rest)])
        mapping, sequence = self.step()
        if not names:
            lines = [" " * (column + sequence) + "- " + shown[0]]
        else:
            lines = self.block(names, column + mapping, shown[0], listed, tag)
        return self.lines(self.line_end(node.end_mark.index), lines)

    def key_column(self, path: list[str | int]) -> int:
        parent, _ = self.find(path[:-1])
        pair = _child(parent, path[-1]) if parent is not None and path else None
        if pair is None or pair[0] is None:
            raise self.refusal(parent, f"{_shown(path)} is no mapping")
        return int(pair[0].start_mark.column)

    def block(self, names: list[str], column: int, shown: str, listed: bool, tag: str) -> list[str]:
        mapping, sequence = self.step()
        lines = [" " * (column + mapping * depth) + render(name) + ":" for depth, name in enumerate(names)]
        if not listed:
            lines[-1] += " " + shown
            return lines
        lines[-1] += f" {tag}" if tag else ""
        below = column + mapping * (len(names) - 1) + sequence
        return [*lines, " " * below + "- " + shown]

    def lines(self, at: int, lines: list[str]) -> str:
        head = self.text[:at]
        gap = self.newline if head and not head.endswith("\n") else ""
        return head + gap + "".join(line + self.newline for line in lines) + self.text[at:]

    def outermost(self, path: list[str | int]) -> list[str | int]:
        """Return the path of what has to go so that nothing empty is left."""
        node, rest = self.find(path)
        if rest or node is None or not path:
            raise self.refusal(node, f"{_shown(path)} is not there")
        while len(path) > 1:
            parent, rest = self.find(path[:-1])
            if parent is None or rest or len(parent.value) > 1 or parent.flow_style or tagged(parent):
                break
            path = path[:-1]
        return path

    def remove(self, path: list[str | int]) -> str:
        parent, rest = self.find(path[:-1])
        pair = _child(parent, path[-1]) if parent is not None and not rest else None
        assert parent is not None and pair is not None
        if len(parent.value) == 1 and (parent.flow_style or tagged(parent)):
            return self.emptied(parent)
        key, value = pair
        if parent.flow_style:
            return self.unflow(parent, key or value, value)
        first = key or value
        start = self.line_start(first.start_mark.index)
        before = self.text[start : first.start_mark.index].strip()
        if key is None and before == "-":
            before = ""
        if not before:
            return self.text[:start] + self.text[self.after(value) :]
        entries = [each[0] for each in parent.value]
        following = entries[entries.index(first) + 1] if first in entries[:-1] else None
        if following is None or "#" in self.text[_end(value) : following.start_mark.index]:
            raise self.refusal(first, f"{_shown(path)} shares its line: edit it by hand")
        return self.text[: first.start_mark.index] + self.text[following.start_mark.index :]

    def emptied(self, node: Node) -> str:
        """Leave a tagged list, or one in brackets, as an empty one: without it the file would mean something else."""
        brackets = "{}" if is_kind(node, "mapping") else "[]"
        if node.flow_style:
            open_at = self.text.index(brackets[0], node.start_mark.index)
            return self.text[: open_at + 1] + self.text[node.end_mark.index - 1 :]
        first = node.value[0][0] if is_kind(node, "mapping") else node.value[0]
        start = self.line_start(first.start_mark.index)
        head = self.text[: self.line_end(node.start_mark.index)]
        body = head.rstrip("\r\n")
        comment = re.search(r"\s+#.*$", body[self.line_start(node.start_mark.index) :])
        cut = len(body) - len(comment[0]) if comment else len(body)
        return (
            body[:cut]
            + f" {brackets}"
            + self.text[cut : len(head)]
            + self.text[len(head) : start]
            + self.text[self.after(node) :]
        )

    def unflow(self, parent: Node, first: Node, value: Node) -> str:
        start, end = first.start_mark.index, _end(value)
        if match := re.compile(r"\s*,\s*").match(self.text, end):
            return self.text[:start] + self.text[match.end() :]
        before = re.search(r"\s*,\s*$", self.text[:start])
        return self.text[: before.start() if before else start] + self.text[end:]


def _child(node: Node, step: str | int) -> tuple[Node | None, Node] | None:
    """Return key and value below a node; an entry of a list has no key."""
    if isinstance(step, str) and is_kind(node, "mapping"):
        return next(((key, value) for key, value in node.value if word(key) == step), None)
    if isinstance(step, int) and is_kind(node, "sequence") and 0 <= step < len(node.value):
        return None, node.value[step]
    return None


def _end(node: Node) -> int:
    """Return where a node's own text ends: a block's end mark lies beyond the comments that follow it."""
    while not is_kind(node, "scalar") and not node.flow_style and node.value:
        node = node.value[-1][1] if is_kind(node, "mapping") else node.value[-1]
    return int(node.end_mark.index)


def _column(node: Node, text: str) -> int | None:
    """Return the column of a block's keys or dashes; None for what is no block."""
    if is_kind(node, "scalar") or node.flow_style or not node.value:
        return None
    if is_kind(node, "mapping"):
        return int(node.value[0][0].start_mark.column)
    first = node.value[0].start_mark
    begin = text.rfind("\n", 0, first.index) + 1
    return text[begin : first.index].rfind("-")


def _empty(node: Node) -> bool:
    return bool(is_kind(node, "scalar") and node.start_mark.index == node.end_mark.index)


def _shown(path: Path) -> str:
    return clean(".".join(str(step) for step in path), 80) or "the file"
