"""What the lab's machines store of certificates: those in use, where they belong on each."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from console.lab.machines.done import Done
from console.lab.machines.pushing import places
from console.lab.network.addresses import PROXY
from console.sources import x509
from console.sources.certificate_push import STATE

if TYPE_CHECKING:
    from console.lab.rehearsal import Rehearsal


def stored(lab: Rehearsal, machine: str) -> Done:
    """Answer `certificate_places.SCRIPT` on a machine; the lab's own certificates are trusted there."""
    import ssl

    said = ""
    for place, kind, path, key, held in places(lab.issued, lab.certificate):
        if place == machine:
            read = x509.read(ssl.PEM_cert_to_DER_cert(held.pem))
            said += (
                f"@file {kind} {path}\n{held.pem.strip()}\n\n@key {key}\n@mode 600 root\n"
                f"@digest {read.public_key if read else ''}  -\n@verify {path}: OK\n"
            )
    timer = f"@timer NextElapseUSecRealtime=@{_next():.0f}\n" if machine == PROXY else "@timer \n"
    state = lab.files.get((machine, STATE), b"").decode("ascii", "replace")
    return Done(0, f"{said}@state\n{state}\n{timer}@end\n")


def _next() -> float:
    """When certbot tries next: at the next noon or midnight, as Debian's timer does without its random delay."""
    now = datetime.now(UTC)
    start = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return (start + timedelta(hours=12 if now.hour < 12 else 24)).timestamp()
