"""assets/disk.py by itself on real disks: what the kernel holds back, and what real programs lay on a disk."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from assets import disk
from console.facts.volumes import doing
from tests.assets.signed import MAKERS
from tests.reallab.test_volumes import elsewhere, ext4, mounted, partitions, put, readonly, swapped
from tests.reallab.volumes import MIB, SIZES, Machine, fresh, remove

BY_ID = "/dev/disk/by-id/scsi-0QEMU_QEMU_HARDDISK_incus_opt"
TOOL = "/run/cowhand-disk"


@pytest.fixture
def machine() -> Iterator[Machine]:
    """A machine with one blank disk, in memory where there is some, and the program."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="cowhand-", dir=memory) as folder:
        made = fresh(Path(folder) / "m", {"opt": SIZES["opt"]})
        made.held = None  # type: ignore[attr-defined]
        program = Path(folder) / "m" / "machine" / "shared" / "program"
        program.write_text(doing())
        made.do("cp", str(program).replace("/shared/", "/"), TOOL)
        yield made
        if held := made.held:  # type: ignore[attr-defined]
            held.kill()
            held.wait()
        remove(made)


def run(machine: Machine, *words: str) -> tuple[int, str]:
    """Run the program there; returns its status and what it said."""
    done = machine.run("python3", TOOL, *words)
    return done.returncode, (done.stdout + done.stderr).strip()


def form(machine: Machine) -> tuple[int, str]:
    return run(machine, "format", BY_ID, str(SIZES["opt"]), "incus_opt", "cowhand-opt")


def opened(machine: Machine) -> None:
    """Another program has it open for itself alone, as mkfs, mdadm and cryptsetup do."""
    node = machine.node("opt")
    script = f"import os; os.open('{node}', os.O_RDWR | os.O_EXCL)"
    ready = f"open('{machine.own}/held', 'w'); import time; time.sleep(10**6)"
    machine.held = subprocess.Popen(machine.argv(["python3", "-c", f"{script}; {ready}"]))  # type: ignore[attr-defined]
    while not (machine.own / "shared" / "held").exists():
        assert machine.held.poll() is None  # type: ignore[attr-defined]


def hidden(machine: Machine) -> None:
    """Mounted in a namespace that this machine's mountinfo does not show."""
    elsewhere(machine)


def far(machine: Machine) -> None:
    put(machine, "opt", SIZES["opt"] - 1, b"\1")


def renamed(machine: Machine) -> None:
    machine.serial("opt", "incus_other")


def nameless(machine: Machine) -> None:
    machine.serial("opt", "")


BUSY = "it cannot be opened exclusively: Device or resource busy"
WRONG = f"its size is {SIZES['opt']} bytes and its serial"
REFUSED: tuple[tuple[Callable[[Machine], None], str], ...] = (
    (opened, BUSY),
    (mounted, BUSY),
    (hidden, BUSY),
    (ext4, "wipefs finds ext4"),
    (partitions, "wipefs finds dos"),
    (far, f"there is data at byte {SIZES['opt'] - 1}"),
    (renamed, f"{WRONG} incus_other"),
    (nameless, f"{WRONG} unknown"),
    (readonly, "it is read-only"),
)


@pytest.mark.parametrize(("trouble", "reason"), REFUSED, ids=[each.__name__ for each, _ in REFUSED])
def test_a_real_disk_that_is_not_free_and_blank_is_refused_and_keeps_every_byte(
    machine: Machine, trouble: Callable[[Machine], None], reason: str
) -> None:
    trouble(machine)
    before = machine.sum("opt")
    status, words = form(machine)
    assert (status, words.startswith(f"not done: {reason}")) == (3, True), words
    assert machine.sum("opt") == before


def here(name: str) -> bool:
    """Whether the program is here, and lays it on a disk of this size, not into a file."""
    size, script = MAKERS[name]
    tool = script.split(" | ")[-1].split()[0]
    found = shutil.which(tool, path=disk.environment()["PATH"])
    return found is not None and size * MIB <= SIZES["opt"] and "truncate" not in script


