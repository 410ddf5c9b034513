"""What is proven of whom a server saw, on the shipped lab, well and with faults."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from console.__main__ import main
from console.flows import asking
from console.lab.client import Lab
from tests.console.lab.conftest import lab  # noqa: F401

pytestmark = pytest.mark.slow


@pytest.fixture
def told(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:  # noqa: F811
    """The lab is found by its name."""
    monkeypatch.setenv("COWHAND_LAB", lab.name)
    monkeypatch.setattr(asking, "PAUSE", 0.05)
    yield lab
    lab.heal()


Ran = tuple[int, dict[str, dict[str, object]], dict[str, object]]


def prove(capsys: pytest.CaptureFixture[str]) -> Ran:
    """Run the flow."""
    return run_flow(capsys, "prove-client-address")


def run_flow(capsys: pytest.CaptureFixture[str], name: str) -> Ran:
    """Status, the last word on each step, and the end."""
    status = main(["--lab", "flow", name, "--yes", "--json"])
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    names = [step[0] for step in events[0]["steps"]]
    return status, {names[each["step"]]: each for each in events if each["event"] == "step"}, events[-1]


def test_every_lane_of_a_well_estate_is_proven_over_both_families(
    told: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    status, steps, end = prove(capsys)
    assert (status, end["outcome"]) == (0, "done")
    assert end["words"] == (
        "the server sees the real client: 6 of 10 answers prove it, 4 more likely so: Dovecot's log has no session="
    )
    rows = "\n".join(str(row) for row in steps["port 25"]["evidence"])  # type: ignore[attr-defined]
    assert "IPv4: the server saw 198.51.100.77:" in rows
    assert "IPv6: the server saw [2001:db8:77::77]:" in rows
    assert "CONNECT from [198.51.100.77]:" in rows
    assert steps["port 465"]["words"] == "proven over IPv4 and proven over IPv6"
    assert steps["port 993"]["words"] == "likely over IPv4 and likely over IPv6"
    assert steps["port 443"]["words"] == "proven over IPv4 and proven over IPv6"
    assert steps["queue"]["words"] == "the queue is unchanged: 0 messages before and after"


def test_a_proxy_that_dovecot_does_not_trust_is_named(told: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    told.break_("dovecot-untrusted-proxy")
    status, steps, end = prove(capsys)
    assert (status, end["outcome"]) == (1, "failed")
    assert "Dovecot does not trust 10.10.10.1" in str(steps["port 993"]["words"])
    assert "CH001" in str(end["words"])
    assert steps["port 25"]["state"] == "so"


def test_where_no_header_is_sent_that_is_said(told: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    told.break_("proxy-header-missing")
    status, steps, end = prove(capsys)
    assert (status, end["outcome"]) == (1, "failed")
    assert "CH002" in str(steps["port 25"]["words"])
    assert steps["port 443"]["state"] == "so"


def test_what_the_log_said_before_the_first_question_is_not_about_it(
    told: Lab, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "MARGIN", 600.0)
    told.break_("dovecot-untrusted-proxy")
    assert "Dovecot does not trust 10.10.10.1" in str(prove(capsys)[1]["port 993"]["words"])
    told.heal()
    assert prove(capsys)[0] == 0
    told.break_("proxy-header-missing")
    _, steps, _ = prove(capsys)
    assert "does not trust" not in f"{steps['port 993']['words']} {steps['port 4190']['words']}"


def test_nothing_is_asked_for_a_plan(told: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["--lab", "flow", "prove-client-address", "--plan"])
    out = capsys.readouterr().out
    assert (status, "never DATA" in out, "the server saw" in out) == (0, True, False)
