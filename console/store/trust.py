"""What the operator allowed to run on the files of a folder: kept in the state folder, outside of every repository.

git's safe.directory trusts a folder for good, direnv a file with its content. Here a yes is for one folder (its path,
owner, device and inode) and for the content of the files that decide what runs: a pull that brings another program
needs a new yes, and one that changes anything else needs none."""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec
from msgspec import Struct

from console.errors import CowhandError
from console.mask import mask
from console.store.folders import NAME, private, repository, state_folder
from console.store.plain import open_plain
from console.text import clean

FORMAT = "cowhand trust 1"
FOLDER = "trust"

LARGEST = 4 << 20
"""Bytes of one record: each file that was agreed to is a line of it."""

MOST_BYTES = 4 << 30
"""Bytes of all files that are agreed to: a sparse file of any size costs a repository nothing."""

LONGEST = 400
"""Characters of a line that is agreed to: one that is cut off was not seen."""

NOT_TRUSTED = "this folder is not trusted"


class TrustError(CowhandError):
    """No trust can be kept, or given; the text says why."""


class Use(Struct, frozen=True):
    """A program that would run on files of a folder: its command, why it would, and what of the folder it executes.

    A yes is for `lines` (statements that make it run or open something) and for the content of `files`, whether they
    exist or not. `refused` says why it is not run whatever was agreed to; "" when it may be."""

    name: str
    command: tuple[str, ...]
    why: str
    executes: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()
    refused: str = ""


Stamp = tuple[int, int, int, int]


class Sealed(Struct, frozen=True, array_like=True):
    """A file as it was agreed to: the sum of its content, and what changes when anybody writes to it."""

    path: str
    sum: str
    stamp: Stamp


class Agreed(Struct, frozen=True):
    """One program that may run, and the lines and files that this is for."""

    name: str
    command: tuple[str, ...]
    lines: str
    files: tuple[Sealed, ...]


class Trust(Struct, frozen=True):
    """The trust in one folder, since when (Unix seconds), and for which programs."""

    folder: str
    owner: int
    device: int
    inode: int
    since: float
    uses: tuple[Agreed, ...]
    format: str = FORMAT


def unseen(lines: Iterable[str]) -> str:
    """Return why lines that decide what runs cannot be shown as they are, and so not be agreed to; "" when they can."""
    for line in lines:
        if len(clean(line, LONGEST + 1)) > LONGEST:
            return f"a line of it has more than {LONGEST} characters, and nobody would see its end"
        if mask(line) != line:
            return "a line of it looks as if it had a secret, and dots for that would hide what runs"
    return ""


def doubt(folder: Path, make: Callable[[], Use]) -> str:
    """Return why a program may not run on a folder's files, as a part of a sentence; "" when it may.

    `make` is called only when the folder is trusted with anything."""
    try:
        kept = find(folder)
    except TrustError as error:
        return str(error)
    return NOT_TRUSTED if kept is None else _doubt(kept, make())


def doubt_of(kept: Trust | None, use: Use) -> str:
    """Return why a program may not run, by a trust that was found."""
    if kept is None:
        return use.refused or NOT_TRUSTED
    return _doubt(kept, use)


def seal(folder: Path, uses: Sequence[Use]) -> Trust:
    """Return a trust in a folder and its files as they are now, which is not yet kept; raises `TrustError`."""
    real = Path(os.path.realpath(folder))
    try:
        found = real.stat()
    except OSError as error:
        raise TrustError(f"{clean(str(real))}: {(error.strerror or 'it cannot be read').lower()}") from None
    agreed = []
    for use in uses:
        if use.refused or (weak := _weak([real, *use.files])):
            raise TrustError(f"{use.name} is not run here: {use.refused or weak}")
        if sum(_size(path) for path in dict.fromkeys(use.files)) > MOST_BYTES:
            raise TrustError(f"{use.name} is not run here: its files have more than {MOST_BYTES >> 30} GiB")
        files = tuple(_sealed(path) for path in dict.fromkeys(use.files))
        if unread := next((each.path for each in files if not each.sum), None):
            raise TrustError(f"{clean(unread)} cannot be read, and so nobody knows what would run")
        if strange := next((word for word in (*use.command, *(each.path for each in files)) if not _utf8(word)), None):
            raise TrustError(f"the name {clean(strange)} is not UTF-8: rename it")
        agreed.append(Agreed(use.name, use.command, _sum(use.lines), files))
    return Trust(str(real), found.st_uid, found.st_dev, found.st_ino, time.time(), tuple(agreed))


