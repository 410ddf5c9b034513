"""What facts say of suspects behind HAProxy: the way home, the VM, what it publishes."""

from __future__ import annotations

import re

from console.answers import FEW, Ping, Route
from console.diagnosis.loss import SLOW, UNLIKELY, counted, partly_lost, resent, resent_checks, silences, steady
from console.diagnosis.mode import UNKNOWN, Fact, Proof, Scope
from console.diagnosis.world import World, hidden, inner
from console.text import join_words

# ── the way home ────────────────────────────────────────────────────────────────────────────────────────────────────


def unrouted(world: World, scope: Scope) -> Proof:
    """The kernel says that there is no way."""
    route = world.asked.route
    if route is None:
        return UNKNOWN
    if route.none:
        return Proof(True, (f"ip route get {route.address}: {route.none}",))
    if tunnelled(world):
        return Proof(False)
    if route.via and not hidden(route.via) and _is_hidden(route.address):
        out = f"packets for it leave by {route.device} to {route.via}, as those for the Internet do"
        return Proof(
            True, (f"ip route get {route.address}: via {route.via} dev {route.device}",), {"astray": f": {out}"}
        )
    return UNKNOWN


def _is_hidden(address: str) -> bool:
    return re.fullmatch(r"[\d.]+|[\da-fA-F:]+", address) is not None and hidden(address)


def tunnelled(world: World) -> bool:
    """Whether the proxy's way to the mail host is surely a tunnel, by the name of its device."""
    route = world.asked.route
    return route is not None and re.match(r"tailscale|wg|tun|tap|zt|ppp|ipsec", route.device) is not None


def far_end(world: World, address: str) -> str:
    """What answers at the next address on the way to the mail host, as far as that is known."""
    return f"{address}, the tunnel's far end," if tunnelled(world) else f"{address}, the next router there,"


def _ping(world: World, who: str) -> Ping | None:
    return world.asked.pings.get(who)


def untunnelled(world: World, scope: Scope) -> Proof:
    """Neither the far end nor the VM answers the proxy, while the VM is up for others."""
    tailnet, router = world.seen.tailnet, _ping(world, "router")
    if tailnet is not None and not tailnet.absent and not tailnet.error and tailnet.state not in ("", "Running"):
        return Proof(True, (f"tailscale on {world.name('proxy')}: {tailnet.state}",))
    if not world.passes("way", "mail"):
        return UNKNOWN
    runs = f"{world.name('mail')} runs: it can be asked another way"
    if router is not None and router.lost:
        return Proof(True, (f"{far_end(world, router.address)} does not answer {world.name('proxy')}", runs))
    peer = tailnet.toward(world.target) if tailnet is not None and world.target else None
    if router is None and peer is not None and peer.online is False:
        return Proof(True, (f"tailscale on {world.name('proxy')}: peer {peer.name}, the way there, is offline", runs))
    return UNKNOWN


def unforwarded(world: World, scope: Scope) -> Proof:
    """The far end answers, and the VM does for others: a router that does not pass on, or a filter on its way."""
    router, host = _ping(world, "router"), _ping(world, "vm")
    if router is None or host is None or router.lost or not host.lost:
        return Proof(False) if router is not None and router.lost else UNKNOWN
    return Proof(
        None,
        (f"{far_end(world, router.address)} answers {world.name('proxy')}, {host.address} does not",),
        {"router": "the router at home" if tunnelled(world) else f"the next router there, {router.address},"},
    )


def backless(world: World, scope: Scope) -> Proof:
    """As `unforwarded`; and the mail host's own kernel says that there is no way to the proxy."""
    proof, back = unforwarded(world, scope), world.asked.back
    if proof.holds is False or back is None or not back.none or not proof.words or _on_link(world) is not None:
        return proof  # with another address than before a machine may well have lost its routes, too
    return Proof(True, (f"ip route get {back.address} on {world.name('mail')}: {back.none}", *proof.words), cost=0.4)


def off(world: World, scope: Scope) -> Proof:
    """Incus says that it does not run; else the tunnel's far end answers, and nobody at the VM's address."""
    guest = world.asked.guest
    if guest is None:
        return _nobody(world)
    if guest.status != "Running":
        return Proof(True, (f"incus list: {guest.name} is {guest.status.lower()}",), {"status": guest.status.lower()})
    return Proof(cost=1.6, words=(f"incus list: {guest.name} is running",)) if not guest.addresses else Proof(False)


