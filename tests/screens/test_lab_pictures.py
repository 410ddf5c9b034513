"""The README's pictures are what the program draws, on the lab that ships with it."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from tests import pictures

ROOT = Path(__file__).parents[2]
WORDS = "mend it, or draw the README's pictures anew: make pictures"


@pytest.mark.slow
async def test_the_pictures_of_the_readme_are_what_the_program_draws(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**pictures.alone(tmp_path), "COWHAND_LAB": ""}.items():
        monkeypatch.setenv(name, value)
    time.tzset()
    stored = {path.stem: path.read_text() for path in pictures.FOLDER.glob("*.svg")}
    last: list[str] = []

    def wanted(name: str) -> pictures.Look:
        told = pictures.masked(pictures.read(stored[name]))

        def look(rows: pictures.Rows) -> bool:
            last[:] = [row for row in pictures.masked(rows) if row not in told]
            return pictures.masked(rows) == told

        return look

    names = []
    try:
        async for name, _, _ in pictures.drawn(wanted):
            names.append(name)
    except AssertionError as error:
        raise AssertionError(f"{WORDS}; not on the picture after {names}: {last}\n{error}") from None
    assert sorted(names) == sorted(stored)


def test_every_picture_of_the_readme_is_there() -> None:
    named = re.findall(r"!\[[^\]]*\]\((snapshots/[^)]+)\)", (ROOT / "README.md").read_text())
    assert [path for path in named if not (ROOT / path).is_file()] == []
    assert {path.stem for path in pictures.FOLDER.glob("*.svg")} == {
        Path(path).stem for path in named if path.startswith("snapshots/lab/")
    }


def test_a_word_that_differs_is_seen_and_a_number_is_not() -> None:
    rows = [" ● well   5 of 5 lanes", "   p50 93 ms · p95 147 ms", " 993 imaps  ● 44 ms  ✗ untrusted      ▇"]
    assert pictures.masked(rows) == pictures.masked([" ● well   5 of 5 lanes", " 993 imaps  ● 1.3 s  ✗ untrusted"])
    assert pictures.masked(rows) != pictures.masked([" ● well   5 of 5 lanes", " 993 imaps  ▲ 1.3 s  ✗ untrusted"])
