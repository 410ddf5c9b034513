"""The journal: every change is on disk before and after it is made. One file of JSON lines a run, one lock a site.

A run that has an intent without a result was interrupted. The journal is for people and never steers a flow: the state
of a flow is what its checks find on the hosts."""

from __future__ import annotations

import errno
import fcntl
import getpass
import hashlib
import os
import re
import shlex
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from console.errors import CowhandError
from console.store import atomic
from console.text import clean

FOLDER = "journal"
LOCK = "lock"
SUFFIX = ".jsonl"


class JournalError(CowhandError):
    """The journal cannot be written or read; nothing is changed without one."""


class SiteLocked(CowhandError):
    """Another console runs a flow on this site; the text says which."""


class Holder(Struct, frozen=True):
    """The holder of a site's lock: process, user, machine, since when (Unix seconds), and for which flow."""

    pid: int
    user: str
    host: str
    since: float
    flow: str

    def __str__(self) -> str:
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.since))
        return (
            f"{clean(self.flow, 60)} runs already: process {self.pid} of {clean(self.user, 40)} on "
            f"{clean(self.host, 60)}, since {when}"
        )


class Entry(Struct, frozen=True):
    """One line of a journal: its kind, its time (Unix seconds), and the rest."""

    at: float
    kind: str
    data: dict[str, Any] = {}


class Record(Struct, frozen=True):
    """One run as its file tells it. `state` is how it ended, "interrupted" when it did not, "running" while it does.

    `open` is the last change that was begun and of whose end nothing is known, `unsettled` are all of them; `undo` is
    the run that this one took back; `torn` says that the last line is not whole."""

    run: str
    flow: str
    site: str
    began: float
    ended: float
    state: str
    open: dict[str, Any] | None
    torn: bool
    entries: tuple[Entry, ...]
    undo: str = ""
    unsettled: tuple[dict[str, Any], ...] = ()


class Carried(Struct, frozen=True):
    """What earlier runs left open: (flow, step) of what was changed and not proven, and changes that may still run."""

    unproven: frozenset[tuple[str, str]] = frozenset()
    open: tuple[dict[str, Any], ...] = ()
    answers: dict[str, str] = {}
    """What was answered last, by its key; secrets are never kept."""


def place(site: Path, lab: bool = False) -> Path:
    """Return the private folder of a site's journals, made when missing; raises `JournalError`."""
    from console.store.folders import private, private_for, state_folder

    resolved = os.path.realpath(site)
    which = os.environ.get("COWHAND_LAB", "") if lab else ""
    word = re.sub(r"[^A-Za-z0-9._-]+", "-", "lab" if lab else Path(resolved).parent.name).strip("-.")[:40] or "site"
    try:
        return private_for(private(state_folder() / FOLDER), word, os.fsencode(resolved + which))
    except OSError as error:
        raise JournalError(f"no journal can be kept: {clean(str(error), 200)}") from None


