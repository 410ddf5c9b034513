"""The TLS of a ladder, on a clock of its own: how a handshake fails, names asked for, the certificate that is told."""

from __future__ import annotations

import ssl

import pytest

from console.ladders import Ladder
from console.model import Certificate, Rung
from tests.console.probes.scripted_machine import WELL, Clock, Machine, Script, Tls, climb, clock, tls

__all__ = ["clock", "tls"]


def certificate(names: tuple[str, ...] = ("mail.example.org", "b")) -> Certificate:
    return Certificate("CN=x", names, "1", 0.0, 1_700_000_000.0, "00")


def failing(reason: str | None) -> ssl.SSLError:
    error = ssl.SSLError(1, "x")
    error.reason = reason  # type: ignore[assignment]
    return error


BREAKS: list[tuple[BaseException, str, str]] = [
    (TimeoutError(), "silent", "silent for 9 s in the TLS handshake"),
    (EOFError(), "closed", "closed after 1 s in the TLS handshake"),
    (failing("WRONG_VERSION_NUMBER"), "not-tls", "answered in plain text, not TLS"),
    (failing("PACKET_LENGTH_TOO_LONG"), "not-tls", "answered in plain text, not TLS"),
    (failing("HTTP_REQUEST"), "not-tls", "answered in plain text, not TLS"),
    (failing("SSLV3_ALERT_BAD_RECORD"), "tls", "TLS failed: sslv3 alert bad record"),
    (failing(None), "tls", "TLS failed: unknown reason"),
]


@pytest.mark.parametrize(("error", "cause", "words"), BREAKS)
async def test_how_a_handshake_fails(
    error: BaseException, cause: str, words: str, clock: Clock, tls: type[Tls]
) -> None:
    tls.error = error
    found = await climb(Machine(clock, Script(clock)), protocol="smtps")
    assert found.rungs[1:] == [Rung("tls", "failed", words, 1000.0)]
    assert (found.cause, found.after) == (cause, 1.0)


@pytest.mark.parametrize(("seconds", "words"), [(-0.01, "at once"), (0.0, "after 1 s"), (1.0, "after 2 s")])
async def test_hanging_up_within_a_second_is_at_once(seconds: float, words: str, clock: Clock, tls: type[Tls]) -> None:
    tls.error = EOFError()

    def seen(ladder: Ladder) -> None:
        clock.now += seconds

    found = await climb(Machine(clock, Script(clock)), protocol="smtps", seen=seen)
    assert found.rungs[1].detail == f"closed {words} in the TLS handshake"


@pytest.mark.parametrize(
    ("shown", "words"),
    [
        (None, "TLSv1.3, certificate unreadable"),
        (certificate(), "TLSv1.3, mail.example.org until 2023-11-14"),
        (certificate(()), "TLSv1.3, CN=x until 2023-11-14"),
    ],
)
async def test_the_certificate_is_told_by_its_first_name_and_its_end(
    shown: Certificate | None, words: str, clock: Clock, tls: type[Tls]
) -> None:
    tls.shown = shown
    stream = Script(clock, *WELL)
    found = await climb(Machine(clock, stream), protocol="smtps", header="v1")
    assert [rung.name for rung in found.rungs] == ["connect", "header", "tls", "greeting"]
    assert (found.rungs[2], found.certificate) == (Rung("tls", "ok", words, 1000.0), shown)
    assert stream.sent[0].startswith(b"PROXY TCP4 "), "the header goes out before the handshake"


@pytest.mark.parametrize(
    ("address", "name", "asked"),
    [
        ("192.0.2.2", None, None),
        ("192.0.2.2", "mail.example.org", "mail.example.org"),
        ("mx", None, "mx"),
        ("mx", "m", "m"),
    ],
)
async def test_the_server_name_is_what_was_asked_for_and_never_an_address(
    address: str, name: str | None, asked: str | None, clock: Clock, tls: type[Tls]
) -> None:
    await climb(Machine(clock, Script(clock, *WELL), ("192.0.2.2",)), address, "smtps", name=name)
    assert tls.names == [asked]


async def test_a_name_that_tls_cannot_carry_is_said(clock: Clock, tls: type[Tls]) -> None:
    found = await climb(Machine(clock, Script(clock, *WELL)), protocol="smtps", name="bad")
    assert found.rungs[1:] == [Rung("tls", "unknown", "bad cannot be a TLS server name", 0.0)]
    assert found.cause == "tls"
