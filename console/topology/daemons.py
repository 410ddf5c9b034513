"""What Mailcow's daemons listen on inside their containers: the files that are given, then Mailcow's own defaults."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Literal

from msgspec import Struct
from msgspec.structs import replace

from console.model import Protocol, Span

if TYPE_CHECKING:
    from console.sources.compose.env_file import EnvFile
    from console.sources.compose.files import Compose
    from console.sources.dovecot import InetListener
    from console.sources.postfix import Service
    from console.sources.settings import Setting, Settings

POSTFIX, DOVECOT, NGINX = "postfix-mailcow", "dovecot-mailcow", "nginx-mailcow"

Wire = Literal["starttls", "tls", "http", "unknown"]
"""How a daemon begins: in plain text that may turn into TLS, with TLS, with plain HTTP."""

Header = Literal["wanted", "refused", "unknown"]
"""Whether a daemon waits for a PROXY header, takes one for the client's first words, or nobody knows."""


class Listener(Struct, frozen=True, gc=False):
    """One port inside a container. `why` is the line of a file that decides its header or TLS; None: Mailcow's own.

    `screened` says that postscreen answers, which shows `220-` first and `220 ` only after a pause."""

    service: str | None
    port: int
    protocol: Protocol | None = None
    wire: Wire = "unknown"
    header: Header = "unknown"
    why: Span | None = None
    screened: bool = False


Listeners = dict[int, Listener]
"""By container port: no two daemons of Mailcow's that clients reach have the same."""

ANYBODY: Listeners = {
    25: Listener(None, 25, "smtp", "starttls"),
    465: Listener(None, 465, "smtps", "tls"),
    587: Listener(None, 587, "submission", "starttls"),
    143: Listener(None, 143, "imap", "starttls"),
    993: Listener(None, 993, "imaps", "tls"),
    110: Listener(None, 110, "pop3", "starttls"),
    995: Listener(None, 995, "pop3s", "tls"),
    4190: Listener(None, 4190, "sieve", "starttls"),
}
"""The protocol of each mail port by its number (IANA), whatever program answers there."""

_IMAP: tuple[tuple[str, str, int, Protocol, bool, bool], ...] = (
    ("imap-login", "imap", 143, "imap", False, False),
    ("imap-login", "imaps", 993, "imaps", True, False),
    ("imap-login", "imap_haproxy", 10143, "imap", False, True),
    ("imap-login", "imaps_haproxy", 10993, "imaps", True, True),
    ("pop3-login", "pop3", 110, "pop3", False, False),
    ("pop3-login", "pop3s", 995, "pop3s", True, False),
    ("pop3-login", "pop3_haproxy", 10110, "pop3", False, True),
    ("pop3-login", "pop3s_haproxy", 10995, "pop3s", True, True),
    ("managesieve-login", "sieve", 4190, "sieve", False, False),
    ("managesieve-login", "sieve_haproxy", 14190, "sieve", False, True),
)
"""Dovecot's own listeners and Mailcow's (dovecot.conf): service, name, port, protocol, TLS, header."""

_SPOKEN: dict[str, tuple[Protocol, Protocol]] = {
    "imap-login": ("imap", "imaps"),
    "pop3-login": ("pop3", "pop3s"),
    "managesieve-login": ("sieve", "sieve"),
    "submission-login": ("submission", "smtps"),
}
"""What a login service speaks: in plain text first, with TLS first."""

_POSTFIX: tuple[tuple[int, bool, bool, bool], ...] = (
    (25, True, False, False),
    (10025, True, False, True),
    (465, False, True, False),
    (10465, False, True, True),
    (587, False, False, False),
    (10587, False, False, True),
    (588, False, False, False),
    (589, False, False, False),
    (590, False, False, False),
)
"""Mailcow's master.cf: port, whether postscreen answers, TLS first, header. The last three are for its own services."""

_WIRES: dict[str, Wire] = {"yes": "tls", "no": "starttls"}
_HEADERS: dict[str, Header] = {"yes": "wanted", "no": "refused"}
YES = frozenset(("y", "yes"))
"""How Mailcow's own scripts read a switch (nginx/bootstrap.py, acme.sh): "true" is off."""


def listeners(
    postfix: Settings | None = None,
    master: tuple[Service, ...] | None = None,
    inet: tuple[InetListener, ...] = (),
    environment: EnvFile | None = None,
    compose: Compose | None = None,
    foreign: bool = False,
    named: bool = True,
) -> Listeners:
    """Return the listeners of Postfix, Dovecot and nginx by container port, as the given files decide them.

    `foreign` says that they are not Mailcow's: only what a file says of them is known then. Not `named`, nothing says
    whose they are: a usual port speaks what it does everywhere, and whether it waits for a header nobody knows."""
    if not named and not foreign:
        return dict(ANYBODY)
    found = {each.port: each for each in (() if foreign and master is None else _postfix(postfix, master))}
    found |= _dovecot(inet, foreign)
    found |= {each.port: each for each in (() if foreign else _nginx(environment, compose))}
    return found


# ── Postfix ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _postfix(settings: Settings | None, master: tuple[Service, ...] | None) -> Iterator[Listener]:
    if master is not None:
        for service in master:
            if service.port is not None and service.command in ("smtpd", "postscreen"):
                yield _service(service.port, service.command == "postscreen", settings, service.values, service.span)
        return
    for port, screened, tls, header in _POSTFIX:
        # Where Mailcow's master.cf says a thing of a service, extra.cf has no say.
        yield _service(port, screened, settings, {}, None, True if header else None, True if tls else None)


