"""What a flow is made of: steps, what they find, and what they plan to change, as values that can be shown first."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal, Protocol

from msgspec import Struct

from console.errors import CowhandError
from console.hosts import shell
from console.hosts.host import Completed
from console.mask import mask
from console.model import Role

if TYPE_CHECKING:
    from console.runner.context import StepContext

CheckState = Literal["done", "needed", "skipped", "refused"]


class CheckResult(Struct, frozen=True):
    """What a check or a verification found, in words for the operator; `evidence` are lines that prove it.

    `done`: it is so. `needed`: it is not so yet. `skipped`: it does not apply here. `refused`: it must not be done."""

    standing: CheckState
    words: str
    evidence: tuple[str, ...] = ()


def done(words: str, *evidence: str) -> CheckResult:
    """It is so."""
    return CheckResult("done", words, evidence)


def needed(words: str, *evidence: str) -> CheckResult:
    """It is not so yet, and can be made so."""
    return CheckResult("needed", words, evidence)


def skipped(words: str, *evidence: str) -> CheckResult:
    """It does not apply here, for this reason."""
    return CheckResult("skipped", words, evidence)


def refused(words: str, *evidence: str) -> CheckResult:
    """It must not be done, for this reason; the flow ends, and nothing of this step was changed."""
    return CheckResult("refused", words, evidence)


class Refusal(CowhandError):
    """Raised in a step instead of returning `refused`; its text is the reason."""


class NotYetKnown(CowhandError):
    """Raised by a check or plan that can say nothing before an earlier step of the flow is done."""


class Ask(Struct, frozen=True):
    """Something only the operator or the site knows. `key` is what `--answer KEY=VALUE` calls it.

    `choices` are value → words; with none, anything may be typed. `default` is taken by `--yes` and by an empty answer,
    `given` is what the site says already. A `secret` is never shown, logged or kept."""

    key: str
    text: str
    choices: dict[str, str] = {}
    default: str | None = None
    given: str | None = None
    secret: bool = False


class Run(Struct, frozen=True, tag="run"):
    """A command that changes something on a host, with its time limit in seconds and the statuses that are well.

    `guards` are commands that only read, and must all succeed right before; a runbook has them too."""

    host: Role
    argv: tuple[str, ...]
    timeout: float = 60.0
    well: tuple[int, ...] = (0,)
    guards: tuple[tuple[str, ...], ...] = ()

    @property
    def text(self) -> str:
        """The exact command, quoted for a POSIX shell."""
        return shell.line(self.argv)


class Write(Struct, frozen=True, tag="write"):
    """A file replaced whole, `before` being its content now (None: there is none); the old one is kept beside it.

    A `sealed` one has a secret in it: its content is never shown. A `summary` stands for a diff that nobody would read.
    """

    host: Role
    path: str
    before: bytes | None
    after: bytes
    mode: int = 0o644
    sealed: bool = False
    summary: str = ""

    @property
    def text(self) -> str:
        """What is done, in one line."""
        kept = "" if self.before is None else f", the version before kept as {self.path}.previous"
        return f"write {shell.line([self.path])} (mode {self.mode:04o}, {len(self.after)} bytes{kept})"

    @property
    def diff(self) -> str:
        """The unified diff, secrets masked; "" when it is sealed or not text."""
        if self.summary:
            return f"+ {self.summary}\n"
        try:
            old, new = (mask((side or b"").decode()).splitlines() for side in (self.before, self.after))
        except UnicodeDecodeError:
            return ""
        if self.sealed:
            return ""
        names = "/dev/null" if self.before is None else self.path, self.path
        return "".join(f"{line}\n" for line in difflib.unified_diff(old, new, *names, lineterm=""))


Action = Run | Write


class Loss(Struct, frozen=True):
    """What cannot be had back: `name` is typed by the operator (`--answer destroy=NAME`), `words` say what is lost."""

    name: str
    words: str


class Rollback(Struct, frozen=True):
    """A command that takes the change back on its host by itself after `seconds`, unless the step was verified."""

    argv: tuple[str, ...]
    seconds: int = 120


class Plan(Struct, frozen=True):
    """What a step would do, in order. `notes` are lines of what it knows, `undo` how it could be taken back ("": not).

    `later` says what the exact text still waits for, when an earlier step of the flow is not done yet."""

    actions: tuple[Action, ...] = ()
    notes: tuple[str, ...] = ()
    loses: tuple[Loss, ...] = ()
    undo: str = ""
    rollback: Rollback | None = None
    later: str = ""


class Change(Protocol):
    """The hand of `apply`: it does what is in the plan that was shown, and refuses everything else."""

    context: StepContext

    async def do(self, action: Action) -> Completed | None:
        """Do one action, told and journalled before and after; None for a `Write`. Raises when it did not go well."""


class Step:
    """One change and its proof; subclass it. `name` is short and unique in its flow, `words` say what it does.

    `guarded` names the host on which a plan's `Rollback` is armed, for a step that can cut the way we came in.
    `patience` is how many seconds a check, plan, verification or undo may take to find out what it wants to know."""

    name: str = ""
    words: str = ""
    guarded: Role | None = None
    patience: float = 60.0

    async def check(self, context: StepContext) -> CheckResult:
        """Say how the world stands; reads only."""
        raise NotImplementedError(f"{type(self).__name__}.check")

    async def plan(self, context: StepContext) -> Plan:
        """Say what would change; reads only. Called when `check` found that it is needed."""
        raise NotImplementedError(f"{type(self).__name__}.plan")

    async def apply(self, change: Change, plan: Plan) -> None:
        """Do the actions of the plan, in order; `change.do` refuses what is not in it."""
        for action in plan.actions:
            await change.do(action)

    async def verify(self, context: StepContext) -> CheckResult:
        """Prove from outside that it is so, never by a command's status; `check` once more unless it is overridden."""
        return await self.check(context)

    async def undo(self, context: StepContext) -> Plan | None:
        """What would take the change back, from how the world is now; None when nothing can."""
        return None


class Flow(Struct, frozen=True):
    """A guided change: its steps, from what the files say; no machine is asked for them."""

    steps: Callable[[StepContext], Sequence[Step]]
    name: str = ""
    words: str = ""
