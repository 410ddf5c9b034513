"""Where a mode may hold: on each sick lane, on all lanes at once, on one address family, behind one service."""

from __future__ import annotations

from collections.abc import Callable

from console.diagnosis.mode import Scope
from console.diagnosis.symptoms import Test
from console.diagnosis.world import DOVECOT, POSTFIX, World

Ports = Callable[[World, int], bool]


def everything(world: World) -> list[Scope]:
    """All lanes at once."""
    return [Scope(tuple(world.lanes))]


def each(world: World) -> list[Scope]:
    """Each lane with a symptom, for itself."""
    return [Scope((port,)) for port in world.sick]


def where(holds: Ports) -> Callable[[World], list[Scope]]:
    """Each lane with a symptom of which something holds, for itself."""

    def scoping(world: World) -> list[Scope]:
        return [Scope((port,)) for port in world.sick if holds(world, port)]

    return scoping


def each_family(world: World) -> list[Scope]:
    """Each lane with a symptom, and of one that is reached over the other family, the family that is not."""
    return [Scope((port,), _lost_family(world, port, ("refused",))) for port in world.sick]


def _lost_family(world: World, port: int, outcomes: tuple[str, ...]) -> int:
    """The family over which a port is not reached from here, while it is over the other; 0 when there is no such."""
    came = {family: world.came("connect", "here", port, family) for family in (4, 6)}
    lost = [family for family, each in came.items() if each and all(one in outcomes for one in each)]
    return lost[0] if len(lost) == 1 and "pass" in came[10 - lost[0]] else 0


def each_unheard(world: World) -> list[Scope]:
    """Each lane of a family over which no port at all answers from here, neither taking a connection nor refusing."""
    found = []
    for family in (4, 6):
        came = world.came("connect", "here", None, family)
        if came and not {*came} & {"pass", "refused"}:
            found += [Scope((port,), family) for port in world.sick if world.came("connect", "here", port, family)]
    return found


def families(world: World) -> list[Scope]:
    """One address family, where the name has both and only one of them fails, but for a few ports."""
    found = []
    for family in (4, 6):
        mine = [t for t in world.tests if t.kind == "connect" and t.at == "here" and t.family == family]
        other = [t for t in world.tests if t.kind == "connect" and t.at == "here" and t.family != family]
        came = {t.outcome for t in mine}  # a refusal is an answer: then it is not the family that is lost
        if "timeout" in came and not came & {"pass", "refused"} and _most_reached(other):
            found.append(Scope(tuple(world.lanes), family))
    return found


def _most_reached(tests: list[Test]) -> bool:
    """Whether connections are made there, and more of them made or refused, which is an answer too, than lost."""
    answered = [test.passed or test.outcome == "refused" for test in tests]
    return any(test.passed for test in tests) and 2 * sum(answered) > len(tests)


def astray(world: World) -> list[Scope]:
    """Addresses of the name that are none of the proxy's, family by family."""
    wrong = {address for address in world.dialled if world.foreign(address)}
    return [Scope(tuple(world.lanes), 0, frozenset(wrong))] if wrong else []


def at_home(world: World) -> list[Scope]:
    """Addresses of the name that are where HAProxy sends its clients."""
    hosts = {lane.lane.target.host for lane in world.lanes.values() if lane.lane.target}
    found = frozenset(each for each in world.dialled if each in hosts and world.foreign(each))
    return [Scope(tuple(world.lanes), 0, found)] if found else []


def silent_from_here(world: World) -> list[Scope]:
    """Ports that are silent from here at every address, while others are open or the proxy can be asked.

    Of some ports it may be one family alone; of all of them that is `families`."""

    def silent(port: int) -> bool:
        came = world.came("connect", "here", port)
        return bool(came) and all(each in ("timeout", "unreachable") for each in came) and "timeout" in came

    lost = tuple(port for port in world.lanes if silent(port))
    open_ = world.passes("connect", "here") or world.passes("way", "proxy")
    halves = {f: tuple(p for p in world.lanes if _lost_family(world, p, ("timeout",)) == f) for f in (4, 6)}
    half = [Scope(ports, family) for family, ports in halves.items() if ports and len(ports) < len(world.lanes)]
    return ([Scope(lost)] if lost and open_ else []) + half


def services(world: World) -> list[Scope]:
    """Each service's sick lanes together."""
    groups: dict[str, list[int]] = {}
    for port in world.sick:
        groups.setdefault(world.daemon(port), []).append(port)
    return [Scope(tuple(ports)) for ports in groups.values()]


def service(name: str) -> Callable[[World], list[Scope]]:
    """The sick lanes of one service together."""

    def scoping(world: World) -> list[Scope]:
        ports = tuple(port for port in world.sick if world.daemon(port) == name)
        return [Scope(ports)] if ports else []

    return scoping


def with_header(world: World, port: int) -> bool:
    """Whether the VM's port of this lane wants a PROXY header."""
    lane = world.lanes[port].lane
    return lane.proxy_protocol is not None or lane.header_wanted is True


def to_plain_port(world: World, port: int) -> bool:
    """Whether the files send this lane's header to a plain port."""
    lane = world.lanes[port].lane
    return lane.proxy_protocol is not None and lane.target is not None and lane.header_wanted is False


def speaks_tls(world: World, port: int) -> bool:
    """Whether the daemon behind this lane begins with TLS."""
    lane = world.lanes[port].lane
    return lane.tls == "passthrough" and lane.protocol in ("smtps", "imaps", "pop3s", "https")


def of_dovecot(world: World, port: int) -> bool:
    """Whether Dovecot answers on this lane, behind a PROXY header."""
    return world.lanes[port].lane.protocol in DOVECOT and world.lanes[port].lane.proxy_protocol is not None


def mail(world: World, port: int) -> bool:
    """Whether a mail daemon is behind this lane: it speaks first, or begins with TLS, and knows no request."""
    return world.lanes[port].lane.protocol in POSTFIX | DOVECOT


def web(world: World, port: int) -> bool:
    """Whether this lane is a web server's, whose TLS HAProxy ends."""
    return world.lanes[port].lane.protocol in ("http", "https")
