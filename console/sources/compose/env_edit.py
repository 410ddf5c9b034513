"""Edits to mailcow.conf and other env files: one name set, added or removed, every other byte as it was."""

from __future__ import annotations

import re

from console.errors import InputError
from console.sources.compose import env_file
from console.text import clean

_NAME = re.compile(r"[A-Za-z_]\w*")
_BARE = re.compile(r"[\w./:@%+,=-]*", re.ASCII)
_HEAD = re.compile(r"(?:export[^\S\r\n]+)?(?:'[^']+'|[^=#\s]+)[^\S\r\n]*(?:=[^\S\r\n]*)?")
_VALUE = re.compile(r"'(?:\\'|[^'])*'|\"(?:\\\"|[^\"])*\"|\S*+(?:[^\S\r\n]++(?!#)\S++)*+")


def put(text: str, name: str, value: str, file: str) -> str:
    """Return the text with `name` set to `value`: the line that counts is changed, else one is added at the end.

    Raises `InputError` when the value cannot be written so that both compose and a shell read it back."""
    if not _NAME.fullmatch(name):
        raise InputError(file, 1, 1, f'"{clean(name, 40)}" is no name of a variable')
    written = _quoted(name, value, file)
    if why := env_file.endless(text, file):
        raise why
    places = _places(text, name)
    if places:
        start, end = places[-1]
        head = _HEAD.match(text, start, end)
        begin = head.end() if head else start
        equals = "" if head and "=" in head[0] else "="
        old = _VALUE.match(text, begin, end)
        changed = text[:begin] + equals + written + text[old.end() if old else begin :]
    else:
        newline = "\r\n" if "\r\n" in text else "\n"
        gap = newline if text and not text.endswith(("\n", "\r")) else ""
        changed = f"{text}{gap}{name}={written}{newline}"
    before, after = env_file.read(text, file), env_file.read(changed, file)
    if after.values.get(name) != value or len(after.problems) > len(before.problems):
        raise InputError(file, 1, 1, f"{name} cannot be set to that here: mend the lines that are no NAME=value first")
    return changed


def remove(text: str, name: str) -> str:
    """Return the text without the lines that set `name`; comments stay."""
    if env_file.endless(text, ""):
        return text
    for start, end in reversed(_places(text, name)):
        text = text[:start] + text[end:]
    return text


def _quoted(name: str, value: str, file: str) -> str:
    if any(not (char.isprintable() or char == "\t") for char in value):
        raise InputError(file, 1, 1, f"{name} may not hold a line end or a control character")
    if _BARE.fullmatch(value):
        return value
    if "'" not in value:
        return value and f"'{value}'"
    if not re.search(r'["$`\\]', value):
        return f'"{value}"'
    raise InputError(file, 1, 1, f"{name} mixes ' with one of \" $ ` \\, which compose and a shell read differently")


def _places(text: str, name: str) -> list[tuple[int, int]]:
    """Return begin and end of each binding of a name, its own line end included, comments and blanks above not."""
    mark = "\ufeff" if text.startswith("\ufeff") else ""
    found, at = [], len(mark)
    for binding in env_file.bindings(text[len(mark) :]):
        original = binding.original.string
        if binding.key == name and not binding.error:
            found.append((at + len(original) - len(original.lstrip()), at + len(original)))
        at += len(original)
    return found
