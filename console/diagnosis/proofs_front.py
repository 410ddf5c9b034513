"""What facts say of suspects in front of the tunnel: filters, HAProxy's process and listeners."""

from __future__ import annotations

import re

from console.answers import Listener
from console.diagnosis.mode import UNKNOWN, Proof, Scope
from console.diagnosis.proofs_here import may_be_lost
from console.diagnosis.proofs_servers import unreached
from console.diagnosis.world import World, inner
from console.text import join_words

# ── filters and listeners ───────────────────────────────────────────────────────────────────────────────────────────


def _listening(world: World, port: int, family: int = 0) -> list[Listener] | None:
    """HAProxy's listeners on a public port that others than the machine itself can reach."""
    known = world.listeners("proxy", port)
    if known is None:
        return None
    return [
        each for each in known
        if not inner(each.address) and each.process in ("", "haproxy", "docker-proxy")
        and (not family or (":" in each.address) == (family == 6) or each.both)
    ]  # fmt: skip


def familyless(world: World, scope: Scope) -> Proof:
    """ip addr shows no address of that family, and others."""
    if not world.own or any((":" in each) == (scope.family == 6) for each in world.own):
        return Proof(False)
    return Proof(True, (f"ip addr on {world.name('proxy')}: {join_words(sorted(world.own))} alone",))


def _refused_itself(world: World, port: int, family: int) -> bool:
    """Whether the proxy refuses itself on a port of one family that is dialled on several."""
    return bool(family) and world.came("connect", "itself", port, family) == ["refused"]


def filtered(world: World, scope: Scope) -> Proof:
    """The proxy reaches its own public address there, or is refused, and from here nothing comes."""
    half = bool(scope.family) and len(scope.ports) < len(world.lanes)
    return UNKNOWN if may_be_lost(world, half) else _before(world, scope)


def _before(world: World, scope: Scope) -> Proof:
    if scope.ports == (25,) or any(map(world.foreign, world.dialled)):
        return UNKNOWN  # a home line blocks 25 on its way out more often than anybody drops it
    if not scope.family and len(scope.ports) == len(world.lanes) and len({":" in each for each in world.dialled}) == 1:
        return UNKNOWN  # every port of the one family that the name has: it may have no way at all
    known = {port: _listening(world, port, scope.family) for port in scope.ports}
    # a family that nobody passes hides nothing of a port that is refused to the proxy itself, too
    gone = {port for port, some in known.items() if some == [] and _refused_itself(world, port, scope.family)}
    ports = [port for port in scope.ports if port not in gone or gone == {*scope.ports}]
    came = {port: {*world.came("connect", "itself", port, scope.family or None)} for port in ports}
    if any(came.values()) and not all("pass" in some or some == {"refused"} for some in came.values()):
        return Proof(False)
    vps, open_ = world.name("proxy"), [known[port] for port in ports if "pass" in came[port]]
    if not any(came.values()) or not all(open_):
        return UNKNOWN
    heard = f"HAProxy listens there, and {vps} reaches its own public address"
    refused = f"{vps} is refused at once at its own public address there: from here not even that is heard"
    return Proof(True, (heard,) * bool(open_) + (refused,) * (len(open_) < len(ports)))


def rejected(world: World, scope: Scope) -> Proof:
    """As `filtered`, and HAProxy counts nothing that it ended itself: its own rules end connections alike."""
    ended = world.ended(scope.ports[0])
    if ended is not None and ended.counted:
        return Proof(False) if ended.counted == ended.made else UNKNOWN
    proof = UNKNOWN if may_be_lost(world) else _before(world, scope)
    return UNKNOWN if proof.holds and ended is None else proof


def stranger(world: World, scope: Scope) -> Proof:
    """ss names another program that has the public port."""
    known = world.listeners("proxy", scope.ports[0])
    if known is None:
        return Proof(False)
    others = {each.process for each in known if each.process and not inner(each.address)} - {"docker-proxy"}
    if not others or "haproxy" in others:
        return Proof(False)
    return Proof(
        True,
        (f"ss: port {scope.ports[0]} is held by {join_words(sorted(others))}",),
        {"who": join_words(sorted(others))},
    )


