"""Every flow, in every trouble, at every moment of every change: started again it ends as if nothing had happened."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from console.events import ActionBegan, ActionEnded, FlowBegan, FlowEnded, FlowEvent, FlowSaid, Prompt, StepChanged
from console.flows import Flow, Step, StepContext, asking, registry
from console.runner import unsettled
from console.store import journal
from tests.console.flows import case as cases
from tests.console.flows.case import Case
from tests.console.flows.faults import FAULTS, MOMENTS, Fault, Moment, Trouble
from tests.console.flows.walking import Nursery, context, folder, walk

ENDINGS = {"done", "failed", "refused", "stopped"}

UNSURE = {"link", "reboot", "hang", "cut", "orphan"}
"""Faults after which a command may go on although its link is lost or its time is up."""


class Witness:
    """Hears a run, and holds what is said against the world at that moment."""

    def __init__(self, case: Case, root: Path) -> None:
        self.case, self.root = case, root
        self.names: list[str] = []
        self.actions: list[int] = []
        self.events: list[FlowEvent] = []
        self.lies: list[str] = []
        self.first = case.end(root)
        self.found: Callable[[], None] = lambda: None
        """Called when the run says that it waits for a command that still runs."""

    def hear(self, event: FlowEvent) -> None:
        self.events.append(event)
        match event:
            case FlowSaid() if "still runs" in event.text:
                self.found()
            case FlowBegan():
                self.names = [name for name, _ in event.steps]
            case ActionBegan() if event.action.kind != "call" or self.case.on_demand:  # a call is no host's trouble
                self.actions.append(event.step)
            case StepChanged(state=("so" | "done")):
                name = self.names[event.step]
                if not self.case.holds(self.root, name):
                    self.lies.append(f"{name} was called {event.state}")
            case FlowEnded(outcome=("done" | "refused" | "failed" | "stopped")):
                if "nothing was changed" in event.words and self.case.end(self.root) != self.first:
                    self.lies.append(event.words)

    def said(self) -> str:
        """What was said of the step that failed."""
        failed = [event.words for event in self.events if isinstance(event, StepChanged) and event.state == "failed"]
        return failed[-1] if failed else ""


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder in memory where there is one: a table of this size would wait for the disk most of its time."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(prefix="cowhand-", dir=memory) as folder:
        monkeypatch.setenv("XDG_STATE_HOME", f"{folder}/state")
        yield Path(folder)


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    """Consoles that are killed."""
    found = Nursery()
    yield found
    found.close()


def lay(case: Case, folder: Path) -> Path:
    folder.mkdir()
    case.build(folder)
    return folder


CALM: dict[str, tuple[object, list[int]]] = {}
"""By case, how its undisturbed run ended: it is the same each time, and is walked once a process."""


async def undisturbed(name: str, folder: Path) -> tuple[object, list[int]]:
    """The end of a run without trouble, and the step of each of its changes."""
    if name in CALM:
        return CALM[name]
    case = cases.find(name)
    root = lay(case, folder)
    witness = Witness(case, root)
    if case.flow.standing is not None:
        wanted = "skipped" if case.on_demand else "needed"
        assert (await case.flow.standing(context(case, root))).state == wanted
    ending = await walk(case, root, witness.hear)
    assert ending is not None
    assert (ending.outcome, witness.lies) == ("done", [])
    assert not case.armed(root)
    assert set(case.once(root).values()) <= {1}
    CALM[name] = _relative(case.end(root), root), witness.actions
    return CALM[name]


def _relative(end: object, root: Path) -> str:
    return repr(end).replace(str(root), "ROOT")


async def disturbed(
    nursery: Nursery | None, name: str, root: Path, fault: Fault, moment: Moment, number: int, step: int
) -> Trouble | None:
    """One run in trouble, and what was said in it held against the world."""
    case = cases.find(name)
    if fault == "killed":
        state = os.environ["XDG_STATE_HOME"]
        assert nursery is not None
        status = nursery.walk(name, str(root), state, fault, moment, str(number), str(step))
        assert status == -9
        record = journal.runs(folder(root), 1)[0]
        assert record.state == "interrupted"
        assert (record.open is not None) == (moment != "looking")
        return None
    trouble = Trouble(case, root, fault, moment, number, step)
    witness = Witness(case, root)
    ending = await walk(case, root, witness.hear, trouble)
    assert trouble.struck
    assert not witness.lies
    record = journal.runs(folder(root), 1)[0]
    assert (record.open is None) or fault in UNSURE, "every change that was begun has its result"
    assert record.state in ENDINGS
    assert record.state == (ending.outcome if ending else "stopped")
    began = [event for event in witness.events if isinstance(event, ActionBegan)]
    ended = [event for event in witness.events if isinstance(event, ActionEnded)]
    assert [event.action for event in began] == [event.action for event in ended]
    await honest(case, root, witness)
    return trouble


def listed(flow: Flow, world: StepContext) -> list[Step]:
    """Every step of a flow, those of the flows inside it in their place."""
    steps: list[Step] = []
    for each in flow.steps(world):
        steps += listed(each, world) if isinstance(each, Flow) else [each]
    return steps


async def honest(case: Case, root: Path, witness: Witness) -> None:
    """What was said to be true now of the failed step is what an undisturbed look finds."""
    said = witness.said()
    if "now: " not in said:
        return
    fresh = context(case, root)
    failed = next(e.step for e in reversed(witness.events) if isinstance(e, StepChanged) and e.state == "failed")
    found = await listed(case.flow, fresh)[failed].check(fresh)
    assert f"now: {found.words}" in said


async def resumed(name: str, root: Path, wanted: object, again: bool = True, trouble: Trouble | None = None) -> None:
    """Start again: it ends as an undisturbed run does; and `again`: there is nothing to do."""
    case = cases.find(name)
    witness = Witness(case, root)
    lost = list(trouble.orphans) if trouble else []
    if trouble is not None:
        witness.found = trouble.release
    ending = await walk(case, root, witness.hear)
    assert ending is not None
    assert trouble is None or (not lost) == (trouble.fault != "orphan" or trouble.moment == "looking")
    assert trouble is None or not trouble.running, "what still ran was waited for"
    assert (ending.outcome, witness.lies) == ("done", []), ending.words
    assert _relative(case.end(root), root) == wanted
    assert set(case.once(root).values()) <= {1}, case.once(root)
    assert not case.armed(root), "no rollback is left armed"
    if again:
        await idle(case, root)


async def idle(case: Case, root: Path) -> None:
    """Start it where all is done: it does nothing."""
    witness = Witness(case, root)
    before = case.end(root)
    ending = await walk(case, root, witness.hear)
    assert ending is not None
    assert ending.outcome == "done"
    assert case.end(root) == before
    if not case.on_demand:
        assert ending.words.startswith("nothing to do")
        assert witness.actions == []
    if case.flow.standing is not None:
        assert (await case.flow.standing(context(case, root))).state in ("done", "skipped")


RETRIED: tuple[Fault, ...] = ("link", "reboot", "full", "denied", "missing", "hang", "orphan")
"""Faults after which a run is still there, and asks whether to try again."""


WHOLE = bool(os.environ.get("COWHAND_WHOLE_TABLE"))
"""Whether every trouble meets every change, as in `make faults`."""


def tried(name: str, fault: Fault, moment: Moment) -> bool:
    """Whether a row of a case is tried: of a sample every so many, another moment of each fault."""
    return WHOLE or not (FAULTS.index(fault) + 3 * MOMENTS.index(moment)) % cases.find(name).sample


def rows(faults: Sequence[Fault]) -> list[tuple[str, Fault, Moment]]:
    """The table: each case, fault and moment. A connection is no command and no file: what spares it is no row."""
    return [
        (name, fault, moment)
        for name in cases.names()
        for fault in faults
        for moment in MOMENTS
        if tried(name, fault, moment)
        if moment == "looking" or fault not in ("orphan", "full", "denied", "missing") or not cases.find(name).on_demand
    ]


def chosen(name: str, actions: Sequence[int], fault: Fault, moment: Moment) -> list[tuple[int, int]]:
    """The changes that a row tries, by number and step: of many two to four, of a sample one, others in each row."""
    every = list(enumerate(actions, 1))
    if WHOLE or len(every) < 6:
        return every
    apart = min(max(3, len(every) // 2), 6)
    turn = FAULTS.index(fault) + len(FAULTS) * MOMENTS.index(moment)
    if cases.find(name).sample > 1:
        return [every[turn % len(every)]]
    return [each for each in every if (each[0] + turn) % apart == 0]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "fault", "moment"), rows(FAULTS))
async def test_a_flow_in_trouble_ends_as_if_there_had_been_none(
    nursery: Nursery,
    name: str,
    fault: Fault,
    moment: Moment,
    room: Path,
    record_property: pytest.RecordProperty,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(asking, "PAUSE", 0)
    wanted, actions = await undisturbed(name, room / "calm")
    if (fault, moment) != ("killed", "during"):
        monkeypatch.setattr(unsettled, "SETTLE", 0)  # nothing was just being started
    monkeypatch.setattr(unsettled, "OFTEN", 0.01)
    count = 0
    seen: set[int] = set()
    picked = chosen(name, actions, fault, moment)
    for number, step in picked:
        if moment == "looking" and step in seen:
            continue
        seen.add(step)
        for fires in (False, True):
            root = lay(cases.find(name), room / f"{number}-{fires}")
            case = cases.find(name)
            trouble = await disturbed(nursery, name, root, fault, moment, number, step)
            count += 1
            if fires:
                await asyncio.sleep(0.5 if fault == "killed" else 0)
                case.fire(root)
            armed = bool(case.armed(root))
            await resumed(name, root, wanted, again=number == picked[-1][0], trouble=trouble)
            if not armed:
                break
    record_property(f"troubles of {name}", count)
    assert count


@pytest.mark.slow
@pytest.mark.parametrize(("name", "fault", "moment"), rows(RETRIED))
async def test_a_flow_goes_on_when_its_trouble_is_over_and_it_is_told_to_try_again(
    name: str,
    fault: Fault,
    moment: Moment,
    room: Path,
    record_property: pytest.RecordProperty,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(asking, "PAUSE", 0)
    monkeypatch.setattr(unsettled, "SETTLE", 0)
    monkeypatch.setattr(unsettled, "OFTEN", 0.01)
    wanted, actions = await undisturbed(name, room / "calm")
    case = cases.find(name)
    picked = chosen(name, actions, fault, moment)
    for number, step in picked:
        root = lay(case, room / f"{number}")
        trouble = Trouble(case, root, fault, moment, number, step)

        async def retry(prompt: Prompt, trouble: Trouble = trouble) -> str:
            trouble.over = prompt.kind == "failed" or trouble.over
            return {"confirm": "yes", "failed": "retry", "answer": "wait"}[prompt.kind]

        witness = Witness(case, root)
        witness.found = trouble.release
        ending = await walk(case, root, witness.hear, trouble, retry)
        assert ending is not None
        assert (trouble.struck, ending.outcome, witness.lies) == (True, "done", []), ending.words
        assert not trouble.running, "what still ran was waited for"
        assert _relative(case.end(root), root) == wanted
        assert set(case.once(root).values()) <= {1}
        assert not case.armed(root)
    record_property(f"troubles of {name}", len(picked))


def test_every_flow_has_a_case_file() -> None:
    assert {name.replace("-", "_") for name in registry.names()} <= set(cases.names())
