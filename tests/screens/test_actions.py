"""One registry: no key means two things, nothing destructive is one key, and what is made from it agrees."""

from __future__ import annotations

from pathlib import Path

import pytest

from screens.actions import ACTIONS, BY_ID, KEY_LINES, SCREENS, allowed, bindings, key_sheet, matches

TREACHEROUS = {"ctrl+h", "ctrl+i", "ctrl+j", "ctrl+m", "ctrl+s", "ctrl+z", "ctrl+left_square_bracket"}
"""Keys that terminals and multiplexers use for something else."""


def test_no_key_means_two_things() -> None:
    keys = [key for action in ACTIONS for key in action.keys.split(",")]
    assert len(keys) == len(set(keys))
    assert not TREACHEROUS & set(keys)


def test_every_action_is_bound_under_its_own_id() -> None:
    assert {binding.id for binding in bindings()} == set(BY_ID)


def test_every_key_line_offers_the_way_out_or_help() -> None:
    for name, ids in KEY_LINES.items():
        assert set(ids) <= set(BY_ID), name
        assert "leave" in ids
        assert "help" in ids or name == "help"


@pytest.mark.parametrize("name", [*SCREENS, "help"])
def test_every_key_line_fits_eighty_columns(name: str) -> None:
    offers = [f"{BY_ID[id].label} {BY_ID[id].words}" for id in KEY_LINES[name]]
    assert len("  ".join(offers)) <= 78


def test_read_only_removes_what_changes_and_nothing_else() -> None:
    for action in ACTIONS:
        assert allowed(action, "lanes", read_only=True) is (
            allowed(action, "lanes", read_only=False) and not action.danger
        )
    changing = ["remedy", "do", "do_all", "skip", "retry", "undo", "stop", "shell", "setup"]
    assert [action.id for action in ACTIONS if action.danger] == changing


@pytest.mark.parametrize(
    ("typed", "first"),
    [("", "lanes"), ("the", "theme"), ("est", "estate"), ("sw", "sweep"), ("next", "next"), ("?", "help")],
)
def test_a_few_letters_find_the_action(typed: str, first: str) -> None:
    assert matches(typed, list(ACTIONS))[0].id == first


def test_letters_that_mean_nothing_find_nothing() -> None:
    assert matches("zzz", list(ACTIONS)) == []


def test_the_key_sheet_has_every_action_and_fits_a_page() -> None:
    sheet = key_sheet()
    for action in ACTIONS:
        assert action.help in sheet
    assert max(len(row) for row in sheet.splitlines()) <= 80


def test_the_manual_has_the_key_sheet() -> None:
    import assets

    manual = (Path(assets.__file__).parent / "cowhand.1").read_text()
    assert key_sheet() in manual.replace("\\-", "-")
