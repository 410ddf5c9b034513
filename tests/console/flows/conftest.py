"""How many troubles were walked through is said at the end, for a table nobody counts proves little."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.hookimpl
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the combinations of step, moment and fault that ran and passed, for each flow."""
    counts: dict[str, int] = {}
    for report in terminalreporter.stats.get("passed", []):
        for name, value in getattr(report, "user_properties", ()):
            if name.startswith("troubles of "):
                counts[name] = counts.get(name, 0) + value
    for name, count in sorted(counts.items()):
        terminalreporter.write_line(f"{name}: {count} combinations of change, moment and fault")


@pytest.fixture
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A folder in which the module's `case` is laid."""
    folder = tmp_path / "case"
    folder.mkdir()
    request.module.case.build(folder)
    return folder
