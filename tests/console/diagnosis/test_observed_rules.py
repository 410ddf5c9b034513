"""What a sweep saw that is a fact by itself: certificates, full disks, a name without IPv4, a check that will fail."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from console.answers import Disk, Server, Stats
from console.diagnosis.rule import Observed
from console.diagnosis.rules import observed
from console.ladders import Ladder, ProbeTarget
from console.model import Bind, Finding, Lane, Span, Topology
from console.observation import LaneData, SweepData
from tests.console.diagnosis.cases import NOW, a_lane, certificate

IMAPS, SIEVE, SMTP = a_lane(993, "v2", 10993), a_lane(4190, "v2", 14190), a_lane(25, "v2", 10025)
WEB = replace(IMAPS, name="https", port=443, protocol="https", tls="terminated")


def ask(rule: str, *lanes: LaneData, **parts: object) -> list[Finding]:
    topology = Topology(lanes=tuple(each.lane for each in lanes), public=("2001:db8::1", "mail.example.org"))
    by_id = {each.lane.id: each for each in lanes}
    seen = SweepData(topology, by_id, {"here": "laptop", "proxy": "vps", "mail": "box"}, at=NOW, **parts)  # type: ignore[arg-type]
    return list(getattr(observed, rule)(Observed(seen, {})))


def serves(lane: Lane, fingerprint: str = "00", name: str = "mail.example.org") -> LaneData:
    """A lane on whose public addresses a certificate is shown, but for the first, where nobody looked at it."""
    shown = replace(certificate(60), fingerprint=fingerprint)
    targets = [ProbeTarget(f"203.0.113.{n}", lane.port, lane.protocol, name=name) for n in range(2)]
    return LaneData(lane, {
        targets[0].address: Ladder(targets[0], "laptop", done=True),
        targets[1].address: Ladder(targets[1], "laptop", certificate=shown, done=True),
    })  # fmt: skip


@pytest.mark.parametrize(
    ("why", "said"),
    [
        ("self-signed", "it is self-signed"),
        ("its chain is not whole", "its chain is not whole"),
        ("unable to get local issuer certificate", "unable to get local issuer certificate"),
    ],
)
def test_a_certificate_that_is_not_trusted_is_said_with_its_reason(why: str, said: str) -> None:
    (found,) = ask("certificate_untrusted", serves(IMAPS), serves(SIEVE), distrusted={"00": why})
    assert found.summary == f"the certificate that box serves is not trusted here, lanes 993 and 4190: {said}"
    assert (found.id, found.where, found.lanes, found.hop, found.observed) == (
        "CH083", "box", ("993/imaps", "4190/sieve"), "service", True,
    )  # fmt: skip


def test_of_two_certificates_that_are_not_trusted_each_is_told_where_it_is_served() -> None:
    distrusted = {"00": "self-signed", "11": "expired root"}
    found = ask("certificate_untrusted", serves(WEB, "11"), serves(IMAPS), serves(SIEVE), distrusted=distrusted)
    assert [(each.where, each.hop, each.lanes) for each in found] == [
        ("vps", "haproxy", ("443/https",)), ("box", "service", ("993/imaps", "4190/sieve")),
    ]  # fmt: skip
    assert ask("certificate_untrusted", serves(IMAPS), distrusted={"22": "self-signed"}) == []


@pytest.mark.parametrize(
    ("disks", "told", "place"),
    [
        ((Disk("/", 97, 97),), "", ""),
        ((Disk("/", 98, 0),), "/ (98%)", "/"),
        ((Disk("/", 10, 98),), "/ (98% of its inodes)", "/"),
        ((Disk("/", 97, 100),), "/ (100% of its inodes)", "/"),
        ((Disk("/a b;$(id)", 99, 0),), "/a b;$(id) (99%)", "'/a b;$(id)'"),
        ((Disk("/", 10, 10), Disk("/var", 100, 99), Disk("/srv", 99, 1)), "/var (100%) and /srv (99%)", "/var"),
    ],
)
def test_a_disk_is_full_from_98_percent_of_bytes_or_inodes(disks: tuple[Disk, ...], told: str, place: str) -> None:
    found = ask("disk_full", disks=disks)
    assert [each.summary for each in found] == (
        [f"no room on box: {told}: mail may be refused or lost"] if told else []
    )
    for each in found:
        assert (each.where, each.hop, each.observed) == ("box", "service", True)
        assert each.remedy == f"make room on box: du -x {place} tells where it went"


V4, V6 = Bind("0.0.0.0", 993, Span("haproxy.cfg", 1)), Bind("::", 993, Span("haproxy.cfg", 2))


@pytest.mark.parametrize(
    ("addresses", "binds", "missing"),
    [
        (("2001:db8::1",), (V4,), True),
        (("2001:db8::1", "2001:db8::2"), (V6, V4), True),
        (("2001:db8::1", "203.0.113.1"), (V4,), False),
        (("2001:db8::1",), (V6,), False),  # nobody is to come over IPv4
        ((), (V4,), False),  # the name gave nothing at all: that is another finding
    ],
)
def test_a_name_without_ipv4_is_told_where_haproxy_listens_on_ipv4(
    addresses: tuple[str, ...], binds: tuple[Bind, ...], missing: bool
) -> None:
    public = {each: Ladder(ProbeTarget(each, 993, "imaps"), "laptop", done=True) for each in addresses}
    found = ask("name_without_ipv4", LaneData(replace(IMAPS, binds=binds), public))
    assert [(each.where, each.lanes, each.hop, each.observed) for each in found] == (
        [("laptop", ("993/imaps",), "public", True)] if missing else []
    )
    assert all(each.summary.startswith("mail.example.org has no IPv4 address here") for each in found)


def test_where_addresses_are_given_in_place_of_a_name_no_record_is_missing() -> None:
    public = {"2001:db8::1": Ladder(ProbeTarget("2001:db8::1", 993, "imaps"), "laptop", done=True)}
    lane = LaneData(replace(IMAPS, binds=(V4,)), public)
    seen = SweepData(Topology(lanes=(lane.lane,), public=("2001:db8::1",)), {lane.lane.id: lane})
    assert list(observed.name_without_ipv4(Observed(seen, {}))) == []


UP = Server("smtp", "mailcow", "UP", "L7OK", "2.0.0 Bye")


@pytest.mark.parametrize(
    ("server", "screened", "told"),
    [
        (UP, True, True),
        (replace(UP, last="bye"), True, True),
        (replace(UP, last="220 goodbye"), True, False),
        (replace(UP, status="DOWN"), True, False),
        (replace(UP, check="L4OK"), True, False),
        (UP, False, False),  # smtpd without postscreen shows no teaser
    ],
)
def test_smtpchk_passes_only_while_postscreen_remembers(server: Server, screened: bool, told: bool) -> None:
    lane = SMTP if screened else replace(SMTP, service="other")
    found = ask("smtpchk_passes", LaneData(IMAPS), LaneData(lane), stats=Stats((server,)))
    assert [(each.id, each.severity, each.hop, each.lanes) for each in found] == (
        [("CH005", "medium", "haproxy", ("25/smtp",))] if told else []
    )
    assert ask("smtpchk_passes", LaneData(lane)) == []
