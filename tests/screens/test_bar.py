"""The bar: a wrong word leaves it open, what is agreed to can be read whole, and what stays down is said."""

from __future__ import annotations

from console.engine.overview import FlowSeen
from console.events import ActionShown, PlanShown, Prompt
from console.runner.left_down import of_run
from console.runner.state import ActionStatus, RunStatus, StepStatus
from console.store.journal import Entry, Record
from console.store.left_down import of_record
from screens.widgets.bar import Bar
from tests.screens.house import build, rows_of, settle
from tests.screens.stage import START, Stage, calm

COMMAND = (
    "python3 /run/cowhand-disk make /dev/disk/by-id/scsi-0QEMU_QEMU_HARDDISK_incus_mailcow_opt --label mailcow_opt"
    " --size 10737418240 --proof 0c5f9d1b2a"
)
STOP, STARTED = "systemctl stop docker.socket docker.service", "systemctl start docker.service"


def run(*done: tuple[str, str], asked: bool = True, actions: tuple[ActionShown, ...] = ()) -> RunStatus:
    """A run that waits at its second step; what it has done are (command, problem)."""
    made = tuple(
        ActionStatus(ActionShown("run", "mailcow", text), START + at, START + at, 0, problem=problem)
        for at, (text, problem) in enumerate(done)
    )
    plan = PlanShown(actions or (ActionShown("run", "mailcow", COMMAND),), undo="nothing to take back")
    steps = (
        StepStatus("stop docker", "stop docker", state="done", actions=made, changed=START),
        StepStatus("format opt", "format opt", state="planned", plan=plan, changed=START),
    )
    prompt = Prompt("p1", "confirm", 1, "format opt?", choices={"yes": "do it", "stop": "end here"})
    return RunStatus("r1", "mount-volumes", "", steps, asked=prompt if asked else None, began=START)


def on_stage(state: RunStatus) -> Stage:
    """A console in which that run is on."""
    stage = calm()
    stage.run = state
    stage.seen = (FlowSeen("mount-volumes", "mount the volumes"),)
    return stage


async def test_the_command_that_is_agreed_to_is_read_whole_at_80_columns() -> None:
    app = build(on_stage(run()))
    app.board.flow, app.board.flows = app.engine.flow(), app.engine.flows()
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        app.open_flow("mount-volumes")
        rows = await settle(pilot, "d")
        assert "type yes to do it" in rows[-1]
        at = next(at for at, row in enumerate(rows) if row.startswith(" format opt?"))
        assert COMMAND.replace(" ", "") in "".join(rows[at:]).replace(" ", "")
        rows = await settle(pilot, *"yess", "enter")
        assert "that was not yes: nothing was done" in rows[-2]
        assert app.query_one(Bar).open
        await settle(pilot, *"yes", "enter")
        assert not app.query_one(Bar).open
    assert "flow answer p1 yes" in app.engine.asked  # type: ignore[attr-defined]


async def test_a_long_plan_is_scrolled_in_the_bar_without_closing_it() -> None:
    many = tuple(ActionShown("run", "mailcow", f"command number {at}") for at in range(30))
    app = build(on_stage(run(actions=many)))
    app.board.flow, app.board.flows = app.engine.flow(), app.engine.flows()
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        app.open_flow("mount-volumes")
        rows = await settle(pilot, "d")
        assert any("more lines: pgdn" in row for row in rows[12:])
        rows = await settle(pilot, "pagedown", "pagedown", "pagedown", "pagedown")
        assert any("command number 29" in row for row in rows[12:])
        assert app.query_one(Bar).open


async def test_leaving_with_docker_stopped_says_what_stays_down() -> None:
    app = build(on_stage(run((STOP, ""))))
    app.board.flow, app.board.flows = app.engine.flow(), app.engine.flows()
    async with app.run_test(size=(80, 24)) as pilot:
        rows = await settle(pilot, "6")
        assert any("✗ docker is stopped on mailcow, and all mail with it, since 14:00" in row for row in rows)
        assert "✗ docker stopped" in rows[0]
        assert any("runs now" in row for row in rows)
        rows = await settle(pilot, "q")
        told = " ".join(" ".join(rows).split())
        assert "docker is stopped on mailcow, and all mail with it, since 14:00. Ending here leaves it so." in told
        assert "Nothing is under way" not in told
        assert rows_of(app)[-1].startswith(" type stop to stop and leave")


def test_what_was_started_again_or_never_stopped_is_not_down() -> None:
    assert [each.service for each in of_run(run((STOP, "")))] == ["docker"]
    assert of_run(run((STOP, ""), (STARTED, ""))) == ()
    assert of_run(run((STOP, "status 1"))) == ()


def test_the_journal_says_it_of_a_run_that_ended() -> None:
    def entry(kind: str, **data: object) -> Entry:
        return Entry(START, kind, dict(data))

    def record(*entries: Entry) -> Record:
        return Record("r1", "mount-volumes", "site.toml", START, START, "stopped", None, False, entries)

    stopped = entry("do", host="mailcow", text=STOP)
    assert [each.words for each in of_record(record(stopped, entry("did")))] == [
        "docker is stopped on mailcow, and all mail with it"
    ]
    assert of_record(record(stopped, entry("did", problem="status 1"))) == ()
    assert of_record(record(stopped, entry("did"), entry("do", host="mailcow", text=STARTED), entry("did"))) == ()
