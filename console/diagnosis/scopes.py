"""Where a mode may hold: on each sick lane, on all lanes at once, on one address family, behind one service."""

from __future__ import annotations

from collections.abc import Callable

from console.diagnosis.mode import Scope
from console.diagnosis.symptoms import Test
from console.diagnosis.world import DOVECOT, World

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


def families(world: World) -> list[Scope]:
    """One address family, where the name has both and only one of them fails."""
    found = []
    for family in (4, 6):
        mine = [t for t in world.tests if t.kind == "connect" and t.at == "here" and t.family == family]
        other = [t for t in world.tests if t.kind == "connect" and t.at == "here" and t.family != family]
        if "timeout" in (t.outcome for t in mine) and not any(t.passed for t in mine) and _all_pass(other):
            found.append(Scope(tuple(world.lanes), family))
    return found


def _all_pass(tests: list[Test]) -> bool:
    return bool(tests) and all(test.passed for test in tests)


def astray(world: World) -> list[Scope]:
    """Addresses of the name that are none of the proxy's, family by family."""
    wrong = {address for address in world.dialled if world.foreign(address)}
    return [Scope(tuple(world.lanes), 0, frozenset(wrong))] if wrong else []


def silent_from_here(world: World) -> list[Scope]:
    """Ports that are silent from here at every address, while others are open or the proxy can be asked."""

    def silent(port: int) -> bool:
        came = world.came("connect", "here", port)
        return bool(came) and all(each in ("timeout", "unreachable") for each in came) and "timeout" in came

    lost = tuple(port for port in world.lanes if silent(port))
    open_ = world.passes("connect", "here") or world.passes("way", "proxy")
    return [Scope(lost)] if lost and open_ else []


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


def web(world: World, port: int) -> bool:
    """Whether this lane is a web server's, whose TLS HAProxy ends."""
    return world.lanes[port].lane.protocol in ("http", "https")
