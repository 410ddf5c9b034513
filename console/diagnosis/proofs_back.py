"""What facts say of suspects behind HAProxy: the way home, the VM, its containers, daemons and their ports."""

from __future__ import annotations

import re

from console.diagnosis.log_lines import refused_family, untrusted_peer
from console.diagnosis.mode import UNKNOWN, Fact, Proof, Scope
from console.diagnosis.world import World, inner
from console.model import PLAIN_PORTS
from console.observation import Ping
from console.text import join_words

PROCESSES = {
    "dovecot": ("dovecot",),
    "postfix": ("/postfix/sbin/master", "/postfix/master"),
    "nginx": ("nginx: worker", "nginx: master"),
}
"""How the processes of a service that answer clients are named."""

LIMIT = re.compile(r"has reached its process limit|process_limit \(\d+\) reached|client_limit \(\d+\) reached")
MISMATCH = re.compile(
    r"key values mismatch|cannot (?:get|load|use) .*?key|can't load (?:private key|ssl)|disabling TLS support", re.I
)
DIES = re.compile(r"(?:smtpd|postscreen)\[\d+\]: fatal: .*|bad command startup|No space left on device")


# ── the way home ────────────────────────────────────────────────────────────────────────────────────────────────────


def unrouted(world: World, scope: Scope) -> Proof:
    """The kernel says that there is no way."""
    route = world.asked.route
    if route is None:
        return UNKNOWN
    if route.none:
        return Proof(True, (f"ip route get {route.address}: {route.none}",))
    return Proof(False) if re.match(r"tailscale|wg|tun|tap|zt", route.device) else UNKNOWN


def _ping(world: World, who: str) -> Ping | None:
    return world.asked.pings.get(who)


def untunnelled(world: World, scope: Scope) -> Proof:
    """Neither the far end nor the VM answers the proxy, while the VM is up for others."""
    tailnet, router = world.seen.tailnet, _ping(world, "router")
    if tailnet is not None and not tailnet.absent and not tailnet.error and tailnet.state not in ("", "Running"):
        return Proof(True, (f"tailscale on {world.name('proxy')}: {tailnet.state}",))
    if router is not None and router.lost and world.passes("way", "mail"):
        words = (
            f"{router.address}, the tunnel's far end, does not answer {world.name('proxy')}",
            f"{world.name('mail')} runs: it can be asked another way",
        )
        return Proof(True, words)
    return UNKNOWN


def unforwarded(world: World, scope: Scope) -> Proof:
    """The far end answers, and the VM does for others: a router that does not pass on, or a filter on its way."""
    router, host = _ping(world, "router"), _ping(world, "vm")
    if router is None or host is None or router.lost or not host.lost:
        return Proof(False) if router is not None and router.lost else UNKNOWN
    return Proof(
        None, (f"{router.address}, the tunnel's far end, answers {world.name('proxy')}, {host.address} does not",)
    )


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
        return _nobody(world)
    own = [each for each in guest.addresses if ":" not in each]
    if guest.status != "Running" or not own:
        return Proof(False) if guest.status != "Running" else UNKNOWN
    if world.target in own:
        return Proof(False)
    words = (f"incus list: {guest.name} runs with {join_words(own)}, HAProxy dials {world.target}",)
    return Proof(True, words, {"has": join_words(own)})


def _nobody(world: World) -> Proof:
    router, host = _ping(world, "router"), _ping(world, "vm")
    if router is None or router.lost:
        return UNKNOWN
    words = (f"{router.address}, the tunnel's far end, answers", f"{host.address if host else world.target} does not")
    return Proof(None, words, cost=0.8)


def lossy(world: World, scope: Scope) -> Proof:
    """Some connections took whole seconds more than others, or pings were lost in part."""
    times = [(lane.vm.latency or 0.0) for lane in world.lanes.values() if lane.vm and lane.vm.connected]
    partly = [
        p for name, p in world.asked.pings.items() if name in ("router", "vm", "large") and 0 < p.answered < p.sent
    ]
    late = [each for each in times if times and each - min(times) > 900]
    if partly:
        words = tuple(f"ping {p.address}: {p.answered} of {p.sent} answered" for p in partly)
        return Proof(True, words)
    if len(late) >= 2:
        return Proof(
            True, (f"connections took {max(late) / 1000:.1f} s, others {min(times):.0f} ms: packets were sent again",)
        )
    return (
        Proof(None, cost=1.8)
        if late or (times and min(times) > 300)
        else Proof(False)
        if times and world.asked.pings
        else UNKNOWN
    )


def cramped(world: World, scope: Scope) -> Proof:
    """Large packets are lost, small ones are not."""
    large, small = _ping(world, "large"), _ping(world, "vm")
    if large is None or small is None:
        return UNKNOWN
    if large.lost and small.answered == small.sent:
        return Proof(True, (f"a ping of 1260 bytes to {large.address} is lost, a small one is not",))
    return Proof(False) if large.answered == large.sent else UNKNOWN


