"""The lanes of mail as a flow sees them, before and after a change: what was well must be well again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from console.diagnosis.judge import verdict
from console.hosts.host import Host
from console.model import Outcome, Reading, Role, Topology, Verdict

if TYPE_CHECKING:
    from console.engine.vantages import Vantages
    from console.runner.context import StepContext

OUTCOMES: dict[Verdict, Outcome] = {"well": "ok", "degraded": "degraded", "down": "failed", "unknown": "unknown"}


def attach(context: StepContext, vantages: Vantages) -> None:
    """Let a flow see the lanes of its estate, as the files and the ways in are at that moment."""

    async def lanes() -> Sequence[tuple[str, Outcome]]:
        return await look(context.estate.topology, vantages.hosts, vantages.missing)

    context.lanes = lanes


async def look(
    topology: Topology, hosts: Mapping[Role, Host], missing: Mapping[Role, str]
) -> tuple[tuple[str, Outcome], ...]:
    """Probe every lane once; returns each lane's identity and how it is as a whole."""
    from console.engine.sweeps import Sweeps

    sweeps = Sweeps(topology, hosts, missing, lambda event: None)
    await sweeps.sweep()
    found: dict[str, list[Reading]] = {}
    for reading in sweeps.readings.values():
        found.setdefault(reading.lane, []).append(reading)
    return tuple((lane, OUTCOMES[verdict(readings)]) for lane, readings in found.items())
