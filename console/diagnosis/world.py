"""All that a sweep told, laid out for the suspects: tests by port, rows by lane, and who serves what."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cached_property
from ipaddress import ip_address, ip_network

from console.answers import Asked, Container, Ended, Frontend, Listener, Server
from console.diagnosis.loss import SLOW, times
from console.diagnosis.symptoms import Key, Test, key, tests
from console.ladders import Ladder
from console.model import Role
from console.observation import SweepData

LOGINS = frozenset(("smtps", "submission"))
"""Protocols in which Postfix asks Dovecot who may submit, before it greets."""

POSTFIX = frozenset(("smtp", "smtps", "submission"))

DOVECOT = frozenset(("imap", "imaps", "pop3", "pop3s", "sieve"))

_HIDDEN = tuple(map(ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")))
"""What nobody dials from the Internet: a machine with such addresses alone stands behind somebody else's."""


class World:
    """What one sweep told."""

    def __init__(self, seen: SweepData) -> None:
        self.seen = seen
        self.asked = seen.asked or Asked()
        self.tests = tests(seen)
        self.reached = any(t.passed and t.kind == "connect" and t.at == "here" for t in self.tests)
        self.symptoms = tuple(test for test in self.tests if self._is_symptom(test))
        self.lanes = {lane.lane.port: lane for lane in seen.lanes.values()}
        self.by_port: dict[int, list[Test]] = {}
        for test in self.tests:
            self.by_port.setdefault(test.port, []).append(test)
        self._logged: dict[tuple[str, str], str] = {}
        self._came: dict[tuple[str, str], list[str]] = {}
        for test in self.tests:
            self._came.setdefault((test.kind, test.at), []).append(test.outcome)
        self.keys = {port: frozenset(map(key, some)) for port, some in self.by_port.items()}
        self.marked: dict[int, list[tuple[int, Key, Test]]] = {}
        self.logins: list[tuple[int, Key, Test]] = []
        for number, test in enumerate(self.symptoms):
            self.marked.setdefault(test.port, []).append((number, key(test), test))
            if test.port in self.lanes and self.lanes[test.port].lane.protocol in LOGINS:
                self.logins.append((number, key(test), test))
        self.sick = tuple(
            port for port in self.lanes if any(self._is_symptom(test) for test in self.by_port.get(port, ()))
        )

    def _is_symptom(self, test: Test) -> bool:
        """Whether something is wrong: too much to do is nobody's fault, nor is a family that this machine has not."""
        if test.passed or test.outcome == "busy":
            return False
        no_family = test.kind == "connect" and test.at == "here" and test.outcome == "unreachable"
        return not (no_family and self.reached)

    # ── names ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def name(self, role: Role) -> str:
        """The operator's name of a machine."""
        usual = {"here": "here", "proxy": "the proxy", "mail": "the mail host", "hypervisor": "the hypervisor"}
        return self.seen.vantages.get(role, usual[role])

    @cached_property
    def target(self) -> str:
        """Where most lanes lead."""
        hosts = [lane.lane.target.host for lane in self.lanes.values() if lane.lane.target]
        return max(hosts, key=hosts.count) if hosts else "the mail host"

    # ── tests ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def came(self, kind: str, at: str, port: int | None = None, family: int | None = None) -> list[str]:
        """What came of these tests."""
        if port is None and family is None:
            return self._came.get((kind, at), [])
        some = self.tests if port is None else self.by_port.get(port, [])
        return [t.outcome for t in some if t.kind == kind and t.at == at and family in (None, t.family)]

    def passes(self, kind: str, at: str, port: int | None = None) -> bool:
        """Whether one of these tests passed."""
        return "pass" in self.came(kind, at, port)

    def well_behind(self, port: int) -> bool:
        """Whether the VM serves this lane well, as HAProxy would ask it."""
        return self.came("talk", "vm", port) == ["pass"]

    def held_back(self, port: int) -> float:
        """Seconds for which the daemon kept its greeting back from the proxy, on purpose."""
        ladder = self.lanes[port].vm
        return ladder.imposed if ladder is not None and ladder.well else 0.0

    def served(self, port: int) -> bool:
        """Whether some client's conversation on that port was well, from here or from the proxy itself."""
        return any(t.kind == "talk" and t.at in ("here", "itself") and t.passed for t in self.by_port.get(port, ()))

    def times(self, at: str) -> list[float]:
        """Milliseconds that connections took "from here" or from the proxy to the "vm", those that were made."""
        return times(self.seen, at)

    @cached_property
    def dragged(self) -> dict[int, float]:
        """Milliseconds by port that a word took longer to the proxy than inside the mail host: a second, or more.

        Not where connections themselves take long, and not of Postfix, which looks a client's name up before it greets:
        only that of a client whom the header names."""
        times = self.times("vm")
        if not times or min(times) > SLOW:
            return {}
        found = {}
        for port, lane in self.lanes.items():
            if lane.vm is None or lane.service is None or lane.lane.protocol in POSTFIX:
                continue
            here = {rung.name: rung.ms for rung in lane.service.rungs if rung.outcome == "ok" and rung.ms is not None}
            came = [r for r in lane.vm.rungs if r.outcome == "ok" and r.name != "connect" and r.name in here]
            lags = [rung.ms - here[rung.name] for rung in came if rung.ms is not None]
            if lags and max(lags) >= 1000 + 4 * min(times):
                found[port] = max(lags)
        return found

    @property
    def crawls(self) -> bool:
        """Whether what the mail host says at once takes seconds to the proxy, on more lanes than a chance would hit."""
        return len(self.dragged) > 1

    # ── HAProxy ─────────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def heard(self) -> bool:
        """Whether HAProxy told its own opinion."""
        return self.seen.stats is not None and not self.seen.stats.error

    def row(self, port: int) -> Server | None:
        """HAProxy's row for a lane's server; for the web that no file names, the one that no lane has."""
        lane, stats = self.lanes[port].lane, self.seen.stats
        if stats is None or stats.error:
            return None
        if lane.proxy:
            return stats.server(lane.proxy, lane.server)
        named = {each.lane.proxy for each in self.lanes.values()}
        free = [row for row in stats.servers if row.proxy not in named]
        return free[0] if len(free) == 1 and lane.protocol == "https" else None

    def frontend(self, port: int) -> Frontend | None:
        """HAProxy's row for a lane's frontend."""
        lane, stats = self.lanes[port].lane, self.seen.stats
        return stats.frontend(lane.frontend, lane.proxy) if stats else None

    def ended(self, port: int) -> Ended | None:
        """What the lane's frontend counted while we dialled it once more; None where that was not tried."""
        front, ended = self.frontend(port), self.asked.ended
        return None if front is None or ended is None else ended.get(front.name)

    @cached_property
    def own(self) -> frozenset[str]:
        """The proxy's addresses; none when they are not known."""
        return frozenset(self.asked.addresses or ())

    def foreign(self, address: str) -> bool:
        """Whether an address is surely none of the proxy's: it has its own public ones of that family."""
        kin = [each for each in self.own if (":" in each) == (":" in address)]
        return bool(kin) and address not in kin and not all(map(hidden, kin))

    @cached_property
    def dialled(self) -> frozenset[str]:
        """Every address that the public name gave."""
        return frozenset(address for lane in self.lanes.values() for address in lane.public)

    def listeners(self, role: Role, port: int) -> tuple[Listener, ...] | None:
        """Who listens on a port of a machine; None when nobody could tell."""
        known = self.asked.listeners.get(role)
        return None if known is None else tuple(each for each in known if each.port == port)

    # ── the mail host ───────────────────────────────────────────────────────────────────────────────────────────────

    def service(self, port: int) -> str:
        """The compose service behind a lane, as far as it is known."""
        lane = self.lanes[port].lane
        return lane.service or ("nginx-mailcow" if lane.protocol in ("http", "https") else "")

    def daemon(self, port: int) -> str:
        """Its short name: "dovecot"."""
        return (self.service(port) or self.lanes[port].lane.protocol).removesuffix("-mailcow")

    def container(self, port: int) -> Container | None:
        """The container behind a lane: one that does not run before others of its kind."""
        found = [each for each in self.seen.containers if each.service == self.service(port)]
        return next((each for each in found if each.state != "running"), found[0] if found else None)

    def log(self, port: int) -> tuple[str, ...]:
        """What the service behind a lane logged since the sweep began."""
        return self.seen.logs.get(self.service(port), ())

    def logged(self, pattern: re.Pattern[str], port: int) -> str:
        """The first line of that log in which a pattern is found; "" when there is none."""
        asked = (pattern.pattern, self.service(port))
        if asked not in self._logged:
            self._logged[asked] = next((line for line in self.log(port) if pattern.search(line)), "")
        return self._logged[asked]

    def ladders(self, port: int) -> Iterable[Ladder]:
        """Every ladder of a lane."""
        lane = self.lanes[port]
        return [each for each in (*lane.public.values(), lane.vm, lane.service) if each is not None]


def hidden(address: str) -> bool:
    """Whether an address cannot be dialled from the Internet."""
    parsed = ip_address(address)
    return any(parsed in network for network in _HIDDEN if network.version == parsed.version)


def inner(address: str) -> bool:
    """Whether only the machine itself reaches a listener at that address."""
    return address.startswith("127.") or address == "::1"
