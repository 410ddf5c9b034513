"""Commands that may still run after the link to them was lost: found by their mark, waited for, or ended when asked.

No change is begun while an earlier one may still be under way: two of the same command beside each other are what this
prevents."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from console.errors import CowhandError, NoWayIn
from console.hosts import marks
from console.runner.progress import Progress, Unsettled
from console.text import clean

SETTLE = 1.5
"""Seconds after its start for which a command may not have its mark yet: its host may be slow to start it."""

GRACE = 5.0
"""Seconds beyond its own limit that a command is waited for."""

OFTEN = 0.5
"""Seconds between two looks."""

LAST = 10.0
"""Seconds a command gets to end after SIGTERM, and then after SIGKILL."""


class Leftover(CowhandError):
    """A command of an earlier change still runs on its host, or may."""


def read(run: str, entry: Mapping[str, Any]) -> Unsettled:
    """A change as a journal tells of it."""
    return Unsettled(
        str(entry.get("run") or run),
        str(entry.get("mark", "")),
        str(entry.get("key", "")),
        clean(str(entry.get("text", "")), 400),
        float(entry.get("at", 0)),
        float(entry.get("limit", 0)),
    )


async def settle(progress: Progress) -> None:
    """Return when none of the unsettled commands runs any more; raises `Leftover`, `HostError` or `Stopped`."""
    while progress.unsettled:
        await _settle(progress, progress.unsettled[0])
        begun = progress.unsettled.pop(0)
        progress.journal.write("settled", mark=begun.mark, host=begun.host, text=begun.text)


async def _settle(progress: Progress, begun: Unsettled) -> None:
    """Wait until a command has ended; the operator may have it ended, or stop."""
    until = begun.at + begun.limit + GRACE
    try:
        host = progress.context.machine(begun.host)
    except NoWayIn:
        if begun.host in progress.context.missing or time.time() <= until:
            raise
        progress.say(f"{begun.text} was begun on {begun.host}, which is no longer in site.toml: its end is not known")
        return
    asking: asyncio.Task[str | None] | None = None
    try:
        while True:
            found = await marks.find(host, begun.mark)
            now = time.time()
            if found == () and now >= begun.at + SETTLE:
                return
            if found is None and now > until:
                return  # nobody can tell, and its host has ended it by now
            if found and asking is None:
                progress.say(f"still runs on {host.name}, as process {found[0]}; waiting until it ends: {begun.text}")
                asking = asyncio.create_task(_ask(progress, begun, host.name, found[0]))
            if asking is not None and asking.done():
                said = asking.result()
                if said == "end" and found:
                    await _end(progress, begun)
                    return
                if said == "stop":
                    raise _left(begun, found)
            if now > until:
                raise _left(begun, found)
            if asking is not None and not asking.done():
                await asyncio.wait({asking}, timeout=OFTEN)
                progress.checkpoint()
            else:
                await progress.pause(OFTEN)
    finally:
        if asking is not None:
            asking.cancel()
            await asyncio.wait({asking})


async def _ask(progress: Progress, begun: Unsettled, name: str, pid: int) -> str | None:
    # the command last: where it holds a secret, the rest of its line is hidden with it
    text = f"the run {begun.run} began this, and it still runs on {name}, as process {pid}: {begun.text}"
    choices = {"wait": "wait until it ends", "end": "end it now", "stop": "stop here; it goes on by itself"}
    return await progress.choose(progress.at, "answer", text, choices, "wait", "running")


async def _end(progress: Progress, begun: Unsettled) -> None:
    """End it: first as it would like to be ended, then at once."""
    host = progress.context.machine(begun.host)
    for name in ("TERM", "KILL"):
        progress.journal.write("signal", signal=name, mark=begun.mark, host=begun.host, text=begun.text)
        await marks.signal(host, begun.mark, name)
        until = time.monotonic() + LAST
        while time.monotonic() < until:
            if await marks.find(host, begun.mark) == ():
                return
            await progress.pause(OFTEN)
    raise _left(begun, await marks.find(host, begun.mark))


def _left(begun: Unsettled, found: tuple[int, ...] | None) -> Leftover:
    what = f"still runs as process {found[0]}" if found else "may still run"
    return Leftover(
        f"a command of the run {begun.run} {what} on {begun.host}; end it, or wait until it ends, and start again: "
        f"{begun.text}"
    )
