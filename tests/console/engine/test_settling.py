"""What a sweep in the middle of a change leaves undecided is not told beside its cause, and is asked again soon."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from console.diagnosis.catalogue import finding
from console.engine.settling import Settling
from console.events import Event, ReadingsChanged
from console.model import Finding
from tests.console.engine.test_sweeps import some_sweeps

CAUSE = finding("CH021", "nobody listens on public port 993", "vps", observed=True, lanes=("993/imaps",))


def undecided(*lanes: str) -> Finding:
    return finding("CH032", "either this; or that", "vps", observed=True, lanes=lanes)


def test_what_is_newly_undecided_beside_its_cause_waits_for_the_next_sweep_and_no_longer() -> None:
    settling, doubt = Settling(), undecided("993/imaps")
    assert settling.settle((), 1.0) == ()
    assert not settling.surprised
    assert settling.settle((CAUSE, doubt), 2.0) == (CAUSE,)
    assert settling.surprised
    assert settling.settle((CAUSE, doubt), 2.0) == (CAUSE,), "the same sweep, concluded again"
    assert settling.settle((CAUSE, doubt), 3.0) == (CAUSE, doubt)
    assert not settling.surprised


def test_it_is_told_at_once_where_nothing_else_tells_of_its_lanes_or_nothing_was_seen_before() -> None:
    doubt = undecided("993/imaps", "25/smtp")
    settling = Settling()
    assert settling.settle((CAUSE, undecided("993/imaps")), 1.0) == (CAUSE, undecided("993/imaps"))
    assert not settling.surprised
    settling = Settling()
    settling.settle((), 1.0)
    assert settling.settle((CAUSE, doubt), 2.0) == (CAUSE, doubt)
    assert settling.surprised


@asynccontextmanager
async def a_server_that_may_break(answers: asyncio.Event) -> AsyncIterator[int]:
    """A mail server that hangs up without a word while it is not to answer."""

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if answers.is_set():
            writer.write(b"220 mail.example.org ESMTP\r\n")
            await reader.read(64)
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_a_client_s_own_failure_is_shown_before_the_sweep_ends_and_taken_back_when_it_has_healed() -> None:
    answers, slow, shown = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await slow.wait()
        writer.write(b"220 mail.example.org ESMTP\r\n")
        await reader.read(64)
        writer.close()

    async with a_server_that_may_break(answers) as port, await asyncio.start_server(hold, "127.0.0.1", 0) as other:
        sweeps, told = some_sweeps(port, other.sockets[0].getsockname()[1])
        key = (f"{port}/smtp", "public")
        answers.set()
        slow.set()
        await sweeps.sweep()
        assert sweeps.readings[key].outcome == "ok"

        def notify(event: Event) -> None:
            if isinstance(event, ReadingsChanged) and sweeps.readings[key].outcome != "ok":
                shown.set()

        sweeps.notify = notify
        answers.clear()
        slow.clear()
        broken = asyncio.create_task(sweeps.sweep())
        async with asyncio.timeout(60):
            await shown.wait()
        assert not broken.done()
        assert (sweeps.readings[key].outcome, sweeps.readings[key].word) == ("degraded", "no answer")
        slow.set()
        await broken
        assert sweeps.readings[key].outcome == "degraded"
        sweeps.notify = told.append
        told.clear()
        await sweeps.sweep()
        assert [each for each in told if isinstance(each, ReadingsChanged)] == []
        answers.set()
        await sweeps.sweep()
        assert sweeps.readings[key].outcome == "ok"
