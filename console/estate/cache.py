"""The estate as last read, for the first paint: used only when none of its files has changed since.

Parsing HCL and YAML takes longer than Textual takes to start. The engine then reads the files, and its estate replaces
this one."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable
from pathlib import Path

import msgspec
from msgspec import Struct

from console.errors import InputError
from console.events import EstateRead
from console.model import Finding, Topology

FORMAT = "cowhand 5"

ABSENT = (0, 0, 0)
"""The stamp of a file that does not exist."""


class _Cached(Struct, frozen=True, array_like=True):
    format: str
    site: str
    stamps: tuple[tuple[str, int, int, int], ...]
    title: str
    topology: Topology
    findings: tuple[Finding, ...]
    problems: tuple[tuple[str, int, int, str], ...]
    warnings: tuple[tuple[str, int, int, str], ...]


def read(site: Path) -> EstateRead | None:
    """Return what was read of this site last time, without the texts of its files, which may hold secrets.

    None when nothing is cached, a file changed, or TF_VAR_* is set."""
    if _given():
        return None
    path = _place(site)
    try:
        cached = msgspec.msgpack.decode(path.read_bytes(), type=_Cached) if path else None
    except (OSError, msgspec.MsgspecError):
        return None
    if cached is None or (cached.format, cached.site) != (FORMAT, str(site.absolute())):
        return None
    if any((stamp(Path(path)) or ABSENT) != tuple(rest) for path, *rest in cached.stamps):
        return None
    problems, warnings = (tuple(InputError(*each) for each in told) for told in (cached.problems, cached.warnings))
    return EstateRead(cached.title, cached.topology, cached.findings, problems, {}, warnings=warnings)


def write(site: Path, read: EstateRead, beside: Iterable[str] = ()) -> None:
    """Write an estate to the private cache folder; errors are ignored.

    `beside` are the paths of further files that the estate depends on, whether they exist or not."""
    from console.store import atomic

    # Values of TF_VAR_* may be secrets: neither they nor a hash of them may be written.
    path = None if _given() else _place(site)
    if path is None:
        return
    files = [site.absolute(), *(site.absolute().parent / name for name in read.texts), *map(Path, beside)]
    stamps = tuple((str(file), *(stamp(file) or ABSENT)) for file in files)
    problems, warnings = (
        tuple((each.file, each.line, each.column, each.problem) for each in told)
        for told in (read.problems, read.warnings)
    )
    known = read.topology, read.findings, problems, warnings
    cached = _Cached(FORMAT, str(site.absolute()), stamps, read.title, *known)
    try:
        atomic.sweep(path.parent)
        atomic.write(path, msgspec.msgpack.encode(cached))
    except (OSError, UnicodeEncodeError):
        return


def stamp(file: Path) -> tuple[int, int, int] | None:
    """Return what identifies a version of a file; None when it does not exist."""
    try:
        return version(file.stat())
    except OSError:
        return None


def version(found: os.stat_result) -> tuple[int, int, int]:
    """Return time of change (ns), size and inode: that time nobody sets back, as tar and touch do the other."""
    return found.st_ctime_ns, found.st_size, found.st_ino


def _given() -> bool:
    """Return whether the environment sets variables of OpenTofu."""
    return any(name.startswith("TF_VAR_") for name in os.environ)


def _place(site: Path) -> Path | None:
    from console.store.folders import cache_folder

    folder = cache_folder()
    name = zlib.crc32(os.fsencode(site.absolute()))
    return folder / f"estate-{name:08x}.msgpack" if folder else None
