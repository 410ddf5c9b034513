"""The stand-in HAProxy's health checks: what is asked of a server, how often, and when it counts as up or down."""

from __future__ import annotations

import asyncio
import re
import ssl
import time
from collections.abc import Callable
from contextlib import suppress

from console.errors import Refused, Unreachable
from console.lab.network.addresses import PROXY, TAILNET
from console.lab.network.network import Line, Network
from console.model import Check, Lane

INTERVAL = 0.5
"""Seconds between two checks; HAProxy's default is 2 (`inter`)."""

TALKING_INTERVAL = 2.0
"""Seconds between two checks that talk to the daemon."""

PATIENCE = 2.0
"""Seconds a check may take: HAProxy's, when no `timeout check` says otherwise, is `inter`."""

RISE, FALL = 2, 3
FULL = RISE + FALL - 1

EXPECTED = {
    "smtp": rb"^220", "smtps": rb"^220", "submission": rb"^220", "imap": rb"^\* OK", "imaps": rb"^\* OK",
    "sieve": rb"IMPLEMENTATION",
}  # fmt: skip
"""What a check that talks wants to hear, by the lane's protocol."""

DESCRIPTIONS = {
    "INI": "Initializing", "L4OK": "Layer4 check passed", "L4TOUT": "Layer4 timeout",
    "L4CON": "Layer4 connection problem", "L6RSP": "Layer6 invalid response", "L7OK": "Layer7 check passed",
    "L7TOUT": "Layer7 timeout", "L7RSP": "Layer7 invalid response",
}  # fmt: skip
"""`check_desc` of `show stat`, by `check_status`."""


class Health:
    """What is known of one server; `points` counts as HAProxy does: UP from `RISE` on, full at `FULL`."""

    def __init__(self, lane: Lane, noted: Callable[[], None]) -> None:
        self.checked = lane.check is not None and lane.check.kind != "none" and lane.target is not None
        self.points = RISE
        self.status, self.last, self.milliseconds = "INI", "", 0
        self.busy = False
        self.failures = self.downs = 0
        self.since = time.time()
        self.away = 0.0
        self.noted = noted

    @property
    def up(self) -> bool:
        """Whether the server is given clients."""
        return not self.checked or self.points >= RISE

    @property
    def word(self) -> str:
        """The `status` column: half-way states are counted, "UP 2/3"."""
        if not self.checked:
            return "no check"
        if self.up:
            return "UP" if self.points == FULL else f"UP {self.points - RISE + 1}/{FALL}"
        return f"DOWN {self.points}/{RISE}" if self.points else "DOWN"

    def note(self, status: str, last: str, milliseconds: int) -> None:
        """Take the result of one check."""
        self.status, self.last, self.milliseconds = status, last, milliseconds
        was = self.up
        if status.endswith("OK"):
            self.points = FULL if self.points + 1 >= RISE else self.points + 1
        else:
            self.failures += was
            self.points = self.points - 1 if self.points > RISE else 0
        if was != self.up:
            now = time.time()
            if was:
                self.downs += 1
            else:
                self.away += now - self.since
            self.since = now
        self.noted()


async def watch(network: Network, lane: Lane, health: Health) -> None:
    """Check a lane's server for ever."""
    assert lane.check is not None
    interval = TALKING_INTERVAL if lane.check.kind == "L7" else INTERVAL
    while True:
        began = time.perf_counter()
        health.busy = True
        try:
            status, last = await _check(network, lane, lane.check)
        finally:
            health.busy = False
        took = time.perf_counter() - began
        health.note(status, last, round(took * 1000))
        await asyncio.sleep(max(0.0, interval - took))


async def _check(network: Network, lane: Lane, check: Check) -> tuple[str, str]:
    assert lane.target is not None
    host, port = lane.target.host, check.port or lane.target.port
    stage = "L4TOUT"
    try:
        async with asyncio.timeout(PATIENCE):
            if check.kind == "L4":
                await network.knock(PROXY, host, port)
                return "L4OK", ""
            line = await network.dial(PROXY, host, port)
            stage = "L7TOUT"
            return await _talk(line, lane, check)
    except TimeoutError:
        return stage, "" if stage == "L4TOUT" else " at step 2 of tcp-check (expect regex)"
    except (Refused, Unreachable) as error:
        return "L4CON", "Connection refused" if isinstance(error, Refused) else "No route to host"
    except ssl.SSLError:
        return "L6RSP", "SSL handshake failure"
    except OSError:
        return "L7RSP", "Connection closed"


async def _talk(line: Line, lane: Lane, check: Check) -> tuple[str, str]:
    """Listen for the daemon's greeting through the header and TLS that the lane needs."""
    reader, writer = line.end.reader, line.end.writer
    try:
        if check.sends_proxy:
            writer.write(f"PROXY TCP4 {TAILNET} {line.peer[0]} {line.local[1]} {line.peer[1]}\r\n".encode())
        if lane.protocol in ("smtps", "imaps"):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            await writer.start_tls(context)
        await asyncio.sleep(line.link.delay + line.link.added)
        heard = await reader.readline()
        if re.search(EXPECTED.get(lane.protocol, b""), heard):
            return "L7OK", "(tcp-check)"
        return "L7RSP", "TCPCHK did not match content (regex) at step 2"
    finally:
        with suppress(OSError, RuntimeError):
            writer.transport.abort()
