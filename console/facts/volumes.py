"""What is on the disks of declared volumes, and at the paths they belong to: assets/disk.py, run on their machine.

`lsblk` and udev may not know of a signature; the script asks wipefs, blkid and the disk itself, in one command."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import msgspec
from msgspec import Struct

from console.errors import FileError, HostError
from console.facts.command import explain
from console.hosts.host import Host
from console.text import clean

LOOK = 60.0
"""Seconds the look may take; a disk that sleeps takes a few to wake up."""


class Wanted(Struct, frozen=True):
    """A volume to look for: the by-id names it may have, and the path it belongs to ("": not known)."""

    name: str
    ids: tuple[str, ...]
    path: str


class Disk(Struct, frozen=True):
    """All that is known of one volume's disk; sizes in bytes.

    `device` is "" when no by-id name leads to one disk. `busy` is why it cannot be opened exclusively, "" when it can.
    `wipefs` and `blkid` are exit statuses, None without an answer. `first_data_offset` is where the first byte is that
    samples beyond the first MiB find, -1 when they find none. `bytes` is the size of the file system, `format_mark` the
    UUID that an interrupted format was to give, `entries` how many names are in its top folder, `copying` whether a
    copy was interrupted there."""

    ids: tuple[str, ...] = ()
    device: str = ""
    size: int = 0
    serial: str = ""
    disk: bool = False
    readonly: bool = False
    busy: str = ""
    parts: tuple[str, ...] = ()
    holders: tuple[str, ...] = ()
    mounted: tuple[str, ...] = ()
    wipefs: int | None = None
    signatures: tuple[str, ...] = ()
    blkid: int | None = None
    kind: str = ""
    label: str = ""
    uuid: str = ""
    bytes: int = 0
    zero: bool = False
    first_data_offset: int = -1
    format_mark: str = ""
    twins: tuple[str, ...] = ()
    entries: int = 0
    copying: bool = False


class Folder(Struct, frozen=True):
    """What is at a path: `kind` is "folder", "file", "link" or "none"; `mounted` the device on it; `beneath` further
    mounts inside; `aside` whether the folder as it was is kept beside it; `proof` whether our test file is in it;
    `exposed` why another user could put another folder there, "" when none could."""

    kind: str = "none"
    entries: int = 0
    mounted: str = ""
    proof: bool = False
    aside: bool = False
    beneath: tuple[str, ...] = ()
    exposed: str = ""


class Unit(Struct, frozen=True, rename="pascal"):
    """A unit as systemd shows it; all "" where there is no systemd."""

    load_state: str = ""
    active_state: str = ""
    unit_file_state: str = ""
    need_daemon_reload: str = ""


class DiskReport(Struct, frozen=True):
    """One look. `lacking` are programs that the machine has not got."""

    root: bool
    lacking: tuple[str, ...]
    volumes: dict[str, Disk]
    folders: dict[str, Folder]
    docker: Unit


@lru_cache(maxsize=1)
def script() -> str:
    """What runs on the machine, without its last line."""
    import assets

    return (Path(assets.__file__).parent / "disk.py").read_text(encoding="utf-8")


@lru_cache(maxsize=1)
def looking() -> str:
    """The part of the script that only looks: it travels on a command line, which takes 128 KiB and five times this."""
    return script().partition("\n# ── formatting")[0] + "\n\njson.dump(look(sys.argv[1]), sys.stdout)\n"


def doing() -> str:
    """The script as it is put on the machine, with all its verbs."""
    return script() + '\n\nif __name__ == "__main__":\n    sys.exit(main(sys.argv[1:]))\n'


async def ask(host: Host, wanted: Sequence[Wanted]) -> DiskReport:
    """Look once at all of them; raises `HostError` with the reason when that was not possible.

    Isolated: root imports nothing from the folder where sudo leaves us, the home of who logged in."""
    done = await host.run(["python3", "-Ic", looking(), msgspec.json.encode(wanted).decode()], LOOK)
    if done.status == 127:
        raise FileError(f"python3: not found on {host.name}, where it proves a disk blank; apt-get install python3")
    if done.status:
        raise FileError(explain(host.name, "python3", done))
    said = parse(done.stdout, host.name)
    untold = [each for each in wanted if each.name not in said.volumes or (each.path and each.path not in said.folders)]
    if untold:
        raise HostError(f"{host.name} did not say how {clean(untold[0].name, 60)} is")
    return said


def parse(data: bytes, host: str) -> DiskReport:
    """Read a look; raises `HostError` when it is none."""
    try:
        said = msgspec.json.decode(data, type=DiskReport)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise HostError(f"{host} did not say how its disks are: {clean(str(error), 120)}") from None
    # a label or a serial may hold anything; escaped it can still be compared
    return msgspec.convert(_clean(msgspec.to_builtins(said)), DiskReport)


def _clean(value: object) -> object:
    if isinstance(value, str):
        return clean(value, 400)
    if isinstance(value, dict):
        return {key: _clean(each) for key, each in value.items()}
    return [_clean(each) for each in value] if isinstance(value, list | tuple) else value
