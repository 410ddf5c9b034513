"""A plain file that stands for a disk, and a folder that stands for the mail host."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.assets.mail_host import MailHost
from tests.assets.pairs import old
from tests.assets.place import Place
from tests.assets.plain_disk import PlainDisk


@pytest.fixture(autouse=True)
def apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Be in a folder of the test's own: a name that a mistake takes for one of the current folder does no harm."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def plain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PlainDisk:
    """A blank disk of 32 MiB."""
    return PlainDisk(tmp_path, monkeypatch)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A folder with files, and a folder that stands for their volume."""
    return Place(tmp_path)


@pytest.fixture
def mail(tmp_path: Path) -> Iterator[MailHost]:
    """A machine with a pair installed."""
    host = MailHost(tmp_path / "vm")
    host.install(old())
    yield host
    host.close()
