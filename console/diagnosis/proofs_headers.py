"""What facts say of the PROXY header: one that HAProxy does not send, or sends where nobody wants it."""

from __future__ import annotations

import re

from console.diagnosis.mode import UNKNOWN, Proof, Scope
from console.diagnosis.proofs_servers import directed
from console.diagnosis.sightings import plain
from console.diagnosis.world import World, hidden, inner
from console.model import PLAIN_PORTS

HEADER_TIMES = {"closed-3": ("imap", "pop3", "sieve"), "closed-5": ("submission",)}
"""How a daemon that waits for a PROXY header in vain gives up without a word, and which ones do."""


WAITED = re.compile(r"haproxy read: (?:time|EOF|unexp)|haproxy(?:\(v\d\))?: Client timed out")
"""What Postfix and Dovecot log of a header that did not come."""

MISSED = re.compile(rf"{WAITED.pattern}|haproxy: Client disconnected: Failed to read valid HAproxy data")
"""The same, and what Dovecot logs where a client's own first words came in its place."""

_LOGINS = {
    "imap": "imap-login: ", "imaps": "imap-login: ", "pop3": "pop3-login: ", "pop3s": "pop3-login: ",
    "sieve": "managesieve-login: ",
}  # fmt: skip
"""Which of Dovecot's processes takes the clients of a protocol."""

_DIALLED = re.compile(r".*\blip=([0-9a-fA-F.:]{2,45})")
"""The last lip= of a line: an earlier one may be a stranger's user name."""

_CONNECTED = re.compile(
    r"^[^<>\"\[\]]*?\bpostfix/([\w-]+)/smtpd\[\d+\]: connect from [^\s\[\]]*\[([0-9a-fA-F.:]{2,45})\]$"
)
"""Whom smtpd takes for its client, and the service by the name that Mailcow's master.cf gives it."""


def headerless(world: World, scope: Scope) -> Proof:
    """A daemon waited for a header in vain: it says so, hangs up after its own time, or writes it into its log."""
    port = scope.ports[0]
    server = world.row(port)
    if world.heard and (
        (server is None and world.lanes[port].lane.proxy)
        or (server and not server.status.startswith(("UP", "no check")))
    ):
        return Proof(False)
    protocol = world.lanes[port].lane.protocol
    plain = any((t.kind, t.outcome) == ("talk", "not-tls") for t in world.by_port[port] if t.at in ("here", "itself"))
    if _lost_too(world, port) or (plain and protocol in ("imaps", "pop3s")):
        return Proof(False)  # Dovecot says no word where a header is missing: who does is somebody else
    if headed(world, port):
        return Proof(False)
    for test in world.by_port[port]:
        if test.kind != "talk" or test.at not in ("here", "itself", "vm"):
            continue
        if test.outcome == "headerless":
            return Proof(True, (f"the daemon says: {test.said}",))
        timely = not test.said.startswith("*") and protocol in HEADER_TIMES.get(test.outcome, ())
        # HAProxy's own retries take as long: the daemon must say so, too
        if timely and _straight(world, port) and (logged := _waited(world, port)):
            return Proof(True, (logged, f"the daemon waited for a header: {test.said}"))
    if protocol == "smtp":
        return Proof(False)  # postscreen and smtpd say what they miss
    # one that hung up at once did not wait: whose header was missed then may be a check's, or lost on its way
    long = {"silent", "closed", *HEADER_TIMES}
    waited = any(t.kind == "talk" and t.outcome in long for t in world.by_port[port] if t.at in ("here", "itself"))
    logged = _waited(world, port)
    return Proof(True, (logged,)) if logged and waited else Proof(None, cost=None if world.heard else 2.2)


def headed(world: World, port: int) -> bool:
    """Whether the daemon names what only a header tells it: a client's address, or the public one that was dialled."""
    mark = _LOGINS.get(world.lanes[port].lane.protocol)
    if mark is not None:
        lines = [line for line in world.log(port) if mark in line]
        came = [row for row, line in enumerate(lines) if _named(world, line)]
        return bool(came) and not _came_before(world, port, came, lines)
    name = {"smtps": "smtps", "submission": "submission"}.get(world.lanes[port].lane.protocol)
    some = (_CONNECTED.match(line) for line in world.log(port)) if name else ()
    return any(found[1] == f"{name}-haproxy" and _is_public(plain(found[2])) for found in some if found)


def _named(world: World, line: str) -> bool:
    found = _DIALLED.search(line)
    return found is not None and plain(found[1]) in world.dialled


def _came_before(world: World, port: int, came: list[int], lines: list[str]) -> bool:
    """Whether headers came before any was missed alone: a log is asked for by whole seconds, older ones are in it.

    One that is lost on its way is one; nobody was let in through HAProxy, and two waited in vain since."""
    missed = [row for row, line in enumerate(lines) if MISSED.search(line)]
    passed = any("pass" in world.came("talk", at, port) for at in ("here", "itself"))
    return not passed and len(missed) > 1 and came[-1] < missed[0]


def _is_public(address: str) -> bool:
    return bool(address) and not hidden(address) and not inner(address)


def _waited(world: World, port: int) -> str:
    """The line in which the daemon of this lane says that it waited in vain: Dovecot's of another lane say nothing."""
    mark = _LOGINS.get(world.lanes[port].lane.protocol, "")
    return next((line for line in world.log(port) if mark in line and WAITED.search(line)), "")


def _lost_too(world: World, port: int) -> bool:
    """Whether the header that we sent from the proxy helped no more than HAProxy's: then it is not what is missing."""
    ladder = world.lanes[port].vm
    return ladder is not None and ladder.target.header is not None and ladder.connected and not ladder.well


def _straight(world: World, port: int) -> bool:
    """Whether HAProxy surely reaches this lane's daemon, so that none of its own retries took the time."""
    to, target = directed(world, port), world.lanes[port].lane.target
    return to is not None and target is not None and to[1] == target.port and world.passes("connect", "vm", port)


def to_plain(world: World, scope: Scope) -> Proof:
    """The files' own target takes the header for a command, or answers without one."""
    port = scope.ports[0]
    target = world.lanes[port].lane.target
    taken = _taken(world, port, "vm")
    if taken:
        return Proof(True, (f"the daemon took the header for a command: {taken}",))
    if target and world.passes("talk", "inside", port):
        return Proof(True, (f"{target.host}:{target.port} answers without a header, and hangs up on one",))
    return UNKNOWN


def to_plain_astray(world: World, scope: Scope) -> Proof:
    """What HAProxy runs is the plain port by its own word, or takes the header for a command."""
    port = scope.ports[0]
    target, to = world.lanes[port].lane.target, directed(world, port)
    if target is None or world.lanes[port].lane.proxy_protocol is None:
        return Proof(False)
    if to and PLAIN_PORTS.get(target.port) == to[1]:
        return Proof(True, (f"show servers state: {to[0]}:{to[1]}, where nobody wants a header",))
    taken = _taken(world, port, "here", "itself")
    if taken and world.well_behind(port) and world.lanes[port].lane.protocol not in ("http", "https"):
        return Proof(True, (f"the daemon took the header for a command: {taken}",))
    return Proof(False) if to else UNKNOWN


def _taken(world: World, port: int, *places: str) -> str:
    """What a daemon said that took a header for a command."""
    some = [t for t in world.by_port[port] if t.kind == "talk" and t.at in places and t.outcome == "out-of-step"]
    return some[0].said or "an answer out of step" if some else ""
