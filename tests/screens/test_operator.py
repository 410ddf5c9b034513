"""What an operator does, and what the console answers."""

from __future__ import annotations

from base64 import b64decode

import pytest
from msgspec.structs import replace

from console.events import EstateRead, FindingsChanged, ReadingsChanged
from console.model import Topology
from screens.actions import ACTIONS
from screens.app import CowhandApp
from screens.views.lanes import Lanes
from tests.screens.house import build, settle
from tests.screens.stage import LOG, TROUBLE, UNTRUSTED, Stage, calm, cut_off, half_read, trouble
from tests.screens.stage_estate import ESTATE

SMALL = (80, 24)


def cell(app: CowhandApp) -> tuple[str, str]:
    """The chosen cell's lane and hop."""
    assert isinstance(app.view, Lanes)
    chosen = app.view.chosen()
    assert chosen is not None
    return chosen[0].name, chosen[1]


async def test_a_break_shows_its_hop_its_sentence_and_the_count() -> None:
    stage = calm()
    app = build(stage)
    async with app.run_test(size=SMALL) as pilot:
        rows = await settle(pilot)
        assert "5 of 5 lanes well" in rows[0]
        stage.say(ReadingsChanged(UNTRUSTED), TROUBLE)
        rows = await settle(pilot)
    assert rows[0].startswith(" ✗ down   3 of 5 lanes well")
    assert rows[1] == " mailcow: dovecot refuses the proxy, lanes 993 and 4190 (CH001), since 14:02"
    assert "✗ untrusted" in rows[6]
    assert "✗ untrusted" in rows[7]
    assert sum("✗ untrusted" in row for row in rows) == 2


async def test_a_shared_cause_is_one_sentence_and_a_marked_column() -> None:
    async with build(cut_off()).run_test(size=SMALL) as pilot:
        rows = await settle(pilot)
    assert rows[1] == " tunnel: every lane stops here (CH016), since 14:05"
    assert sum("✗ timeout" in row for row in rows[4:9]) == 5


async def test_the_console_opens_on_the_first_broken_cell() -> None:
    app = build(trouble())
    async with app.run_test(size=SMALL) as pilot:
        rows = await settle(pilot)
        assert cell(app) == ("imaps", "vm")
    assert "993 imaps · vm · asked from vps" in rows[9]
    assert any("CH001 dovecot-untrusted-proxy" in row for row in rows)


async def test_a_later_break_leaves_the_cursor_where_it_is() -> None:
    stage = calm()
    app = build(stage)
    async with app.run_test(size=SMALL) as pilot:
        await settle(pilot)
        stage.say(ReadingsChanged(UNTRUSTED), TROUBLE)
        await settle(pilot)
        assert cell(app) == ("smtp", "public")


@pytest.mark.slow
async def test_letters_and_arrows_move_among_the_cells() -> None:
    app = build(calm())
    async with app.run_test(size=SMALL) as pilot:
        await settle(pilot, "j", "l", "l")
        assert cell(app) == ("smtps", "tunnel")
        await settle(pilot, "down", "left")
        assert cell(app) == ("imaps", "haproxy")
        await settle(pilot, "k", "h", "h", "h", "up", "up")
        assert cell(app) == ("smtp", "public")
        await settle(pilot, "G")
        assert cell(app)[0] == "https"
        await settle(pilot, "g")
        assert cell(app) == ("smtp", "public")


async def test_n_goes_from_one_broken_lane_to_the_next_and_round() -> None:
    app = build(trouble())
    async with app.run_test(size=SMALL) as pilot:
        await settle(pilot, "n")
        assert cell(app) == ("sieve", "vm")
        await settle(pilot, "n")
        assert cell(app) == ("imaps", "vm")
        await settle(pilot, "N")
        assert cell(app) == ("sieve", "vm")


async def test_n_says_so_when_nothing_is_broken() -> None:
    async with build(calm()).run_test(size=SMALL) as pilot:
        rows = await settle(pilot, "n")
        assert rows[-1] == " no lane is broken"
        rows = await settle(pilot, "j")
        assert "q leave" in rows[-1]


@pytest.mark.slow
async def test_enter_leads_from_the_cell_to_the_finding_to_its_line_and_escape_back() -> None:
    app = build(trouble())
    async with app.run_test(size=SMALL) as pilot:
        await settle(pilot, "enter")
        assert app.view.NAME == "findings"
        finding = app.view.finding()
        assert finding is not None
        assert finding.id == "CH001"
        rows = await settle(pilot, "enter")
        assert app.view.NAME == "sources"
        assert any(row.startswith("▸◆ CH001+ 20 ") for row in rows)
        await settle(pilot, "escape")
        assert app.view.NAME == "findings"
        await settle(pilot, "escape")
        assert app.view.NAME == "lanes"
        await settle(pilot, "escape")
        assert app.view.NAME == "lanes"


