"""What is wrong with a certificate that a lane serves: its dates, its names, an older one than elsewhere."""

from __future__ import annotations

from console.model import Outcome
from console.observation import LaneData, SweepData

UNKNOWN = "unknown issuer"


def certificate_trouble(seen: SweepData, lane: LaneData) -> tuple[Outcome, str] | None:
    """What is wrong with the certificate this lane serves: ("failed", "expired") and its like; None when it is well."""
    worst: tuple[Outcome, str] | None = None
    for ladder in (*lane.public.values(), lane.vm, lane.service):
        if ladder is None or ladder.certificate is None:
            continue
        certificate, name = ladder.certificate, ladder.target.name
        left = certificate.not_after - seen.at
        if left <= 0:
            return "failed", "expired"
        if certificate.not_before > seen.at:
            return "failed", "not yet valid"
        if name and certificate.names and not any(matches(pattern, name) for pattern in certificate.names):
            worst = "degraded", "other name"
        elif certificate.fingerprint in seen.distrusted:
            worst = "degraded", "self-signed" if seen.distrusted[certificate.fingerprint] == "self-signed" else UNKNOWN
        elif certificate.not_before < seen.newest.get(certificate.subject, 0.0) and lane.lane.tls == "passthrough":
            worst = worst or ("degraded", "older")
        elif worst is None and left < (certificate.not_after - certificate.not_before) / 3 - 86400:
            worst = "degraded", f"{left / 86400:.0f} days"
    return worst


def matches(pattern: str, name: str) -> bool:
    """Whether a certificate's DNS name covers a host name (RFC 6125: a star stands for one whole label)."""
    pattern, name = pattern.lower().rstrip("."), name.lower().rstrip(".")
    if pattern.startswith("*."):
        return name.partition(".")[2] == pattern[2:]
    return pattern == name
