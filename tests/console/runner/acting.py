"""Runs of one step that does what it is given."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from console.flows import (
    Action,
    CheckResult,
    Plan,
    Step,
    StepContext,
    done,
    needed,
)
from console.hosts.host import Host
from console.runner.ending import Ending
from tests.console.flows.playing import Play


class Doing(Step):
    """Does what it is given; its result is there when a file is."""

    name, words = "doing", "do it"

    def __init__(self, mark: Path, *actions: Action, name: str = "doing") -> None:
        self.mark, self.actions, self.name = mark, actions, name

    async def check(self, context: StepContext) -> CheckResult:
        return done("it is there") if os.path.lexists(self.mark) else needed("it is not there")

    async def plan(self, context: StepContext) -> Plan:
        return Plan(self.actions)


class Ended(Play):
    """A run that has ended."""

    ending: Ending


async def play(
    tmp_path: Path, mark: Path, *actions: Action, say: Sequence[str] = ("yes", "stop"), host: Host | None = None
) -> Ended:
    found = Ended(tmp_path, [Doing(mark, *actions)], say, host=host)
    found.ending = await found.run()
    return found
