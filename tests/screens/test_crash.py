"""An error in the screens: one line, no value, no traceback on the terminal, a status that is not 0."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest
from textual import work
from textual.strip import Strip

from screens.app import CowhandApp
from screens.widgets.pane import Pane
from tests.screens.stage import calm

SECRET = "correct horse battery staple"


class Rich(ValueError):
    """An error that draws itself, and its secret."""

    def __rich__(self) -> str:
        return SECRET


class Broken(CowhandApp):
    """Fails where it is told to."""

    def action_handler(self) -> None:
        passphrase = SECRET
        raise ValueError(passphrase)

    def action_cause(self) -> None:
        try:
            raise KeyError(SECRET)
        except KeyError as error:
            raise ValueError(SECRET) from error

    def action_rich(self) -> None:
        raise Rich(SECRET)

    @work
    async def action_worker(self) -> None:
        passphrase = SECRET
        await asyncio.sleep(0)
        raise ValueError(passphrase)

    @work(thread=True)
    def action_thread(self) -> None:
        passphrase = SECRET
        raise ValueError(passphrase)

    def action_render(self) -> None:
        def render_line(y: int) -> Strip:
            passphrase = SECRET
            raise ValueError(passphrase)

        pane = self.query_one("#masthead", Pane)
        pane.render_line = render_line  # type: ignore[method-assign]
        pane.refresh()


@pytest.mark.parametrize("where", ["handler", "cause", "rich", "worker", "thread", "render"])
async def test_a_crash_tells_its_type_and_place_and_no_value(where: str, capsys: pytest.CaptureFixture[str]) -> None:
    seen: list[BaseException] = []

    def report(error: BaseException) -> str:
        seen.append(error)
        return "/state/crash.txt"

    app = Broken(calm(), title="benoit", read_only=False, lab=False, report=report)
    with pytest.raises(Exception):  # noqa: B017
        async with app.run_test() as pilot:
            await pilot.pause()
            app.call_later(getattr(app, f"action_{where}"))
            await pilot.pause(0.3)
    printed = capsys.readouterr()
    assert app.crash is not None
    assert SECRET not in app.crash + printed.out + printed.err
    assert ("Rich" if where == "rich" else "ValueError") in app.crash
    assert app.crash.startswith("cowhand stopped: ")
    assert app.crash.endswith("; the report is in /state/crash.txt")
    assert app.return_code != 0
    assert isinstance(seen[0], ValueError)
    assert len(seen) == 1


LOOK = """
import sys, textual.app, textual.screen
before = set(sys.modules)
DRAWN = ("screens.views.lanes", "screens.views.evidence")
import screens.app
new = set(sys.modules) - before
ours = [name for name in new if name.split(".")[0] == "screens"]
dear = [name for name in new if name.startswith(("textual.widgets", "asyncssh", "hcl2", "ruamel", "cryptography"))]
late = [name for name in ours if name.startswith("screens.views.") and name not in DRAWN or "clipboard" in name]
print(len(ours), dear, late)
"""


def test_the_first_screen_imports_no_more_than_it_draws() -> None:
    said = subprocess.run([sys.executable, "-c", LOOK], capture_output=True, text=True, check=True).stdout
    count, _, rest = said.partition(" ")
    assert int(count) <= 25
    assert rest.strip() == "[] []"
