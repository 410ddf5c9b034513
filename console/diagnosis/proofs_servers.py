"""What facts say of suspects among HAProxy's servers: where it sends a lane, and what it sends with it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from console.answers import Directed, Server
from console.diagnosis.log_lines import screened
from console.diagnosis.loss import SLOW, late_across
from console.diagnosis.mode import UNKNOWN, Fact, Proof, Scope
from console.diagnosis.symptoms import failing
from console.diagnosis.world import World
from console.model import PLAIN_PORTS, Target
from console.text import join_words

_NO_SOURCE = re.compile(r"bind to source address")
"""What HAProxy's check says when its machine does not have the address that `source` names."""


def absent(world: World, scope: Scope) -> Proof:
    """HAProxy's own list has the listener, and no such server."""
    port = scope.ports[0]
    lane = world.lanes[port].lane
    if not world.heard or not lane.proxy or world.row(port) is not None:
        return Proof(False)
    if world.seen.stats and world.seen.stats.frontends and world.frontend(port) is None:
        return Proof(False)  # it is the listener that is gone
    others = any(row.proxy == lane.proxy for row in world.seen.stats.servers) if world.seen.stats else True
    others = others or world.asked.directed is None or _led_to(lane.target, world.asked.directed)
    ends = {*world.came("talk", "here", port), *world.came("talk", "itself", port)}
    return Proof(
        True,
        (f"show stat has no server {lane.proxy}/{lane.server}",),
        {"server": f"{lane.proxy}/{lane.server}"},
        beside=ends == {"closed-0"} and not others,  # one of another name may serve, where something else is wrong
    )


def _led_to(target: Target | None, led: Mapping[str, Directed]) -> bool:
    """Whether any server of HAProxy's, whatever its name, leads where a lane leads."""
    places = {(to.address, to.port) for to in led.values()}
    return target is None or (target.host, target.port) in places


def put_away(*states: str) -> Fact:
    """Return what tells that HAProxy's row of a server has one of these states: it sends nobody there."""

    def fact(world: World, scope: Scope) -> Proof:
        """HAProxy's own row of the server says so."""
        server = world.row(scope.ports[0])
        if server is None:
            return UNKNOWN if not world.heard else Proof(False)
        state = server.status.split(" ")[0]
        state = "DRAIN" if server.weight == 0 and state != "MAINT" else state
        if state not in states or _unnamed(server) or _by_agent(server):
            return Proof(False)
        weight = ", weight 0" if server.weight == 0 else ""
        return Proof(
            True,
            (f"show stat: {server.proxy}/{server.name} {server.status}{weight}",),
            {"server": f"{server.proxy}/{server.name}"},
        )

    return fact


def _unnamed(server: Server) -> bool:
    """Whether HAProxy has put it away itself, because nobody tells it the address of its name."""
    return "(resolution)" in server.status


def _by_agent(server: Server) -> bool:
    """Whether its state is not HAProxy's own opinion, but what an agent told it."""
    return "(agent)" in server.status


def agent_says(world: World, scope: Scope) -> Proof:
    """HAProxy's own row of the server says that an agent told it so."""
    server = world.row(scope.ports[0])
    if server is None or not _by_agent(server):
        return Proof(False)
    state = {"DOWN": "down", "MAINT": "under maintenance", "DRAIN": "drained"}.get(server.status.split(" ")[0], "")
    name = f"{server.proxy}/{server.name}"
    though = ", though it answers" if world.well_behind(scope.ports[0]) else ""
    given = {"server": name, "state": state or server.status, "though": though}
    return Proof(True, (f"show stat: {name} {server.status}",), given, 0.2)


def unresolved(world: World, scope: Scope) -> Proof:
    """HAProxy's own row of the server says so."""
    server = world.row(scope.ports[0])
    if server is None or not _unnamed(server):
        return Proof(False)
    name = f"{server.proxy}/{server.name}"
    return Proof(True, (f"show stat: {name} {server.status}",), {"server": name}, 0.1)


