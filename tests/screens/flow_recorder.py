"""Recordings of flows on the lab for the pictures: `python -m tests.screens.flow_recorder`.

For every flow one file: the events of a dry run, and those of the run, word for word but the time."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from console.events import ActionBegan, ActionEnded, FlowEvent
from tests.screens.stage import START

FOLDER = Path(__file__).with_name("runs")
Setup = Literal["half-way", "whole", "empty"]
"""How a lab begins: an empty one has its volumes mounted, a whole one certificate-sync."""

FLOWS: dict[str, tuple[Setup, dict[str, str]]] = {
    "install-mailcow": ("empty", {"zone": "Europe/Berlin"}),
    "proxy-override": ("half-way", {}),
    "rotate-certificate": ("whole", {"renew": "yes"}),
}
"""Flow → how the lab begins, and the answers."""

VOLUMES = ("mailcow_opt", "mailcow_var_lib_docker")
BEFORE: dict[Setup, str] = {"whole": "certificate-sync", "empty": "mount-volumes"}
"""What is run first."""


class Recorded(Struct, frozen=True):
    """What a flow told: `plan` in a dry run, `run` while it made its changes."""

    plan: tuple[FlowEvent, ...]
    run: tuple[FlowEvent, ...]

    @property
    def half(self) -> tuple[FlowEvent, ...]:
        """The run up to the command that took longest: it is under way."""
        ended = max((event for event in self.run if isinstance(event, ActionEnded)), key=lambda event: event.seconds)
        began = [event for event in self.run if isinstance(event, ActionBegan) and event.at <= ended.at]
        return self.run[: self.run.index(began[-1]) + 1]


def read(name: str) -> Recorded:
    """Return the recording of a flow."""
    return msgspec.json.decode((FOLDER / f"{name}.json").read_bytes(), type=Recorded)


async def record(name: str, setup: Setup, answers: dict[str, str], folder: Path) -> Recorded:
    """Plan and run a flow on a lab of its own."""
    from console.estate.load import load
    from console.flows import StepContext, registry
    from console.lab.client import Lab
    from console.lab.plan import site_file
    from console.runner.session import Session
    from tests.console.flows.walking import agree

    lab = Lab.start_private(seed=setup == "half-way", empty=setup == "empty")
    try:
        lab.wait()
        hosts = lab.hosts()

        async def run(which: str, dry: bool) -> tuple[FlowEvent, ...]:
            heard: list[FlowEvent] = []
            machines = {role: hosts[role] for role in ("mail", "proxy", "here")}
            world = StepContext(load(site_file()), machines, {}, answers, VOLUMES)
            ending = await Session(registry.find(which), world, agree, heard.append, None if dry else folder).run()
            assert ending.outcome == ("planned" if dry else "done"), ending.words
            began = heard[0].at  # type: ignore[union-attr]
            return tuple(
                replace(event, at=event.at - began + START + 300) if hasattr(event, "at") else event for event in heard
            )

        if setup in BEFORE:
            await run(BEFORE[setup], False)
        return Recorded(await run(name, True), await run(name, False))
    finally:
        lab.close()


def main() -> None:
    """Record all."""
    FOLDER.mkdir(exist_ok=True)
    for name, (setup, answers) in FLOWS.items():
        with tempfile.TemporaryDirectory() as folder:
            made = asyncio.run(record(name, setup, dict(answers), Path(folder)))
        (FOLDER / f"{name}.json").write_bytes(msgspec.json.format(msgspec.json.encode(made), indent=1) + b"\n")
        print(name, len(made.plan), len(made.run))


if __name__ == "__main__":
    main()
