"""Rules of every test: a skipped one fails in CI, for what did not run proved nothing."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

from tests.again import ENDED
from tests.reallab.needs import missing, missing_docker, missing_opentofu

# On a busy machine an example may take seconds to be made, and more to be run; neither says that a strategy is wrong.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Turn skips into a failure where CI=true; workers of xdist have no reporter and leave it to their controller."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") == "true" and reporter is not None and not hasattr(session.config, "workerinput"):
        skipped = reporter.stats.get("skipped", [])
        cache = getattr(session.config, "cache", None)
        if cache is not None:  # there is none with -p no:cacheprovider
            cache.set(ENDED, {"exit": int(exitstatus), "skipped": len(skipped)})
        if skipped and exitstatus == 0:
            reporter.write_line(f"{len(skipped)} skipped; in CI that is a failure", red=True)
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say in one line what was not run, and why."""
    if why := missing():
        terminalreporter.write_line(f"not run: tests/reallab, the real daemons: {why}", yellow=True)
    elif why := missing_docker():
        terminalreporter.write_line(f"not run: tests/reallab, the stack in Docker: {why}", yellow=True)
    elif why := missing_opentofu():
        terminalreporter.write_line(f"not run: tests/reallab, Incus and OpenTofu: {why}", yellow=True)
