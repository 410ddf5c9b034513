"""From what was seen to readings: at which hop does a lane break?

A client's packets cross five hops. `failed` marks the hop that is at fault; a hop that merely shows the effect of a
fault elsewhere is `degraded`, so that the eye, and the verdict, land on one place. None means: too early to say."""

from __future__ import annotations

from msgspec.structs import replace

from console.diagnosis.certificates import certificate_trouble
from console.diagnosis.evidence_rows import condemned, contained, figures, logged, tunnelled, unasked_starttls
from console.diagnosis.symptoms import BUSY, HEADERLESS, outcome
from console.diagnosis.tunnel_time import timed, tunnel_slow, tunnel_time
from console.model import HopName, Lane, Outcome, Reading, Rung, Verdict
from console.observation import Cause, Ladder, LaneData, SweepData

AT_ONCE = 2.5
"""Seconds within which Dovecot hangs up on a proxy that it distrusts: for a header that got lost it waits 3 s."""

DOVECOT = frozenset(("imap", "imaps", "pop3", "pop3s", "sieve"))

_WORDS: dict[Cause, str] = {
    "unresolved": "no address",
    "refused": "refused",
    "timeout": "no answer",
    "unreachable": "no route",
    "closed": "closed",
    "silent": "silent",
    "flood": "floods",
    "unfinished": "unfinished",
    "unexpected": "strange",
    "tls": "TLS fails",
    "not-tls": "no TLS",
    "no-starttls": "no STARTTLS",
    "out-of-step": "header seen",
}

UNASKED = ("unknown", "not asked")
"""Outcome and word of a hop that nobody could ask."""


def judge_lane(seen: SweepData, lane: LaneData) -> list[Reading]:
    """Return a reading for each hop of a lane of which enough is known."""
    readings = [
        _public(seen, lane), _haproxy(seen, lane), _tunnel(seen, lane), _vm(seen, lane), _service(seen, lane),
    ]  # fmt: skip
    return [reading for reading in readings if reading is not None]


def verdict(readings: list[Reading]) -> Verdict:
    """Sum up readings of any number of lanes; a lane nobody could look at makes the whole unknown, not well.

    One that answers a client is well though a hop behind it was not asked: what was not seen is said beside it. One
    that nobody could ask from outside is not, however well all is behind."""
    lanes: dict[str, list[Reading]] = {}
    for reading in readings:
        lanes.setdefault(reading.lane, []).append(reading)
    verdicts = {_lane_verdict(hops) for hops in lanes.values()} or {"unknown"}
    order: tuple[Verdict, ...] = ("down", "degraded", "unknown", "well")
    return next(word for word in order if word in verdicts)


def _lane_verdict(hops: list[Reading]) -> Verdict:
    outcomes = {reading.outcome for reading in hops}
    unseen = any(reading.hop == "public" and (reading.outcome, reading.word) == UNASKED for reading in hops)
    if "failed" in outcomes:
        return "down"
    if "degraded" in outcomes:
        return "degraded"
    proof = {reading.hop for reading in hops if reading.outcome == "ok"}
    return "well" if proof & {"public", "vm"} and not unseen else "unknown"


def _reading(
    lane: LaneData,
    hop: HopName,
    vantage: str,
    outcome: Outcome,
    word: str,
    evidence: tuple[Rung, ...] = (),
    latency: float | None = None,
    asked: str = "",
    whole: bool = True,
) -> Reading:
    return Reading(lane.lane.id, hop, vantage, outcome, word, evidence, latency, asked=asked, whole=whole)


def milliseconds(value: float) -> str:
    """Write a duration as a lamp does: "0.4 ms", "41 ms", "1.3 s"."""
    if value >= 1000:
        return f"{value / 1000:.1f} s"
    if value == 0:
        return "<1 ms"  # of a clock that counts whole milliseconds
    return f"{value:.0f} ms" if value >= 1 else f"{max(value, 0.1):.1f} ms"


def _word(ladder: Ladder) -> str:
    if overloaded(ladder):
        return "busy"
    if (
        ladder.cause == "refused"
        and (said := ladder.said.removeprefix("HTTP/1.0 ").removeprefix("HTTP/1.1 "))[:3].isdigit()
    ):
        return f"says {said[:3]}"
    return _WORDS.get(ladder.cause, ladder.cause)