def unlistened(world: World, scope: Scope) -> Proof:
    """Nobody listens on the port, by ss, by HAProxy's own list, or by a refusal that the proxy itself gets."""
    port, vps = scope.ports[0], world.name("proxy")
    refused = {t.family for t in world.by_port[port] if (t.kind, t.at, t.outcome) == ("connect", "here", "refused")}
    # a family that is not reached from here either may have no listener as well
    passed = {t.family for t in world.by_port[port] if t.kind == "connect" and t.at in ("here", "itself") and t.passed}
    only = refused.pop() if len(refused) == 1 and passed - refused else 0
    given = {"only": f" over IPv{only}" if only else ""}
    known = world.listeners("proxy", port)
    if known is not None:
        if any(
            not inner(each.address) for each in known if not only or (":" in each.address) == (only == 6) or each.both
        ):
            return Proof(False)
        return (
            Proof(False)
            if known and not only
            else Proof(True, (f"ss on {vps} shows nobody listening there",), given if known else {"only": ""})
        )
    lane, stats = world.lanes[port].lane, world.seen.stats
    if stats and stats.frontends and lane.frontend and world.frontend(port) is None:
        return Proof(True, (f"HAProxy's own list has no frontend {lane.frontend}",), given)
    if "refused" in world.came("connect", "itself", port, only or None) and _right_address(world, port):
        return Proof(True, (f"{vps} refuses itself there too",), given)
    return Proof(None, given=given)


def unlistened_too(world: World, scope: Scope) -> Proof:
    """Nothing of a family comes from here to any port, and ss shows that HAProxy lacks a listener of it on one."""
    port, family = scope.ports[0], scope.family
    if _listening(world, port, family) != [] or not _listening(world, port, 10 - family):
        return Proof(False)
    if not any(_listening(world, other, family) for other in world.lanes):
        return Proof(False)
    said = f"ss on {world.name('proxy')} shows nobody listening there over IPv{family}, and HAProxy on other ports"
    return Proof(True, (said,), {"only": f" over IPv{family}"})


def _right_address(world: World, port: int) -> bool:
    """Whether an address that refuses on this port is HAProxy's: another port answers a client there."""
    refusing = {
        t.address for t in world.by_port[port] if t.kind == "connect" and t.at == "here" and t.outcome == "refused"
    }
    return any(t.kind == "talk" and t.at == "here" and t.passed and t.address in refusing for t in world.tests)


_EVERY = frozenset(("0.0.0.0", "::", "*", ""))


def _foreign_to(world: World, address: str) -> bool:
    """Whether a listener's address tells nothing: what is dialled may be led to it by somebody's NAT."""
    return not inner(address) and not any(each in world.own for each in world.dialled)


def inward(world: World, scope: Scope) -> Proof:
    """ss shows listeners, and none at an address that the name gives: at inner ones, or at another of the machine's."""
    known = world.listeners("proxy", scope.ports[0])
    if known is None:
        return UNKNOWN
    places = sorted({each.address for each in known})
    if not places or any(each in _EVERY or each in world.dialled or _foreign_to(world, each) for each in places):
        return Proof(False)
    return Proof(True, (f"ss: it listens at {join_words(places)}",), {"places": join_words(places)})


def disabled(world: World, scope: Scope) -> Proof:
    """HAProxy says that the frontend was stopped."""
    front = world.frontend(scope.ports[0])
    if front is None or front.status not in ("STOP", "PAUSED"):
        return Proof(False)
    said = f"show stat: frontend {front.name} {front.status}"
    return Proof(True, (said,), {"status": front.status, "frontend": front.name}, 0.2)


