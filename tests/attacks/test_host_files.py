"""Another user of a host tries to turn a write of ours against root: links, swaps, shared folders, what is no file.

The script of `Host.write` runs for real, in each shell that a host may have as its sh, as root and through sudo."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

import pytest

from console.errors import Changed, FileError
from console.hosts.host import ABSENT
from console.hosts.local import Local
from tests.attacks.conftest import MALLORY, Mallory
from tests.attacks.host_shells import Shell, folder, host, names

__all__ = ["folder", "host"]


# ── what an honest write does ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("sudo", [False, True])
async def test_owner_and_mode_are_kept_and_set_and_the_version_before_stays_beside(
    sudo: bool, host: Shell, folder: Path
) -> None:
    host.sudo = sudo
    file = folder / "it's a \\n file"
    await host.write(str(file), b"one\0\n" * 30000, 0o640, ABSENT)
    assert (file.stat().st_uid, file.stat().st_gid, file.stat().st_mode & 0o7777) == (0, 0, 0o640)
    os.chown(file, 1234, 1235)
    await host.write(str(file), b"two", 0o4755, b"one\0\n" * 30000)
    assert (file.stat().st_uid, file.stat().st_gid, file.stat().st_mode & 0o7777) == (1234, 1235, 0o4755)
    kept = folder / f"{file.name}.previous"
    assert kept.read_bytes() == b"one\0\n" * 30000
    assert (kept.stat().st_uid, kept.stat().st_mode & 0o7777) == (1234, 0o640)
    await host.write(str(file), b"two", 0o600)
    assert file.stat().st_mode & 0o7777 == 0o600
    assert kept.read_bytes() == b"one\0\n" * 30000, "what is written twice is no version before"
    assert names(folder) == [file.name, kept.name]


async def test_a_draft_is_closed_to_others_until_it_has_its_owner_and_mode(host: Shell, folder: Path) -> None:
    modes: list[int] = []
    host.act = lambda: modes.extend(path.stat().st_mode & 0o7777 for path in folder.glob(".cowhand.*"))
    await host.write(str(folder / "file"), b"secret", 0o644)
    assert modes == [0o600]


async def test_a_relative_path_starts_where_the_command_does(host: Shell, folder: Path) -> None:
    file = os.path.relpath(folder / "file", "/")  # a local tool starts there
    await host.write(file, b"new")
    assert (folder / "file").read_bytes() == b"new"


async def test_roots_own_links_are_followed_one_step_at_a_time(host: Shell, folder: Path) -> None:
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "a" / "b" / "file").write_text("old")
    (folder / "one").symlink_to("a/b/")
    (folder / "two").symlink_to(folder / "one" / ".." / "b" / "." / "file")
    await host.write(str(folder / "two"), b"new")
    assert (folder / "two").is_symlink() and (folder / "a" / "b" / "file").read_text() == "new"
    assert names(folder / "a" / "b") == ["file", "file.previous"]


@pytest.mark.parametrize("place", ["opt/data/conf/dovecot", "opt/data/assets/ssl"])
async def test_a_link_that_root_of_a_container_lays_is_not_written_through(
    place: str, host: Shell, folder: Path
) -> None:
    (folder / place).mkdir(parents=True)
    precious = folder / "precious"
    precious.write_text("precious\n")
    (folder / place / "extra.conf").symlink_to(precious)
    with pytest.raises(FileError, match="is a link, and root of a container may have laid it"):
        await host.write(str(folder / place / "extra.conf"), b"ours\n", 0o644)
    (folder / "opt/data").rename(folder / "moved")
    (folder / "opt/data").symlink_to(folder / "moved")  # root's own, above what is mounted
    with pytest.raises(FileError, match="is a link, and root of a container may have laid it"):
        await host.write(str(folder / place / "extra.conf"), b"ours\n", 0o644)
    assert precious.read_text() == "precious\n"
    await host.write(str(folder / place / "other.conf"), b"ours\n", 0o644)


@pytest.mark.parametrize("kind", ["pipe", "device"])
async def test_a_device_that_root_of_a_container_leads_to_is_not_opened_to_be_read(
    kind: str, host: Shell, folder: Path
) -> None:
    """A watchdog restarts the host when it was opened once; a pipe would be waited for."""
    place, there = folder / "opt/data/conf/dovecot", folder / "there"
    place.mkdir(parents=True)
    os.mkfifo(there) if kind == "pipe" else os.mknod(there, 0o20666, os.makedev(1, 3))
    (place / "extra.conf").symlink_to(there)
    with pytest.raises(FileError, match=r"extra\.conf on vps cannot be read: it is not a plain file"):
        await host.read(str(place / "extra.conf"))
    (place / "other.conf").write_text("ours\n")
    assert await Local("vps").read(str(place / "other.conf")) == b"ours\n"


async def test_a_file_of_many_terabytes_is_not_read_to_its_end_under_the_lock(host: Shell, folder: Path) -> None:
    place = folder / "opt/data/conf/dovecot"
    place.mkdir(parents=True)
    with (place / "extra.conf").open("w") as file:
        file.truncate(8 << 40)
    with pytest.raises(Changed):
        await host.write(str(place / "extra.conf"), b"ours\n", 0o644, b"old\n")
    await host.write(str(place / "extra.conf"), b"ours\n", 0o644)
    assert names(place) == ["extra.conf", "extra.conf.previous"]
    assert (place / "extra.conf").read_bytes() == b"ours\n"


@pytest.mark.parametrize("tool", ["ln", "mv"])
async def test_nothing_is_put_into_a_folder_that_root_of_a_container_leads_to(
    tool: str, host: Shell, folder: Path
) -> None:
    """Its own file would be a file of the host's there, of a name that modprobe, apt and systemd read."""
    place, there = folder / "opt/data/conf/dovecot", folder / "modprobe.d"
    place.mkdir(parents=True)
    there.mkdir()
    (place / "extra.conf").write_text("install ext4 /bin/true\n")
    names_ = "extra.conf.previous" if tool == "ln" else "extra.conf.previous extra.conf"
    host.before(tool, f"cd {place}; for each in {names_}; do {shutil.which('ln')} -sfn {there} $each; done")
    with suppress(FileError):
        await host.write(str(place / "extra.conf"), b"ours\n", 0o644)
    assert names(there) == []
    assert names(place) == ["extra.conf", "extra.conf.previous"]


