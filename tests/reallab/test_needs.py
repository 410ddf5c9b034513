"""Where the real lab cannot run, that is said; where it must run, that is a failure."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.reallab import needs


def test_in_ci_the_real_lab_can_run() -> None:
    required, why = os.environ.get("CI") == "true", needs.missing()
    assert not required or why == ""


def test_in_ci_the_lab_has_a_docker_engine() -> None:
    required, why = os.environ.get("CI") == "true", needs.missing_docker()
    assert not required or why == ""


def test_in_ci_there_is_an_incus_and_an_opentofu() -> None:
    required, why = os.environ.get("CI") == "true", needs.missing_opentofu()
    assert not required or why == ""


def test_every_package_is_named_once() -> None:
    names = needs.PACKAGES.read_text().split()
    assert len(names) == len(set(names))


ELSEWHERE = """
import sys, pytest
from tests.reallab import needs
needs.missing = lambda: "it needs Linux"
sys.exit(pytest.main(["--collect-only", "-p", "no:cacheprovider", "tests/reallab"]))
"""


def test_elsewhere_one_line_says_what_was_not_run_and_why() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE], capture_output=True, text=True, cwd=needs.PACKAGES.parents[2], check=False
    )
    assert [line for line in done.stdout.splitlines() if "not run" in line] == [
        "not run: tests/reallab, the real daemons: it needs Linux"
    ]
    assert "test_faults.py" not in done.stdout and "test_needs.py" in done.stdout
