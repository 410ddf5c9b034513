"""One key opens a shell at the chosen cell; the screens are lent to it, and read-only has no such key."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from textual.app import App

from console.engine.shells import ShellWay
from tests.screens.house import build, settle
from tests.screens.stage import Stage, trouble

pytestmark = pytest.mark.slow

WAYS = (
    ShellWay("vps", "proxy", argv=("/usr/bin/ssh", "--", "vps")),
    ShellWay("mailcow", "mail", argv=("/usr/bin/ssh", "--", "mailcow")),
    ShellWay("mailcow", "mail", "postfix-mailcow", argv=("/usr/bin/ssh", "--", "mailcow", "sh")),
    ShellWay("home", "hypervisor", problem="ssh is not installed on this machine"),
)


@pytest.fixture
def lent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A terminal can be lent in a test: what was lent and taken back."""
    seen: list[str] = []

    @contextmanager
    def suspend(self: App[None]) -> Iterator[None]:
        seen.append("lent")
        yield
        seen.append("back")

    monkeypatch.setattr(App, "suspend", suspend)
    return seen


def stage() -> Stage:
    made = trouble()
    made.ways = WAYS
    return made


@pytest.mark.parametrize(
    ("keys", "where"),
    [
        (("l",), "vps"),
        (("l", "l"), "vps"),
        (("l", "l", "l"), "mailcow"),
        (("l", "l", "l", "l"), "postfix-mailcow on mailcow"),
        (("j", "j", "l", "l", "l", "l"), "mailcow"),
    ],
)
async def test_the_shell_is_where_the_cell_is(lent: list[str], keys: tuple[str, ...], where: str) -> None:
    made = stage()
    app = build(made)
    async with app.run_test(size=(80, 24)) as pilot:
        rows = await settle(pilot, "g", "h", "h", "h", "h", *keys, "exclamation_mark")
        assert f"shell {where}" in made.asked
        assert lent == ["lent", "back"]
        assert rows[-1] == f" back from {where}"
        at = made.asked.index(f"shell {where}")
        assert (made.asked[at - 1], made.asked[at + 1]) == ("unwatch", "watch")


async def test_elsewhere_it_is_asked_where_and_the_command_is_shown(lent: list[str]) -> None:
    made = stage()
    app = build(made)
    async with app.run_test(size=(80, 24)) as pilot:
        rows = await settle(pilot, "4", "exclamation_mark", *"post")
        assert any("/usr/bin/ssh -- mailcow sh" in row for row in rows)
        await settle(pilot, "enter")
        assert "shell postfix-mailcow on mailcow" in made.asked
        rows = await settle(pilot, "exclamation_mark", *"home", "enter")
        assert "ssh is not installed on this machine" in rows[-1]
        assert lent == ["lent", "back"]


async def test_a_terminal_that_cannot_be_lent_names_the_command() -> None:
    made = stage()
    app = build(made)
    async with app.run_test(size=(80, 24)) as pilot:
        rows = await settle(pilot, "g", "h", "h", "h", "h", "l", "exclamation_mark")
        assert "the command is /usr/bin/ssh -- vps" in rows[-1]


async def test_a_role_that_no_host_has_is_said_and_read_only_has_no_shell(lent: list[str]) -> None:
    made = stage()
    made.ways = WAYS[:1]
    app = build(made)
    async with app.run_test(size=(80, 24)) as pilot:
        rows = await settle(pilot, "g", "h", "h", "h", "h", "l", "l", "l", "exclamation_mark")
        assert 'no host has role = "mail"' in rows[-1]
    app = build(stage(), read_only=True)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot, "l", "exclamation_mark")
    assert lent == []