def queued(world: World, scope: Scope) -> Proof:
    """A server that is up has as many connections as its own maxconn allows, or clients wait in its queue."""
    server = world.row(scope.ports[0])
    if server is None or not server.status.startswith(("UP", "no check")):
        return Proof(False)
    has, limit = server.sessions or 0, server.limit
    if not (limit and has >= limit) and not (server.queued and has):
        return Proof(False)
    name = f"{server.proxy}/{server.name}"
    count = f" ({has} of {limit})" if limit else f" ({has})"
    words = (f"show stat: {name} has {has} connections{f' of {limit}' if limit else ''}, {server.queued or 0} wait",)
    return Proof(True, words, {"server": name, "count": count}, 0.3)


def checks_astray(world: World, scope: Scope) -> Proof:
    """The running HAProxy checks a server at another port than the files give it; the service may be ill, too."""
    port = scope.ports[0]
    server, to, lane = world.row(port), directed(world, port), world.lanes[port].lane
    if server is None or to is None or not failing(server) or world.passes("talk", "vm", port):
        return Proof(False)
    meant = lane.check.port if lane.check is not None and lane.check.kind in ("L4", "L6") else None
    if meant is None or to[2] in (0, to[1], meant) or lane.target is None or lane.target.port != to[1]:
        return Proof(False)
    said = f"show servers state: it checks port {to[2]}, and serves port {to[1]}"
    given = {"server": f"{server.proxy}/{server.name}", "checked": str(to[2]), "meant": str(meant)}
    return Proof(True, (said, f"the files have its check at port {meant}"), given)


def directed(world: World, port: int) -> tuple[str, int, int] | None:
    server = world.row(port)
    if server is None or world.asked.directed is None:
        return None
    to = world.asked.directed.get(f"{server.proxy}/{server.name}")
    return (to.address, to.port, to.checked) if to else None


def unreached(world: World, port: int) -> str:
    """That a lane's one server, which HAProxy dials where the files have it, answers nobody; "" where it may answer."""
    server, to, target = world.row(port), directed(world, port), world.lanes[port].lane.target
    rows = world.seen.stats.servers if world.seen.stats is not None else ()
    if server is None or to is None or target is None or to[:2] != (target.host, target.port):
        return ""
    alone = sum(each.proxy == server.proxy for each in rows) == 1
    lost = world.came("connect", "vm", port) == ["timeout"] and not world.passes("connect", "vm")
    return f"HAProxy's only server there, {to[0]}, does not answer {world.name('proxy')}" if alone and lost else ""


def elsewhere(world: World, scope: Scope) -> Proof:
    """The running HAProxy's server has another address or port than the files give it."""
    port = scope.ports[0]
    to, target = directed(world, port), world.lanes[port].lane.target
    if to is None or target is None:
        return UNKNOWN
    if not re.fullmatch(r"[\d.]+|[\da-fA-F:]+", to[0]):
        return Proof(False)  # "-": nobody told HAProxy the address of the name that its file has
    plain = PLAIN_PORTS.get(target.port) == to[1]
    same_host = to[0] == target.host or not re.fullmatch(r"[\d.]+|[\da-fA-F:]+", target.host)
    if (same_host and to[1] == target.port) or plain:
        return Proof(False)
    said = f"{to[0]}:{to[1]} instead of {target.host}:{target.port}"
    return Proof(True, (f"show servers state: {said}",), {"to": said}, 0.2)


def false_alarm(world: World, scope: Scope) -> Proof:
    """It calls the server down, and checks another port or for another answer."""
    port = scope.ports[0]
    server, to, target = world.row(port), directed(world, port), world.lanes[port].lane.target
    if server is None or not failing(server) or _by_agent(server):
        return Proof(False)
    if world.came("connect", "vm", port) and not world.passes("talk", "vm", port):
        return Proof(False)  # it does not answer
    given = {"server": f"{server.proxy}/{server.name}"}
    said = f"show stat: {server.status} {server.check} {server.last}".strip()
    if to and to[2] not in (0, to[1]):
        return Proof(True, (said, f"it checks port {to[2]}, and serves port {to[1]}"), given, 0.3)
    lost = server.check == "L7TOUT" and (late_across(world.seen) or _dropping(world))  # it may be the check's packets
    if server.check.startswith("L7") and target is not None and world.well_behind(port) and not lost:
        return Proof(True, (said, f"{target.host}:{target.port} answers {world.name('proxy')} well"), given, 0.3)
    return Proof(False, given=given) if to else Proof(None, (said,), given)


