"""What every screen looks like, in calm and in trouble. `make snapshots` takes the pictures anew."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from console.events import EngineFailed, ReadingsChanged, SweepOverdue
from tests.screens.stage import (
    CALM,
    ESTATE,
    TROUBLE,
    UNTRUSTED,
    WELL,
    Stage,
    calm,
    crowd,
    cut_off,
    half_read,
    hostile,
    trouble,
)

Picture = Callable[..., None]

KEYS = {
    "lanes": (),
    "findings": ("2",),
    "sources": ("3",),
    "estate": ("4",),
    "log": ("5",),
    "help": ("question_mark",),
    "palette": ("colon", "s"),
    "filter": ("slash", "i", "m"),
}
STAGES = {"calm": calm, "trouble": trouble, "cut_off": cut_off}


@pytest.mark.parametrize("size", ["80x24", "120x36"])
@pytest.mark.parametrize("state", ["calm", "trouble"])
@pytest.mark.parametrize("screen", KEYS)
def test_screen(picture: Picture, screen: str, state: str, size: str) -> None:
    picture(STAGES[state](), size, *KEYS[screen])


@pytest.mark.parametrize("state", STAGES)
def test_home_on_a_large_terminal(picture: Picture, state: str) -> None:
    picture(STAGES[state](), "200x50")


@pytest.mark.parametrize("screen", ["findings", "sources", "estate"])
def test_other_screens_on_a_large_terminal(picture: Picture, screen: str) -> None:
    picture(trouble(), "200x50", *KEYS[screen])


@pytest.mark.parametrize("theme", ["light", "terminal"])
def test_theme(picture: Picture, theme: str) -> None:
    picture(trouble(), "80x24", theme=theme)


def test_without_colour(picture: Picture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    picture(trouble(), "80x24")


def test_tunnel_down(picture: Picture) -> None:
    picture(cut_off(), "80x24")


def test_before_anything_is_known(picture: Picture) -> None:
    picture(Stage(), "80x24")


def test_before_the_first_sweep(picture: Picture) -> None:
    picture(Stage((ESTATE,)), "80x24")


def test_in_the_middle_of_the_first_sweep(picture: Picture) -> None:
    picture(Stage((ESTATE, ReadingsChanged(tuple(one for one in CALM if one.hop in ("public", "haproxy"))))), "80x24")


@pytest.mark.parametrize("screen", ["lanes", "findings"])
def test_files_that_cannot_be_used(picture: Picture, screen: str) -> None:
    picture(half_read(), "80x24", *KEYS[screen])


def test_read_only_in_the_lab(picture: Picture) -> None:
    picture(trouble(), "80x24", read_only=True, lab=True)


def test_help_read_only(picture: Picture) -> None:
    picture(calm(), "80x24", "question_mark", read_only=True)


def test_no_sweep_ends(picture: Picture) -> None:
    overdue = SweepOverdue(TROUBLE.since, "the vps does not answer over ssh")
    picture(Stage((ESTATE, ReadingsChanged(CALM), WELL, overdue)), "80x24")


def test_engine_stopped(picture: Picture) -> None:
    picture(Stage((*trouble().opening, EngineFailed("ValueError at sweep.py:41"))), "80x24")


def test_small_terminal(picture: Picture) -> None:
    picture(trouble(), "50x14")


@pytest.mark.parametrize("size", ["80x24", "200x50"])
def test_forty_lanes(picture: Picture, size: str) -> None:
    picture(crowd(40), size, "G", "k")


def test_hostile_words(picture: Picture) -> None:
    picture(hostile(), "80x24")


def test_remedy(picture: Picture) -> None:
    picture(trouble(), "80x24", "f")


def test_history(picture: Picture) -> None:
    flapping = [
        ReadingsChanged((UNTRUSTED[0] if at % 5 == 3 else next(one for one in CALM if one.key == UNTRUSTED[0].key),))
        for at in range(13)
    ]
    picture(Stage((*trouble().opening, *flapping)), "80x24", "k")
