"""What the look tells of the folders that volumes are for, and of the unit that starts Docker."""

from __future__ import annotations

from pathlib import Path

import pytest

from assets import disk
from tests.assets.plain_disk import NUMBER, PlainDisk
from tests.assets.test_disk_look import describe


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
