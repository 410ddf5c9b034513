"""Readings of the hops behind HAProxy: the tunnel, the VM's port, and the service itself."""

from __future__ import annotations

from console.diagnosis.blame import (
    container_stopped,
    end_to_end_bad,
    forwards_wrongly,
    header_unwanted,
    host_answers,
    overloaded,
    redirects_to_itself,
    service_stopped,
    untrusted,
    waits_for_dovecot,
)
from console.diagnosis.certificates import certificate_trouble, shown_trouble
from console.diagnosis.evidence_rows import condemned, contained, logged, tunnelled
from console.diagnosis.reading import milliseconds, reading, word_of
from console.diagnosis.tunnel_time import timed, tunnel_slow, tunnel_time
from console.ladders import Ladder
from console.model import Lane, Outcome, Reading, Rung
from console.observation import LaneData, SweepData


def tunnel(seen: SweepData, lane: LaneData) -> Reading | None:
    """Whether the proxy reaches the mail host at all, and how fast."""
    vantage = seen.vantages.get("proxy", "")
    if lane.vm is None:
        if "proxy" not in seen.missing:
            return None
        return reading(lane, "tunnel", "", "unknown", "not asked", (Rung("connect", "unknown", seen.missing["proxy"]),))
    if not lane.vm.rungs:
        return None
    asked = f"{lane.vm.target.address} port {lane.vm.target.port}"
    evidence = tuple(rung for rung in lane.vm.rungs if rung.name in ("resolve", "connect"))
    if lane.vm.cause == "no-way":
        return reading(lane, "tunnel", vantage, "unknown", "not asked", evidence, asked=asked)
    if lane.vm.connected or lane.vm.cause == "refused":
        known, slow = tunnel_time(seen, lane), tunnel_slow(seen, lane)
        outcome: Outcome = "degraded" if slow else "ok"
        word = milliseconds(known[0]) if known is not None else "slow" if slow else "up"
        latency = known[0] if known is not None else None
        whole = seen.stats is not None or seen.ended  # who times it is asked beside the lanes
        return reading(lane, "tunnel", vantage, outcome, word, timed(seen, lane, evidence), latency, asked, whole)
    answered = host_answers(seen, lane)
    if answered is None:
        return None
    if answered:
        return reading(lane, "tunnel", vantage, "ok", "up", evidence, asked=asked)
    way = lane.vm.rung("resolve")
    evidence += tunnelled(seen, way.detail if way else lane.vm.target.address)
    return reading(lane, "tunnel", vantage, "failed", word_of(lane.vm), evidence, asked=asked, whole=seen.ended)


def vm(seen: SweepData, lane: LaneData) -> Reading | None:
    """Whether the port that HAProxy dials answers as it does to HAProxy."""
    vantage = seen.vantages.get("proxy", "")
    ladder = lane.vm
    if ladder is None:
        if "proxy" not in seen.missing:
            return None
        return reading(lane, "vm", "", "unknown", "not asked", (Rung("connect", "unknown", seen.missing["proxy"]),))
    if not ladder.done or (ladder.cause and not lane.complete):
        return None
    evidence = tuple(ladder.rungs)
    header = f" with a PROXY {ladder.target.header} header" if ladder.target.header else ""
    asked = f"{ladder.target.address} port {ladder.target.port}{header}"
    if ladder.well:
        outcome, word = _end_to_end_family(lane)
        word = word or (f"PROXY {ladder.target.header}" if ladder.target.header else _plain_word(ladder))
        return reading(lane, "vm", vantage, outcome, word, evidence, asked=asked)
    if ladder.cause in ("no-way", "no-source"):
        return reading(lane, "vm", vantage, "unknown", "not asked", evidence, asked=asked)
    if not ladder.connected and ladder.cause != "refused":
        answered = host_answers(seen, lane)
        if answered is None:
            return None
        outcome, word = ("failed", word_of(ladder)) if answered else ("skipped", "")
        return reading(lane, "vm", vantage, outcome, word, evidence, asked=asked)
    if service_stopped(lane):
        return reading(lane, "vm", vantage, "degraded", word_of(ladder), evidence, asked=asked)
    if forwards_wrongly(lane) is not None:
        return reading(lane, "vm", vantage, "degraded", "no header", evidence, asked=asked)
    if overloaded(ladder):
        return reading(lane, "vm", vantage, "degraded", "busy", evidence, asked=asked)
    said = logged(seen, lane, untrusted(lane))
    evidence += said
    word = "untrusted" if untrusted(lane) and said else "no PROXY" if header_unwanted(lane) else word_of(ladder)
    return reading(lane, "vm", vantage, "failed", word, evidence, asked=asked, whole=seen.ended)