class Lock:
    """A site's lock: held by one console at a time, and gone with its process however that ends.

    What is locked is the folder of the journals; the file in it only tells who holds it, and may be removed."""

    def __init__(self, folder: Path, flow: str) -> None:
        self.folder, self.path = folder, folder / LOCK
        self.holder = Holder(os.getpid(), _user(), socket.gethostname(), time.time(), flow)
        self._handle = -1

    def __enter__(self) -> Lock:
        """Take it; raises `SiteLocked` when another console has it, or `JournalError`."""
        try:
            handle = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError as error:
            raise JournalError(f"{self.folder} cannot be used: {_why(error)}") from None
        try:
            self._take(handle)
        except BaseException:
            os.close(handle)
            raise
        self._handle = handle
        with suppress(OSError):  # who holds it is a courtesy; that it is held is not
            self.path.unlink(missing_ok=True)
            atomic.write(self.path, msgspec.json.encode(self.holder) + b"\n")
        return self

    def __exit__(self, *_: object) -> None:
        """Let go."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def _take(self, handle: int) -> None:
        for last in (*[False] * 5, True):
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if last:
                    raise SiteLocked(_held(_told(self.folder))) from None
            except OSError as error:
                why = f"{_why(error)}; set XDG_STATE_HOME to a folder on a local disk"  # NFS locks no folder
                raise JournalError(f"{self.folder} cannot be locked: {why}") from None
            time.sleep(0.03)  # somebody who lists the runs looks at the lock for a moment


def _told(folder: Path) -> bytes:
    """What the holder of a site's lock says of itself; b"" when that cannot be read."""
    try:
        handle = os.open(folder / LOCK, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return b""
    try:
        return os.pread(handle, 4096, 0)
    except OSError:
        return b""
    finally:
        os.close(handle)


def _held(said: bytes) -> str:
    try:
        return str(msgspec.json.decode(said, type=Holder))
    except msgspec.MsgspecError:
        return "another console runs a flow on this site"


class Journal:
    """One run's file, open for appending; `redact` takes secrets out of every text before it is written."""

    def __init__(self, folder: Path, redact: Callable[[str], str] = lambda text: text) -> None:
        self.redact = redact
        now = time.time()
        self.run = f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime(now))}-{int(now % 1 * 1e6):06d}"
        self.path = folder / f"{self.run}{SUFFIX}"
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            self._handle = os.open(self.path, flags, 0o600)
            _sync(folder)
        except OSError as error:
            raise JournalError(f"no journal can be kept: {self.path}: {_why(error)}") from None

    def write(self, kind: str, **data: object) -> None:
        """Append one line and wait until it is on disk; raises `JournalError`: then nothing may be changed."""
        safe = {key: self._clean(value) for key, value in data.items() if value not in (None, "", (), [])}
        line = msgspec.json.encode({"at": round(time.time(), 3), "kind": kind, **safe}) + b"\n"
        try:
            left = line
            while left:
                left = left[os.write(self._handle, left) :]
            os.fsync(self._handle)
            if not os.fstat(self._handle).st_nlink:
                raise FileNotFoundError(errno.ENOENT, "it was removed")
        except OSError as error:
            raise JournalError(f"the journal {self.path} cannot be written: {_why(error)}") from None

    def close(self) -> None:
        """Close the file; may be called twice."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def _command(self, words: list[str]) -> list[str]:
        """Return a command with dots for the words that are hidden in it as a whole, such as one behind --password."""
        from console.mask import DOTS
        from console.masking.found import LONGEST

        said = shlex.join(words)
        shown = self.redact(said) if len(said) <= LONGEST else said
        return [each if each in shown or shlex.quote(each) in shown else DOTS for each in words]

    def _clean(self, value: object) -> object:
        if isinstance(value, str):
            return self.redact(value)
        if isinstance(value, bool | int | float) or value is None:
            return value
        if isinstance(value, dict):
            return {self.redact(str(key)): self._clean(inner) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            words = [each for each in value if isinstance(each, str)]
            return [self._clean(each) for each in (self._command(words) if len(words) == len(value) else value)]
        return self._clean(msgspec.to_builtins(value))


class NullJournal(Journal):
    """The journal of a dry run: nothing is written."""

    def __init__(self) -> None:
        self.run = "dry"
        self._handle = -1

    def write(self, kind: str, **data: object) -> None:
        """Nothing."""


def runs(folder: Path, most: int | None = None) -> tuple[Record, ...]:
    """Return at most `most` runs of a site, the latest first."""
    paths = sorted(folder.glob(f"*{SUFFIX}"), key=lambda path: path.name, reverse=True)
    return tuple(read(path) for path in paths[:most])


def find(folder: Path, run: str) -> Record:
    """Return a run by its name or an unambiguous beginning of it; "last" is the latest. Raises `JournalError`."""
    names = sorted(path.stem for path in folder.glob(f"*{SUFFIX}"))
    found = names[-1:] if run == "last" else [name for name in names if name.startswith(run)]
    if run in found:
        found = [run]
    if len(found) != 1:
        raise JournalError(
            f'{len(found)} runs begin with "{clean(run, 40)}"' if found else f'there is no run "{clean(run, 40)}"'
        )
    return read(folder / f"{found[0]}{SUFFIX}")


def read(path: Path) -> Record:
    """Read one run; an incomplete last line is skipped and reported as `torn`. Raises `JournalError`."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise JournalError(f"{path} cannot be read: {_why(error)}") from None
    lines = data.split(b"\n")
    torn = bool(lines.pop())
    entries: list[Entry] = []
    for line in lines:
        try:
            fields = msgspec.json.decode(line, type=dict[str, Any])
            entries.append(Entry(float(fields.pop("at")), str(fields.pop("kind")), fields))
        except (msgspec.MsgspecError, KeyError, TypeError, ValueError):
            torn = True
    return _record(path, tuple(entries), torn)


