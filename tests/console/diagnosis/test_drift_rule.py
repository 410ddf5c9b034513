"""What CH023 says of each difference, where it leads, and which lanes it is joined to."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from console.diagnosis.rule import Observed
from console.diagnosis.rules.drift import config_drift
from console.model import Finding, HopName, Outcome, Reading, Span, Topology
from console.observation import Drifted, LaneData, SweepData
from tests.console.diagnosis.cases import a_lane, certificate, ladder

FILE, VPS = "haproxy.cfg", "/etc/haproxy/haproxy.cfg"
DIFFERS = Drifted(FILE, "vps", VPS, Span(FILE, 7), "file", 2, diff=("-a", "+b"))
ABSENT = Drifted("fstab", "mail", "/etc/fstab", Span("fstab", 1), "file", 0)
RUNS_OTHER = Drifted(FILE, "vps", VPS, Span(FILE, 7), "running", 1, diff=("-imaps",))
GONE = replace(RUNS_OTHER, gone=("imaps",))


def found(
    *drifted: Drifted, readings: tuple[tuple[str, HopName, str], ...] = (), public: tuple[str, ...] = ("ok",)
) -> list[Finding]:
    """Ask the rule of these differences; `public` is how each public address of 993 (frontend imaps) answers."""
    lane = a_lane(993, "v2", 10993)
    addresses = {f"203.0.113.{n}": ladder(word, f"203.0.113.{n}", 993, "imaps", None, certificate(60))
                 for n, word in enumerate(public)}  # fmt: skip
    seen = SweepData(Topology(lanes=(lane,)), {lane.id: LaneData(lane, addresses)}, drifted=drifted)
    outcome: Outcome = "failed"
    told = {(lane, hop): Reading(lane, hop, "vps", outcome, word) for lane, hop, word in readings}
    return list(config_drift(Observed(seen, told)))


SAID = {
    DIFFERS: (
        "haproxy.cfg is not what vps has at /etc/haproxy/haproxy.cfg: 2 lines differ",
        "cowhand drift shows it; apply the repository's file, or adopt the host's",
    ),
    replace(DIFFERS, lines=1): (
        "haproxy.cfg is not what vps has at /etc/haproxy/haproxy.cfg: 1 line differs",
        "cowhand drift shows it; apply the repository's file, or adopt the host's",
    ),
    ABSENT: (
        "fstab is not on mail: nothing is at /etc/fstab",
        "cowhand drift shows it; apply the repository's file",
    ),
    RUNS_OTHER: (
        "HAProxy on vps does not run what /etc/haproxy/haproxy.cfg says: servers or listeners differ",
        "cowhand drift shows it; check /etc/haproxy/haproxy.cfg with haproxy -c, then reload HAProxy on vps",
    ),
    GONE: (
        "HAProxy on vps does not run what /etc/haproxy/haproxy.cfg says: imaps is not among it",
        "cowhand drift shows it; check /etc/haproxy/haproxy.cfg with haproxy -c, then reload HAProxy on vps",
    ),
    replace(RUNS_OTHER, gone=("imaps", "smtp")): (
        "HAProxy on vps does not run what /etc/haproxy/haproxy.cfg says: imaps and smtp are not among it",
        "cowhand drift shows it; check /etc/haproxy/haproxy.cfg with haproxy -c, then reload HAProxy on vps",
    ),
}


@pytest.mark.parametrize("drifted", SAID, ids=lambda each: f"{each.kind}-{each.lines}-{len(each.gone)}")
def test_a_difference_is_said_with_its_remedy(drifted: Drifted) -> None:
    (told,) = found(drifted)
    assert (told.summary, told.remedy) == SAID[drifted]
    assert (told.observed, told.evidence, told.where) == (True, drifted.diff, drifted.place)
    assert told.hop == ("haproxy" if drifted.kind == "running" else None)


@pytest.mark.parametrize(
    ("drifted", "public", "told"),
    [
        (GONE, ("refused",), 0),  # its port refuses: CH021 says that already
        (GONE, ("ok", "refused"), 0),  # on one of the two addresses
        (GONE, ("ok",), 1),
        (GONE, ("silent",), 1),
        (replace(GONE, lines=2), ("refused",), 1),  # something else differs too
        (replace(GONE, gone=("other",)), ("refused",), 1),  # no lane goes through it
        (replace(GONE, gone=("imaps", "other"), lines=2), ("refused",), 1),
        (replace(RUNS_OTHER, lines=0), ("refused",), 1),  # the same lines in another order: none is gone
        (ABSENT, ("refused",), 1),
    ],
)
def test_a_listener_that_is_gone_is_left_to_the_lane_that_refuses(
    drifted: Drifted, public: tuple[str, ...], told: int
) -> None:
    assert len(found(drifted, public=public)) == told


LANE = "993/imaps"
ABSENT_SERVER = (LANE, "haproxy", "absent")


@pytest.mark.parametrize(
    ("drifted", "reading", "lanes"),
    [
        (DIFFERS, ABSENT_SERVER, (LANE,)),  # what HAProxy does not know is left out by the file it runs
        (DIFFERS, (LANE, "haproxy", "down"), ()),
        (DIFFERS, (LANE, "vm", "absent"), ()),
        (ABSENT, ABSENT_SERVER, ()),  # another file says nothing of HAProxy's servers
    ],
)
def test_a_server_that_haproxy_does_not_know_is_joined_to_the_file_that_differs(
    drifted: Drifted, reading: tuple[str, HopName, str], lanes: tuple[str, ...]
) -> None:
    (told,) = found(drifted, readings=(reading,))
    assert told.lanes == lanes
    assert told.hop == ("haproxy" if lanes else None)
