"""The options of `cowhand flow`, and the answers given by them."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from console.errors import InputError
from console.text import clean

if TYPE_CHECKING:
    pass


class FlowOptions(msgspec.Struct, frozen=True):
    """The options of the command line; `destroy` are the names given by --answer destroy=NAME."""

    answers: Mapping[str, str]
    destroy: tuple[str, ...] = ()
    yes: bool = False
    dry: bool = False
    json: bool = False
    runbook: bool = False


def flow_options(words: Sequence[str], yes: bool, dry: bool, json: bool, runbook: bool) -> FlowOptions:
    """Return the options; raises `InputError` for an --answer that is not KEY=VALUE."""
    answers: dict[str, str] = {}
    destroy: list[str] = []
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise InputError("--answer", 0, 0, f'"{clean(word, 60)}" is not KEY=VALUE')
        if key == "destroy":
            destroy.append(value)
        else:
            answers[key] = _value(key, value)
    return FlowOptions(answers, tuple(destroy), yes, dry or runbook, json, runbook)


def _value(key: str, value: str) -> str:
    """The value itself, or what is in the file of @FILE, or on standard input for -; without its last newline."""
    if value == "-":
        return sys.stdin.read().removesuffix("\n")
    if not value.startswith("@"):
        return value
    try:
        return Path(value[1:]).expanduser().read_text(encoding="utf-8").removesuffix("\n")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror.lower() if isinstance(error, OSError) and error.strerror else "it is not UTF-8 text"
        raise InputError("--answer", 0, 0, f"{clean(key, 40)}: {clean(value[1:], 200)} cannot be read: {why}") from None
