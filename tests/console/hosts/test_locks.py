"""The locks of a run: one for each host, renewed, confirmed before a change, and lost to another console."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from console.errors import HostError, NoWayIn
from console.hosts import lock
from console.hosts.host import Completed
from console.hosts.local import Local
from console.hosts.lock import Console, Holder, HostLock, HostLocked, HostLocks, holder
from tests.console.hosts.lock_lab import BOB, EVE, Lab, Shell, age, folder, real

__all__ = ["folder", "real"]


class Line(Lab):
    """A host whose link can be down; `heard` are the verbs that reached it."""

    def __init__(self, name: str = "vps") -> None:
        super().__init__()
        self.name = name
        self.heard: list[str] = []
        self.down: Callable[[], Any] | None = None

    async def run(self, argv: Sequence[str], timeout: float, cap: int = 1 << 20) -> Completed:
        if self.down is not None:
            self.down()
        self.heard.append(argv[4])
        return await super().run(argv, timeout, cap)


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The clock of our machine, by hand."""
    clock = [1000.0]
    monkeypatch.setattr(lock, "_clock", lambda: clock[0])
    return clock


async def test_a_host_is_locked_once_and_confirmed_before_a_change_unless_it_was_just_now(
    real: Shell, now: list[float]
) -> None:
    host, locks = Line(), HostLocks(BOB, "site-1")
    for seconds in (0.0, lock.FRESH - 0.1, 0.1, lock.FRESH - 0.1, 0.1):
        now[0] += seconds
        await locks.hold(host)
    assert host.heard == ["take", "renew", "renew"]
    await locks.release()
    assert host.heard[3:] == ["release"]
    await locks.release()
    assert len(host.heard) == 4


async def test_it_is_renewed_while_a_change_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "RENEW", 0.0)
    hosts, locks = [Line("a"), Line("b")], HostLocks(BOB, "site-1")
    for host in hosts:
        await locks.hold(host)
    hosts[0].down = lambda: (_ for _ in ()).throw(NoWayIn("the link is down"))
    async with asyncio.timeout(60):
        while hosts[1].heard.count("renew") < 3:  # noqa: ASYNC110
            await asyncio.sleep(0)
        hosts[0].down = None
        while hosts[0].heard.count("renew") < 3:  # noqa: ASYNC110
            await asyncio.sleep(0)
    await locks.release()
    heard = len(hosts[1].heard)
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(hosts[1].heard) == heard, "nothing is renewed that was given back"


async def test_one_that_could_not_be_renewed_in_time_is_asked_for_before_the_next_change(
    real: Shell, now: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "RENEW", 0.0)
    host, locks = Line(), HostLocks(BOB, "site-1")
    await locks.hold(host)
    failed = asyncio.Event()

    def down() -> None:
        failed.set()
        raise NoWayIn("the link is down")

    host.down = down
    await failed.wait()
    with pytest.raises(NoWayIn):
        await locks.hold(host)
    host.down = None
    await locks.release()


async def test_a_lock_that_was_taken_over_is_told_before_the_next_change_and_taken_anew_after_it(
    now: list[float],
) -> None:
    host, locks = Line(), HostLocks(BOB, "site-1")
    await locks.hold(host)
    age(host, Path(), lock.QUIET)
    now[0] += lock.FRESH
    await HostLock(host, EVE, "site-2").take(over="run-1")
    with pytest.raises(HostLocked, match="is locked by the run run-2"):
        await locks.hold(host)
    await HostLock(host, EVE, "site-2").release()
    await locks.hold(host)
    assert (await holder(host)).console == BOB  # type: ignore[union-attr]
    await locks.release()


async def test_a_host_that_was_reached_anew_is_asked_by_its_new_way(real: Shell) -> None:
    old, new, locks = Line(), Line(), HostLocks(BOB, "site-1")
    await locks.hold(old)
    new.locks = old.locks
    await locks.hold(new)
    await locks.release()
    assert (old.heard, new.heard) == (["take"], ["renew", "release"])


async def test_a_host_that_cannot_be_reached_does_not_keep_the_others_locked(monkeypatch: pytest.MonkeyPatch) -> None:
    hosts, locks = [Line("a"), Line("b"), Line("c")], HostLocks(BOB, "site-1")
    for host in hosts:
        await locks.hold(host)
    monkeypatch.setattr(lock, "PARTING", 0.0)
    hosts[0].down = lambda: (_ for _ in ()).throw(NoWayIn("the link is down"))
    await locks.release()
    assert await holder(hosts[2]) is None


def test_what_a_call_is_for_is_told_in_words() -> None:
    call = ["sh", "-c", lock.SCRIPT, "sh"]
    words = [lock.described([*call, verb]) for verb in ("take", "renew", "release", "show")]
    assert words == ["take the lock", "", "release the lock", "see who holds the lock"]
    assert lock.described(["sh", "-c", "true", "sh", "take"]) is None


def test_a_holder_is_told_without_what_could_steer_a_terminal() -> None:
    words = str(Holder(Console("r\x1b[2J", "f\n", 1, "u\u202e", "h\x07"), 0.0, 3.4))
    assert words.isprintable()
    assert words.endswith("last heard of 3 s ago")


async def test_only_what_the_script_means_to_say_is_a_status(real: Shell) -> None:
    class Odd(Local):
        async def run(self, argv: Sequence[str], timeout: float, cap: int = 1 << 20) -> Completed:
            return Completed(127, b"", b"sh: 1: id: not found\n")

    with pytest.raises(HostError, match=r"^the lock of here cannot be used: not found$"):
        await HostLock(Odd(), BOB, "site-1").take()
