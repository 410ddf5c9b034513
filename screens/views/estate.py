"""The map: internet, proxy, tunnel, VM with its volumes and services; every piece with the line it was read from."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import accumulate
from typing import ClassVar

from textual.app import ComposeResult

from console.model import HopName, Instance, Lane, Outcome, Span, Topology, Volume
from console.text import clean
from screens.board import WORST_FIRST
from screens.text import Line, Piece, cells, clip, fit
from screens.themes import MARKS, Ink
from screens.view import BROAD, View
from screens.views.evidence import short_name
from screens.widgets.boxes import Drawing, Entry, beside, box, entries
from screens.widgets.pane import Pane

FAR = 10_000

BAR = 12
"""Cells of the bar that shows how full a volume is."""

PAIR = 66
"""Columns inside the VM's frame from which two boxes stand side by side."""


class Estate(View):
    """One drawing: top down on a narrow terminal, left to right on a broad one."""

    NAME: ClassVar[str] = "estate"

    def __init__(self) -> None:
        super().__init__(id="estate")
        self.top = 0

    def compose(self) -> ComposeResult:
        """Lay out the one pane."""
        yield Pane(self._map)

    @property
    def topology(self) -> Topology:
        """What there is, as far as it was read."""
        return self.board.estate.topology if self.board.estate else Topology()

    def _map(self, width: int, height: int) -> Drawing:
        _, drawing, broken_from = self.board.memory.once(("map", width, id(self.ink)), lambda: self._whole(width))
        self.top = max(min(self.top, len(drawing) - height), 0)
        shown = drawing[self.top : self.top + height]
        below = len(drawing) - height - self.top
        if below > 0:
            broken = broken_from[self.top + height - 1]
            more: Line = ((f" ↓ {below + 1} more lines: j, pgdn", self.ink.muted),)
            shown[-1] = (*more, (f"  ✗ {broken} broken there", self.ink.broken)) if broken else more
        return shown

    def _whole(self, width: int) -> tuple[Ink, Drawing, list[int]]:
        """All of it, and how much is broken from each line on, so that a key costs the same however long it is.

        The memory keeps the ink too, so that no other can be taken for it."""
        drawing = self._draw(width)
        counts = [sum(text.startswith(MARKS["failed"]) for text, _ in line) for line in reversed(drawing)]
        return self.ink, drawing, [*accumulate(counts)][::-1]

    def _draw(self, width: int) -> Drawing:
        drawing = self._across(width - 2) if width >= BROAD else self._down(width - 2)
        drawing = [((" ", self.ink.text), *line) for line in drawing]
        if self.board.estate and self.board.estate.remark:
            drawing.append(((clip(f" {clean(self.board.estate.remark)}", width), self.ink.muted),))
        return drawing

    def _down(self, width: int) -> Drawing:
        stem: Piece = ("     │ ", self.ink.faint)
        return [
            *self._internet(width),
            *self._proxy(width),
            (stem, *self._tunnel()),
            *self._machines(width),
        ]

    def _across(self, width: int) -> Drawing:
        left = min(max(width * 11 // 25, 56), 76)
        proxy = [*self._internet(left), *self._proxy(left)]
        name, hosts = self._tunnel()
        middle = max(cells((hosts,)), 10) + 3
        right = width - left - middle
        gap: Piece = (" ", self.ink.text)
        arrow: Line = (("─" * (middle - 1) + "▸", self.ink.faint),)
        link: Drawing = [()] * max(len(proxy) // 2 - 1, 0) + [(gap, name), arrow, (gap, hosts)]
        return beside(self.ink, (proxy, left), (link, middle), (self._machines(right), right))

    # the pieces

    def _internet(self, width: int) -> Drawing:
        names = ", ".join(self.topology.public)
        head: list[Piece] = [(" internet", self.ink.bright), (f"  {clip(names, width - 12)}", self.ink.text)]
        return [tuple(head), (("     │ ", self.ink.faint), *self._ports(width - 8))]

    def _ports(self, width: int) -> Line:
        """One lamp for each public port; where there is no room for all, the worst first and how many are left."""
        lanes = list(self.board.lanes)
        shown = [(lane, self._outcome(lane, "public")) for lane in lanes]
        if sum(len(str(lane.port)) + 2 for lane in lanes) > width:
            shown.sort(key=lambda each: WORST_FIRST.index(each[1]))
        pieces: list[Piece] = []
        for at, (lane, outcome) in enumerate(shown):
            rest = f"and {len(shown) - at} more"
            needed = 0 if at == len(shown) - 1 else len(rest)
            if cells(pieces) + len(str(lane.port)) + 2 + needed > width:
                return (*pieces, (rest, self.ink.muted))
            words = self.ink.muted if outcome in ("ok", "skipped") else self.ink.state(outcome)
            pieces += [(MARKS[outcome], self.ink.state(outcome)), (f"{lane.port} ", words)]
        return tuple(pieces)

    def _tunnel(self) -> tuple[Piece, Piece]:
        outcomes = {self._outcome(lane, "tunnel") for lane in self.board.lanes}
        hosts = sorted({lane.target.host for lane in self.board.lanes if lane.target})
        worst: Outcome = next((one for one in WORST_FIRST if one in outcomes), "skipped")
        return ((f"{MARKS[worst]} tunnel  ", self.ink.state(worst)), (clip(", ".join(hosts), 32), self.ink.text))

    def _proxy(self, width: int) -> Drawing:
        file = _only(lane.source.file for lane in self.board.lanes if lane.proxy)
        rows = [self._lane(one, file, width - 4) for one in self.board.lanes]
        return box(self.ink, "haproxy", short_name(file or ""), rows, width)

    def _lane(self, lane: Lane, file: str | None, width: int) -> Entry:
        """A lane, its target, and what is wrong: where there is no room for all, that is what stays."""
        target = lane.leads or "no target"
        version = f" {lane.header}" if lane.proxy_protocol or lane.headers else ""
        name: Piece = (f"{lane.port:<4} {fit(lane.name, 8)} ", self.ink.text)
        said, place = self._said(lane, "haproxy", "public"), _place(lane.source, file)
        lamp, port = self._lamp(lane, "haproxy", "public"), f":{lane.target.port}" if lane.target else target
        rows: list[Line] = [
            (lamp, name, (f"→ {leads}", self.ink.muted), *said) for leads in (target + version, target, port)
        ]
        return _fitting(rows, width - len(place) - 1), place

    def _machines(self, width: int) -> Drawing:
        topology = self.topology
        inside = entries(self._grid([self._volume(one) for one in topology.volumes], width - 4))
        inside += self._services(width - 4)
        if not topology.instances:
            return box(self.ink, "vm", "", inside, width)
        drawing: Drawing = []
        for at, instance in enumerate(topology.instances):
            rows = [*self._facts(instance), *(inside if at == 0 else [])]
            drawing += box(self.ink, instance.name, _place(instance.source), rows, width)
        return drawing

    def _facts(self, instance: Instance) -> list[Entry]:
        processors = f"{instance.cpu} cpu" if instance.cpu else None
        kind = " · ".join(fact for fact in (instance.type, instance.image) if fact)
        size = "".join(f"{fact} · " for fact in (processors, instance.memory) if fact)
        pinned: Piece = ("no address is pinned", self.ink.degraded)
        if instance.addresses:
            pinned = (", ".join(instance.addresses), self.ink.text)
        facts: list[Entry] = [(((kind, self.ink.text),), ""), (((size, self.ink.text), pinned), "")]
        guest = self.board.guest
        if guest.status and guest.name == instance.name:
            runs = guest.status == "Running"
            lamp: Piece = (f"{MARKS['ok' if runs else 'failed']} ", self.ink.ok if runs else self.ink.broken)
            facts.append(((lamp, (f"{clean(guest.status).lower()}, says Incus", self.ink.text)), ""))
        return facts

    def _volume(self, volume: Volume) -> tuple[str, str, list[Entry]]:
        path: Piece = ("mount path not said", self.ink.degraded)
        if volume.mount_path:
            path = (volume.place, self.ink.text)
        size: Piece = (f"{volume.size or 'size not said'}  ", self.ink.muted)
        rows: list[Entry] = [((size, path), "")]
        if self.board.disks and volume.mount_path:
            rows.append((self._used(volume.mount_path), ""))
        return volume.device or volume.name, _place(volume.source), rows

    def _used(self, path: str) -> Line:
        """How full the file system at a path is, as a bar; df on the mail host said so."""
        used = self.board.disks.get(path)
        if used is None:
            return (("no file system is mounted there", self.ink.degraded),)
        full = max(min(round(used * BAR / 100), BAR), 0)
        style = self.ink.failed if used >= 95 else self.ink.degraded if used >= 85 else self.ink.ok
        return (("█" * full, style), ("░" * (BAR - full), self.ink.faint), (f" {used} % used", self.ink.text))

    def _services(self, width: int) -> list[Entry]:
        """A box for each service: its published ports, and the lanes that lead to it at a port no file publishes."""
        published = self.topology.published
        file = _only(port.source.file for port in published)
        inside: dict[str, list[Entry]] = {}
        drawn: set[str] = set()
        for port in sorted(published, key=lambda one: one.service):
            behind = (port.service, port.container_port)
            lanes = [one for one in self.board.lanes if (one.service, one.service_port) == behind]
            drawn |= {lane.id for lane in lanes}
            number: Piece = (f"{port.port:<5} ", self.ink.text)
            none: Line = (("· ", self.ink.muted), number, ("no lane leads here", self.ink.muted))
            rows = [self._led(lane, port.port) for lane in lanes] or [none]
            inside.setdefault(port.service, []).extend((row, _place(port.source, file)) for row in rows)
        for lane in self.board.lanes:
            if lane.id not in drawn:
                name = lane.service or "service not known"
                inside.setdefault(name, []).append((self._led(lane, lane.target.port if lane.target else 0), ""))
        if not inside:
            return []
        boxes = [(name, "", rows) for name, rows in sorted(inside.items())]
        return [((("docker", self.ink.text),), short_name(file or "")), *entries(self._grid(boxes, width))]

    def _led(self, lane: Lane, port: int) -> Line:
        """A port of the VM to which a lane leads: the worst of the port and of the service behind it."""
        number: Piece = (f"{port or '?':<5} ", self.ink.text)
        came: Piece = (f"← {lane.port} {lane.name}", self.ink.muted)
        return (self._lamp(lane, "service", "vm"), number, came, *self._said(lane, "service", "vm"))

    def _outcome(self, lane: Lane, *hops: HopName) -> Outcome:
        reading = self.board.worst(lane, *hops)
        return reading.outcome if reading else "skipped"

    def _lamp(self, lane: Lane, *hops: HopName) -> Piece:
        outcome = self._outcome(lane, *hops)
        return f"{MARKS[outcome]} ", self.ink.state(outcome)

    def _said(self, lane: Lane, *hops: HopName) -> Line:
        """The word of the worst of some hops, where it is not well: the map says what the matrix says."""
        reading = self.board.worst(lane, *hops)
        if reading is None or reading.outcome not in ("failed", "degraded"):
            return ()
        return ((f"  {reading.word}", self.ink.state(reading.outcome)),)

    def _grid(self, boxes: list[tuple[str, str, list[Entry]]], width: int) -> Drawing:
        beneath = 2 if width >= PAIR else 1
        each = (width - beneath + 1) // beneath
        drawing: Drawing = []
        for at in range(0, len(boxes), beneath):
            row = boxes[at : at + beneath]
            tall = max(len(rows) for _, _, rows in row)
            blocks: list[tuple[Drawing, int]] = []
            for title, place, rows in row:
                padded: list[Entry] = [*rows, *[((), "")] * (tall - len(rows))]
                blocks.append((box(self.ink, title, place, padded, each), each + 1))
            drawing += beside(self.ink, *blocks)
        return drawing

    # what happens

    def do(self, id: str) -> None:
        """Scroll."""
        page = max(self.size.height - 2, 1)
        steps = {"down": 1, "up": -1, "page_down": page, "page_up": -page, "first": -FAR, "last": FAR}
        self.top = max(self.top + steps.get(id, 0), 0)
        self.redraw()

    def text(self) -> str:
        """The drawing itself."""
        return "".join("".join(text for text, _ in line).rstrip() + "\n" for line in self._down(78))


def _only(files: Iterable[str]) -> str | None:
    known = set(files)
    return known.pop() if len(known) == 1 else None


def _fitting(rows: list[Line], width: int) -> Line:
    """The first of some rows that fits, else the last."""
    return next((row for row in rows if cells(row) <= width), rows[-1])


def _place(span: Span, file: str | None = None) -> str:
    return f":{span.line}" if span.file == file else f"{short_name(span.file)}:{span.line}"


SCREEN = Estate
