"""A fault that a flow has mended is not there any more, and can be made again."""

from __future__ import annotations

from console.lab import faults
from console.lab.rehearsal import Rehearsal
from console.model import Lane, Span, Target, Topology

LANE = Lane("imaps", "imaps", 993, ("*",), Target("10.10.10.214", 10993), "v1", "passthrough", Span("haproxy.cfg", 1))


async def test_a_rotated_certificate_is_no_expired_one() -> None:
    lab = Rehearsal(Topology(lanes=(LANE,)))
    await faults.break_(lab, "certificate-expired")
    lab.issued.issue()
    assert faults.broken(lab) == ("certificate-expired",)  # the mail host still serves the old one
    lab.certificate.install(lab.issued)
    assert faults.broken(lab) == ()
    await faults.break_(lab, "certificate-expired")
    assert faults.broken(lab) == ("certificate-expired",)
    await faults.heal(lab)
    assert faults.broken(lab) == ()
