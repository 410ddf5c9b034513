"""What facts say of suspects on this machine, and of the public name: no way out, a wrong address, lost packets."""

from __future__ import annotations

import re

from console.diagnosis.loss import counted, partly_lost, resent, steady, unheard_from_here
from console.diagnosis.mode import UNKNOWN, Proof, Scope
from console.diagnosis.world import World, inner
from console.text import join_words

_NO_ROUTE = re.compile(r"[Nn]etwork is unreachable")
"""The kernel's word for no route at all: one that was laid to forbid an address is told otherwise."""


def offline(world: World, scope: Scope) -> Proof:
    """Our own kernel knows no way out, of either family.

    That our own gateway is silent is no proof, for many let no ping in; but it makes the rest likelier."""
    out = world.asked.outward or ()
    if len({":" in each.address for each in out}) == 2 and all(_NO_ROUTE.search(each.none) for each in out):
        words = tuple(f"ip route get {each.address} on {world.name('here')}: {each.none}" for each in out)
        return Proof(True, words, cost=0.2)
    ping = world.asked.pings.get("gateway")
    if ping is None:
        return UNKNOWN
    return (
        Proof(cost=0.6, words=(f"this machine's own gateway {ping.address} does not answer either",))
        if ping.lost
        else Proof(False)
    )


def unresolved(world: World, scope: Scope) -> Proof:
    """The resolver said so itself."""
    said = next((t.said for t in world.symptoms if t.kind == "name" and t.outcome == "none"), "")
    return Proof(True, (said,), {"said": said})


def unheard(world: World, scope: Scope) -> Proof:
    """The resolver did not answer: our own words, which are an observation."""
    said = next((t.said for t in world.symptoms if t.kind == "name" and t.outcome == "unheard"), "")
    return Proof(True, (said,), {"said": said})


def misled(world: World, scope: Scope) -> Proof:
    """The name's address is none of the proxy's own, and HAProxy listens at those, or would where it is stopped."""
    wrong, own = sorted(scope.addresses), sorted(world.own)
    also = "also " if world.dialled - scope.addresses else ""
    given = {"wrong": join_words(wrong), "own": join_words(own), "also": also}
    listens = [world.listeners("proxy", port) for port in scope.ports]
    if not any(each.process == "haproxy" and not inner(each.address) for some in listens for each in some or ()):
        gone = also and world.asked.haproxy == () and world.seen.stats is not None and world.seen.stats.stopped
        words = (f"{world.name('proxy')} has {given['own']} alone",)
        return Proof(True, words, given) if gone else Proof(None, given=given)
    words = (f"{world.name('proxy')} has {given['own']}, and HAProxy listens there",)
    return Proof(True, words, given)


def bypassed(world: World, scope: Scope) -> Proof:
    """The name leads here to the very address to which HAProxy sends its clients."""
    wrong, own = join_words(sorted(scope.addresses)), join_words(sorted(world.own))
    also = "also " if world.dialled - scope.addresses else ""
    words = (f"HAProxy's own servers are at {wrong}", f"{world.name('proxy')} has {own}")
    return Proof(True, words, {"wrong": wrong, "own": own, "also": also})


def lost_here(world: World, scope: Scope) -> Proof:
    """Connections from here took whole seconds more than others, and pings were lost in part, or nobody answers any."""
    times, ping = world.times("here"), world.asked.pings.get("front")
    late, unheard = resent(times), unheard_from_here(world.seen)
    if not late and not (unheard and ping is not None and partly_lost(ping)):
        return Proof(False)
    took = max(late or times) / 1000
    said = f"connections took {took:.1f} s, others {min(times):.0f} ms: packets were sent again"
    if not late:
        said = (
            f"{len(unheard)} connections from here took a second and more, or got no answer; others were made at once"
        )
    if ping is not None and partly_lost(ping, len(late)):
        words = (f"ping {ping.address} from here: {ping.answered} of {ping.sent} answered", said)
        return Proof(True, words, {"count": counted(ping)})
    if ping is not None and steady(ping):
        return Proof(None, (said,))  # a filter that limits new connections delays them in the same way
    made = set(world.came("connect", "here")) == {"pass"}  # else it may be a filter that limits new connections
    return Proof(True, (said,), beside=made and bool(world.symptoms)) if len(late) > 2 else Proof(None, (said,))


def may_be_lost(world: World, half: bool = False) -> bool:
    """Whether what got no answer from here may have been lost by chance, of one family alone the sooner."""
    ping = world.asked.pings.get("front")
    if ping is not None and (steady(ping) or partly_lost(ping)):
        return not steady(ping)
    return bool(resent(world.times("here"))) or half


def blocked_here(world: World, scope: Scope) -> Proof:
    """The proxy reaches its own port 25: then it is only from here that it is silent."""
    came = [each for port in scope.ports for each in world.came("connect", "itself", port)]
    return Proof(False) if came and "pass" not in came else UNKNOWN
