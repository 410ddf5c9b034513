"""Pictures go to the top-level folder, clocks stand in UTC, and nobody's own environment looks in."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
import pytest_textual_snapshot as plugin
from syrupy.data import Snapshot, SnapshotCollection
from textual.pilot import Pilot

from tests.screens.house import build, settle
from tests.screens.stage import Stage

ROOT = Path(__file__).parents[2]
BASELINE = {"textual": "8.2.8", "rich": "15.0.0"}
"""What the pictures were taken with; any other release draws another picture."""

Picture = Callable[..., None]


class Extension(plugin.SVGImageExtension):
    """One SVG for each case: snapshots/<test file>/<case>.svg."""

    @classmethod
    def dirname(cls, *, test_location: object) -> str:
        return str(ROOT / "snapshots" / Path(test_location.filepath).stem)  # type: ignore[attr-defined]

    @classmethod
    def _get_file_basename(cls, *, test_location: object, index: object) -> str:
        name: str = cls.get_snapshot_name(test_location=test_location, index=index)
        return name.removeprefix("test_picture[").removesuffix("]")

    def _read_snapshot_collection(self, *, snapshot_location: str) -> SnapshotCollection:
        collection = SnapshotCollection(location=snapshot_location)
        collection.add(Snapshot(name=f"test_picture[{Path(snapshot_location).stem}]"))
        return collection


plugin.SVGImageExtension = Extension


def pytest_configure(config: pytest.Config) -> None:
    """Refuse to take new pictures with other releases than the old ones were taken with."""
    if config.getoption("update_snapshots", default=False):
        for package, wanted in BASELINE.items():
            if version(package) != wanted:
                raise pytest.UsageError(f"pictures are taken with {package} {wanted}, not {version(package)}")


@pytest.fixture(autouse=True)
def _same_everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("NO_COLOR", "TMUX", "STY", "COLORTERM", "TEXTUAL_THEME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setattr("console.hosts.lock.LOCKS", str(tmp_path / "locks"))  # not this machine's own
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def picture(snap_compare: Callable[..., bool]) -> Picture:
    """Compare what the console looks like with its picture: `picture(stage, "80x24", *keys)`."""

    def compare(stage: Stage, size: str, *keys: str, **given: bool | str | None) -> None:
        for package, wanted in BASELINE.items():
            assert version(package) == wanted, f"pictures are comparable on {package} {wanted} alone"
        columns, rows = (int(part) for part in size.split("x"))

        async def play(pilot: Pilot[None]) -> None:
            await settle(pilot, *keys)

        app = build(stage, **given)  # type: ignore[arg-type]
        assert snap_compare(app, terminal_size=(columns, rows), run_before=play)

    return compare
