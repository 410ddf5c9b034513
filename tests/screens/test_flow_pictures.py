"""What a flow looks like at each moment of its life. `make snapshots` takes the pictures anew."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import pytest

from console.engine.overview import FlowSeen
from console.events import (
    ActionBegan,
    ActionProgressed,
    ActionShown,
    FlowBegan,
    FlowsChecked,
    PlanShown,
    RunShown,
    RunsRead,
    StepPlanned,
)
from tests.screens.flow_recorder import FLOWS, read
from tests.screens.flow_stage import (
    ANSWERING,
    CONFIRMING,
    DESTROYING,
    DONE,
    ELSEWHERE,
    FAILED,
    FLOW,
    FORMATTING,
    HEARD,
    HELD,
    RUN,
    flows,
    folded,
    look,
    stood,
)
from tests.screens.stage import START, Stage, calm

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Case:
    """A stage, what is typed, a terminal, and how the console was started."""

    stage: Callable[[], Stage]
    keys: tuple[str, ...] = ()
    size: str = "80x24"
    read_only: bool = False
    theme: str | None = None
    colour: bool = True


PAST = RunsRead(
    (
        RunShown("20260213-140500-000003", "mount-volumes", "incomplete", "left out: order; format-opt is done",
                 START - 60, "", "", ("  14:04:00  mount-volumes by anna on home, process 4711",
                                      "  14:04:03  format-opt: about to change",
                                      "  14:04:03  format-opt: on mailcow: mkfs.ext4 -q -L cowhand-opt /dev/sdb",
                                      "  14:04:07  format-opt: status 0 (4.2 s)",
                                      "            Writing superblocks: done",
                                      "  14:04:08  format-opt: done: ext4, label cowhand-opt",
                                      "  14:04:09  incomplete: left out: order; format-opt is done")),
        RunShown("20260213-120000-000002", "proxy-override", "failed", "write failed: the link was cut",
                 START - 7200, "20260212-090000-000001", "20260213-120000-000002 took back 20260212-090000-000001:"
                 " start proxy-override to make it again", ()),
        RunShown("20260212-090000-000001", "proxy-override", "done", "done, and verified", START - 104400, "", "", ()),
    )
)  # fmt: skip


def past() -> Stage:
    """Three runs are in the journal."""
    stage = flows()
    stage.past = PAST
    return stage


def inner() -> Stage:
    """A run with two flows inside it, and a copy under way."""
    action = ActionShown("copy", "mailcow", "copy nas:/backup/mail.tar to /opt/mail.tar (mode 0600, 10737418240 bytes)")
    steps = (("find", "find the backup"), ("mounted", "mount the volumes"), ("copy", "bring the backup"),
             ("verify", "prove that mail is there"))  # fmt: skip
    paths = ((FLOW,), (FLOW, "volumes"), (FLOW, "restore"), (FLOW, "restore"))
    return flows(
        FlowBegan(RUN, FLOW, "Restore the mail host", steps, False, START + 300, paths),
        stood(0, "so", "it is there"),
        stood(1, "so", "both are mounted"),
        stood(2, "planned", "nothing is there"),
        StepPlanned(RUN, 2, PlanShown((action,))),
        stood(2, "applying", at=305),
        ActionBegan(RUN, 2, action, START + 305),
        ActionProgressed(RUN, 2, 3.1 * 2**30, 10 * 2**30, "B", 40 * 2**20, 176.0, "", START + 330),
    )


def recorded(name: str, moment: str) -> Stage:
    """A flow as it went on the lab: planned, running (at its longest command), or done."""
    told = read(name)
    began, planned = told.plan[0], folded(*told.plan)
    assert isinstance(began, FlowBegan)
    stage = calm()
    stage.seen = (FlowSeen(name, began.words, planned if moment == "plan" else None, 0.0, None),)
    stage.run = {"plan": None, "running": folded(*told.half), "done": folded(*told.run)}[moment]
    stage.opening = (*stage.opening, FlowsChecked(START))
    return stage


ONE = ("6", "enter")
CASES = {
    "list-80x24": Case(flows, ("6",)),
    "list-120x36": Case(flows, ("6",), "120x36"),
    "list-held-read-only": Case(partial(flows, last=HELD), ("6",), read_only=True),
    "plan-80x24": Case(flows, ONE),
    "plan-120x36": Case(flows, ONE, "120x36"),
    "plan-200x50": Case(flows, ONE, "200x50"),
    "diff-80x24": Case(flows, (*ONE, "j", "j")),
    "diff-120x36": Case(flows, (*ONE, "j", "j"), "120x36"),
    "confirm-80x24": Case(partial(flows, *CONFIRMING), (*ONE, "d")),
    "confirm-120x36": Case(partial(flows, *CONFIRMING), (*ONE, "d"), "120x36"),
    "confirm-all-80x24": Case(partial(flows, *CONFIRMING), (*ONE, "a", "a", "l")),
    "waits-80x24": Case(partial(flows, *CONFIRMING), ONE),
    "destroy-80x24": Case(partial(flows, *DESTROYING), (*ONE, "d", *"mailcow", "underscore")),
    "answer-80x24": Case(partial(flows, *ANSWERING), (*ONE, "d")),
    "running-80x24": Case(partial(flows, *HEARD), ONE),
    "running-120x36": Case(partial(flows, *CONFIRMING[:-1]), ONE, "120x36"),
    "running-home": Case(partial(flows, *FORMATTING)),
    "waiting-home": Case(partial(flows, *CONFIRMING)),
    "failed-80x24": Case(partial(flows, *FAILED), ONE),
    "failed-200x50": Case(partial(flows, *FAILED), ONE, "200x50"),
    "failed-home": Case(partial(flows, *FAILED)),
    "failed-light": Case(partial(flows, *FAILED), ONE, theme="light"),
    "failed-terminal": Case(partial(flows, *FAILED), ONE, theme="terminal"),
    "failed-no-colour": Case(partial(flows, *FAILED), ONE, colour=False),
    "done-80x24": Case(partial(flows, *DONE), ONE),
    "nothing-to-do-80x24": Case(partial(flows, state=look(*range(7))), ONE),
    "held-80x24": Case(partial(flows, *ELSEWHERE), ONE),
    "read-only-80x24": Case(flows, ONE, read_only=True),
    "stop-80x24": Case(partial(flows, *FORMATTING), (*ONE, "x")),
    "inner-80x24": Case(inner, ONE),
    "journal-80x24": Case(past, ("7",)),
    "journal-run-80x24": Case(past, ("7", "enter")),
    "leave-80x24": Case(partial(flows, *FORMATTING), ("q",)),
} | {
    f"{name}-{moment}-80x24": Case(partial(recorded, name, moment), ONE)
    for name in FLOWS
    for moment in ("plan", "running", "done")
}


@pytest.mark.parametrize("name", CASES)
def test_picture(picture: Callable[..., None], monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    case = CASES[name]
    if not case.colour:
        monkeypatch.setenv("NO_COLOR", "1")
    picture(case.stage(), case.size, *case.keys, read_only=case.read_only, theme=case.theme)