@pytest.mark.parametrize(("links", "ends"), [(40, True), (41, False)])
async def test_forty_links_are_followed_as_linux_does(links: int, ends: bool, host: Shell, folder: Path) -> None:
    (folder / "0").write_text("old")
    for number in range(links):
        (folder / str(number + 1)).symlink_to(str(number))
    if ends:
        await host.write(str(folder / str(links)), b"new")
    else:
        with pytest.raises(FileError, match="was not written: Too many levels of symbolic links"):
            await host.write(str(folder / str(links)), b"new")
    assert (folder / "0").read_text() == ("new" if ends else "old")


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("none/file", "there is no folder {}/none"),
        ("plain/file", "{}/plain is no folder that can be entered"),
        ("folder", "it is a folder"),
        ("folder/.", "it is a folder"),
        ("folder//", "it is a folder"),
        ("folder/..", "it is a folder"),
        ("lost", "there is no folder {}/none"),
    ],
)
async def test_a_path_that_cannot_be_written_is_said(path: str, why: str, host: Shell, folder: Path) -> None:
    (folder / "folder").mkdir()
    (folder / "plain").touch()
    (folder / "lost").symlink_to("none/file")
    with pytest.raises(FileError) as raised:
        await host.write(f"{folder}/{path}", b"new")
    assert str(raised.value) == f"{folder}/{path} on vps was not written: {why.format(folder)}"
    assert names(folder) == ["folder", "lost", "plain"] and not names(folder / "folder")


# ── links, swaps and what is no file (B9) ───────────────────────────────────────────────────────────────────────────


async def test_in_the_folder_of_another_user_root_writes_nothing(host: Shell, mallory: Mallory) -> None:
    def swap() -> None:
        mallory.does('for draft in .cowhand.*; do rm -f "$draft"; ln -s "$1" "$draft"; done', mallory.precious)

    mallory.does("echo old > file")
    host.act = swap
    with pytest.raises(FileError) as raised:
        await host.write(str(mallory.folder / "file"), b"new", 0o666)
    mallory.check_precious()
    assert (mallory.folder / "file").read_text() == "old\n" and names(mallory.folder) == ["file"]
    assert str(raised.value).endswith(
        f"was not written: {mallory.folder} belongs to UNKNOWN, who could redirect what is written there"
    )


