"""What is wrong: files that cannot be used, what was observed, what the sources show; and the chosen one in full."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from msgspec.structs import replace
from textual.app import ComposeResult

from console.errors import InputError
from console.model import Finding, Lane, Span
from screens.board import Change
from screens.text import Line, fit, follow, wrap
from screens.view import View
from screens.views.evidence import brief, describe, excerpt, explain, labelled, rule, short_name
from screens.widgets.pane import Pane

Item = Finding | InputError


class Findings(View):
    """A list, and under it (beside it when there is room) the chosen finding with its source."""

    NAME: ClassVar[str] = "findings"

    def __init__(self) -> None:
        super().__init__(id="findings")
        self.cursor = 0
        self.top = 0
        self._kept: Item | None = None

    def compose(self) -> ComposeResult:
        """Lay out list and detail."""
        self.fit()
        yield Pane(self._list, id="findings-list")
        yield Pane(self._detail, id="findings-detail")

    def fit(self) -> None:
        """Give the list what it needs, up to half of the body."""
        super().fit()
        panes = self.query("#findings-list") if self.is_attached else None
        if panes:
            body = self.cowhand.size.height - 4
            rows = len(self._rows())
            panes.first().styles.height = "1fr" if self.has_class("-wide") else min(max(rows, 3), body // 2)

    def items(self) -> list[Item]:
        """All that passes the filter, the worst first."""
        return self.board.memory.once(("items", self.wanted), self._items)

    def _items(self) -> list[Item]:
        problems: tuple[InputError, ...] = self.board.estate.problems if self.board.estate else ()
        everything: list[Item] = [*problems, *folded(self.board.findings())]
        return [item for item in everything if self.wanted in _haystack(item)] if self.wanted else everything

    def _chosen(self) -> Item | None:
        items = self.items()
        return items[min(self.cursor, len(items) - 1)] if items else None

    def _rows(self) -> list[str | int]:
        """What the list is made of: headings, and places in `items`."""
        return self.board.memory.once(("finding rows", self.wanted), self._headed)

    def _headed(self) -> list[str | int]:
        rows: list[str | int] = []
        heading = ""
        for at, item in enumerate(self.items()):
            kind = (
                "unusable" if isinstance(item, InputError) else "observed" if item.observed else "read in the sources"
            )
            if kind != heading:
                heading = kind
                rows.append(kind)
            rows.append(at)
        return rows

    def _list(self, width: int, height: int) -> list[Line]:
        ink, items, rows = self.ink, self.items(), self._rows()
        if not items and self.board.estate is not None and self.board.estate.partial:
            return [((" the files are still being read", ink.muted),)]
        if not items:
            what = f"nothing has “{self.wanted}” in it" if self.wanted else self._nothing()
            return [((f" {what}", ink.muted),)]
        cursor = rows.index(min(self.cursor, len(items) - 1))
        nearest = cursor - 1 if isinstance(rows[cursor - 1], str) else cursor
        self.top = min(follow(self.top, cursor, len(rows), height), nearest)
        lines: list[Line] = []
        for row in rows[self.top : self.top + height]:
            if isinstance(row, str):
                lines.append(((f" {row}", ink.muted),))
                continue
            item, here = items[row], row == self.cursor
            lines.append(
                _unusable(self, item, width, here)
                if isinstance(item, InputError)
                else brief(ink, item, width, chosen=here)
            )
        return lines

    def _nothing(self) -> str:
        if self.board.failed is not None:
            return "nothing is known: the engine has stopped"
        known = self.board.estate is not None and self.board.observed is not None
        return "nothing is known to be wrong" if known else "nothing is known yet"

    def _detail(self, width: int, height: int) -> list[Line]:
        ink, item = self.ink, self._chosen()
        if item is None:
            return [rule(ink, (), width)]
        total = len(self.items())
        below = len(self._rows()) - self.top - self.query_one("#findings-list").size.height
        above = f" · ↑ {self.top} rows above" if self.top else ""
        more = f"{above} · ↓ {below} rows below" if below > 0 else above
        known = len(self.board.findings())
        all_of = f" ({known} findings, alike ones folded)" if known > total else ""
        lines = [rule(ink, ((f"{min(self.cursor, total - 1) + 1} of {total}{all_of}{more}", ink.muted),), width)]
        if isinstance(item, InputError):
            lines += [((f" {row}", ink.text),) for row in wrap(str(item), width - 2)]
        else:
            lines += explain(ink, item, width)
            touched = self._lanes(item)
            if touched:
                names = ", ".join(f"{lane.port} {lane.name}" for lane in touched)
                lines += labelled(ink, "lanes", names, width)
        spare = height - len(lines) - 1
        if spare >= 4:
            lines += [(), *excerpt(self.board, ink, self.place(), width, spare)]
        return lines

    def _lanes(self, found: Finding) -> list[Lane]:
        wanted = frozenset(found.lanes)
        return self.board.memory.once(
            ("lanes of", wanted), lambda: [lane for lane in self.board.lanes if lane.id in wanted]
        )

    def changed(self, change: Change) -> None:
        """Keep the cursor on what it stood on."""
        items = self.items()
        if self._kept in items:
            self.cursor = items.index(self._kept)
        self.shown()

    def shown(self) -> None:
        """Come to the front."""
        self.cursor = max(min(self.cursor, len(self.items()) - 1), 0)
        self._kept = self._chosen()
        self.fit()
        self.redraw()

    def do(self, id: str) -> None:
        """Move, or go to the source."""
        last = max(len(self.items()) - 1, 0)
        page = max(self.query_one("#findings-list").size.height - 1, 1)
        steps = {"down": 1, "up": -1, "page_down": page, "page_up": -page, "first": -last, "last": last}
        if id in steps:
            self.cursor = min(max(self.cursor + steps[id], 0), last)
            self._kept = self._chosen()
            self.redraw()
        elif id == "open":
            chosen = self.finding()
            if chosen is not None and self.place() is None and self._lanes(chosen):
                self.cowhand.show_cell(chosen)
            else:
                self.cowhand.show_place(self.place())

    def choose(self, what: Finding | Span) -> None:
        """Put the cursor on a finding."""
        self.wanted = ""
        items = self.items()
        for at, item in enumerate(items) if isinstance(what, Finding) else ():
            if item == what or (isinstance(item, Finding) and isinstance(what, Finding) and _holds(item, what)):
                self.cursor = at
                break
        self.shown()

    def filter(self, text: str) -> None:
        """Keep what has `text` in its id, name, words or place."""
        self.wanted, self.cursor, self.top = text.lower(), 0, 0
        self.shown()

    def finding(self) -> Finding | None:
        """The chosen one."""
        item = self._chosen()
        return item if isinstance(item, Finding) else None

    def place(self) -> Span | None:
        """Where the chosen one is written."""
        item = self._chosen()
        if isinstance(item, InputError):
            return Span(item.file, max(item.line, 1), max(item.column, 1))
        if item is None:
            return None
        return next((place for place in (item.where, *item.also) if isinstance(place, Span)), None)

    def text(self) -> str:
        """The chosen one, as plain lines."""
        item = self._chosen()
        return "" if item is None else f"{item if isinstance(item, InputError) else describe(item)}\n"


def folded(findings: Iterable[Finding]) -> list[Finding]:
    """Return findings with those of one rule in one row: its name with how many, and the places of all.

    What was observed is never folded: each is a fact of its own."""
    groups: dict[tuple[str, str], list[Finding]] = {}
    for at, found in enumerate(findings):
        alone = str(at) if found.observed else found.severity
        groups.setdefault((found.id, alone), []).append(found)
    return [group[0] if len(group) == 1 else _one(group) for group in groups.values()]


def _one(group: list[Finding]) -> Finding:
    first = group[0]
    places = [place for each in group for place in (each.where, *each.also) if isinstance(place, Span)]
    return replace(
        first,
        name=f"{first.name} ×{len(group)}",
        summary=" · ".join(dict.fromkeys(each.summary for each in group)),
        also=tuple(dict.fromkeys(place for place in places if place != first.where)),
        lanes=tuple(dict.fromkeys(lane for each in group for lane in each.lanes)),
    )


def _holds(item: Finding, what: Finding) -> bool:
    """Whether a row is the one that a finding was folded into."""
    return (item.id, item.observed, item.severity) == (what.id, what.observed, what.severity) and (
        what.where == item.where or what.where in item.also
    )


def _unusable(view: Findings, problem: InputError, width: int, chosen: bool) -> Line:
    ink = view.ink
    place = f"{short_name(problem.file)}:{problem.line}:{problem.column}"
    line: Line = (
        ("▸" if chosen else " ", ink.failed),
        ("✗ ", ink.failed),
        (fit(place, 33) + " ", ink.bright if chosen else ink.text),
        (fit(problem.problem, width - 38), ink.muted),
    )
    return tuple((text, ink.chosen(style)) for text, style in line) if chosen else line


def _haystack(item: Item) -> str:
    if isinstance(item, InputError):
        return str(item).lower()
    return f"{item.id} {item.name} {item.severity} {item.summary} {item.where} {' '.join(item.lanes)}".lower()


SCREEN = Findings
