"""mount-volumes cut off on real disks, and the lab's model of disks beside real ones."""

from __future__ import annotations

import asyncio
import os
import re
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import pytest

from assets import disk as tool
from console.events import ActionBegan, FlowBegan, FlowEvent, StepChanged
from console.facts import mounts
from console.facts.volumes import DiskReport, Wanted, ask, doing
from console.flows import registry
from console.hosts.host import Completed, Host
from console.lab.machines import disks as model
from console.model import Role
from tests.console.flows.case import Case
from tests.console.flows.faults import Trouble
from tests.console.flows.walking import walk as walk_case
from tests.reallab.test_volumes import put, walk
from tests.reallab.volumes import NAMES, PATHS, SIZES, Inside, Machine, fresh, remove, write_site

DROP_IN = model.DROP_IN

pytestmark = pytest.mark.slow


@pytest.fixture
def room() -> Iterator[Path]:
    """A folder in memory where there is some."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="cowhand-", dir=memory) as folder:
        yield Path(folder)


@pytest.fixture
def machine(room: Path) -> Iterator[Machine]:
    """A machine with two blank disks."""
    made = fresh(room / "m")
    write_site(made.root)
    yield made
    remove(made)


# ── folders that hold files ─────────────────────────────────────────────────────────────────────────────────────────

FILL = """\
set -eu
cd "$1"
mkdir -p mailcow/data 'a folder'; chmod 750 mailcow; chown 33:33 mailcow/data
head -c 3000000 /dev/urandom > mailcow/data/vmail; touch -d '2020-01-02 03:04:05' mailcow/data/vmail
ln -s data/vmail mailcow/link; ln mailcow/data/vmail 'a folder/same'; mkfifo mailcow/pipe
: > "$(printf 'a\\nb')"
"""


async def test_files_are_copied_byte_for_byte_and_the_folder_as_it_was_is_kept(machine: Machine) -> None:
    (machine.own / "shared" / "docker").write_text("active\n")
    for path in PATHS.values():
        machine.do("mkdir", "-p", path)
        machine.do("sh", "-c", FILL, "sh", path)
    machine.do("systemctl", "start", "docker.service")
    before = {path: tree(machine, path) for path in PATHS.values()}
    ending, stood = await walk(machine)
    assert (ending.outcome, ending.missing) == ("unanswered", "docker")
    ending, stood = await walk(machine, docker="stop")
    assert (ending.outcome, ending.missing) == ("unanswered", "files-opt")
    assert machine.run("mountpoint", "-q", "/opt").returncode
    ending, stood = await walk(machine, docker="stop", files_opt="copy", files_var_lib_docker="copy")
    assert ending.words == "done, and verified"
    assert stood["start docker"].words == "docker runs"
    for path, there in before.items():
        assert tree(machine, f"{path}.before-cowhand") == there
        copied = tree(machine, path)
        assert {name: found for name, found in copied.items() if name != "starts"} == {
            name: found for name, found in there.items() if name != "starts"
        }
    ending, _ = await walk(machine)
    assert ending.words.startswith("nothing to do")


async def test_files_on_both_sides_are_left_to_the_operator(machine: Machine) -> None:
    await walk(machine)
    machine.do("touch", "/opt/mail")
    machine.do("umount", "/opt")
    machine.do("touch", "/opt/other")
    machine.do("mount", "-o", "remount,ro", "/var/lib/docker")  # else the kernel writes to it whenever it has time
    before = machine.snapshot()
    ending, stood = await walk(machine)
    assert stood["copy opt"].words == "both /opt and the volume hold files: decide which to keep"
    assert ending.outcome == "refused"
    machine.do("rm", model.TOOL)
    assert {**machine.snapshot(), "files": ""} == {**before, "files": ""}


def tree(machine: Machine, path: str) -> dict[str, tuple[object, ...]]:
    """All that is below a folder of the machine."""
    held = os.open(f"{machine_root(machine)}{path}", tool.FOLDER)
    try:
        return tool.tree(held, True)
    finally:
        os.close(held)


def machine_root(machine: Machine) -> str:
    """Where the machine's files are, as seen from here."""
    return f"/proc/{machine._told()['pid']}/root"


