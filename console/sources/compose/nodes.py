"""YAML text to ruamel's nodes, which have their places; whatever is wrong with it is an `InputError`."""

from __future__ import annotations

import re
from functools import cache
from typing import Any, TypeAlias

from console.errors import InputError
from console.text import clean

Node: TypeAlias = Any
"""A node of ruamel.yaml's, whose own annotations leave out `id`."""

MOST_OPEN = 64
"""Brackets inside each other."""


def parse(text: str, file: str) -> Node | None:
    """Return the root of the one document; None when there is none."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError
    from ruamel.yaml.reader import ReaderError

    yaml = YAML(pure=True)
    yaml.Scanner = _scanner()
    try:
        root: Node | None = yaml.compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = (error.problem or error.context or "it cannot be read").split("\n")[0]
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        if what == "but found another document":
            problem = "a second document begins here, and only one is read: drop the --- line, or split the file"
            raise InputError(file, line, column, problem) from None
        advice = next((each for sign, each in _ADVICE.items() if sign in what), "")
        raise InputError(file, line, column, f"this is not YAML: {clean(what, 120)}{advice}") from None
    except ReaderError as error:
        before = text[: error.position]
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        raise InputError(file, line, column, "this is not YAML: a control character stands here") from None
    except RecursionError:
        raise InputError(file, 1, 1, "this is not a compose file: brackets too deep inside each other") from None
    except Exception as error:  # a broken document makes the reader trip over itself in many ways
        raise InputError(file, 1, 1, f"this is not YAML: {clean(str(error), 120)}") from None
    return root


_ADVICE = {
    "\\t": "; write blanks, for YAML indents by no tabs",
    "end of stream": "; was the file cut? close what is open there",
    "mapping values are not allowed": "; is the line above indented as this one is, and is its value quoted?",
    "expected <block end>": "; indent the line as its neighbours are",
    "could not find expected ':'": "; write a colon and a blank behind the key",
}
"""What to do about what ruamel says."""


@cache
def _scanner() -> Any:
    """Return ruamel's scanner with a limit: it looks at all open brackets again for every character."""
    from ruamel.yaml.scanner import RoundTripScanner

    class Scanner(RoundTripScanner):
        def fetch_flow_collection_start(self, TokenClass: Any, to_push: str) -> None:  # noqa: N803
            if len(self.flow_context) >= MOST_OPEN:
                raise RecursionError
            super().fetch_flow_collection_start(TokenClass, to_push)

    return Scanner


_HALF = re.compile("[\ud800-\udfff]")
"""Halves of pairs: "\\ud800" is read as one, and is no character that anything could write."""


def is_kind(node: Node, kind: str) -> bool:
    """Say whether a node is a "scalar", "sequence" or "mapping"."""
    return bool(node.id == kind)


def null(node: Node) -> bool:
    """Say whether a node is empty, `null` or `~`."""
    return str(node.tag).endswith(":null")


def word(node: Node) -> str:
    """Return a scalar's text; "" for a collection."""
    if not is_kind(node, "scalar"):
        return ""
    text = str(node.value)
    return text if text.isascii() else _HALF.sub("\ufffd", text)
