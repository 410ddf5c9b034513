"""The folder of a site's journal, and runs that are laid in it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from console.store import journal
from tests.console.flows.playing import SITE


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "site.toml").write_text(SITE)
    return journal.place(tmp_path / "site.toml")


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208


def lay(folder: Path, run: str, *entries: dict[str, Any]) -> Path:
    """A run's file with these lines; each is a second later than the one before."""
    path = folder / f"{run}.jsonl"
    path.write_text("".join(json.dumps({"at": 100.0 + second, **each}) + "\n" for second, each in enumerate(entries)))
    return path