async def test_s_opens_the_line_a_cell_comes_from() -> None:
    app = build(calm())
    async with app.run_test(size=SMALL) as pilot:
        rows = await settle(pilot, "j", "l", "s")
        assert app.view.NAME == "sources"
        assert any(row.startswith("▸") and "10.10.10.214:10465" in row for row in rows)


@pytest.mark.slow
async def test_numbers_open_the_screens() -> None:
    app = build(calm())
    async with app.run_test(size=SMALL) as pilot:
        for key, name in (("2", "findings"), ("3", "sources"), ("4", "estate"), ("5", "log"), ("1", "lanes")):
            await settle(pilot, key)
            assert name == app.view.NAME


@pytest.mark.slow
async def test_a_filter_narrows_while_it_is_typed_and_escape_lets_go() -> None:
    app = build(calm())
    async with app.run_test(size=SMALL) as pilot:
        rows = await settle(pilot, "slash", "s", "i", "e")
        assert [row[:11] for row in rows[4:6]] == [" 4190 sieve", ""]
        rows = await settle(pilot, "enter")
        assert "1 lanes /sie" in rows[2]
        rows = await settle(pilot, "escape")
        assert "465  smtps" in rows[5]
        assert app.view.wanted == ""


@pytest.mark.slow
async def test_escape_in_the_filter_brings_back_the_filter_before() -> None:
    app = build(calm())
    async with app.run_test(size=SMALL) as pilot:
        await settle(pilot, "slash", "9", "9", "3", "enter", "slash", "x", "escape")
        assert app.view.wanted == "993"


@pytest.mark.slow
async def test_keys_typed_into_the_bar_do_nothing_else() -> None:
    stage = calm()
    app = build(stage)
    async with app.run_test(size=SMALL) as pilot:
        await settle(pilot, "slash", "q", "r", "2", "question_mark")
        assert app.view.NAME == "lanes"
        assert app.view.wanted == "qr2?"
        assert "sweep" not in stage.asked
        await settle(pilot, "ctrl+w", "4", "backspace", "ctrl+u")
        assert app.view.wanted == ""


@pytest.mark.slow
async def test_a_filter_that_finds_nothing_leaves_a_console_that_lives() -> None:
    app = build(calm())
    async with app.run_test(size=SMALL) as pilot:
        for key in "12345":
            await settle(pilot, key, "slash", "z", "z", "enter", "j", "k", "G", "g", "n", "enter", "s", "y", "escape")
        assert app.crash is None


async def test_r_asks_the_engine_to_sweep_and_says_so() -> None:
    stage = calm()
    async with build(stage).run_test(size=SMALL) as pilot:
        rows = await settle(pilot, "r")
    assert stage.asked.count("sweep") == 1
    assert rows[-1] == " asking every hop again"


async def test_r_asks_nothing_and_says_so_where_no_lane_is_known() -> None:
    stage = Stage((replace(ESTATE, topology=replace(ESTATE.topology, lanes=())),))
    async with build(stage).run_test(size=SMALL) as pilot:
        rows = await settle(pilot, "r")
    assert stage.asked.count("sweep") == 0
    assert rows[-1] == " no lane is known: there is nothing to ask"


async def test_the_engine_is_told_when_somebody_looks_and_when_nobody_does() -> None:
    stage = calm()
    async with build(stage).run_test(size=SMALL) as pilot:
        await settle(pilot)
        assert stage.asked == ["start", "watch"]
    assert stage.asked == ["start", "watch", "unwatch"]


async def test_y_sends_the_evidence_to_the_terminals_clipboard(monkeypatch: pytest.MonkeyPatch) -> None:
    app = build(trouble())
    async with app.run_test(size=SMALL) as pilot:
        await settle(pilot)
        written: list[str] = []
        assert app._driver is not None
        monkeypatch.setattr(app._driver, "write", written.append)
        rows = await settle(pilot, "y")
    [sequence] = [one for one in written if one.startswith("\x1b]52;c;")]
    text = b64decode(sequence.removeprefix("\x1b]52;c;").removesuffix("\a")).decode()
    assert text.startswith("993 imaps, vm, asked from vps: failed untrusted, since 14:02:00\n")
    assert "  tls: failed: closed at once, before any byte (2.1 ms)\n" in text
    assert "CH001 dovecot-untrusted-proxy (critical)" in text
    assert rows[-1].startswith(" sent ")


@pytest.mark.slow
async def test_each_screen_has_something_to_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    app = build(trouble())
    async with app.run_test(size=SMALL) as pilot:
        for key in "12345":
            await settle(pilot, key)
            assert app.view.text().strip()
        assert app.view.text() == "".join(f"{line}\n" for line in LOG)


async def test_f_shows_the_remedy_until_any_key() -> None:
    app = build(trouble())
    async with app.run_test(size=SMALL) as pilot:
        rows = await settle(pilot, "f")
        assert any("haproxy_trusted_networks = 10.10.10.1" in row for row in rows[-4:])
        rows = await settle(pilot, "q")
        assert "q leave" in rows[-1]
        assert app.is_running


