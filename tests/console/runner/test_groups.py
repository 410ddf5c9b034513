"""Two hosts that change together: however a run is cut off, both have the new way in the end, or neither."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Literal

import pytest

from console.errors import NoWayIn
from console.events import ActionBegan
from console.flows import CheckResult, StepContext
from console.hosts.host import Completed, Host
from console.model import Outcome
from console.runner import groups
from console.runner import lanes as lanes_after
from console.runner.guard import PROGRAM
from tests.console.flows import rollbacks
from tests.console.flows.cases import twins
from tests.console.flows.faults import Fault, Moment, Trouble
from tests.console.flows.playing import Play
from tests.console.flows.test_faults import Witness, lay, nursery, room, undisturbed  # noqa: F401
from tests.console.flows.walking import Nursery, walk

pytestmark = pytest.mark.slow

BOTH, NEITHER = ("new", "new"), ("old", "old")
CASE = twins.CASE


def play(root: Path, *say: str, group: groups.Group | None = None) -> Play:
    """A run of the group in a world that is laid when it is not there."""
    if not (root / "mail").exists():
        twins.build(root)
    return Play(root, [group or twins.group()], say or ("yes", "stop"), hosts=twins.hosts(root), name="twins")  # type: ignore[arg-type]


def did(play: Play) -> list[str]:
    """What was done, in order: host and verb or command."""
    texts = [(event.action.host, event.action.text) for event in play.events if isinstance(event, ActionBegan)]
    return [f"{host} {text.removeprefix(f'sh {PROGRAM} ').split()[0]}" for host, text in texts]


def stands(root: Path) -> tuple[str, ...]:
    """How both rollbacks stand, without their seconds."""
    return tuple(rollbacks.state(root / name, twins.GUARDS[name]).split()[0] for name in twins.NAMES)


# ── with a console that stays ───────────────────────────────────────────────────────────────────────────────────────


async def test_both_are_armed_before_either_is_changed_and_the_first_decides(tmp_path: Path) -> None:
    run = play(tmp_path)
    assert (await run.run()).outcome == "done"
    assert did(run) == ["mail arm", "vps arm", "mail write", "vps turn", "mail disarm", "vps disarm"]
    assert (twins.ways(tmp_path), stands(tmp_path)) == (BOTH, ("kept", "kept"))


async def test_the_plan_says_which_host_goes_back_when(tmp_path: Path) -> None:
    run = play(tmp_path)
    await run.run()
    assert run.state is not None
    plan = run.state.steps[0].plan
    assert plan is not None
    mail, vps = plan.rollbacks
    assert mail.startswith("mail goes back by itself after 120 s, unless this is proven: sh -c")
    assert vps.startswith("vps goes back by itself after 180 s, when mail has gone back: sh -c")


async def test_what_is_not_proven_is_taken_back_at_once_in_reverse(tmp_path: Path) -> None:
    twins.build(tmp_path)
    (tmp_path / "vps/etc/broken").write_text("554 no\n")
    run = play(tmp_path)
    ending = await run.run()
    assert did(run) == ["mail arm", "vps arm", "mail write", "vps turn", "vps fire", "mail fire"]
    assert (twins.ways(tmp_path), stands(tmp_path)) == (NEITHER, ("fired", "fired"))
    assert "no mail passes: 554 no; taken back on vps; taken back on mail" in ending.words


async def test_what_was_taken_back_can_be_tried_again(tmp_path: Path) -> None:
    twins.build(tmp_path)
    broken = tmp_path / "vps/etc/broken"
    broken.write_text("554 no\n")
    run = play(tmp_path, "yes", "retry", "yes")
    run.before = lambda prompt: broken.unlink() if prompt.kind == "failed" else None
    assert (await run.run()).outcome == "done"
    assert twins.ways(tmp_path) == BOTH


Picture = Callable[[], Awaitable[Sequence[tuple[str, Outcome]]]]


def lanes(*pictures: dict[str, Outcome]) -> Picture:
    """What is seen of the lanes, each time they are looked at."""
    left = list(pictures)

    async def look() -> Sequence[tuple[str, Outcome]]:
        return tuple((left.pop(0) if len(left) > 1 else left[0]).items())

    return look


async def test_a_lane_that_was_well_before_must_be_well_after(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes_after, "COMES_BACK", 0.0)
    run = play(tmp_path)
    run.context.lanes = lanes({"25/smtp": "ok", "465/smtp": "ok", "993/imap": "failed"}, {"25/smtp": "failed"})
    ending = await run.run()
    assert "25/smtp and 465/smtp could be used before, and cannot any more; taken back on vps" in ending.words
    assert twins.ways(tmp_path) == NEITHER


async def test_a_lane_has_the_time_that_its_daemon_takes_to_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes_after, "OFTEN", 0.0)
    run = play(tmp_path)
    run.context.lanes = lanes({"25/smtp": "ok"}, {"25/smtp": "failed"}, {"25/smtp": "unknown"}, {"25/smtp": "ok"})
    assert (await run.run()).outcome == "done"
    assert twins.ways(tmp_path) == BOTH


async def test_a_lane_that_was_broken_before_may_stay_so(tmp_path: Path) -> None:
    run = play(tmp_path)
    run.context.lanes = lanes({"25/smtp": "ok", "993/imap": "failed"}, {"25/smtp": "degraded", "993/imap": "failed"})
    assert (await run.run()).outcome == "done"


async def test_a_run_that_is_stopped_in_between_is_taken_back(tmp_path: Path) -> None:
    run = play(tmp_path)
    hear = run.session.tell

    def stop(event: object) -> None:
        hear(event)  # type: ignore[arg-type]
        if isinstance(event, ActionBegan) and event.action.kind == "write":
            run.session.stop()

    run.session.tell = stop
    ending = await run.run()
    assert (ending.outcome, twins.ways(tmp_path), stands(tmp_path)) == ("stopped", NEITHER, ("fired", "fired"))


class Gone(twins.Side):
    """Its host takes the change back while it is proven."""

    root: Path

    async def check(self, context: StepContext) -> CheckResult:
        found = await super().check(context)
        if found.state == "done" and rollbacks.armed(self.root / self.host):
            rollbacks.run(self.root / self.host, "fire", twins.GUARDS[self.host])
        return found


@pytest.mark.parametrize("name", twins.NAMES)
async def test_one_that_has_gone_back_meanwhile_takes_the_other_along(name: str, tmp_path: Path) -> None:
    members = [Gone(each) if each == name else twins.Side(each) for each in twins.NAMES]
    for member in members:
        member.root = tmp_path  # type: ignore[attr-defined]
    run = play(tmp_path, group=groups.Group("both", "both", members, twins.proof))
    ending = await run.run()
    assert f"{name} took it back before it was proven" in ending.words
    assert (twins.ways(tmp_path), stands(tmp_path)) == (NEITHER, ("fired", "fired"))


class Cut:
    """A host that answers no more from the `number`th change of it on, or not `once`; that one is `done`, or is not."""

    def __init__(self, host: Host, number: int, done: bool, once: bool = False) -> None:
        self.host, self.left, self.done, self.once = host, number, done, once
        self.name, self.role = host.name, host.role
        self.gone = False

    def __getattr__(self, name: str) -> object:
        return getattr(self.host, name)

    async def run(self, argv: Sequence[str], timeout: float, cap: int = 1 << 20) -> Completed:
        self._alive()
        if argv[0] == "turn" or list(argv[2:3]) in (["arm"], ["disarm"], ["fire"]):
            await self._change(lambda: self.host.run(argv, timeout, cap))
        return await self.host.run(argv, timeout, cap)

    async def read(self, path: str, cap: int = 1 << 20) -> bytes:
        self._alive()
        return await self.host.read(path, cap)

    async def write(self, path: str, data: bytes, mode: int = 0o600, *more: object) -> None:
        self._alive()
        await self._change(lambda: self.host.write(path, data, mode, *more))  # type: ignore[arg-type]
        await self.host.write(path, data, mode, *more)  # type: ignore[arg-type]

    async def _change(self, make: Callable[[], Awaitable[object]]) -> None:
        self.left -= 1
        if not self.left:
            if self.done:
                await make()
            self.gone = True
            try:
                self._alive()
            finally:
                self.gone = not self.once

    def _alive(self) -> None:
        if self.gone:
            raise NoWayIn(f"{self.name} does not answer")


def cut(root: Path, name: str, number: int, done: bool = False, once: bool = False) -> Play:
    """A run in which one host is cut off; it stops at the failure."""
    twins.build(root)
    hosts = dict(twins.hosts(root))
    hosts[name] = Cut(hosts[name], number, done, once)  # type: ignore[index, assignment, arg-type]
    return Play(root, [twins.group()], ["yes", "stop"], hosts=hosts, name="twins")  # type: ignore[arg-type]


@pytest.mark.parametrize("done_", [False, True], ids=["lost", "done"])
@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("name", twins.NAMES)
async def test_one_host_that_is_cut_off_does_not_part_them(name: str, number: int, done_: bool, tmp_path: Path) -> None:
    ending = await cut(tmp_path, name, number, done_).run()
    assert (ending.outcome, "does not answer" in ending.words) == ("failed", True), ending.words
    twins.fire(tmp_path)
    decided = number == 3 and (name == "vps" or done_)
    assert twins.ways(tmp_path) == (BOTH if decided else NEITHER)


@pytest.mark.parametrize("proven", [True, False])
async def test_a_later_run_completes_what_was_decided(proven: bool, tmp_path: Path) -> None:
    ending = await cut(tmp_path, "vps", 3).run()
    assert stands(tmp_path) == ("kept", "armed")
    assert "its rollback is armed" not in ending.words, "it cannot be asked"
    if not proven:
        (tmp_path / "vps/etc/broken").write_text("554 no\n")
    again = play(tmp_path, "stop")
    assert (await again.run()).outcome == ("done" if proven else "failed")
    assert (did(again), twins.ways(tmp_path), stands(tmp_path)) == (["vps disarm"], BOTH, ("kept", "kept"))


async def test_what_was_decided_is_not_taken_back_when_the_other_host_fails_to_hear_of_it(tmp_path: Path) -> None:
    run = cut(tmp_path, "vps", 3, once=True)
    ending = await run.run()
    assert (ending.outcome, stands(tmp_path), twins.ways(tmp_path)) == ("failed", ("kept", "armed"), BOTH)
    assert "by itself, so nothing" not in ending.words
    assert "mail keeps it; vps was not told yet, and keeps it when it has seen that" in ending.words
    twins.fire(tmp_path)
    assert (stands(tmp_path), twins.ways(tmp_path)) == (("kept", "kept"), BOTH)


async def test_the_other_host_does_not_take_an_armed_change_for_one_that_was_kept(tmp_path: Path) -> None:
    await cut(tmp_path, "mail", 3).run()
    rollbacks.wait(tmp_path / "vps", 200)
    rollbacks.wait(tmp_path / "vps", 10)
    assert stands(tmp_path) == ("armed", "armed")
    rollbacks.wait(tmp_path / "mail", 120)
    rollbacks.wait(tmp_path / "vps", 10)
    assert (stands(tmp_path), twins.ways(tmp_path)) == (("fired", "fired"), NEITHER)


async def test_a_later_run_takes_back_first_what_was_changed_on_one_side(tmp_path: Path) -> None:
    run = play(tmp_path)
    walking = asyncio.ensure_future(run.run())
    hear = run.session.tell

    def end(event: object) -> None:
        hear(event)  # type: ignore[arg-type]
        if isinstance(event, ActionBegan) and event.action.text.startswith("turn"):
            walking.cancel()

    run.session.tell = end
    with pytest.raises(asyncio.CancelledError):
        await walking
    rollbacks.run(tmp_path / "vps", "under", twins.GUARDS["vps"], "sh", "-c", f"echo old > {tmp_path}/vps/etc/way")
    assert (twins.ways(tmp_path), stands(tmp_path)) == (("new", "old"), ("armed", "armed"))
    again = play(tmp_path)
    assert (await again.run()).outcome == "done"
    assert did(again)[:4] == ["vps fire", "mail fire", "mail arm", "vps arm"]
    assert twins.ways(tmp_path) == BOTH


async def test_what_one_host_has_kept_by_itself_is_not_taken_back_on_the_other_alone(tmp_path: Path) -> None:
    await cut(tmp_path, "mail", 3).run()
    rollbacks.reboot(tmp_path / "mail")  # and nothing starts its watchdog again
    rollbacks.wait(tmp_path / "vps", 180)
    while rollbacks.armed(tmp_path / "vps"):
        rollbacks.wait(tmp_path / "vps", 25)
    assert (twins.ways(tmp_path), stands(tmp_path)) == (BOTH, ("unwatched", "kept"))
    (tmp_path / "vps/etc/broken").write_text("554 no\n")
    ending = await play(tmp_path, "stop").run()
    assert "vps has kept its change by itself, so nothing is taken back on one side only" in ending.words
    assert twins.ways(tmp_path) == BOTH


async def test_both_are_taken_back_later_in_reverse(tmp_path: Path) -> None:
    await play(tmp_path).run()
    plan = await twins.group().undo(StepContext(play(tmp_path).context.estate, twins.hosts(tmp_path)))  # type: ignore[arg-type]
    assert plan is not None
    assert [action.host for action in plan.actions] == ["vps", "mail"]


async def test_only_what_is_missing_is_changed_and_decides(tmp_path: Path) -> None:
    twins.build(tmp_path)
    (tmp_path / "mail/etc/way").write_text("new\n")
    run = play(tmp_path)
    assert (await run.run()).outcome == "done"
    assert did(run) == ["vps arm", "vps turn", "vps disarm"]


# ── with a console that never comes back ────────────────────────────────────────────────────────────────────────────

Schedule = Literal["together", "decider restarts late", "both restart", "line cut", "decider paused", "others first"]
SCHEDULES: tuple[Schedule, ...] = (
    "together", "decider restarts late", "both restart", "line cut", "decider paused", "others first",
)  # fmt: skip
"""What happens to the hosts until their time is up: the orders in which it can be up, and what can delay it."""


def never(root: Path, schedule: Schedule, trouble: Trouble | None) -> None:
    """Let time pass on the hosts, with nobody there, until nothing waits any more."""
    mail, vps = root / "mail", root / "vps"
    match schedule:
        case "decider restarts late":
            _both(root, 119)
            rollbacks.reboot(mail)
            rollbacks.look(mail)
            rollbacks.wait(vps, 100)
        case "both restart":
            twins.reboot(root)
            for host in (mail, vps):
                rollbacks.look(host)
        case "line cut":
            (root / "cut").touch()
            for _ in range(4):
                _both(root, 500)
            assert stands(root)[1] != "fired" or not rollbacks.armed(vps)
            (root / "cut").unlink()
        case "decider paused":  # it answers nobody, and goes on later with all its time before it
            (root / "cut").touch()
            for _ in range(4):
                rollbacks.wait(vps, 500)
            (root / "cut").unlink()
        case "others first":
            for _ in range(4):
                rollbacks.wait(mail, 24)
                rollbacks.wait(vps, 500)
    if trouble is not None:
        trouble.release()
    twins.fire(root)


def _both(root: Path, seconds: int) -> None:
    for name in twins.NAMES:
        rollbacks.wait(root / name, seconds)


@pytest.mark.slow
@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("moment", ["before", "during", "after"])
@pytest.mark.parametrize("fault", ["killed", "link", "reboot", "orphan"])
async def test_both_or_neither_when_the_console_never_comes_back(
    nursery: Nursery,  # noqa: F811
    fault: Fault,
    moment: Moment,
    schedule: Schedule,
    room: Path,  # noqa: F811
    record_property: pytest.RecordProperty,
) -> None:
    _, actions = await undisturbed("twins", room / "calm")
    assert len(actions) == 6
    ends = set()
    for number, step in enumerate(actions, 1):
        root = lay(CASE, room / f"{number}")
        trouble = None
        if fault == "killed":
            words = "twins", str(root), str(room / "state"), fault, moment, str(number), str(step)
            assert nursery.walk(*words) == -9
        else:
            trouble = Trouble(CASE, root, fault, moment, number, step)
            await walk(CASE, root, Witness(CASE, root).hear, trouble)
            assert trouble.struck
        never(root, schedule, trouble)
        assert twins.ways(root) in (BOTH, NEITHER), f"cut {moment} change {number}"
        decided = number == 6 or (number == 5 and moment != "before")
        if (fault, schedule) == ("killed", "together") and (number, moment) != (5, "during"):
            assert twins.ways(root) == (BOTH if decided else NEITHER), f"cut {moment} change {number}"
        ends.add(twins.ways(root))
    assert ends == {BOTH, NEITHER}
    record_property("troubles of twins without a console", len(actions))
