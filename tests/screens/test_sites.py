"""The picker: several sites, and nothing is asked of any before one is chosen."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from console.site import SiteListed
from tests.screens.house import build, settle
from tests.screens.stage import calm

SITES = (
    SiteListed("example", "/home/anna/.config/cowhand/example.toml", "mail.example.org; vps, home and mailcow"),
    SiteListed("school", "/home/anna/.config/cowhand/school/site.toml", "mail.school.example; relay"),
    SiteListed("spare", "/home/anna/.config/cowhand/spare.toml", "cannot be used: this is not TOML", False),
)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["pick-80x24"])
def test_picture(name: str, picture: Callable[..., None]) -> None:
    picture(calm(), "80x24", "j", first="sites", sites=lambda: SITES)


async def test_nothing_is_asked_before_one_is_chosen() -> None:
    stage = calm()
    app = build(stage, first="sites", sites=lambda: SITES)
    async with app.run_test(size=(80, 24)) as pilot:
        rows = await settle(pilot, "1", "r", "escape", "i", "j")
        assert "no site is open" in rows[0]
        assert stage.asked == []
        await settle(pilot, "enter")
    assert "start" not in stage.asked
    assert app.reopen == SITES[1].path


async def test_the_filter_narrows_and_o_leads_there_from_a_site() -> None:
    app = build(calm(), sites=lambda: SITES)
    async with app.run_test(size=(80, 24)) as pilot:
        rows = await settle(pilot, "o", "slash", *"school", "enter")
        assert [row for row in rows if "spare" in row] == []
        await settle(pilot, "enter")
    assert app.reopen == SITES[1].path


async def test_a_site_that_cannot_be_used_is_not_opened() -> None:
    app = build(calm(), sites=lambda: SITES)
    async with app.run_test(size=(80, 24)) as pilot:
        rows = await settle(pilot, "o", "G", "enter")
        assert "spare cannot be used: this is not TOML" in rows[-1]
    assert app.reopen is None