@pytest.mark.parametrize("name", sorted(filter(here, MAKERS)))
def test_a_real_disk_that_a_real_program_laid_something_on_is_refused(machine: Machine, name: str) -> None:
    """Those that are not here were recorded: tests/assets tries them."""
    script = MAKERS[name][1]
    machine.do("mkdir", "-p", "/tmp/inside")
    machine.do("sh", "-ec", script.replace("DISK", machine.node("opt")).replace("FOLDER", "/tmp/inside"))
    machine.do("blockdev", "--flushbufs", machine.node("opt"))
    before = machine.sum("opt")
    status, words = form(machine)
    assert (status, words.startswith("not done: wipefs finds ")) == (3, True), words
    assert machine.sum("opt") == before


def test_a_real_disk_that_is_blank_is_formatted_and_nobody_can_use_it_meanwhile(machine: Machine) -> None:
    """A mkfs that tells, while it runs, what another program would get."""
    wrapper = f"""#!/bin/sh
flock -n {machine.node("opt")} true || echo locked >> /run/told
exec /sbin/mkfs.ext4 "$@"
"""
    (machine.own / "shared" / "mkfs").write_text(wrapper)
    machine.do("install", "-m", "755", f"{machine.own}/mkfs", "/usr/local/sbin/mkfs.ext4")
    status, words = form(machine)
    assert (status, words.startswith("formatted, UUID ")) == (0, True), words
    assert machine.do("cat", "/run/told") == "locked\n"
    assert machine.do("blkid", "-p", "-o", "value", "-s", "UUID", machine.node("opt")) == f"{words.split()[-1]}\n"
    with machine.image("opt").open("rb") as image:
        image.seek(disk.mark_offset(SIZES["opt"]))
        assert image.read(disk.ROOM) == bytes(disk.ROOM)


def test_a_copy_is_made_where_no_other_process_sees_it(machine: Machine) -> None:
    form(machine)
    machine.do("sh", "-c", "echo mail > /opt/mail")
    wrapper = f"""#!/bin/sh
nsenter -t {machine._told()["pid"]} -m -r findmnt -rn /run/cowhand-volume > /run/seen && echo seen >> /run/told
findmnt -rn -o OPTIONS /run/cowhand-volume >> /run/told
exec /bin/cp "$@"
"""
    (machine.own / "shared" / "cp").write_text(wrapper)
    machine.do("install", "-m", "755", f"{machine.own}/cp", "/usr/local/bin/cp")
    status, words = run(machine, "copy-in", BY_ID, "/opt")
    assert (status, words) == (0, "1 entries copied and compared; the original folder is /opt.before-cowhand")
    told = machine.do("cat", "/run/told")
    assert "seen" not in told
    assert {"nodev", "nosuid", "noexec"} <= set(told.strip().split(","))
    assert machine.run("findmnt", "/run/cowhand-volume").returncode
    assert machine.run("test", "-e", "/run/cowhand-volume").returncode


def test_a_proof_goes_onto_the_real_disk_and_is_read_from_it(machine: Machine) -> None:
    form(machine)
    machine.do("mount", machine.node("opt"), "/opt")
    assert run(machine, "write-proof", BY_ID, "/opt") == (0, "1 MiB written, and read back from the disk")
    proof = Path(f"/proc/{machine._told()['pid']}/root/opt/{disk.PROOF}").read_bytes()
    assert proof in machine.image("opt").read_bytes(), "it is on the disk itself"
    machine.do("umount", "/opt")
    assert run(machine, "check-proof", BY_ID, "/opt") == (3, f"not done: {BY_ID} is not mounted at /opt")
    machine.do("mount", machine.node("opt"), "/opt")
    assert run(machine, "check-proof", BY_ID, "/opt")[0] == 0
    assert machine.do("ls", "-A", "/opt") == "lost+found\n"


def test_the_name_of_another_disk_formats_that_one_only_with_its_own_serial(machine: Machine) -> None:
    machine.attach("var_lib_docker", SIZES["var_lib_docker"])
    swapped(machine)
    sums = [machine.sum(name) for name in SIZES]
    assert form(machine)[0] == 3
    assert [machine.sum(name) for name in SIZES] == sums
