"""What is wrong with a certificate that a lane serves: its dates, its names, an older one than elsewhere."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from ipaddress import ip_address

from console.ladders import Ladder
from console.model import Certificate, Outcome
from console.observation import LaneData, SweepData

UNKNOWN = "unknown issuer"

SHORTER = (
    (datetime(2027, 2, 10, tzinfo=UTC).timestamp(), 64),
    (datetime(2028, 2, 16, tzinfo=UTC).timestamp(), 45),
)
"""From when Let's Encrypt's default profile issues for how many days (letsencrypt.org/2025/12/02/from-90-to-45)."""


def certificate_trouble(seen: SweepData, lane: LaneData) -> tuple[Outcome, str] | None:
    """What is wrong with the certificate this lane serves: ("failed", "expired") and its like; None when it is well."""
    worst: tuple[Outcome, str] | None = None
    for ladder in (*lane.public.values(), lane.vm, lane.service):
        found = shown_trouble(seen, lane, ladder)
        if found is not None and found[0] == "failed":
            return found
        if found is not None and (worst is None or found[1] in _GRAVER):
            worst = found
    return worst


_GRAVER = frozenset(("other name", "self-signed", UNKNOWN))
"""What a client refuses already, and not only in some days."""


def shown_trouble(seen: SweepData, lane: LaneData, ladder: Ladder | None) -> tuple[Outcome, str] | None:
    """What is wrong with the certificate that one ladder of a lane was shown; None when nothing is, or none was."""
    if ladder is None or ladder.certificate is None:
        return None
    certificate, name = ladder.certificate, ladder.target.name
    left = certificate.not_after - seen.at
    if left <= 0:
        return "failed", "expired"
    if certificate.not_before > seen.at:
        return "failed", "not yet valid"
    if name and certificate.names and not covers(certificate, name):
        return "degraded", "other name"
    if certificate.fingerprint in seen.distrusted:
        return "degraded", "self-signed" if seen.distrusted[certificate.fingerprint] == "self-signed" else UNKNOWN
    if certificate.not_before < seen.newest.get(certificate.subject, 0.0) and lane.lane.tls == "passthrough":
        return "degraded", "older"
    if left < (certificate.not_after - certificate.not_before) / 3 - 86400:
        return "degraded", f"{left / 86400:.0f} days"
    return None


def ended(certificate: Certificate, now: float) -> str:
    """Return how long ago a certificate ended, in words, in whole days: "expired 3 days ago"."""
    days = int((now - certificate.not_after) / 86400)
    return f"expired {days} day{'s' * (days != 1)} ago" if days else "expired less than a day ago"


def lifetimes(certificate: Certificate, now: float) -> tuple[tuple[float, int], ...]:
    """The times (Unix) from which renewals of a certificate live shorter than it does, and how many days."""
    life = (certificate.not_after - certificate.not_before) / 86400
    ours = "O=Let's Encrypt" in certificate.issuer.split(",")
    return tuple((at, days) for at, days in SHORTER if ours and at > now and days + 1 < life)


def covers(certificate: Certificate | None, name: str) -> bool:
    """Whether a certificate is for a host name or an address, as clients judge it (RFC 6125, RFC 9525)."""
    return certificate is not None and _covers(certificate.names, name)


@lru_cache(1024)
def _covers(names: tuple[str, ...], name: str) -> bool:
    from service_identity import CertificateError, VerificationError
    from service_identity.hazmat import DNS_ID, DNSPattern, IPAddress_ID, IPAddressPattern, verify_service_identity

    patterns: list[DNSPattern | IPAddressPattern] = []
    for each in names:
        with suppress(ValueError):
            patterns.append(IPAddressPattern(ip_address(each)))
            continue
        with suppress(CertificateError, UnicodeError):
            patterns.append(DNSPattern.from_bytes(each.rstrip(".").encode("ascii")))
    asked: DNS_ID | IPAddress_ID
    try:
        asked = IPAddress_ID(name)
    except ValueError:
        try:
            asked = DNS_ID(name.rstrip(".").encode("idna").decode())
        except (ValueError, UnicodeError):
            return False
    try:
        return bool(verify_service_identity(patterns, [asked], []))
    except (VerificationError, CertificateError):
        return False