# ── public ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _public(seen: SweepData, lane: LaneData) -> Reading | None:
    here = seen.vantages.get("here", "here")
    if lane.unresolved is not None:
        rung = lane.unresolved
        word = "no address" if rung.outcome == "failed" else "not asked"
        return _reading(lane, "public", here, rung.outcome, word, (rung,))
    ladders = list(lane.public.values())
    if not ladders or not all(ladder.rungs for ladder in ladders):
        return None
    asked = ", ".join(f"{ladder.target.address} port {ladder.target.port}" for ladder in ladders)
    evidence = tuple(rung for ladder in ladders for rung in ladder.rungs)
    judged = [ladder for ladder in ladders if not _no_such_family(ladder, ladders)]
    bad = [ladder for ladder in judged if not ladder.connected]
    if not bad:
        latency = min(ladder.latency or 0.0 for ladder in judged)
        whole = all(ladder.done for ladder in ladders)
        evidence += unasked_starttls(ladders)
        return _reading(lane, "public", here, "ok", milliseconds(latency), evidence, latency, asked, whole)
    worst = next((ladder for ladder in bad if ladder.cause not in ("no-way", "no-source")), None)
    if worst is None:
        return _reading(lane, "public", here, "unknown", "not asked", evidence, asked=asked)
    if blocked_here(seen, lane):
        return _reading(lane, "public", here, "unknown", "blocked?", evidence, asked=asked)
    if len(bad) < len(judged):
        family = "v6" if ":" in worst.target.address else "v4"
        return _reading(lane, "public", here, "degraded", f"{family} {_word(worst)}", evidence, asked=asked)
    return _reading(lane, "public", here, "failed", _word(worst), evidence, asked=asked)


def _no_such_family(ladder: Ladder, ladders: list[Ladder]) -> bool:
    """Whether this vantage has no network of that family: no route for one address while another was reached."""
    return ladder.cause == "unreachable" and any(other.connected for other in ladders)


def blocked_here(seen: SweepData, lane: LaneData) -> bool:
    """Whether port 25 is silent from here while other lanes at the same addresses answer (outbound blocks, CH028)."""
    if lane.lane.port != 25 or any(ladder.cause != "timeout" for ladder in lane.public.values()):
        return False
    return any(other.connected for other in seen.lanes.values() if other is not lane)


# ── haproxy ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _haproxy(seen: SweepData, lane: LaneData) -> Reading | None:
    if not lane.complete or (seen.stats is None and "proxy" not in seen.missing):
        return None
    vantage = seen.vantages.get("proxy", "here")
    evidence = (*_opinion(seen, lane), *_seen_through(lane))
    through = forwards_wrongly(lane)
    if through is not None:
        asks = HEADERLESS.match(through.said) is not None  # no more than that is told by words alone
        word = down_in_stats(seen, lane) or ("no header" if asks else _word(through))
        return _reading(lane, "haproxy", vantage, "failed", word, evidence)
    if lane.lane.tls == "terminated" and (bad := certificate_trouble(seen, lane)):
        return _reading(lane, "haproxy", vantage, bad[0], bad[1], (*evidence, *condemned(lane, bad)))
    if seen.stats is not None and seen.stats.stopped and lane.public and not lane.connected:
        return _reading(lane, "haproxy", vantage, "degraded", "stopped", evidence)
    if seen.stats is None or seen.stats.error or not lane.lane.proxy:
        passed = next((ladder.rungs[-1] for ladder in lane.connected if ladder.well), None)
        if passed is None and (stuck := _end_to_end_bad(lane)):
            return _reading(lane, "haproxy", vantage, "degraded", _word(stuck[0]), evidence)
        if passed is None:
            return _reading(lane, "haproxy", vantage, "unknown", "not asked", evidence)
        if lane.lane.proxy and opinion_unseen(seen):
            return _reading(lane, "haproxy", vantage, "unknown", "not asked", (passed, *evidence))
        return _reading(lane, "haproxy", vantage, "ok", "passes", (passed, *evidence))
    outcome, word = _opinion_outcome(seen, lane)
    return _reading(lane, "haproxy", vantage, outcome, word, evidence)


