"""Where the real lab cannot run, that is said; where it must run, that is a failure."""

from __future__ import annotations

import os

from tests.reallab import needs


def test_in_ci_the_real_lab_can_run() -> None:
    required, why = os.environ.get("CI") == "true", needs.missing()
    assert not required or why == ""


def test_every_package_is_named_once() -> None:
    names = needs.PACKAGES.read_text().split()
    assert len(names) == len(set(names))