@pytest.mark.slow
async def test_read_only_takes_every_changing_action_away_and_says_so() -> None:
    app = build(trouble(), read_only=True)
    async with app.run_test(size=SMALL) as pilot:
        rows = await settle(pilot)
        assert rows[0].endswith(" READ-ONLY")
        assert "remedy" not in rows[-1]
        before = rows
        assert await settle(pilot, "f") == before
        rows = await settle(pilot, "colon", "r", "e", "m", "e", "d", "y")
        assert not any("start its remedy" in row for row in rows)
        rows = await settle(pilot, "escape", "question_mark")
        assert not any("start its remedy" in row for row in rows)


async def test_the_header_names_the_lab() -> None:
    async with build(calm(), lab=True).run_test(size=SMALL) as pilot:
        rows = await settle(pilot)
    assert rows[0].endswith(" LAB")


@pytest.mark.slow
async def test_the_palette_finds_an_action_by_a_few_letters_and_does_it() -> None:
    app = build(calm())
    async with app.run_test(size=SMALL) as pilot:
        rows = await settle(pilot, "ctrl+p", "e", "s", "t")
        assert any(row.startswith("▸4     estate") for row in rows)
        await settle(pilot, "enter")
        assert app.view.NAME == "estate"
        await settle(pilot, "colon", "down", "up", "escape")
        assert app.view.NAME == "estate"


async def test_t_goes_through_three_themes_and_comes_round() -> None:
    app = build(calm())
    async with app.run_test(size=SMALL) as pilot:
        seen = [app.theme]
        for _ in range(3):
            await settle(pilot, "t")
            seen.append(app.theme)
    assert seen == ["cowhand-dark", "cowhand-light", "cowhand-terminal", "cowhand-dark"]


async def test_without_colour_the_terminals_palette_is_worn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = build(trouble())
    async with app.run_test(size=SMALL) as pilot:
        await settle(pilot)
        styles = [style for _, style in app.view.query("Pane").first()._rows[1]]  # type: ignore[attr-defined]
    assert app.theme == "cowhand-terminal"
    assert all(style.color is None for style in styles)


async def test_help_names_every_action() -> None:
    async with build(calm()).run_test(size=(120, 40)) as pilot:
        text = "\n".join(await settle(pilot, "question_mark"))
        for action in ACTIONS:
            assert action.help in text
        assert pilot.app.view.NAME == "help"  # type: ignore[attr-defined]
        await settle(pilot, "question_mark")
        assert pilot.app.view.NAME == "lanes"  # type: ignore[attr-defined]


async def test_help_on_a_finding_says_what_it_means() -> None:
    async with build(trouble()).run_test(size=(120, 60)) as pilot:
        await settle(pilot, "2")
        chosen = pilot.app.view.finding()  # type: ignore[attr-defined]
        text = "\n".join(await settle(pilot, "question_mark"))
        assert f"{chosen.id} {chosen.name}" in text and "how it is mended" in text
        assert "all keys" not in "\n".join(await settle(pilot, "question_mark"))
        assert pilot.app.view.NAME == "findings"  # type: ignore[attr-defined]
        await settle(pilot, "1", "question_mark")
        assert pilot.app.view.about == ""  # type: ignore[attr-defined]


async def test_files_that_cannot_be_used_are_named_and_the_rest_still_shows() -> None:
    async with build(half_read()).run_test(size=SMALL) as pilot:
        rows = await settle(pilot)
        assert "2 files unusable" in rows[0]
        assert rows[1].startswith(" haproxy.cfg:27:64: the last line does not end")
        assert "25   smtp" in rows[4]
        rows = await settle(pilot, "2", "j")
        assert any("mailcow.tf:12:3: an attribute was expected" in row for row in rows)


async def test_lanes_that_vanish_from_the_sources_leave_the_cursor_on_one_that_is_there() -> None:
    stage = calm()
    app = build(stage)
    async with app.run_test(size=SMALL) as pilot:
        await settle(pilot, "G")
        stage.say(EstateRead("benoit", half_read().opening[0].topology, (), (), {}))  # type: ignore[union-attr]
        await settle(pilot)
        assert cell(app)[0] == "smtps"


@pytest.mark.slow
async def test_no_lanes_at_all_is_said_and_no_key_breaks_anything() -> None:
    nothing = EstateRead("benoit", Topology(), (), (), {})
    stage = Stage((nothing, FindingsChanged((), "unknown", "", None, 0.0)))
    app = build(stage)
    async with app.run_test(size=SMALL) as pilot:
        rows = await settle(pilot)
        assert rows[1] == " no lanes: the sources name no listener"
        for key in "12345":
            await settle(pilot, key, "j", "k", "G", "g", "n", "enter", "s", "y", "f", "tab", "pagedown", "r")
        assert app.crash is None