def _plain_word(ladder: Ladder) -> str:
    return ladder.said[9:12] if ladder.target.protocol in ("http", "https") else "answers"


def _end_to_end_family(lane: LaneData) -> tuple[Outcome, str]:
    """One address family gets through and the other does not, although all behind HAProxy is well."""
    bad = end_to_end_bad(lane)
    if not bad or len(bad) == len(lane.connected):
        return "ok", ""
    family = "v6" if ":" in bad[0].target.address else "v4"
    return "degraded", f"{family} {word_of(bad[0])}"


def service(seen: SweepData, lane: LaneData) -> Reading | None:
    """Whether the daemon answers inside the mail host, without HAProxy and header."""
    vantage = seen.vantages.get("mail", "")
    ladder = lane.service
    if ladder is None:
        if lane.vm is not None and not lane.vm.done:
            return None
        why = seen.missing.get("mail") or "no compose file says which service answers here"
        return reading(lane, "service", "", "unknown", "not asked", (Rung("connect", "unknown", why),))
    if not ladder.done:
        return None
    evidence = tuple(ladder.rungs)
    asked = f"{ladder.target.address} port {ladder.target.port} without header"
    label = service_label(lane.lane)
    if ladder.cause in ("no-way", "no-source"):
        return reading(lane, "service", vantage, "unknown", "not asked", evidence, asked=asked)
    if lane.lane.tls == "passthrough" and (bad := certificate_trouble(seen, lane)):
        if shown_trouble(seen, lane, ladder) == bad:  # its own row is among those that condemn
            evidence = tuple(rung for rung in evidence if rung.name != "tls" or rung.outcome != "ok")
        evidence += condemned(seen, lane, bad)
        return reading(lane, "service", vantage, bad[0], bad[1], evidence, ladder.latency, asked)
    if busy := next((each for each in (*lane.connected, lane.vm, ladder) if each and overloaded(each)), None):
        beside = () if busy is ladder else (busy.rungs[-1],)
        return reading(lane, "service", vantage, "degraded", "busy", (*evidence, *beside), ladder.latency, asked)
    if redirects_to_itself(lane):
        looping = tuple(each.rungs[-1] for each in lane.public.values() if each.done and each.rungs)
        return reading(lane, "service", vantage, "failed", "loop", (*evidence, *looping), ladder.latency, asked)
    if ladder.well:
        return reading(lane, "service", vantage, "ok", label, evidence, ladder.latency, asked)
    if lane.vm is not None and not lane.vm.done:
        return None
    if lane.vm is not None and lane.vm.well:
        return reading(lane, "service", vantage, "ok", label, evidence, asked=asked)
    evidence += contained(seen, lane)
    if waits_for_dovecot(seen, lane):
        return reading(lane, "service", vantage, "degraded", "no auth", evidence, asked=asked, whole=seen.ended)
    word = "stopped" if container_stopped(seen, lane) and not ladder.connected else word_of(ladder)
    return reading(lane, "service", vantage, "failed", word, evidence, asked=asked, whole=seen.ended)


def service_label(lane: Lane) -> str:
    """The service's short name: "dovecot" for dovecot-mailcow."""
    return (lane.service or lane.protocol).removesuffix("-mailcow")
