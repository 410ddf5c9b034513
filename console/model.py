"""The values everything else speaks in: frozen Structs, cheap to import, ready for JSON.

The words are the house's: a *lane* is one public port's way in, a sequence of *hops*; a *probe* asks one hop one
question from one *vantage* and gives a *reading*; a *finding* is a rule of the catalogue that holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from console.text import address

HopName = Literal["public", "haproxy", "tunnel", "vm", "service"]
HOPS: tuple[HopName, ...] = ("public", "haproxy", "tunnel", "vm", "service")
"""Left to right, the way a client's packets go."""

Protocol = Literal["smtp", "smtps", "submission", "imap", "imaps", "pop3", "pop3s", "sieve", "http", "https", "tcp"]
"""What a lane speaks, as its client sees it: `smtps`, `imaps`, `pop3s` and `https` begin with TLS."""

PLAIN_PORTS = {10025: 25, 10465: 465, 10587: 587, 10143: 143, 10993: 993, 10110: 110, 10995: 995, 14190: 4190}
"""Mailcow's container ports that want a PROXY header → the plain port of the same service (docker-compose.yml)."""

ProxyVersion = Literal["v1", "v2"]
Outcome = Literal["ok", "degraded", "failed", "unknown", "skipped"]
Severity = Literal["critical", "high", "medium", "low"]
Verdict = Literal["well", "degraded", "down", "unknown"]
Role = Literal["here", "proxy", "hypervisor", "mail"]


class Span(Struct, frozen=True, gc=False):
    """A place in a file; line and column are 1-based, `end` is the column after the last character (0: unknown)."""

    file: str
    line: int
    column: int = 1
    end: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class Node(Struct, frozen=True):
    """A machine, service or network on the map."""

    id: str
    kind: Literal["internet", "proxy", "tunnel", "vm", "service", "volume"]
    label: str
    source: Span | None = None


class Bind(Struct, frozen=True, gc=False):
    """One address a lane listens on; `address` is "" for all of IPv4, "::" for all of IPv6."""

    address: str
    port: int
    source: Span | None = None


class Target(Struct, frozen=True, gc=False):
    """Where HAProxy sends a lane's connections: a host name or address, and a port."""

    host: str
    port: int
    source: Span | None = None


class Check(Struct, frozen=True, gc=False):
    """HAProxy's own health check of a target: `kind` is what it proves ("none", "L4", "L6", "L7").

    `tls` says that it begins with TLS, `limit` how many seconds the answer may take (None: a variable decides),
    `other` that an agent or a program is asked in place of the daemon, or rules that stand elsewhere; `address` is who
    is asked in place of the server's own address."""

    kind: Literal["none", "L4", "L6", "L7"]
    port: int | None = None
    sends_proxy: bool = False
    source: Span | None = None
    tls: bool = False
    limit: float | None = None
    other: bool = False
    address: str = ""


class Published(Struct, frozen=True):
    """A port that the compose file publishes: `address:port` of the VM to `container_port` of a service.

    `variable` is the name in `${NAME:-default}` that decides address and port, if one does. `every` says that no
    address is named, so that docker binds IPv6 too: with the address 0.0.0.0 written out it does not."""

    service: str
    address: str
    port: int
    container_port: int
    source: Span
    variable: str | None = None
    protocol: str = "tcp"
    every: bool = False


