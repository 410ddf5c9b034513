"""A sweep is a good guest: it gets nobody banned, and leaves few lines in anybody's log."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.reallab.addresses import Machine
from tests.reallab.lab import RealLab

SWEEPS = 200
ROOT = Path(__file__).parents[2]

BANS = {
    "the web interface": r"mailcow UI: Invalid password",
    "rspamd's interface": r"Rspamd UI: Invalid password",
    "a failed SMTP login": r"warning: .*SASL .+ authentication failed",
    "commands that are not SMTP": r"warning: non-SMTP command",
    "a protocol error at RCPT": r"NOQUEUE: reject: RCPT .+Protocol error",
    "a wrong password": r"Password mismatch|auth failed",
    "an unknown user": r"unknown user",
    "a disallowed login": r"tried to use disallowed",
    "SOGo": r"SOGo.+ Login from|GET /SOGo/.* 403 ",
}
"""What netfilter-mailcow bans for (its nine default rules and the wording of older releases), each a little wider."""

COMPLAINTS = re.compile(r"PREGREET|DNSBL|SSL_accept error|lost connection|improper command|haproxy: ")
"""What is no reason for a ban, and no good manners either."""


def lines(lab: RealLab, machine: Machine) -> list[str]:
    """Every line of every log of a machine."""
    return lab.do(machine, "sh", "-c", "cat /var/log/lab/*.log 2>/dev/null || :").splitlines()


@pytest.fixture
def lab() -> Iterator[RealLab]:
    """A lab that was never broken: what a fault leaves in the logs later is not ours."""
    fresh = RealLab(f"cowguest{os.getpid()}")
    fresh.up()
    yield fresh
    fresh.down()


@pytest.mark.slow
def test_two_hundred_sweeps_match_no_ban_rule_and_leave_few_lines(lab: RealLab) -> None:
    before = {machine: len(lines(lab, machine)) for machine in ("vps", "mailcow")}  # type: ignore[arg-type]
    script = f"cd {ROOT} && exec {sys.executable} -m tests.sweeps /root/site/site.toml {SWEEPS}"
    done = subprocess.run(
        lab.argv("oper", ["sh", "-c", script]), capture_output=True, text=True, timeout=500, check=False
    )
    assert (done.returncode, len(done.stdout.splitlines())) == (0, SWEEPS), done.stderr[-2000:]
    written: dict[str, list[str]] = {
        machine: lines(lab, machine)[count:]  # type: ignore[arg-type]
        for machine, count in before.items()
    }
    for what, pattern in BANS.items():
        assert [line for line in written["mailcow"] if re.search(pattern, line)] == [], what
    impolite = [line for line in written["mailcow"] if COMPLAINTS.search(line)]
    assert impolite == [], impolite[:5]
    each = {machine: len(found) / (SWEEPS + 1) for machine, found in written.items()}
    print(f"log lines a sweep: {each}")
    assert each["mailcow"] <= 60
    assert each["vps"] <= 30
