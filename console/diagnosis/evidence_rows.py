"""What machines say of themselves, as evidence beside the rung that broke: logs, containers, Tailscale."""

from __future__ import annotations

import time

from msgspec.structs import replace

from console.answers import Peer, Server
from console.diagnosis.certificates import shown_trouble
from console.diagnosis.log_lines import exit_words, header_trouble, spoken, untrusted_peer
from console.diagnosis.words import duration
from console.ladders import Ladder
from console.model import Outcome, Rung
from console.observation import LaneData, SweepData

_STATES = {
    "NeedsLogin": "logged out; run tailscale up",
    "NeedsMachineAuth": "waits to be approved in the admin console",
    "Stopped": "stopped; run tailscale up",
    "Starting": "still starting",
    "NoState": "not started",
    "InUseOtherUser": "in use by another user",
}


def logged(seen: SweepData, lane: LaneData, untrusted: bool) -> tuple[Rung, ...]:
    """The service's own word on a PROXY header that it did not take."""
    lines = seen.logs.get(lane.lane.service or "", ())
    if untrusted:
        found = untrusted_peer(spoken(lines, lane.lane.protocol))
        return (Rung("log", "failed", found[1]),) if found else ()
    line = header_trouble(lines) if lane.vm is not None and lane.vm.said.startswith("421") else None
    return (Rung("log", "failed", line),) if line else ()


def condemned(seen: SweepData, lane: LaneData, bad: tuple[Outcome, str]) -> tuple[Rung, ...]:
    """The rungs of TLS that showed a certificate with which this is wrong: they carry the verdict.

    Another vantage may have been shown another one: a moment before, or by a daemon that was not reloaded."""
    ladders = (*([lane.service] if lane.service else []), *([lane.vm] if lane.vm else []), *lane.public.values())
    found: list[Rung] = []
    for ladder in ladders:
        if ladder.certificate is not None and shown_trouble(seen, lane, ladder) == bad:
            rung = ladder.rung("tls") or Rung("tls", "ok", ladder.certificate.subject)
            found.append(replace(rung, outcome=bad[0], detail=f"{bad[1]}: {rung.detail}, from {ladder.vantage}"))
    return tuple(found[:2])


def unasked_starttls(ladders: list[Ladder]) -> tuple[Rung, ...]:
    """That a daemon's certificate was not looked at, where TLS would begin only after a word of the client's."""
    asked = [each for each in ladders if each.well and not each.target.implicit_tls]
    plain = [each for each in asked if each.target.protocol in _STARTTLS and each.rung("tls") is None]
    return (Rung("tls", "skipped", "STARTTLS not asked: its certificate was not looked at"),) if plain else ()


_STARTTLS = frozenset(("smtp", "submission", "imap", "pop3", "sieve"))


def figures(row: Server) -> tuple[Rung, ...]:
    """What HAProxy counts of a server, in one row: "sessions 3, queued 0, errors 12, in this state for 2h"."""
    counted = (("sessions", row.sessions), ("queued", row.queued), ("errors", row.errors))
    words = [f"{name} {number}" for name, number in counted if number is not None]
    words += [f"in this state for {duration(row.changed)}"] if row.changed else []
    return (Rung("ask", "ok", ", ".join(words)),) if words else ()


def contained(seen: SweepData, lane: LaneData) -> tuple[Rung, ...]:
    """How the container of a lane's service is: "docker compose ps: dovecot-mailcow exited (137) 2 minutes ago"."""
    service = lane.lane.service
    if seen.containers_error:
        return (Rung("ask", "unknown", seen.containers_error),)
    if service is None or not seen.containers:
        return ()
    found = [container for container in seen.containers if container.service == service]
    if not found:
        return (Rung("ask", "failed", f"docker compose ps: {service} has no container"),)
    worst = next((container for container in found if not container.well), found[0])
    meaning = exit_words(worst.exit_code)
    said = f"docker compose ps: {service} {worst.words}{f', {meaning}' if meaning else ''}"
    return (Rung("ask", "ok" if worst.well else "failed", said),)


def tunnelled(seen: SweepData, address: str) -> tuple[Rung, ...]:
    """What Tailscale on the proxy's machine says of the way to `address`; nothing where there is no Tailscale."""
    tailnet = seen.tailnet
    if tailnet is None or tailnet.absent:
        return ()
    if tailnet.error:
        return (Rung("ask", "unknown", tailnet.error),)
    if tailnet.state != "Running":
        return (Rung("ask", "failed", f"tailscale: {_STATES.get(tailnet.state, tailnet.state)}"),)
    if tailnet.own is not None and _expired(tailnet.own, seen.at):
        ended = _on(tailnet.own.key_expiry)
        return (Rung("ask", "failed", f"tailscale: this machine's key expired{ended}; run tailscale up"),)
    peer = tailnet.toward(address)
    if peer is None:
        away = [each.name for each in tailnet.peers if each.online is False and each.routes]
        offline = f"; offline: {', '.join(away[:3])}" if away else ""
        return (Rung("ask", "unknown", f"tailscale: no peer has a route to {address}{offline}"),)
    return (_peer(peer, seen.at),)


def _peer(peer: Peer, now: float) -> Rung:
    expired = _expired(peer, now)
    said = f"tailscale: peer {peer.name}"
    if peer.online is False:
        said += " offline" + (f" since {moment(peer.last_seen)}" if peer.last_seen else "")
    elif peer.online:
        said += " online"
        if not expired:
            said += (
                f", direct to {peer.direct}" if peer.direct else f", through relay {peer.relay}" if peer.relay else ""
            )
    if expired:
        said += f", key expired{_on(peer.key_expiry)}"
    return Rung("ask", "failed" if expired or peer.online is False else "ok", said)


def _expired(peer: Peer, now: float) -> bool:
    return peer.expired or 0 < peer.key_expiry <= now


def _on(expiry: float) -> str:
    return f" {moment(expiry)}" if expiry else ""


def moment(seconds: float) -> str:
    """Write a time as an operator's own clock shows it, with its day."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))
