"""What facts say of suspects among HAProxy's listeners that take clients, and do the wrong thing with them."""

from __future__ import annotations

import re
from statistics import mean

from console.diagnosis.log_lines import screened
from console.diagnosis.mode import Proof, Scope
from console.diagnosis.world import World
from console.ladders import Ladder

COST = 1.0
"""What a proven one costs: a line that was changed on the host, which is nearer to the cause, is told before it."""

SPREAD = 0.3
"""Seconds by which one timeout may seem to differ from connection to connection."""

LEAST = 0.8
"""Seconds below which a connection that ends was ended for something else than that nobody spoke."""

_AFTER = re.compile(r"\bHANGUP after (\d+(?:\.\d+)?) from ")


def for_web(world: World, scope: Scope) -> Proof:
    """HAProxy's own row says that the frontend is for the web, on a lane of mail's."""
    front = world.frontend(scope.ports[0])
    if front is None or not front.mode:
        return Proof(False)
    return Proof(front.mode == "http", (f"show stat: frontend {front.name} has mode {front.mode}",), cost=COST)


def ends_tls(world: World, scope: Scope) -> Proof:
    """HAProxy counts TLS sessions of its own where the files have none, ours stand, and then nobody greets.

    It begins none with the server, which answers TLS well, or which nobody reaches: then it was surely HAProxy."""
    port = scope.ports[0]
    front, server, lane = world.frontend(port), world.row(port), world.lanes[port].lane
    if front is None or server is None or lane.tls != "passthrough" or not front.secured or server.secured != 0:
        return Proof(False)
    ours = [each for each in _fronts(world, port) if each.done]
    behind = world.lanes[port].vm
    if not ours or not all(map(_secured, ours)) or behind is None or (behind.connected and not _secured(behind)):
        return Proof(False)
    words = (
        f"show stat: frontend {front.name} was the server of {front.secured} TLS sessions, "
        f"and {server.proxy}/{server.name} of none",
    )
    return Proof(True, words, cost=COST)


def _secured(ladder: Ladder | None) -> bool:
    rung = ladder.rung("tls") if ladder is not None else None
    return rung is not None and rung.outcome == "ok"


def impatient(world: World, scope: Scope) -> Proof:
    """All clients are hung up on after the same time, before the daemon greets, which logs that they hung up on it.

    Each was told that the other ended it: it was who stands between."""
    port = scope.ports[0]
    greets = _greets(world.lanes[port].vm)
    ends = [each.after for each in _fronts(world, port) if each.done and each.cause == "closed"]
    if greets is None or len(ends) < 2 or max(ends) - min(ends) > SPREAD:
        return Proof(False)
    patience = mean(ends)
    if patience < LEAST or greets < patience + SPREAD:
        return Proof(False)
    logged = [line for line in world.log(port) if _hung_up(line, patience)]
    given = {"patience": f"{patience:.1f}", "greets": f"{greets:.1f}"}
    return Proof(True, (logged[-1],), given, COST) if len(logged) > 1 else Proof(None, given=given)


def _greets(ladder: Ladder | None) -> float | None:
    """Seconds after which the daemon greeted the proxy; None where it did not."""
    rung = ladder.rung("greeting") if ladder is not None else None
    return rung.ms / 1000 if rung is not None and rung.outcome == "ok" and rung.ms is not None else None


def _hung_up(line: str, patience: float) -> bool:
    """Whether postscreen saw a client of the proxy hang up after just that time; it logs whole seconds, or tenths."""
    seen, after = screened(line), _AFTER.search(line)
    if seen is None or after is None or seen.event != "HANGUP" or not seen.proxied:
        return False
    return abs(float(after[1]) - patience) <= (SPREAD if "." in after[1] else 1 - SPREAD)


def _fronts(world: World, port: int) -> list[Ladder]:
    """What clients saw of a lane, from here and on the proxy itself, as far as they were let in."""
    lane = world.lanes[port]
    return [each for each in (*lane.public.values(), *lane.itself.values()) if each.connected]