class Lane(Struct, frozen=True, gc=False):
    """One public port's way in. `proxy` and `server` are HAProxy's own names for its stats."""

    name: str
    protocol: Protocol
    port: int
    binds: tuple[Bind, ...]
    target: Target | None
    proxy_protocol: ProxyVersion | None
    tls: Literal["passthrough", "terminated"]
    source: Span
    proxy: str = ""
    server: str = ""
    frontend: str = ""
    check: Check | None = None
    service: str | None = None
    service_port: int | None = None
    others: tuple[Target, ...] = ()
    """Further targets that some connections may have: a condition that only a request decides stands between."""
    open: str = ""
    """What the files leave open of the target, as written: "10.0.0.1:${PORT}"; "?" when all of it is."""
    wants_header: bool | None = None
    """Whether the files say that the daemon waits for a PROXY header; None when they do not tell."""
    headers: tuple[ProxyVersion | None, ...] = ()
    """Each header that HAProxy may send, None for none, where a condition that nobody can decide chooses one."""

    @property
    def header(self) -> str:
        """The header that HAProxy sends, in words."""
        headers = self.headers or (self.proxy_protocol,)
        return " or ".join(dict.fromkeys(f"PROXY {each}" if each else "no header" for each in headers))

    @property
    def id(self) -> str:
        """What tells this lane from all others: port and name."""
        return f"{self.port}/{self.name}"

    @property
    def header_wanted(self) -> bool | None:
        """Whether the daemon waits for a PROXY header: as the files say, else by Mailcow's numbers."""
        port = self.service_port or (self.target.port if self.target else 0)
        if self.wants_header is not None:
            return self.wants_header
        return True if port in PLAIN_PORTS else False if port in PLAIN_PORTS.values() else None

    @property
    def leads(self) -> str:
        """Where it leads, in words: its target, those that some connections have, and what the files leave open."""
        targets = [address(each.host, each.port) for each in (self.target, *self.others) if each]
        return " or ".join([*targets, *([self.open] if self.open else [])])


class Volume(Struct, frozen=True):
    """A storage volume of the VM; `size` as written ("50GiB"), `device` as the VM's disk device is named.

    `guessed` says that nothing but a name tells where it belongs."""

    name: str
    device: str | None
    pool: str | None
    size: str | None
    content_type: str | None
    mount_path: str | None
    source: Span
    guessed: bool = False

    @property
    def place(self) -> str:
        """Where it belongs, in words; "" when nothing tells."""
        return f"{self.mount_path} by its name" if self.guessed and self.mount_path else self.mount_path or ""


class Instance(Struct, frozen=True):
    """A VM or container of the OpenTofu files; `addresses` are those a nic pins, `disk` the root disk's size."""

    name: str
    type: str
    image: str | None
    cpu: str | None
    memory: str | None
    addresses: tuple[str, ...]
    source: Span
    disk: str | None = None


class Topology(Struct, frozen=True):
    """What the sources say there is."""

    nodes: tuple[Node, ...] = ()
    lanes: tuple[Lane, ...] = ()
    volumes: tuple[Volume, ...] = ()
    instances: tuple[Instance, ...] = ()
    published: tuple[Published, ...] = ()
    public: tuple[str, ...] = ()
    """The names or addresses clients dial; empty when nobody told us."""
    stats_sockets: tuple[str, ...] = ()
    """Paths of HAProxy's stats sockets, as its configuration names them."""


class Certificate(Struct, frozen=True):
    """A certificate as served or stored; times are Unix seconds.

    `key` is such as "RSA 2048"; `public_key` the SHA-256 of its SubjectPublicKeyInfo, `fingerprint` its own, in hex."""

    subject: str
    names: tuple[str, ...]
    serial: str
    not_before: float
    not_after: float
    fingerprint: str
    issuer: str = ""
    key: str = ""
    public_key: str = ""

    @property
    def due(self) -> float:
        """The Unix time from which it has less than a third of its own life left: from then on it is due."""
        return self.not_after - (self.not_after - self.not_before) / 3


class CertificatePlace(Struct, frozen=True):
    """One place where a certificate is stored or served, and what was found there.

    `where` is a path or "address:port"; `sni` the name that was sent, None for none, "" for a file. `trusted` is ""
    for yes, a reason for no, None for not known; `pair` whether the key file belongs to it, None for not known.
    One that is `unused` lies in HAProxy's folder, and its configuration names others alone. `issuers` are the other
    certificates of its file; None for a port, of whose chain nothing is told."""

    kind: Literal["certbot", "haproxy", "mailcow", "sni", "served"]
    host: str
    where: str
    sni: str | None = ""
    certificate: Certificate | None = None
    chain: int = 0
    trusted: str | None = None
    pair: bool | None = None
    key_path: str = ""
    mode: str = ""
    owner: str = ""
    error: str = ""
    unused: bool = False
    issuers: tuple[Certificate, ...] | None = None


