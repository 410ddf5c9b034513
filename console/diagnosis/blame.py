"""What a lane's ladders show by themselves: who hung up on whom, who wanted a header, who is overloaded or stopped."""

from __future__ import annotations

from console.diagnosis.symptoms import BUSY, HEADERLESS, outcome
from console.ladders import Ladder
from console.observation import LaneData, SweepData

AT_ONCE = 2.5
"""Seconds within which Dovecot hangs up on a proxy that it distrusts: for a header that got lost it waits 3 s."""

DOVECOT = frozenset(("imap", "imaps", "pop3", "pop3s", "sieve"))


def end_to_end_bad(lane: LaneData) -> list[Ladder]:
    return [ladder for ladder in lane.connected if ladder.done and ladder.cause]


def forwards_wrongly(lane: LaneData) -> Ladder | None:
    """Return the public ladder that shows HAProxy at fault: nothing gets through it, while all behind it is well.

    When nobody can look behind HAProxy, what does not get through it is laid at its door, for it is the last hop seen.
    A configuration that lacks the header is HAProxy's fault too, though then the VM's port cannot answer our probe."""
    bad = end_to_end_bad(lane)
    if not bad or len(bad) < len(lane.connected) or any(map(overloaded, bad)) or serves_itself(lane):
        return None
    if lane.vm is None or lane.vm.cause in ("", "no-way", "no-source"):
        return bad[0]
    return bad[0] if configured_without_header(lane) and header_missing(lane.vm) else None


def serves_itself(lane: LaneData) -> bool:
    """Whether the proxy gets through its own public address, all the way: then what we miss is between us and it."""
    ended = [ladder for ladder in lane.itself.values() if ladder.done]
    return bool(ended) and all(ladder.well for ladder in ended)


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

    HAProxy hangs up at once when it has no server. A daemon hangs up at once when TLS comes instead of the header. The
    two look alike: while HAProxy's statistics are not known, only a daemon that waited for the header is proof."""
    heard = seen.stats is not None and not seen.stats.error
    return header_waited_for(ladder) or (heard and header_missing(ladder))


def overloaded(ladder: Ladder | None) -> bool:
    """Whether the daemon turned us away because it has too much to do, which is nobody else's fault."""
    return ladder is not None and ladder.cause == "refused" and BUSY.match(ladder.said) is not None


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


def host_answers(seen: SweepData, lane: LaneData) -> bool | None:
    """Whether any lane to the same host got an answer through the tunnel, or its far end answers; None: too early."""
    host = lane.lane.target.host if lane.lane.target else ""
    router = seen.asked.pings.get("router") if seen.asked else None
    if host in seen.answered or (router is not None and router.answered):
        return True
    beside = (other for other in seen.lanes.values() if other.lane.target and other.lane.target.host == host)
    return False if all(other.vm is None or other.vm.rungs for other in beside) else None


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
