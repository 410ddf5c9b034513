"""Causes in words: what is wrong and on which lanes, the evidence in the order of the argument, what mends it.

Where nothing proves one, its rivals are all said, with "or something not known here", and what would tell."""

from __future__ import annotations

import re
from collections.abc import Iterable

from console.diagnosis.behind import in_words
from console.diagnosis.catalogue import CATALOGUE, finding
from console.diagnosis.explain import Cause, Explanation, Suspect
from console.diagnosis.symptoms import Test
from console.diagnosis.words import OUTCOMES
from console.diagnosis.world import World
from console.model import Finding, HopName, Severity, Span
from console.text import clean, join_words

UNDECIDED = "CH032"
RIVALS = 5
"""Rivals that a sentence names: with more of them, nothing is known but the hop."""

MOST = 6
"""Lines of evidence that are shown."""

_FROM = {"here": "from here", "itself": "from {vps} itself", "vm": "from {vps} to {mail}", "inside": "inside {mail}"}
_AT_PROXY: frozenset[HopName] = frozenset(("public", "haproxy", "tunnel"))


def conclude(world: World, told: Explanation) -> list[Finding]:
    """Return a finding for each cause: a proven one by its own name, rivals by their common one or as undecided.

    Of a cause with more rivals than a sentence can name only the hop is known, which the readings tell."""
    told_of = [cause for cause in told.causes if cause.proven or len(cause.suspects) <= RIVALS]
    return [_proven(world, cause) if cause.proven else _undecided(world, cause) for cause in told_of]


def _proven(world: World, cause: Cause) -> Finding:
    suspect = cause.suspects[0]
    names = _names(world, cause, suspect)
    return finding(
        suspect.mode.finding, _fill(suspect.mode.words, names), *_places(world, suspect, cause), observed=True,
        also=_also(world, suspect, cause), lanes=_ids(world, cause.ports), hop=hop_of(suspect, cause),
        severity=_severity(world, cause),
        remedy=_remedy(suspect, names), evidence=_evidence(world, suspect, cause),
    )  # fmt: skip


def _severity(world: World, cause: Cause) -> Severity | None:
    """How grave a proven cause is: as the catalogue says, but less where every lane of it still serves some."""
    id = cause.suspects[0].mode.finding
    grave: Severity = "critical" if id == "CH021" else CATALOGUE[id].severity
    return "high" if grave == "critical" and cause.ports and all(map(world.served, cause.ports)) else grave


def _undecided(world: World, cause: Cause) -> Finding:
    names = [(each, _names(world, cause, each)) for each in cause.suspects]
    hop, id = _innermost(cause), _shared(world, cause)
    either = [_fill(each.mode.words, given) for each, given in names]
    shown = seen_on(world, cause.symptoms)
    nobody = f"nobody answers at {join_words(sorted(world.dialled))}, on any port"
    shown = nobody if id == "CH031" else f"{lanes(cause.ports)}: {shown}"
    words = f"{shown}. Either {'; or '.join(either)}; or something not known here"
    asked = "; ".join(_fill(each.mode.tells, given) for each, given in names if each.mode.tells)
    tells = list(dict.fromkeys(filter(None, asked.split("; "))))
    if id == "CH028":
        here = world.name("here")
        words = "port 25 is silent from here alone: this line probably blocks it, or a firewall before HAProxy drops it"
        return finding(id, words, here, observed=True, lanes=_ids(world, cause.ports), hop=hop)
    return finding(
        id, words, *_places(world, cause.suspects[0], cause), observed=True, lanes=_ids(world, cause.ports), hop=hop,
        severity="high" if all(map(world.served, cause.ports)) else "critical",
        remedy=f"to tell: {'; '.join(tells)}" if tells else "look at the evidence of these lanes",
        evidence=_evidence(world, cause.suspects[0], cause),
    )  # fmt: skip


def _shared(world: World, cause: Cause) -> str:
    """The id that all rivals have in common, as far as it says nothing that only some of them would."""
    kins = [{*each.mode.kin.split()} for each in cause.suspects]
    shared = set.intersection(*kins)
    if "CH028" in shared:
        shared = {"CH028"} if cause.ports == (25,) else shared - {"CH028"}
    if "CH031" in shared and len(cause.ports) < max(2, len(world.lanes)):
        shared -= {"CH031"}
    return min(shared, default=UNDECIDED)


def seen_on(world: World, tests: Iterable[Test]) -> str:
    """What was seen, the innermost first, each once: "hung up at once from here"."""
    order = ("inside", "vm", "haproxy", "itself", "here")
    some = sorted((t for t in tests if t.port), key=lambda t: order.index(t.at) if t.at in order else 9)
    told: dict[str, None] = {}
    for test in some:
        where = _FROM.get(test.at, "")
        told[f"{_came(test)} {where}".strip()] = None
    return _fill(join_words(list(told)[:3]), _machines(world)) or "no answer"


def _came(test: Test) -> str:
    """What came of a test, in words; who hung up after a second or two did not do so at once."""
    later = re.match(r"closed (after \d+ s)", test.said) if test.outcome == "closed-0" else None
    return f"hung up {later[1]}" if later else OUTCOMES.get(test.outcome, test.said or test.outcome)


# ── words ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def lanes(ports: tuple[int, ...]) -> str:
    """Name lanes by port: "lane 25", "lanes 993 and 4190"."""
    return ("lane " if len(ports) == 1 else "lanes ") + join_words([str(port) for port in ports])


def _machines(world: World) -> dict[str, str]:
    return {"vps": world.name("proxy"), "mail": world.name("mail"), "host": world.target}


