"""The flow and the case file of CONTRIBUTING.md, taken from there as they stand, really run."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import console.flows
import tests.console.flows.cases
from console.flows import registry
from tests.console.flows import case as cases
from tests.console.flows.faults import FAULTS, MOMENTS, Fault, Moment
from tests.console.flows.test_faults import disturbed, lay, resumed, undisturbed
from tests.console.flows.walking import Nursery

GUIDE = Path(__file__).parents[3] / "CONTRIBUTING.md"


@pytest.fixture
def note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Both files of the guide, in folders of their own, found as ours are."""
    flow, case = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    for package, text in ((console.flows, flow), (tests.console.flows.cases, case)):
        folder = tmp_path / package.__name__
        folder.mkdir()
        (folder / "note.py").write_text(text)
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(folder)])
    registry.modules.cache_clear()
    yield flow
    registry.modules.cache_clear()
    for package in (console.flows, tests.console.flows.cases):
        sys.modules.pop(f"{package.__name__}.note", None)


def test_the_example_has_ten_lines_that_do_something(note: str) -> None:
    assert len([line for line in note.splitlines() if line.strip()]) <= 11


def test_the_example_is_found_by_its_name(note: str) -> None:
    assert registry.find("note").words == "Leave a note on the mail host that says who looks after it"


async def test_the_example_runs(note: str, tmp_path: Path) -> None:
    await undisturbed("note", tmp_path / "calm")
    assert (tmp_path / "calm/etc/motd.d/owner").read_text() == "bob\n"


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault != "killed"])
def test_the_example_ends_well_in_every_trouble(note: str, tmp_path: Path, fault: Fault) -> None:
    async def table() -> None:
        wanted, actions = await undisturbed("note", tmp_path / "calm")
        assert actions == [0]
        nobody: Nursery | None = None
        for moment in MOMENTS:
            await one(nobody, moment, wanted)

    async def one(nobody: Nursery | None, moment: Moment, wanted: object) -> None:
        root = lay(cases.find("note"), tmp_path / moment)
        trouble = await disturbed(nobody, "note", root, fault, moment, 1, 0)
        await resumed("note", root, wanted, trouble=trouble)

    asyncio.run(table())
