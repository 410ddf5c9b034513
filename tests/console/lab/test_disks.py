"""The lab's VM has disks: mount-volumes is rehearsed on them, with what may be in the way."""

from __future__ import annotations

from pathlib import Path

import pytest

from console.errors import FileError, LabError
from console.estate.load import load
from console.events import Prompt, StepChanged
from console.flows import StepContext, registry
from console.lab.client import Lab, LabHost, unswept_faults
from console.lab.plan import site_file
from console.model import Role
from console.runner.ending import Ending
from console.runner.session import Session

Hosts = dict[Role, LabHost]
NAMES = ("mailcow_var_lib_docker", "mailcow_opt")

IN_THE_WAY = {
    "disk-foreign": ("refused", "it holds xfs with the label archive"),
    "disk-unsigned": ("refused", "data without a signature"),
    "disk-missing": ("refused", "there is no disk …incus_opt"),
    "disk-swapped": ("refused", "…incus_var_lib_docker is /dev/sdc, but its serial is incus_opt"),
    "disk-held": ("refused", "it cannot be opened exclusively"),
    "folders-in-use": ("unanswered", "docker has to be stopped"),
}


@pytest.fixture
def disks(calm: Lab) -> Lab:
    """A lab whose VM is as it came up."""
    calm.break_("disk-held")
    calm.heal()
    return calm


async def walk(hosts: Hosts, folder: Path, **answers: str) -> tuple[Ending, list[StepChanged]]:
    async def agree(prompt: Prompt) -> str | None:
        return {"confirm": "yes", "failed": "stop"}.get(prompt.kind)

    heard: list[object] = []
    world = StepContext(load(site_file()), {"mail": hosts["mail"]}, {}, answers, NAMES)
    flow = registry.find("mount-volumes")
    ending = await Session(flow, world, agree, heard.append, folder).run()
    return ending, [event for event in heard if isinstance(event, StepChanged)]


async def test_the_flow_is_rehearsed_from_blank_disks_to_nothing_to_do(
    disks: Lab, hosts: Hosts, tmp_path: Path
) -> None:
    ending, _ = await walk(hosts, tmp_path)
    assert ending.words == "done, and verified"
    assert b" /opt ext4 defaults 0 2\n" in await hosts["mail"].read("/etc/fstab")
    ending, _ = await walk(hosts, tmp_path)
    assert ending.words == "nothing to do: everything is as it should be"
    disks.break_("disk-held")
    disks.heal("disk-held")
    assert b"/opt" not in await hosts["mail"].read("/etc/fstab")


async def test_folders_that_hold_files_are_copied_and_docker_starts_again(
    disks: Lab, hosts: Hosts, tmp_path: Path
) -> None:
    disks.break_("folders-in-use")
    told = {"docker": "stop", "files-opt": "copy", "files-var_lib_docker": "copy"}
    ending, stood = await walk(hosts, tmp_path, **told)
    assert ending.words == "done, and verified"
    assert stood[-1].words == "docker runs"
    assert disks.status()["mishaps"] == []


@pytest.mark.parametrize("fault", [each["fault"] for each in unswept_faults() if not each["finding"]])
async def test_what_is_in_the_way_is_said_and_nothing_is_done_to_a_disk(
    disks: Lab, hosts: Hosts, tmp_path: Path, fault: str
) -> None:
    disks.break_(fault)
    before = await hosts["mail"].read("/etc/fstab")
    ending, _ = await walk(hosts, tmp_path)
    outcome, words = IN_THE_WAY[fault]
    assert ending.outcome == outcome
    assert words in ending.words
    assert await hosts["mail"].read("/etc/fstab") == before
    disks.heal()


async def test_a_folder_is_left_alone_when_the_operator_says_so(disks: Lab, hosts: Hosts, tmp_path: Path) -> None:
    disks.break_("folders-in-use")
    ending, _ = await walk(hosts, tmp_path, **{"docker": "stop", "files-var_lib_docker": "leave"})
    assert ending.outcome == "refused"
    assert "/var/lib/docker holds files, which were to be left alone" in ending.words


async def test_only_the_vm_has_files_that_can_be_written(disks: Lab, hosts: Hosts) -> None:
    await hosts["mail"].write("/etc/greeting", b"hello\n")
    assert await hosts["mail"].read("/etc/greeting") == b"hello\n"
    for role, path in (("proxy", "/etc/greeting"), ("mail", "/nowhere/greeting")):
        with pytest.raises(FileError, match="was not written"):
            await hosts[role].write(path, b"hello\n")  # type: ignore[index]


def test_an_unknown_fault_is_refused_with_those_of_the_disks(disks: Lab) -> None:
    with pytest.raises(LabError, match="disk-foreign"):
        disks.break_("disk-eaten")
