"""What haproxy.cfg on the proxy has to say, as edits of the file that is there: every byte not asked for is kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import ip_address

from msgspec import Struct
from msgspec.structs import replace

from console.diagnosis.lint import lint
from console.errors import InputError
from console.estate.load import Estate
from console.mend import listeners
from console.mend.listeners import EXPECTS, PACE, Places
from console.model import PLAIN_PORTS, Finding, Lane, Span
from console.sources import haproxy
from console.sources.haproxy import Configuration, Line, Proxy
from console.sources.haproxy.edit import Edit, Insert, Listener, apply
from console.sources.haproxy.keywords import CHECKS
from console.text import join_words
from console.topology.build import build
from console.topology.lanes import MAIL, Way

SUBMISSION = 587

ANY4 = ("", "*", "0.0.0.0", "ipv4@", "ipv4@*", "ipv4@0.0.0.0")

WORDS = {
    "CH003": "dial the port that takes the PROXY header",
    "CH002": "send the PROXY header",
    "CH005": "a check that the daemon can answer",
    "CH004": "a check that sends the header and reads the greeting, every 30 s, and every 2 s while it changes",
    "CH019": "time limits of 30 m, which let IMAP IDLE live",
}

ROUNDS = 8
"""Most rounds of edits: each takes away at least one finding, and moves the lines of the others."""


class Wanted(Struct, frozen=True):
    """The new text, what it changes in words, and the findings that no edit of this flow mends."""

    text: str
    changes: tuple[str, ...] = ()
    left: tuple[Finding, ...] = ()


def running(estate: Estate, path: str, text: str) -> Estate:
    """The estate with the proxy's own file in the place of the repository's."""
    sources = replace(estate.sources, haproxy=haproxy.parse(text, path))
    return replace(estate, sources=sources, topology=build(sources), texts={**estate.texts, path: text})


def ways(estate: Estate) -> list[Way]:
    """The servers behind the mail lanes of an estate."""
    return [way for way in estate.sources.routes.ways if any(lane.protocol in MAIL for lane in way.lanes)]


def wanted(estate: Estate, path: str, text: str, six: bool, submission: bool = False) -> Wanted:
    """Work out the file: `six` says that the proxy has IPv6, `submission` that 587 is to be offered.

    Raises `InputError` with the place where an edit cannot be made."""
    changes: list[str] = []
    for add in (_missing, _families if six else None, _submission if submission else None):
        if add is not None:
            edits, words = add(estate, running(estate, path, text))
            text = apply(text, *edits, file=path) if edits else text
            changes += words
    for id in MENDS:
        text, named = _mend(estate, path, text, id)
        changes += [f"{join_words(named)}: {WORDS[id]}"] if named else []
    return Wanted(text, tuple(changes), tuple(_findings(running(estate, path, text))))


def offers(estate: Estate, path: str, text: str) -> bool:
    """Whether 587 could be offered: the mail host has it for the proxy, and nobody listens for it here."""
    there = running(estate, path, text)
    if any(lane.port == SUBMISSION for _, lane in there.sources.routes.lanes):
        return False
    return bool(_submission(estate, there)[0])


# ── findings ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _findings(there: Estate) -> Iterator[Finding]:
    """Yield what is wrong with the mail lanes of the file."""
    mail = {lane.id for lane in there.topology.lanes if lane.protocol in MAIL}
    for each in lint(there.sources, there.topology):
        if each.id in MENDS and (not each.lanes or mail & {*each.lanes}):
            yield each


def _mend(estate: Estate, path: str, text: str, id: str) -> tuple[str, list[str]]:
    """Make the edits for the findings of one id; returns the text and the listeners that have changed."""
    named: dict[str, None] = {}
    refused: set[str] = set()
    for _ in range(ROUNDS):
        there = running(estate, path, text)
        places = Places(there)
        found = [each for each in _findings(there) if each.id == id and each.summary not in refused]
        edits: dict[Edit, None] = {}
        for each in found:
            if isinstance(each.where, Span) and each.where.file == path:
                edits |= dict.fromkeys(MENDS[id](places, each).get(path, ()))
            refused.add(each.summary)
        after = apply(text, *edits, file=path) if edits else text
        if after == text:
            break
        named |= dict.fromkeys(_names(there, found))
        text = after
    return text, list(named)


def _names(there: Estate, found: Iterable[Finding]) -> list[str]:
    """The listeners that findings are about."""
    about = {id for each in found for id in each.lanes}
    return [f"{lane.name} ({lane.port})" for lane in there.topology.lanes if lane.id in about]


# ── time limits ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _wait(places: Places, found: Finding) -> listeners.Edits:
    """CH019: as `lint --fix` does, but a limit of a defaults section, which others share, stays: ours get their own."""
    edits: listeners.Edits = {}
    ours = places.serving(found.lanes)
    key = tuple(map(id, ours))
    if key not in places.kept:
        places.kept[key] = _sides(places, ours)
    sides, own = places.kept[key]
    for place in (found.where, *found.also):
        line = places.line(place) if isinstance(place, Span) else None
        if not isinstance(place, Span) or line is None or line.words[:1] != ("timeout",) or place.line in own:
            continue
        for proxy in sides["client" if line.words[1] == "client" else "server"]:
            section = places.section(proxy)
            if section is not None:
                after = section.header.number
                edits.setdefault(place.file, []).append(Insert(after, (f"timeout {line.words[1]} 30m",)))
    if edits:
        return {file: list(dict.fromkeys(each)) for file, each in edits.items()}
    return listeners.wait(places, found)


def _sides(places: Places, ours: list[Way]) -> tuple[dict[str, list[Proxy]], set[int]]:
    """The sections in which a time limit of each side counts for these ways, and the numbers of all their lines."""
    doors = [door for way in ours for lane in way.lanes for door in places.doors.get(lane.id, ())]
    sides = {
        "client": list({id(door.frontend): door.frontend for door in doors}.values()),
        "server": list({id(way.backend): way.backend for way in ours}.values()),
    }
    sections = [places.section(proxy) for proxies in sides.values() for proxy in proxies]
    return sides, {line.number for each in sections if each for line in each.lines}


MENDS = {
    "CH003": listeners.aim,
    "CH002": listeners.send_header,
    "CH005": listeners.check,
    "CH004": listeners.check,
    "CH019": _wait,
}
"""The findings whose edits this flow makes, in this order: where a header goes decides what a check has to send."""


# ── listeners that are missing ──────────────────────────────────────────────────────────────────────────────────────


def _missing(estate: Estate, there: Estate) -> tuple[list[Edit], list[str]]:
    """The sections of the repository's file for the mail ports on which the proxy's file does not listen."""
    ours = Places(estate)
    listening = {lane.port for _, lane in there.sources.routes.lanes}
    names = {section.name for section in (there.sources.haproxy or Configuration()).sections}
    edits: list[Edit] = []
    words = []
    for door, lane in estate.sources.routes.lanes:
        if lane.protocol not in MAIL or lane.port in listening:
            continue
        section = ours.section(door.frontend)
        if section is None or section.kind != "listen" or section.name in names:
            raise InputError(
                door.frontend.span.file, door.frontend.span.line, 1,
                f"{lane.port} has no listener on the proxy, and this one cannot be copied there: do it by hand",
            )  # fmt: skip
        listening |= {each.port for other, each in estate.sources.routes.lanes if other.frontend is door.frontend}
        lines = tuple(line.raw.strip() for line in section.lines)
        edits.append(Listener("listen", section.name, lines))
        words.append(f"{lane.name} ({lane.port}): a listener, as the repository has it")
    return edits, words


# ── both families ───────────────────────────────────────────────────────────────────────────────────────────────────


def _families(estate: Estate, there: Estate) -> tuple[list[Edit], list[str]]:
    """A bind of IPv6 for each mail listener that takes all of IPv4 and none of it."""
    edits: list[Edit] = []
    words = []
    places = Places(there)
    binds = [bind for lane in _mail(there) for bind in lane.binds]
    taken = {bind.port for bind in binds if not _only4(bind.address)}
    for door, lane in there.sources.routes.lanes:
        section = places.section(door.frontend)
        if lane.protocol not in MAIL or lane.port in taken or section is None:
            continue
        line = next((each for each in section.lines if _binds_all(each, lane.port)), None)
        if line is not None:
            taken.add(lane.port)
            edits.append(Insert(line.number, (" ".join(("bind", f":::{lane.port}", "v6only", *line.words[2:])),)))
            words.append(f"{lane.name} ({lane.port}): IPv6 as well")
    return edits, words


def _mail(there: Estate) -> list[Lane]:
    return [lane for _, lane in there.sources.routes.lanes if lane.protocol in MAIL]


def _only4(address: str) -> bool:
    return address in ANY4 or address.startswith("ipv4@") or _version(address) == 4


def _version(address: str) -> int:
    try:
        return ip_address(address).version
    except ValueError:
        return 0


def _binds_all(line: Line, port: int) -> bool:
    """Whether a bind line takes one port of all of IPv4, and nothing else."""
    if line.words[:1] != ("bind",) or len(line.words) < 2 or "," in line.words[1]:
        return False
    address, _, number = line.words[1].rpartition(":")
    return number == str(port) and address in ANY4


# ── submission ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _submission(estate: Estate, there: Estate) -> tuple[list[Edit], list[str]]:
    """A listener for 587, modelled on that of a neighbouring port."""
    target = next((port for port, plain in PLAIN_PORTS.items() if plain == SUBMISSION), 0)
    if any(lane.port == SUBMISSION for _, lane in there.sources.routes.lanes):
        return [], []
    places = Places(there)
    for way in sorted(there.sources.routes.ways, key=lambda way: way.behind != 10465):
        section = places.section(way.backend)
        if PLAIN_PORTS.get(way.behind) not in (25, 465) or not way.server.proxy_protocol or section is None:
            continue
        binds = [line for line in section.lines if line.words[0] == "bind"]
        if section.kind != "listen" or len(way.backend.servers) != 1 or len(way.lanes) != 1:
            continue
        moved = [_moved(line, way.lanes[0].port) for line in binds]
        if not moved or None in moved or not _version(way.server.host) or not _answers(there, way.server.host, target):
            continue
        rules = ("option tcp-check", f"tcp-check connect port {target} send-proxy", *EXPECTS["submission"])
        pace = " ".join(" ".join(words) for words in PACE)
        host = f"[{way.server.host}]" if ":" in way.server.host else way.server.host
        server = f"server {way.server.name} {host}:{target} send-proxy check {pace}"
        kept = [line.raw.strip() for line in section.lines if _shared(line)]
        name = f"submission from {section.base}" if section.base else "submission"
        lines = (*(bind for bind in moved if bind), *kept, *rules, server)
        return [Listener("listen", name, lines, section.header.number)], ["submission (587): a listener"]
    return [], []


def _answers(there: Estate, host: str, port: int) -> bool:
    """Whether the mail host has that port open for the proxy, as far as the files tell."""
    arrival = there.sources.ports.at(host, port)
    open_ = arrival.entry is not None or there.sources.compose is None
    return arrival.known and not arrival.elsewhere and arrival.listener.header == "wanted" and open_


def _moved(line: Line, port: int) -> str | None:
    """A bind line for 587; None when the neighbour's is too complex to copy."""
    parts = line.words[1].split(",") if len(line.words) > 1 else [""]
    if "ssl" in line.words or not all(part.endswith(f":{port}") for part in parts):
        return None
    there = ",".join(f"{part.removesuffix(str(port))}{SUBMISSION}" for part in parts)
    return " ".join(["bind", there, *line.words[2:]])


def _shared(line: Line) -> bool:
    """Whether a line of the neighbour's section is copied: all except ports, servers and checks."""
    word = line.words[0]
    if word == "option":
        return line.words[1:2] != () and line.words[1] not in CHECKS
    return word not in ("bind", "server", "server-template", "default-server", "tcp-check", "http-check", "disabled")
