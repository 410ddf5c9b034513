"""Readings of the hops that a client meets first: the public port, and HAProxy."""

from __future__ import annotations

from msgspec.structs import replace

from console.diagnosis.blame import end_to_end_bad, forwards_wrongly, serves_itself
from console.diagnosis.certificates import certificate_trouble
from console.diagnosis.evidence_rows import condemned, figures, unasked_starttls
from console.diagnosis.reading import milliseconds, reading, word_of
from console.diagnosis.symptoms import HEADERLESS
from console.ladders import Ladder
from console.model import Outcome, Reading, Rung
from console.observation import LaneData, SweepData


def public(seen: SweepData, lane: LaneData) -> Reading | None:
    """Whether a client gets a connection at the public port."""
    here = seen.vantages.get("here", "here")
    if lane.unresolved is not None:
        rung = lane.unresolved
        word = "no address" if rung.outcome == "failed" else "not asked"
        return reading(lane, "public", here, rung.outcome, word, (rung,))
    ladders = list(lane.public.values())
    if not ladders or not all(ladder.rungs for ladder in ladders):
        return None
    asked = ", ".join(f"{ladder.target.address} port {ladder.target.port}" for ladder in ladders)
    evidence = tuple(rung for ladder in ladders for rung in ladder.rungs)
    judged = [ladder for ladder in ladders if not _no_such_family(ladder, ladders)]
    bad = [ladder for ladder in judged if not ladder.connected]
    stuck = end_to_end_bad(lane)
    if not bad and stuck and len(stuck) == len(judged) and serves_itself(lane):
        return reading(lane, "public", here, "failed", word_of(stuck[0]), evidence, asked=asked, whole=seen.ended)
    if not bad:
        latency = min(ladder.latency or 0.0 for ladder in judged)
        whole = all(ladder.done for ladder in ladders)
        evidence += unasked_starttls(ladders)
        return reading(lane, "public", here, "ok", milliseconds(latency), evidence, latency, asked, whole)
    worst = next((ladder for ladder in bad if ladder.cause not in ("no-way", "no-source")), None)
    if worst is None:
        return reading(lane, "public", here, "unknown", "not asked", evidence, asked=asked)
    if blocked_here(seen, lane):
        return reading(lane, "public", here, "unknown", "blocked?", evidence, asked=asked)
    if len(bad) < len(judged):
        family = "v6" if ":" in worst.target.address else "v4"
        return reading(lane, "public", here, "degraded", f"{family} {word_of(worst)}", evidence, asked=asked)
    return reading(lane, "public", here, "failed", word_of(worst), evidence, asked=asked)


def _no_such_family(ladder: Ladder, ladders: list[Ladder]) -> bool:
    """Whether this vantage has no network of that family: no route for one address while another was reached."""
    return ladder.cause == "unreachable" and any(other.connected for other in ladders)


def blocked_here(seen: SweepData, lane: LaneData) -> bool:
    """Whether port 25 is silent from here while other lanes at the same addresses answer (outbound blocks, CH028)."""
    if lane.lane.port != 25 or any(ladder.cause != "timeout" for ladder in lane.public.values()):
        return False
    return any(other.connected for other in seen.lanes.values() if other is not lane)


