"""The real console on the real lab, as an operator lives with it: silent while nothing changes, quick when it does."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.anchors.terminal import Terminal

pytestmark = pytest.mark.slow

COWHAND = [sys.executable, "-m", "console"]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A running lab of a name of its own."""
    home = tmp_path_factory.mktemp("home")
    given = {f"XDG_{name}_HOME": str(home / name) for name in ("STATE", "CACHE", "CONFIG")}
    given["COWHAND_LAB"] = f"live-{os.getpid()}"
    cowhand(given, "lab", "up")
    yield given
    cowhand(given, "lab", "down")


def cowhand(environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COWHAND, *words], env={**os.environ, **environment}, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture(params=[(80, 24), (200, 50)], ids=["80x24", "200x50"])
def console(request: pytest.FixtureRequest, environment: dict[str, str]) -> Iterator[Terminal]:
    columns, rows = request.param
    terminal = Terminal([*COWHAND, "--lab", "--every", "2"], columns=columns, rows=rows, environment=environment)
    terminal.wait("5 of 5 lanes well")
    terminal.settle(1.0)
    yield terminal
    cowhand(environment, "lab", "heal")
    terminal.close()


def test_while_nothing_changes_three_sweeps_send_nothing_but_other_latencies(console: Terminal) -> None:
    console.settle(5.0)  # what was slow while the console started is told within the next two sweeps
    before = console.total()
    console.settle(gap=7.0, timeout=7.5)
    for frame in console.frames(before):
        assert frame.only_latencies, "\n".join(part for row in frame.rows for part in row)
        assert frame.size <= 250 * len(frame.rows)


def test_a_break_shows_with_its_cause_and_heals(console: Terminal, environment: dict[str, str]) -> None:
    before = console.settle(1.0)
    cowhand(environment, "lab", "break", "dovecot-untrusted-proxy")
    console.wait(lambda text: "Dovecot does not trust the proxy 10.10.10.1" in text and text.count("untrusted") >= 2)
    console.settle(2.5)
    told = [frame.size for frame in console.frames(before) if not frame.only_latencies]
    assert told
    assert max(told) <= 1500, "how many drawings it takes depends on when each daemon is asked; each one is small"
    cowhand(environment, "lab", "heal")
    console.wait("5 of 5 lanes well")


def test_a_cut_tunnel_is_one_sentence_and_a_red_column(console: Terminal, environment: dict[str, str]) -> None:
    cowhand(environment, "lab", "break", "tunnel-cut")
    console.wait("tunnel: no answer from 10.10.10.214 to vps, every lane")
    console.wait(lambda text: text.count("✗ no answer") >= 5)


def well(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """The first check after a fault that finds nothing wrong any more."""
    for _ in range(30):
        done = cowhand(environment, "--lab", "check", "--json", "--once")
        if done.returncode == 0:
            return done
    raise AssertionError(done.stdout)


def test_heal_says_what_was_healed_and_what_was_not_broken(environment: dict[str, str]) -> None:
    for fault in ("listener-down", "disk-held"):
        cowhand(environment, "lab", "break", fault)
    told = [cowhand(environment, "lab", "heal", *named).stderr for named in (["disk-held"], ["disk-held"], [], [])]
    assert told == [
        "healed: disk-held; the VM's disks and files are as they were when the lab started\n",
        "disk-held was not broken\n",
        "healed: listener-down\n",
        "nothing was broken\n",
    ]


def test_check_without_screens_gives_verdict_hop_and_finding(environment: dict[str, str]) -> None:
    import json

    expected = json.loads(cowhand(environment, "lab", "break", "--list", "--json").stdout)
    assert len(expected) >= 7
    for fault in expected:
        cowhand(environment, "lab", "break", fault["fault"])
        done = cowhand(environment, "--lab", "check", "--json", "--once")
        cowhand(environment, "lab", "heal")
        told = json.loads(done.stdout)
        observed = {finding["id"] for finding in told["findings"] if finding["observed"]}
        hops = {hop["hop"] for lane in told["lanes"] for hop in lane["hops"] if hop["outcome"] == fault["outcome"]}
        assert observed == {fault["finding"]}, fault
        assert fault["hop"] in hops, fault
        assert done.returncode == (2 if fault["outcome"] == "failed" else 1), fault
        calm = well(environment)  # HAProxy may call a server down for some seconds after the tunnel is whole again
    assert {"CH004", "CH006"} <= {finding["id"] for finding in json.loads(calm.stdout)["findings"]}
    assert Path(environment["XDG_STATE_HOME"]).exists() is False
