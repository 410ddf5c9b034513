"""Recordings of flows on the lab for the pictures: `python -m tests.screens.flow_recorder`.

For every flow one file: the events of a dry run, and those of the run, word for word but the time."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from console.events import ActionBegan, ActionEnded, FlowEvent
from tests.screens.stage import START

FOLDER = Path(__file__).with_name("runs")
FLOWS = {"proxy-override": (True, {}), "rotate-certificate": (False, {"renew": "yes"})}
"""Flow → whether the lab begins half-way, and the answers."""


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


async def record(name: str, half_way: bool, answers: dict[str, str], folder: Path) -> Recorded:
    """Plan and run a flow on a lab of its own."""
    from console.estate.load import load
    from console.flows import StepContext, registry
    from console.lab.client import Lab
    from console.lab.plan import site_file
    from console.runner.session import Session
    from tests.console.flows.walking import agree

    lab = Lab.start_private(seed=half_way)
    try:
        lab.wait()
        hosts = lab.hosts()

        async def run(which: str, dry: bool) -> tuple[FlowEvent, ...]:
            heard: list[FlowEvent] = []
            world = StepContext(
                load(site_file()), {role: hosts[role] for role in ("mail", "proxy", "here")}, {}, answers
            )
            ending = await Session(registry.find(which), world, agree, heard.append, None if dry else folder).run()
            assert ending.outcome == ("planned" if dry else "done"), ending.words
            began = heard[0].at  # type: ignore[union-attr]
            return tuple(
                replace(event, at=event.at - began + START + 300) if hasattr(event, "at") else event for event in heard
            )

        if not half_way:
            await run("certificate-sync", False)
        return Recorded(await run(name, True), await run(name, False))
    finally:
        lab.close()


def main() -> None:
    """Record all."""
    FOLDER.mkdir(exist_ok=True)
    for name, (half_way, answers) in FLOWS.items():
        with tempfile.TemporaryDirectory() as folder:
            made = asyncio.run(record(name, half_way, dict(answers), Path(folder)))
        (FOLDER / f"{name}.json").write_bytes(msgspec.json.format(msgspec.json.encode(made), indent=1) + b"\n")
        print(name, len(made.plan), len(made.run))


if __name__ == "__main__":
    main()