def haproxy(seen: SweepData, lane: LaneData) -> Reading | None:
    """Whether HAProxy passes on what it takes, by what came through it and by its own opinion."""
    if not lane.complete or (seen.stats is None and "proxy" not in seen.missing):
        return None
    vantage = seen.vantages.get("proxy", "here")
    evidence = (*_opinion(seen, lane), *_seen_through(lane))
    through = forwards_wrongly(lane)
    if through is not None:
        asks = HEADERLESS.match(through.said) is not None  # no more than that is told by words alone
        word = down_in_stats(seen, lane) or ("no header" if asks else word_of(through))
        return reading(lane, "haproxy", vantage, "failed", word, evidence)
    if lane.lane.tls == "terminated" and (bad := certificate_trouble(seen, lane)):
        return reading(lane, "haproxy", vantage, bad[0], bad[1], (*evidence, *condemned(seen, lane, bad)))
    if seen.stats is not None and seen.stats.stopped and lane.public and not lane.connected:
        # That nobody holds the socket is what condemns it here, and no failure to look.
        told = tuple(replace(rung, outcome="failed") if rung.name == "ask" else rung for rung in evidence)
        return reading(lane, "haproxy", vantage, "degraded", "stopped", told)
    if seen.stats is None or seen.stats.error or not lane.lane.proxy:
        passed = next((ladder.rungs[-1] for ladder in lane.connected if ladder.well), None)
        if passed is None and (stuck := end_to_end_bad(lane)):
            return reading(lane, "haproxy", vantage, "degraded", word_of(stuck[0]), evidence)
        if passed is None:
            return reading(lane, "haproxy", vantage, "unknown", "not asked", evidence)
        if lane.lane.proxy and opinion_unseen(seen):
            return reading(lane, "haproxy", vantage, "unknown", "not asked", (passed, *evidence))
        return reading(lane, "haproxy", vantage, "ok", "passes", (passed, *evidence))
    outcome, word = _opinion_outcome(seen, lane)
    return reading(lane, "haproxy", vantage, outcome, word, evidence)


def _seen_through(lane: LaneData) -> tuple[Rung, ...]:
    """What did not pass through HAProxy, with the vantage from where it was tried: another one than HAProxy's."""
    bad = ((ladder, ladder.failed) for ladder in end_to_end_bad(lane))
    return tuple(replace(rung, detail=f"from {ladder.vantage}: {rung.detail}") for ladder, rung in bad if rung)


def opinion_unseen(seen: SweepData) -> str:
    """Why HAProxy did not tell its own opinion, though somebody was to ask it; "" when it did.

    A lamp that called this well would hide a server that is about to be taken out of use."""
    return seen.stats.error if seen.stats is not None else ""


def _opinion(seen: SweepData, lane: LaneData) -> tuple[Rung, ...]:
    if seen.stats is None:
        return (Rung("ask", "unknown", seen.missing.get("proxy", "nobody to ask")),)
    if seen.stats.error:
        return (Rung("ask", "unknown", seen.stats.error),)
    if not lane.lane.proxy:
        return (
            Rung("ask", "unknown", "no given file names this lane's proxy and server, so its stats cannot be found"),
        )
    row = seen.stats.server(lane.lane.proxy, lane.lane.server)
    if row is None:
        return (Rung("ask", "degraded", f"HAProxy knows no server {lane.lane.proxy}/{lane.lane.server}"),)
    said = " ".join(part for part in (row.status, row.check, row.last) if part)
    told = Rung("ask", "ok" if row.status.startswith(("UP", "no check")) else "degraded", f"show stat: {said}")
    return (told, *figures(row))


def _opinion_outcome(seen: SweepData, lane: LaneData) -> tuple[Outcome, str]:
    assert seen.stats is not None
    row = seen.stats.server(lane.lane.proxy, lane.lane.server)
    if row is None:
        return "degraded", "absent"
    behind_well = lane.vm is not None and lane.vm.well
    state = row.status.split(" ")[0]
    if state in ("UP", "no"):
        word = row.check if row.check.endswith("OK") else "no check" if state == "no" else "UP"
        return ("ok", word) if lane.vm is None or behind_well else ("degraded", "UP blind")
    return ("failed" if behind_well else "degraded"), state


def down_in_stats(seen: SweepData, lane: LaneData) -> str:
    """HAProxy's own word for a server that it sends nobody to, such as "DOWN" or "MAINT"; "" when it does."""
    row = seen.stats.server(lane.lane.proxy, lane.lane.server) if seen.stats else None
    state = row.status.split(" ")[0] if row else ""
    return state if state in ("DOWN", "MAINT", "NOLB", "DRAIN") else ""
