"""Whether clients whose TLS HAProxy ends can still log in: Mailcow's daemons let nobody log in over plain text."""

from __future__ import annotations

import re
from collections.abc import Iterator

from console.diagnosis import words
from console.diagnosis.catalogue import finding
from console.diagnosis.rule import static
from console.diagnosis.rules.speech import TLS_FIRST
from console.model import Finding, Lane, Span, Topology
from console.topology.daemons import DOVECOT, POSTFIX
from console.topology.lanes import MAIL, PROTOCOLS, Way
from console.topology.sources import Sources

_PLAIN = ("disable_plaintext_auth", "auth_allow_cleartext", "login_trusted_networks", "ssl")
_MORE = re.compile(r"^[ \t]*(?:!include(?:_try)?|remote|local)\b", re.MULTILINE)
_TLS_PORTS = {143: 993, 110: 995, 10143: 10993, 10110: 10995, 587: 465, 10587: 10465}


@static("CH102")
def login_without_tls(sources: Sources, topology: Topology) -> Iterator[Finding]:
    """HAProxy ends the client's TLS, and passes plain text to a daemon that lets nobody log in without TLS."""
    found: dict[int, tuple[Way, str, list[Way]]] = {}
    for way in sources.routes.ways:
        if why := _refused(sources, way):
            found.setdefault(id(way.server), (way, why, []))[2].append(way)
    for way, why, ways in found.values():
        lanes = tuple(lane for lane in words.together(ways) if lane.tls == "terminated")
        better = _TLS_PORTS[way.arrival.listener.port]
        dovecot = way.arrival.listener.service == DOVECOT
        told = ", or send-proxy-v2-ssl on the server line, which Dovecot takes for TLS" * dovecot
        yield finding(
            "CH102",
            f"{words.lanes(lanes)}: HAProxy ends the client's TLS and passes plain text to {words.dialled(way)}, where"
            f" {why}: no client can log in",
            way.server.span,
            also=_binds(lanes),
            lanes=words.ids(lanes),
            hop="vm",
            remedy=f"take ssl and crt from the bind line, and dial {better}{told}",
        )


def _binds(lanes: tuple[Lane, ...]) -> tuple[Span, ...]:
    return tuple(dict.fromkeys(bind.source for lane in lanes for bind in lane.binds if bind.source))


def _refused(sources: Sources, way: Way) -> str:
    """Say why a login is refused there; "" where it is not, or nobody knows."""
    listener = way.arrival.listener
    ended = any(lane.tls == "terminated" and PROTOCOLS.get(lane.port) in TLS_FIRST & MAIL for lane in way.lanes)
    if not ended or way.server.tls or way.server.tells_tls or listener.port not in _TLS_PORTS:
        return ""
    if listener.wire != "starttls" or sources.foreign or not sources.named:
        return ""
    if listener.service == POSTFIX and sources.master is None:
        return "Postfix wants STARTTLS before anything else (smtpd_tls_security_level=encrypt in Mailcow's master.cf)"
    dovecot = sources.dovecot
    if listener.service != DOVECOT or dovecot is None or _MORE.search(sources.texts.get(dovecot.file, "")):
        return ""
    if any(dovecot.get(name) not in ("", "yes", "required") for name in _PLAIN) or dovecot.get("auth_allow_cleartext"):
        return ""
    return "Dovecot takes no password over plain text (disable_plaintext_auth in Mailcow's dovecot.conf)"
