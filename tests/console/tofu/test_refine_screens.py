"""The screens are told values of the files first, and a moment later those of OpenTofu's state."""

from __future__ import annotations

from pathlib import Path
from threading import Event

import pytest

from console.__main__ import main
from console.estate import cache
from console.estate import load as estate
from console.tofu.refine import Refiner
from tests.console.tofu.refined_site import (
    ENCRYPTED,
    SHOWN,
    STATE,
    Watcher,
    asked,
    holding,
    remote,
    site,
    stand_in,
    trusting,
)

__all__ = ["remote", "site"]


def test_the_screens_are_told_values_of_the_files_first_and_then_those_of_the_state(site: Path) -> None:
    holding(site)
    with Watcher(site, 2) as watcher:
        pass
    assert [read.topology.volumes[0].size for read in watcher.reads] == ["var.size", "20GiB"]
    kept = cache.read(site)
    assert kept is not None
    assert kept.topology.volumes[0].size == "var.size"


def test_the_screens_are_told_why_the_state_was_not_asked(site: Path) -> None:
    holding(site, '{"version": 4}')
    with Watcher(site, 2) as watcher:
        pass
    assert [read.remark for read in watcher.reads] == [
        "",
        "OpenTofu: there is no state yet; what is shown is what its files say",
    ]


def test_an_engine_that_leaves_takes_a_slow_tofu_with_it(remote: Path) -> None:
    stand_in(remote, f"echo $$ >{remote.parent}/pid; exec sleep 600")
    with Watcher(remote, 1):
        while not (remote.parent / "pid").exists() or not (remote.parent / "pid").read_text().strip():
            Event().wait(0.02)
        pid = (remote.parent / "pid").read_text().strip()
    assert not Path(f"/proc/{pid}").exists()


async def test_opentofu_is_asked_again_only_when_there_is_reason(remote: Path) -> None:
    told, heard = Refiner(), Event()
    told.heard = heard.set
    reader = estate.Reader()

    async def settle() -> str | None:
        told.refine(reader.load(remote))
        if told._task is not None:
            await told._task
        return told.refine(reader.load(remote)).topology.volumes[0].size

    assert await settle() == "20GiB"
    assert await settle() == "20GiB"
    assert len(asked(remote)) == 1
    (remote.parent / "state.json").write_text(SHOWN.replace("20GiB", "30GiB"))
    (remote.parent / "infra/.terraform/environment").write_text("default")
    assert await settle() == "30GiB"
    told.forget()
    await settle()
    assert len(asked(remote)) == 3
    await told.close()


async def test_a_state_in_the_folder_is_read_again_when_it_changes_and_a_trust_is_heard_of_at_once(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told, reader = Refiner(), estate.Reader()

    async def settle() -> tuple[str | None, str]:
        told.refine(reader.load(site))
        if told._task is not None:
            await told._task
        found = told.refine(reader.load(site))
        return found.topology.volumes[0].size, found.remark

    holding(site)
    assert await settle() == ("20GiB", "")
    holding(site, STATE.replace("20GiB", "300GiB"))
    assert await settle() == ("300GiB", "")
    stand_in(site, f"cat {site.parent}/state.json")
    (site.parent / "state.json").write_text(SHOWN)
    holding(site, ENCRYPTED)
    size, remark = await settle()
    assert (size, remark[:39]) == ("var.size", "OpenTofu: not asked, for this folder is")
    trusting(site, capsys)
    assert await settle() == ("20GiB", "")
    assert main(["trust", "--revoke", str(site)]) == 0
    assert (await settle())[0] == "var.size"
    await told.close()
