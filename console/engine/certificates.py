"""The certificates that ports serve."""

from __future__ import annotations

from msgspec import Struct

from console.hosts.host import Host
from console.ladders import ProbeTarget
from console.model import Certificate
from console.probes.ladder import climb


class Served(Struct, frozen=True):
    """What a port serves to a client that sends `name` as SNI (None: no SNI), or why there is no certificate."""

    address: str
    port: int
    name: str | None
    certificate: Certificate | None = None
    error: str = ""


async def served(host: Host, target: ProbeTarget) -> Served:
    """Return the certificate that a port serves, asked from `host`; failures are in the result, never raised."""
    ladder = await climb(target, host)
    failed = ladder.failed
    error = failed.detail if failed and ladder.certificate is None else ""
    return Served(target.address, target.port, target.name, ladder.certificate, error)