def crowded(world: World, scope: Scope) -> Proof:
    """Its connections are all taken, by HAProxy's own count."""
    front = world.frontend(scope.ports[0])
    if front is None or front.connections is None or not front.limit:
        return UNKNOWN
    said, given = f"show stat: {front.connections} of {front.limit} connections", {"count": ""}
    if not front.full:
        return Proof(False)
    if world.asked.limits is None:
        return Proof(None, (said,), given, 0.6)  # a listener without a limit of its own shows the process's
    return Proof(True, (said,), {"count": f": {front.connections} of {front.limit}"}, 0.3)


def denied(world: World, scope: Scope) -> Proof:
    """HAProxy counts each connection of ours among those that its rules end; what breaks there for all is another's.

    Where nobody dialled it again, what it has counted is no proof: it may be of another day, and of others."""
    port = scope.ports[0]
    front = world.frontend(port)
    if world.ended(port) is not None:
        return Proof(False) if _for_all(world, port) else _turned_away(world, port)
    if world.came("talk", "itself", port) and not world.passes("talk", "itself", port):
        return Proof(False)  # what breaks there for all says nothing of what is done to us
    broken = bool(world.came("talk", "vm", port)) and not world.passes("talk", "vm", port)
    if (front is None and broken) or (front is not None and not front.ended):
        return Proof(False)
    return Proof(None, (f"show stat: {front.ended} connections ended by a rule until now",) if front else ())


def denied_too(world: World, scope: Scope) -> Proof:
    """It counts so, and the proxy itself is served there, or hung up on though all is well behind HAProxy."""
    port = scope.ports[0]
    if not _for_all(world, port):
        return Proof(False)
    front = world.frontend(port)
    if world.ended(port) is None and front is not None and front.ended:
        return Proof(None, (f"show stat: {front.ended} connections ended by a rule until now",))
    return _turned_away(world, port)


def _turned_away(world: World, port: int) -> Proof:
    ended = world.ended(port)
    if ended is None or ended.counted != ended.made:
        return Proof(False)
    return Proof(True, (f"show stat: while we dialled {ended.made} more, twice, its rules ended {ended.counted} more",))


def _for_all(world: World, port: int) -> bool:
    """Whether nothing else breaks on that port, so that a rule explains what becomes of the proxy there, too."""
    server = world.row(port)
    up = server is not None and server.status.startswith(("UP", "no check")) and world.well_behind(port)
    return up or world.passes("talk", "itself", port)


def between(world: World, scope: Scope) -> Proof:
    """The proxy gets through its own public address, all the way, where we do not: that tells where, and not what."""
    return UNKNOWN


def _mute(world: World, port: int) -> str:
    """Why no word can come from HAProxy on a port: nobody listens, it hangs or reaches no server; "" where one can."""
    known, server, vps = world.listeners("proxy", port), world.row(port), world.name("proxy")
    if known == ():
        return f"ss on {vps} shows nobody listening there"
    running = world.asked.haproxy
    if running and all(each.halted for each in running) and not world.passes("talk", "here"):
        return f"ps on {vps}: HAProxy's processes are halted, and say nothing to anybody"
    if server is None or world.lanes[port].lane.protocol in ("http", "https") or not known:
        return ""
    passed = {t.outcome for t in world.by_port[port] if (t.kind, t.at) == ("talk", "itself")}
    if not all(each.process == "haproxy" for each in known) or not passed <= {"closed-0"}:
        return ""
    if server.status.startswith("DOWN"):
        return f"show stat: {server.proxy}/{server.name} {server.status}"
    return unreached(world, port)


def substituted(world: World, scope: Scope) -> Proof:
    """From here something else answers than to the proxy itself, and says something; or than HAProxy, which cannot."""
    port = scope.ports[0]
    if world.passes("talk", "here", port):
        return Proof(False)
    odd = [t for t in world.by_port[port] if t.kind == "talk" and t.at == "here" and t.outcome in ("not-tls", "odd")]
    if not world.passes("talk", "itself", port):
        mute = _mute(world, port) if odd and not any(map(world.foreign, world.dialled)) else ""
        return Proof(True, (mute, f"from here: {odd[0].said}")) if mute else Proof(False)
    said = f"{world.name('proxy')} itself is served at its public address there"
    return Proof(True, (said, f"from here: {odd[0].said}")) if odd else UNKNOWN


