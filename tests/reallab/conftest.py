"""A real lab for the session, whole before each test and after it; nothing of it may be left."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.reallab import leftovers, needs
from tests.reallab.lab import RealLab

if needs.missing():
    # test_needs.py says so, and fails where not running is a failure
    collect_ignore_glob = ["test_[!n]*.py"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder, and keep them in one worker of xdist: they share one lab."""
    for item in items:
        if item.path.parent == needs.PACKAGES.parent:
            item.add_marker(pytest.mark.reallab)
            item.add_marker(pytest.mark.xdist_group("reallab"))


@pytest.fixture(scope="session")
def standing() -> Iterator[RealLab]:
    """A lab of this process's own, whatever else runs on this machine."""
    lab = RealLab(f"cowlab{os.getpid()}")
    lab.up()
    numbers = leftovers.networks(lab.name)
    yield lab
    lab.down()
    assert leftovers.find(lab.name, numbers) == []


@pytest.fixture
def lab(standing: RealLab) -> RealLab:
    """The session's lab, well."""
    standing.settle()
    return standing
