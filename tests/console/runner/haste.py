"""No waiting for what an earlier run left: it is looked for often, and has its mark at once."""

from __future__ import annotations

import pytest

from console.runner import unsettled


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look often, and take it that a command has its mark as soon as it was begun."""
    monkeypatch.setattr(unsettled, "OFTEN", 0.01)
    monkeypatch.setattr(unsettled, "SETTLE", 0.0)
