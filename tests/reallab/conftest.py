"""A real lab for the session, whole before each test and after it; nothing of it may be left."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from console.lab.client import Lab
from tests.reallab import leftovers, needs
from tests.reallab.faults import FAULTS
from tests.reallab.incus import Incus
from tests.reallab.lab import RealLab
from tests.reallab.stack import Stack

collect_ignore: list[str] = []
if needs.missing():
    # test_needs.py says so, and fails where not running is a failure
    collect_ignore_glob = ["test_[!n]*.py"]


DOCKER = (
    "test_stack.py", "test_stack_sources.py", "test_stack_changes.py", "test_stack_flows.py", "test_stack_install.py",
    "test_stack_certificates.py",
)  # fmt: skip
"""Tests that want Mailcow's stack in a real engine; they have a lab of their own."""

if needs.missing_docker():
    collect_ignore += DOCKER

INCUS, OPENTOFU = ("test_incus.py",), ("test_incus_provision.py",)
"""Tests that want a real Incus, and those that want OpenTofu as well."""

if needs.missing_incus():
    collect_ignore += INCUS
if needs.missing_opentofu():
    collect_ignore += OPENTOFU


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark every test of this folder, before `-m` looks, and keep them in one worker of xdist."""
    if item.path.parent == needs.PACKAGES.parent:
        item.add_marker(pytest.mark.reallab)
        if item.path.name != "test_needs.py":
            item.add_marker(pytest.mark.slow)
            group = "docker" if item.path.name in DOCKER else "reallab"
            item.add_marker(pytest.mark.xdist_group("incus" if item.path.name in (*INCUS, *OPENTOFU) else group))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Break each thing once for all its tests."""
    order = {id: number for number, id in enumerate(FAULTS)}
    places = [place for place, item in enumerate(items) if fault_of(item)]
    for place, item in zip(
        places, sorted((items[place] for place in places), key=lambda i: order[fault_of(i)]), strict=True
    ):
        items[place] = item


def fault_of(item: pytest.Item) -> str:
    """The fault that a test of this folder is about; "" for others."""
    here = isinstance(item, pytest.Function) and item.path.parent == needs.PACKAGES.parent
    told = item.callspec.params.get("broken", "") if here and hasattr(item, "callspec") else ""
    return str(told)


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
    standing.recover()
    return standing


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """A lab with Mailcow's stack in a real Docker engine, whole when it starts; nothing of it may be left."""
    lab = RealLab(f"cowdock{os.getpid()}")
    lab.up(docker=True)
    numbers = leftovers.networks(lab.name)
    made = Stack(lab)
    made.settle()
    yield made
    lab.down()
    assert leftovers.find(lab.name, numbers) == []


@pytest.fixture(scope="session")
def incus() -> Iterator[Incus]:
    """A real Incus, with a pool; what a test makes in it has names of its own, or is taken away again."""
    folder = Path(tempfile.mkdtemp(prefix="cowincus-", dir="/run"))
    with Incus(folder) as daemon:
        daemon.pool()
        yield daemon
    assert not folder.exists()


@pytest.fixture(scope="module")
def shipped() -> Iterator[Lab]:
    """The lab that ships with cowhand, private to a module."""
    lab = Lab.start_private()
    lab.wait()
    yield lab
    mishaps = lab.status()["mishaps"]
    lab.close()
    assert mishaps == []
