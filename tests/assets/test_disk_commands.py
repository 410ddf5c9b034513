"""How the helper program for disks runs commands, and what it makes of their answers."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from assets import disk


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
