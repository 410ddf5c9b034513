"""What the answer to a question and the server's log prove about the address it believes in: pure, without I/O."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from console.diagnosis.log_lines import header_trouble, misread_peer, untrusted_peer, waited_peer
from console.diagnosis.sightings import Sighting, logins, named, plain, rejection, request, screenings
from console.flows.asking import Log
from console.flows.prove_client_address.known import Known, titled
from console.mask import mask
from console.probes.knock import Told, inner
from console.text import address as place

State = Literal["proven", "likely", "wrong", "unknown"]

SERVICES = {"imap": "imap", "imaps": "imap", "pop3": "pop3", "pop3s": "pop3", "sieve": "managesieve"}
"""Which login service of Dovecot's answers."""

DAEMONS = {protocol: f"{name}-login: " for protocol, name in SERVICES.items()} | {
    "smtp": "/postscreen[", "smtps": "/smtps", "submission": "/submission",
}  # fmt: skip
"""What stands in a log line of the daemon that answers."""


class Verdict(Struct, frozen=True):
    """Whom a server saw, in words, with the lines that say so; `id` is the finding when it is not the client."""

    state: State
    words: str
    evidence: tuple[str, ...] = ()
    id: str = ""


class Own(Struct, frozen=True):
    """Who we are: an address and port, and how that is known."""

    address: str
    port: int
    how: str

    @property
    def words(self) -> str:
        """Who we are, and how that is known."""
        return f"you are {place(self.address, self.port)}{self.how}"


def own(told: Told, known: Known) -> Own | None:
    """Return who we are to the Internet; None when something translates our address and nobody saw to what."""
    if told.seen is not None:
        return Own(plain(told.seen[0]), told.seen[1], f" as {known.proxy_name} has the connection")
    if told.local is not None and not inner(told.local[0]):
        return Own(plain(told.local[0]), told.local[1], "")
    return None


def judge(told: Told, again: Told | None, log: Log, known: Known) -> Verdict:
    """Judge one question; `again` is the second one on port 25, when it was asked."""
    question = told.knock.question
    for each in (again, told):
        if each is not None and each.accepted:
            return _relays(each)
    if question == "request":
        return _requested(told, log, known)
    if question == "recipient":
        return _refused(told, log, known)
    if told.knock.protocol in SERVICES:
        return _login(told, log, known)
    return _screened(told, again, log, known)


def _relays(told: Told) -> Verdict:
    words = "it took a recipient that is not its own: the server holds you for one of its own network, and relays"
    return Verdict("wrong", f"{words} ({titled('CH007')}): an open relay", (f"answer: {told.answer}",), "CH007")


def _screened(told: Told, again: Told | None, log: Log, known: Known) -> Verdict:
    """Port 25: the port that our connection left with, in postscreen's log; else the recipient with our nonce."""
    me = own(told, known)
    port = me.port if me else told.local[1] if told.local else 0
    found = screenings(log.lines, port)
    if found:
        return _compare(next((seen for seen in found if me and seen.address == me.address), found[0]), me, known, True)
    return _refused(again, log, known) if again is not None else _broken(told, log, known)


def found(told: Told, log: Log, known: Known) -> bool:
    """Whether the log of port 25 tells our connection by its port, so that no recipient need be offered."""
    me = own(told, known)
    port = me.port if me else told.local[1] if told.local else 0
    return bool(screenings(log.lines, port))


def _refused(told: Told, log: Log, known: Known) -> Verdict:
    """The address inside Postfix's answer, else the one in the log's line with our nonce."""
    if address := named(told.answer):
        return _compare(Sighting(address, 0, told.answer), own(told, known), known, True, "answer")
    if (seen := rejection(log.lines, told.knock.nonce)) is not None:
        return _compare(seen, own(told, known), known, True)
    return _broken(told, log, known)