def moved(world: World, scope: Scope) -> Proof:
    """Incus says that it runs, with another address than HAProxy's target."""
    guest = world.asked.guest
    if guest is None:
        return _at_home(world)
    own = [each for each in guest.addresses if ":" not in each]
    if guest.status != "Running" or not own:
        return Proof(False) if guest.status != "Running" else UNKNOWN
    if world.target in own:
        return Proof(False)
    words = (f"incus list: {guest.name} runs with {join_words(own)}, HAProxy dials {world.target}",)
    return Proof(True, words, {"has": join_words(own)})


def _at_home(world: World) -> Proof:
    """The mail host, which lets us in another way, has an address of that network, and not the one that is dialled.

    That it is to have that one is known where the files give it to an instance: else somebody may pass it on."""
    home, let_in = _on_link(world), bool({*world.came("way", "mail")} & {"pass", "shut"})
    if home is None:
        return Proof(False) if let_in else _nobody(world)
    mail = world.name("mail")
    words = (f"ip route get {home.address} on {mail}: by {home.device} from {home.source}: it is not its own address",)
    declared = any(home.address in each.addresses for each in world.seen.topology.instances)
    return Proof(True if declared else None, (*_nobody(world).words, *words), {"has": home.source}, 0.4)


def _on_link(world: World) -> Route | None:
    """The mail host's way to the address that HAProxy dials, where that is a neighbour's, and not its own."""
    home = world.asked.home
    return home if home is not None and home.source and not home.via and home.device not in ("", "lo") else None


def _nobody(world: World) -> Proof:
    router, host = _ping(world, "router"), _ping(world, "vm")
    if router is None or router.lost:
        return UNKNOWN
    words = (f"{far_end(world, router.address)} answers", f"{host.address if host else world.target} does not")
    return Proof(None, words, cost=0.8)


def lossy(world: World, scope: Scope) -> Proof:
    """Some pings were lost and others not, as connections were late; or connections alone took whole seconds more."""
    times = world.times("vm")
    late = [*resent(times), *resent_checks(world.seen)]
    known = world.asked.pings
    asked = [known[name] for name in ("router", "vm") if name in known]
    large = [known["large"]] if "large" in known and not any(ping.sent > FEW for ping in asked) else []
    partly = [ping for ping in (*asked, *large) if partly_lost(ping, len(late))]
    if partly:
        words = tuple(f"ping {p.address}: {p.answered} of {p.sent} answered" for p in partly)
        # one lost ping may be any machine's; a filter may limit pings of one, or connections, and hardly all of these
        beside = len({p.address for p in partly}) > 1 or bool(late)
        most = max(partly, key=lambda p: p.sent - p.answered)
        return Proof(True, words, {"count": counted(most)}, beside=beside, spared=unhurt(world, partly))
    if asked and all(map(steady, asked)):
        return Proof(False)  # a filter that limits new connections delays them in the same way
    if len(resent(times)) >= 2:
        said = f"connections took {max(times) / 1000:.1f} s, others {min(times):.0f} ms: packets were sent again"
        return Proof(True, (said,), beside=False)
    return (
        Proof(None, cost=1.8)
        if late or (times and min(times) > SLOW)
        else Proof(False)
        if times and world.asked.pings
        else UNKNOWN
    )


def unhurt(world: World, pings: list[Ping]) -> frozenset[int]:
    """The lanes on which every conversation fell silent, too many of them for so few lost packets."""
    shares = [1 - ping.answered / ping.sent for ping in pings if ping.sent > FEW]
    if not shares:
        return frozenset()
    found = set()
    for port in world.lanes:
        came = [each for at in ("here", "itself", "vm") for each in world.came("talk", at, port)]
        if came and set(came) == {"silent"} and silences(max(shares), len(came)) < UNLIKELY:
            found.add(port)
    return frozenset(found)


def crawling(world: World, scope: Scope) -> Proof:
    """What the mail host says at once takes seconds to the proxy, and pings of the far end are lost or late as well."""
    if not world.crawls:
        return Proof(False)
    late = ", ".join(f"{lag / 1000:.1f} s on {port}" for port, lag in sorted(world.dragged.items()))
    said = f"{world.name('mail')}'s words came so much later to {world.name('proxy')} than inside: {late}"
    pings = [ping for name in ("router", "vm") if (ping := _ping(world, name)) is not None]
    lost = [ping for ping in pings if ping.lost or (ping.fastest or 0.0) > SLOW]
    if not lost or len(lost) < len(pings):
        return Proof(None, (said,))
    return Proof(True, (said, *(f"ping {p.address}: {p.answered} of {p.sent} answered" for p in lost)), cost=0.4)


