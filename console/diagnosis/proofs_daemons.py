"""What facts say of suspects among the daemons: their processes, listeners, words and logs."""

from __future__ import annotations

import re

from console.diagnosis.log_lines import refused_family, spoken, talked_plainly, untrusted_peer
from console.diagnosis.mode import UNKNOWN, Proof, Scope
from console.diagnosis.proofs_back import target_of, unpublished
from console.diagnosis.proofs_servers import directed
from console.diagnosis.sightings import named
from console.diagnosis.world import DOVECOT, World, hidden, inner
from console.model import PLAIN_PORTS

PROCESSES = {
    "dovecot": ("dovecot",),
    "postfix": ("/postfix/sbin/master", "/postfix/master"),
    "nginx": ("nginx: worker", "nginx: master"),
}
"""How the processes of a service that answer clients are named."""

LIMIT = re.compile(r"has reached its process limit|process_limit \(\d+\) reached|client_limit \(\d+\) reached")
MISMATCH = re.compile(r"key values mismatch|[Kk]ey is for a different cert")
UNUSABLE = re.compile(
    r"cannot (?:get|load|use) .*?(?:key|cert)|can't load (?:private key|ssl)|disabling TLS support", re.IGNORECASE
)
NO_LOGINS = re.compile(r"fatal: no SASL authentication mechanisms|SASL: Connect to Dovecot auth socket .* failed")
NO_FORK = re.compile(r"master\[\d+\]: warning: .*-- throttling")
"""What Postfix's master says when it cannot start a process, or waits before it does (3.4 to 3.10)."""

DIES = re.compile(r"(?:smtpd|postscreen)\[\d+\]: fatal: .*|bad command startup|No space left on device")


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
    given = {"process": f" {stuck.split(' ')[0]}", "target": str(target_of(world, port))}
    return Proof(True, (f"ps: {stuck} is stopped by a signal",), given, 0.4) if stuck else Proof(False)


def inner_port_halted(world: World, scope: Scope) -> Proof:
    """A process of that kind is stopped by a signal, and the one that HAProxy dials answers."""
    proof = port_halted(world, scope) if world.passes("talk", "vm", scope.ports[0]) else Proof(False)
    return proof if proof.holds else Proof(False)


def unserved(world: World, scope: Scope) -> Proof:
    """The container runs, and nobody listens on the port behind it."""
    port = scope.ports[0]
    target, container = target_of(world, port), world.container(port)
    given = {"target": str(target), "daemon": world.daemon(port)}
    if container is not None and container.state != "running":
        return Proof(False)
    known = world.listeners("mail", target)
    if known is None or container is None or _ending(world, port):
        return Proof(None, given=given)
    if any(not inner(each.address) for each in known):
        return Proof(False)
    if known or unpublished(world, scope).holds:
        return Proof(False)  # it is bound to an inner address, or what listens in the container is not led to there
    words = (f"{container.service} runs ({container.words}), and ss shows nobody on {target}",)
    return Proof(True, words, given, beside=_others_listen(world, port))


def _ending(world: World, port: int) -> bool:
    """Whether nginx is shutting down: it serves its last clients, and does not listen any more."""
    return world.daemon(port) == "nginx" and any("is shutting down" in p.words for p in world.asked.programs or ())


def _others_listen(world: World, port: int) -> bool:
    """Whether ss shows another port of the same service there: where Docker publishes without its proxy, it shows none.

    The lane must lead where most do: of another machine ss told nothing."""
    target = world.lanes[port].lane.target
    return (
        target is not None
        and target.host == world.target
        and any(
            world.listeners("mail", target_of(world, other))
            for other in world.lanes
            if other != port and world.service(other) == world.service(port)
        )
    )


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


def tardy(world: World, scope: Scope) -> Proof:
    """Nothing proves it; a daemon that has said anything to the proxy there does not wait with its greeting."""
    port = scope.ports[0]
    spoke = {*world.came("talk", "vm", port)} - {"silent", "closed-0", "closed-3", "closed-5", "closed"}
    given = {"daemon": world.daemon(port), "target": str(target_of(world, port))}
    return Proof(False) if spoke else Proof(None, given=given)


def loops(world: World, scope: Scope) -> Proof:
    """A client is sent to the very address that it asked for."""
    looping = [t for t in world.by_port[scope.ports[0]] if t.kind == "talk" and t.outcome == "loop"]
    if world.came("connect", "vm", scope.ports[0]) and not world.passes("connect", "vm", scope.ports[0]):
        return Proof(False)  # who is not reached sends nobody anywhere
    name = next((ladder.target.name for ladder in world.ladders(scope.ports[0]) if ladder.target.name), "")
    behind = world.lanes[scope.ports[0]].vm
    if looping and (behind is None or not behind.done):
        return Proof(None, given={"name": name or ""})
    if not looping or (behind is not None and behind.well and "→" not in behind.said):
        return Proof(False)  # it is HAProxy that redirects
    return Proof(True, (looping[0].said,), {"name": name or ""})


