"""The console with a stage in it, and what stands on its screen."""

from __future__ import annotations

from textual.app import App

from screens.app import CowhandApp
from tests.screens.stage import Stage


def build(stage: Stage, *, read_only: bool = False, lab: bool = False, theme: str | None = None) -> CowhandApp:
    """The console on a stage."""
    return CowhandApp(stage, title="benoit", read_only=read_only, lab=lab, theme=theme)


def rows_of(app: App[None]) -> list[str]:
    """What stands on the screen, row by row, without trailing blanks."""
    strips = app.screen._compositor.render_strips()
    return ["".join(segment.text for segment in strip).rstrip() for strip in strips]
