"""The look: what the kernel, its tables and the commands of the host tell of disks, folders and Docker."""

from __future__ import annotations

import io
import json
import os
import shutil
import stat
from pathlib import Path

import msgspec
import pytest

from assets import disk
from console.facts import volumes
from tests.assets.plain_disk import ID, NUMBER, SERIAL, SIZE, PlainDisk

UUID = "11111111-2222-4333-8444-555555555555"


# ── commands ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_command_gives_its_status_its_output_and_its_complaint() -> None:
    assert disk.call("sh", "-c", "echo out; echo ' err ' >&2; exit 7") == (7, "out\n", "err")


def test_mounts_are_told_in_their_order_with_their_devices(plain: PlainDisk) -> None:
    system = plain.root / "sys/dev/block"
    (plain.root / "sys/devices/vda/vda1").mkdir(parents=True)
    (system / "254:1").symlink_to("../../devices/vda/vda1")
    plain.mounts.write_bytes(
        b"22 1 254:1 / / rw - ext4 /dev/root rw\n30 22 0:26 / /r\xffn rw - tmpfs tmpfs rw\n"
        b"31 22 254:1 / /mnt rw - ext4 /dev/root rw\n"
    )
    assert disk.mounted() == [
        {"target": "/", "number": "254:1", "kind": "ext4", "device": "/dev/vda1"},
        {"target": "/r\udcffn", "number": "0:26", "kind": "tmpfs", "device": ""},
        {"target": "/mnt", "number": "254:1", "kind": "ext4", "device": "/dev/vda1"},
    ]


def test_mounts_are_text_in_utf_8_whatever_the_language_of_the_host(
    plain: PlainDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, object]] = []
    monkeypatch.setattr(disk, "open", lambda path, **how: (asked.append(how), io.StringIO())[1], raising=False)
    disk.mounted()
    assert asked == [{"encoding": "utf-8", "errors": "surrogateescape"}]


def test_the_mounts_are_those_of_this_process() -> None:
    assert disk.MOUNTS == "/proc/self/mountinfo"
    assert "/proc" in [row["target"] for row in disk.mounted()]


# ── disks ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_all_keys_of_a_look_are_those_that_the_console_reads(plain: PlainDisk) -> None:
    """A key that it did not know would be taken for its default, "no data" among them."""
    plain.mark(UUID)
    data = disk.look(json.dumps([{"name": "opt", "ids": [ID], "path": f"{plain.root}/none"}]))
    assert isinstance(data["volumes"], dict)
    assert isinstance(data["folders"], dict)
    assert isinstance(data["docker"], dict)
    assert set(data["volumes"]["opt"]) == set(volumes.Disk.__struct_fields__)
    assert set(data["folders"][f"{plain.root}/none"]) == set(volumes.Folder.__struct_fields__)
    assert set(data["docker"]) == set(volumes.Unit.__struct_encode_fields__)
    assert set(data) == set(volumes.DiskReport.__struct_fields__)
    told = volumes.parse(json.dumps(data).encode(), "mail").volumes["opt"]
    assert msgspec.to_builtins(told) == msgspec.to_builtins(msgspec.convert(data["volumes"]["opt"], volumes.Disk))


def test_a_blank_disk_is_told_in_every_field(plain: PlainDisk) -> None:
    assert plain.look() == {
        "ids": [ID], "device": str(plain.image), "size": SIZE, "serial": SERIAL, "disk": True, "readonly": False,
        "busy": "", "parts": [], "holders": [], "mounted": [], "wipefs": 0, "signatures": [], "blkid": 2, "kind": "",
        "label": "", "uuid": "", "bytes": 0, "zero": True, "first_data_offset": -1, "format_mark": "", "twins": [],
        "entries": 0, "copying": False,
    }  # fmt: skip


