"""Who is in the group of a shared folder could change what runs between the look at it and its start."""

from __future__ import annotations

import errno
import grp
import os
import pwd
import struct
from pathlib import Path
from typing import Any

import pytest

from console.store import trust
from console.store.trust import TrustError, Use
from tests.attacks.conftest import MALLORY, Mallory

SHARED = 64200
"""A group that others are in."""


def use(folder: Path) -> Use:
    """What would run: a file of the folder."""
    return Use("tofu", ("/bin/true",), "because", lines=("a line",), files=(folder / "main.tf",))


@pytest.fixture
def clone(mallory: Mallory) -> Path:
    """A working copy of that user's own."""
    folder = mallory.folder / "clone"
    mallory.does("mkdir clone; echo x > clone/main.tf")
    return folder


@pytest.mark.parametrize("name", ["clone", "clone/main.tf", "."])
def test_what_a_group_can_change_is_not_trusted(name: str, clone: Path, mallory: Mallory) -> None:
    path = mallory.folder / name
    with mallory.acting():
        kept = trust.seal(clone, [use(clone)])
    os.chown(path, MALLORY, SHARED)
    path.chmod(0o2775 if path.is_dir() else 0o664)
    with mallory.acting():
        with pytest.raises(TrustError, match=r"other users can change"):
            trust.seal(clone, [use(clone)])
        assert "other users can change" in trust.doubt_of(kept, use(clone))


@pytest.mark.parametrize("whose", ["a folder of everybody's", "their link in a folder like /tmp"])
def test_a_link_that_another_can_lead_elsewhere_is_no_way_to_what_is_trusted(
    whose: str, mallory: Mallory, top: Path
) -> None:
    for name in ("site", "real", "shared"):
        (top / name).mkdir()
    (top / "real/main.tf").write_text("x\n")
    (top / "shared/link").symlink_to("../real")
    (top / "site/files").symlink_to(top / "shared/link")
    made = Use("tofu", ("/bin/true",), "because", files=(top / "site/files/main.tf",))
    kept = trust.seal(top / "site", [made])
    assert trust.doubt_of(kept, made) == ""
    if whose.startswith("their"):
        os.chown(top / "shared/link", MALLORY, MALLORY, follow_symlinks=False)
    (top / "shared").chmod(0o1777 if whose.startswith("their") else 0o777)
    with pytest.raises(TrustError, match=r"could change what would run|other users can change"):
        trust.seal(top / "site", [made])
    assert trust.doubt_of(kept, made) != ""


@pytest.mark.parametrize("name", ["loop/x", "main.tf/x", "none/x", "long/x"])
def test_a_name_that_leads_nowhere_ends_no_look(name: str, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "main.tf").write_text("x\n")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "long").symlink_to("x/" * 2000)
    assert trust._weak([tmp_path / name, tmp_path / f"{name}x"]) == ""


def test_a_group_of_ones_own_is_nobody_else(clone: Path, mallory: Mallory) -> None:
    clone.chmod(0o2775)
    with mallory.acting():
        assert trust.doubt_of(trust.seal(clone, [use(clone)]), use(clone)) == ""


@pytest.mark.parametrize(
    ("group", "members", "own"),
    [
        ("mallory", [], True),
        ("mallory", ["mallory"], True),
        ("mallory", ["mallory", "eve"], False),
        ("users", [], False),
    ],
)
def test_a_group_is_ones_own_when_it_has_ones_name_and_no_other_member(
    group: str, members: list[str], own: bool, mallory: Mallory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def user(_: int) -> Any:
        return pwd.struct_passwd(("mallory", "x", MALLORY, MALLORY, "", "/", "/bin/sh"))

    monkeypatch.setattr(pwd, "getpwuid", user)
    monkeypatch.setattr(grp, "getgrgid", lambda _: grp.struct_group((group, "x", MALLORY, members)))
    with mallory.acting():
        assert trust._own_group(MALLORY) is own


def test_a_list_that_lets_another_user_in_is_no_group_of_ones_own(clone: Path, mallory: Mallory) -> None:
    """A folder above may have given it: then the group's bits say what the longest entry of the list may."""
    tags = ((1, 7, -1), (2, 7, SHARED), (4, 7, -1), (16, 7, -1), (32, 5, -1))  # owner, one user, group, mask, others
    entries = b"".join(struct.pack("<HHi", *each) for each in tags)
    try:
        os.setxattr(clone, "system.posix_acl_access", struct.pack("<I", 2) + entries)
    except OSError as error:
        if error.errno != errno.ENOTSUP:
            raise
        pytest.skip("this file system has no lists")
    assert clone.stat().st_mode & 0o777 == 0o775
    with mallory.acting(), pytest.raises(TrustError, match=r"other users can change"):
        trust.seal(clone, [use(clone)])
