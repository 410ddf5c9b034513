"""A ladder on a clock of its own, against a machine that answers by a script: what broke, when, in which words."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from console.errors import HostError, NoWayIn, Refused, StreamError, TimedOut, Unreachable, Unresolved
from console.hosts.host import Stream
from console.ladders import Ladder
from console.model import Rung
from console.probes import ladder as ladders
from console.probes import smtp
from console.probes.wire import Broken
from tests.console.probes.scripted_machine import HERE, WELL, Clock, Machine, Script, Tls, climb, clock, tls

__all__ = ["clock", "tls"]


def test_the_patience_of_a_ladder_is_what_real_daemons_need() -> None:
    """A SYN lost twice comes after 3 s, Postfix's 421 after 5 and postscreen's greeting after 6."""
    assert (ladders.CONNECT, ladders.PATIENCE, ladders.GOODBYE) == (5.0, 9.0, 3.0)
    assert (ladders.CONVERSATION, ladders.TOTAL) == (20.0, 45.0)


async def test_a_ladder_tells_how_long_each_rung_and_the_whole_took(clock: Clock) -> None:
    stream = Script(clock, *WELL)
    machine = Machine(clock, stream, ("192.0.2.2", "192.0.2.3"))
    found = await climb(machine, "mail.example.org")
    assert found.rungs == [
        Rung("resolve", "ok", "192.0.2.2", 2000.0),
        Rung("connect", "ok", "192.0.2.2:25", 250.0),
        Rung("greeting", "ok", "220 mail", 3000.0),
    ]
    assert (found.began, found.seconds, found.done, found.cause, found.said) == (5000.0, 5.25, True, "", "220 mail")
    assert (machine.dialled, found.source, stream.closed) == ([("192.0.2.2", 25, 5.0)], HERE, 1)
    assert stream.sent == [b"QUIT\r\n"]


async def test_the_kernel_s_own_time_of_a_handshake_counts_where_it_is_told(clock: Clock) -> None:
    stream = Script(clock, *WELL)
    stream.took = 7.5
    assert (await climb(Machine(clock, stream))).rungs[0].ms == 7.5


async def test_after_the_connection_the_ladder_is_shown_and_waits_its_turn(clock: Clock) -> None:
    told: list[object] = []

    async def rest() -> None:
        told.append("rest")

    found = await climb(
        Machine(clock, Script(clock, *WELL)), seen=lambda ladder: told.append(len(ladder.rungs)), rest=rest
    )
    assert told == [1, "rest"]
    assert found.done


async def test_only_a_connection_may_be_asked_for(clock: Clock) -> None:
    stream = Script(clock, *WELL)
    found = await climb(Machine(clock, stream), depth="connect", header="v1")
    assert ([rung.name for rung in found.rungs], stream.sent, stream.closed) == (["connect"], [], 1)


@pytest.mark.parametrize(
    ("error", "rung", "cause", "outcome"),
    [
        (Refused("r"), "connect", "refused", "failed"),
        (TimedOut("t"), "connect", "timeout", "failed"),
        (Unreachable("u"), "connect", "unreachable", "failed"),
        (StreamError("s"), "connect", "unreachable", "failed"),
        (Unresolved("n"), "resolve", "unresolved", "failed"),
        (HostError("h"), "connect", "no-way", "failed"),
        (NoWayIn("w"), "connect", "no-way", "unknown"),
    ],
)
async def test_why_no_connection_came_about(
    error: HostError, rung: str, cause: str, outcome: str, clock: Clock
) -> None:
    found = await climb(Machine(clock, error))
    assert found.rungs == [Rung(rung, outcome, str(error), 250.0)]  # type: ignore[arg-type]
    assert (found.cause, found.after, found.done) == (cause, 0.25, True)


async def test_a_name_that_cannot_be_resolved_is_not_dialled(clock: Clock) -> None:
    machine = Machine(clock, Script(clock), Unresolved("no address"))
    found = await climb(machine, "mail.example.org")
    assert (machine.dialled, found.rungs) == ([], [Rung("resolve", "failed", "no address", 2000.0)])


async def test_a_way_that_is_lost_meanwhile_is_nothing_the_far_end_did(clock: Clock) -> None:
    found = await climb(Machine(clock, Script(clock, (1.0, NoWayIn("vps is gone")))))
    assert (found.rungs[-1], found.cause) == (Rung("connect", "unknown", "vps is gone", 1000.0), "no-way")


@pytest.mark.parametrize(
    ("address", "shown"), [("2001:db8::1", "[2001:db8::1]:25"), ("fe80::1%eth0", "[fe80::1%eth0]:25")]
)
async def test_an_ipv6_address_is_dialled_as_it_is_and_shown_in_brackets(
    address: str, shown: str, clock: Clock
) -> None:
    machine = Machine(clock, Script(clock, *WELL))
    assert (await climb(machine, address)).rungs[0].detail == shown
    assert machine.dialled[0][0] == address


# ── header ──────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_the_header_names_where_the_stream_really_went_or_else_what_was_dialled(clock: Clock) -> None:
    for peer, port in ((("192.0.2.9", 99), b"192.0.2.9 40000 99"), (None, b"192.0.2.2 40000 25")):
        stream = Script(clock, *WELL)
        stream.peer = peer
        found = await climb(Machine(clock, stream), header="v1")
        assert stream.sent[0] == b"PROXY TCP4 192.0.2.1 " + port + b"\r\n"
        assert found.rungs[1] == Rung("header", "ok", "PROXY v1 from 192.0.2.1", None)


@pytest.mark.parametrize("local", [None, ("nowhere", 1)])
async def test_without_an_address_of_ours_no_header_is_made_up(local: Any, clock: Clock) -> None:
    stream = Script(clock, *WELL)
    stream.local = local
    found = await climb(Machine(clock, stream), header="v2")
    assert found.rungs[1:] == [Rung("header", "unknown", "vps did not say which address it asks from", 0.0)]
    assert (found.cause, stream.sent) == ("no-source", [])


# ── talk ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("held", "words"), [(0.5, "220 mail"), (0.51, "220 mail (greeting held back 0.5 s)")])
async def test_a_greeting_that_is_held_back_is_said_to_be(
    held: float, words: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def greet(wire: Any) -> str:
        wire.imposed = held
        return "220 mail"

    monkeypatch.setattr(smtp, "greet", greet)
    found = await climb(Machine(clock, Script(clock, (0.0, b"221 bye\r\n"))))
    assert (found.rungs[1].detail, found.imposed) == (words, held)


async def test_a_conversation_that_breaks_tells_what_was_said_and_since_when(clock: Clock, monkeypatch: Any) -> None:
    async def greet(wire: Any) -> str:
        wire.imposed = 6.0
        clock.now += 6.5
        assert wire.began == clock.now - 6.5, "the wire's age counts from the connection"
        raise Broken("refused", "421 go away", "421 go")

    monkeypatch.setattr(smtp, "greet", greet)
    found = await climb(Machine(clock, Script(clock)))
    assert found.rungs[1:] == [Rung("greeting", "failed", "421 go away", 6500.0)]
    assert (found.cause, found.said, found.imposed, found.after) == ("refused", "421 go", 6.0, 6.5)


async def test_capabilities_are_a_rung_of_their_own_and_not_told_endlessly(clock: Clock) -> None:
    answer = b"250-mail\r\n250-STARTTLS\r\n250 " + b"x" * 300 + b"\r\n"
    found = await climb(Machine(clock, Script(clock, WELL[0], (0.5, answer), WELL[1])), depth="capability")
    assert (found.rungs[2].name, found.rungs[2].ms) == ("capability", 500.0)
    assert found.rungs[2].detail == f"STARTTLS {'X' * 191}"


async def test_starttls_that_fails_in_the_handshake_is_not_followed_by_a_goodbye(clock: Clock, tls: type[Tls]) -> None:
    tls.error = EOFError()
    stream = Script(clock, WELL[0], (0.0, b"250-x\r\n250 STARTTLS\r\n"), (0.0, b"220 go\r\n"))
    found = await climb(Machine(clock, stream), depth="starttls")
    assert (found.cause, [rung.name for rung in found.rungs]) == ("closed", ["connect", "greeting", "tls"])
    assert stream.sent[-2:] == [b"STARTTLS\r\n", b""]


@pytest.mark.parametrize(
    ("header", "rung", "words"),
    [
        (None, "greeting", "answered out of step: 502 what"),
        ("v1", "header", "took the PROXY header for a command: 502 what"),
    ],
)
async def test_an_answer_out_of_step_is_laid_at_the_header_where_there_was_one(
    header: Any, rung: str, words: str, clock: Clock
) -> None:
    found = await climb(Machine(clock, Script(clock, WELL[0], (4.0, b"502 what\r\n"))), header=header)
    assert found.rungs[-1] == Rung(rung, "failed", words, 0.0)  # type: ignore[arg-type]
    assert (found.cause, found.said) == ("out-of-step", "502 what")


@pytest.mark.parametrize("answer", [Broken("closed", "x"), TimeoutError()])
async def test_a_goodbye_without_answer_spoils_nothing(answer: Exception, clock: Clock, monkeypatch: Any) -> None:
    async def leave(wire: Any) -> str:
        raise answer

    monkeypatch.setattr(smtp, "leave", leave)
    assert (await climb(Machine(clock, Script(clock, WELL[0])))).cause == ""


# ── giving up ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def stuck(clock: Clock, monkeypatch: pytest.MonkeyPatch, act: Callable[[Any], None]) -> Ladder:
    async def greet(wire: Any) -> str:
        act(wire)
        clock.now += 12.0
        await asyncio.sleep(60)
        return ""

    monkeypatch.setattr(smtp, "greet", greet)
    monkeypatch.setattr(ladders, "CONVERSATION", 0.01)
    return await climb(Machine(clock, Script(clock)))


async def test_a_ladder_that_got_nothing_is_given_up_as_silent(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    found = await stuck(clock, monkeypatch, lambda wire: None)
    assert found.rungs[1:] == [Rung("greeting", "failed", "not done within 12 s", 12000.0)]
    assert (found.cause, found.said) == ("silent", "")


async def test_a_ladder_that_got_half_an_answer_is_given_up_as_unfinished(clock: Clock, monkeypatch: Any) -> None:
    def half(wire: Any) -> None:
        wire.taken = 3
        wire.buffer += b"220" + b"x" * 100

    found = await stuck(clock, monkeypatch, half)
    assert found.rungs[1].detail == "3 bytes in 12 s, and still no end of the answer"
    assert (found.cause, len(found.said), found.said[:4]) == ("unfinished", 60, "220x")


async def test_a_ladder_that_waits_for_its_machine_is_given_up_in_the_end(clock: Clock, monkeypatch: Any) -> None:
    monkeypatch.setattr(ladders, "TOTAL", 0.01)

    class Waiting(Machine):
        async def connect(self, address: str, port: int, timeout: float) -> Stream:
            await asyncio.sleep(60)
            raise AssertionError

    found = await climb(Waiting(clock, Script(clock)))
    assert (found.rungs[0].name, found.cause, found.done) == ("connect", "silent", True)
