"""Small flows on this machine, with an operator who is told what to say."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from console.estate.load import load
from console.events import FlowEvent, Prompt
from console.flows import CheckResult, Flow, Plan, Run, Step, StepContext, done, needed
from console.hosts.host import Host
from console.hosts.local import Local
from console.runner.context import Api, Surroundings
from console.runner.ending import Ending
from console.runner.session import Session
from console.runner.state import RunStatus, fold
from console.store import journal

SITE = '[[lane]]\nport = 25\nprotocol = "smtp"\ntarget = "127.0.0.1:25"\n'


class Leave(Step):
    """Leaves a file with a text in it, by a write."""

    def __init__(self, path: Path, text: str = "hello\n", name: str = "leave") -> None:
        self.path, self.text, self.name, self.words = str(path), text, name, f"leave {path.name}"

    async def check(self, context: StepContext) -> CheckResult:
        there = await context.text("here", self.path)
        return done("it is there") if there == self.text else needed("it is not there")

    async def plan(self, context: StepContext) -> Plan:
        return Plan((await context.edit("here", self.path, self.text),), undo="remove it")

    async def undo(self, context: StepContext) -> Plan | None:
        return Plan((Run("here", ("rm", "-f", "--", self.path)),))


class Play:
    """One session and all it told; `say` answers prompts in order, and None when it has nothing more to say."""

    def __init__(
        self,
        root: Path,
        steps: Sequence[Step | Flow],
        say: Sequence[str | None] = (),
        answers: dict[str, str] | None = None,
        destroy: tuple[str, ...] = (),
        dry: bool = False,
        host: Host | None = None,
        name: str = "play",
        undoing: journal.Record | None = None,
        renewal: Callable[[], Awaitable[Surroundings]] | None = None,
        hosts: dict[str, Host] | None = None,
        apis: Mapping[str, Api] | None = None,
    ) -> None:
        (root / "site.toml").write_text(SITE)
        self.folder = journal.place(root / "site.toml")
        known = hosts or {"here": host or Local()}
        self.context = StepContext(load(root / "site.toml"), known, {}, answers, destroy, renewal, apis=apis)
        self.limit = 30.0
        """Seconds after which it is given up."""
        self.words = list(say)
        self.prompts: list[Prompt] = []
        self.events: list[FlowEvent] = []
        self.state: RunStatus | None = None
        self.before: Callable[[Prompt], None] = lambda prompt: None
        flow = Flow(lambda context: steps, name, "a small flow")
        self.session = Session(flow, self.context, self._ask, self._hear, None if dry else self.folder, undoing)

    async def run(self) -> Ending:
        """StepRun it to its end."""
        async with asyncio.timeout(self.limit):
            return await self.session.run()

    @property
    def record(self) -> journal.Record:
        """The journal of the latest run."""
        return journal.runs(self.folder, 1)[0]

    def states(self) -> list[str]:
        """How the steps stand."""
        assert self.state is not None
        return [step.state for step in self.state.steps]

    async def _ask(self, prompt: Prompt) -> str | None:
        self.prompts.append(prompt)
        self.before(prompt)
        return self.words.pop(0) if self.words else None

    def _hear(self, event: FlowEvent) -> None:
        self.events.append(event)
        self.state = fold(self.state, event)
