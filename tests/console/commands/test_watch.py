"""`check --watch` tells each change once, and no latency as news."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any, cast

import pytest
from msgspec.structs import replace

from console.commands.check import Watch
from console.events import FindingsChanged, ReadingsChanged
from console.model import Lane, Outcome, Reading, Span, Target, Topology, Verdict

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
