"""One look at the real lab: by a sweep with sockets on its machines, and by `cowhand check` as an operator does."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from console.engine.sweeps import Sweeps
from console.hosts.host import Host
from console.model import Role
from tests.reallab import inside
from tests.reallab.lab import RealLab

COWHAND = str(Path(sys.executable).with_name("cowhand"))
EXIT = {"well": 0, "degraded": 1, "down": 2, "unknown": 3}


WAYS = {
    "jump": {'"mailcow"': '"mailcow-jump"'},
    "cow": {'"vps"': '"vps-cow"\nbecome = "sudo"', '"mailcow"': '"mailcow-cow"\nbecome = "sudo"'},
    "ox": {'"vps"': '"vps-ox"\nbecome = "sudo"', '"mailcow"': '"mailcow-ox"\nbecome = "sudo"'},
}
"""Other ways in than root's own: through a jump host, and as users whose sudo wants no password (cow) or one (ox)."""


def site(lab: RealLab, way: str) -> str:
    """Write the operator's site file for a way in; returns its name."""
    text = lab.read("oper", "/root/site/site.toml")
    for before, after in WAYS[way].items():
        text = text.replace(f"ssh = {before}", f"ssh = {after}")
    lab.write("oper", f"/root/site/{way}.toml", text)
    return f"{way}.toml"


def check(lab: RealLab, site: str = "site.toml") -> tuple[int, dict[str, Any]]:
    """Status and answer of `cowhand check --json` on the operator's machine; it narrates only what it could not see."""
    done = lab.run("oper", [COWHAND, "--site", f"/root/site/{site}", "check", "--json"], timeout=60)
    answer: dict[str, Any] = json.loads(done.stdout)
    cause = answer["cause"] or ""
    said = done.stderr.strip()
    # Where something else is the cause, that a host could not be asked is said all the same.
    other = said.startswith("could not look from ") and "\n" not in said
    unseen = cause.startswith("could not look") or "nothing was asked from there" in cause
    assert other or said == (cause if unseen else ""), (said, cause)
    return done.returncode, answer


def observed(answer: dict[str, Any]) -> list[str]:
    """The ids of what `check` found by looking; on a busy machine the look at stored certificates may end too late."""
    return [finding["id"] for finding in answer["findings"] if finding["observed"] and finding["id"] != "CH088"]


def outcomes(answer: dict[str, Any], hop: str) -> dict[int, str]:
    """What `check` says of a hop, by public port."""
    return {lane["port"]: each["outcome"] for lane in answer["lanes"] for each in lane["hops"] if each["hop"] == hop}


async def look(hosts: Mapping[Role, Host], folder: Path, haproxy: str = "") -> Sweeps:
    """One sweep over either lab."""
    sweeps = Sweeps(inside.estate(folder, haproxy).topology, hosts, {}, lambda event: None)
    await sweeps.sweep()
    return sweeps


def found(sweeps: Sweeps) -> list[str]:
    """The ids of what a sweep found."""
    assert sweeps.findings is not None
    return [finding.id for finding in sweeps.findings.findings]