# ── cut off ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def mark(machine: Machine, device: str, fresh: str) -> None:
    """What a format writes before it begins."""
    put(machine, device, tool.mark_offset(SIZES[device]), tool.mark_block(fresh))


async def test_a_format_that_was_cut_off_is_done_again(machine: Machine) -> None:
    mark(machine, "opt", str(uuid.uuid4()))
    put(machine, "opt", 2048, b"group descriptors" * 99)
    ending, stood = await walk(machine, destroy=("mailcow_var_lib_docker",))
    assert (ending.outcome, ending.missing) == ("unanswered", "destroy=mailcow_opt")
    ending, stood = await walk(machine)
    assert stood["disks"].words.startswith("opt: a format was begun and cut off")
    assert ending.words == "done, and verified"


async def test_a_format_that_came_to_its_end_is_not_done_again(machine: Machine) -> None:
    fresh = str(uuid.uuid4())
    mark(machine, "opt", fresh)
    machine.do("mkfs.ext4", "-q", "-L", "cowhand-opt", "-U", fresh, "-E", "nodiscard", machine.node("opt"))
    ending, _ = await walk(machine)
    assert ending.words == "done, and verified"
    assert fresh in machine.do("findmnt", "-n", "-o", "UUID", "/opt")
    with machine.image("opt").open("rb") as image:
        image.seek(tool.mark_offset(SIZES["opt"]))
        assert not image.read(tool.ROOM).startswith(tool.MAGIC)


async def test_the_mark_of_a_format_counts_for_nothing_once_the_volume_was_used(machine: Machine) -> None:
    """What was mounted since is somebody's data, sound or not."""
    fresh = str(uuid.uuid4())
    machine.do("mkfs.ext4", "-q", "-L", "cowhand-opt", "-U", fresh, "-E", "nodiscard", machine.node("opt"))
    machine.do("mount", machine.node("opt"), "/mnt")
    machine.do("touch", "/mnt/mail")
    machine.do("umount", "/mnt")
    mark(machine, "opt", fresh)
    put(machine, "opt", 1024 + 58, b"\2\0")  # errors were found in it
    sums = machine.sum("opt")
    done = machine.run("python3", "-c", doing(), "format", "/dev/disk/by-id/scsi-0QEMU_QEMU_HARDDISK_incus_opt",
                       str(SIZES["opt"]), "incus_opt", "cowhand-opt")  # fmt: skip
    assert (done.returncode, done.stderr) == (3, "not done: wipefs finds ext4\n")
    assert machine.sum("opt") == sums


def _end(root: Path) -> str:
    machine = Machine(root)
    said = machine.do("sh", "-c", f"cat /etc/fstab {DROP_IN}; findmnt -rno TARGET,FSTYPE /opt; ls -A /opt")
    return re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "UUID", said)


def _holds(root: Path, step: str) -> bool:
    machine = Machine(root)
    if step == "mount":
        return not machine.run("mountpoint", "-q", "/opt").returncode
    if step.startswith("format"):
        return "ext4" in machine.do("blkid", "-p", machine.node("opt"))
    return True


def _half(root: Path, argv: Sequence[str]) -> None:
    machine = Machine(root)
    if "format" in argv[:3]:
        fresh = str(uuid.uuid4())
        mark(machine, "opt", fresh)
        machine.do("mkfs.ext4", "-q", "-U", fresh, "-E", "nodiscard", machine.node("opt"))
        put(machine, "opt", 1024, bytes(1024))
    elif "write-proof" in argv[:3]:
        machine.do("sh", "-c", f"echo half > /opt/{tool.PROOF}")


def _hosts(root: Path) -> dict[Role, Host]:
    return {"mail": Inside(Machine(root))}


