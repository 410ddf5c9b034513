"""What a host, a server or a clone sends costs in proportion to its size: eight times as much text, not 64 times."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

import pytest

from console.errors import CowhandError
from console.facts import certificates

PARSERS: dict[str, tuple[Callable[[str], object], tuple[str, ...]]] = {
    "certificates": (certificates.parse, ("-----BEGIN CERTIFICATE-----\n", "-----BEGIN TRUSTED CERTIFICATE-----\n")),
    "public key": (certificates.parse_key, ("-----BEGIN PUBLIC KEY-----\n",)),
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
    small, large = (piece * (size // len(piece)) for size in SIZES)
    spent(read, small)
    first = max(spent(read, small), ENOUGH / 8)
    assert spent(read, large) / first < 24
