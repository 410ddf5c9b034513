"""How rollbacks are named, planned and read, word by word; the hosts here are stand-ins that answer from a list."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from console.errors import HostError, NoWayIn, TimedOut
from console.hosts.host import Completed
from console.runner import guard
from console.runner.guard import PROGRAM, Guards, GuardState
from console.runner.plan import Plan, Refusal, Rollback, Run, Write
from console.runner.step import Step

TEXT = guard.program().encode()


def said(words: str, status: int = 0) -> Completed:
    return Completed(status, f"{words}\n".encode(), b"odd\n" if status else b"")


class Machine:
    """A host that gives its answers in turn, the last of them from then on; an error is raised."""

    def __init__(self, *answers: Completed | Exception) -> None:
        self.answers = list(answers)
        self.heard: list[tuple[list[str], float]] = []

    async def run(self, argv: Sequence[str], timeout: float, cap: int = 1 << 20) -> Completed:
        self.heard.append((list(argv), timeout))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


class Context:
    """Stands for a step's: `mail` is the role of the host that the site calls cow, all others are their own names."""

    def __init__(self, files: dict[str, bytes | None] | None = None, **machines: Machine) -> None:
        self.machines, self.files = machines, files or {}
        self.fresh: list[bool] = []

    def key(self, host: str) -> str:
        return "cow" if host == "mail" else host

    def name(self, host: str) -> str:
        return f"the {self.key(host)}"

    def host(self, host: str, fresh: bool = False) -> Machine:
        self.fresh.append(fresh)
        return self.machines[self.key(host)]

    async def data(self, host: str, path: str) -> bytes | None:
        assert path == "/var/lib/cowhand/rollback/rollback.sh"
        return self.files.get(self.key(host))


# ── names and commands ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("flow", "step", "host", "name"),
    [
        ("mount-volumes", "fstab", "vps", "mount-volumes.fstab.vps"),
        ("a flow", "it's ?", "10.0.0.1", "a-flow.it-s.10-0-0-1"),
        ("", "", "", "-.-.-".lstrip("-.")),
        ("..a", "-b-", "c_1", "a.b.c_1"),
        ("ä", "b", "c", "b.c"),
        ("a", "ä", "c", "a.-.c"),
    ],
)
def test_a_rollback_has_a_name_that_the_script_takes_and_that_is_the_same_in_every_run(
    flow: str, step: str, host: str, name: str
) -> None:
    assert guard.name(flow, step, host) == name


SH = ("sh", "/var/lib/cowhand/rollback/rollback.sh")


def test_what_arms_keeps_and_takes_back_are_commands_of_the_script_on_that_host() -> None:
    plain = Rollback("vps", ("ip", "link"), 30)
    assert guard.arm("n", plain) == Run("vps", (*SH, "arm", "n", "30", "--", "ip", "link"), 60.0)
    waiting = Rollback("vps", ("ip", "link"), 30, "cow", ("curl", "-f", "x"), 5)
    words = ("arm", "n", "30", "after", "cow", "5", "3", "curl", "-f", "x", "--", "ip", "link")
    assert guard.arm("n", waiting) == Run("vps", (*SH, *words), 60.0)
    assert guard.disarm("vps", "n") == Run("vps", (*SH, "disarm", "n"), 60.0)
    assert guard.fire("vps", "n") == Run("vps", (*SH, "fire", "n"), 600.0)


# ── the script on a host ────────────────────────────────────────────────────────────────────────────────────────────


def context(**more: Any) -> Any:
    return Context(**more)


async def test_a_host_that_has_this_script_gets_nothing() -> None:
    there = context(files={"vps": TEXT}, vps=Machine(said("systemd")))
    assert await guard.lay(there, "vps") == ()


async def test_a_host_without_it_gets_its_folder_and_the_script() -> None:
    write = Write("vps", PROGRAM, None, TEXT, 0o700)
    folder, made = await guard.lay(context(vps=Machine(said("process cron"))), "vps")
    assert folder == Run("vps", ("mkdir", "-p", "-m", "0700", "--", "/var/lib/cowhand/rollback"))
    assert isinstance(made, Write)
    assert (made.host, made.path, made.before, made.after, made.mode) == (
        write.host,
        write.path,
        write.before,
        write.after,
        write.mode,
    )
    lines = len(TEXT.splitlines())
    assert made.summary == f"assets/rollback.sh of this cowhand, {lines} lines"


@pytest.mark.parametrize("there", [b"an older one", b""])
async def test_a_host_with_another_version_gets_this_one_in_its_place(there: bytes) -> None:
    (made,) = await guard.lay(context(files={"vps": there}, vps=Machine(said("systemd"))), "vps")
    assert isinstance(made, Write)
    assert (made.before, made.after, made.mode) == (there, TEXT, 0o700)


