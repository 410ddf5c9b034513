"""The look: what the kernel, its tables and the commands of the host tell of disks, folders and Docker."""

from __future__ import annotations

import ast
import io
import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from assets import disk
from console.facts import volumes
from tests.assets.plain_disk import ID, NUMBER, SERIAL, SIZE, PlainDisk, said

UUID = "11111111-2222-4333-8444-555555555555"


# ── commands ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_command_gives_its_status_its_output_and_its_complaint() -> None:
    assert disk.call("sh", "-c", "echo out; echo ' err ' >&2; exit 7") == (7, "out\n", "err")


def test_bytes_that_are_no_text_are_taken_all_the_same() -> None:
    assert disk.call("printf", r"a\377b") == (0, "a�b", "")
    assert disk.call("sh", "-c", r"printf 'a\377b' >&2") == (0, "", "a�b")


def test_a_command_that_is_missing_is_named() -> None:
    assert disk.call("no-such-command", "x") == (127, "", "no-such-command: command not found")


def test_a_command_that_may_not_be_run_is_named_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "tool").write_text("#!/no/such/interpreter\n")
    assert disk.call(str(tmp_path / "tool")) == (127, "", f"{tmp_path}/tool: Permission denied")


def test_a_command_that_hangs_is_ended() -> None:
    status, text, words = disk.call("sleep", "1000", limit=0.05)
    assert (status, text, words) == (124, "", "no answer within 0.05 seconds")
    assert (
        subprocess.run(["pgrep", "-P", str(os.getpid()), "-x", "sleep"], check=False, capture_output=True).stdout == b""
    )


def test_a_command_gets_two_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    told: dict[str, object] = {}

    def run(argv: object, **kwargs: object) -> subprocess.CompletedProcess[bytes]:
        told.update(kwargs)
        return subprocess.CompletedProcess([], 0, b"", b"")

    monkeypatch.setattr(disk.subprocess, "run", run)
    disk.call("true")
    assert (told["timeout"], told["pass_fds"], told["stdin"]) == (120, (), subprocess.DEVNULL)


def test_a_command_speaks_english_and_has_nothing_to_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    monkeypatch.setenv("LANG", "de_DE.UTF-8")
    monkeypatch.setenv("MINE", "kept")
    assert disk.call("sh", "-c", 'echo "$LC_ALL $MINE"; cat') == (0, "C kept\n", "")


def test_a_command_gets_only_the_descriptors_it_is_given(tmp_path: Path) -> None:
    with (tmp_path / "a").open("w") as given, (tmp_path / "b").open("w") as other:
        os.set_inheritable(other.fileno(), True)
        script = "".join(f"echo x 2>/dev/null >/proc/self/fd/{each.fileno()};" for each in (given, other))
        disk.call("sh", "-c", script, fds=(given.fileno(),))
    assert ((tmp_path / "a").read_text(), (tmp_path / "b").read_text()) == ("x\n", "")


@pytest.mark.parametrize("path", ["/opt/bin", "/a:/b"])
def test_the_folders_of_roots_commands_come_after_those_of_path(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setenv("PATH", path)
    assert disk.environment()["PATH"] == f"{path}:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"
    monkeypatch.delenv("PATH")
    assert disk.environment()["PATH"] == "/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"


def test_the_commands_that_are_lacking_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert disk.lacking() == []
    monkeypatch.setattr(disk, "environment", lambda: {"PATH": str(tmp_path)})
    assert disk.lacking() == list(disk.TOOLS)
    for tool in disk.TOOLS[2:]:
        (tmp_path / tool).write_text("")
        (tmp_path / tool).chmod(0o755)
    assert disk.lacking() == ["blkid", "debugfs"]


# ── mounts ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("line", "target", "number", "kind"),
    [
        ("22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n", "/", "8:1", "ext4"),
        ("30 22 0:26 / /run rw shared:2 master:1 - tmpfs tmpfs rw,size=1k", "/run", "0:26", "tmpfs"),
        ("31 22 0:27 /sub /mnt rw - btrfs /dev/sdb rw\n", "/mnt", "0:27", "btrfs"),
        ("36 35 98:0 / /a\\040b\\011c\\012d\\134e rw - ext3 /dev/root rw\n", "/a b\tc\nd\\e", "98:0", "ext3"),
        ("36 35 98:0 / /a\\134040b rw - ext3 /dev/root rw\n", "/a\\040b", "98:0", "ext3"),
        ("36 35 98:0 / /a\\043b rw - fuse.sshfs user@host: rw\n", "/a#b", "98:0", "fuse.sshfs"),
        ("36 35 98:0 / /a\\048b rw - ext3 - rw\n", "/a\\048b", "98:0", "ext3"),
        ("36 35 98:0 / /mnt rw - ext3 a\\040-\\040b rw\n", "/mnt", "98:0", "ext3"),
    ],
)
def test_a_line_of_mountinfo_tells_what_is_mounted_where(line: str, target: str, number: str, kind: str) -> None:
    assert disk.parse_mount(line) == {"target": target, "number": number, "kind": kind, "device": ""}


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


