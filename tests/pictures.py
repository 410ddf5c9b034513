"""The README's pictures: the real screens and engine on the lab that ships, drawn anew by `make pictures`.

What is measured or dated differs from one minute to the next; `masked` is what has to stay the same."""

from __future__ import annotations

import argparse
import asyncio
import html
import os
import re
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from textual.pilot import Pilot

if TYPE_CHECKING:
    from console.lab.client import Lab
    from screens.app import CowhandApp

FOLDER = Path(__file__).parents[1] / "snapshots" / "lab"

PATIENCE = 120.0
"""Seconds that a picture may take to look as it should, on a busy machine."""

Rows = list[str]
Look = Callable[[Rows], bool]


def masked(rows: Sequence[str]) -> Rows:
    """Return what stands in rows without numbers, dates, ids, frames, and the figures and strip of the last hour."""
    words = [re.sub(r"\b[0-9a-f]{12}\b|\b[A-Z][a-z]{2} \d+ |[\d.,:]*\d[\d.,:]*|[▁▂▃▄▅▆▇█]", " 0 ", row) for row in rows]
    words = [re.sub(r"\b0\s+(?:ms|s)\b|[─│┌┐└┘…]", " 0 ", row) for row in words]
    words = [re.sub(r"(?:\s*\b0\b)*\s+x?$|(?:\s*\b0\b)+\s*|\s+", " ", row).strip() for row in words]
    return [row for row in words if row.strip(" x") and not re.match(r"p\b", row)]


def read(picture: str) -> Rows:
    """Return the rows of a picture: its texts by their height, from left to right."""
    rows: dict[float, list[tuple[float, str]]] = {}
    for x, y, text in re.findall(r'<text class="[^"]*-r\d+" x="([\d.]+)" y="([\d.]+)"[^>]*>([^<]*)</text>', picture):
        rows.setdefault(float(y), []).append((float(x), html.unescape(text)))
    return [
        "".join(text for _, text in sorted(found)).replace("\xa0", " ").rstrip() for _, found in sorted(rows.items())
    ]


def has(*words: str) -> Look:
    """Whether all of some words stand on the screen."""
    return lambda rows: all(any(word in row for row in rows) for word in words)


@asynccontextmanager
async def opened(empty: bool) -> AsyncIterator[tuple[Lab, CowhandApp, Pilot[None]]]:
    """The console on a lab of its own, 80×24."""
    from console.__main__ import _engine
    from console.estate.site_file import title
    from console.lab.client import Lab
    from console.lab.plan import site_file
    from screens.app import CowhandApp

    lab = Lab.start_private(empty=empty)
    os.environ["COWHAND_LAB"] = lab.name
    path = site_file()
    engine = _engine(argparse.Namespace(lab=True, empty_lab=False, every=2.0), path, None)
    app = CowhandApp(engine, title=title(path), read_only=False, lab=True)
    try:
        async with app.run_test(size=(80, 24)) as pilot:
            yield lab, app, pilot
    finally:
        engine.close()
        lab.close()


async def drawn(wanted: Callable[[str], Look | None]) -> AsyncIterator[tuple[str, str, Rows]]:
    """Yield name, SVG and rows of each picture, as soon as `wanted` of its name (None: what it waits for) holds."""
    async with opened(empty=False) as (lab, app, pilot):

        async def take(name: str, look: Look) -> tuple[str, str, Rows]:
            rows = await _until(pilot, wanted(name) or look)
            return name, app.export_screenshot(title="cowhand"), rows

        yield await take("lanes-calm", has("● well", "5 of 5 lanes"))
        await asyncio.to_thread(lab.break_, "dovecot-untrusted-proxy")
        await _until(pilot, has("✗ down", "✗ untrusted"))
        await pilot.press("n")
        await pilot.resize_terminal(120, 36)
        yield await take("lanes-trouble", has("✗ down", "CH001 dovecot"))
        await pilot.resize_terminal(80, 24)
        for key, name, word in (("2", "findings", "remedy"), ("3", "sources", "haproxy.cfg"), ("4", "estate", "✗")):
            await pilot.press(key)
            yield await take(name, has(word))
        await asyncio.to_thread(lab.heal)
        await pilot.press("6")
        await _until(pilot, has("● well", "mount-volumes", "steps to do"))
        await pilot.press("slash", *"mount-vol", "enter", "enter")
        await _until(pilot, has("match them to disks", "do it, step by step"))
        await pilot.press("d")
        yield await take("flow", has("to do it, esc to cancel"))
        await pilot.press("escape", "x")
        await _until(pilot, has("type stop"))
        await pilot.press(*"stop", "enter")
        await _until(pilot, has("■ stopped"))
        await pilot.press("7")
        yield await take("journal", has("mount-volumes", "stopped"))
    async with opened(empty=True) as (_, app, pilot):
        await _until(pilot, has("0 of 5 lanes"))
        await pilot.press("6")
        await _until(pilot, has("first-setup", "steps to do"))
        await pilot.press("slash", *"first-set", "enter", "enter")
        await _until(pilot, has("do all that is to do", "steps to do"))
        await pilot.press(*"jjjjjjjj")
        rows = await _until(pilot, wanted("first-setup") or has("do all that is to do", "will be"))
        yield "first-setup", app.export_screenshot(title="cowhand"), rows


async def _until(pilot: Pilot[None], look: Look) -> Rows:
    from tests.screens.house import rows_of

    began = time.monotonic()
    while True:
        await pilot.pause(0.05)
        rows = rows_of(pilot.app)
        if look(rows):
            return rows
        if time.monotonic() - began > PATIENCE:
            raise AssertionError("it does not come to look so:\n" + "\n".join(rows))


def alone(folder: Path) -> dict[str, str]:
    """Return the environment in which nothing of this machine's user is on the pictures."""
    kept = {f"XDG_{kind}_HOME": str(folder / kind.lower()) for kind in ("STATE", "CONFIG", "CACHE", "DATA")}
    return {"HOME": str(folder), "TZ": "UTC", "USER": "operator", "LOGNAME": "operator", **kept}


async def _main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    async for name, picture, _ in drawn(lambda name: None):
        (FOLDER / f"{name}.svg").write_text(re.sub(r"terminal-\d+", "terminal", picture))
        print(name)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(alone(Path(folder)))
        time.tzset()
        asyncio.run(_main())