def teaser(world: World, scope: Scope) -> Proof:
    """The check's last answer is postscreen's teaser, or a check that expects SMTP failed on a postscreen lane."""
    port = scope.ports[0]
    server = world.row(port)
    if server is None or not failing(server) or world.lanes[port].lane.protocol != "smtp":
        return Proof(False)
    said = f"show stat: {server.status} {server.check} {server.last}".strip()
    postscreen = world.service(port) == "postfix-mailcow" and server.last in ("", "Layer7 invalid response")
    if "220-" in server.last or (server.check == "L7RSP" and postscreen):
        why = "for its 220- teaser" if "220-" in server.last else "for what postscreen answers its check"
        return Proof(True, (said,), {"server": f"{server.proxy}/{server.name}", "why": why}, 0.1)
    held, gave_up = world.held_back(port), (server.took or 0.0) / 1000
    screens = any(screened(line) is not None for line in world.log(port))
    if server.check == "L7TOUT" and screens and held > gave_up > 0:
        why = f"for postscreen's greeting, which takes {held:.1f} s: its check waits {gave_up:.1f} s"
        return Proof(True, (said,), {"server": f"{server.proxy}/{server.name}", "why": why}, 0.1)
    return Proof(False)


def _dropping(world: World) -> bool:
    """Whether some pings of the mail host, or of the router before it, were lost."""
    return any(ping.answered < ping.sent for who, ping in world.asked.pings.items() if who in ("router", "vm"))


def hemmed(world: World, scope: Scope) -> Proof:
    """HAProxy cannot connect where its machine can: it lacks its source address, or its connections get no answer.

    One connection that stands unanswered may have lost a packet: it counts where clients hear nothing from a daemon
    that talks to the proxy. Where the daemon lets nobody talk, it takes two."""
    server, to = world.row(scope.ports[0]), directed(world, scope.ports[0])
    talks = world.passes("talk", "vm", scope.ports[0]) or not world.came("connect", "vm", scope.ports[0])
    if server is not None and failing(server) and _NO_SOURCE.search(server.last) and talks:
        return Proof(True, (_shown(server),))
    known = _unconnected(server) if talks else Proof(False)
    if server is None or to is None or not _steady(world):
        return known
    one = _waits(to, world.asked.standing)
    if not _stands(world, to, server) and not (one and not failing(server) and _nobody_served(world, scope.ports[0])):
        return Proof(None, known.words) if one else known
    if not world.passes("connect", "vm", scope.ports[0]):
        return Proof(None, (_shown(server),))
    said = f"ss: HAProxy's connections to {to[0]} port {to[1]} stand unanswered, {world.name('proxy')}'s own do not"
    return Proof(True, (said, *([_shown(server)] if failing(server) else [])))


def _nobody_served(world: World, port: int) -> bool:
    """Whether the daemon talks to the proxy at once, and clients from here, two or more, heard nothing."""
    came = world.came("talk", "here", port)
    return world.passes("talk", "vm", port) and len(came) > 1 and {*came} == {"silent"}


def late(world: World, scope: Scope) -> Proof:
    """HAProxy's check could not connect when it tried last, and does not stand before a door that is closed to it."""
    to, server = directed(world, scope.ports[0]), world.row(scope.ports[0])
    return Proof(False) if to is not None and _stands(world, to, server) else _unconnected(server)


def _stands(world: World, to: tuple[str, int, int], server: Server | None) -> bool:
    """Whether connections of HAProxy's to a server, or to where it checks it, stood unanswered: more than one of them.

    A check that nobody answered until it gave up is one, and the next one another."""
    gave_up = server is not None and failing(server) and server.check == "L4TOUT"
    return _waits(to, world.asked.dialling) or (gave_up and _waits(to, world.asked.standing))


def _waits(to: tuple[str, int, int], unanswered: tuple[tuple[str, int], ...] | None) -> bool:
    """Whether a server, or where HAProxy checks it, is among what stood unanswered."""
    return not {(to[0], to[1]), (to[0], to[2] or to[1])}.isdisjoint(unanswered or ())