def unwanted(world: World, scope: Scope) -> Proof:
    """The port takes the header for a command; where TLS begins it can only hang up."""
    port = scope.ports[0]
    lane, given = world.lanes[port].lane, {"daemon": world.daemon(port), "target": str(target_of(world, port))}
    if lane.proxy_protocol is None or target_of(world, port) in PLAIN_PORTS.values():
        return Proof(False)
    clients = [named(t.said) for t in world.by_port[port] if t.kind == "talk" and t.at in ("here", "itself")]
    if any(each and not hidden(each) for each in clients):
        return Proof(False)  # it names a client of whom only a header can have told
    taken = [t for t in world.by_port[port] if (t.kind, t.at, t.outcome) == ("talk", "vm", "out-of-step")]
    if taken:
        return Proof(True, (f"{given['target']} took the header for a command: {taken[0].said}",), given, 0.4)
    # whose header was read shows in that line as the client that the header names, and begins TLS
    own, came, to = spoken(world.log(port), lane.protocol), world.came("talk", "vm", port), directed(world, port)
    elsewhere = to is not None and to[1] != target_of(world, port)  # HAProxy's clients come to another port of it
    ours = lane.protocol in ("imaps", "pop3s") and came and "not-tls" not in came and not elsewhere
    plain = talked_plainly(own) if ours else None
    if plain is not None and hidden(plain[0]) and untrusted_peer(own) is None:
        return Proof(True, (plain[1],), given, 0.4)
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
    """Its log says that it reached the limit, or Postfix runs and leaves connections waiting.

    Postfix starts a process for each client until the limit. Of another daemon, waiting connections are only a hint."""
    port = scope.ports[0]
    target, given = target_of(world, port), {"target": str(target_of(world, port)), "daemon": world.daemon(port)}
    logged = world.logged(LIMIT, port)
    if logged:
        return Proof(True, (logged,), given, 0.4)
    known = world.listeners("mail", target)
    if known is None:
        return Proof(None, given=given)
    waiting = sum(each.waiting for each in known)
    if not waiting:
        return Proof(False)
    words = (f"ss: {waiting} connections to {target} wait to be accepted",)
    serving, stuck = _serving(world, port), sum(each.stuck for each in known)
    if not serving or not stuck or world.came("talk", "vm", port) != ["silent"]:
        return Proof(None, words, given, 1.2)
    words = (f"ss: {waiting} connections to {target} wait to be accepted, {stuck} still a second later",)
    return Proof(True, (*words, f"ps: postfix runs, and has {serving} of smtpd for {target}"), given, 0.6)


def _serving(world: World, port: int) -> int:
    """How many processes of smtpd serve a port, where Postfix runs and none of its own is halted or dies."""
    programs = world.asked.programs or ()
    mine = [each for each in programs if _is_main("postfix", each.words) or each.words.startswith("smtpd ")]
    if not any(_is_main("postfix", each.words) for each in mine) or any(each.halted for each in mine):
        return 0
    if world.daemon(port) != "postfix" or world.logged(DIES, port) or world.logged(NO_FORK, port):
        return 0
    return sum(f" -n {target_of(world, port)} " in f"{each.words} " for each in mine)


def dies(world: World, scope: Scope) -> Proof:
    """Its log says since the sweep began why it dies: but that nobody answers for logins is a fault of Dovecot's."""
    port = scope.ports[0]
    logged = world.logged(DIES, port)
    if not logged or (NO_LOGINS.search(world.logged(NO_LOGINS, port)) and _dovecot_ails(world)):
        return Proof(False)
    match = DIES.search(logged)
    given = {"why": f": {match[0][:120]}" if match else "", "daemon": world.daemon(port)}
    return Proof(True, (logged,), given, 0.5)


def _dovecot_ails(world: World) -> bool:
    return any(lane.lane.protocol in DOVECOT and port in world.sick for port, lane in world.lanes.items())


def distrusted(world: World, scope: Scope) -> Proof:
    """Dovecot's log says since the sweep began whom it does not trust: its process for this very protocol does."""
    for port in scope.ports:
        lines = world.log(port)
        own, newest = untrusted_peer(spoken(lines, world.lanes[port].lane.protocol)), untrusted_peer(lines)
        if own is not None and newest is not None:
            line = newest[1] if newest[0] == own[0] else own[1]  # one line for all lanes of one peer
            return Proof(True, (line,), {"peer": f" {own[0]}", "address": own[0]})
    return Proof(None, given={"peer": "", "address": "the address that Dovecot logs"})


def one_family(world: World, scope: Scope) -> Proof:
    """Postfix says no to one family alone, or its log says that it does without it: from here, or where one family is
    not reached from here, from the proxy itself."""
    port = scope.ports[0]
    talks = [t for t in world.by_port[port] if t.kind == "talk"]
    looks = [{f: [t for t in talks if t.at == at and t.family == f] for f in (4, 6)} for at in ("here", "itself")]
    ends = next((each for each in looks if each[4] and each[6]), looks[0])
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
    if not logged:
        return Proof(False) if world.logged(UNUSABLE, scope.ports[0]) else UNKNOWN
    return Proof(True, (logged,), cost=0.3)


def unusable(world: World, scope: Scope) -> Proof:
    """A daemon's log says since the sweep began that it cannot use its certificate or key, and not for each other."""
    port = scope.ports[0]
    logged = world.logged(UNUSABLE, port)
    if not logged or world.logged(MISMATCH, port):
        return Proof(False)
    return Proof(True, (logged,), {"daemon": world.daemon(port)}, 0.3)
