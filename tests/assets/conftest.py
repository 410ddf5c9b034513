"""A plain file that stands for a disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.assets.plain_disk import PlainDisk


@pytest.fixture(autouse=True)
def apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Be in a folder of the test's own: a name that a mistake takes for one of the current folder does no harm."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def plain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PlainDisk:
    """A blank disk of 32 MiB."""
    return PlainDisk(tmp_path, monkeypatch)
