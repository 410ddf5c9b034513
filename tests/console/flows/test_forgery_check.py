"""Whose forged header is believed, on the shipped lab, well and with faults."""

from __future__ import annotations

import pytest

from console.diagnosis.sightings import plain
from console.flows.asking import Log
from console.flows.forgery_check import CLAIMS, Port, Tried, Vantage, faults, judge
from console.lab.client import Lab
from console.probes.knock import Knock, Told
from tests.console.flows.test_prove_client_address import lab, run_flow, told  # noqa: F401

KNOCK = Knock("here", "10.10.10.214", 10465, "smtps", "recipient", "cowhand-x-1", tls=True, claim=(CLAIMS[4], 20001))


@pytest.mark.slow
def test_nobody_but_the_proxy_is_believed_and_what_the_vm_itself_may_do_is_told(
    told: Lab,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    status, steps, end = run_flow(capsys, "forgery-check")
    assert (status, end["outcome"]) == (0, "done")
    assert "no forged header is believed from this machine (here)" in str(end["words"])
    assert str(steps["from mailcow"]["words"]).startswith("the VM itself (mailcow) is believed on 10025, ")
    assert steps["from here"]["state"] == "so"
    assert steps["from vps"]["state"] == "so"
    assert "192.0.2.77" in str(steps["from vps"]["evidence"])
    assert steps["queue"]["state"] == "so"


@pytest.mark.slow
def test_a_proxy_that_is_shut_out_is_named(
    told: Lab,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    told.break_("dovecot-untrusted-proxy")
    _, steps, end = run_flow(capsys, "forgery-check")
    assert "the proxy is shut out of" in str(steps["from vps"]["words"])
    assert "CH001" in str(end["words"])


PORT = Port("10.10.10.214", 10465, "smtps", True, "postfix-mailcow")


@pytest.mark.parametrize(
    ("vantage", "tried", "bad"),
    [
        (Vantage("here", "h"), Tried("believed", ""), True),
        (Vantage("here", "h"), Tried("turned away", ""), False),
        (Vantage("mail", "m", within=True), Tried("believed", ""), False),
        (Vantage("mail", "m", within=True), Tried("believed", "", (), "CH007"), True),
        (Vantage("vps", "v", True), Tried("believed", ""), False),
        (Vantage("vps", "v", True), Tried("turned away", ""), True),
    ],
)
def test_a_stranger_that_is_believed_and_a_proxy_that_is_not_are_faults(
    vantage: Vantage, tried: Tried, bad: bool
) -> None:
    assert faults(vantage, {PORT: tried}) == ([PORT] if bad else [])


@pytest.mark.parametrize(
    ("told_", "state"),
    [
        (Told(KNOCK, 0.0, answer="554 5.7.1 <unknown[192.0.2.77]>: Client host rejected"), "believed"),
        (Told(KNOCK, 0.0, answer="554 5.7.1 <unknown[198.51.100.77]>: Client host rejected"), "turned away"),
        (Told(KNOCK, 0.0, answer="250 2.1.5 Ok"), "believed"),
        (Told(KNOCK, 0.0, "tls", "TLS failed: wrong version number"), "turned away"),
        (Told(KNOCK, 0.0, "refused", "10.10.10.214:10465 refused the connection"), "unanswered"),
        (Told(KNOCK, 0.0, "timeout", "no answer"), "unanswered"),
    ],
)
def test_a_forged_header_is_judged_by_what_came_of_it(told_: Told, state: str) -> None:
    assert judge(told_, Log()).state == state


def away(*peers: str) -> Log:
    """Dovecot's log of whom it turned away, the oldest first."""
    words = "Nov 27 22:31:53 ca52449071c5 dovecot: imap-login: Warning: haproxy: Client not trusted (rip={})"
    return Log(tuple(words.format(peer) for peer in peers))


@pytest.mark.parametrize(
    ("local", "log", "peer"),
    [
        ("10.10.10.20", away("10.10.10.20", "10.10.10.214"), "10.10.10.20"),
        ("10.10.10.20", away("10.10.10.214"), ""),
        ("10.10.10.20", away("172.22.1.1", "10.10.10.214"), "172.22.1.1"),
        ("10.10.10.20", away("172.22.1.1", "10.10.10.9"), ""),
        ("", away("172.22.1.1"), "172.22.1.1"),
        ("", away(), ""),
    ],
    ids=["its own address", "another's alone", "rewritten", "either of two", "not known", "no line"],
)
def test_only_a_line_about_this_machine_says_that_dovecot_does_not_trust_it(local: str, log: Log, peer: str) -> None:
    knock = Knock("here", "10.10.10.214", 10993, "imaps", "greeting", "n", tls=True)
    told_ = Told(knock, 0.0, "closed", "closed in the TLS handshake", local=(local, 40000) if local else None)
    tried = judge(told_, log, frozenset({"10.10.10.214"}))
    assert (tried.state, tried.id) == ("turned away", "CH001" if peer else "")
    assert tried.evidence == tuple(f"log: {line}" for line in log.lines if f"rip={peer})" in line)


def test_the_claims_are_addresses_that_nobody_has() -> None:
    assert all(plain(each) == each for each in CLAIMS.values())