def _seen_through(lane: LaneData) -> tuple[Rung, ...]:
    """What did not pass through HAProxy, with the vantage from where it was tried: another one than HAProxy's."""
    bad = ((ladder, ladder.failed) for ladder in _end_to_end_bad(lane))
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


def _end_to_end_bad(lane: LaneData) -> list[Ladder]:
    return [ladder for ladder in lane.connected if ladder.done and ladder.cause]


def forwards_wrongly(lane: LaneData) -> Ladder | None:
    """Return the public ladder that shows HAProxy at fault: nothing gets through it, while all behind it is well.

    When nobody can look behind HAProxy, what does not get through it is laid at its door, for it is the last hop seen.
    A configuration that lacks the header is HAProxy's fault too, though then the VM's port cannot answer our probe."""
    bad = _end_to_end_bad(lane)
    if not bad or len(bad) < len(lane.connected) or any(map(overloaded, bad)):
        return None
    if lane.vm is None or lane.vm.cause in ("", "no-way", "no-source"):
        return bad[0]
    return bad[0] if configured_without_header(lane) and header_missing(lane.vm) else None


def configured_without_header(lane: LaneData) -> bool:
    """Whether the files send this lane to a PROXY port without a header."""
    return lane.lane.proxy_protocol is None and lane.lane.header_wanted is True


def header_missing(ladder: Ladder) -> bool:
    """Whether this is how a PROXY port treats a client without a header (Postfix 421, Dovecot's 3 s, no TLS)."""
    if header_waited_for(ladder):
        return True
    return ladder.target.protocol in {*DOVECOT, "smtps"} and ladder.cause in ("closed", "not-tls", "tls")


def header_waited_for(ladder: Ladder) -> bool:
    """Whether the daemon waited for a header and gave up: no other fault, and no HAProxy without a server, does so.

    Postfix waits 5 s, then says so; its smtpd of 3.4 hangs up without a word. Dovecot hangs up after 3 s."""
    if HEADERLESS.match(ladder.said):
        return True
    if ladder.cause != "closed" or ladder.said or ladder.target.implicit_tls:
        return False
    pause = 3 if ladder.target.protocol in DOVECOT else 5 if ladder.target.protocol == "submission" else None
    return pause is not None and pause - 0.5 < ladder.after < pause + 2


def headerless(seen: SweepData, ladder: Ladder) -> bool:
    """Whether HAProxy sends no header, as far as the end of `ladder` can tell.

    It hangs up at once on clients for whom it has no server, as a daemon does on TLS in the place of a header: as long
    as it does not say that it has one, only a daemon that waited for the header is proof."""
    heard = seen.stats is not None and not seen.stats.error
    return header_waited_for(ladder) or (heard and header_missing(ladder))


def overloaded(ladder: Ladder | None) -> bool:
    """Whether the daemon turned us away because it has too much to do, which is nobody else's fault."""
    return ladder is not None and ladder.cause == "refused" and BUSY.match(ladder.said) is not None


# ── tunnel ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _tunnel(seen: SweepData, lane: LaneData) -> Reading | None:
    vantage = seen.vantages.get("proxy", "")
    if lane.vm is None:
        if "proxy" not in seen.missing:
            return None
        return _reading(
            lane, "tunnel", "", "unknown", "not asked", (Rung("connect", "unknown", seen.missing["proxy"]),)
        )
    if not lane.vm.rungs:
        return None
    asked = f"{lane.vm.target.address} port {lane.vm.target.port}"
    evidence = tuple(rung for rung in lane.vm.rungs if rung.name in ("resolve", "connect"))
    if lane.vm.cause == "no-way":
        return _reading(lane, "tunnel", vantage, "unknown", "not asked", evidence, asked=asked)
    if lane.vm.connected or lane.vm.cause == "refused":
        known, slow = tunnel_time(seen, lane), tunnel_slow(seen, lane)
        outcome: Outcome = "degraded" if slow else "ok"
        word = milliseconds(known[0]) if known is not None else "slow" if slow else "up"
        latency = known[0] if known is not None else None
        whole = seen.stats is not None or seen.ended  # who times it is asked beside the lanes
        return _reading(lane, "tunnel", vantage, outcome, word, timed(seen, lane, evidence), latency, asked, whole)
    answered = host_answers(seen, lane)
    if answered is None:
        return None
    if answered:
        return _reading(lane, "tunnel", vantage, "ok", "up", evidence, asked=asked)
    way = lane.vm.rung("resolve")
    evidence += tunnelled(seen, way.detail if way else lane.vm.target.address)
    return _reading(lane, "tunnel", vantage, "failed", _word(lane.vm), evidence, asked=asked, whole=seen.ended)