@pytest.fixture
def top(plain: PlainDisk, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that only its owner can change."""
    monkeypatch.setattr(disk, "TOP", str(plain.root))
    return plain.root


EMPTY = {"kind": "none", "entries": 0, "mounted": "", "proof": False, "aside": False, "beneath": [], "exposed": ""}


def test_a_path_where_nothing_is(plain: PlainDisk, top: Path) -> None:
    assert describe(plain, top / "mail") == EMPTY


@pytest.mark.parametrize("target", ["by-id", "nowhere"])
def test_a_link_is_told_whether_it_leads_anywhere_or_not(plain: PlainDisk, top: Path, target: str) -> None:
    (top / "mail").symlink_to(target)
    assert describe(plain, top / "mail") == {**EMPTY, "kind": "link"}


def test_a_file_is_told(plain: PlainDisk, top: Path) -> None:
    (top / "mail").write_text("x")
    assert describe(plain, top / "mail") == {**EMPTY, "kind": "file"}


def test_a_folder_is_told_with_how_many_entries_it_has_without_ours(plain: PlainDisk, top: Path) -> None:
    for name in ("a", "b", "lost+found", disk.COPYING, disk.COPIED):
        (top / "mail" / name).mkdir(parents=True)
    assert describe(plain, top / "mail") == {**EMPTY, "kind": "folder", "entries": 2}
    (top / "mail" / disk.PROOF).write_text("x")
    assert describe(plain, top / "mail") == {**EMPTY, "kind": "folder", "entries": 2, "proof": True}


def test_the_folder_as_it_was_is_told(plain: PlainDisk, top: Path) -> None:
    (top / "mail.before-cowhand").write_text("a file is none")
    assert describe(plain, top / "mail")["aside"] is False
    (top / "mail.before-cowhand").unlink()
    (top / "mail.before-cowhand").mkdir()
    assert describe(plain, top / "mail") == {**EMPTY, "aside": True}


def test_what_is_mounted_at_a_path_and_below_it_is_told(plain: PlainDisk, top: Path) -> None:
    path = top / "mail"
    (top / "sys/sdc").mkdir()
    (top / "sys/dev/block" / "8:17").symlink_to("../../sdc")
    for target, number in ((path, "0:30"), (f"{path}er", NUMBER), (f"{path}/b", NUMBER), (f"{path}/a", NUMBER)):
        plain.mount(str(target), number)
    assert describe(plain, path) == {**EMPTY, "mounted": "ext4", "beneath": [f"{path}/a", f"{path}/b"]}
    plain.mount(str(path), "8:17")
    assert describe(plain, path)["mounted"] == "/dev/sdc"


def test_a_folder_that_others_could_swap_is_told(plain: PlainDisk, top: Path) -> None:
    (top / "srv").mkdir()
    (top / "srv").chmod(0o777)
    assert str(describe(plain, top / "srv" / "mail")["exposed"]).startswith(f"others may write in {top}/srv")


# ── units, and the whole ────────────────────────────────────────────────────────────────────────────────────────────


def test_a_unit_is_told_as_systemd_sees_it(plain: PlainDisk) -> None:
    rows = "LoadState=loaded\nActiveState=active\nUnitFileState=a=b\nNeedDaemonReload=no\nMore=x\n"
    plain.answers["systemctl"] = (0, rows, "")
    assert disk.describe_unit("docker.service") == {
        "LoadState": "loaded", "ActiveState": "active", "UnitFileState": "a=b", "NeedDaemonReload": "no",
    }  # fmt: skip
    assert plain.asked == [("systemctl", "show", "-p", "LoadState,ActiveState,UnitFileState,NeedDaemonReload",
                            "docker.service")]  # fmt: skip


@pytest.mark.parametrize("answer", [(127, "", "systemctl: command not found"), (1, "LoadState=loaded\n", ""),
                                    (124, "", ""), (0, "", ""), (0, "nothing\n", "")])  # fmt: skip
def test_where_there_is_no_systemd_all_is_empty(plain: PlainDisk, answer: tuple[int, str, str]) -> None:
    plain.answers["systemctl"] = answer
    assert set(disk.describe_unit("docker.service").values()) == {""}


def test_systemd_has_20_seconds(plain: PlainDisk, monkeypatch: pytest.MonkeyPatch) -> None:
    limits: list[float] = []
    monkeypatch.setattr(disk, "call", lambda *argv, limit: (limits.append(limit), (0, "", ""))[1])
    disk.describe_unit("docker.service")
    assert limits == [20]


def test_a_look_tells_of_every_volume_and_every_folder(plain: PlainDisk, monkeypatch: pytest.MonkeyPatch) -> None:
    plain.answers["systemctl"] = (0, "LoadState=loaded\n", "")
    path = f"{plain.root}/by-id"
    told = disk.look(json.dumps([
        {"name": "opt", "ids": [ID], "path": path}, {"name": "var", "ids": ["none"], "path": ""},
    ]))  # fmt: skip
    assert told == {
        "root": os.geteuid() == 0,
        "lacking": [],
        "volumes": {"opt": plain.look(), "var": {"ids": [], **NOTHING}},
        "folders": {path: disk.describe_folder(path, [])},
        "docker": {"LoadState": "loaded", "ActiveState": "", "UnitFileState": "", "NeedDaemonReload": ""},
    }
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert disk.look("[]")["root"] is False
    monkeypatch.setattr(disk, "lacking", lambda: ["wipefs"])
    assert disk.look("[]")["lacking"] == ["wipefs"]


def test_a_look_goes_into_a_disk_that_has_a_uuid(plain: PlainDisk, monkeypatch: pytest.MonkeyPatch) -> None:
    plain.real("mkfs.ext4", "-q", "-U", UUID, str(plain.image))
    plain.real("debugfs", "-w", "-R", f"mkdir {disk.COPYING}", str(plain.image))
    plain.real("debugfs", "-w", "-R", "mkdir mail", str(plain.image))
    plain.mount("/opt", "8:99")
    asked: list[tuple[str, str]] = []
    monkeypatch.setattr(disk, "same_uuid", lambda *words: (asked.append(words), ["/dev/sdc"])[1])
    told = disk.look(json.dumps([{"name": "opt", "ids": [ID], "path": ""}, {"name": "b", "ids": [], "path": ""}]))
    assert isinstance(told["volumes"], dict)
    opt = told["volumes"]["opt"]
    assert asked == [(UUID, str(plain.image))]
    assert (opt["twins"], opt["entries"], opt["copying"]) == (["/dev/sdc"], 1, True)
    assert told["folders"] == {}


def test_a_look_changes_nothing(plain: PlainDisk) -> None:
    plain.real("mkfs.ext4", "-q", "-U", UUID, str(plain.image))
    plain.mark(UUID)
    before = plain.sum()
    disk.look(json.dumps([{"name": "opt", "ids": [ID], "path": str(plain.root)}]))
    assert plain.sum() == before


# ── the program ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "words",
    [each.split() for each in (
        "", "look", "format", "format d 1 s", "format d 1 s l x", "copy-in d", "copy-in d p x", "write-proof",
        "check-proof d p x y", "check-proof d p x", "other d p", "format d p", "other d 1 s l",
    )],
    ids=" ".join,
)  # fmt: skip
def test_wrong_arguments_are_told_with_the_right_ones(words: list[str]) -> None:
    assert said(words) == (2, "usage: format DEVICE SIZE SERIALS LABEL | copy-in|write-proof|check-proof DEVICE PATH")


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (None, 0, "all of a b"),
        (disk.Stop("why not"), 3, "not done: why not"),
        (OSError(28, "No space left on device"), 1, "not done: No space left on device"),
        (OSError(28, "No space left on device", "/mnt/x"), 1, "not done: /mnt/x: No space left on device"),
    ],
)
@pytest.mark.parametrize("verb", ["copy-in", "write-proof", "check-proof"])
def test_what_was_done_or_why_not_is_printed(
    monkeypatch: pytest.MonkeyPatch, verb: str, error: Exception | None, status: int, words: str
) -> None:
    def do(*given: str) -> str:
        if error:
            raise error
        return f"all of {' '.join(given)}"

    monkeypatch.setitem(disk.VERBS, verb, do)
    assert said([verb, "a", "b"]) == (status, words)


def test_reasons_go_to_stderr_and_what_was_done_to_stdout(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(disk.VERBS, "check-proof", lambda *words: "done")
    disk.main(["check-proof", "a", "b"])
    assert capsys.readouterr() == ("done\n", "")
    for error in (disk.Stop("x"), OSError(1, "x")):
        monkeypatch.setitem(disk.VERBS, "check-proof", lambda *words, error=error: (_ for _ in ()).throw(error))
        disk.main(["check-proof", "a", "b"])
        assert capsys.readouterr() == ("", "not done: x\n")
    disk.main([])
    assert capsys.readouterr().out == ""


def test_the_program_uses_no_syntax_and_no_function_newer_than_python_3_8() -> None:
    text = Path(disk.__file__).read_text(encoding="utf-8")
    tree = ast.parse(text, feature_version=(3, 8))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    named = {
        alias.name if isinstance(node, ast.Import) else str(node.module) for node in imports for alias in node.names
    }
    assert {each.split(".")[0] for each in named} <= set(sys.stdlib_module_names)
    newer = {"removeprefix", "removesuffix", "file_digest", "pairwise", "nullcontext", "strict", "slots", "match_args"}
    words = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    keywords = {node.arg for node in ast.walk(tree) if isinstance(node, ast.keyword)}
    assert not newer & (words | keywords)


def runs(python: object) -> bool:
    """Whether this is a Python 3.8 that really runs; what a version manager puts on PATH may be none."""
    version = "import sys; sys.exit(sys.version_info[:2] != (3, 8))"
    return (
        bool(python) and not subprocess.run([str(python), "-c", version], capture_output=True, check=False).returncode
    )


OLD = next(filter(runs, [*Path.home().glob(".pyenv/versions/3.8*/bin/python3.8"), shutil.which("python3.8")]), None)


if OLD is not None:  # elsewhere the syntax alone is held to 3.8, above

    def test_the_program_runs_on_python_3_8(tmp_path: Path) -> None:
        program = tmp_path / "cowhand-disk"
        program.write_text(volumes.doing())
        done = subprocess.run([str(OLD), "-W", "error", program, "check-proof", "/dev/none", str(tmp_path)],
                              capture_output=True, text=True, check=False)  # fmt: skip
        assert (done.returncode, done.stderr) == (3, f"not done: /dev/none is not mounted at {tmp_path}\n")
        look = subprocess.run([str(OLD), "-W", "error", "-c", volumes.looking(),
                               json.dumps([{"name": "opt", "ids": [ID], "path": str(tmp_path)}])],
                              capture_output=True, check=True)  # fmt: skip
        assert volumes.parse(look.stdout, "mail").folders[str(tmp_path)].kind == "folder"
