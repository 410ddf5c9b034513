"""Looks for private keys where none may be: in all files of the lab's machines, and in what /proc tells of processes.

search = Search(lab)                 # files from before are not looked at
with search.watching(keys): …        # command lines and environments, all the while
search.files(keys)                   # the files that hold one of the keys, as MACHINE:PATH, each with its mode
"""

from __future__ import annotations

import base64
import contextlib
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.reallab.addresses import MACHINES, Machine
from tests.reallab.lab import RealLab

BESIDE = ("run", "tmp", "root", "home", "dev/shm", "var/log", "var/mail", "var/tmp", "var/spool/postfix",
          "var/lib/postfix", "var/lib/dovecot", "var/lib/docker", "etc/letsencrypt")  # fmt: skip
"""Folders of a machine that are mounts of their own; what else it has written lies in its overlay's upper folder."""

LARGEST = 64 << 20
PAUSE = 0.2


def traces(pem: str) -> tuple[bytes, ...]:
    """What betrays a key: a line of its base64, whole and without its first characters, and bytes of its DER form."""
    rows = [row for row in pem.splitlines() if row and not row.startswith("-")]
    raw = base64.b64decode("".join(rows))
    middle = len(raw) // 2
    return (
        rows[1][:40].encode(),
        rows[1][4:44].encode(),
        raw[middle : middle + 24],
        raw[middle : middle + 24].hex().encode(),
    )


class Search:
    """A search of one lab, for what was written since it was made."""

    def __init__(self, lab: RealLab) -> None:
        self.lab, self.since = lab, time.time() - 1
        self.seen: set[str] = set()

    def files(self, keys: tuple[str, ...]) -> dict[str, int]:
        """Every file of the lab that holds a trace of one of the keys, and its mode."""
        wanted = [trace for key in keys for trace in traces(key)]
        return {
            f"{machine}:{name}": stat.S_IMODE(path.stat().st_mode)
            for machine in MACHINES
            for name, path in self._written(machine)
            if _holds(path, wanted)
        }

    def _written(self, machine: Machine) -> Iterator[tuple[str, Path]]:
        upper = self.lab.state / machine / "upper"
        root = self.lab.root(machine)
        for top in (upper, *(root / each for each in BESIDE)):
            base = upper if top == upper else root
            if not top.is_dir():
                continue
            device = top.stat().st_dev
            for folder, inner, names in os.walk(top):
                here = Path(folder)
                inner[:] = [each for each in inner if _device(here / each) == device]
                for name in names:
                    path = here / name
                    with contextlib.suppress(OSError):
                        told = path.lstat()
                        if stat.S_ISREG(told.st_mode) and told.st_mtime >= self.since and told.st_size <= LARGEST:
                            yield f"/{path.relative_to(base)}", path

    @contextlib.contextmanager
    def watching(self, keys: Callable[[], tuple[str, ...]]) -> Iterator[None]:
        """Look at every process all the while, for the keys that there are by then; what is found is in `seen`."""
        ended = threading.Event()

        def watch() -> None:
            while not ended.wait(PAUSE):
                self.seen |= set(_betrayed([trace for key in keys() for trace in traces(key)]))

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            yield
        finally:
            ended.set()
            watcher.join()


def _betrayed(wanted: list[bytes]) -> Iterator[str]:
    for process in Path("/proc").glob("[0-9]*"):
        for name in ("cmdline", "environ"):
            with contextlib.suppress(OSError):
                text = (process / name).read_bytes()
                if any(trace in text for trace in wanted):
                    yield f"{name} of {process.name}"


def _holds(path: Path, wanted: list[bytes]) -> bool:
    with contextlib.suppress(OSError):
        text = path.read_bytes()
        return any(trace in text for trace in wanted)
    return False


def _device(path: Path) -> int:
    with contextlib.suppress(OSError):
        return path.lstat().st_dev
    return -1
