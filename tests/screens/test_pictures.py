"""What every screen looks like, in calm and in trouble. `make snapshots` takes the pictures anew."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec
import pytest

from console.events import Asked, EngineFailed, ReadingsChanged, SweepOverdue
from console.questions import Question
from tests.reallab.recorder import Recording
from tests.screens.stage import (
    CALM,
    TROUBLE,
    UNTRUSTED,
    WELL,
    Stage,
    calm,
    crowd,
    cut_off,
    doubted,
    half_read,
    hostile,
    trouble,
)
from tests.screens.stage_estate import ESTATE
from tests.screens.test_question import IMITATION, KEY, PASSPHRASE, SUDO

pytestmark = pytest.mark.slow

KEYS: dict[str, tuple[str, ...]] = {
    "home": (),
    "findings": ("2",),
    "sources": ("3",),
    "estate": ("4",),
    "log": ("5",),
    "help": ("question_mark",),
    "palette": ("colon", "s"),
    "filter": ("slash", "i", "m"),
}


@dataclass(frozen=True)
class Case:
    """A stage, a terminal, what is typed, and how the console was started."""

    stage: Callable[[], Stage]
    size: str = "80x24"
    keys: tuple[str, ...] = ()
    read_only: bool = False
    lab: bool = False
    theme: str | None = None
    colour: bool = True


def flapping() -> Stage:
    """A cell that has changed thirteen times."""
    well = next(one for one in CALM if one.key == UNTRUSTED[0].key)
    changes = (ReadingsChanged((UNTRUSTED[0] if at % 5 == 3 else well,)) for at in range(13))
    return Stage((*trouble().opening, *changes))


def half_swept() -> Stage:
    """The first sweep is under way."""
    return Stage((ESTATE, ReadingsChanged(tuple(one for one in CALM if one.hop in ("public", "haproxy")))))


def overdue() -> Stage:
    """No sweep ends."""
    late = SweepOverdue(TROUBLE.since, "the vps does not answer over ssh")
    return Stage((ESTATE, ReadingsChanged(CALM), WELL, late))


def stopped() -> Stage:
    """The engine failed."""
    return Stage((*trouble().opening, EngineFailed("ValueError at sweep.py:41")))


def asking(question: Question) -> Callable[[], Stage]:
    """The engine asks something in the middle of an incident."""
    return lambda: Stage((*trouble().opening, Asked((question,))))


STAGES = {"calm": calm, "trouble": trouble, "tunnel": cut_off}
CASES = {
    f"{screen}-{state}-{size}": Case(STAGES[state], size, keys)
    for screen, keys in KEYS.items()
    for state in ("calm", "trouble")
    for size in ("80x24", "120x36")
} | {
    "home-tunnel-80x24": Case(cut_off),
    "home-calm-200x50": Case(calm, "200x50"),
    "home-trouble-200x50": Case(trouble, "200x50"),
    "home-tunnel-200x50": Case(cut_off, "200x50"),
    "findings-trouble-200x50": Case(trouble, "200x50", KEYS["findings"]),
    "sources-trouble-200x50": Case(trouble, "200x50", KEYS["sources"]),
    "estate-trouble-200x50": Case(trouble, "200x50", KEYS["estate"]),
    "light": Case(trouble, theme="light"),
    "terminal-palette": Case(trouble, theme="terminal"),
    "no-colour": Case(trouble, colour=False),
    "nothing-known": Case(Stage),
    "not-swept": Case(lambda: Stage((ESTATE,))),
    "half-swept": Case(half_swept),
    "unusable-files-home": Case(half_read),
    "unusable-files-findings": Case(half_read, keys=KEYS["findings"]),
    "sources-unread": Case(doubted, keys=(*KEYS["sources"], "G")),
    "read-only-lab": Case(trouble, read_only=True, lab=True),
    "read-only-help": Case(calm, keys=KEYS["help"], read_only=True),
    "sweep-overdue": Case(overdue),
    "engine-stopped": Case(stopped),
    "cramped": Case(trouble, "50x14"),
    "question-host-key": Case(asking(KEY)),
    "question-passphrase": Case(asking(PASSPHRASE), "120x36", tuple("geheim")),
    "question-sudo": Case(asking(SUDO), keys=tuple("geheim")),
    "question-of-a-host": Case(asking(IMITATION), keys=tuple("123456")),
    "question-of-a-host-light": Case(asking(IMITATION), theme="light"),
    "question-of-a-host-no-colour": Case(asking(IMITATION), colour=False),
    "forty-lanes-80x24": Case(lambda: crowd(40), keys=("G", "k")),
    "forty-lanes-200x50": Case(lambda: crowd(40), "200x50", ("G", "k")),
    "hostile": Case(hostile),
    "remedy": Case(trouble, keys=("f",)),
    "history": Case(flapping, keys=("k",)),
}


RECORDINGS = {path.stem: path for path in sorted((Path(__file__).parent / "faults").glob("*.json"))}
"""What the operator's machine told of each fault of the real daemons; tests/reallab/recorder.py takes them."""


def recorded(path: Path) -> Stage:
    """The real lab with a fault in it, as it was recorded."""
    recording = msgspec.json.decode(path.read_bytes(), type=Recording)
    return Stage((ESTATE, ReadingsChanged(recording.readings), recording.told))


CASES |= {f"fault-{name}": Case(partial(recorded, path)) for name, path in RECORDINGS.items()}


@pytest.mark.parametrize("name", CASES)
def test_picture(picture: Callable[..., None], monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    case = CASES[name]
    if not case.colour:
        monkeypatch.setenv("NO_COLOR", "1")
    picture(case.stage(), case.size, *case.keys, read_only=case.read_only, lab=case.lab, theme=case.theme)
