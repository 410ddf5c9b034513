"""Leaving on SIGTERM and SIGHUP, always within a second, even when the terminal is stalled and the screens are stuck.

An asyncio signal handler runs in the loop that a stalled terminal blocks. So the real handler only puts the number on
a queue, and a thread of its own does the rest: close the engine and its journal, ask the screens to leave, and when
they do not, restore the terminal without waiting for it and end the process."""

from __future__ import annotations

import asyncio
import os
import queue
import signal
import termios
import threading
from collections.abc import Callable
from contextlib import suppress

RESTORE = b"".join(
    b"\x1b[" + code
    for code in (
        b"?2004l", b"?7h", b"?2048l", b"?1000l", b"?1002l", b"?1003l", b"?1006l", b"?1016l", b"<u", b"?1049l",
        b"?25h", b"?1004l", b"0m",
    )
)  # fmt: skip
"""Bracketed paste, wrap, in-band resize, mouse modes, key protocol, alternate screen, cursor, focus, colours."""

PATIENCE = 0.6
"""Seconds that the screens may take to close in order."""


class Leaver:
    """Handles signals from before Textual is imported; `close` ends the engine, `leave` asks the screens to close."""

    def __init__(self) -> None:
        self.asked: queue.SimpleQueue[int] = queue.SimpleQueue()
        self.done = threading.Event()
        self.close: Callable[[], object] = lambda: None
        self.leave: Callable[[int], object] | None = None
        self.loop: asyncio.AbstractEventLoop | None = None
        self.attributes: list[int | list[bytes | int]] | None = None
        with suppress(termios.error, OSError):
            self.attributes = termios.tcgetattr(2)

    def install(self) -> None:
        """Install the handlers; called from the main thread."""
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda received, _: self.asked.put(received))
        threading.Thread(target=self._wait, name="leaver", daemon=True).start()

    def _wait(self) -> None:
        number = self.asked.get()
        self.close()
        if self.loop is not None and self.leave is not None:
            leave = self.leave
            with suppress(RuntimeError):
                self.loop.call_soon_threadsafe(lambda: leave(128 + number))
                if self.done.wait(PATIENCE):
                    return
        if self.attributes is not None:
            with suppress(termios.error):
                termios.tcsetattr(2, termios.TCSANOW, self.attributes)
        with suppress(OSError):
            terminal = os.open("/dev/tty", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
            os.write(terminal, RESTORE)
        os._exit(128 + number)
