"""`check --watch` tells each change once, and no latency as news; a host that is late delays no look from others."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from types import SimpleNamespace
from typing import Any, cast

import pytest
from msgspec.structs import replace

from console.commands import check
from console.commands.check import Watch
from console.engine.sweeps import Sweeps
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


def opening(monkeypatch: pytest.MonkeyPatch, late: Late) -> tuple[Any, list[Sweeps], Any]:
    """`check` at a terminal while it connects: what it does, the looks that it took, and its hosts."""
    looks: list[Sweeps] = []

    async def swept(sweeps: Sweeps, watch: Watch) -> None:
        looks.append(sweeps)
        late.lets_in.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(check, "_swept", swept)
    monkeypatch.setattr(check, "SOON", 0.0 if late.role == "mail" else 60.0)
    hosts: dict[Role, Host] = {"here": Local("here", "here"), "proxy": Local("vps", "proxy"), late.role: late}
    vantages = Vantages(hosts, {}, deque())
    estate = SimpleNamespace(topology=Topology(lanes=(LANE,)))
    return check._opened(cast(Any, estate), vantages, Watch("site", (), False)), looks, vantages


async def test_where_a_host_keeps_us_waiting_others_are_looked_from_and_it_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    late = Late("mailcow", "mail")
    connecting, looks, _ = opening(monkeypatch, late)
    async with asyncio.timeout(60):
        await connecting
    (first,) = looks
    assert "mail" not in first.hosts and first.missing["mail"] == "mailcow is still being connected to"
    assert "no way in to mailcow so far" in " ".join(capsys.readouterr().out.split())


async def test_who_is_in_soon_is_not_spoken_of_and_nothing_is_looked_at_twice(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    prompt = Late("vps", "proxy")
    prompt.lets_in.set()
    connecting, looks, _ = opening(monkeypatch, prompt)
    async with asyncio.timeout(60):
        await connecting
    assert (looks, capsys.readouterr().out) == ([], "")


async def test_a_host_that_is_still_dialled_when_check_is_stopped_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    late = Late("vps", "proxy")
    connecting, _, _ = opening(monkeypatch, late)
    task = asyncio.ensure_future(connecting)
    await late.asked.wait()
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled() and late.given_up
