"""Rules of every test: a skipped one fails in CI, for what did not run proved nothing."""

from __future__ import annotations

import os

import pytest


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Turn skips into a failure where CI=true; workers of xdist have no reporter and leave it to their controller."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") == "true" and reporter is not None and not hasattr(session.config, "workerinput"):
        skipped = reporter.stats.get("skipped", [])
        if skipped and exitstatus == 0:
            reporter.write_line(f"{len(skipped)} skipped; in CI that is a failure", red=True)
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