def _case() -> Case:
    return Case(
        registry.find("mount-volumes"), lambda root: None, _hosts, _holds, _end, lambda root: {}, _half,
        lambda root: Machine(root).restart(), destroy=(NAMES["opt"],),
    )  # fmt: skip


async def test_a_machine_that_dies_in_any_change_ends_as_if_it_had_not(
    room: Path, record_property: pytest.RecordProperty
) -> None:
    """Each change is left half done, and the machine started anew; then the flow is."""
    case, count, wanted = _case(), 0, ""
    actions = [0]
    while count < len(actions):
        root = room / f"{count}"
        machine = fresh(root, {"opt": SIZES["opt"]})
        write_site(root, {"opt": SIZES["opt"]})
        try:
            if not wanted:
                heard: list[FlowEvent] = []
                ending = await walk_case(case, root, heard.append)
                assert ending is not None
                assert ending.words == "done, and verified"
                wanted, actions = _end(root), [event.step for event in heard if isinstance(event, ActionBegan)]
            else:
                await _disturb(case, root, count, actions[count - 1], wanted)
        finally:
            remove(machine)
        count += 1
    record_property("troubles of mount-volumes on real disks", count - 1)
    assert count > 10


async def _disturb(case: Case, root: Path, number: int, step: int, wanted: str) -> None:
    trouble = Trouble(case, root, "reboot", "during", number, step)
    heard: list[FlowEvent] = []
    await walk_case(case, root, heard.append, trouble)
    assert trouble.struck
    _true(case, root, heard)
    heard.clear()
    ending = await walk_case(case, root, heard.append)
    assert ending is not None
    assert ending.outcome == "done", ending.words
    assert _end(root) == wanted
    ending = await walk_case(case, root, heard.append)
    assert ending is not None
    assert ending.words.startswith("nothing to do")


def _true(case: Case, root: Path, heard: Sequence[FlowEvent]) -> None:
    names = next([name for name, _ in event.steps] for event in heard if isinstance(event, FlowBegan))
    said = {names[event.step] for event in heard if isinstance(event, StepChanged) and event.state == "done"}
    assert all(case.holds(root, name) for name in said if name != "mount")


# ── the lab's model ─────────────────────────────────────────────────────────────────────────────────────────────────

WANTED = [Wanted(NAMES[each], (f"scsi-0QEMU_QEMU_HARDDISK_incus_{each}",), PATHS[each]) for each in SIZES]
BY_ID = "/dev/disk/by-id/scsi-0QEMU_QEMU_HARDDISK_incus_"


def both_tell(
    real: Machine, lab: model.Machine
) -> tuple[DiskReport, DiskReport, list[mounts.Mount], list[mounts.Mount]]:
    """The look, and findmnt's table below the volumes' paths, of both machines."""

    class Model:
        name = "mailcow"

        async def run(self, argv: Sequence[str], timeout: float, cap: int = 1 << 20) -> Completed:
            done = lab.run(argv)
            assert done is not None
            return Completed(done.status, done.stdout.encode(), done.stderr.encode())

    told = []
    tables = []
    for host in (Inside(real), Model()):
        told.append(asyncio.run(ask(host, WANTED)))  # type: ignore[arg-type]
        found = asyncio.run(mounts.ask(host)).found  # type: ignore[arg-type]
        tables.append([msgspec.structs.replace(row, options=(), size=None, free=None) for row in found
                       if row.target in PATHS.values()])  # fmt: skip
    return told[0], told[1], tables[0], tables[1]


def plain(value: object) -> str:
    """Without the UUIDs, which are drawn by lot, and what ext4 keeps of a small disk for itself."""
    text = msgspec.json.encode(value).decode() if not isinstance(value, str) else value
    return re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "UUID", text)


