"""An estate with nothing wrong in it is well: from the machines themselves, and by every way in to them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from console.model import HOPS
from tests.reallab import inside, warden
from tests.reallab.lab import RealLab
from tests.reallab.sweeping import check, found, look, observed, outcomes, site


async def test_nothing_is_found_where_nothing_is_broken(lab: RealLab, tmp_path: Path) -> None:
    sweeps = await look(inside.hosts(lab), tmp_path)
    assert sweeps.findings is not None
    assert (found(sweeps), sweeps.findings.verdict) == ([], "well")
    assert {reading.outcome for reading in sweeps.readings.values()} == {"ok"}
    assert len(sweeps.readings) == 25


@pytest.mark.parametrize("way", ["jump", "cow"])
def test_a_well_estate_is_well_by_every_way_in(lab: RealLab, way: str) -> None:
    status, answer = check(lab, site(lab, way))
    assert (status, answer["verdict"], observed(answer)) == (0, "well", [])
    for hop in HOPS:
        assert set(outcomes(answer, hop).values()) == {"ok"}


def test_where_sudo_wants_a_password_and_nobody_is_there_to_give_it_that_is_said(lab: RealLab) -> None:
    status, answer = check(lab, site(lab, "ox"))
    assert answer["cause"] == "could not look into HAProxy: sudo on vps wants a password; only the screens ask for it"
    assert (status, answer["verdict"], observed(answer)) == (0, "well", [])
    for hop in HOPS:
        unasked = dict.fromkeys((25, 465, 993, 4190), "unknown") if hop == "haproxy" else {}
        assert outcomes(answer, hop) == dict.fromkeys((25, 465, 993, 4190, 443), "ok") | unasked


def sweep_answering(lab: RealLab, way: str, answer: str) -> dict[str, Any]:
    argv = [sys.executable, "-m", "tests.reallab.answering", f"/root/site/{site(lab, way)}", answer]
    done = lab.run("oper", ["env", "-C", str(warden.PROJECT), *argv], timeout=60)
    assert done.stderr == ""
    told: dict[str, Any] = json.loads(done.stdout)
    return told


@pytest.mark.parametrize(("answer", "told"), [("moo", ["ok", "L4OK"]), ("woof", ["unknown", "not asked"])])
def test_a_password_for_sudo_is_asked_once_a_host_and_opens_haproxys_socket_when_it_is_right(
    lab: RealLab, answer: str, told: list[str]
) -> None:
    swept = sweep_answering(lab, "ox", answer)
    assert sorted(swept["asked"]) == ["sudo:mailcow", "sudo:vps"]
    assert swept["words"]["25/smtp haproxy"] == told
    assert answer not in json.dumps(swept["log"])
    assert lab.read("vps", "/var/log/lab/auth.log").count("incorrect password") <= 1