async def test_a_host_that_could_take_nothing_back_is_not_changed() -> None:
    with pytest.raises(Refusal) as caught:
        await guard.lay(context(files={"vps": TEXT}, vps=Machine(said("none"))), "vps")
    assert str(caught.value) == (
        "the vps has neither systemd nor setsid: it could not take this back by itself, so it is not changed"
    )


@pytest.mark.parametrize(("words", "found"), [("systemd", ("systemd",)), ("process cron", ("process", "cron"))])
async def test_a_host_is_asked_how_a_watchdog_runs_there_with_a_limit(words: str, found: tuple[str, ...]) -> None:
    guard._ways.cache_clear()
    vps = Machine(said(words))
    assert await guard.ways(context(vps=vps), "vps") == found
    ((argv, timeout),) = vps.heard
    assert (argv[:2], argv[3:], timeout) == (["sh", "-c"], [PROGRAM], 20.0)
    assert argv[2] == f"set -- ways\n{TEXT.decode()}"


async def test_a_host_that_cannot_say_how_is_an_error_in_its_words() -> None:
    for act in (guard.ways, guard.lay, guard.note):
        with pytest.raises(HostError, match=r"^sh on the vps: odd$"):
            await act(context(vps=Machine(said("", 1))), "vps")


@pytest.mark.parametrize("words", ["systemd", "process cron", "process at", "none", ""])
async def test_of_a_watchdog_that_a_restart_does_not_stop_there_is_nothing_to_say(words: str) -> None:
    assert await guard.note(context(vps=Machine(said(words))), "vps") == ""


async def test_of_a_watchdog_that_a_restart_forgets_the_operator_is_told() -> None:
    assert await guard.note(context(vps=Machine(said("process"))), "vps") == (
        "the vps has neither systemd, cron nor at: a restart of it forgets the rollback, and the change stays until "
        "cowhand is started again"
    )


# ── how it stands ───────────────────────────────────────────────────────────────────────────────────────────────────

STATES: list[tuple[str, GuardState, bool]] = [
    ("none", GuardState("none"), False),
    ("armed 17", GuardState("armed", 17), True),
    ("armed", GuardState("armed"), True),
    ("armed 17 after cow", GuardState("armed", 17, "cow"), True),
    ("armed x after cow", GuardState("armed", 0, "cow"), True),
    ("armed 17 behind cow", GuardState("armed", 17), True),
    ("unwatched 3 after cow", GuardState("unwatched", 3, "cow"), True),
    ("firing", GuardState("firing"), False),
    ("fired", GuardState("fired"), False),
    ("failed 4", GuardState("failed", 4), False),
    ("kept", GuardState("kept"), False),
]


@pytest.mark.parametrize(("words", "state", "armed"), STATES)
async def test_a_rollback_stands_as_the_script_says(words: str, state: GuardState, armed: bool) -> None:
    vps = Machine(said(words))
    there = context(vps=vps)
    assert await guard.state(there, "vps", "n") == state
    assert state.armed is armed
    ((argv, timeout),) = vps.heard
    assert (argv, timeout) == (["sh", "-c", guard.STATE, PROGRAM, "n"], 20.0)
    assert there.fresh == [True], "by a link of its own: the one that made the change may be cut"


@pytest.mark.parametrize("answer", [said(""), said("odd 5"), said("Armed"), said("kept", 1)])
async def test_an_answer_that_is_none_says_nothing_of_how_it_stands(answer: Completed) -> None:
    with pytest.raises(HostError, match=r"^how the rollback n stands is not known: sh on the vps"):
        await guard.state(context(vps=Machine(answer)), "vps", "n")


async def test_one_that_is_being_taken_back_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    real = asyncio.sleep

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        await real(0)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    vps = Machine(said("firing"), said("firing"), said("failed 3"), said("none"))
    assert await guard.settled(context(vps=vps), "vps", "n") == GuardState("failed", 3)
    assert pauses == [0.5, 0.5]


async def test_one_that_is_being_taken_back_for_two_minutes_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop's clock is a stand-in here: it jumps two minutes, all but a moment, and then that moment."""
    loop = asyncio.get_running_loop()
    real, ahead = loop.time, [0.0]
    monkeypatch.setattr(loop, "time", lambda: real() + ahead[0])
    task = asyncio.create_task(guard.settled(context(vps=Machine(said("firing"))), "vps", "n"))
    await asyncio.sleep(0)
    ahead[0] = 110.0
    await asyncio.sleep(0.01)
    assert not task.done()
    ahead[0] = 120.9
    with pytest.raises(TimedOut) as caught:
        await task
    assert str(caught.value) == "the vps has been taking this back for 120 s (n)"


# ── the rollbacks of a step ─────────────────────────────────────────────────────────────────────────────────────────


class Two(Step):
    name = "two"
    guarded = ("vps", "mail")


