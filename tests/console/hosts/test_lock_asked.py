"""What a host is asked for its lock, how its answer is read, and when it is asked again; the hosts are stand-ins."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from console.errors import FileError
from console.hosts import lock
from console.hosts.host import Completed
from console.hosts.local import Local
from console.hosts.lock import Console, Holder, HostLock, HostLocked, HostLocks, holder

BOB = Console("run-1", "mount-volumes", 17, "bob", "laptop")
TOLD = '{"run":"run-1","flow":"mount-volumes","pid":17,"user":"bob","host":"laptop"}'


class Answering(Local):
    """A host that answers the same to every call, and keeps what it was asked."""

    def __init__(self, status: int = 0, out: str = "", err: str = "") -> None:
        super().__init__("vps")
        self.answer = Completed(status, out.encode(), err.encode())
        self.heard: list[list[str]] = []
        self.limits: set[tuple[float, int]] = set()

    async def run(self, argv: Sequence[str], timeout: float, cap: int = 1 << 20) -> Completed:
        self.heard.append(list(argv))
        self.limits.add((timeout, cap))
        return self.answer

    @property
    def verbs(self) -> list[str]:
        return [argv[4] for argv in self.heard]


async def test_the_script_is_told_who_asks_for_what_and_when_a_console_counts_as_quiet(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lock, "LOCKS", "/run/cowhand")
    host = Answering()
    ours = HostLock(host, BOB, "site-1")
    await ours.take("run-0")
    await ours.renew()
    await ours.release()
    assert await holder(host) is None
    script = ["sh", "-c", lock.SCRIPT, "sh"]
    assert host.heard == [
        [*script, "take", "/run/cowhand", "run-1", "site-1", "run-0", "120", TOLD],
        [*script, "renew", "/run/cowhand", "run-1", "site-1", "", "120", TOLD],
        [*script, "release", "/run/cowhand", "run-1", "site-1", "", "120", TOLD],
        [*script, "show", "/run/cowhand", "", "", "", "120", ""],
    ]
    assert host.limits == {(15.0, 4096)}


# ── what it answers ─────────────────────────────────────────────────────────────────────────────────────────────────

NOBODY = Console("?", "?", 0, "?", "?")

HELD: list[tuple[str, Holder | None]] = [
    ("", None),
    ("5\n", None),
    ("5\n1000", None),
    (f"5\n1000\n{TOLD}", Holder(BOB, 1000.0, 5.0)),
    (f"5\n1000\n{TOLD}\n", Holder(BOB, 1000.0, 5.0)),
    (f"5\n1000\n{TOLD}\nmore\n", Holder(BOB, 1000.0, 5.0)),
    ("5\n1000\n{\n", Holder(NOBODY, 0.0, 0.0)),
    (f"x\n1000\n{TOLD}\n", Holder(NOBODY, 0.0, 0.0)),
    (f"5\nx\n{TOLD}\n", Holder(NOBODY, 0.0, 0.0)),
]


@pytest.mark.parametrize(("out", "found"), HELD)
async def test_who_holds_it_is_read_from_three_lines(out: str, found: Holder | None) -> None:
    assert await holder(Answering(0, out)) == found
    with pytest.raises(HostLocked) as caught:
        await HostLock(Answering(4, out), BOB, "site-1").renew()
    assert caught.value.holder == found


@pytest.mark.parametrize(
    ("status", "err", "why"),
    [
        (3, "noise\na: b: what is wrong\n", "a: b: what is wrong"),
        (3, "e" * 300, "e" * 300),
        (3, "e" * 301, "e" * 299 + "…"),
        (1, "noise\nmkdir: cannot create directory: File exists\n", "File exists"),
        (9, "", "status 9"),
        (3, "", "status 3"),
    ],
)
async def test_a_lock_that_cannot_be_used_is_told_with_the_last_words_of_the_host(
    status: int, err: str, why: str
) -> None:
    for call in (HostLock(Answering(status, "", err), BOB, "s").take(), holder(Answering(status, "", err))):
        with pytest.raises(FileError) as caught:
            await call
        assert str(caught.value) == f"the lock of vps cannot be used: {why}"


@pytest.mark.parametrize(
    ("field", "most", "others"),
    [("run", 60, "the run {} of f: process 1 of u on h,"), ("flow", 60, "the run r of {}: process 1 of u on h,"),
     ("user", 40, "the run r of f: process 1 of {} on h,"), ("host", 60, "the run r of f: process 1 of u on {},")],
)  # fmt: skip
def test_each_name_of_a_holder_is_cut_where_it_is_too_long(field: str, most: int, others: str) -> None:
    for length, shown in ((most, "x" * most), (most + 1, "x" * (most - 1) + "…")):
        names = {"run": "r", "flow": "f", "user": "u", "host": "h", field: "x" * length}
        words = str(Holder(Console(names["run"], names["flow"], 1, names["user"], names["host"]), 0.0, 3.4))
        assert words.startswith(others.format(shown)) and words.endswith("last heard of 3 s ago")


# ── when it is asked ────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_clock_goes_on_while_this_machine_sleeps_where_there_is_such_a_clock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stand_in: Any = SimpleNamespace(time=lambda: 5.0, clock_gettime=lambda clock: {7: 9.0}[clock], CLOCK_BOOTTIME=7)
    monkeypatch.setattr(lock, "time", stand_in)
    assert lock._clock() == 9.0
    del stand_in.CLOCK_BOOTTIME
    assert lock._clock() == 5.0


async def test_a_lock_is_asked_for_again_five_seconds_after_it_was_known_to_be_ours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [0.0]
    monkeypatch.setattr(lock, "_clock", lambda: now[0])
    host, locks = Answering(), HostLocks(BOB, "site-1")
    heard = []
    for moment in (1000.0, 1004.9, 1005.0, 1009.9, 1010.0):
        now[0] = moment
        await locks.hold(host)
        heard.append(len(host.heard))
    await locks.release()
    assert (heard, host.verbs) == ([1, 1, 2, 2, 3], ["take", "renew", "renew", "release"])


async def turns(count: int = 30) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_all_are_renewed_every_thirty_seconds_until_they_are_given_back_and_again_when_taken_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pauses: list[float] = []
    go: asyncio.Queue[None] = asyncio.Queue()

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        await go.get()

    host, locks = Answering(), HostLocks(BOB, "site-1")
    stand_in = SimpleNamespace(sleep=sleep, create_task=asyncio.create_task, timeout=asyncio.timeout, Task=asyncio.Task)
    monkeypatch.setattr(lock, "asyncio", stand_in)
    for _ in range(2):
        await locks.hold(host)
        await turns()
        go.put_nowait(None)
        await turns()
        assert (pauses, host.verbs) == ([30.0, 30.0], ["take", "renew"])
        await locks.release()
        await turns()
        assert asyncio.all_tasks() == {asyncio.current_task()}, "nothing goes on behind it"
        pauses.clear()
        host.heard.clear()


async def test_a_host_that_does_not_answer_holds_the_end_of_a_run_up_for_three_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The loop's clock is a stand-in: it jumps."""
    loop = asyncio.get_running_loop()
    real, ahead = loop.time, [0.0]
    monkeypatch.setattr(loop, "time", lambda: real() + ahead[0])

    class Silent(Answering):
        async def run(self, argv: Sequence[str], timeout: float, cap: int = 1 << 20) -> Completed:
            if argv[4] == "release":
                await loop.create_future()
            return await super().run(argv, timeout, cap)

    locks = HostLocks(BOB, "site-1")
    await locks.hold(Silent())
    ending = asyncio.create_task(locks.release())
    await turns()
    ahead[0] = 2.5
    await turns()
    assert not ending.done()
    ahead[0] = 3.5
    await turns()
    assert ending.done()
    await ending
