"""A run as a screen shows it: the events of a flow folded into one value, for whoever comes late."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from console.events import (
    ActionBegan,
    ActionEnded,
    ActionProgressed,
    ActionSaid,
    ActionShown,
    FlowAsked,
    FlowBegan,
    FlowEnded,
    FlowEvent,
    FlowSaid,
    PlanShown,
    Prompt,
    RunOutcome,
    StepChanged,
    StepPlanned,
    StepsListed,
    StepState,
)

MOST = 400
"""Actions and sentences that are kept of one step or run."""


class ActionStatus(Struct, frozen=True):
    """One change: since when it runs, and what came of it (`ended` 0: it still runs). Times are Unix seconds."""

    action: ActionShown
    began: float
    ended: float = 0.0
    status: int | None = None
    output: str = ""
    problem: str = ""
    seconds: float = 0.0
    progress: ActionProgressed | None = None


class StepStatus(Struct, frozen=True):
    """One step: how it stands and why, its plan once there is one, and what was done. Times are Unix seconds."""

    name: str
    words: str
    flows: tuple[str, ...] = ()
    state: StepState = "waiting"
    said: str = ""
    evidence: tuple[str, ...] = ()
    plan: PlanShown | None = None
    undoing: bool = False
    actions: tuple[ActionStatus, ...] = ()
    began: float = 0.0
    changed: float = 0.0

    @property
    def path(self) -> tuple[str, ...]:
        """The flows that the step is in, and its name."""
        return (*self.flows, self.name)


class RunStatus(Struct, frozen=True):
    """One run: its steps, what it waits for, what it said, and how it ended (`outcome` None: it runs)."""

    run: str
    flow: str
    words: str
    steps: tuple[StepStatus, ...]
    dry: bool = False
    asked: Prompt | None = None
    said: tuple[str, ...] = ()
    outcome: RunOutcome | None = None
    ending: str = ""
    missing: str = ""
    began: float = 0.0
    ended: float = 0.0

    @property
    def current(self) -> int:
        """The step that is under way, or the one the run ended at."""
        moved = [index for index, step in enumerate(self.steps) if step.state != "waiting"]
        return moved[-1] if moved else 0


def fold(state: RunStatus | None, event: FlowEvent) -> RunStatus | None:
    """The run after one more event; an event of another run changes nothing."""
    if isinstance(event, FlowBegan):
        steps = _listed({}, event)
        return RunStatus(event.run, event.flow, event.words, steps, event.dry, began=event.at)
    if state is None or state.run != event.run:
        return state
    match event:
        case StepsListed():
            return replace(state, steps=_listed({step.path: step for step in state.steps}, event))
        case FlowAsked():
            return replace(state, asked=event.prompt)
        case FlowSaid():
            return replace(state, said=(*state.said, event.text)[-MOST:])
        case FlowEnded():
            return replace(
                state, asked=None, outcome=event.outcome, ending=event.words, missing=event.missing, ended=event.at
            )
    at = event.step
    return replace(state, steps=(*state.steps[:at], _step(state.steps[at], event), *state.steps[at + 1 :]))


def _listed(known: dict[tuple[str, ...], StepStatus], event: FlowBegan | StepsListed) -> tuple[StepStatus, ...]:
    paths = event.paths or ((),) * len(event.steps)
    fresh = (StepStatus(name, words, flows) for (name, words), flows in zip(event.steps, paths, strict=True))
    return tuple(known.get(each.path, each) for each in fresh)


def _step(
    step: StepStatus,
    event: StepChanged | StepPlanned | ActionBegan | ActionSaid | ActionProgressed | ActionEnded,
) -> StepStatus:
    match event:
        case StepChanged():
            return replace(
                step,
                state=event.state,
                said=event.words,
                evidence=event.evidence,
                began=step.began or event.at,
                changed=event.at,
            )
        case StepPlanned():
            return replace(step, plan=event.plan, undoing=event.undo)
        case ActionBegan():
            return replace(step, actions=(*step.actions, ActionStatus(event.action, event.at))[-MOST:])
        case ActionSaid():
            said = tuple(replace(done, output=event.output) for done in step.actions[-1:] if not done.ended)
            return replace(step, actions=(*step.actions[:-1], *said)) if said else step
        case ActionProgressed():
            going = tuple(replace(done, progress=event) for done in step.actions[-1:] if not done.ended)
            return replace(step, actions=(*step.actions[:-1], *going)) if going else step
        case ActionEnded():
            ended = ActionStatus(
                event.action,
                step.actions[-1].began if step.actions else event.at,
                event.at,
                event.status,
                event.output,
                event.problem,
                event.seconds,
            )
            return replace(step, actions=(*step.actions[:-1], ended))
