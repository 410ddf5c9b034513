"""The estate of the stage: the operator's own three files as they are read, and what lint says of them."""

from __future__ import annotations

from pathlib import Path

from console.diagnosis.catalogue import finding
from console.errors import InputError
from console.events import (
    EstateRead,
)
from console.model import (
    Bind,
    Check,
    Instance,
    Lane,
    Node,
    Published,
    Span,
    Target,
    Topology,
    Volume,
)

SEED = Path(__file__).parent / "seed"
"""The operator's own three files, word for word."""

FILES = ("haproxy.cfg", "mailcow.tf", "docker-compose.override.yml")
TEXTS = {name: (SEED / name).read_text() for name in FILES} | {"site.toml": "[[lane]]\nport = 443\n"}
VM = "10.10.10.214"


def _lane(name: str, protocol: str, port: int, inner: int, line: int, service: str) -> Lane:
    def at(offset: int) -> Span:
        return Span("haproxy.cfg", line + offset)

    return Lane(
        name=name,
        protocol=protocol,  # type: ignore[arg-type]
        port=port,
        binds=(Bind("", port, at(1)), Bind("::", port, at(2))),
        target=Target(VM, inner, at(5)),
        proxy_protocol="v1",
        tls="passthrough",
        source=at(0),
        proxy=name,
        server="mailcow",
        check=Check("L4", inner, False, at(5)),
        service=service,
        service_port=inner,
    )


LANES = (
    _lane("smtp", "smtp", 25, 10025, 1, "postfix-mailcow"),
    _lane("smtps", "smtps", 465, 10465, 8, "postfix-mailcow"),
    _lane("imaps", "imaps", 993, 10993, 15, "dovecot-mailcow"),
    _lane("sieve", "sieve", 4190, 14190, 22, "dovecot-mailcow"),
    Lane(
        "https", "https", 443, (), Target(VM, 443, Span("site.toml", 1)), None, "passthrough", Span("site.toml", 1),
        service="nginx-mailcow", service_port=443,
    ),
)  # fmt: skip

_PUBLISHED = (
    ("dovecot-mailcow", "IMAP_PORT_HAPROXY", 10143, 8),
    ("dovecot-mailcow", "IMAPS_PORT_HAPROXY", 10993, 9),
    ("dovecot-mailcow", "POP_PORT_HAPROXY", 10110, 10),
    ("dovecot-mailcow", "POPS_PORT_HAPROXY", 10995, 11),
    ("dovecot-mailcow", "SIEVE_PORT_HAPROXY", 14190, 12),
    ("postfix-mailcow", "SMTP_PORT_HAPROXY", 10025, 16),
    ("postfix-mailcow", "SMTPS_PORT_HAPROXY", 10465, 17),
    ("postfix-mailcow", "SUBMISSION_PORT_HAPROXY", 10587, 18),
)

TOPOLOGY = Topology(
    nodes=(
        Node("internet", "internet", "internet"),
        Node("proxy", "proxy", "haproxy"),
        Node("tunnel", "tunnel", VM),
        Node("vm", "vm", "mailcow", Span("mailcow.tf", 19)),
    ),
    lanes=LANES,
    volumes=(
        Volume(
            "mailcow_var_lib_docker", "var_lib_docker", "default", "50GiB", "block", "/var/lib/docker",
            Span("mailcow.tf", 1),
        ),
        Volume("mailcow_opt", "opt", "default", "10GiB", "block", "/opt", Span("mailcow.tf", 10)),
    ),
    instances=(
        Instance("mailcow", "virtual-machine", "images:ubuntu/24.04", "6", "6GiB", (), Span("mailcow.tf", 19)),
    ),
    published=tuple(
        Published(service, "0.0.0.0", port, port, Span("docker-compose.override.yml", line), variable)
        for service, variable, port, line in _PUBLISHED
    ),
    public=("relay.benoit.jp.net",),
)  # fmt: skip

STATIC = (
    *(
        finding(
            "CH004",
            f"{lane.port} {lane.name}: the check of port {lane.target.port} connects without the PROXY header,"
            " so HAProxy says UP while the daemon refuses every client",
            Span("haproxy.cfg", lane.target.source.line),
            lanes=(lane.id,),
            hop="haproxy",
        )
        for lane in LANES[:4]
        if lane.target and lane.target.source
    ),
    finding(
        "CH006",
        "8 PROXY ports are published on 0.0.0.0: whoever reaches them may claim any client address",
        Span("docker-compose.override.yml", 8),
        also=tuple(Span("docker-compose.override.yml", line) for line in (9, 10, 11, 12, 16, 17, 18)),
    ),
    finding(
        "CH019",
        "993 imaps: no timeout client and timeout server: IMAP IDLE is cut at HAProxy's default",
        Span("haproxy.cfg", 15),
        lanes=("993/imaps",),
        hop="haproxy",
    ),
    finding("CH021", "10587 is published, and no listener leads to it", Span("docker-compose.override.yml", 18)),
    finding(
        "CH021",
        "10143, 10110 and 10995 are published, and no listener leads to them",
        Span("docker-compose.override.yml", 8),
    ),
    finding("CH024", f"HAProxy sends to {VM}, which no nic in the OpenTofu files pins", Span("mailcow.tf", 19)),
)  # fmt: skip

ESTATE = EstateRead("benoit", TOPOLOGY, STATIC, (), TEXTS)
CUT = EstateRead(
    "benoit",
    Topology(TOPOLOGY.nodes, LANES[:2], (), (), (), TOPOLOGY.public),
    STATIC[:2],
    (
        InputError("haproxy.cfg", 27, 64, "the last line does not end: HAProxy refuses such a file; add a newline"),
        InputError("mailcow.tf", 12, 3, "an attribute was expected here, not `}`; a value may be missing before it"),
    ),
    TEXTS,
)
"""What is left when two files are broken."""