# ── the VM ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _target(world: World, port: int) -> int:
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
    known, given = world.listeners("mail", _target(world, port)), {"target": str(_target(world, port))}
    if not reachable(world):
        return Proof(False)
    if known is None:
        return Proof(None, given=given)
    open_ = [each for each in known if not inner(each.address)]
    if not open_ or any(each.waiting for each in open_):
        return Proof(None, given=given) if open_ else Proof(False)
    return Proof(
        True,
        (f"{world.name('mail')} answers {world.name('proxy')} otherwise, and listens on {given['target']}",),
        given,
    )


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
    target, container = _target(world, port), world.container(port)
    given = {"target": str(target)}
    if container is None or container.state != "running":
        return Proof(False) if container else Proof(None, given=given)
    published = {each.port for other in world.seen.containers for each in other.publishers}
    if not published or target in published:
        return Proof(False)
    return Proof(True, (f"docker compose ps: {container.service} runs, and nothing publishes {target}",), given)


def published_inward(world: World, scope: Scope) -> Proof:
    """The port is bound to an inner address of the VM alone."""
    target = _target(world, scope.ports[0])
    known = world.listeners("mail", target)
    if known is None:
        return UNKNOWN
    places = sorted({each.address for each in known})
    if not places or not all(map(inner, places)):
        return Proof(False)
    return Proof(
        True, (f"ss: {target} is bound to {join_words(places)}",), {"target": str(target), "places": join_words(places)}
    )


# ── daemons ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def daemon_stopped(world: World, scope: Scope) -> Proof:
    """Its container does not run, by Docker's own word."""
    container, given = world.container(scope.ports[0]), {"daemon": world.daemon(scope.ports[0])}
    if container is None:
        return Proof(None, given=given)
    if container.state == "running":
        return Proof(False)
    return Proof(True, (f"docker compose ps: {container.service} {container.words}",), given, 0.1)


def daemon_halted(world: World, scope: Scope) -> Proof:
    """Its processes are stopped by a signal."""
    name = world.daemon(scope.ports[0])
    given, programs = {"daemon": name}, world.asked.programs
    if programs is None:
        return Proof(None, given=given)
    mine = [each for each in programs if _is_main(name, each.words)]
    if any(each.halted for each in mine):
        return Proof(
            True, (f"ps: {next(each.words for each in mine if each.halted)} is stopped by a signal",), given, 0.3
        )
    return Proof(False) if mine else Proof(None, given=given)


def _is_main(name: str, words: str) -> bool:
    if name == "dovecot":
        return re.match(r"(?:\S*/)?dovecot(?: -F| -c \S+)*$", words) is not None
    return any(each in words for each in PROCESSES.get(name, (f"/{name}",)))


def auth_halted(world: World, scope: Scope) -> Proof:
    """Dovecot's auth process is stopped by a signal, and Dovecot is not."""
    programs = world.asked.programs
    if programs is None:
        return Proof(False) if any(world.passes("talk", "vm", port) for port in scope.ports) else UNKNOWN
    auth = [each for each in programs if re.match(r"(?:\S*/)?(?:dovecot/)?auth\b", each.words)]
    if any(each.halted for each in auth):
        main = any(each.halted and _is_main("dovecot", each.words) for each in programs)
        return Proof(False) if main else Proof(True, ("ps: dovecot/auth is stopped by a signal",), cost=0.3)
    return Proof(False) if auth else UNKNOWN


def port_halted(world: World, scope: Scope) -> Proof:
    """The one process behind the port is stopped by a signal."""
    programs, port = world.asked.programs, scope.ports[0]
    if programs is None:
        return UNKNOWN
    names = {25: ("postscreen",), 465: ("smtpd",), 587: ("smtpd",)}.get(port, ())
    stuck = next((each.words for each in programs if each.halted and each.words.startswith(names) and names), "")
    given = {"process": f" {stuck.split(' ')[0]}", "target": str(_target(world, port))}
    return Proof(True, (f"ps: {stuck} is stopped by a signal",), given, 0.4) if stuck else Proof(False)


def unserved(world: World, scope: Scope) -> Proof:
    """The container runs, and nobody listens on the port behind it."""
    port = scope.ports[0]
    target, container = _target(world, port), world.container(port)
    given = {"target": str(target), "daemon": world.daemon(port)}
    if container is not None and container.state != "running":
        return Proof(False)
    known = world.listeners("mail", target)
    if known is None or container is None:
        return Proof(None, given=given)
    if any(not inner(each.address) for each in known):
        return Proof(False)
    if known:
        return Proof(False)  # it is bound to an inner address
    return Proof(True, (f"{container.service} runs ({container.words}), and ss shows nobody on {target}",), given)