def _login(told: Told, log: Log, known: Known) -> Verdict:
    """Dovecot: the session with our port; else, without proof, our address in a line of that time."""
    me, service = own(told, known), SERVICES[told.knock.protocol]
    seen = tuple(logins(log.lines, service))
    port = me.port if me else told.local[1] if told.local else -1
    if exact := next((each for each in seen if each.port == port), None):
        return _compare(exact, me, known, True)
    if told.cause:
        return _broken(told, log, known)
    if near := next((each for each in seen if me and each.address == me.address and not each.port), None):
        return _compare(near, me, known, False)
    others = {each.address: each for each in seen if not each.port}
    if len(others) == 1:
        return _compare(next(iter(others.values())), me, known, False)
    if others:
        listed = ", ".join(sorted(others))
        return Verdict("unknown", f"its log names several clients of that moment, none of them you: {listed}")
    return _broken(told, log, known)


def _requested(told: Told, log: Log, known: Known) -> Verdict:
    """nginx: the nonce in the path; its log has no port."""
    seen = request(log.lines, told.knock.nonce)
    if seen is None:
        return _broken(told, log, known)
    verdict = _compare(seen, own(told, known), known, True)
    if verdict.id != "CH002":
        return verdict
    words = f"{_stripped(verdict)}: it takes no address from X-Forwarded-For, or is given none (TRUSTED_PROXIES)"
    return Verdict("wrong", words, verdict.evidence)


def _stripped(verdict: Verdict) -> str:
    return verdict.words.replace(f" ({titled(verdict.id)})", "")


def _compare(seen: Sighting, me: Own | None, known: Known, certain: bool, source: str = "log") -> Verdict:
    """Compare whom the server saw with who we are."""
    at = place(seen.address, seen.port) if seen.port else seen.address
    evidence = (f"{source}: {mask(seen.line)}",)
    if me is not None and seen.address == me.address:
        words = f"the server saw {at}, {me.words}"
        if certain:
            return Verdict("proven", words, evidence)
        return Verdict(
            "likely", f"{words}; likely, not proven: its log has no session=, so address and time match", evidence
        )
    whose, id = known.whose(seen.address)
    mine = f", {me.words}" if me else ""
    if whose:
        return Verdict("wrong", f"the server saw {at}, which is {whose}{mine} ({titled(id)})", evidence, id)
    if me is not None:
        return Verdict("wrong", f"the server saw {at}, which is nobody's that is known here{mine}", evidence)
    words = f"the server saw {at}; whether that is yours cannot be told: your address is translated on its way"
    return Verdict("unknown", f"{words}, and nobody saw to what", evidence)


def _broken(told: Told, log: Log, known: Known) -> Verdict:
    """Say why there is nothing to compare: what the daemon says of the header, else how far we came."""
    if told.cause:
        lines = tuple(line for line in log.lines if DAEMONS.get(told.knock.protocol, "?") in line)
        return _unheard(told, lines, known) or Verdict("unknown", f"cannot tell: {told.detail}")
    why = log.error or f"its log has no line of it ({told.words})"
    return Verdict("unknown", f"cannot tell: {why}")


def _unheard(told: Told, lines: tuple[str, ...], known: Known) -> Verdict | None:
    """What the daemon that turned us away says of a PROXY header that it did not trust, get or understand."""
    if told.knock.protocol in SERVICES:
        if distrusted := untrusted_peer(lines):
            peer, line = distrusted
            words = f"Dovecot does not trust {_peer(peer, known)} and turns its clients away ({titled('CH001')})"
            return Verdict("wrong", words, (f"log: {mask(line)}",), "CH001")
        if waited := waited_peer(lines) or misread_peer(lines):
            peer, line = waited
            words = f"Dovecot got no PROXY header from {_peer(peer, known)} ({titled('CH002')})"
            return Verdict("wrong", words, (f"log: {mask(line)}",), "CH002")
    elif said := header_trouble(lines):
        words = f"Postfix waited for a PROXY header and got none ({titled('CH002')})"
        return Verdict("wrong", words, (f"log: {mask(said)}", f"answer: {told.answer or told.detail}"), "CH002")
    return None


def _peer(address: str, known: Known) -> str:
    whose, _ = known.whose(address)
    return f"{address}, {whose}," if whose else address


def blocked(told: Told, others: tuple[Told, ...]) -> bool:
    """Whether port 25 is silent from here while another port at the same address answers (outbound blocks, CH028)."""
    silent = told.knock.port == 25 and told.cause == "timeout"
    return silent and any(not each.cause and each.knock.address == told.knock.address for each in others)
