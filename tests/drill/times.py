"""Seconds until a fault is told at a terminal, on the real lab: `make drill ARGS="--live --times 5"`, as root.

`cowhand check` and the screens are started in a terminal on the operator's machine, through OpenSSH, beside a dead
tunnel, a hung HAProxy and a mail host that is off: when is the first sentence there that is true of the fault, when its
cause, and when has `check` ended. Nothing passes or fails by it."""

from __future__ import annotations

import os
import re
import statistics
import time

import pyte
from msgspec import Struct

from tests.anchors.terminal import Terminal
from tests.drill.record import FAULTS
from tests.reallab.lab import RealLab
from tests.reallab.sweeping import COWHAND

PATIENCE = 60.0
"""Seconds that a look may take."""


class Told(Struct, frozen=True):
    """A fault by its id, and patterns of what is true of it: the first thing said, and its cause."""

    id: str
    first: str
    cause: str


_CROSSING = r"no answer for [\d.]+ s from vps to 10\.10\.10\.214"

TOLD = (
    Told("own-tunnel-cut", _CROSSING, r"tunnel: no answer"),
    Told("haproxy-frozen", r"accepted, and nothing is said|silent", r"HAProxy on vps hangs"),
    Told("vm-off", _CROSSING + "|no way in to mailcow so far", r"mailcow is off"),
)
"""The three faults that the house has goals for: the first sentence within 2 s, the cause within 6 s."""

WAYS: dict[str, tuple[str, ...]] = {"check": ("check",), "screens": ()}


class Times(Struct, frozen=True):
    """Seconds from the launch; None for what was never said."""

    first: float | None
    cause: float | None
    end: float | None


def look(lab: RealLab, told: Told, words: tuple[str, ...]) -> Times:
    """Start cowhand in a terminal of the operator's machine, and read along until the cause is said, or it ends."""
    began = time.monotonic()
    argv = lab.argv("oper", [COWHAND, "--site", "/root/site/site.toml", *words])
    terminal = Terminal(argv, columns=120, rows=36)
    screen = pyte.Screen(120, 36)
    stream, fed = pyte.ByteStream(screen), 0
    first = cause = end = None
    try:
        while time.monotonic() - began < PATIENCE:
            ended = terminal.status is None and _ended(terminal)
            if terminal.total() > fed:
                piece = bytes(terminal.received[fed:])
                stream.feed(piece)
                fed += len(piece)
                shown, now = " ".join(" ".join(screen.display).split()), time.monotonic() - began
                if first is None and re.search(told.first + "|" + told.cause, shown):
                    first = now
                if cause is None and re.search(told.cause, shown):
                    cause = now
            if ended:
                end = time.monotonic() - began
                break
            if cause is not None and not words:
                break
            time.sleep(0.02)
    finally:
        terminal.close()
    return Times(first, cause, end)


def _ended(terminal: Terminal) -> bool:
    pid, status = os.waitpid(terminal.pid, os.WNOHANG)
    if pid:
        terminal.status = os.waitstatus_to_exitcode(status)
    return bool(pid)


def shown(times: list[float | None]) -> str:
    """Median and worst of what was measured."""
    known = [each for each in times if each is not None]
    if not known:
        return "never"
    never = f", never in {len(times) - len(known)}" if len(known) < len(times) else ""
    return f"{statistics.median(known):.1f} s (at worst {max(known):.1f}){never}"


def main(count: int, wanted: list[str]) -> int:
    """Break, look so many times each way, heal; print what was measured."""
    lab = RealLab(f"cowtimes{os.getpid()}")
    lab.up()
    try:
        lab.recover()
        for told in TOLD:
            if wanted and told.id not in wanted:
                continue
            fault = FAULTS[told.id]
            fault.break_(lab)
            try:
                lab.run("vps", ["sleep", "3"])
                for way, words in WAYS.items():
                    found = [look(lab, told, words) for _ in range(count)]
                    print(
                        f"{told.id:16}{way:9}first {shown([each.first for each in found])}, cause "
                        f"{shown([each.cause for each in found])}, end {shown([each.end for each in found])}",
                        flush=True,
                    )
            finally:
                fault.heal(lab)
                lab.recover()
    finally:
        lab.down()
    return 0
