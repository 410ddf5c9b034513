"""Edits of haproxy.cfg that mend findings: headers, ports, checks, time limits. None opens a port."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from console.diagnosis.rules.speech import mismatch
from console.errors import InputError
from console.estate.load import Estate
from console.model import Finding, Protocol, Span
from console.sources.haproxy import Line, Proxy, Section, edit
from console.sources.haproxy.edit import Argument, Change, Edit, Insert, Recipe
from console.sources.haproxy.keywords import CHECKS
from console.sources.haproxy.routes import Door
from console.topology.lanes import Way
from console.topology.listeners import reaches

EXPECTS: dict[Protocol, tuple[str, ...]] = {
    "smtp": ("tcp-check expect rstring ^220",),
    "submission": ("tcp-check expect rstring ^220",),
    "smtps": ("tcp-check expect rstring ^220", "tcp-check send QUIT\\r\\n", "tcp-check expect rstring ^221"),
    "imap": ("tcp-check expect string *\\ OK",),
    "imaps": ("tcp-check expect string *\\ OK",),
    "pop3": ("tcp-check expect string +OK",),
    "pop3s": ("tcp-check expect string +OK",),
    "sieve": ("tcp-check expect string IMPLEMENTATION",),
}
"""The greeting of each protocol; postscreen's `220-` teaser counts as one."""

PACE = (("inter", "30s"), ("fastinter", "2s"), ("downinter", "5s"))
"""Checks every 2 s, HAProxy's default, would overwrite Mailcow's log ring within an hour."""

Edits = dict[str, list[Edit]]


class Places:
    """The ways, sections and lines of an estate's HAProxy files, by place."""

    def __init__(self, estate: Estate) -> None:
        self.sources = estate.sources
        configuration = estate.sources.haproxy
        self.proxies = {proxy.span: proxy for proxy in configuration.proxies} if configuration else {}
        self.sections = {section.span: section for section in configuration.sections} if configuration else {}
        self.lines = {each.file: each.lines for each in configuration.documents} if configuration else {}
        self.ways_at: dict[Span, list[Way]] = {}
        self.ways_of: dict[int, list[Way]] = {}
        for way in estate.sources.routes.ways:
            self.ways_at.setdefault(way.server.span, []).append(way)
            self.ways_of.setdefault(id(way.backend), []).append(way)
        self.doors: dict[str, list[Door]] = {}
        for door, lane in estate.sources.routes.lanes:
            self.doors.setdefault(lane.id, []).append(door)
        self.kept: dict[tuple[int, ...], Any] = {}
        """What a mend has worked out for ways, by their ids: many findings are about the same ones."""
        self._serving: dict[str, list[Way]] = {}
        for way in estate.sources.routes.ways:
            for named in {lane.id for lane in way.lanes}:
                self._serving.setdefault(named, []).append(way)

    def serving(self, lanes: Iterable[str]) -> list[Way]:
        """Return the ways that lanes take, by the lanes' ids."""
        return list({id(way): way for lane in lanes for way in self._serving.get(lane, ())}.values())

    def named(self, found: Finding) -> list[Way]:
        """Return the ways whose server lines a finding names."""
        places = dict.fromkeys(place for place in (found.where, *found.also) if isinstance(place, Span))
        return [way for place in places for way in self.ways_at.get(place, ())]

    def section(self, proxy: Proxy) -> Section | None:
        """Return the section that a proxy is made of."""
        return self.sections.get(proxy.span)

    def line(self, place: Span) -> Line | None:
        """Return the line at a place."""
        lines = self.lines.get(place.file, ())
        return lines[place.line - 1] if place.line <= len(lines) else None


def apply(estate: Estate, edits: Edits) -> dict[str, str]:
    """Return the new text of each edited file; a file whose edits are refused is left out."""
    changed = {}
    for file, wanted in edits.items():
        text = estate.texts.get(file)
        if text is None or not wanted:
            continue
        try:
            changed[file] = edit.apply(text, *wanted, file=file)
        except InputError:
            continue
    return changed


# ── headers ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def send_header(places: Places, found: Finding) -> Edits:
    """CH002: add send-proxy to a server line; replace a check without a header by one with it.

    A lane to a daemon that takes no header is not mended here: another port has to be open, and trusted, first."""
    if found.hop == "haproxy":
        return check(places, found)
    place = found.where
    assert isinstance(place, Span)
    wanted = [way.arrival.listener.header == "wanted" for way in places.ways_at.get(place, ())]
    if not wanted or not all(wanted):
        return {}
    return {place.file: [Argument(place.line, ("send-proxy",), before="check")]}


def aim(places: Places, found: Finding) -> Edits:
    """CH003: point a server line that sends a header to a plain port at the PROXY port of the same service."""
    for way in places.named(found):
        host = way.server.host
        wanted = _proxied(places, way)
        line = places.line(way.server.span)
        if found.hop != "vm" or not wanted or line is None or line.words[0] != "server" or way.arrival.hops:
            continue
        before = line.words[2]
        if before != f"{host}:{way.port}":
            continue
        edits: list[Edit] = [Change(line.number, 2, f"{host}:{wanted[0]}")]
        if "port" in line.words and line.words[line.words.index("port") + 1 :][:1] == (str(way.port),):
            edits.append(Argument(line.number, ("port", str(wanted[0]))))
        return {way.server.span.file: edits}
    return {}