def says_no(world: World, scope: Scope) -> Proof:
    """Inside the VM the daemon itself answers so."""
    port = scope.ports[0]
    said = next(
        (
            t.said
            for t in world.by_port[port]
            if t.kind == "talk" and t.at == "inside" and t.outcome.startswith("says-")
        ),
        "",
    )
    given = {"daemon": world.daemon(port), "said": said[:70]}
    return Proof(True, (f"inside {world.name('mail')}, without HAProxy: {said}",), given, 0.3) if said else Proof(False)


def loops(world: World, scope: Scope) -> Proof:
    """A client is sent to the very address that it asked for."""
    looping = [t for t in world.by_port[scope.ports[0]] if t.kind == "talk" and t.outcome == "loop"]
    name = next((ladder.target.name for ladder in world.ladders(scope.ports[0]) if ladder.target.name), "")
    behind = world.lanes[scope.ports[0]].vm
    if looping and behind is None:
        return Proof(None, given={"name": name or ""})
    if not looping or (behind is not None and behind.well and "→" not in behind.said):
        return Proof(False)  # it is HAProxy that redirects
    return Proof(True, (looping[0].said,), {"name": name or ""})


def unwanted(world: World, scope: Scope) -> Proof:
    """The port takes the header for a command; where TLS begins it can only hang up."""
    port = scope.ports[0]
    lane, given = world.lanes[port].lane, {"daemon": world.daemon(port), "target": str(_target(world, port))}
    if lane.proxy_protocol is None or _target(world, port) in PLAIN_PORTS.values():
        return Proof(False)
    taken = [t for t in world.by_port[port] if (t.kind, t.at, t.outcome) == ("talk", "vm", "out-of-step")]
    if taken:
        return Proof(True, (f"{given['target']} took the header for a command: {taken[0].said}",), given, 0.4)
    return Proof(None, given=given)


def plain_text(world: World, scope: Scope) -> Proof:
    """Inside the VM the daemon itself answers in plain text."""
    port = scope.ports[0]
    inside, behind = world.came("talk", "inside", port), world.came("talk", "vm", port)
    given = {"daemon": world.daemon(port)}
    if inside == ["not-tls"]:
        return Proof(True, (f"inside {world.name('mail')} port {port} answers in plain text",), given, 0.3)
    return Proof(None, given=given) if behind == ["not-tls"] else Proof(False)


def exhausted(world: World, scope: Scope) -> Proof:
    """Its log says that the limit was reached since the sweep began; connections that wait only hint at it."""
    port = scope.ports[0]
    target, given = _target(world, port), {"target": str(_target(world, port)), "daemon": world.daemon(port)}
    logged = world.logged(LIMIT, port)
    if logged:
        return Proof(True, (logged,), given, 0.4)
    known = world.listeners("mail", target)
    if known is None:
        return Proof(None, given=given)
    waiting = sum(each.waiting for each in known)
    if not waiting:
        return Proof(False)
    return Proof(None, (f"ss: {waiting} connections to {target} wait to be accepted",), given, 1.2)


def dies(world: World, scope: Scope) -> Proof:
    """Its log says since the sweep began why it dies."""
    logged = world.logged(DIES, scope.ports[0])
    match = DIES.search(logged)
    return Proof(True, (logged,), {"why": f": {match[0][:120]}" if match else ""}, 0.5) if logged else Proof(False)


def distrusted(world: World, scope: Scope) -> Proof:
    """Dovecot's log says since the sweep began whom it does not trust."""
    for port in scope.ports:
        if (found := untrusted_peer(world.log(port))) is not None:
            return Proof(True, (found[1],), {"peer": f" {found[0]}", "address": found[0]})
    return Proof(None, given={"peer": "", "address": "the address that Dovecot logs"})


def one_family(world: World, scope: Scope) -> Proof:
    """Postfix says no to one family alone, or its log says that it does without it."""
    port = scope.ports[0]
    ends = {
        f: [t for t in world.by_port[port] if t.kind == "talk" and t.at == "here" and t.family == f] for f in (4, 6)
    }
    if not ends[6] or not ends[4] or not all(t.passed for t in ends[4]) or any(t.passed for t in ends[6]):
        return Proof(False)
    logged = refused_family(world.log(port))
    if logged and logged[0] == "IPv6":
        return Proof(True, (logged[1],))
    no = [t for t in ends[6] if t.outcome in ("headerless", "says-4xx", "says-5xx", "says-no")]
    return Proof(True, (f"over IPv6 it says: {no[0].said}",)) if no else UNKNOWN


def mismatched(world: World, scope: Scope) -> Proof:
    """A daemon's log says since the sweep began that key and certificate do not fit."""
    logged = world.logged(MISMATCH, scope.ports[0])
    return Proof(True, (logged,), cost=0.3) if logged else UNKNOWN


def guess(**given: str) -> Fact:
    """Nothing proves it: it is said among its rivals alone."""

    def fact(world: World, scope: Scope) -> Proof:
        port = scope.ports[0] if scope.ports else 0
        known = {"daemon": world.daemon(port), "target": str(_target(world, port))} if port in world.lanes else {}
        return Proof(None, given={**known, **given})

    return fact
