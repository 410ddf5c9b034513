"""The files, requests and waits of a confirmed plan: what reaches the host, and what takes it back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from console.errors import NoWayIn
from console.events import ActionProgressed
from console.hosts.host import ABSENT, Before, Completed
from console.runner import executor, transfer
from console.runner.plan import Action, Amount, Call, Copy, Run, Wait, Write
from tests.console.runner.doing import LOOKS, WELL, Doing, Stand, failed

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
