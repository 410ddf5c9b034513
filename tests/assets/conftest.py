"""A plain file that stands for a disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.assets.plain_disk import PlainDisk


@pytest.fixture
def plain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PlainDisk:
    """A blank disk of 32 MiB."""
    return PlainDisk(tmp_path, monkeypatch)
