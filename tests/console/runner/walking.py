"""One step walked over stand-ins for its hosts and rollbacks, with what the operator says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from console.events import Prompt, StepChanged
from console.runner.context import StepContext
from console.runner.ending import Ended
from console.runner.guard import GuardState
from console.runner.plan import Action, CheckResult, Plan, Rollback, Run, done
from console.runner.progress import Entry
from console.runner.step import Step
from console.runner.step_run import StepRun
from tests.console.runner.doing import Doing, Stand

Said = CheckResult | Exception

TOUCH, MORE = Run("mail", ("touch", "/x")), Run("mail", ("touch", "/y"))


def skipped(words: str) -> CheckResult:
    return CheckResult("skipped", words)


class Scripted(Step):
    """Finds what it is told to find, in order; the last for all that follows."""

    name, words = "second", "make it so"

    def __init__(self, *checks: Said, plan: Plan | None = None, proofs: Sequence[Said] = ()) -> None:
        self.checks, self.proofs = list(checks), list(proofs) or [done("proven", "by this")]
        self.plans: list[Plan | Exception] = [plan or Plan((TOUCH,))]
        self.back: Plan | Exception | None = None

    async def check(self, context: StepContext) -> CheckResult:
        found: CheckResult = self._next(self.checks)
        return found

    async def plan(self, context: StepContext) -> Plan:
        found: Plan = self._next(self.plans)
        return found

    async def verify(self, context: StepContext) -> CheckResult:
        found: CheckResult = self._next(self.proofs)
        return found

    async def undo(self, context: StepContext) -> Plan | None:
        if isinstance(self.back, Exception):
            raise self.back
        return self.back

    def _next(self, script: list[Any]) -> Any:
        said = script.pop(0) if len(script) > 1 else script[0]
        if isinstance(said, Exception):
            raise said
        return said


class Guards:
    """Stands for the rollbacks of a step: host → how each stands, one after the other as it is looked at."""

    def __init__(self, *looks: dict[str, GuardState] | Exception, decider: str = "") -> None:
        self.looks, self.decider = list(looks), decider
        self.states: dict[str, GuardState] = {}
        self.hosts: tuple[str, ...] = ("mail",)

    @property
    def armed(self) -> tuple[str, ...]:
        return tuple(host for host, state in self.states.items() if state.armed)

    @property
    def kept(self) -> bool:
        return self.decider in self.states and self.states[self.decider].word == "kept"

    def name(self, host: str) -> str:
        return "n"

    async def look(self, known: bool = True) -> None:
        found = self.looks.pop(0) if len(self.looks) > 1 else (self.looks or [{}])[0]
        if isinstance(found, Exception):
            if known:
                raise found
            found = {}
        self.states = found

    async def before(self, plan: Plan) -> tuple[Action, ...]:
        return tuple(Run(each.host, ("arm", each.host)) for each in plan.rollbacks)

    async def notes(self, plan: Plan) -> tuple[str, ...]:
        return ("watched",) if plan.rollbacks else ()

    def over(self, rollbacks: Sequence[Rollback]) -> dict[str, tuple[str, str, str]]:
        return {"site-name": ("cow", "p", "n")} if rollbacks else {}


class Walk:
    """One step walked, with what the operator says."""

    def __init__(self, tmp_path: Path, step: Scripted, *words: str | None, answers: Sequence[Any] = ()) -> None:
        self.doing = Doing(tmp_path, Stand(*answers))
        self.progress, self.step = self.doing.progress, step
        self.entry = Entry(("f", "g"), step)
        self.progress.entries = [self.progress.entries[0], self.entry]
        self.words, self.prompts = list(words), list[Prompt]()
        self.progress._operator = self._ask
        self.run = StepRun(self.progress, self.entry)
        self.guards = Guards()

    async def _ask(self, prompt: Prompt) -> str | None:
        self.prompts.append(prompt)
        return self.words.pop(0) if self.words else None

    async def end(self) -> tuple[str, str] | None:
        """Walk; how the run ended by it, None when it goes on."""
        self.run.guards = self.guards  # type: ignore[assignment]
        try:
            await self.run.walk()
        except Ended as ended:
            return ended.ending.outcome, ended.ending.words
        return None

    def states(self) -> list[tuple[str, str]]:
        return [(event.state, event.words) for event in self.doing.told(StepChanged)]

    @property
    def ran(self) -> list[str]:
        return [each.argv[0] if each.argv[0] != "touch" else each.argv[1] for each in self.doing.host.asked]

    @property
    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.doing.journal.lines]