def keep(trust: Trust) -> None:
    """Keep a trust; raises `TrustError`."""
    from console.store import atomic

    path = _place(Path(trust.folder))
    try:
        private(private(state_folder()) / FOLDER)
        atomic.write(path, msgspec.json.encode(trust) + b"\n")
    except OSError as error:
        raise TrustError(f"the trust was not kept: {clean(error.strerror or str(error), 200)}") from None


def revoke(folder: Path) -> bool:
    """Take the trust in a folder back; returns whether there was any. Raises `TrustError` when that is not possible."""
    try:
        _place(Path(os.path.realpath(folder))).unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise TrustError(f"the trust was not taken back: {(error.strerror or 'unknown reason').lower()}") from None
    return True


def find(folder: Path) -> Trust | None:
    """Return the trust in a folder; None when there is none that this user alone has kept. Raises `TrustError`."""
    real = os.path.realpath(folder)
    kept = _read(_place(Path(real)))
    return kept if kept is not None and kept.folder == real else None


def trusts() -> tuple[Trust, ...]:
    """Return every trust that is kept, by the folders' names."""
    with suppress(OSError):
        found = [_read(path) for path in _store().glob("*.json")]
        return tuple(sorted((each for each in found if each is not None), key=lambda each: each.folder))
    return ()


def record(folder: Path) -> Path | None:
    """Return the file in which the trust in a folder is kept, whether it exists or not; None when there can be none."""
    with suppress(TrustError):
        return _place(Path(os.path.realpath(folder)))
    return None


def changes(kept: Trust, agreed: Agreed) -> str:
    """Return why what was agreed to holds no more, from the files that it was for; "" when it holds."""
    return _moved(kept) or next(_changed(agreed, [Path(each.path) for each in agreed.files], kept.folder), "")


# ── where it is kept ────────────────────────────────────────────────────────────────────────────────────────────────


def _store() -> Path:
    from platformdirs import user_state_path

    return Path(user_state_path(NAME)) / FOLDER


def _place(real: Path) -> Path:
    """Return the file for a folder; raises `TrustError` when it would be in the very repository."""
    store, top = _store(), repository(real) or real
    within = Path(os.path.realpath(store))
    if top == within or top in within.parents:
        raise TrustError(f"the state folder {clean(str(store.parent))} is inside of it: set XDG_STATE_HOME elsewhere")
    return store / f"{hashlib.sha256(os.fsencode(real)).hexdigest()[:32]}.json"


def _read(path: Path) -> Trust | None:
    """Return a record; None when there is none, or when another user could have written it."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    with os.fdopen(handle, "rb") as file:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
            return None
        try:
            private(private(path.parent.parent) / FOLDER)
            kept = msgspec.json.decode(file.read(LARGEST), type=Trust)
        except (OSError, msgspec.MsgspecError):
            return None
    return kept if kept.format == FORMAT else None


# ── whether it holds ────────────────────────────────────────────────────────────────────────────────────────────────


def _doubt(kept: Trust, use: Use) -> str:
    if why := _moved(kept) or use.refused:
        return why
    agreed = next((each for each in kept.uses if each.command == use.command), None)
    if agreed is None:
        return f"this folder is not trusted with {use.name}"
    if agreed.lines != _sum(use.lines):
        return "what it would run has changed since this folder was trusted"
    return next(_changed(agreed, use.files, kept.folder), "") or _weak([Path(kept.folder), *use.files])


def _moved(kept: Trust) -> str:
    try:
        found = os.stat(kept.folder)  # noqa: PTH116
    except OSError:
        return "it is not there any more"
    same = (found.st_uid, found.st_dev, found.st_ino) == (kept.owner, kept.device, kept.inode)
    return "" if same else "this is not the folder that was trusted"


def _changed(agreed: Agreed, files: Sequence[Path], folder: str) -> Iterator[str]:
    """Yield a sentence for each file that is not as it was agreed to: new, gone, or of another content."""
    known = {each.path: each for each in agreed.files}
    now = {str(path): path for path in files}
    for name in sorted(known.keys() | now.keys(), key=lambda name: ((name in known) != (name in now), name)):
        before, path = known.get(name), now.get(name)
        if before is None or path is None or not _same(before, path):
            yield f"{shown(name, folder)} has changed since this folder was trusted"


def _same(before: Sealed, path: Path) -> bool:
    try:
        now = _stamp(path.stat())
    except OSError:
        return before.sum == ABSENT and not os.path.lexists(path)
    if now == before.stamp:
        return True
    return now[0] == before.stamp[0] and _sealed(path).sum == before.sum


def _utf8(text: str) -> bool:
    """Whether a name can be kept in a record: one that is no text has surrogates for its bytes."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