class TlsaRecord(Struct, frozen=True):
    """One TLSA record (RFC 6698): its three numbers, and a digest of its data in hex.

    The digest is the record's own, SHA-256 or SHA-512; of a whole certificate or key (`matching` 0) its SHA-256."""

    usage: int
    selector: int
    matching: int
    digest: str


class Tlsa(Struct, frozen=True):
    """The TLSA records of a name such as `_25._tcp.mail.example.org`, none where it has none.

    `signed`: the name server says that it validated the answer (DNSSEC). `error` says why it is not known."""

    name: str
    records: tuple[TlsaRecord, ...] = ()
    signed: bool = False
    error: str = ""


class CertificateUser(Struct, frozen=True):
    """A container that serves Mailcow's certificate or may replace it, as Docker has it; times are Unix seconds.

    `status` is its exit status, `ended` when it last ended, `written` when the certificate was written; None for never
    and for not known. `skips` says whether acme-mailcow was made with SKIP_LETS_ENCRYPT=y, None for another one."""

    service: str
    state: str
    status: int
    ended: float | None = None
    written: float | None = None
    skips: bool | None = None


class Kept(Struct, frozen=True):
    """Files of certificates, and what the last push of one left; both as of one look, which is not each sweep's.

    `push` is the text of the hook's state file, "" for none. `name` is what clients dial, "" when that is not known.
    `pushed` says that a certificate is brought to Mailcow, `users` which containers have to do with it.
    `settled` is False when other certificates are served than were at that look: then ages are not to be compared.
    `unseen` says what could not be looked at, and why, a line each."""

    places: tuple[CertificatePlace, ...] = ()
    push: str = ""
    name: str = ""
    settled: bool = True
    users: tuple[CertificateUser, ...] = ()
    pushed: bool = False
    unseen: tuple[str, ...] = ()


class Rung(Struct, frozen=True):
    """One step of a ladder: what was tried, what came of it, and how long it took (milliseconds)."""

    name: Literal["resolve", "connect", "header", "tls", "greeting", "capability", "ask", "log"]
    outcome: Outcome
    detail: str
    ms: float | None = None


class Reading(Struct, frozen=True):
    """What one hop of one lane answered to one question from one vantage.

    `word` is the short text of a lamp ("L4OK", "untrusted", "41 ms"); `latency_ms` the connect rung's; `since` the
    Unix time at which this outcome was first seen, `at` the time of this look. One that is not `whole` was judged
    before its ladder had ended."""

    lane: str
    hop: HopName
    vantage: str
    outcome: Outcome
    word: str
    evidence: tuple[Rung, ...] = ()
    latency_ms: float | None = None
    at: float = 0.0
    since: float = 0.0
    asked: str = ""
    whole: bool = True

    @property
    def key(self) -> tuple[str, HopName]:
        """Lane and hop: where this reading stands in the matrix."""
        return self.lane, self.hop


Readings = Mapping[tuple[str, HopName], Reading]
"""Readings by the name of the lane and the hop."""


class Finding(Struct, frozen=True, gc=False):
    """A rule of the catalogue that holds. `where` is a place in a file, or the name of a host.

    `also` are further places of the same cause, `lanes` the lanes it touches, `hop` the hop it breaks; `evidence` are
    lines that prove it, as of a diff: printable, and without secrets."""

    id: str
    name: str
    severity: Severity
    summary: str
    where: Span | str
    remedy: str
    observed: bool = False
    also: tuple[Span, ...] = ()
    lanes: tuple[str, ...] = ()
    hop: HopName | None = None
    flow: str | None = None
    evidence: tuple[str, ...] = ()
