"""What a host, a server or a clone sends costs in proportion to its size: eight times as much text, not 64 times."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

import pytest

from console.errors import CowhandError
from console.estate import tables
from console.facts import certificates, pings
from console.hosts.ssh.host import read_route
from console.sources import dovecot
from console.sources.opentofu import files

PARSERS: dict[str, tuple[Callable[[str], object], tuple[str, ...]]] = {
    "certificates": (certificates.parse, ("-----BEGIN CERTIFICATE-----\n", "-----BEGIN TRUSTED CERTIFICATE-----\n")),
    "public key": (certificates.parse_key, ("-----BEGIN PUBLIC KEY-----\n",)),
    "ping": (lambda text: pings.parse("192.0.2.1", text), ("1", "1.", "round-trip min/avg/max = 1")),
    "dovecot": (lambda text: dovecot.listeners(text, "extra.conf"), ("a", "a.", "a b ", "a { ", "a =")),
    "opentofu": (lambda text: files.parse(f"x = {text}1\n", "main.tf"), ("1-",)),
}
"""What reads foreign text, and pieces of which a text is made that brings it to its worst."""

SIZES = (4_000, 32_000)
ENOUGH = 0.02
"""Seconds below which nothing is told of growth: on a busy machine all of it may be noise."""


def spent(read: Callable[[str], object], text: str) -> float:
    begin = time.process_time()
    with suppress(ValueError, CowhandError):
        read(text)
    return time.process_time() - begin


@pytest.mark.parametrize(("name", "piece"), [(name, each) for name, (_, pieces) in PARSERS.items() for each in pieces])
def test_eight_times_the_text_costs_about_eight_times_as_much(name: str, piece: str) -> None:
    read = PARSERS[name][0]
    tables.keep()
    small, large = (piece * (size // len(piece)) for size in SIZES)
    spent(read, small)
    first = max(spent(read, small), ENOUGH / 8)
    assert spent(read, large) / first < 24


def test_numbers_of_ping_that_are_none_are_no_crash() -> None:
    digits = "9" * 5000
    assert pings.parse("192.0.2.1", f"{digits} packets transmitted, 1 received") is None
    found = pings.parse("192.0.2.1", "2 packets transmitted, 2 received\nrtt min/avg/max/mdev = 1.2.3/1/1/1 ms")
    assert found is not None and found.fastest is None


def test_a_route_of_brackets_is_no_crash() -> None:
    assert read_route("[" * 100_000) is None