def cramped(world: World, scope: Scope) -> Proof:
    """None of many large packets arrives, more than chance would lose of them: small ones do.

    Of two large pings both may have been lost as any packet may, which slow answers or lost small ones show later."""
    large, small = _ping(world, "large"), _ping(world, "vm")
    if large is None or small is None:
        return UNKNOWN
    if not large.lost:
        return Proof(False) if large.answered == large.sent else UNKNOWN
    share = (small.sent - small.answered + 1) / (small.sent + 2)  # that a packet is lost, or its answer
    if small.answered and large.sent > FEW and share**large.sent < UNLIKELY:
        none = f"of {large.sent} pings of 1260 bytes to {large.address} none is answered"
        return Proof(True, (f"{none}, of {small.sent} small ones {small.answered}",))
    return UNKNOWN


# ── the VM ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def target_of(world: World, port: int) -> int:
    target = world.lanes[port].lane.target
    return target.port if target else 0


def reachable(world: World) -> bool:
    """Whether the proxy reaches the VM at all."""
    return (
        world.passes("ping", "host")
        or world.passes("connect", "door")
        or world.passes("connect", "vm")
        or "refused" in world.came("connect", "vm")
    )


def dropped(world: World, scope: Scope) -> Proof:
    """The VM answers the proxy, somebody listens there, and no connection comes about."""
    port = scope.ports[0]
    known, given = world.listeners("mail", target_of(world, port)), {"target": str(target_of(world, port))}
    if not reachable(world):
        return Proof(False)
    if known is None:
        return Proof(None, given=given)
    open_ = [each for each in known if not inner(each.address)]
    if not open_ or any(each.waiting for each in open_):
        return Proof(None, given=given) if open_ else Proof(False)
    came = {*world.came("connect", "vm", port)}
    if not came:  # it is still dialled, or nobody could: of a lost packet nothing is known yet
        return Proof(None, given=given)
    return Proof(
        True,
        (f"{world.name('mail')} answers {world.name('proxy')} otherwise, and listens on {given['target']}",),
        given,
        beside=came == {"timeout"} and _steady(world),
    )


def _steady(world: World) -> bool:
    """Whether the proxy's other connections were answered at once, and all its pings: no packets are lost there."""
    times, pings = world.times("vm"), [ping for who in ("router", "vm") if (ping := _ping(world, who)) is not None]
    return bool(times) and max(times) < SLOW and all(0 < ping.sent == ping.answered for ping in pings)


def no_container(world: World, scope: Scope) -> Proof:
    """No container of the project runs."""
    found = world.seen.containers
    if not found:
        return UNKNOWN
    if len(found) < 2 or any(each.state == "running" for each in found):
        return Proof(False)
    return Proof(True, (f"docker compose ps: none of {len(found)} containers runs",), cost=0)


def unpublished(world: World, scope: Scope) -> Proof:
    """The container runs, and none publishes the port."""
    port = scope.ports[0]
    target, container = target_of(world, port), world.container(port)
    given = {"target": str(target)}
    if container is None or container.state != "running":
        return Proof(False) if container else Proof(None, given=given)
    published = {each.port for other in world.seen.containers for each in other.publishers}
    if not published or target in published:
        return Proof(False)
    return Proof(True, (f"docker compose ps: {container.service} runs, and nothing publishes {target}",), given)


def published_inward(world: World, scope: Scope) -> Proof:
    """The port is bound to an inner address of the VM alone."""
    target = target_of(world, scope.ports[0])
    known = world.listeners("mail", target)
    if known is None:
        return UNKNOWN
    places = sorted({each.address for each in known})
    if not places or not all(map(inner, places)):
        return Proof(False)
    return Proof(
        True, (f"ss: {target} is bound to {join_words(places)}",), {"target": str(target), "places": join_words(places)}
    )


def guess(**given: str) -> Fact:
    """Nothing proves it: it is said among its rivals alone."""

    def fact(world: World, scope: Scope) -> Proof:
        port = scope.ports[0] if scope.ports else 0
        known = {"daemon": world.daemon(port), "target": str(target_of(world, port))} if port in world.lanes else {}
        return Proof(None, given={**known, **given})

    return fact
