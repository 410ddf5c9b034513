"""All keys, made from the registry; above them, what the chosen finding means."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult

from screens.actions import ACTIONS, Group
from screens.text import Line, Piece, cells, clip, wrap
from screens.themes import MARKS
from screens.view import View
from screens.widgets.pane import Pane

COLUMNS: tuple[tuple[Group, ...], ...] = (("screens", "move"), ("look", "change", "console"))
MEANINGS = {
    "ok": "well", "degraded": "effect of a fault", "failed": "at fault", "unknown": "not known", "skipped": "not asked",
}  # fmt: skip
OTHERS = (
    ("x", "broken a part of these minutes"),
    ("·", "of a step: to do"),
    ("–", "does not apply"),
    ("…", "not known yet"),
)
"""Marks of the strip of the last hour, and of the steps of a flow."""


class Help(View):
    """Two columns of keys, and what the shapes mean."""

    NAME: ClassVar[str] = "help"

    def __init__(self) -> None:
        super().__init__(id="help")
        self.skipped = 0
        self.about = ""
        """Id of the finding that was chosen when help was asked for; "" when there was none."""

    def compose(self) -> ComposeResult:
        """Lay out the one pane."""
        yield Pane(self._help)

    def _help(self, width: int, height: int) -> list[Line]:
        ink = self.ink
        half = min(width // 2, 60)
        left, right = (self._column(groups, half) for groups in COLUMNS)
        right += [(), *self._shapes()]
        rows = max(len(left), len(right))
        lines = self._explained(width) if self.about else []
        for at in range(rows):
            first = left[at] if at < len(left) else ()
            second = right[at] if at < len(right) else ()
            lines.append((*first, (" " * max(half - cells(first), 0), ink.text), *second))
        self.skipped = max(min(self.skipped, len(lines) - height), 0)
        shown = lines[self.skipped : self.skipped + height]
        below = len(lines) - height - self.skipped
        if below > 0 and shown:
            shown[-1] = ((f" ↓ {below + 1} more lines: pgdn", ink.degraded),)
        return shown

    def do(self, id: str) -> None:
        """Scroll."""
        page = max(self.size.height - 2, 1)
        steps = {"down": 1, "up": -1, "page_down": page, "page_up": -page, "first": -99, "last": 99}
        self.skipped = max(self.skipped + steps.get(id, 0), 0)
        self.redraw()

    def _explained(self, width: int) -> list[Line]:
        """What `cowhand explain` tells of a finding."""
        from console.diagnosis.about import about

        found = about(self.about)
        if found is None:
            return []
        ink, alike = (
            self.ink,
            [f"{id}: {words}" + (f" (to tell: {tells})" if tells else "") for id, words, tells in found.alike],
        )
        parts = (
            ("what it is", found.words), ("what is seen", found.seen), ("what proves it", found.proofs),
            ("what else looks like it", alike), ("how it is mended", found.remedies),
        )  # fmt: skip
        lines: list[Line] = [
            ((f" {found.entry.id} {found.entry.name} ", ink.bright), (found.entry.severity, ink.muted))
        ]
        for title, rows in parts:
            lines += [((f"   {title}", ink.muted),)] if rows else []
            lines += [((f"     {part}", ink.text),) for row in rows for part in wrap(row, width - 8)]
        return [*lines, ()]

    def _shapes(self) -> list[Line]:
        ink = self.ink
        rows: list[list[Piece]] = [[], [], []]
        for at, (outcome, mark) in enumerate(MARKS.items()):
            rows[at // 2] += [(f"   {mark}", ink.state(outcome)), (f" {MEANINGS[outcome]}", ink.muted)]
        more: list[Line] = [((f"   {mark}", ink.text), (f" {words}", ink.muted)) for mark, words in OTHERS]
        return [*(tuple(row) for row in rows), *more]

    def _column(self, groups: tuple[Group, ...], width: int) -> list[Line]:
        ink = self.ink
        lines: list[Line] = []
        for group in groups:
            actions = [one for one in ACTIONS if one.group == group and not (one.danger and self.cowhand.read_only)]
            lines += [*([()] if lines else []), ((f" {group}", ink.bright),)]
            lines += [((f"   {one.label:<6}", ink.key), (clip(one.help, width - 10), ink.muted)) for one in actions]
            if not actions:
                lines.append((("   none: this is read-only", ink.muted),))
        return lines


SCREEN = Help
