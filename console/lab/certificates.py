"""What the lab's machines store of certificates: the one that every service serves, where it belongs on each."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from console.facts.certificate_places import FOLDER
from console.lab.machines.done import Done
from console.lab.network.addresses import MAIL, PROXY
from console.sources import x509

if TYPE_CHECKING:
    from console.lab.rehearsal import Rehearsal


def stored(lab: Rehearsal, machine: str) -> Done:
    """Answer `certificate_places.SCRIPT` on a machine; the lab's own certificate is trusted there."""
    import ssl

    name, pem = lab.certificate.name, lab.certificate.pem
    read = x509.read(ssl.PEM_cert_to_DER_cert(pem))
    live = f"/etc/letsencrypt/live/{name}"
    places = {
        PROXY: (
            ("certbot", f"{live}/fullchain.pem", f"{live}/privkey.pem"),
            ("haproxy", f"/etc/haproxy/certs/{name}.pem", f"/etc/haproxy/certs/{name}.pem"),
        ),
        MAIL: (("mailcow", f"{FOLDER}/data/assets/ssl/cert.pem", f"{FOLDER}/data/assets/ssl/key.pem"),),
    }
    said = "".join(
        f"@file {kind} {path}\n{pem.strip()}\n\n@key {key}\n@mode 600 root\n"
        f"@digest {read.public_key if read else ''}  -\n@verify {path}: OK\n"
        for kind, path, key in places.get(machine, ())
    )
    timer = f"@timer NextElapseUSecRealtime=@{_next():.0f}\n" if machine == PROXY else "@timer \n"
    return Done(0, f"{said}@state\n\n{timer}@end\n")


def _next() -> float:
    """When certbot tries next: at the next noon or midnight, as Debian's timer does without its random delay."""
    now = datetime.now(UTC)
    start = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return (start + timedelta(hours=12 if now.hour < 12 else 24)).timestamp()
