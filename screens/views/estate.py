"""The map: internet, proxy, tunnel, VM with its volumes and services; every piece with the line it was read from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual.app import ComposeResult

from console.model import HopName, Instance, Lane, Outcome, Published, Span, Topology, Volume
from console.text import clean
from screens.text import Line, Piece, cells, clip, fit
from screens.themes import MARKS
from screens.view import BROAD, View
from screens.views.evidence import short_name
from screens.widgets.boxes import Drawing, Entry, beside, box, entries
from screens.widgets.pane import Pane

FAR = 10_000

WORST_FIRST: tuple[Outcome, ...] = ("failed", "degraded", "unknown", "ok")

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
        drawing = self._across(width - 2) if width >= BROAD else self._down(width - 2)
        drawing = [((" ", self.ink.text), *line) for line in drawing]
        if self.board.estate and self.board.estate.remark:
            drawing.append(((clip(f" {clean(self.board.estate.remark)}", width), self.ink.muted),))
        self.top = max(min(self.top, len(drawing) - height), 0)
        shown = drawing[self.top : self.top + height]
        below = len(drawing) - height - self.top
        if below > 0:
            shown[-1] = ((f" ↓ {below + 1} more lines: j, pgdn", self.ink.muted),)
        return shown

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
        ports = " ".join(str(lane.port) for lane in self.board.lanes)
        head: list[Piece] = [(" internet", self.ink.bright), (f"  {clip(names, width - 12)}", self.ink.text)]
        return [tuple(head), (("     │ ", self.ink.faint), (clip(ports, width - 8), self.ink.muted))]

    def _tunnel(self) -> tuple[Piece, Piece]:
        outcomes = {reading.outcome for (_, hop), reading in self.board.readings.items() if hop == "tunnel"}
        hosts = sorted({lane.target.host for lane in self.board.lanes if lane.target})
        worst: Outcome = next((one for one in WORST_FIRST if one in outcomes), "skipped")
        return ((f"{MARKS[worst]} tunnel  ", self.ink.state(worst)), (clip(", ".join(hosts), 32), self.ink.text))

    def _proxy(self, width: int) -> Drawing:
        file = _only(lane.source.file for lane in self.board.lanes if lane.proxy)
        rows = [self._lane(one, file) for one in self.board.lanes]
        return box(self.ink, "haproxy", short_name(file or ""), rows, width)

    def _lane(self, lane: Lane, file: str | None) -> Entry:
        target = lane.leads or "no target"
        version = f" PROXY {lane.proxy_protocol}" if lane.proxy_protocol else ""
        name: Piece = (f"{lane.port:<4} {fit(lane.name, 8)} ", self.ink.text)
        row: Line = (self._lamp(lane, "haproxy"), name, (f"→ {target}{version}", self.ink.muted))
        return row, _place(lane.source, file)

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
        return [(((kind, self.ink.text),), ""), (((size, self.ink.text), pinned), "")]

    def _volume(self, volume: Volume) -> tuple[str, str, list[Entry]]:
        path: Piece = ("mount path not said", self.ink.degraded)
        if volume.mount_path:
            path = (volume.mount_path, self.ink.text)
        size: Piece = (f"{volume.size or 'size not said'}  ", self.ink.muted)
        return volume.device or volume.name, _place(volume.source), [((size, path), "")]

    def _services(self, width: int) -> list[Entry]:
        published = self.topology.published
        if not published:
            return []
        file = _only(port.source.file for port in published)
        names = sorted({port.service for port in published})
        boxes = [(name, "", [self._port(one, file) for one in published if one.service == name]) for name in names]
        return [((("docker", self.ink.text),), short_name(file or "")), *entries(self._grid(boxes, width))]

    def _port(self, port: Published, file: str | None) -> Entry:
        behind = (port.service, port.container_port)
        lane = next((one for one in self.board.lanes if (one.service, one.service_port) == behind), None)
        number: Piece = (f"{port.port:<5} ", self.ink.text)
        row: Line = (("· ", self.ink.muted), number, ("no listener", self.ink.muted))
        if lane is not None:
            row = (self._lamp(lane, "service"), number, (f"← {lane.port} {lane.name}", self.ink.muted))
        return row, _place(port.source, file)

    def _lamp(self, lane: Lane, hop: HopName) -> Piece:
        reading = self.board.readings.get((lane.id, hop))
        outcome = reading.outcome if reading else "skipped"
        return f"{MARKS[outcome]} ", self.ink.state(outcome)

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


def _place(span: Span, file: str | None = None) -> str:
    return f":{span.line}" if span.file == file else f"{short_name(span.file)}:{span.line}"


SCREEN = Estate