def guards(**states: GuardState) -> Guards:
    made = Guards(context(), "flow", Two())
    made.states = dict(states)
    return made


ARMED, WAITING, KEPT = GuardState("armed", 5), GuardState("armed", 5, "vps"), GuardState("kept")
WAITS_FOR_COW = GuardState("unwatched", 5, "cow")

STANDING: list[tuple[dict[str, GuardState], tuple[str, ...], str, bool]] = [
    # how they stand, which are armed, who decides, and whether it is decided
    ({}, (), "", False),
    ({"vps": KEPT, "mail": KEPT}, (), "", False),
    ({"vps": ARMED}, ("vps",), "vps", False),
    ({"mail": ARMED}, ("mail",), "mail", False),
    ({"vps": ARMED, "mail": ARMED}, ("vps", "mail"), "vps", False),
    ({"vps": ARMED, "mail": WAITING}, ("vps", "mail"), "vps", False),
    ({"vps": WAITS_FOR_COW, "mail": ARMED}, ("mail", "vps"), "mail", False),
    ({"vps": WAITS_FOR_COW, "mail": KEPT}, ("vps",), "mail", True),
    ({"vps": KEPT, "mail": WAITING}, ("mail",), "vps", True),
    ({"vps": GuardState("fired"), "mail": WAITING}, ("mail",), "vps", False),
    ({"mail": WAITING}, ("mail",), "vps", False),
    ({"mail": GuardState("armed", 5, "elsewhere")}, ("mail",), "", False),
    ({"vps": KEPT, "mail": ARMED}, ("mail",), "mail", False),
]


@pytest.mark.parametrize(("states", "armed", "decider", "kept"), STANDING)
def test_who_decides_for_the_others_is_read_from_how_they_stand(
    states: dict[str, GuardState], armed: tuple[str, ...], decider: str, kept: bool
) -> None:
    found = guards(**states)
    assert (found.armed, found.decider, found.kept) == (armed, decider, kept)


def test_a_step_says_which_hosts_are_guarded_and_how_each_rollback_is_called() -> None:
    found = guards()
    assert found.hosts == ("vps", "mail")
    assert (found.name("vps"), found.name("mail")) == ("flow.two.vps", "flow.two.cow")
    over = found.over((Rollback("vps", ("x",)), Rollback("mail", ("y",))))
    assert over == {"vps": ("the vps", PROGRAM, "flow.two.vps"), "cow": ("the cow", PROGRAM, "flow.two.cow")}


async def test_every_host_is_looked_at_and_what_was_known_before_is_forgotten() -> None:
    vps, cow = Machine(said("firing"), said("fired")), Machine(said("armed 9"))
    found = Guards(context(vps=vps, cow=cow), "flow", Two())
    found.states = {"old": KEPT}
    await found.look()
    assert found.states == {"vps": GuardState("fired"), "mail": GuardState("armed", 9)}
    assert [argv[-1] for argv, _ in (*vps.heard, *cow.heard)] == ["flow.two.vps"] * 2 + ["flow.two.cow"]


@pytest.mark.parametrize("known", [True, False])
async def test_a_host_that_does_not_answer_is_an_error_unless_the_others_are_enough(known: bool) -> None:
    found = Guards(context(vps=Machine(NoWayIn("gone")), cow=Machine(said("kept"))), "flow", Two())
    if known:
        for call in (found.look(), found.look(known=True)):
            with pytest.raises(NoWayIn, match=r"^gone$"):
                await call
        assert found.states == {}
    else:
        await found.look(known=False)
        assert found.states == {"mail": KEPT}


async def test_before_a_change_what_was_armed_is_disarmed_the_script_is_laid_and_all_are_armed() -> None:
    there = context(files={"cow": TEXT, "vps": b"old"}, vps=Machine(said("systemd")), cow=Machine(said("systemd")))
    found = Guards(there, "flow", Two())
    found.states = {"vps": KEPT, "mail": ARMED}
    rollbacks = (Rollback("vps", ("x",), 9), Rollback("mail", ("y",), 9))
    disarm, write, *arms = await found.before(Plan(rollbacks=rollbacks))
    assert disarm == guard.disarm("mail", "flow.two.cow")
    assert isinstance(write, Write) and write.host == "vps"
    assert arms == [guard.arm("flow.two.vps", rollbacks[0]), guard.arm("flow.two.cow", rollbacks[1])]
    assert await found.before(Plan()) == (disarm,)


async def test_the_notes_of_a_step_are_those_of_its_watchdogs() -> None:
    there = context(vps=Machine(said("systemd")), cow=Machine(said("process")))
    found = Guards(there, "flow", Two())
    (told,) = await found.notes(Plan(rollbacks=(Rollback("vps", ("x",)), Rollback("mail", ("y",)))))
    assert told.startswith("the cow has neither systemd, cron nor at: ")