def host_answers(seen: SweepData, lane: LaneData) -> bool | None:
    """Whether any lane to the same host got an answer through the tunnel, or its far end answers; None: too early."""
    host = lane.lane.target.host if lane.lane.target else ""
    router = seen.asked.pings.get("router") if seen.asked else None
    if host in seen.answered or (router is not None and router.answered):
        return True
    beside = (other for other in seen.lanes.values() if other.lane.target and other.lane.target.host == host)
    return False if all(other.vm is None or other.vm.rungs for other in beside) else None


# ── vm ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _vm(seen: SweepData, lane: LaneData) -> Reading | None:
    vantage = seen.vantages.get("proxy", "")
    ladder = lane.vm
    if ladder is None:
        if "proxy" not in seen.missing:
            return None
        return _reading(lane, "vm", "", "unknown", "not asked", (Rung("connect", "unknown", seen.missing["proxy"]),))
    if not ladder.done or (ladder.cause and not lane.complete):
        return None
    evidence = tuple(ladder.rungs)
    header = f" with a PROXY {ladder.target.header} header" if ladder.target.header else ""
    asked = f"{ladder.target.address} port {ladder.target.port}{header}"
    if ladder.well:
        outcome, word = _end_to_end_family(lane)
        word = word or (f"PROXY {ladder.target.header}" if ladder.target.header else _plain_word(ladder))
        return _reading(lane, "vm", vantage, outcome, word, evidence, asked=asked)
    if ladder.cause in ("no-way", "no-source"):
        return _reading(lane, "vm", vantage, "unknown", "not asked", evidence, asked=asked)
    if not ladder.connected and ladder.cause != "refused":
        answered = host_answers(seen, lane)
        if answered is None:
            return None
        outcome, word = ("failed", _word(ladder)) if answered else ("skipped", "")
        return _reading(lane, "vm", vantage, outcome, word, evidence, asked=asked)
    if service_stopped(lane):
        return _reading(lane, "vm", vantage, "degraded", _word(ladder), evidence, asked=asked)
    if forwards_wrongly(lane) is not None:
        return _reading(lane, "vm", vantage, "degraded", "no header", evidence, asked=asked)
    if overloaded(ladder):
        return _reading(lane, "vm", vantage, "degraded", "busy", evidence, asked=asked)
    said = logged(seen, lane, untrusted(lane))
    evidence += said
    word = "untrusted" if untrusted(lane) and said else "no PROXY" if header_unwanted(lane) else _word(ladder)
    return _reading(lane, "vm", vantage, "failed", word, evidence, asked=asked, whole=seen.ended)


def _plain_word(ladder: Ladder) -> str:
    return ladder.said[9:12] if ladder.target.protocol in ("http", "https") else "answers"


def _end_to_end_family(lane: LaneData) -> tuple[Outcome, str]:
    """One address family gets through and the other does not, although all behind HAProxy is well."""
    bad = _end_to_end_bad(lane)
    if not bad or len(bad) == len(lane.connected):
        return "ok", ""
    family = "v6" if ":" in bad[0].target.address else "v4"
    return "degraded", f"{family} {_word(bad[0])}"


def untrusted(lane: LaneData) -> bool:
    """Whether Dovecot closed at once on a PROXY header, while it answers inside the VM (or nobody could ask there)."""
    ladder = lane.vm
    if ladder is None or ladder.target.header is None or ladder.target.protocol not in DOVECOT:
        return False
    if header_unwanted(lane):
        return False
    return ladder.connected and ladder.cause == "closed" and ladder.after < AT_ONCE