ABSENT = "absent"


def _sealed(path: Path) -> Sealed:
    """Return a file's sum, ABSENT, or "" for what is no plain file or cannot be read."""
    try:
        handle = open_plain(path)
    except OSError:
        return Sealed(str(path), "" if os.path.lexists(path) else ABSENT, (0, 0, 0, 0))
    with os.fdopen(handle, "rb") as file:
        found = os.fstat(handle)
        return Sealed(str(path), hashlib.file_digest(file, "sha256").hexdigest(), _stamp(found))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # it is not there, or cannot be read: that is said where it is read
        return 0


def _stamp(found: os.stat_result) -> Stamp:
    """What changes with every write: nobody can set back the time of a change (ctime)."""
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


def _sum(lines: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def _weak(paths: Sequence[Path]) -> str:
    """Say which of these files, or the folders and links on the way, another user could change; "" when none."""
    seen: set[Path] = set()
    folders: dict[Path, list[Path]] = {}  # thousands of files have a few
    for real in (end for path in paths for end in _ends_by(folders, path)):
        for number, each in enumerate((real, *real.parents)):
            if each in seen:
                break
            seen.add(each)
            try:
                if why := _others(each, each.lstat(), number > 0):
                    return why
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                return f"{clean(str(each))} cannot be looked at ({(error.strerror or 'unknown reason').lower()})"
    return ""


def _ends_by(folders: dict[Path, list[Path]], path: Path) -> list[Path]:
    """Return what `_ends` yields, with what is known of folders."""
    if path.name in ("", "..") or path.is_symlink():
        return [*_ends(path)]
    above = folders.get(path.parent)
    if above is None:
        above = folders[path.parent] = [*_ends(path.parent)]
    return above if above[-1].is_symlink() else [*above, above[-1] / path.name]  # too many links lead nowhere


def _ends(path: Path) -> Iterator[Path]:
    """Yield each link on the way to a file, and the file: their places, without links on the way there.

    Who can change the folder of a link can have it lead elsewhere, after one looked."""
    from console.store.safe_folder import MOST_LINKS, parts

    here, todo, links = "/", parts(os.path.join(os.getcwd(), path)), 0  # noqa: PTH109, PTH118
    while todo:
        part = todo.pop()
        if part == "..":
            here = os.path.dirname(here)  # noqa: PTH120
            continue
        each = os.path.join(here, part)  # noqa: PTH118
        try:
            led = os.readlink(each)  # noqa: PTH115
        except OSError:  # no link, or not there
            here = each
            continue
        links += 1
        if links > MOST_LINKS:
            return
        yield Path(each)
        here = "/" if led.startswith("/") else here
        todo += parts(led)
    yield Path(here)


def _own_group(gid: int) -> bool:
    """Whether a group is this user's alone, as Debian makes one for each: who is in another may write, too."""
    import grp
    import pwd

    if os.geteuid() == 0:
        return False
    try:
        user, group = pwd.getpwuid(os.geteuid()), grp.getgrgid(gid)
    except KeyError:
        return gid == os.getegid() == os.geteuid()  # an account without a name: the two numbers are its own
    return gid == user.pw_gid and group.gr_name == user.pw_name and {*group.gr_mem} <= {user.pw_name}


def _listed(path: Path) -> bool:
    """Whether a list of its own says who may change a file: the group's bits are then what the longest of them may."""
    try:
        return bool(os.getxattr(path, "system.posix_acl_access"))
    except (OSError, AttributeError):  # it has none, or this system tells of none
        return False


def _others(path: Path, found: os.stat_result, above: bool) -> str:
    if found.st_uid not in (0, os.geteuid()):
        from console.store.safe_folder import user_name

        return f"{clean(str(path))} belongs to {user_name(found.st_uid)}, who could change what would run"
    if stat.S_ISLNK(found.st_mode):  # anybody may "write" to one, which nothing does: its folder is what counts
        return ""
    loose = found.st_mode & (0o002 if _own_group(found.st_gid) and not _listed(path) else 0o022)
    if loose and not (above and found.st_mode & stat.S_ISVTX):
        return f"other users can change {clean(str(path))} (mode {stat.S_IMODE(found.st_mode):04o})"
    return ""


def shown(path: str, folder: str) -> str:
    """Return a path as it is shown: from the folder it is in, when it is in it."""
    return clean(path.removeprefix(f"{folder.rstrip('/')}/"), LONGEST + 1)
