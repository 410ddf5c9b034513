"""Sweep after sweep: only what changed is told, and since when it is so. Real servers on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from msgspec.structs import replace

from console.answers import Asked, Guest
from console.engine.sweeps import Sweeps, same
from console.errors import NoWayIn
from console.events import Event, FindingsChanged, GuestSeen, ReadingsChanged
from console.hosts.host import Stream
from console.hosts.local import Local
from console.model import HOPS, Lane, Reading, Rung, Span, Topology
from console.observation import Drifted, SweepData
from tests.drill.record import read

MISSING = {"proxy": "no way in", "mail": "no way in"}


@asynccontextmanager
async def a_mail_server(port: int = 0) -> AsyncIterator[int]:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example.org ESMTP\r\n")
        await reader.read(64)
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", port)
    async with server:
        yield server.sockets[0].getsockname()[1]


def some_sweeps(*ports: int) -> tuple[Sweeps, list[Event]]:
    where = Span("haproxy.cfg", 1)
    lanes = tuple(Lane("smtp", "smtp", port, (), None, None, "passthrough", where) for port in ports)
    told: list[Event] = []
    sweeps = Sweeps(Topology(lanes=lanes, public=("127.0.0.1",)), {"here": Local()}, MISSING, told.append)  # type: ignore[arg-type]
    return sweeps, told


def outcomes(told: list[Event]) -> dict[str, str]:
    return {r.hop: r.outcome for event in told if isinstance(event, ReadingsChanged) for r in event.readings}


async def test_the_first_sweep_tells_all_and_the_second_nothing() -> None:
    async with a_mail_server() as port:
        sweeps, told = some_sweeps(port)
        await sweeps.sweep()
        assert outcomes(told) == {
            "public": "ok", "haproxy": "ok", "tunnel": "unknown", "vm": "unknown", "service": "unknown",
        }  # fmt: skip
        assert sweeps.findings is not None
        assert sweeps.findings.verdict == "well"
        told.clear()
        await sweeps.sweep()
        assert told == []


async def test_a_sweep_that_was_asked_for_brings_fresh_evidence() -> None:
    async with a_mail_server() as port:
        sweeps, told = some_sweeps(port)
        await sweeps.sweep()
        first = sweeps.readings[f"{port}/smtp", "public"]
        told.clear()
        await sweeps.sweep(force=True)
        fresh = sweeps.readings[f"{port}/smtp", "public"]
        assert fresh.at > first.at
        assert fresh.since == first.since
        assert any(isinstance(event, FindingsChanged) for event in told)


async def test_a_server_that_ends_is_told_once_with_the_time_it_was_first_seen() -> None:
    async with a_mail_server() as port, a_mail_server() as other:
        sweeps, told = some_sweeps(port, other)
        await sweeps.sweep()
        well_since = sweeps.readings[f"{port}/smtp", "public"].since
        async with a_mail_server() as gone:
            pass
        sweeps.renew(
            replace(sweeps.topology, lanes=(replace(sweeps.topology.lanes[0], port=gone), sweeps.topology.lanes[1]))
        )
        told.clear()
        await sweeps.sweep()
        assert outcomes(told)["public"] == "failed"
        assert sweeps.findings is not None
        assert sweeps.findings.verdict == "down"
        assert [finding.id for finding in sweeps.findings.findings] == ["CH021"]
        assert sweeps.findings.since > well_since
        told.clear()
        await sweeps.sweep()
        assert told == []
        assert (f"{port}/smtp", "public") not in sweeps.readings


class Mute(Local):
    """A machine whose HAProxy cannot be heard."""

    async def connect_unix(self, path: str, timeout: float) -> Stream:
        raise NoWayIn("sudo on vps wants a password; only the screens ask for it")


async def test_what_could_not_be_looked_at_is_said_and_leaves_what_was_seen_well() -> None:
    async with a_mail_server() as port:
        sweeps, told = some_sweeps(port)
        (lane,) = sweeps.topology.lanes
        sweeps.renew(replace(sweeps.topology, lanes=(replace(lane, proxy="smtp", server="mailcow"),)))
        sweeps.hosts = {**sweeps.hosts, "proxy": Mute("vps", "proxy")}
        await sweeps.sweep()
        assert outcomes(told)["haproxy"] == "unknown"
        assert sweeps.findings is not None
        assert sweeps.findings.verdict == "well"
        assert sweeps.findings.cause == sweeps.dark
        assert sweeps.dark == ("could not look into HAProxy: sudo on vps wants a password; only the screens ask for it")


def a_reading(word: str, ms: float | None, outcome: str = "ok") -> Reading:
    return Reading("993/imaps", "public", "here", outcome, word, (), ms)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("known", "new", "alike"),
    [
        (("41 ms", 41.0), ("44 ms", 44.0), True),
        (("41 ms", 41.0), ("95 ms", 95.0), False),
        (("1 ms", 1.0), ("3 ms", 3.0), True),
        (("400 ms", 400.0), ("90 ms", 90.0), False),
        (("L4OK", None), ("L7OK", None), False),
        (("PROXY v1", None), ("PROXY v1", None), True),
    ],
)
def test_a_latency_has_changed_when_an_operator_would_care(
    known: tuple[str, float | None], new: tuple[str, float | None], alike: bool
) -> None:
    assert same(a_reading(*known), a_reading(*new)) is alike


async def test_a_latency_is_told_when_two_sweeps_in_a_row_saw_it_and_an_outcome_at_once() -> None:
    async with a_mail_server() as port:
        sweeps, told = some_sweeps(port)
        await sweeps.sweep()
        key = f"{port}/smtp", "public"

        async def sweep_after(word: str, ms: float) -> list[str]:
            """What is told of the public hop by a sweep, had the one told last been of that latency."""
            sweeps.readings[key] = replace(sweeps.readings[key], word=word, latency_ms=ms)  # type: ignore[index]
            told.clear()
            await sweeps.sweep()
            return [r.hop for event in told if isinstance(event, ReadingsChanged) for r in event.readings]

        assert await sweep_after("900 ms", 900.0) == []
        assert await sweep_after("900 ms", 900.0) == ["public"]
        assert await sweep_after("900 ms", 900.0) == []
        assert await sweep_after("1 ms", 1.0) == []
        assert await sweep_after("900 ms", 900.0) == []
        assert await sweep_after("no answer", 900.0) == ["public"]


def test_the_same_word_with_another_outcome_is_a_change() -> None:
    assert not same(a_reading("L4OK", None), a_reading("L4OK", None, "degraded"))


async def test_a_fault_in_the_comparison_is_reported_and_the_sweep_goes_on() -> None:
    reported: list[BaseException] = []

    async def compare() -> tuple[Drifted, ...]:
        raise KeyError

    def report(error: BaseException) -> str:
        reported.append(error)
        return ""

    sweeps = Sweeps(Topology(), {}, {}, lambda event: None, compare, report)
    seen = await sweeps.sweep()
    assert seen.ended
    assert [type(error) for error in reported] == [KeyError]


async def test_a_hop_is_shown_as_the_diagnosis_of_all_lanes_has_it_and_told_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The recorded estate, in which Dovecot's auth process hangs: one lane alone would blame HAProxy."""
    recorded = read("auth-hung")

    async def again(*_: object) -> SweepData:
        return recorded

    monkeypatch.setattr("console.engine.sweeps.sweep", again)
    told: list[Event] = []
    sweeps = Sweeps(recorded.topology, {}, {}, told.append)
    await sweeps.sweep()
    shown = {hop: sweeps.readings["4190/sieve", hop].outcome for hop in HOPS}
    assert (shown["haproxy"], shown["service"]) == ("degraded", "failed")
    told.clear()
    await sweeps.sweep()
    assert not [event for event in told if isinstance(event, ReadingsChanged)]