def _record(path: Path, entries: tuple[Entry, ...], torn: bool) -> Record:
    first = entries[0] if entries and entries[0].kind == "began" else None
    last = entries[-1] if entries else None
    ended = last is not None and last.kind == "ended"
    state = str(last.data.get("outcome", "")) if ended and last else "running" if _alive(path, first) else "interrupted"
    pending = _pending(path.stem, entries)
    return Record(
        path.stem,
        str(first.data.get("flow", "")) if first else "",
        str(first.data.get("site", "")) if first else "",
        first.at if first else 0.0,
        last.at if ended and last else 0.0,
        state,
        pending[-1] if pending else None,
        torn,
        entries,
        str(first.data.get("undo", "")) if first else "",
        tuple(pending),
    )


def _pending(run: str, entries: tuple[Entry, ...]) -> list[dict[str, Any]]:
    """The changes without a result, or with one that does not say whether they have ended."""
    pending: dict[str, dict[str, Any]] = {}
    for entry in entries:
        mark = str(entry.data.get("mark", ""))
        if entry.kind == "do":
            pending[mark] = {"at": entry.at, "run": run, **entry.data}
        elif entry.kind == "settled" or (entry.kind == "did" and not entry.data.get("unsure")):
            pending.pop(mark, None)
    return list(pending.values())


def carried(folder: Path) -> Carried:
    """What the runs of a site have left open. Each run carries on what was open before it, so that few are read."""
    records: list[Record] = []
    for path in sorted(folder.glob(f"*{SUFFIX}"), key=lambda path: path.name, reverse=True):
        records.insert(0, read(path))
        if records[0].entries and records[0].entries[0].data.get("carries"):
            break
    unproven: set[tuple[str, str]] = set()
    open: dict[str, dict[str, Any]] = {}
    answers: dict[str, str] = {}
    for record in records:
        for entry in record.entries:
            key = str(entry.data.get("flow") or record.flow), str(entry.data.get("step", ""))
            if entry.kind == "began" and record is records[0]:
                unproven = {(str(flow), str(step)) for flow, step in entry.data.get("unproven", ())}
                open = {str(each.get("mark", "")): each for each in entry.data.get("open", ())}
                answers = {str(key): str(value) for key, value in entry.data.get("answers", {}).items()}
            elif entry.kind == "answer":
                answers[str(entry.data.get("key", ""))] = str(entry.data.get("value", ""))
            elif entry.kind == "intent":
                unproven.add(key)
            elif entry.kind == "step" and entry.data.get("state") in ("done", "so", "undone"):
                unproven.discard(key)
            elif entry.kind == "settled":
                open.pop(str(entry.data.get("mark", "")), None)
        open |= {str(each.get("mark", "")): each for each in record.unsettled}
    return Carried(frozenset(unproven), tuple(open.values()), answers)


def _alive(path: Path, first: Entry | None) -> bool:
    """Return whether the process that wrote this run holds the site's lock."""
    try:
        handle = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return False
    except OSError:
        said = _told(path.parent)
    finally:
        os.close(handle)
    try:
        holder = msgspec.json.decode(said, type=Holder)
    except msgspec.MsgspecError:
        return False
    return first is not None and first.data.get("pid") == holder.pid and first.at >= holder.since - 1


def identity(folder: Path) -> str:
    """A word for the journals of this site, user and machine, the same in each run, that tells them from all others."""
    try:
        machine = Path("/etc/machine-id").read_text()
    except OSError:
        machine = ""
    parts = machine.strip(), socket.gethostname(), str(os.geteuid()), os.path.realpath(folder)
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()[:32]


def whoever() -> dict[str, Any]:
    """Process, user and machine of this console."""
    return {"pid": os.getpid(), "user": _user(), "host": socket.gethostname()}


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def _why(error: OSError) -> str:
    return (error.strerror or "unknown reason").lower()


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
