"""The console with a stage in it, and what stands on its screen."""

from __future__ import annotations

from textual.app import App
from textual.pilot import Pilot

from screens.app import CowhandApp
from tests.screens.stage import Stage


def build(stage: Stage, *, read_only: bool = False, lab: bool = False, theme: str | None = None) -> CowhandApp:
    """The console on a stage."""
    return CowhandApp(stage, title="benoit", read_only=read_only, lab=lab, theme=theme)


def rows_of(app: App[None]) -> list[str]:
    """What stands on the screen, row by row, without trailing blanks."""
    strips = app.screen._compositor.render_strips()
    return ["".join(segment.text for segment in strip).rstrip() for strip in strips]


async def settle(pilot: Pilot[None], *keys: str) -> list[str]:
    """Press keys, each when all before is done, and return what stands on the screen then."""
    await _quiet(pilot)
    for key in keys:
        await pilot.press(key)
        await _quiet(pilot)
    return rows_of(pilot.app)


async def _quiet(pilot: Pilot[None]) -> None:
    app = pilot.app
    assert isinstance(app, CowhandApp)
    await pilot.pause()
    for _ in range(500):
        if app._bridge._asleep and not app.message_queue_size and not app.screen.message_queue_size:
            break
        await pilot.pause(0.01)
    await pilot.pause()
