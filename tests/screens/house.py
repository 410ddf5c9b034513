"""The console with a stage in it, and what stands on its screen."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from textual.app import App
from textual.pilot import Pilot

from console.engine.setup_engine import SetupPort
from console.site import SiteListed
from screens.app import CowhandApp
from tests.screens.stage import Stage


def build(
    stage: Stage,
    *,
    read_only: bool = False,
    lab: bool = False,
    theme: str | None = None,
    setup: Callable[[], SetupPort] | None = None,
    first: str = "lanes",
    sites: Callable[[], Sequence[SiteListed]] = tuple,
) -> CowhandApp:
    """The console on a stage."""
    return CowhandApp(
        stage, title="benoit", read_only=read_only, lab=lab, theme=theme, setup=setup, first=first, sites=sites
    )


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
    """Wait until every queue was empty three times in a row: on a busy machine an idle processor proves nothing."""
    app = pilot.app
    assert isinstance(app, CowhandApp)
    calm = 0
    for _ in range(3000):
        await pilot.pause()
        calm = calm + 1 if app._bridge._asleep and not _waiting(app) else 0
        if calm == 3:
            return
        await pilot.pause(0.01)


def _waiting(app: CowhandApp) -> bool:
    """Whether a message waits anywhere on the screen."""
    nodes = (app, *app.screen_stack, *app.screen.walk_children())
    return any(node.message_queue_size for node in nodes)