@pytest.mark.parametrize("tool", ["sync", "sha256sum", "chmod", "ln", "mv"])
async def test_a_draft_that_is_swapped_for_a_link_leaves_what_it_points_at_alone(
    tool: str, host: Shell, folder: Path, mallory: Mallory
) -> None:
    mallory.owns(folder / "file")
    host.before(
        tool,
        f'cd {folder}; for draft in .cowhand.*; do [ -f "$draft" ] || continue; rm "$draft"; '
        f'ln -s {mallory.precious} "$draft"; done',
    )
    with suppress(FileError):
        await host.write(str(folder / "file"), b"new", 0o666)
    mallory.check_precious()


async def test_a_link_at_the_kept_version_is_replaced_and_not_followed(
    host: Shell, folder: Path, mallory: Mallory
) -> None:
    (folder / "file").write_text("old")
    for target in (mallory.precious, mallory.precious.parent, folder / "file", folder / "none"):
        (folder / "file.previous").unlink(missing_ok=True)
        (folder / "file.previous").symlink_to(target)
        before = (folder / "file").read_bytes()
        await host.write(str(folder / "file"), before + b"+", 0o644, before)
        assert not (folder / "file.previous").is_symlink() and (folder / "file.previous").read_bytes() == before
    mallory.check_precious()
    assert names(mallory.precious.parent) == ["precious"]
    assert names(folder) == ["file", "file.previous"]


async def test_a_folder_at_the_kept_version_is_not_written_in(host: Shell, folder: Path) -> None:
    (folder / "file").write_text("old")
    (folder / "file.previous").mkdir()
    with pytest.raises(FileError, match="was not written"):
        await host.write(str(folder / "file"), b"new")
    assert (folder / "file").read_text() == "old"
    assert names(folder) == ["file", "file.previous"] and not names(folder / "file.previous")


@pytest.mark.parametrize("name", ["link", "folder/precious", "folder/../root/precious"])
async def test_a_link_of_another_user_is_not_followed_by_root(
    name: str, host: Shell, mallory: Mallory, top: Path
) -> None:
    sticky = top / "sticky"
    sticky.mkdir()
    sticky.chmod(0o1777)
    mallory.does('ln -s "$2" "$1/link"; ln -s "${2%/*}" "$1/folder"', sticky, mallory.precious)
    for place in (sticky, mallory.folder):
        if place is mallory.folder:
            mallory.does('ln -s "$1" link; ln -s "${1%/*}" folder', mallory.precious)
        with pytest.raises(FileError, match="belongs to UNKNOWN, who could redirect"):
            await host.write(str(place / name), b"new")
    mallory.check_precious()
    assert names(mallory.precious.parent) == ["precious"]


@pytest.mark.parametrize(
    ("mode", "who"),
    [
        (0o777, "everybody"),
        (0o1777, "everybody"),
        (0o757, "everybody"),
        (0o702, "everybody"),
        (0o775, "group UNKNOWN"),
        (0o720, "group UNKNOWN"),
        (0o3775, "group UNKNOWN"),
    ],
)
async def test_root_writes_in_no_folder_that_others_can_change(
    mode: int, who: str, host: Shell, folder: Path, mallory: Mallory
) -> None:
    os.chown(folder, 0, MALLORY if mode & 0o020 else 0)
    folder.chmod(mode)
    with pytest.raises(FileError) as raised:
        await host.write(str(folder / "file"), b"new")
    said = f"{who} can change {folder} (mode {mode:o}), and so what is written there"
    assert str(raised.value) == f"{folder}/file on vps was not written: {said}"
    assert not names(folder)


@pytest.mark.parametrize(
    ("mode", "taken"), [(0o1777, True), (0o1775, True), (0o3770, True), (0o777, False), (0o775, False), (0o2775, False)]
)
async def test_a_parent_that_others_can_change_is_passed_only_when_it_is_sticky(
    mode: int, taken: bool, host: Shell, folder: Path
) -> None:
    (folder / "inner").mkdir()
    folder.chmod(mode)
    if taken:
        await host.write(str(folder / "inner" / "file"), b"new")
    else:
        with pytest.raises(FileError, match=r"can change .*/etc \(mode"):
            await host.write(str(folder / "inner" / "file"), b"new")
    assert (folder / "inner" / "file").exists() is taken