# ── HAProxy's process ───────────────────────────────────────────────────────────────────────────────────────────────


def stopped(world: World, scope: Scope) -> Proof:
    """No process, or nobody on its stats socket, while it would be known where HAProxy is."""
    stats, running = world.seen.stats, world.asked.haproxy
    given = {"how": "every port", "socket": " and its stats socket" if stats and stats.stopped else ""}
    if world.heard or running:
        return Proof(False)
    some = (*world.came("connect", "here"), *world.came("connect", "itself"))
    if "refused" not in some:
        if not (stats is not None and stats.stopped and running == ()) or "pass" in some:
            return UNKNOWN
        given = {"how": "it has no process,", "socket": " and its stats socket"}
    own = {t.address for t in world.tests if (t.kind, t.at, t.outcome) == ("connect", "here", "refused")} <= world.own
    if (stats is not None and stats.stopped and running is None and own) or running == ():
        why = "no process haproxy" if running == () else f"nobody listens on {stats.socket if stats else 'its socket'}"
        return Proof(True, (f"{world.name('proxy')}: {why}",), given)
    return Proof(None, given=given)


def frozen(world: World, scope: Scope) -> Proof:
    """Every worker is stopped by a signal."""
    running, stats = world.asked.haproxy, world.seen.stats
    if running:
        states = {each.state for each in running}
        if all(each.halted for each in running):
            return Proof(True, (f"ps: its processes are in state {join_words(sorted(states))}",))
        return Proof(False) if world.heard else UNKNOWN
    return Proof(False) if world.heard else Proof(cost=1.2 if stats and stats.silent else None)


def full(world: World, scope: Scope) -> Proof:
    """Its connections are all taken, by `show info`."""
    limits = world.asked.limits
    if limits is None:
        return UNKNOWN
    said = f"show info: {limits.connections} of {limits.limit} connections"
    return Proof(True, (said,), {"limit": str(limits.limit)}, 0.2) if limits.full else Proof(False)


_HANDED_ON = re.compile(r" -(?:sf|st)(?: \d+)+| -x \S+")
"""What a reload adds to the command line: whom the new one ends, and whose listeners it takes over."""


def doubled(world: World, scope: Scope) -> Proof:
    """Two HAProxies listen on the same port, and were started apart; one that a reload ends differs by `-sf` alone.

    Two without a common port are no fault: one may serve the web, the other mail."""
    running = world.asked.haproxy
    if running is None:
        return UNKNOWN
    started = {_HANDED_ON.sub("", each.words).strip() for each in running if "-f " in each.words}
    files = {tuple(re.findall(r"(?:^| )-f (\S+)", each)) for each in started}
    shared = _shared(world)
    if len(started) < 2 or shared is False:
        return Proof(False)
    told = {" ".join(each) for each in files} if len(files) > 1 else {each.partition(" ")[2] for each in started}
    said = "; ".join(sorted(told))
    return Proof(shared, (f"ps: haproxy runs with {said}",), {"files": f": {said}"})


def _shared(world: World) -> bool | None:
    """Whether two processes of HAProxy's listen on one address and port; None where ss did not show whose sockets are.

    Workers of one master have one socket, which ss shows as one row."""
    listening = world.asked.listeners.get("proxy")
    if listening is None or not any(each.pid for each in listening if each.process == "haproxy"):
        return None
    owners: dict[tuple[str, int], set[int]] = {}
    for each in listening:
        if each.process == "haproxy":
            owners.setdefault((each.address, each.port), set()).add(each.pid)
    return any(len(pids) > 1 for pids in owners.values())
