"""Stands for assets/put_back.sh: files as they were, then a command."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, MutableMapping

from console.lab.machines.done import Done

PROGRAM = "/var/lib/cowhand/put_back.sh"

Files = MutableMapping[tuple[str, str], bytes]


async def run(
    files: Files, machine: str, argv: tuple[str, ...], command: Callable[[str, tuple[str, ...]], Awaitable[Done]]
) -> Done | None:
    """Do what the script does; None when this is not its command."""
    if argv[:2] != ("sh", "-c") or argv[3:4] != (PROGRAM,) or "--" not in argv:
        return None
    if (machine, PROGRAM) not in files:
        return Done(0)
    at = argv.index("--")
    told, rest, said = argv[4:at], argv[at + 1 :], ""
    for path, before, after in zip(told[::3], told[1::3], told[2::3], strict=True):
        said += _one(files, machine, path, before, after)
    done = await command(machine, rest) if rest else Done(0)
    return Done(3, done.stdout, said + done.stderr) if said else done


def _one(files: Files, machine: str, path: str, before: str, after: str) -> str:
    """Put one file back; returns what is in the way."""
    for name in (f"{path}.cowhand-candidate", f"{path}.cowhand-candidate.previous"):
        files.pop((machine, name), None)
    now = _sum(files.get((machine, path)))
    if now == before:
        return ""
    if now != after:
        return f"{path} was changed by somebody else: it is left as it is\n"
    if before == "-":
        files.pop((machine, path), None)
        return ""
    kept = files.get((machine, f"{path}.previous"))
    if kept is None or _sum(kept) != before:
        return f"{path}.previous is not the file before: {path} is left as it is\n"
    files[machine, path] = kept
    return ""


def _sum(data: bytes | None) -> str:
    return "-" if data is None else hashlib.sha256(data).hexdigest()