async def test_a_parent_of_another_user_is_not_passed_by_root(host: Shell, mallory: Mallory) -> None:
    (mallory.folder / "roots").mkdir()
    with pytest.raises(FileError, match="mallory belongs to UNKNOWN"):
        await host.write(str(mallory.folder / "roots" / "file"), b"new")
    assert not names(mallory.folder / "roots")


@pytest.mark.parametrize("kind", ["fifo", "device", "socket"])
async def test_what_is_no_plain_file_is_neither_opened_nor_replaced(kind: str, host: Shell, folder: Path) -> None:
    path = folder / "file"
    {
        "fifo": lambda: os.mkfifo(path),
        "device": lambda: os.mknod(path, 0o20666, os.makedev(1, 3)),
        "socket": lambda: os.mknod(path, 0o140666),
    }[kind]()
    before = path.stat()
    with pytest.raises(FileError, match="was not written: it is not a plain file"):
        await host.write(str(path), b"new")
    assert path.stat().st_ino == before.st_ino and names(folder) == ["file"]


@pytest.mark.parametrize("kind", ["link", "folder", "fifo"])
async def test_a_name_that_is_swapped_while_the_content_is_sent_is_not_written_through(
    kind: str, host: Shell, folder: Path, mallory: Mallory
) -> None:
    file = folder / "file"
    file.write_text("old")

    def swap() -> None:
        file.unlink()
        {
            "link": lambda: file.symlink_to(mallory.precious),
            "folder": file.mkdir,
            "fifo": lambda: os.mkfifo(file),
        }[kind]()

    host.act = swap
    with pytest.raises(FileError, match="it is a folder" if kind == "folder" else "it is not a plain file"):
        await host.write(str(file), b"new")
    mallory.check_precious()
    assert names(folder) == ["file"]


async def test_a_folder_that_is_swapped_while_the_content_is_sent_does_not_take_the_write_elsewhere(
    host: Shell, folder: Path, mallory: Mallory, top: Path
) -> None:
    (folder / "precious").write_text("old")

    def swap() -> None:
        folder.rename(top / "moved")
        folder.symlink_to(mallory.precious.parent)

    host.act = swap
    await host.write(str(folder / "precious"), b"new", 0o644, b"old")
    mallory.check_precious()
    assert names(mallory.precious.parent) == ["precious"]
    assert (top / "moved" / "precious").read_text() == "new"
    assert (top / "moved" / "precious.previous").read_text() == "old"


async def test_a_hard_link_to_a_file_of_roots_is_replaced_by_name_and_its_other_name_keeps_everything(
    host: Shell, folder: Path, mallory: Mallory
) -> None:
    os.link(mallory.precious, folder / "file")
    await host.write(str(folder / "file"), b"new", 0o666)
    mallory.check_precious()


@pytest.mark.parametrize(("mode", "link"), [(0o755, False), (0o770, False), (0o700, True)])
async def test_locks_that_others_can_reach_are_not_used(mode: int, link: bool, host: Shell, folder: Path) -> None:
    host.locks.chmod(mode)
    if link:
        host.locks.rename(host.locks.with_name("other"))
        host.locks.symlink_to("other")
    with pytest.raises(FileError, match=r"run is not a folder of root alone \(mode 0700\)"):
        await host.write(str(folder / "file"), b"new")
    assert not names(folder)


async def test_a_tool_that_is_not_there_is_said(host: Shell, folder: Path) -> None:
    tools = ("id", "stat", "rm", "cat", "sync", "readlink", "mkdir", "sha256sum", "chmod", "env", "sudo")
    for tool in tools:
        (host.bin / tool).symlink_to(str(shutil.which(tool)))
    host.shell = [str(shutil.which(host.shell[0])), *host.shell[1:]]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(host.bin))
        with pytest.raises(FileError, match=r"was not written: there is no flock there \(of util-linux\)"):
            await host.write(str(folder / "file"), b"new")
    assert not names(folder)
