"""Whether an address answers pings: `ping -c 2`, of iputils, BusyBox or BSD; a large one that may not be cut up."""

from __future__ import annotations

import re

from console.answers import FEW, Ping
from console.facts.command import run
from console.hosts.host import Host

MANY = 20
"""Pings that tell how many are lost."""

APART, LIMIT = {FEW: "0.3", MANY: "0.2"}, {FEW: 5.0, MANY: 8.0}
"""Seconds between two (sooner only root may), and for all of them."""

LARGE = 1232
"""Bytes that, with 28 of headers, are 1260: what a tunnel of MTU 1280 carries, and one that was clamped does not."""

_COUNTED = re.compile(r"(?<!\d)(\d{1,9}) packets transmitted, (\d{1,9}) (?:packets )?received")
_FASTEST = re.compile(r"(?:rtt|round-trip) min/avg/max(?:/mdev|/stddev)? = (\d{1,9}(?:\.\d{1,9})?)/")


async def ask(host: Host, address: str, large: bool = False, count: int = FEW) -> Ping | str:
    """Ping `address` from `host`, FEW times or MANY; a text says why that could not be done."""
    size = ("-M", "do", "-s", str(LARGE)) if large else ()
    words = ("ping", "-n", "-c", str(count), "-i", APART[count], "-W", "1", *size, address)
    answer = await run(host, words, LIMIT[count])
    if answer.status < 0:
        return answer.error
    return parse(address, answer.text) or answer.error or f"ping on {host.name} said nothing"


def parse(address: str, text: str) -> Ping | None:
    """Read what ping counted; None when it did not get so far."""
    counted = _COUNTED.search(text)
    if counted is None:
        return None
    fastest = _FASTEST.search(text)
    return Ping(address, int(counted[1]), int(counted[2]), float(fastest[1]) if fastest else None)