SAME: tuple[tuple[str, ...], ...] = (
    ("python3", model.TOOL, "format", f"{BY_ID}opt", "1", "incus_opt", "cowhand-opt"),
    ("python3", model.TOOL, "format", f"{BY_ID}opt", str(SIZES["opt"]), "other", "cowhand-opt"),
    ("python3", model.TOOL, "format", f"{BY_ID}opt", str(SIZES["opt"]), "incus_opt", "cowhand-opt"),
    ("python3", model.TOOL, "format", f"{BY_ID}opt", str(SIZES["opt"]), "incus_opt", "cowhand-opt"),
    ("fstab",),
    ("findmnt", "--verify"),
    ("python3", model.TOOL, "write-proof", f"{BY_ID}opt", "/opt"),
    ("mount", "/opt"),
    ("python3", model.TOOL, "write-proof", f"{BY_ID}opt", "/opt"),
    ("umount", "/opt"),
    ("umount", "/opt"),
    ("mount", "-a"),
    ("python3", model.TOOL, "check-proof", f"{BY_ID}opt", "/opt"),
    ("python3", model.TOOL, "format", f"{BY_ID}opt", str(SIZES["opt"]), "incus_opt", "cowhand-opt"),
    ("mount", "/nowhere"),
    ("mkdir", "-p", "--", "/etc/systemd/system/docker.service.d"),
    ("drop-in",),
    ("systemctl", "daemon-reload"),
    ("stat", "-L", "-c", "%a", "--", "/etc/fstab"),
    ("stat", "-L", "-c", "%a", "--", "/etc/none"),
    ("python3", model.TOOL, "format", f"{BY_ID}var_lib_docker", str(SIZES["var_lib_docker"]), "incus_var_lib_docker",
     "cowhand-var"),
    ("mkdir", "-p", "--", "/var/lib/docker"),
    ("file",),
    ("python3", model.TOOL, "copy-in", f"{BY_ID}var_lib_docker", "/var/lib/docker"),
    ("python3", model.TOOL, "copy-in", f"{BY_ID}var_lib_docker", "/var/lib/docker"),
)  # fmt: skip


def test_the_labs_model_answers_as_real_disks_do(machine: Machine) -> None:
    disks = {machine.node(each): model.Disk([BY_ID[16:] + each], size, f"incus_{each}") for each, size in SIZES.items()}
    lab = model.Machine(disks=disks)
    host = Inside(machine)
    for each in (model.TOOL, model.TABLE):
        text = doing() if each == model.TOOL else "# mine\n"
        asyncio.run(host.write(each, text.encode(), 0o644))
        assert lab.write(each, text.encode(), 0o644)
    for argv in SAME:
        there, here = _both(machine, lab, argv)
        assert (here.status, plain(here.stdout)) == (there.returncode, plain(there.stdout)) or argv[0] == "findmnt", (
            argv
        )
        assert (here.status == 0) == (there.returncode == 0), argv
        if argv[:1] == ("python3",):
            assert plain(here.stderr) == plain(there.stderr), argv
        real, told, table, modelled = both_tell(machine, lab)
        assert plain(told) == plain(real), argv
        assert plain(modelled) == plain(table), argv


def _both(machine: Machine, lab: model.Machine, argv: tuple[str, ...]) -> tuple[object, model.Done]:
    host = Inside(machine)
    match argv:
        case ("fstab",):
            real = asyncio.run(ask(host, WANTED)).volumes[NAMES["opt"]].uuid
            asyncio.run(host.write(model.TABLE, f"UUID={real} /opt ext4 defaults 0 2\n".encode(), 0o644))
            ours = lab.disks[machine.node("opt")].uuid
            lab.write(model.TABLE, f"UUID={ours} /opt ext4 defaults 0 2\n".encode(), 0o644)
            return machine.run("true"), model.Done(0)
        case ("drop-in",):
            asyncio.run(host.write(DROP_IN, b"[Unit]\n", 0o644))
            lab.write(DROP_IN, b"[Unit]\n", 0o644)
            return machine.run("true"), model.Done(0)
        case ("file",):
            lab.folders["/var/lib/docker"]["mail"] = ""
            return machine.run("touch", "/var/lib/docker/mail"), model.Done(0)
    done = lab.run(argv)
    assert done is not None
    return machine.run(*argv), done