def _proxied(places: Places, way: Way) -> list[int]:
    """Return the ports at a way's host that want the header and speak what its own port does."""
    ports, plain = places.sources.ports, way.arrival.listener
    if places.sources.compose is None:
        numbers = [(port, listener) for port, listener in ports.daemons.items()]
    else:
        open_here = [entry for entry in places.sources.published if reaches(way.server.host, entry)]
        numbers = [
            (entry.port, ports.daemons[entry.container_port]) for entry in open_here if ports.wants_header(entry)
        ]
    return [
        port
        for port, listener in numbers
        if listener.header == "wanted" and (listener.protocol, listener.wire) == (plain.protocol, plain.wire)
    ]


# ── checks ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def check(places: Places, found: Finding) -> Edits:
    """CH004, CH005: replace the check of a mail backend by one that sends the header and reads the greeting."""
    ways = places.named(found)
    backends = {id(way.backend): way.backend for way in ways}
    edits: Edits = {}
    for backend in backends.values():
        ours = places.ways_of[id(backend)]
        section = places.section(backend)
        rules = _rules(ours)
        if section is None or rules is None or backend.mode == "http":
            return {}
        wanted = edits.setdefault(section.file, [])
        wanted.append(Recipe(section.header.number, rules))
        ssl = "ssl" in rules[0].split()
        for way in ours:
            line = places.line(way.server.span)
            if line is None:
                return {}
            wanted += _paced(line, ssl, bool(way.server.check.kind == "none"))
    return edits


def _rules(ways: list[Way]) -> tuple[str, ...] | None:
    """Return the rules of a backend's check; None when its servers differ, or when it could not pass."""
    listeners = {(way.arrival.listener.protocol, way.arrival.listener.wire) for way in ways}
    headers = {way.server.proxy_protocol is not None for way in ways}
    ports = {way.port for way in ways}
    if len(listeners) != 1 or len(headers) != 1 or not all(passes(way) for way in ways):
        return None
    protocol, wire = listeners.pop()
    if protocol is None or protocol not in EXPECTS or any(way.server.tls for way in ways):
        return None
    words = ["tcp-check connect"]
    words += [f"port {ports.pop()}"] if len(ports) == 1 else []
    words += ["send-proxy"] if headers.pop() else []
    words += ["ssl"] if wire == "tls" else []
    return (" ".join(words), *EXPECTS[protocol])


def passes(way: Way) -> bool:
    """Whether a check of a way can pass, and prove that clients get in: header, TLS, protocol and address agree."""
    arrival, listener = way.arrival, way.arrival.listener
    if not arrival.known or arrival.elsewhere or arrival.adds or listener.header == "unknown":
        return False
    if way.server.check.address:
        return False  # another machine would be asked
    if (listener.header == "wanted") != way.headed or listener.wire == "unknown":
        return False
    return not any(mismatch(lane, way) for lane in way.lanes)


def _paced(line: Line, ssl: bool, unchecked: bool) -> Iterator[Edit]:
    """Yield the arguments that a server line lacks for such a check."""
    if unchecked and "check" not in line.words:
        yield Argument(line.number, ("check",))
    for words in PACE:
        if words[0] not in line.words:
            yield Argument(line.number, words)
    if ssl and "verify" not in line.words and "ca-file" not in line.words:
        yield Argument(line.number, ("verify", "none"))


# ── time limits ─────────────────────────────────────────────────────────────────────────────────────────────────────


def wait(places: Places, found: Finding) -> Edits:
    """CH019: set time limits that are too short to 30m, and add missing ones."""
    edits: Edits = {}
    for place in (found.where, *found.also):
        assert isinstance(place, Span)
        line = places.line(place)
        if line is None:
            continue
        wanted = edits.setdefault(place.file, [])
        if line.words[:1] == ("timeout",):
            wanted.append(Change(line.number, 2, "30m"))
            continue
        proxy = places.proxies.get(place)
        section = places.section(proxy) if proxy else None
        if proxy is None or section is None:
            continue
        sides = [("client", proxy.kind != "backend"), ("server", proxy.kind != "frontend")]
        missing = [f"timeout {side} 30m" for side, needed in sides if needed and side not in proxy.timeouts]
        if proxy.kind != "frontend" and "connect" not in proxy.timeouts:
            missing.insert(0, "timeout connect 5s")
        wanted.append(Insert(_above_servers(section), tuple(missing)))
    return edits


def _above_servers(section: Section) -> int:
    """Return the line below which new settings go: the last before the servers and the check's rules."""
    after = section.header.number
    for line in section.lines:
        if line.words[0] in ("server", "server-template", "tcp-check", "http-check"):
            break
        if line.words[0] == "option" and line.words[1:2] and line.words[1] in CHECKS:
            break
        after = line.number
    return after
