"""A stream read line by line under a deadline and a cap: whatever a broken server sends ends as one exception."""

from __future__ import annotations

import asyncio
import re
import time

from console.hosts.host import Stream
from console.text import clean

LINE = 4096
"""Longest line read, in bytes: SMTP allows 512, IMAP in practice 8 kB of capabilities; beyond it is a flood."""

GREETING = 16384
"""Most bytes read before a greeting is complete."""


_LITERAL = re.compile(r"~?\{[0-9]+\+?\}$")


def announces(line: str) -> bool:
    """Whether a line ends as one that announces so many bytes more (RFC 3501, 4.3): clients would wait for them."""
    return _LITERAL.search(line) is not None


class Broken(Exception):
    """A conversation that did not go as the protocol says. `cause` is one word for the rules, the text for people."""

    def __init__(self, cause: str, detail: str, said: str = "") -> None:
        self.cause, self.detail, self.said = cause, detail, said
        super().__init__(detail)


class Wire:
    """A stream with a line buffer. `patience` is the longest silence accepted, in seconds; `name` the server's name."""

    def __init__(self, stream: Stream, patience: float, name: str | None = None) -> None:
        self.stream, self.patience, self.name = stream, patience, name
        self.buffer = bytearray()
        self.began = time.perf_counter()
        self.taken = 0
        self.imposed = 0.0
        """Seconds the server made us wait on purpose (postscreen's greeting delay)."""

    def age(self) -> float:
        """Seconds since the stream was handed over."""
        return time.perf_counter() - self.began

    async def line(self, patience: float | None = None) -> str:
        """Return the next line, cleaned and without its end; raises `Broken`."""
        limit = self.patience if patience is None else patience
        deadline = time.perf_counter() + limit
        while (end := self.buffer.find(b"\n")) < 0:
            if len(self.buffer) > LINE:
                raise Broken("flood", f"a line of more than {LINE} bytes", clean(bytes(self.buffer), 60))
            await self._more(deadline, limit)
        raw = bytes(self.buffer[:end])
        del self.buffer[: end + 1]
        return clean(raw.removesuffix(b"\r"))

    async def _more(self, deadline: float, limit: float) -> None:
        try:
            async with asyncio.timeout(max(0.0, deadline - time.perf_counter())):
                data = await self.stream.read(LINE)
        except TimeoutError:
            said = clean(bytes(self.buffer), 60)
            raise Broken("silent", f"silent for {limit:.0f} s", said) from None
        if not data:
            said = clean(bytes(self.buffer), 60)
            when = "at once" if self.age() < 1 else f"after {self.age():.0f} s"
            raise Broken("closed", f"closed {when}" + (f", having said {said}" if said else ""), said)
        self.taken += len(data)
        if self.taken > GREETING:
            raise Broken("flood", f"more than {GREETING} bytes without a greeting", clean(data, 60))
        self.buffer += data

    async def say(self, text: str) -> None:
        """Send one line."""
        await self.stream.write(text.encode() + b"\r\n")
