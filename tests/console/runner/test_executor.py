"""One action of a confirmed plan: what is refused before it, what reaches the host, what is journalled and told of it.

The host here is a stand-in that keeps what it was asked; what real shells make of it is in test_runner.py."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from console.errors import FileError, HostError, Missing, NoWayIn, StreamError, TimedOut
from console.estate.load import load
from console.events import ActionBegan, ActionEnded, ActionProgressed, ActionSaid, FlowEvent
from console.hosts.host import ABSENT, ANY, Before, Completed, Host, feeding, overhear
from console.hosts.marks import guarding, marking
from console.runner import executor, hearing, transfer
from console.runner.context import StepContext
from console.runner.executor import TAKE, Executor, Failed
from console.runner.plan import Action, Amount, Call, Copy, Plan, Run, Wait, Write
from console.runner.progress import Entry, Progress, Stopped
from console.runner.read_only import Forbidden
from console.secret import Secret
from console.store.journal import Journal
from tests.console.flows.playing import SITE, Leave

WELL = Completed(0, b"", b"")
LOOKS = ("test", "-e", "/x")
"""A command that only reads."""


class Asked:
    """What a command came with."""

    def __init__(self, argv: Sequence[str], timeout: float) -> None:
        self.argv, self.timeout = tuple(argv), timeout
        self.mark, self.guard, self.fed = marking.get(), guarding.get(), feeding.get()


class Stand:
    """Stands for a host: `answers` are what its commands leave, in order; the last for all that follow."""

    role = "mail"

    def __init__(self, *answers: Completed | Exception, name: str = "cow") -> None:
        self.name, self.answers = name, list(answers) or [WELL]
        self.asked: list[Asked] = []
        self.files: dict[str, bytes] = {}
        self.written: list[tuple[str, bytes, int, Before]] = []
        self.meanwhile: Callable[[], Awaitable[None]] | None = None

    async def run(self, argv: Sequence[str], timeout: float, cap: int = 1 << 20) -> Completed:
        self.asked.append(Asked(argv, timeout))
        if self.meanwhile is not None:
            await self.meanwhile()
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def read(self, path: str, cap: int = 1 << 20) -> bytes:
        if path not in self.files:
            raise Missing(path)
        return self.files[path]

    async def write(self, path: str, data: bytes, mode: int = 0o600, before: Before = ANY) -> None:
        if isinstance(self.answers[0], Exception):
            raise self.answers[0]
        self.written.append((path, data, mode, before))


class Kept(Journal):
    """A journal in memory."""

    def __init__(self) -> None:
        self.run = "R"
        self._handle = -1
        self.lines: list[tuple[str, dict[str, Any]]] = []

    def write(self, kind: str, **data: object) -> None:
        self.lines.append((kind, {key: value for key, value in data.items() if value not in (None, "", (), [])}))


class Doing:
    """An executor of a plan of these actions, and all that it told."""

    def __init__(self, tmp_path: Path, host: Stand, *actions: Action) -> None:
        (tmp_path / "site.toml").write_text(SITE)
        self.host, self.journal = host, Kept()
        self.events: list[FlowEvent] = []
        self.context = StepContext(load(tmp_path / "site.toml"), {"site-name": cast("Host", host)})
        step = Leave(Path("/x"), name="second")
        first, self.entry = Entry(("f",), Leave(Path("/x"), name="first")), Entry(("f", "g"), step)

        async def silent(prompt: object) -> str | None:
            return None

        self.progress = Progress(self.context, silent, self.events.append, self.journal)
        self.progress.entries = [first, self.entry]
        self.executor = Executor(self.progress, self.entry, Plan(actions))

    def told(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


async def failed(doing: Doing, action: Action, error: type[Exception] = Failed) -> str:
    with pytest.raises(error) as caught:
        await doing.executor.do(action)
    return str(caught.value)


RUN = Run("mail", ("touch", "/x"), 7.0, undo=("rm", "/x"), signal="INT")


async def test_a_change_is_journalled_and_told_before_and_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executor, "_word", lambda: "w")
    now = iter([10.0, 12.3456])
    monkeypatch.setattr(executor, "time", SimpleNamespace(monotonic=lambda: next(now), time=lambda: 5.0))
    doing = Doing(tmp_path, Stand(Completed(0, b"said\n", b"complained\n")), RUN)
    assert await doing.executor.do(RUN) == Completed(0, b"said\n", b"complained\n")
    told = {"step": "second", "flow": "g", "host": "cow", "text": "touch /x", "key": "site-name", "mark": "R-w"}
    assert doing.journal.lines == [
        ("do", told | {"argv": ["touch", "/x"], "limit": 7.0, "undo": {"run": ["rm", "/x"]}}),
        ("did", told | {"status": 0, "output": "said\ncomplained", "seconds": 2.346}),
    ]
    began, ended = doing.events
    assert isinstance(began, ActionBegan)
    assert isinstance(ended, ActionEnded)
    assert (began.run, began.step, began.action.text, began.at, began.path) == (
        "R", 1, "touch /x", 5.0, ("f", "g", "second")
    )  # fmt: skip
    assert (ended.run, ended.step, ended.status, ended.output, ended.problem, ended.seconds, ended.path) == (
        "R", 1, 0, "said\ncomplained", "", 2.346, ("f", "g", "second")
    )  # fmt: skip
    assert [(each.argv, each.timeout, each.mark) for each in doing.host.asked] == [(("touch", "/x"), 7.0, "R-w")]
    assert (doing.executor.begun, doing.executor.made, doing.progress.begun) == (1, 1, 1)
    assert doing.progress.made == {("g", "second"): [{"run": ["rm", "/x"], "key": "site-name"}]}
    assert doing.progress.unsettled == []
    assert (marking.get(), guarding.get(), feeding.get()) == ("", None, b"")


async def test_what_arms_a_rollback_says_so_and_is_not_undone_with_the_step(tmp_path: Path) -> None:
    doing = Doing(tmp_path, Stand(), RUN)
    doing.executor.guards = True
    await doing.executor.do(RUN)
    assert doing.journal.lines[0][1]["guard"] is True
    assert doing.progress.made == {}
    assert doing.executor.made == 1


async def test_it_runs_under_the_rollback_of_its_host_and_no_other(tmp_path: Path) -> None:
    for key, guard in (("site-name", ("cow", "p", "n")), ("other", None)):
        doing = Doing(tmp_path, Stand(), RUN)
        doing.executor.under = {key: ("cow", "p", "n")}
        await doing.executor.do(RUN)
        assert doing.host.asked[0].guard == guard
        assert guarding.get() is None


async def test_its_signal_and_its_mark_are_known_while_it_runs(tmp_path: Path) -> None:
    doing = Doing(tmp_path, Stand(), RUN)
    seen: list[tuple[str, str, bool]] = []
    running: list[Any] = []

    async def look() -> None:
        now = doing.progress.running
        assert now is not None
        running.append(now)
        seen.append((now.host, now.signal, now.mark == marking.get()))

    doing.host.meanwhile = look
    await doing.executor.do(RUN)
    assert seen == [("site-name", "INT", True)]
    assert running[0].ended.is_set()
    assert doing.progress.running is None


async def test_no_two_actions_have_the_same_mark(tmp_path: Path) -> None:
    doing = Doing(tmp_path, Stand(), RUN)
    await doing.executor.do(RUN)
    await doing.executor.do(RUN)
    assert (doing.executor.begun, doing.executor.made, doing.progress.begun) == (2, 2, 2)
    assert len(doing.progress.made["g", "second"]) == 2
    marks = [each.mark for each in doing.host.asked]
    assert len({*marks}) == 2
    assert [len(mark) for mark in marks] == [18, 18]


async def test_nothing_that_was_not_shown_is_done(tmp_path: Path) -> None:
    doing = Doing(tmp_path, Stand(), RUN)
    other = Run("mail", ("touch", "/y\x1b"))
    words = await failed(doing, other, Forbidden)
    assert words == "touch '/y\\x1b' was not in the plan that was shown"
    assert (doing.host.asked, doing.journal.lines, doing.executor.begun) == ([], [], 0)


async def test_a_secret_is_never_a_word_of_a_command(tmp_path: Path) -> None:
    run = Run("mail", ("login", "hunter2x"))
    doing = Doing(tmp_path, Stand(), run)
    doing.context.hide("hunter2x")
    assert await failed(doing, run, Forbidden) == "login would show a secret to every user of cow"
    assert (doing.host.asked, doing.journal.lines) == ([], [])


async def test_a_stopped_run_does_nothing_more_but_for_what_takes_back(tmp_path: Path) -> None:
    doing = Doing(tmp_path, Stand(), RUN)
    doing.progress.stop()
    await failed(doing, RUN, Stopped)
    assert (doing.host.asked, doing.journal.lines) == ([], [])
    doing.executor.always = True
    await doing.executor.do(RUN)
    assert len(doing.host.asked) == 1


STATUSES = [(0, (0,), True), (1, (0,), False), (1, (0, 1), True), (0, (1,), False), (255, (0,), False)]


@pytest.mark.parametrize(("status", "well", "succeeds"), STATUSES)
async def test_a_status_is_success_or_a_failure_with_its_reason(
    status: int, well: tuple[int, ...], succeeds: bool, tmp_path: Path
) -> None:
    run = Run("mail", ("touch", "/x"), well=well)
    doing = Doing(tmp_path, Stand(Completed(status, b"", b"touch: no space\n")), run)
    if succeeds:
        await doing.executor.do(run)
    else:
        assert await failed(doing, run) == "touch on cow: no space"
    (kind, data) = doing.journal.lines[-1]
    assert (kind, data["status"], data["output"], bool(data.get("problem"))) == (
        "did", status, "touch: no space", not succeeds
    )  # fmt: skip
    assert (doing.executor.begun, doing.executor.made, len(doing.progress.made)) == (1, int(succeeds), int(succeeds))
    assert "unsure" not in data
    assert doing.progress.unsettled == []


UNSURE = [
    (FileError("no space"), False),
    (StreamError("cut"), True),
    (NoWayIn("gone"), True),
    (TimedOut("late"), True),
]


@pytest.mark.parametrize(("error", "unsure"), UNSURE)
async def test_what_may_have_taken_effect_is_kept_as_unsettled(error: HostError, unsure: bool, tmp_path: Path) -> None:
    doing = Doing(tmp_path, Stand(error), RUN)
    assert await failed(doing, RUN) == str(error)
    data = doing.journal.lines[-1][1]
    assert (data["problem"], data.get("unsure", False), data.get("status")) == (str(error), unsure, None)
    assert [(each.mark, each.host, each.text, each.limit) for each in doing.progress.unsettled] == (
        [(data["mark"], "site-name", "touch /x", 7.0)] if unsure else []
    )
    assert doing.told(ActionEnded)[0].problem == str(error)
    assert doing.progress.running is None
    assert (marking.get(), doing.executor.made, doing.progress.made) == ("", 0, {})


async def test_an_error_without_words_is_no_success(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    doing = Doing(tmp_path, Stand(NoWayIn("")), RUN)
    assert await failed(doing, RUN) == ""
    assert (doing.executor.made, doing.progress.made) == (0, {})

    async def stand_in(*_: object) -> None:
        raise Failed("")

    monkeypatch.setattr(transfer, "copy", stand_in)
    copy = Copy("mail", "/x", "mail", "/y", 9, "s")
    doing = Doing(tmp_path, Stand(), copy)
    assert await failed(doing, copy) == ""
    assert (doing.executor.made, doing.progress.made) == (0, {})


async def test_a_host_that_never_says_is_given_up_some_time_after_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[float] = []
    real = asyncio.timeout

    def shorter(seconds: float) -> asyncio.Timeout:
        given.append(seconds)
        return real(0.0)

    monkeypatch.setattr(executor.asyncio, "timeout", shorter)  # type: ignore[attr-defined]
    run = Run("mail", ("touch", "/x"), 7.0, guards=(LOOKS, LOOKS))
    doing = Doing(tmp_path, Stand(), run)
    doing.host.meanwhile = lambda: asyncio.Event().wait()  # type: ignore[assignment]
    assert await failed(doing, run) == "touch /x: it did not end within 17 s"
    assert given == [7.0 + 10.0 + 2 * 30.0]
    data = doing.journal.lines[-1][1]
    assert (data["problem"], data["unsure"]) == ("it did not end within 17 s", True)
    assert len(doing.progress.unsettled) == 1
    doing = Doing(tmp_path, Stand(), RUN)
    doing.host.meanwhile = lambda: asyncio.Event().wait()  # type: ignore[assignment]
    await failed(doing, RUN)
    write = Write("mail", "/x", None, b"a")
    doing = Doing(tmp_path, Stand(), write)
    doing.host.read = lambda path, cap=0: asyncio.Event().wait()  # type: ignore[assignment,return-value,method-assign]
    assert await failed(doing, write) == "write /x (mode 0644, 1 bytes): it did not end within 70 s"
    assert given[1:] == [17.0, 70.0]
    assert doing.journal.lines[0][1]["limit"] == 60.0


async def test_one_that_is_cut_off_may_have_taken_effect(tmp_path: Path) -> None:
    doing = Doing(tmp_path, Stand(), RUN)
    begun = asyncio.Event()

    async def hang() -> None:
        begun.set()
        await asyncio.Event().wait()

    doing.host.meanwhile = hang
    task = asyncio.ensure_future(doing.executor.do(RUN))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    data = doing.journal.lines[-1][1]
    words = "cut off while it ran: whether it took effect is not known"
    assert (data["problem"], data["unsure"]) == (words, True)
    assert len(doing.progress.unsettled) == 1


async def test_what_was_read_before_is_forgotten_after_each_action(tmp_path: Path) -> None:
    for answer in (WELL, Completed(1, b"", b"")):
        doing = Doing(tmp_path, Stand(answer), RUN)
        made = 0

        async def make() -> int:
            nonlocal made
            made += 1
            return made

        before = await doing.context.cached("k", make)
        if answer.status:
            await failed(doing, RUN)
        else:
            await doing.executor.do(RUN)
        assert await doing.context.cached("k", make) == before + 1


# ── commands ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_guards_are_asked_first_and_one_that_fails_keeps_the_command_back(tmp_path: Path) -> None:
    run = Run("mail", ("touch", "/x"), guards=(LOOKS, ("test", "-d", "/a b")))
    doing = Doing(tmp_path, Stand(), run)
    await doing.executor.do(run)
    assert [(each.argv, each.timeout) for each in doing.host.asked] == [
        (LOOKS, 30.0), (("test", "-d", "/a b"), 30.0), (("touch", "/x"), 60.0)
    ]  # fmt: skip
    doing = Doing(tmp_path, Stand(WELL, Completed(1, b"", b"test: no\n")), run)
    words = await failed(doing, run)
    assert words.startswith("touch was not run, for test -d '/a b' did not succeed: ")
    assert len(doing.host.asked) == 2
    assert doing.journal.lines[-1][1]["problem"] == words
    assert doing.progress.unsettled == []


async def test_secrets_reach_a_command_as_its_input_alone(tmp_path: Path) -> None:
    variables = (("A", Secret("one")), ("B", Secret("two")))
    run = Run("mail", ("login", "-"), environment=variables, stdin=Secret("three"))
    doing = Doing(tmp_path, Stand(), run)
    await doing.executor.do(run)
    (asked,) = doing.host.asked
    assert asked.argv == ("sh", "-c", TAKE, "sh", "2", "A", "B", "login", "-")
    assert asked.fed == b"one\ntwo\nthree"
    assert "undo" not in doing.journal.lines[0][1]
    for more, fed in (({}, b""), ({"stdin": Secret("x")}, b"x")):
        plain = Run("mail", ("login", "-"), **more)  # type: ignore[arg-type]
        doing = Doing(tmp_path, Stand(), plain)
        await doing.executor.do(plain)
        assert (doing.host.asked[0].argv, doing.host.asked[0].fed) == (("login", "-"), fed)


def half(line: str) -> Amount | None:
    return Amount(1.23456, 3.0, "B", "copying") if line == "half" else None


async def test_how_far_it_is_and_what_it_says_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hearing, "OFTEN", 0.0)
    run = Run("mail", ("copy",), progress=half, tells=lambda line: line.upper() if line != "hidden" else "")
    doing = Doing(tmp_path, Stand(Completed(0, b"words\nhidden\n", b"")), run)

    async def say() -> None:
        overhear(b"words\nhalf\nhidden\n")
        while not doing.told(ActionSaid):  # noqa: ASYNC110  # it is told by a timer
            await asyncio.sleep(0)

    doing.host.meanwhile = say
    await doing.executor.do(run)
    (far,) = doing.told(ActionProgressed)
    assert (far.run, far.step, far.done, far.total, far.unit, far.rate, far.left, far.words, far.path) == (
        "R", 1, 1.23456, 3.0, "B", 0.0, 0.0, "copying", ("f", "g", "second")
    )  # fmt: skip
    (said,) = doing.told(ActionSaid)
    assert (said.run, said.step, said.output, said.path) == ("R", 1, "WORDS\nHALF", ("f", "g", "second"))
    assert doing.journal.lines[-1][1]["output"] == "WORDS"
    doing.events.clear()
    overhear(b"after\n")
    assert doing.events == []


async def test_of_what_it_said_the_end_is_kept(tmp_path: Path) -> None:
    doing = Doing(tmp_path, Stand(Completed(0, b"\nab\n" + b"word\n" * 799 + b"last\n", b"")), RUN)
    await doing.executor.do(RUN)
    assert doing.journal.lines[-1][1]["output"] == "\n" + "word\n" * 799 + "last"


async def test_one_that_says_nothing_for_too_long_is_given_up_and_ended(tmp_path: Path) -> None:
    run = Run("mail", ("copy",), silence=0.001)
    doing = Doing(tmp_path, Stand(), run)
    ended = False

    async def hang() -> None:
        nonlocal ended
        try:
            await asyncio.Event().wait()
        finally:
            ended = True

    doing.host.meanwhile = hang
    assert await failed(doing, run) == "copy said nothing for 0.001 s, and was given up"
    assert ended
    assert len(doing.progress.unsettled) == 1


async def test_one_that_ends_in_time_is_not_given_up_and_nothing_is_left_waiting(tmp_path: Path) -> None:
    run = Run("mail", ("copy",), silence=600)
    doing = Doing(tmp_path, Stand(), run)
    before = asyncio.all_tasks()
    await doing.executor.do(run)
    assert asyncio.all_tasks() == before


# ── files, requests, waiting ────────────────────────────────────────────────────────────────────────────────────────

WRITES = [
    (b"old", b"old", b"old"),
    (b"new", b"old", b"new"),  # it was written already
    (None, None, ABSENT),
]


@pytest.mark.parametrize(("now", "planned", "before"), WRITES)
async def test_a_write_is_bound_to_what_is_there(
    now: bytes | None, planned: bytes | None, before: Before, tmp_path: Path
) -> None:
    write = Write("mail", "/x", planned, b"new", 0o640)
    doing = Doing(tmp_path, Stand(), write)
    doing.host.files = {} if now is None else {"/x": now}
    assert await doing.executor.do(write) is None
    assert doing.host.written == [("/x", b"new", 0o640, before)]
    data = doing.journal.lines[-1][1]
    assert ("status" in data, "output" in data, "argv" in doing.journal.lines[0][1]) == (False, False, False)


@pytest.mark.parametrize(("now", "planned"), [(b"theirs", b"old"), (None, b"old"), (b"", None), (b"theirs", None)])
async def test_what_has_changed_since_the_plan_is_left(
    now: bytes | None, planned: bytes | None, tmp_path: Path
) -> None:
    write = Write("mail", "/x", planned, b"new")
    doing = Doing(tmp_path, Stand(), write)
    doing.host.files = {} if now is None else {"/x": now}
    assert await failed(doing, write) == "/x has changed since its plan was shown; it was left as it is"
    assert doing.host.written == []
    assert doing.progress.unsettled == []


async def test_a_file_is_looked_at_afresh_right_before_it_is_written(tmp_path: Path) -> None:
    write = Write("mail", "/x", b"old", b"new")
    doing = Doing(tmp_path, Stand(), write)
    doing.host.files = {"/x": b"old"}
    doing.context.keeping = True
    assert await doing.context.data("mail", "/x") == b"old"
    doing.host.files = {"/x": b"theirs"}
    assert "has changed since its plan was shown" in await failed(doing, write)


async def test_a_copy_is_between_these_two_hosts_and_tells_how_far_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = Copy("mail", "/x", "site-name", "/y", 9, "s")
    doing = Doing(tmp_path, Stand(), copy)
    copied: list[Any] = []

    async def stand_in(source: Any, target: Any, action: Copy, tell: Callable[[Amount], None]) -> None:
        copied.append((source, target, action))
        tell(Amount(9, 9, "B", "/x"))

    monkeypatch.setattr(transfer, "copy", stand_in)
    assert await doing.executor.do(copy) is None
    assert copied == [(doing.host, doing.host, copy)]
    assert [(far.done, far.total) for far in doing.told(ActionProgressed)] == [(9, 9)]


async def test_rates_are_told_in_thousandths_and_what_remains_in_tenths(tmp_path: Path) -> None:
    doing = Doing(tmp_path, Stand())
    doing.executor._far(Amount(1, 9), 1.23456, 2.34567)
    (far,) = doing.told(ActionProgressed)
    assert (far.rate, far.left) == (1.235, 2.3)


NEW = "11507a0e2f5e69d5dfa40a62a1bd7b6ee57e6bcd85c67c9b8431b36fff21c437"
OLD = "cba06b5736faf67e54b07b561eae94395e774c517a7d910a54369e1263ccfbd4"

BACK: list[tuple[Action, dict[str, Any]]] = [
    (Run("mail", ("a",)), {}),
    (Run("mail", ("a",), undo=("b", "c")), {"run": ["b", "c"]}),
    (Write("mail", "/x", b"old", b"new", 0o640), {"path": "/x", "before": OLD, "after": NEW, "mode": 0o640}),
    (Write("mail", "/x", None, b"new"), {"path": "/x", "before": "", "after": NEW, "mode": 0o644}),
    (Write("mail", "/x", None, b"new", sealed=True),
     {"path": "/x", "before": "", "after": NEW, "mode": 0o644, "sealed": True}),
    (Copy("mail", "/x", "mail", "/y", 1, "s", "b", 0o600), {"path": "/x", "before": "b", "after": "s", "mode": 0o600}),
    (Call("mail", "incus", "GET", "/"), {}),
    (Wait("mail", LOOKS, "it is"), {}),
]  # fmt: skip


@pytest.mark.parametrize(("action", "back"), BACK, ids=[type(action).__name__ for action, _ in BACK])
def test_what_takes_it_back_is_what_the_journal_keeps(action: Action, back: dict[str, Any]) -> None:
    assert executor._way_back(action) == back


class Api:
    """Stands for Incus."""

    def __init__(self, answer: Completed) -> None:
        self.answer = answer
        self.asked: list[tuple[str, str, str, float]] = []

    async def call(self, method: str, path: str, body: str, timeout: float) -> Completed:
        self.asked.append((method, path, body, timeout))
        return self.answer


async def test_a_request_is_sent_whole_and_its_status_is_its_success(tmp_path: Path) -> None:
    call = Call("mail", "incus", "POST", "/1.0", "{}", 8.0)
    for answer in (WELL, Completed(1, b"", b"Error: not found")):
        doing, api = Doing(tmp_path, Stand(), call), Api(answer)
        doing.context.offer("incus", api)
        if answer.status:
            assert "Error: not found" in await failed(doing, call)
        else:
            assert await doing.executor.do(call) == WELL
        assert api.asked == [("POST", "/1.0", "{}", 8.0)]
        assert "argv" not in doing.journal.lines[0][1]


async def test_a_wait_asks_again_until_it_holds_whatever_the_host_says_meanwhile(tmp_path: Path) -> None:
    wait = Wait("mail", LOOKS, "it is there", 60.0, every=0.0)
    doing = Doing(tmp_path, Stand(Completed(1, b"", b""), NoWayIn("it starts"), WELL), wait)
    doing.context.keeping = True
    assert await doing.executor.do(wait) is None
    assert [(each.argv, each.timeout) for each in doing.host.asked] == [(LOOKS, 30.0)] * 3


CLOCK = [
    ([Completed(1, b"", b"test: no\n")], [5.0, 2.0], ": no"),
    ([NoWayIn("it starts")], [5.0, 2.0], "it starts"),
]


@pytest.mark.parametrize(("answers", "pauses", "why"), CLOCK)
async def test_a_wait_in_vain_ends_at_its_limit_with_the_last_reason(
    answers: list[Completed | Exception],
    pauses: list[float],
    why: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wait = Wait("mail", LOOKS, "it is there", 7.0, every=5.0)
    doing = Doing(tmp_path, Stand(*answers), wait)
    now, slept = 100.0, []

    async def pause(seconds: float) -> None:
        nonlocal now
        slept.append(seconds)
        now += seconds

    monkeypatch.setattr(executor, "time", SimpleNamespace(monotonic=lambda: now, time=lambda: 5.0))
    monkeypatch.setattr(doing.progress, "pause", pause)
    words = await failed(doing, wait)
    assert words.startswith("waited 7 s in vain until it is there: ")
    assert words.endswith(why)
    assert slept == pauses
    assert len(doing.host.asked) == 2


async def test_a_wait_of_no_time_asks_nothing(tmp_path: Path) -> None:
    wait = Wait("mail", LOOKS, "it is there", 0.0)
    doing = Doing(tmp_path, Stand(), wait)
    assert await failed(doing, wait) == "waited 0 s in vain until it is there: it was not asked"
    assert doing.host.asked == []