NOTHING = {
    "device": "", "size": 0, "serial": "", "disk": False, "readonly": False, "busy": "", "parts": [], "holders": [],
    "mounted": [], "wipefs": None, "signatures": [], "blkid": None, "kind": "", "label": "", "uuid": "", "bytes": 0,
    "zero": False, "first_data_offset": -1, "format_mark": "", "twins": [], "entries": 0, "copying": False,
}  # fmt: skip


def test_a_disk_that_is_not_there_has_no_device_and_is_not_blank(plain: PlainDisk) -> None:
    assert disk.describe_disk(["none", "neither"], []) == {"ids": [], **NOTHING}
    assert disk.describe_disk([], []) == {"ids": [], **NOTHING}
    plain.name("dangling", "../dev/none")
    assert disk.describe_disk(["dangling"], []) == {"ids": [], **NOTHING}


def test_names_that_lead_to_two_disks_are_told_and_neither_is_looked_at(plain: PlainDisk) -> None:
    (plain.root / "dev/sdc").write_text("")
    plain.name("virtio-a", "../dev/sdc")
    told = sorted([f"{ID} is {plain.image}", f"virtio-a is {plain.root}/dev/sdc"])
    assert disk.describe_disk(["virtio-a", ID], []) == {"ids": told, **NOTHING}
    assert plain.asked == []


def test_names_that_lead_to_one_disk_are_all_told(plain: PlainDisk) -> None:
    plain.name("a")
    plain.name("b")
    assert disk.describe_disk(["b", ID, "none", "a"], [])["ids"] == ["a", "b", ID]


def test_what_is_no_block_device_is_not_looked_at(plain: PlainDisk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "block_number", lambda state: "")
    assert plain.look() == {"ids": [ID], **NOTHING, "device": str(plain.image)}
    assert plain.asked == []


@pytest.mark.parametrize(
    ("mode", "number"),
    [(stat.S_IFBLK, "8:16"), (stat.S_IFCHR, ""), (stat.S_IFREG, ""), (stat.S_IFDIR, ""), (stat.S_IFLNK, "")],
)
def test_a_block_device_is_told_by_its_number(mode: int, number: str) -> None:
    state = os.stat_result((mode | 0o600, *range(9)), {"st_rdev": os.makedev(8, 16)})
    assert disk.block_number(state) == number


def test_what_the_kernel_knows_of_a_disk_is_told(plain: PlainDisk) -> None:
    system = plain.root / "sys/dev/block" / NUMBER
    for name in ("sdb2", "sdb1", "queue"):
        (system / name).mkdir()
    for name in ("sdb1", "sdb2"):
        (system / name / "partition").write_text("1\n")
    for name in ("md0", "dm-0"):
        (system / "holders" / name).mkdir()
    plain.mount("/a b".replace(" ", "\\040"))
    plain.mount("/other", "8:17")
    plain.mount("/mnt")
    found = plain.look()
    assert (found["parts"], found["holders"], found["mounted"]) == (["sdb1", "sdb2"], ["dm-0", "md0"], ["/a b", "/mnt"])
    assert found["disk"] is True
    (system / "partition").write_text("3\n")
    assert plain.look()["disk"] is False


def test_why_a_disk_cannot_be_opened_is_told(plain: PlainDisk, monkeypatch: pytest.MonkeyPatch) -> None:
    flags: list[int] = []

    def refuse(path: str, how: int) -> int:
        flags.append(how)
        raise OSError(16, "Device or resource busy")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "open", refuse)
        assert disk.busy("/dev/sdb") == "Device or resource busy"
    assert flags == [os.O_RDONLY | os.O_EXCL]
    assert disk.busy(str(plain.image)) == ""
    assert disk.busy("/no/such/device") == "No such file or directory"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "open", lambda path, how: (_ for _ in ()).throw(OSError("odd")))
        assert disk.busy("/dev/sdb") == "odd"