def header_unwanted(lane: LaneData) -> bool:
    """Whether the target is a plain port: it took the header for a command, or for broken TLS, and answers without."""
    ladder, service = lane.vm, lane.service
    if ladder is None or ladder.target.header is None or not ladder.connected:
        return False
    if ladder.cause == "out-of-step":
        return True
    plain = service is not None and service.well and service.target.port == ladder.target.port
    return plain and ladder.cause in ("tls", "not-tls", "closed", "unexpected", "refused")


# ── service ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _service(seen: SweepData, lane: LaneData) -> Reading | None:
    vantage = seen.vantages.get("mail", "")
    ladder = lane.service
    if ladder is None:
        if lane.vm is not None and not lane.vm.done:
            return None
        why = seen.missing.get("mail") or "no compose file says which service answers here"
        return _reading(lane, "service", "", "unknown", "not asked", (Rung("connect", "unknown", why),))
    if not ladder.done:
        return None
    evidence = tuple(ladder.rungs)
    asked = f"{ladder.target.address} port {ladder.target.port} without header"
    label = service_label(lane.lane)
    if ladder.cause in ("no-way", "no-source"):
        return _reading(lane, "service", vantage, "unknown", "not asked", evidence, asked=asked)
    if lane.lane.tls == "passthrough" and (bad := certificate_trouble(seen, lane)):
        evidence = (*(rung for rung in evidence if rung.name != "tls" or rung.outcome != "ok"), *condemned(lane, bad))
        return _reading(lane, "service", vantage, bad[0], bad[1], evidence, ladder.latency, asked)
    if busy := next((each for each in (*lane.connected, lane.vm, ladder) if each and overloaded(each)), None):
        beside = () if busy is ladder else (busy.rungs[-1],)
        return _reading(lane, "service", vantage, "degraded", "busy", (*evidence, *beside), ladder.latency, asked)
    if redirects_to_itself(lane):
        looping = tuple(each.rungs[-1] for each in lane.public.values() if each.done and each.rungs)
        return _reading(lane, "service", vantage, "failed", "loop", (*evidence, *looping), ladder.latency, asked)
    if ladder.well:
        return _reading(lane, "service", vantage, "ok", label, evidence, ladder.latency, asked)
    if lane.vm is not None and not lane.vm.done:
        return None
    if lane.vm is not None and lane.vm.well:
        return _reading(lane, "service", vantage, "ok", label, evidence, asked=asked)
    evidence += contained(seen, lane)
    if waits_for_dovecot(seen, lane):
        return _reading(lane, "service", vantage, "degraded", "no auth", evidence, asked=asked, whole=seen.ended)
    word = "stopped" if container_stopped(seen, lane) and not ladder.connected else _word(ladder)
    return _reading(lane, "service", vantage, "failed", word, evidence, asked=asked, whole=seen.ended)


def container_stopped(seen: SweepData, lane: LaneData) -> bool:
    """Whether Docker itself says that the service's container does not run."""
    return any(each.service == lane.lane.service and each.state != "running" for each in seen.containers)


def redirects_to_itself(lane: LaneData) -> bool:
    """Whether a client of the web is sent to the very address that it asked for."""
    return any(ladder.done and outcome(ladder) == "loop" for ladder in lane.public.values())


def service_stopped(lane: LaneData) -> bool:
    """Whether the daemon does not answer inside the VM either."""
    ladder = lane.service
    return (
        ladder is not None
        and ladder.done
        and ladder.cause not in ("", "no-way", "no-source")
        and not overloaded(ladder)
    )


def waits_for_dovecot(seen: SweepData, lane: LaneData) -> bool:
    """Whether Postfix accepts and says nothing because Dovecot, which answers for its logins (SASL), does not."""
    ladder = lane.service
    if lane.lane.protocol not in ("smtps", "submission") or ladder is None or ladder.cause not in ("closed", "silent"):
        return False
    return any(_unheard(other.service) for other in seen.lanes.values() if other.lane.protocol in DOVECOT)


def _unheard(ladder: Ladder | None) -> bool:
    """Whether nobody answers at all: a daemon that hangs up is there, and its logins may be well."""
    return ladder is not None and ladder.done and ladder.cause in ("refused", "timeout", "unreachable", "silent")


def service_label(lane: Lane) -> str:
    """The service's short name: "dovecot" for dovecot-mailcow."""
    return (lane.service or lane.protocol).removesuffix("-mailcow")
