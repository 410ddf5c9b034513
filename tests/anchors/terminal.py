"""A pseudo-terminal that accounts for every byte, may stop reading, and shows what a person would see."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import termios
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pyte

LATENCY = re.compile(
    r"\s*p50 .*? worst \d+(\.\d)? m?s\b( of \d+ sweeps)?"
    r"|\s*\d+(\.\d)? m?s\b\s*|\s*changes [▁▂▃▄▅▆▇█]+\s*|\s*[▁▂▃▄▅▆▇█]+\s*|(?<!since )(?<![:\d])\d\d:\d\d(:\d\d)?\b"
)
"""A latency, the row that sums them up once there are enough, the strip that draws the last ones, and the clocks beside
it: "asked at", and the axis of the strip."""


def _rest(row: str) -> str:
    return LATENCY.sub("", row).rstrip()


@dataclass(frozen=True)
class Frame:
    """One drawing: the bytes it took, and the rows it changed, before and after."""

    size: int
    rows: list[tuple[str, str]]

    @property
    def only_latencies(self) -> bool:
        """Whether nothing changed but how many milliseconds something took: of a real connection no test can know."""
        return bool(self.rows) and all(_rest(old) == _rest(new) for old, new in self.rows)


class Terminal:
    """A command under a terminal of a fixed size. It answers the one query a modern terminal answers (DEC 2026)."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        columns: int = 80,
        rows: int = 24,
        environment: Mapping[str, str | None] | None = None,
    ) -> None:
        self.columns, self.rows = columns, rows
        self.received = bytearray()
        self.status: int | None = None
        self._hung = False
        self._reading = threading.Event()
        self._reading.set()
        self._lock = threading.Lock()
        size = struct.pack("HHHH", rows, columns, 0, 0)
        self.pid, self.descriptor = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, size)
            left_out = ("COLUMNS", "LINES", "NO_COLOR", "PYTHONDONTWRITEBYTECODE", "TMUX", "SSH_CONNECTION", "SSH_TTY")
            given: dict[str, str | None] = {name: value for name, value in os.environ.items() if name not in left_out}
            given |= {"TERM": "xterm-256color", "COLORTERM": "truecolor", **(environment or {})}
            os.execvpe(argv[0], list(argv), {name: value for name, value in given.items() if value is not None})
        self.attributes = termios.tcgetattr(self.descriptor)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while not self._hung:
            self._reading.wait()
            try:
                ready, _, _ = select.select([self.descriptor], [], [], 0.05)
                if not ready:
                    continue
                data = os.read(self.descriptor, 1 << 16)
            except (OSError, ValueError):
                return
            if not data:
                return
            with self._lock:
                self.received += data
            if b"\x1b[?2026$p" in data:
                self.send(b"\x1b[?2026;2$y")

    def send(self, data: bytes | str) -> None:
        """Type."""
        try:
            os.write(self.descriptor, data.encode() if isinstance(data, str) else data)
        except OSError:
            return

    def stall(self) -> None:
        """Stop reading, as a link does that hangs."""
        self._reading.clear()

    def resume(self) -> None:
        """Read again."""
        self._reading.set()

    def total(self) -> int:
        """Bytes received so far."""
        with self._lock:
            return len(self.received)

    def settle(self, gap: float = 0.5, timeout: float = 15.0) -> int:
        """Wait until nothing came for `gap` seconds; return the bytes received so far."""
        deadline, last, since = time.monotonic() + timeout, self.total(), time.monotonic()
        while time.monotonic() < deadline and time.monotonic() - since < gap:
            time.sleep(0.02)
            now = self.total()
            if now != last:
                last, since = now, time.monotonic()
        return last

    def screen(self) -> list[str]:
        """What a person would see: the lines of the screen."""
        screen = pyte.Screen(self.columns, self.rows)
        with self._lock:
            pyte.ByteStream(screen).feed(bytes(self.received))
        return [line.rstrip() for line in screen.display]

    def frames(self, since: int) -> list[Frame]:
        """What was drawn at once, each time, after the first `since` bytes (DEC 2026: begin and end of a drawing)."""
        with self._lock:
            received = bytes(self.received)
        screen = pyte.Screen(self.columns, self.rows)
        stream = pyte.ByteStream(screen)
        stream.feed(received[:since])
        drawn = []
        for piece in re.findall(rb".*?\x1b\[\?2026l|.+", received[since:], re.DOTALL):
            before = list(screen.display)
            stream.feed(piece)
            rows = zip(before, screen.display, strict=True)
            drawn.append(Frame(len(piece), [(old, new) for old, new in rows if old != new]))
        return drawn

    def text(self) -> str:
        """The screen as one string."""
        return "\n".join(self.screen())

    def wait(self, seen: Callable[[str], bool] | str, timeout: float = 120.0) -> str:
        """Wait until the screen shows something; return it, or fail with what it shows instead."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            text = self.text()
            if seen in text if isinstance(seen, str) else seen(text):
                return text
            time.sleep(0.05)
        raise AssertionError(f"not seen within {timeout:g} s: {seen!r}; the screen shows\n{self.text()}")

    def signal(self, number: int) -> None:
        """Send a signal to the command."""
        os.kill(self.pid, number)

    def leave(self, timeout: float = 60.0) -> int:
        """Wait for the command to end; return its exit status, negative for a signal."""
        deadline = time.monotonic() + timeout
        while self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
            elif time.monotonic() > deadline:
                raise AssertionError(f"still running after {timeout:g} s; the screen shows\n{self.text()}")
            else:
                time.sleep(0.01)
        return self.status

    def hang_up(self) -> None:
        """Close our end, as a dropped link does."""
        self._hung = True
        self._reading.set()
        self._thread.join(2)
        os.close(self.descriptor)

    def close(self) -> None:
        """End the command, whatever it does."""
        if self.status is None:
            try:
                os.kill(self.pid, 9)
                os.waitpid(self.pid, 0)
            except (ProcessLookupError, ChildProcessError):
                pass
        self._reading.set()
        self._thread.join(2)
        try:
            os.close(self.descriptor)
        except OSError:
            return