def test_the_disk_that_is_looked_at_is_asked_whether_it_is_busy(
    plain: PlainDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "busy", lambda device: f"{device} is busy")
    assert plain.look()["busy"] == f"{plain.image} is busy"


def test_the_commands_are_asked_as_they_are_documented(plain: PlainDisk) -> None:
    plain.look()
    node = str(plain.image)
    assert plain.asked == [
        ("lsblk", "--nodeps", "--bytes", "--json", "--output", "SERIAL,RO,SIZE", node),
        ("wipefs", "-n", "--json", node),
        ("blkid", "-p", "-o", "export", node),
    ]


@pytest.mark.parametrize(("ro", "readonly"), [(True, True), (False, False), ("1", True), ("0", False), (1, True),
                                              (0, False), (None, False)])  # fmt: skip
def test_whether_a_disk_can_only_be_read_is_told_as_each_version_of_lsblk_tells_it(
    plain: PlainDisk, ro: object, readonly: bool
) -> None:
    plain.serial(SERIAL, ro)
    assert plain.look()["readonly"] is readonly


def test_a_disk_without_a_serial_is_told_to_be_read_only_all_the_same(plain: PlainDisk) -> None:
    plain.serial(None, True)
    assert (plain.look()["serial"], plain.look()["readonly"]) == ("", True)


