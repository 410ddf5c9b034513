"""What Incus calls a volume's disk, what is declared, and what is judged of what is found."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from msgspec.structs import replace

from console.errors import HostError
from console.estate.load import load
from console.events import Prompt
from console.facts.volumes import Disk, DiskReport, Unit, Wanted, ask, looking, parse
from console.flows import StepContext, registry
from console.flows.mount_volumes.targets import Target, classify_disk, cut, label, size, spelled, unusable, wrong
from console.hosts.local import Local
from console.lab.machines.disks import TABLE, File, Machine
from console.runner.ending import Ending
from console.runner.read_only import reads
from console.runner.session import Session
from tests.console.flows.cases import mount_volumes as case

GIB = 1 << 30


@pytest.mark.parametrize(
    ("device", "most", "name"),
    [
        ("opt", 25, "opt"),
        ("var_lib_docker", 25, "var_lib_docker"),
        ("mail-data", 25, "mail--data"),
        ("a/b", 25, "a-b"),
        ("var_lib_docker", 14, "var_lib_docker"),
        ("mailcow-data-volume", 14, "PGWPS7t1LTO7VA"),
        ("a-name-that-is-way-too-long-for-25", 25, "XLRew6a7tSfz7veYKEFTmkLY_"),
    ],
)
def test_a_disk_is_named_as_incus_names_it(device: str, most: int, name: str) -> None:
    assert cut(device, most) == name


def test_a_label_fits_ext4_and_tells_long_names_apart() -> None:
    names = ["opt", "var_lib_docker", "var_lib_dovecot", "a b", "postfix1", "postfix12"]
    assert label("opt") == "cowhand-opt"
    assert len({label(name) for name in names}) == len(names)
    assert all(len(label(name).encode()) <= 16 for name in names)


@pytest.mark.parametrize(
    ("text", "count"),
    [("50GiB", 50 * GIB), ("10GB", 10**10), ("1073741824", GIB), ("512 MiB", 512 << 20), ("1TiB", 1 << 40),
     ("", 0), ("ten", 0), ("5 apples", 0), ("-1GiB", 0)],
)  # fmt: skip
def test_sizes_are_read_as_incus_reads_them(text: str, count: int) -> None:
    assert size(text) == count


def test_sizes_are_spelled_round_or_exactly() -> None:
    assert [spelled(each) for each in (50 * GIB, 10**10, 5000)] == ["50 GiB", "10000000000 bytes", "5000 bytes"]


TARGET = Target("mailcow_opt", "opt", "/opt", GIB, ("scsi-incus_opt", "virtio-incus_opt"), ("incus_opt",), label("opt"))
BLANK = Disk(ids=("scsi-incus_opt",), device="/dev/sdb", size=GIB, serial="incus_opt", disk=True, wipefs=0, blkid=2,
             zero=True)  # fmt: skip
OURS = replace(BLANK, blkid=0, zero=False, kind="ext4", label="cowhand-opt", uuid="u", bytes=GIB, signatures=("ext4",))


@pytest.mark.parametrize(
    ("disk", "standing", "words"),
    [
        (BLANK, "blank", "it is blank"),
        (OURS, "ours", "ext4, label cowhand-opt"),
        (replace(OURS, mounted=("/opt",), busy="Device or resource busy"), "ours", "ext4"),
        (replace(OURS, format_mark="u"), "begun", "its format was not brought to its end"),
        (replace(BLANK, zero=False, format_mark="u"), "begun", "a format was begun and cut off"),
        (replace(BLANK, zero=False, format_mark="u", signatures=("xfs",)), "foreign", "it holds xfs"),
        (replace(BLANK, zero=False), "foreign", "data without a signature"),
        (replace(BLANK, first_data_offset=4096), "foreign", "at byte 4096"),
        (replace(BLANK, blkid=8), "foreign", "blkid ended with status 8"),
        (replace(BLANK, blkid=0, kind="gpt"), "foreign", "it holds gpt"),
        (replace(BLANK, wipefs=None), "foreign", "wipefs ended with status None"),
        (replace(BLANK, wipefs=1), "foreign", "wipefs ended with status 1"),
        (replace(BLANK, busy="Device or resource busy"), "foreign", "it cannot be opened exclusively"),
        (replace(BLANK, holders=("dm-0",)), "foreign", "it is in use: dm-0"),
        (replace(BLANK, parts=("sdb1",)), "foreign", "it has partitions (sdb1)"),
        (replace(BLANK, mounted=("/mnt",)), "foreign", "it is mounted at /mnt"),
        (replace(BLANK, readonly=True), "foreign", "is read-only"),
        (replace(BLANK, disk=False), "foreign", "is not a whole disk"),
        (replace(BLANK, serial=""), "foreign", "it tells no serial"),
        (replace(BLANK, serial="incus_var"), "foreign", "…incus_opt is /dev/sdb, but its serial is incus_var"),
        (replace(BLANK, size=GIB + 512), "foreign", "declared are 1 GiB"),
        (replace(BLANK, device="", ids=()), "foreign", "there is no disk …incus_opt"),
        (replace(BLANK, device="", ids=("a is sdb", "b is sdc")), "foreign", "more than one disk has its name"),
        (replace(OURS, twins=("/dev/sdc",)), "foreign", "have the same UUID u"),
        (replace(OURS, bytes=2 * GIB), "foreign", "larger than its disk"),
        (replace(OURS, mounted=("/mnt",)), "foreign", "is mounted at /mnt"),
        (replace(OURS, busy="Device or resource busy"), "foreign", "perhaps by another namespace"),
        (replace(OURS, label="mail"), "foreign", "it holds ext4 with the label mail"),
        (replace(OURS, kind="xfs"), "foreign", "it holds xfs"),
    ],
)  # fmt: skip
def test_only_what_is_proven_is_blank_or_ours(disk: Disk, standing: str, words: str) -> None:
    judged = classify_disk(TARGET, disk)
    assert judged.standing == standing
    assert words in judged.words


def test_a_size_that_incus_or_lvm_rounded_up_is_the_declared_one() -> None:
    target = replace(TARGET, size=10**10)
    assert classify_disk(target, replace(BLANK, size=-(-(10**10) // 8192) * 8192)).standing == "blank"
    assert classify_disk(target, replace(BLANK, size=-(-(10**10) // (4 << 20)) * (4 << 20))).standing == "blank"
    assert classify_disk(target, replace(BLANK, size=10**10 - 512)).standing == "foreign"


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ((replace(TARGET, path="/"),), "cannot be mounted at /"),
        ((replace(TARGET, path="opt"),), "cannot be mounted at opt"),
        ((replace(TARGET, path="/etc"),), "cannot be mounted at /etc"),
        ((replace(TARGET, path="/a b"),), "cannot be mounted at /a b"),
        ((TARGET, replace(TARGET, name="b")), "more than one volume belongs at /opt"),
        ((TARGET, replace(TARGET, name="b", path="/opt/mail")), "/opt/mail is inside /opt"),
        ((replace(TARGET, size=0),), "declares no size"),
        ((TARGET,), ""),
    ],
)
def test_declarations_that_leave_anything_open_are_refused(found: tuple[Target, ...], words: str) -> None:
    assert words in wrong(found) if words else wrong(found) == ""


def test_a_machine_without_root_or_tools_is_not_worked_on() -> None:
    survey = DiskReport(True, (), {}, {}, Unit())
    assert unusable(survey) == ""
    assert 'become = "sudo"' in unusable(replace(survey, root=False))
    assert "apt-get install e2fsprogs util-linux" in unusable(replace(survey, lacking=("wipefs", "mkfs.ext4")))


async def test_the_look_really_runs_and_changes_nothing_it_is_vouched_for() -> None:
    found = await ask(Local(), [Wanted("opt", ("no-such-disk",), "/no/such/folder")])
    assert found.volumes["opt"].device == ""
    assert found.folders["/no/such/folder"].kind == "none"
    assert reads(["python3", "-Ic", looking(), "[]"])
    assert not reads(["python3", "-Ic", looking() + "\n", "[]"])
    assert "def format_disk" not in looking()
    assert len(looking()) * 5 < 96 << 10, "Linux takes 128 KiB in one argument, and a quoted byte may be five"


def test_what_is_no_look_is_said() -> None:
    for data in (b"", b"{}", b'{"root": 1}', b"\xff"):
        with pytest.raises(HostError, match="did not say how its disks are"):
            parse(data, "mailcow")


# ── fstab ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def formatted(root: Path, table: str) -> Machine:
    """A VM whose volumes are formatted, with this fstab; OPT and DOCKER stand for their UUIDs."""
    case.build(root)
    machine = Machine()
    for short, node in case.NODES.items():
        disk = machine.disks[node]
        disk.kind, disk.label, disk.uuid = "ext4", label(short), f"uuid-{short}"
    machine.files[TABLE] = File(table)
    case.save(root, machine)
    return machine


def run(root: Path) -> tuple[Ending, str]:
    async def agree(prompt: Prompt) -> str | None:
        return {"confirm": "yes", "failed": "stop"}.get(prompt.kind)

    context = StepContext(load(root / "site.toml"), case.hosts(root))
    (root / "journal").mkdir()
    flow = registry.find("mount-volumes")
    ending = asyncio.run(Session(flow, context, agree, lambda event: None, root / "journal").run())
    return ending, case.load(root).files[TABLE].text


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            "# mine",
            "# mine\nUUID=uuid-var_lib_docker /var/lib/docker ext4 defaults 0 2\n"
            "UUID=uuid-opt /opt ext4 defaults 0 2\n",
        ),
        (
            "/dev/sdb\t/var/lib/docker  ext4 nofail,noatime 0 2\nLABEL=cowhand-opt /opt/ auto nofail\n",
            "UUID=uuid-var_lib_docker\t/var/lib/docker  ext4 noatime 0 2\nUUID=uuid-opt /opt/ auto nofail\n",
        ),
    ],
)  # fmt: skip
def test_the_table_is_edited_in_its_place(tmp_path: Path, before: str, after: str) -> None:
    formatted(tmp_path, before)
    ending, table = run(tmp_path)
    assert (ending.words, table) == ("done, and verified", after)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("/dev/sdz /opt ext4 defaults 0 2\n", "/etc/fstab:1 mounts /dev/sdz (ext4) at /opt"),
        ("UUID=uuid-opt /opt xfs defaults 0 2\n", "/etc/fstab:1 mounts UUID=uuid-opt (xfs) at /opt"),
        ("UUID=uuid-opt /opt ext4 noauto 0 2\n", "/etc/fstab:1 says noauto"),
        ("UUID=uuid-opt /srv ext4 defaults 0 2\n", "/etc/fstab:1 mounts mailcow_opt at /srv"),
        ("#\nUUID=uuid-opt /opt ext4 defaults 0 2\n/dev/x /opt nfs ro\n", "more than one line for /opt: lines 2 and 3"),
    ],
)
def test_a_table_that_says_otherwise_is_left_as_it_is(tmp_path: Path, table: str, words: str) -> None:
    formatted(tmp_path, table)
    ending, after = run(tmp_path)
    assert ending.outcome == "refused"
    assert words in ending.words
    assert after == table


# ── copying ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_folder_that_another_user_could_swap_is_not_copied(tmp_path: Path) -> None:
    machine = formatted(tmp_path, "")
    machine.folders["/opt"] = {"mail": "x"}
    machine.exposed["/opt"] = "others may write in /"
    case.save(tmp_path, machine)
    ending, _ = run(tmp_path)
    assert ending.outcome == "refused"
    assert "/opt is not safe to copy: others may write in /" in ending.words
    assert case.load(tmp_path).copies == 0


def test_an_empty_folder_that_another_user_could_swap_is_mounted_over(tmp_path: Path) -> None:
    machine = formatted(tmp_path, "")
    machine.exposed["/opt"] = "others may write in /"
    case.save(tmp_path, machine)
    ending, _ = run(tmp_path)
    assert ending.words == "done, and verified"