def _service(
    port: int,
    screened: bool,
    settings: Settings | None,
    own: Mapping[str, Setting],
    place: Span | None,
    header: bool | None = None,
    tls: bool | None = None,
) -> Listener:
    """Return one service; `header` and `tls` are what Mailcow's own master.cf says of it."""
    name = "postscreen_upstream_proxy_protocol" if screened else "smtpd_upstream_proxy_protocol"
    said = own.get(name) or (settings.values.get(name) if settings and header is None else None)
    wanted: Header = "wanted" if header else "refused"
    if said is not None:
        value = settings.expand(said.value) if settings else said.value
        wanted = "wanted" if value == "haproxy" else "unknown" if value else "refused"
    wrapped = own.get("smtpd_tls_wrappermode")
    if wrapped is None and settings and tls is None and not screened:
        wrapped = settings.values.get("smtpd_tls_wrappermode")
    wire: Wire = "tls" if tls else "starttls"
    if wrapped is not None and not screened:
        wire = _WIRES.get(wrapped.value.lower(), "unknown")
    decided = said or wrapped
    why = decided.span if decided is not None else place
    return Listener(POSTFIX, port, _smtp(port, screened, wire, own), wire, wanted, why, screened)


def _smtp(port: int, screened: bool, wire: Wire, own: Mapping[str, Setting]) -> Protocol | None:
    if screened:
        return "smtp"
    if wire == "tls":
        return "smtps"
    restrictions = own.get("smtpd_client_restrictions")
    if port in (587, 10587) or (restrictions is not None and "permit_sasl_authenticated" in restrictions.value):
        return "submission"
    return "smtp" if port in (25, 10025) else None


# ── Dovecot ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _dovecot(inet: tuple[InetListener, ...], foreign: bool = False) -> Listeners:
    named = {(each.service, each.name) for each in inet}
    said: dict[tuple[str, str], Listener] = {
        (service, name): Listener(
            DOVECOT, port, protocol, "tls" if tls else "starttls", "wanted" if header else "refused"
        )
        for service, name, port, protocol, tls, header in _IMAP
        if not foreign or (service, name) in named
    }
    for each in inet:
        if each.service in _SPOKEN:
            key = (each.service, each.name)
            said[key] = _inet(each, said.get(key))
    return _by_port(said.values())


def _inet(inet: InetListener, before: Listener | None) -> Listener:
    """Return a listener with what a block says of it on top."""
    plain, wrapped = _SPOKEN[inet.service]
    found = before or Listener(DOVECOT, 0, plain, "starttls", "refused", inet.span)
    if (port := inet.values.get("port")) is not None:
        found = replace(found, port=int(port.value) if port.value.isdigit() and len(port.value) < 6 else 0)
    if (ssl := inet.values.get("ssl")) is not None:
        wire = _WIRES.get(ssl.value.lower(), "unknown")
        found = replace(found, wire=wire, protocol=wrapped if wire == "tls" else plain, why=ssl.span)
    if (header := inet.values.get("haproxy")) is not None:
        wanted = _HEADERS.get(header.value.lower(), "unknown")
        found = replace(found, header=wanted, why=header.span)
    return found


def _by_port(said: Iterable[Listener]) -> Listeners:
    """Return listeners by port; of two on one port, on which Dovecot would not start, only what they agree on."""
    found: Listeners = {}
    for each in said:
        other = found.get(each.port)
        if each.port:
            found[each.port] = each if other is None else _agreed(each, other)
    return found


def _agreed(one: Listener, other: Listener) -> Listener:
    return replace(
        one,
        header=one.header if one.header == other.header else "unknown",
        wire=one.wire if one.wire == other.wire else "unknown",
    )


# ── nginx ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _nginx(environment: EnvFile | None, compose: Compose | None) -> Iterator[Listener]:
    header, why = _decided("NGINX_USE_PROXY_PROTOCOL", environment, compose)
    redirects, where = _decided("HTTP_REDIRECT", environment, compose)
    values = environment.values if environment is not None else {}
    yield Listener(NGINX, _port(values.get("HTTPS_PORT"), 443), "https", "tls", header, why)
    # The server that redirects listens without proxy_protocol (nginx.conf.j2).
    plain = _OTHER[redirects] if header == "wanted" else header
    decides = where if header == redirects == "wanted" else why
    yield Listener(NGINX, _port(values.get("HTTP_PORT"), 80), "http", "http", plain, decides)


_OTHER: dict[Header, Header] = {"refused": "wanted", "wanted": "refused", "unknown": "unknown"}


def _decided(name: str, environment: EnvFile | None, compose: Compose | None) -> tuple[Header, Span | None]:
    """Return whether a switch of nginx's is on, and where that stands: in the override, else in mailcow.conf."""
    given = compose.environment.get(NGINX, {}).get(name) if compose is not None else None
    if given is not None and given[0] is not None and "${" not in given[0]:
        return "wanted" if given[0].lower() in YES else "refused", given[1]
    if environment is None:
        return "unknown", None
    value = environment.values.get(name, "n")
    return "wanted" if value.lower() in YES else "refused", environment.spans.get(name)


def _port(text: str | None, usual: int) -> int:
    return int(text) if text and text.isdigit() and 0 < int(text[:6]) < 65536 else usual
