"""Where a new thing goes: each place that CONTRIBUTING.md names is there, and so is what is to be changed in it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import console

ROOT = Path(console.__file__).parent.parent
TABLE = [line for line in (ROOT / "CONTRIBUTING.md").read_text().splitlines() if line.startswith("| a")]
SAID = sorted({each for line in TABLE for each in re.findall(r"`([^`\s]+)`", line)})
PLACES = [each for each in SAID if re.fullmatch(r"[\w./*<>]+(?:\.py|\.1|/)", each)]
NAMES = [each for each in SAID if re.fullmatch(r"[a-z_.]+\.[A-Za-z_]+", each) and each not in PLACES]


@pytest.mark.parametrize("place", PLACES)
def test_a_place_that_is_named_is_there(place: str) -> None:
    """What stands for any name (`<name>.py`) may be any file."""
    pattern = re.sub(r"<\w+>", "*", place).rstrip("/")
    found = [*ROOT.glob(pattern), *(ROOT / "console").glob(pattern), *(ROOT / "console").rglob(pattern)]
    assert found or [*(ROOT / "tests").rglob(pattern)]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_is_named_stands_where_it_is_said_to(name: str) -> None:
    module, _, what = name.rpartition(".")
    files = [*(ROOT / "console").rglob(f"{module.replace('.', '/')}.py")]
    assert any(re.search(rf"^(?:class |def )?{what}\b", file.read_text(), re.MULTILINE) for file in files)


def test_every_kind_of_thing_is_told_of() -> None:
    told = {kind for line in TABLE for kind in re.findall(r"\*\*(.+?)\*\*", line.split("|")[1])}
    assert told >= {"probe", "fact", "rule over files", "flow", "command", "screen", "host", "source", "key", "mend"}
    assert (len(PLACES) > 25, len(NAMES) > 4) == (True, True)
