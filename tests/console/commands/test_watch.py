"""`check --watch` tells each change once, and no latency as news; a host that is late delays no look from others."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from types import SimpleNamespace
from typing import Any, cast

import pytest
from msgspec.structs import replace

from console.commands import check, opening
from console.commands.check import Watch
from console.engine.vantages import Vantages
from console.events import FindingsChanged, ReadingsChanged
from console.hosts.host import Host
from console.hosts.local import Local
from console.model import Lane, Outcome, Reading, Role, Span, Target, Topology, Verdict

LANE = Lane("imaps", "imaps", 993, ("*",), Target("10.0.0.2", 10993), "v1", "passthrough", Span("haproxy.cfg", 1))


def swept(watch: Watch, outcome: Outcome, word: str, verdict: Verdict, cause: str = "", times: int = 1) -> None:
    """One sweep that told a reading some times."""
    reading = Reading(LANE.id, "public", "here", outcome, word)
    told = FindingsChanged((), verdict, cause, None, 0.0)
    for _ in range(times):
        watch.hear(ReadingsChanged((replace(reading),)))
    sweeps = SimpleNamespace(
        topology=Topology(lanes=(LANE,)), readings={(LANE.id, "public"): reading}, findings=told, dark="", seen=None
    )
    watch.tell(cast(Any, sweeps))


def test_a_change_is_told_once_and_a_latency_is_no_news(capsys: pytest.CaptureFixture[str]) -> None:
    watch = Watch("site", (), False, watching=True)
    swept(watch, "ok", "40 ms", "well")
    capsys.readouterr()
    swept(watch, "ok", "90 ms", "well")
    first = capsys.readouterr().out
    swept(watch, "failed", "refused", "down", "nobody listens", times=2)
    swept(watch, "ok", "1.2 s", "well")
    rows = [row[10:] for row in capsys.readouterr().out.splitlines()]
    assert "993/imaps" not in first
    assert rows == [
        "993/imaps  public  ✗ refused", "down · nobody listens", "993/imaps  public  ● 1.2 s",
        "well · all 1 lanes well",
    ]  # fmt: skip


def test_a_verdict_that_stays_is_not_told_again(capsys: pytest.CaptureFixture[str]) -> None:
    watch = Watch("site", (), False, watching=True)
    swept(watch, "failed", "refused", "down", "nobody listens")
    capsys.readouterr()
    swept(watch, "failed", "refused", "down", "nobody listens")
    assert capsys.readouterr().out == ""


def test_the_json_of_a_watch_is_one_document_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    watch = Watch("site", (), True, watching=True)
    swept(watch, "ok", "40 ms", "well")
    swept(watch, "failed", "refused", "down")
    rows = capsys.readouterr().out.splitlines()
    assert [json.loads(row)["verdict"] for row in rows] == ["well", "down"]


class Late(Local):
    """A machine that lets nobody in until it is told to."""

    def __init__(self, name: str, role: Role) -> None:
        super().__init__(name, role)
        self.asked, self.lets_in = asyncio.Event(), asyncio.Event()
        self.given_up = False

    async def open(self) -> None:
        self.asked.set()
        try:
            await self.lets_in.wait()
        except asyncio.CancelledError:
            self.given_up = True
            raise


def opened(hosts: dict[Role, Host]) -> Vantages:
    return Vantages(hosts, {}, deque())


async def test_a_host_that_keeps_us_waiting_is_told_of_and_holds_up_no_look_from_others(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for wait in ("SOON", "LATE", "UNREAD"):
        monkeypatch.setattr(check, wait, 0.0)
    monkeypatch.setattr(check, "_unread", lambda watch: False)
    late = Late("mailcow", "mail")
    hosts: dict[Role, Host] = {"here": Local("here", "here"), "mail": late}
    watch, told = Watch("site", (), False), asyncio.Event()
    monkeypatch.setattr(watch, "say", lambda words: (print(words), told.set()))
    async with asyncio.timeout(60), check._opened(opened(hosts), watch) as coming:
        assert not coming["mail"].done()
        await told.wait()
        late.lets_in.set()
        assert await coming["mail"]
    assert "mailcow so far: tried for 0 s" in capsys.readouterr().out


async def test_who_is_in_soon_is_not_spoken_of(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for wait in ("SOON", "LATE", "UNREAD"):
        monkeypatch.setattr(check, wait, 60.0)
    prompt = Late("vps", "proxy")
    prompt.lets_in.set()
    async with asyncio.timeout(60), check._opened(opened({"proxy": prompt}), Watch("site", (), False)) as coming:
        assert not coming
    assert capsys.readouterr().out == ""


async def test_a_host_that_is_still_dialled_when_check_is_stopped_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "UNREAD", 0.0)
    late, stop = Late("vps", "proxy"), asyncio.Event()

    async def looks() -> None:
        async with check._opened(opened({"proxy": late}), Watch("site", (), False)):
            await stop.wait()

    task = asyncio.ensure_future(looks())
    await late.asked.wait()
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled() and late.given_up


async def test_a_host_that_never_lets_us_in_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "UNREAD", 0.0)
    monkeypatch.setattr(opening, "OPENING", 0.01)
    late = Late("vps", "proxy")
    async with asyncio.timeout(60), check._opened(opened({"proxy": late}), Watch("site", (), False)) as coming:
        await asyncio.wait(coming.values())
        assert coming["proxy"].cancelled() and late.given_up
