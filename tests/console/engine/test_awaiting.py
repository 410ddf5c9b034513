"""Whose answer is waited for is told soon, again each second, and no longer than until a cause is told."""

from __future__ import annotations

import asyncio
import socket
import threading
from pathlib import Path

import pytest

from console.engine import engine as engines
from console.engine.awaiting import AGAIN, FIRST, LONG, Awaiting
from console.engine.engine import Engine
from console.engine.sweeps import Sweeps
from console.engine.vantages import Vantages, open_site
from console.engine.way_in import coming
from console.estate.load import Estate, load
from console.events import Awaited, Event, ReadingsChanged
from console.hosts.local import Local
from console.model import Lane, Role, Span, Topology
from tests.console.engine.test_sweeps import MISSING
from tests.drill.record import read
from tests.drill.test_early import cut


def test_it_is_said_soon_and_again_each_second_and_that_it_has_ended() -> None:
    seen, said = cut(read("own-tunnel-cut"), 1.5), list[Event]()
    awaiting = Awaiting(said.append)
    for after in (0.0, FIRST - 0.01, FIRST, FIRST + 0.1, FIRST + AGAIN + 0.01):
        awaiting.tell(seen, seen.at + after, first=True)
    assert [each.words[:20] for each in said if isinstance(each, Awaited)] == [
        "no answer for 0.6 s ", "no answer for 1.6 s ",
    ]  # fmt: skip
    awaiting.end()
    awaiting.end()
    assert said[2:] == [Awaited("")]


def test_after_the_first_sweep_a_slow_answer_is_given_more_time() -> None:
    seen, said = cut(read("own-tunnel-cut"), 1.5), list[Event]()
    awaiting = Awaiting(said.append)
    awaiting.tell(seen, seen.at + LONG - 0.01, first=False)
    assert not said
    awaiting.tell(seen, seen.at + LONG, first=False)
    assert said


async def test_a_sweep_says_whose_answer_is_missing_before_it_ends_and_not_while_more_is_known() -> None:
    said, heard, ended = list[Event](), asyncio.Event(), asyncio.Event()

    def hear(event: Event) -> None:
        said.append(event)
        if isinstance(event, Awaited):
            heard.set()

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await ended.wait()
        writer.close()

    server = await asyncio.start_server(mute, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        lane = Lane("imap", "imap", port, (), None, None, "passthrough", Span("haproxy.cfg", 1))
        topology = Topology(lanes=(lane,), public=("127.0.0.1",))
        sweeps = Sweeps(topology, {"here": Local()}, MISSING, hear)  # type: ignore[arg-type]
        sweep = asyncio.create_task(sweeps.sweep())
        async with asyncio.timeout(60):
            await heard.wait()
        assert "are accepted, and nothing is said for" in next(e.words for e in said if isinstance(e, Awaited))
        ended.set()
        await sweep
        assert [each for each in said if isinstance(each, Awaited)][-1] == Awaited("")
        assert sweeps.findings is not None
        assert sweeps.findings.verdict == "down"
        assert sweeps._known_ill()


async def test_a_host_that_hangs_delays_the_first_sweep_a_moment_and_its_own_questions_no_longer_than_told() -> None:
    never: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    known: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    known.set_result(True)
    opening: dict[Role, asyncio.Future[bool]] = {"here": known, "mail": never}
    late = await coming(opening, 0.01, 0.01)
    assert list(late) == ["mail"]
    async with asyncio.timeout(60):
        assert not await late["mail"]
    assert not never.done()
    late = await coming(opening, 0.01, 60)
    never.set_result(True)
    async with asyncio.timeout(60):
        assert await late["mail"]
    assert await coming(opening, 60, 60) == {}


class Hanging(Local):
    """A machine that never lets us in, and never says no."""

    async def open(self) -> None:
        await asyncio.Event().wait()


def test_the_screens_are_told_what_answers_while_another_host_still_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "SOON", 0.01)
    monkeypatch.setattr(engines, "OPENING", 3600.0)
    heard = threading.Event()

    def hear(event: Event) -> None:
        if isinstance(event, ReadingsChanged) and any(each.hop == "public" for each in event.readings):
            heard.set()

    def vantages(estate: Estate, log: object, ask: object) -> Vantages:
        opened = open_site(estate.site, file=estate.file)
        opened.hosts["mail"] = Hanging("mailcow", "mail")
        return opened

    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        (tmp_path / "haproxy.cfg").write_text(f"listen smtp\n    bind :{port}\n    server mailcow 127.0.0.1:1\n")
        site = tmp_path / "site.toml"
        site.write_text('[sources]\nhaproxy = ["haproxy.cfg"]\n[public]\nnames = ["127.0.0.1"]\n')
        engine = Engine(lambda: load(site), vantages)
        engine.start(hear)
        try:
            assert heard.wait(60)
        finally:
            engine.close(60)
