"""What was found in one line: the places to hide, and what the line leaves open for those below it."""

from __future__ import annotations

from typing import Literal, NamedTuple

from console.masking.values import DOTS

LONGEST = 4096
"""Characters of a line that is looked at; a longer one is hidden."""

WHOLE = ((0, LONGEST + 1),)
"""A whole line, as the parts of it that are inside of a secret's block."""

Kind = Literal["quote", "block", "nested", "brackets", "heredoc", "next", "continued"]


class Opens(NamedTuple):
    """A value that goes on below its line.

    `quote`: to the next `mark`. `block`: all lines deeper than column `indent`. `nested`: those too, but for what
    is named to be harmless. `brackets`: until `indent` brackets are closed. `heredoc`: until a line that is `mark`.
    `next`: the first word of the next line. `continued`: the next line, and on while they end with a backslash."""

    kind: Kind
    mark: str = ""
    indent: int = 0


class Found:
    """Collects the places to hide in a line."""

    __slots__ = ("opens", "spans")

    def __init__(self) -> None:
        self.spans: list[tuple[int, int]] = []
        self.opens: Opens | None = None

    def hide(self, start: int, end: int) -> None:
        """Hide what is between two places."""
        if end > start:
            self.spans.append((start, end))

    def masked(self, text: str) -> str:
        """Return the line with dots in those places."""
        pieces: list[str] = []
        at = 0
        for start, end in sorted(self.spans):
            if start > at or not pieces:
                pieces += [text[at:start], DOTS]
            at = max(at, end)
        return "".join([*pieces, text[at:]])