def _names(world: World, cause: Cause, suspect: Suspect) -> dict[str, str]:
    mine = tuple(port for port in cause.ports if port in suspect.scope.ports) or cause.ports
    mine_lanes = [world.lanes[port].lane for port in mine if port in world.lanes]
    named = [lane.name for lane in mine_lanes]
    every = "every lane" if len(mine) == len(world.lanes) else lanes(mine)
    targets = dict.fromkeys(str(lane.target.port) for lane in mine_lanes if lane.target and lane.target.port)
    rows = {port: world.row(port) for port in mine if port in world.lanes}
    servers = dict.fromkeys(
        f"{row.proxy}/{row.name}" if row else f"{lane.proxy}/{lane.server}"
        for row, lane in zip(rows.values(), mine_lanes, strict=True)
        if row or lane.proxy
    )
    daemons = dict.fromkeys(world.daemon(port) for port in mine if port in world.lanes)
    family = {4: "IPv4", 6: "IPv6"}.get(suspect.scope.family, "")
    return {
        **_machines(world), "lanes": lanes(mine), "names": join_words(named), "every": every, "family": family,
        "over": f" over {family}" if family else "",
        "daemon": join_words(list(daemons)),
        "ports": ("port " if len(mine) == 1 else "ports ") + join_words([str(port) for port in mine]),
        "target": join_words(list(targets)) or "the port", "server": join_words(list(servers)) or "of these lanes",
        "limit": "", "astray": "", "frontend": "NAME",
        "router": "the router at home", "files": "", "only": "", "socket": "",
        "how": "every port", "to": "another place than its file says",
        "count": "", "places": "an inner address", "status": "", "said": "", "why": "", "process": "", "peer": "",
        **suspect.proof.given,
    }  # fmt: skip


class _Blank(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return "?"


def _fill(words: str, names: dict[str, str]) -> str:
    return " ".join(clean(words.format_map(_Blank(names)), 900).split()) if words else ""


def _remedy(suspect: Suspect, names: dict[str, str]) -> str | None:
    if suspect.mode.finding == "CH001" and not names.get("peer"):
        return None
    return _fill(suspect.mode.remedy, names) or None


def _evidence(world: World, suspect: Suspect, cause: Cause) -> tuple[str, ...]:
    """What proves it, then what was seen, then what was well beside it."""
    lines = [clean(word, 200) for word in suspect.proof.words if word]
    lines += [f"{lanes(cause.ports)}: {seen_on(world, cause.symptoms)}"] if cause.ports and cause.symptoms else []
    hidden = [f"{_fill(words, _machines(world))}, {lanes(ports)}" for words, ports in in_words(world, hiding(cause))]
    unseen = [f"cannot tell until this is mended: {'; '.join(hidden)}"] if hidden else []
    return (*lines[: MOST - len(unseen)], *unseen)


def hiding(cause: Cause) -> tuple[int, ...]:
    """The lanes of a cause that lets no connection through somewhere, or leaves it without an address."""
    return tuple(dict.fromkeys(t.port for t in cause.symptoms if t.port and t.kind in ("connect", "name")))


def hop_of(suspect: Suspect, cause: Cause) -> HopName:
    """The hop that a suspect breaks: a daemon's own where it fails inside the VM too, else its port for HAProxy."""
    places = {test.at for test in cause.symptoms}
    if suspect.mode.id.startswith("daemon/") and places & {"inside", "vm"}:
        return "service" if "inside" in places else "vm"
    return suspect.mode.hop


def _innermost(cause: Cause) -> HopName:
    """The hop at which rivals agree that it breaks: where a conversation failed that is nearest to the daemon."""
    if any(test.at == "inside" for test in cause.symptoms):
        return "service"
    if any((test.kind, test.at) == ("talk", "vm") for test in cause.symptoms):
        return "vm"
    if all((test.kind, test.at) == ("connect", "here") for test in cause.symptoms if test.port):
        return "public"
    return hop_of(cause.suspects[0], cause)


def _ids(world: World, ports: tuple[int, ...]) -> tuple[str, ...]:
    return tuple(world.lanes[port].lane.id for port in ports if port in world.lanes)


def _places(world: World, suspect: Suspect, cause: Cause) -> tuple[Span | str]:
    """The line of the files that is meant, or the host."""
    spans = _spans(world, suspect, cause)
    if spans:
        return (spans[0],)
    if suspect.mode.id.startswith(("here/", "name/")) or suspect.mode.finding == "CH031":
        return (world.name("here"),)
    return (world.name("proxy" if suspect.mode.hop in _AT_PROXY else "mail"),)


def _also(world: World, suspect: Suspect, cause: Cause) -> tuple[Span, ...]:
    return _spans(world, suspect, cause)[1:]


def _spans(world: World, suspect: Suspect, cause: Cause) -> tuple[Span, ...]:
    """Places in the files: of a listener its bind line, of a server its own."""
    if suspect.mode.finding == "CH015":
        return tuple(world.lanes[port].lane.source for port in cause.ports)
    if not suspect.mode.id.startswith(("haproxy-listener/", "haproxy-server/", "haproxy-check/")):
        return ()
    found = []
    for port in cause.ports:
        lane = world.lanes[port].lane
        bind = next((each.source for each in lane.binds if each.source), None)
        target = lane.target.source if lane.target else None
        teaser = suspect.mode.id.startswith("haproxy-check/")
        listener = suspect.mode.id.startswith("haproxy-listener/")
        found.append((bind if listener else None if teaser else target) or lane.source)
    return tuple(found)
