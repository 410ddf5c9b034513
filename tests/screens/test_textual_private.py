"""Textual's own names that the screens use: each still does what it is used for, so that a renamed one shows here."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest
from textual import events
from textual.app import ComposeResult
from textual.drivers.headless_driver import HeadlessDriver
from textual.filter import ANSIToTruecolor, NoColor
from textual.geometry import Region, Size
from textual.screen import Screen
from textual.widget import Widget

from screens.textual_private import OncePaintedScreen, PlacedWidget, PrivateApp, drop_repaints

SECRET = "correct horse battery staple"


class Bare(PrivateApp):
    """One widget in one screen; `failed` has what it crashed of."""

    def __init__(self, theme: str = "textual-dark") -> None:
        super().__init__()
        self.wear(theme)
        self.failed: list[BaseException] = []

    def get_default_screen(self) -> Screen[None]:
        return OncePaintedScreen()

    def compose(self) -> ComposeResult:
        yield PlacedWidget()

    def crashed(self, error: BaseException) -> None:
        self.failed.append(error)

    def fail(self) -> None:
        passphrase = SECRET
        raise ValueError(passphrase)


async def test_a_size_that_is_given_asks_for_no_second_layout(monkeypatch: pytest.MonkeyPatch) -> None:
    told: dict[str, set[bool]] = {}
    real = Widget._size_updated

    def noted(self: Widget, size: Size, virtual: Size, container: Size, layout: bool = True) -> bool:
        told.setdefault(type(self).__name__, set()).add(layout)
        return real(self, size, virtual, container, layout=layout)

    monkeypatch.setattr(Widget, "_size_updated", noted)
    async with Bare().run_test() as pilot:
        await pilot.resize_terminal(100, 30)
        await pilot.pause()
    assert (told["PlacedWidget"], told["OncePaintedScreen"]) == ({False}, {False})


async def test_a_screen_that_comes_to_the_front_is_not_painted_a_second_time(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Bare().run_test() as pilot:
        painted: list[tuple[Region, ...]] = []
        monkeypatch.setattr(Screen, "refresh", lambda self, *regions, **how: painted.append(regions))
        pilot.app.screen.refresh()
        assert len(painted) == 1
        before = pilot.app.screen.stack_updates
        pilot.app.screen.post_message(events.ScreenResume())
        await pilot.pause()
        assert pilot.app.screen.stack_updates == before + 1
        assert len(painted) == 1


def test_the_first_theme_decides_the_shades_of_the_terminals_colours() -> None:
    app = Bare("textual-light")
    assert app.ansi_theme is app.ansi_theme_light
    (shades,) = [each for each in app._filters if isinstance(each, ANSIToTruecolor)]
    assert shades._terminal_theme is app.ansi_theme_light


def test_without_colour_a_filter_takes_it_out(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not any(isinstance(each, NoColor) for each in Bare()._filters)
    monkeypatch.setenv("NO_COLOR", "1")
    assert any(isinstance(each, NoColor) for each in Bare()._filters)


async def test_a_control_sequence_goes_to_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    app = Bare()
    app.write_to_terminal("too early")
    async with app.run_test():
        monkeypatch.setattr(HeadlessDriver, "write", lambda self, data: written.append(data))
        app.write_to_terminal("\x1b]52;c;AAAA\x07")
        assert "\x1b]52;c;AAAA\x07" in written


async def test_what_a_widget_still_has_to_send_is_dropped() -> None:
    async with Bare().run_test() as pilot:
        widget = pilot.app.query_one(PlacedWidget)
        widget.refresh(Region(0, 0, 3, 1))
        assert widget._repaint_regions
        drop_repaints(widget)
        assert not widget._repaint_regions


@pytest.mark.parametrize("end", ["fail", "panic"])
async def test_a_crash_hands_on_the_error_ends_the_app_and_prints_nothing(
    end: str, capsys: pytest.CaptureFixture[str]
) -> None:
    app = Bare()
    app.call_later(app.fail if end == "fail" else lambda: app.panic(SECRET))
    async with asyncio.timeout(60) as limit:
        await app.run_async(headless=True)
    assert not limit.expired()
    printed = capsys.readouterr()
    assert [type(error) for error in app.failed] == [ValueError if end == "fail" else RuntimeError]
    assert SECRET not in printed.out + printed.err
    assert "Traceback" not in printed.out + printed.err


PALETTE = """
import sys, screens.app
loaded = [name for name in ("textual.command", "textual.widgets._input") if name in sys.modules]
import textual.command, textual.app
print(loaded, textual.command.CommandPalette.__module__, textual.app.CommandPalette is textual.command.CommandPalette)
"""

WITHOUT = """
import sys, screens.lean
screens.lean.NAMES = ()
for name in [name for name in sys.modules if name.startswith("textual")]: del sys.modules[name]
screens.lean.spare_the_palette()
print("textual.app" in sys.modules)
import textual.app
print(textual.app.CommandPalette.__module__)
"""


def test_textuals_own_palette_is_not_imported_before_the_first_paint() -> None:
    said = subprocess.run([sys.executable, "-c", PALETTE], capture_output=True, text=True, check=True).stdout
    assert said.split() == ["[]", "textual.command", "False"]


def test_a_textual_that_wants_more_of_its_palette_gets_the_real_one() -> None:
    said = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=True).stdout
    assert said.split() == ["False", "textual.command"]
