"""mount-volumes on real disks: blank ones are formatted and mounted, and no other one loses a byte."""

from __future__ import annotations

import os
import struct
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from console.estate.load import load
from console.events import FlowEvent, Prompt, StepChanged
from console.flows import StepContext, registry
from console.runner.ending import Ending
from console.runner.session import Session
from tests.reallab.volumes import MIB, NAMES, SIZES, Inside, Machine, fresh, remove, write_site

EVERYTHING = tuple(NAMES.values())


@pytest.fixture
def machine() -> Iterator[Machine]:
    """A machine with two blank disks, in memory where there is some."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="cowhand-", dir=memory) as folder:
        made = fresh(Path(folder) / "m")
        write_site(made.root)
        yield made
        remove(made)


async def walk(
    machine: Machine, destroy: tuple[str, ...] = EVERYTHING, **answers: str
) -> tuple[Ending, dict[str, StepChanged]]:
    """Run the flow with a yes to every plan; returns how it ended and how its steps stand."""
    heard: list[FlowEvent] = []

    async def agree(prompt: Prompt) -> str | None:
        return {"confirm": "yes", "failed": "stop"}.get(prompt.kind)

    answers = {key.replace("_", "-", 1): value for key, value in answers.items()}
    context = StepContext(load(machine.root / "site.toml"), {"mail": Inside(machine)}, {}, answers, destroy)
    journal = machine.root / "journal"
    journal.mkdir(exist_ok=True)
    flow = registry.find("mount-volumes")
    ending = await Session(flow, context, agree, heard.append, journal).run()
    names = [step.name for step in flow.steps(context)]
    stood = {names[event.step]: event for event in heard if isinstance(event, StepChanged)}
    return ending, stood


async def test_blank_disks_are_mounted_for_good_and_a_second_run_changes_nothing(machine: Machine) -> None:
    table = machine.do("cat", "/etc/fstab")
    ending, _ = await walk(machine)
    assert (ending.outcome, ending.words) == ("done", "done, and verified")
    after = machine.do("cat", "/etc/fstab")
    assert after.startswith(f"{table}\n")
    assert machine.do("cat", "/etc/fstab.previous") == table
    for path in ("/opt", "/var/lib/docker"):
        row = machine.do("findmnt", "-n", "-o", "FSTYPE,UUID,LABEL", path).split()
        assert f"UUID={row[1]} {path} ext4 defaults 0 2\n" in after
        assert row[0] == "ext4"
        assert row[2].startswith("cowhand-")
        assert machine.do("ls", "-A", path) == "lost+found\n"
    machine.restart()
    for path in ("/opt", "/var/lib/docker"):
        machine.do("mount", "-o", "remount,ro", path)  # else the kernel writes to it whenever it has time
    before = machine.snapshot()
    assert "/var/lib/docker " in before["mounts"]
    ending, stood = await walk(machine, destroy=())
    assert ending.words == "nothing to do: everything is as it should be"
    assert {each.state for each in stood.values()} == {"so", "skipped"}
    assert machine.snapshot() == before


async def test_a_volume_is_not_formatted_before_its_name_was_typed(machine: Machine) -> None:
    sums = {device: machine.sum(device) for device in SIZES}
    ending, _ = await walk(machine, destroy=())
    assert (ending.outcome, ending.missing) == ("unanswered", "destroy=mailcow_opt")
    assert {device: machine.sum(device) for device in SIZES} == sums


# ── refused ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def put(machine: Machine, device: str, offset: int, data: bytes) -> None:
    with machine.image(device).open("r+b") as file:
        file.seek(offset)
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    machine.do("blockdev", "--flushbufs", machine.node(device))


def ext4(machine: Machine) -> None:
    machine.do("mkfs.ext4", "-q", "-L", "mail", machine.node("opt"))


def xfs(machine: Machine) -> None:
    """A superblock as mkfs.xfs lays it, version 5."""
    block = bytearray(512)
    # fmt: off
    struct.pack_into(">4sIQQQ16sQQQQIIIIIHHHH12s8B", block, 0, b"XFSB", 4096, 16384, 0, 0, bytes(range(16)), 8192, 96,
                     97, 98, 1, 4096, 4, 0, 855, 0xB4A5, 512, 512, 8, b"old\0" * 3,
                     12, 9, 9, 3, 12, 0, 0, 25)
    # fmt: on
    put(machine, "opt", 0, bytes(block))


def partitions(machine: Machine) -> None:
    """One Linux partition in a DOS table."""
    entry = struct.pack("<B3sB3sII", 0, b"\x20\x21\x00", 0x83, b"\xfe\xff\xff", 2048, 100000)
    put(machine, "opt", 446, entry.ljust(64, b"\0") + b"\x55\xaa")


def luks(machine: Machine) -> None:
    """The head of a LUKS2 volume, without its keys."""
    head = struct.pack(">6sHQQ48s32s64s40s48s", b"LUKS\xba\xbe", 2, 16384, 1, b"", b"sha256", bytes(64),
                       b"5f0b1c2d-0000-4000-8000-000000000001", b"")  # fmt: skip
    put(machine, "opt", 0, head)


def unsigned(machine: Machine) -> None:
    put(machine, "opt", 700_000, b"a database without a name")


def further(machine: Machine) -> None:
    put(machine, "opt", SIZES["opt"] - 5000, b"a database without a name")


def mounted(machine: Machine) -> None:
    ext4(machine)
    machine.do("mkdir", "-p", "/mnt/other")
    machine.do("mount", "-o", "ro", machine.node("opt"), "/mnt/other")  # written to, it would change by itself


def elsewhere(machine: Machine) -> None:
    """Ours by label, held by a machine that only its mount namespace knows."""
    machine.do("mkfs.ext4", "-q", "-L", "cowhand-opt", machine.node("opt"))
    ready = machine.root / "ready"
    script = f"mount -o ro {machine.own}/{machine.node('opt')[5:]} /mnt && touch {ready} && exec sleep infinity"
    held = subprocess.Popen(machine.argv(["unshare", "-m", "sh", "-c", script.replace(str(machine.own), "/dev")]))
    machine.held = held  # type: ignore[attr-defined]
    while held.poll() is None and "/mnt " not in Path(f"/proc/{held.pid}/mountinfo").read_text():
        pass


def missing(machine: Machine) -> None:
    machine.unname("opt")


def swapped(machine: Machine) -> None:
    machine.name("opt", "var_lib_docker")
    machine.name("var_lib_docker", "opt")


def larger(machine: Machine) -> None:
    write_site(machine.root, {**SIZES, "opt": 128 * MIB})


def twice(machine: Machine) -> None:
    machine.do("mkfs.ext4", "-q", "-L", "cowhand-opt", machine.node("opt"))
    machine.do("sync")
    machine.image("third").write_bytes(machine.image("opt").read_bytes())
    machine.attach("third", SIZES["opt"])


def labelled(machine: Machine) -> None:
    """Our label, and a file system that is not ext4."""
    xfs(machine)
    put(machine, "opt", 108, b"cowhand-opt\0")


def readonly(machine: Machine) -> None:
    machine.do("blockdev", "--setro", machine.node("opt"))


REFUSED: tuple[tuple[Callable[[Machine], None], str], ...] = (
    (ext4, "it holds ext4 with the label mail"),
    (xfs, "it holds xfs with the label old"),
    (partitions, "it holds dos"),
    (luks, "it holds crypto_LUKS"),
    (unsigned, "its first MiB is not zero: data without a signature"),
    (further, "there is data without a signature at byte"),
    (mounted, "it is mounted at /mnt/other"),
    (elsewhere, "it cannot be opened exclusively (device or resource busy), perhaps by another namespace"),
    (missing, "there is no disk …incus_opt"),
    (swapped, "…incus_opt is /dev/loop"),
    (larger, "has 64 MiB, declared are 128 MiB"),
    (twice, "have the same UUID"),
    (labelled, "it holds xfs with the label cowhand-opt"),
    (readonly, "is read-only"),
)


@pytest.mark.slow
@pytest.mark.parametrize(("trouble", "reason"), REFUSED, ids=[each.__name__ for each, _ in REFUSED])
async def test_a_disk_that_is_not_proven_blank_is_refused_and_loses_no_byte(
    machine: Machine, trouble: Callable[[Machine], None], reason: str
) -> None:
    trouble(machine)
    before = machine.snapshot()
    try:
        ending, stood = await walk(machine)
        assert stood["disks"].state == "refused"
        assert reason in stood["disks"].words
        assert ending.outcome == "refused"
        assert ending.words.endswith("nothing was changed")
        assert machine.snapshot() == before
    finally:
        if held := getattr(machine, "held", None):
            held.kill()
            held.wait()