def _steady(world: World) -> bool:
    """Whether all that the proxy itself sent to the mail host was answered at once: then no packets are lost there."""
    times, pings = world.times("vm"), [p for who, p in world.asked.pings.items() if who in ("router", "vm")]
    return bool(times) and max(times) < SLOW and all(0 < ping.sent == ping.answered for ping in pings)


def _unconnected(server: Server | None) -> Proof:
    if server is None or not failing(server) or not server.check.startswith("L4") or _by_agent(server):
        return Proof(False)
    return Proof(None, (_shown(server),))


def _shown(server: Server) -> str:
    return f"show stat: {server.status} {server.check} {server.last}".strip()


def shared(world: World, scope: Scope) -> Proof:
    """HAProxy sends clients of the lane to servers that no file names, too, and never checks them or calls them up."""
    server, stats = world.row(scope.ports[0]), world.seen.stats
    if not world.lanes[scope.ports[0]].lane.proxy or not world.passes("talk", "vm", scope.ports[0]):
        return Proof(False)
    if server is None or stats is None:
        return Proof(False)
    named = {(lane.lane.proxy, lane.lane.server) for lane in world.lanes.values()}
    others = [
        each for each in stats.servers
        if each.proxy == server.proxy and (each.proxy, each.name) not in named
        and each.status.startswith(("UP", "no check")) and each.weight != 0
    ]  # fmt: skip
    if not others:
        return Proof(False)
    directed = world.asked.directed or {}
    to = {each.name: directed.get(f"{each.proxy}/{each.name}") for each in others}
    said = join_words([f"{name} ({at.address}:{at.port})" if at else name for name, at in to.items()])
    words = tuple(f"show stat: {each.proxy}/{each.name} {each.status}" for each in (server, *others))
    return Proof(True, words, {"others": said})


def answers_odd(world: World, scope: Scope) -> Proof:
    """The client is told 4xx or 5xx, and the same server tells the proxy something better, or there is none.

    Of a server that it has not got HAProxy says 503 (502 and 504 of one that it has just lost): of anything else then
    nobody else is the author."""
    port = scope.ports[0]
    said = [
        t.said for t in world.by_port[port] if t.kind == "talk" and t.at == "here" and t.outcome.startswith("says-")
    ]
    server = world.row(port)
    behind, up = world.lanes[port].vm, server is None or server.status.startswith(("UP", "no check"))
    own = [each for each in said if re.match(r"(?:HTTP/1\.\d )?(?!50[234])[45]\d\d", each)]
    if own and not up and server is not None and behind is not None and behind.done and not behind.connected:
        given = {"said": own[0], "though": "though HAProxy has no server for them that it could have it from"}
        return Proof(True, (f"show stat: {server.proxy}/{server.name} {server.status}",), given)
    if own and (none := unreached(world, port)):
        return Proof(True, (none,), {"said": own[0], "though": "though HAProxy reaches no server that could say so"})
    if not said or not world.well_behind(port) or not up:
        return Proof(False)
    words = (f"behind HAProxy the same server answers {behind.said}" if behind else "",)
    return Proof(True, words, {"said": said[0], "though": "though the server behind HAProxy answers well"})


def loops_itself(world: World, scope: Scope) -> Proof:
    """Clients are sent to the very address that they asked for, and the server behind HAProxy sends nobody anywhere."""
    lane = world.lanes[scope.ports[0]]
    looping = next((t.said for t in world.by_port[scope.ports[0]] if t.outcome == "loop"), "")
    name = next((ladder.target.name for ladder in lane.public.values() if ladder.target.name), "")
    if looping and lane.vm is None:
        return Proof(None, given={"name": name or ""})
    if looping and lane.vm is not None and not lane.vm.connected:
        server = world.row(scope.ports[0])
        gone = server is not None and server.status.startswith("DOWN")
        words = ("HAProxy's own server of these clients is down, and they are sent on all the same",)
        return Proof(True if gone else None, words if gone else (), {"name": name or ""})
    if not looping or lane.vm is None or not lane.vm.well:
        return Proof(False)
    if "→" in lane.vm.said:
        return Proof(False)
    return Proof(True, (f"behind HAProxy the server answers {lane.vm.said}",), {"name": name or ""})
