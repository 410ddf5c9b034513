"""The stage of install-mailcow: its case in a folder, and a run over it."""

from __future__ import annotations

from pathlib import Path

import pytest

from console.flows.install_mailcow import starting
from tests.console.flows.cases import install_mailcow as case


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(starting, "PAUSE", 0)
    case.build(tmp_path)
    return tmp_path
