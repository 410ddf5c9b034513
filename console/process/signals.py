"""Leaving on SIGTERM and SIGHUP: within a second in order, and within three whatever the interpreter is doing.

An asyncio signal handler runs in the loop that a stalled terminal blocks. So the real handler only puts the number on
a queue, and a thread of its own does the rest: close the engine and its journal, ask the screens to leave, and when
they do not, restore the terminal without waiting for it and end the process.

No Python code runs while a C call holds the interpreter's lock: a long regular expression, a power of big numbers. So a
second process, forked before anything is imported, hears of signals through the descriptor that the interpreter's C
handler writes to. When the console neither ends nor says that it has heard, that process kills it and restores the
terminal. It also looks after the terminal itself: a kernel tells of a closed one to the leader of its session, and a
leader such as make does not pass it on."""

from __future__ import annotations

import asyncio
import os
import queue
import select
import signal
import termios
import threading
import time
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

DEAF = 1.5
"""Seconds after a signal in which the console must have ended, or have said that it is about to."""

ORDERLY = 5.0
"""Seconds for that: it is about one, but a machine may be slow, and a journal is worth the wait."""

PRESSES = 3
"""How many times Ctrl+C cuts a flow off."""

TAKEN = (signal.SIGTERM, signal.SIGHUP)

HEARD = b"\0"
"""Said to the second process; what the interpreter writes are numbers of signals, from 1."""


class Leaver:
    """Handles signals from before Textual is imported; `close` ends the engine, `leave` asks the screens to close."""

    def __init__(self) -> None:
        self.asked: queue.SimpleQueue[int] = queue.SimpleQueue()
        self.done = threading.Event()
        self.close: Callable[[], object] = lambda: None
        self.leave: Callable[[int], object] | None = None
        self.loop: asyncio.AbstractEventLoop | None = None
        self.attributes = attributes()
        self.told = -1

    def install(self) -> None:
        """Install the handlers; called from the main thread, before there is another, for it forks."""
        self.told = Second(self.attributes, passes_on=True).told
        for number in TAKEN:
            signal.signal(number, lambda received, _: self.asked.put(received))
        threading.Thread(target=self._wait, name="leaver", daemon=True).start()

    def _wait(self) -> None:
        number = self.asked.get()
        with suppress(OSError):
            os.write(self.told, HEARD)
        self.close()
        if self.loop is not None and self.leave is not None:
            leave = self.leave
            with suppress(RuntimeError):
                self.loop.call_soon_threadsafe(lambda: leave(128 + number))
                if self.done.wait(PATIENCE):
                    return
        _restore(self.attributes)
        os._exit(128 + number)


Attributes = list[int | list[bytes | int]]
"""A terminal's modes, as termios.tcgetattr gives them."""


def _restore(attributes: Attributes | None, codes: bytes = RESTORE) -> None:
    """Put the terminal back into its modes, as far as that needs no waiting."""
    if attributes is not None:
        with suppress(termios.error):
            termios.tcsetattr(2, termios.TCSANOW, attributes)
    with suppress(OSError):
        if codes:
            terminal = os.open("/dev/tty", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
            os.write(terminal, codes)


class Second:
    """The process that ends this one when nothing else can: forked at once, it hears of signals through `told`.

    With `passes_on` it sends this one SIGHUP when the terminal on stderr is closed. With `presses`, that many SIGINTs
    (Ctrl+C) count as a signal to end by."""

    def __init__(
        self,
        attributes: Attributes | None,
        codes: bytes = RESTORE,
        orderly: float = ORDERLY,
        passes_on: bool = False,
        presses: int = 0,
    ) -> None:
        hears, self.told = os.pipe()
        os.set_blocking(self.told, False)
        console = os.getpid()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.close(self.told)
                for number in (*TAKEN, signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP, signal.SIGTTOU, signal.SIGTTIN):
                    signal.signal(number, signal.SIG_IGN)
                watch = select.poll()
                if passes_on and attributes is not None:
                    watch.register(2, 0)  # a closed terminal is told of unasked
                _second(hears, watch, console, attributes, codes, orderly, presses)
            finally:
                os._exit(0)
        os.close(hears)
        self._before = signal.set_wakeup_fd(self.told, warn_on_full_buffer=False)

    def heard(self) -> None:
        """Say that a signal was heard, and that an orderly end is on its way."""
        with suppress(OSError):
            os.write(self.told, HEARD)

    def end(self) -> None:
        """End the second process: this one goes on without it."""
        signal.set_wakeup_fd(self._before)
        os.close(self.told)
        with suppress(ChildProcessError):
            os.waitpid(self.pid, 0)


def attributes() -> Attributes | None:
    """Return the modes of the terminal on stderr; None when there is none."""
    try:
        return termios.tcgetattr(2)
    except (termios.error, OSError):
        return None


def time_limit(said: bytes, deadline: float | None, now: float, orderly: float = ORDERLY) -> float | None:
    """Return when the console must have ended, after what was `said`; None while nothing asks it to."""
    if HEARD in said:
        return now + orderly
    if deadline is None and any(number in said for number in TAKEN):
        return now + DEAF
    return deadline


def _second(
    hears: int,
    watch: select.poll,
    console: int,
    attributes: Attributes | None,
    codes: bytes,
    orderly: float,
    presses: int,
) -> None:
    """Wait for the end of the console, and bring it about when a signal did not; `watch` has the terminal, or none."""
    deadline: float | None = None
    pressed = 0
    watch.register(hears, select.POLLIN)
    while True:
        timeout = None if deadline is None else max(0.0, deadline - time.monotonic()) * 1000
        events = dict(watch.poll(timeout))
        if not events:
            break
        for descriptor in events.keys() - {hears}:
            watch.unregister(descriptor)
            if os.getppid() == console:
                os.kill(console, signal.SIGHUP)
        if hears not in events:
            continue
        said = os.read(hears, 4096)
        if not said:
            return  # it has ended
        pressed += said.count(signal.SIGINT)
        asked = said + bytes([signal.SIGTERM]) * (0 < presses <= pressed)
        deadline = time_limit(asked, deadline, time.monotonic(), orderly)
    if os.getppid() == console:  # the kernel hangs up a terminal whose session leader is dead: restore it first
        _restore(attributes, codes)
        os.kill(console, signal.SIGKILL)
