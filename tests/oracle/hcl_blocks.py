"""The top-level blocks of an HCL file by a scan of its own: braces, quotes, heredocs, comments, and no grammar."""

from __future__ import annotations

import re

Block = tuple[str, tuple[str, ...], int]
"""Type, labels, line (from 1)."""

_IDENTIFIER = re.compile(r"[^\W\d][\w-]*")
_HEREDOC = re.compile(r"<<(-?)([^\W\d][\w-]*)[ \t]*\r?\n")
_BLANK = re.compile(r"[ \t\r\n]+")
_SIMPLE = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\"}


class Broken(Exception):
    """The scan lost its way at this offset."""


def blocks(text: str) -> list[Block]:
    """Return the top-level blocks; raises `Broken` when braces or quotes do not close."""
    text = text.removeprefix("\ufeff")
    found: list[Block] = []
    words: list[str] = []
    began = at = 0
    while at < len(text):
        char = text[at]
        if after := _skipped(text, at):
            if "\n" in text[at:after] and words:
                raise Broken(at)
            at = after
        elif char == '"':
            end = _quoted(text, at)
            words.append(_unescaped(text[at + 1 : end - 1]))
            at = end
        elif match := _IDENTIFIER.match(text, at):
            if not words:
                began = at
            words.append(match[0])
            at = match.end()
        elif char == "{" and words:
            found.append((words[0], tuple(words[1:]), text.count("\n", 0, began) + 1))
            words, at = [], _closed(text, at)
        elif char == "=" and len(words) == 1:
            words, at = [], _line(text, at + 1)
        else:
            raise Broken(at)
    if words:
        raise Broken(at)
    return found


def _skipped(text: str, at: int) -> int:
    """Return where blanks or a comment end; 0 when there are none here."""
    if match := _BLANK.match(text, at):
        return match.end()
    if text[at] == "#" or text.startswith("//", at):
        end = text.find("\n", at)
        return len(text) if end < 0 else end
    if text.startswith("/*", at):
        end = text.find("*/", at + 2)
        if end < 0:
            raise Broken(at)
        return end + 2
    return 0


def _step(text: str, at: int) -> int:
    """Return where the token at `at` ends: a comment, a text, a heredoc, a bracket with all in it, or one character."""
    char = text[at]
    if char in " \t\r\n":
        return at + 1
    if char in "#/" and (after := _skipped(text, at)):
        return after
    if char == '"':
        return _quoted(text, at)
    if char in "{[(":
        return _closed(text, at)
    if match := _HEREDOC.match(text, at):
        end = re.compile(rf"^[ \t]*{match[2]}[ \t]*\r?$", re.MULTILINE).search(text, match.end())
        if end is None:
            raise Broken(at)
        return end.end()
    return at + 1


def _closed(text: str, at: int) -> int:
    """Return where the bracket that opens at `at` is closed."""
    closer = {"{": "}", "[": "]", "(": ")"}[text[at]]
    at += 1
    while at < len(text):
        if text[at] == closer:
            return at + 1
        if text[at] in "}])":
            raise Broken(at)
        at = _step(text, at)
    raise Broken(at)


def _line(text: str, at: int) -> int:
    """Return where an attribute's value ends: its line's end, outside of all brackets."""
    while at < len(text) and text[at] != "\n":
        if text[at] in "}])":
            raise Broken(at)
        at = _step(text, at)
    return at


def _quoted(text: str, at: int) -> int:
    """Return where the text that begins at `at` ends; its templates may hold texts of their own."""
    at += 1
    while at < len(text):
        if text[at] == '"':
            return at + 1
        if text[at] == "\\":
            at += 2
        elif text.startswith(("$${", "%%{"), at):
            at += 3
        elif text.startswith(("${", "%{"), at):
            at = _closed(text, at + 1)
        elif text[at] == "\n":
            break
        else:
            at += 1
    raise Broken(at)


def _unescaped(text: str) -> str:
    def plain(match: re.Match[str]) -> str:
        return _SIMPLE[match[1]] if match[1] in _SIMPLE else chr(int(match[1][1:], 16))

    return re.sub(r'\\([nrt"\\]|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8})', plain, text)