@pytest.mark.parametrize(
    ("id", "found", "verdict"),
    [
        ("disk-full", "CH076", "degraded"),
        ("only-aaaa", "CH077", "degraded"),
        ("redirect-loop", "CH015", "down"),
        ("http-403", "CH049", "down"),
        ("calm", None, "well"),
    ],
)
async def test_what_shows_in_no_greeting_is_not_well_either(
    id: str, found: str | None, verdict: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded = read(id)

    async def again(*_: object) -> SweepData:
        return recorded

    monkeypatch.setattr("console.engine.sweeps.sweep", again)
    sweeps = Sweeps(recorded.topology, {}, {}, lambda event: None)
    await sweeps.sweep()
    assert sweeps.findings is not None
    assert (sweeps.findings.verdict, sweeps.findings.cause_id) == (verdict, found)


def a_degraded(lane: str, word: str, detail: str) -> Reading:
    return Reading(lane, "haproxy", "vps", "degraded", word, (Rung("ask", "degraded", detail),))


async def test_a_server_that_haproxy_does_not_know_has_the_files_compared_at_once_and_once() -> None:
    async with a_mail_server() as port:
        sweeps, _ = some_sweeps(port)
        asked: list[int] = []

        async def compare() -> tuple[Drifted, ...]:
            asked.append(1)
            return ()

        sweeps.compare = compare
        await sweeps.sweep()
        assert len(asked) == 1
        sweeps.readings["993/imaps", "haproxy"] = a_degraded("993/imaps", "absent", "HAProxy knows no server imaps/m")
        await sweeps.sweep()
        assert len(asked) == 2
        await sweeps.sweep()
        assert len(asked) == 2


async def test_a_verdict_that_is_not_well_has_its_sentence() -> None:
    async with a_mail_server() as port:
        sweeps, _ = some_sweeps(port)
        sweeps.readings["993/imaps", "haproxy"] = a_degraded("993/imaps", "absent", "HAProxy knows no server imaps/m")
        await sweeps.sweep()
        assert sweeps.findings is not None
        assert sweeps.findings.verdict == "degraded"
        assert sweeps.findings.cause == "993/imaps is degraded at haproxy: HAProxy knows no server imaps/m"


async def test_when_nothing_could_be_asked_the_sentence_says_what_is_missing() -> None:
    sweeps, _ = some_sweeps(1)
    sweeps.renew(replace(sweeps.topology, public=()))
    await sweeps.sweep()
    assert sweeps.findings is not None
    assert sweeps.findings.verdict == "unknown"
    assert sweeps.findings.cause.startswith("nothing could be asked: no public name is known: add names")
    assert "no way in" in sweeps.findings.cause


async def test_a_difference_that_has_gone_is_not_named_any_more() -> None:
    async with a_mail_server() as port:
        sweeps, _ = some_sweeps(port)
        differs = [Drifted("haproxy.cfg", "vps", "/etc/haproxy/haproxy.cfg", Span("haproxy.cfg", 1), "file", 1)]

        async def compare() -> tuple[Drifted, ...]:
            return tuple(differs)

        sweeps.compare = compare
        sweeps.readings["993/imaps", "haproxy"] = a_degraded("993/imaps", "absent", "HAProxy knows no server imaps/m")
        await sweeps.sweep()
        assert sweeps.findings is not None
        (found,) = sweeps.findings.findings
        assert (found.id, found.lanes, found.hop) == ("CH023", ("993/imaps",), "haproxy")
        assert sweeps.findings.cause.startswith("haproxy.cfg is not what vps has")
        differs.clear()
        del sweeps.readings["993/imaps", "haproxy"]
        await sweeps.sweep()
        assert sweeps.findings.findings == ()


async def test_latencies_of_every_sweep_are_kept_told_or_not() -> None:
    async with a_mail_server() as port:
        sweeps, _ = some_sweeps(port)
        for _ in range(3):
            await sweeps.sweep()
        assert len(sweeps.latencies[f"{port}/smtp", "public"]) == 3
        sweeps.renew(replace(sweeps.topology, lanes=()))
        assert sweeps.latencies == {}


def test_how_incus_has_the_mail_host_is_told_once_and_taken_back_when_no_sweep_asked() -> None:
    sweeps, told = some_sweeps()
    seen = SweepData(Topology(), {})
    for guest in (None, Guest("mailcow", "Stopped"), Guest("mailcow", "Stopped", ("10.10.10.214",)), None):
        seen.asked = Asked(guest=guest)
        sweeps._tell_guest(seen)
    assert told == [GuestSeen("mailcow", "Stopped"), GuestSeen()]


async def test_an_error_while_a_sweep_is_told_is_reported_and_the_sweep_is_told_at_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reported: list[BaseException] = []
    known = asyncio.Event()

    async def wait_until_it_is_known(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await known.wait()
        writer.write(b"220 mail.example.org ESMTP\r\n")
        await reader.read(64)
        writer.close()

    def report(error: BaseException) -> str:
        reported.append(error)
        known.set()
        return ""

    def stumble(*_: object) -> None:
        raise ValueError("of our own making")

    server = await asyncio.start_server(wait_until_it_is_known, "127.0.0.1", 0)
    async with server:
        sweeps, told = some_sweeps(server.sockets[0].getsockname()[1])
        sweeps.report = report
        monkeypatch.setattr(sweeps._awaiting, "tell", stumble)
        async with asyncio.timeout(60):
            await sweeps.sweep()
    assert [str(error) for error in reported] == ["of our own making"]
    assert outcomes(told)["public"] == "ok"
    assert sweeps.findings is not None