def test_no_more_of_a_disk_is_read_than_is_asked_for(plain: PlainDisk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk may be slow, or about to fail."""
    kinds: list[bool] = []
    monkeypatch.setattr(disk, "read_disk", lambda raw, found: kinds.append(isinstance(raw, io.RawIOBase)))
    plain.look()
    assert kinds == [True]


def test_a_folder_that_is_not_there_has_no_names(tmp_path: Path) -> None:
    assert disk.names(str(tmp_path / "none")) == []
    for name in ("b", "a"):
        (tmp_path / name).mkdir()
    assert disk.names(str(tmp_path)) == ["a", "b"]


@pytest.mark.parametrize(("told", "serial"), [("a", "a"), (" a b  ", "a b"), (None, ""), ("", "")])
def test_a_serial_is_told_without_blanks_around_it(plain: PlainDisk, told: str | None, serial: str) -> None:
    plain.serial(told)
    assert plain.look()["serial"] == serial


@pytest.mark.parametrize(
    ("answer", "wipefs", "signatures"),
    [
        ((0, "", ""), 0, []),
        ((0, " \n", ""), 0, []),
        ((0, '{"signatures": []}', ""), 0, []),
        ((0, '{"signatures": [{"type": "ext4"}, {"type": "gpt"}]}', ""), 0, ["ext4", "gpt"]),
        ((1, "", "probing failed"), 1, []),
        ((0, "{", ""), None, []),
        ((0, "[]", ""), None, []),
        ((0, "{}", ""), None, []),
        ((0, '{"signatures": [1]}', ""), None, []),
    ],
)
def test_the_answer_of_wipefs_is_its_status_or_none(
    plain: PlainDisk, answer: tuple[int, str, str], wipefs: int | None, signatures: list[str]
) -> None:
    plain.answers["wipefs"] = answer
    found = plain.look()
    assert (found["wipefs"], found["signatures"]) == (wipefs, signatures)


@pytest.mark.parametrize(
    ("text", "kind", "label", "uuid"),
    [
        ("DEVNAME=/dev/sdb\nTYPE=ext4\nPTTYPE=dos\nLABEL=a=b\nUUID=u\n", "ext4", "a=b", "u"),
        ("PTTYPE=gpt\nPTUUID=x\n", "gpt", "", ""),
        ("TYPE=\nPTTYPE=\n", "", "", ""),
        ("", "", "", ""),
        ("words that mean nothing\n", "", "", ""),
    ],
)
def test_the_answer_of_blkid_is_read_line_by_line(
    plain: PlainDisk, text: str, kind: str, label: str, uuid: str
) -> None:
    plain.answers["blkid"] = (0, text, "")
    found = plain.look()
    assert (found["kind"], found["label"], found["uuid"], found["blkid"]) == (kind, label, uuid, 0)


# ── twins and what is in them ───────────────────────────────────────────────────────────────────────────────────────


def test_other_devices_with_the_same_uuid_are_told(plain: PlainDisk, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("null", "zero", "full", "random", "none-such"):
        (plain.root / "sys/class/block" / name).mkdir()
    told = {"/dev/null": (0, f"{UUID}\n", ""), "/dev/zero": (0, "other\n", ""), "/dev/random": (2, f"{UUID}\n", ""),
            "/dev/full": (0, f"{UUID}\n", "")}  # fmt: skip
    plain.answers["blkid"] = lambda *argv: told[argv[-1]]
    assert disk.same_uuid(UUID, "/dev/full") == ["/dev/null"]
    assert disk.same_uuid(UUID, "/dev/sdb") == ["/dev/full", "/dev/null"]
    assert plain.asked[0] == ("blkid", "-p", "-o", "value", "-s", "UUID", "/dev/null")
    assert len(plain.asked) == 7


def found(plain: PlainDisk, **told: object) -> disk.Disk:
    return {**plain.look(), "kind": "ext4", **told}  # type: ignore[typeddict-item]


def test_the_entries_of_a_mounted_volume_are_counted_without_ours(plain: PlainDisk) -> None:
    for name in (*disk.OURS, "mail", "www"):
        (plain.root / "mnt" / name).mkdir(parents=True)
    assert disk.top_folder(found(plain, mounted=["/none", f"{plain.root}/mnt"])) == (2, True)
    for name in (disk.COPYING, disk.COPIED):
        shutil.rmtree(plain.root / "mnt" / name)
        (plain.root / "mnt" / name[:-1]).mkdir()
    assert disk.top_folder(found(plain, mounted=[f"{plain.root}/mnt"])) == (4, False)


@pytest.mark.parametrize("name", [disk.COPYING, disk.COPIED])
def test_a_copy_that_was_begun_is_told_on_a_volume_that_is_not_mounted(plain: PlainDisk, name: str) -> None:
    plain.real("mkfs.ext4", "-q", str(plain.image))
    assert disk.top_folder(found(plain)) == (0, False)
    plain.real("debugfs", "-w", "-R", "mkdir mail", str(plain.image))
    assert disk.top_folder(found(plain)) == (1, False)
    plain.real("debugfs", "-w", "-R", f"mkdir {name}", str(plain.image))
    assert disk.top_folder(found(plain)) == (1, True)
    assert plain.asked[-1] == ("debugfs", "-R", "ls -p /", str(plain.image))


def test_only_whole_rows_of_debugfs_are_entries(plain: PlainDisk) -> None:
    """Inode, mode, owner, group, name and size, each after a slash, and a last slash (debugfs(8), ls -p)."""
    rows = ["/2/040755/0/0/.//", "/2/040755/0/0/..//", "/12/100644/0/0/mail/5/", "/13/100644/0/0/short/5",
            "/13/100644/0/0/shorter", "/13/100644/0/0/long/5//", "/0/000000/0/0//0/", "debugfs 1.47.0"]  # fmt: skip
    plain.answers["debugfs"] = (0, "\n".join(rows), "")
    assert disk.top_folder(found(plain)) == (1, False)


def test_a_volume_that_is_no_ext4_is_not_looked_into(plain: PlainDisk) -> None:
    assert disk.top_folder(found(plain, kind="xfs", mounted=[str(plain.root)])) == (0, False)
    plain.asked.clear()
    assert disk.top_folder(plain.look()) == (0, False)
    assert "debugfs" not in [argv[0] for argv in plain.asked]


# ── folders ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def describe(plain: PlainDisk, path: Path) -> dict[str, object]:
    return disk.describe_folder(str(path), disk.mounted())
