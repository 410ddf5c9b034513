"""A plan made into a file of ours, and read: `plan -json -out`, then `show -json`. The file is in the state folder.

A plan file has every value of the plan in it, secrets included: its folder is the user's alone, and it is removed as
soon as it is not needed."""

from __future__ import annotations

import os
import secrets
import time
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from console.errors import HostError, InputError
from console.facts.command import explain
from console.hosts.host import Completed, Host
from console.store.folders import private, state_folder
from console.tofu import tool
from console.tofu.show import CAP, Shown, parse
from console.tofu.stream import events

TIME = 600.0
"""Seconds a plan may take: every resource is asked for, one after the other."""

OLD = 3600.0
"""Seconds after which a plan file that a cut-off run has left is removed."""


class Planned(Struct, frozen=True):
    """A plan and the file it is in; `error` is why there is none, `unprepared` that only `init` mends that."""

    shown: Shown = Shown()
    file: str = ""
    error: str = ""
    unprepared: str = ""
    moved: bool = False
    """Whether the backend's settings have changed, which a person decides about."""


def new_file() -> str:
    """Return a path that no other plan has; raises OSError when there can be no private folder. Removes old ones."""
    folder = private(private(state_folder()) / "plans")
    for path in folder.glob("*.tfplan*"):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > OLD:
                path.unlink()
    return str(folder / f"{secrets.token_hex(8)}.tfplan")


def drop(file: str) -> None:
    """Remove a plan file, and what was written beside it; one that is not there is fine."""
    for end in ("", ".log", ".log.status"):
        with suppress(OSError):
            Path(file + end).unlink()


async def make(host: Host, name: str, folder: str) -> Planned:
    """Plan; raises `HostError` when it cannot be asked. What the tool refuses is in the result."""
    try:
        file = new_file()
    except OSError as error:
        raise HostError(f"a plan cannot be kept: {error.strerror or 'unknown reason'}") from None
    kept = False
    try:
        done = await host.run(tool.plan(name, folder, file), TIME, CAP)
        if done.status not in (0, 2):
            return _refused(done, name, host.name)
        shown = await host.run(tool.show(name, folder, file), TIME, CAP)
        if shown.status:
            return Planned(error=tool.said(shown.stderr) or explain(host.name, name, shown))
        found = parse(shown.stdout, f"{name} show")
        if found.errored:
            return Planned(error="the plan is not whole")
        kept = True
        return Planned(found, file)
    except InputError as error:
        return Planned(error=error.problem)
    finally:
        if not kept:
            drop(file)


def _refused(done: Completed, name: str, host: str) -> Planned:
    found = events(done.stdout)
    errors = tool.complaints(found)
    whole = " ".join(f"{each.message} {each.detail}" for each in found if each.level == "error")
    if tool.INIT.search(whole):
        moved = bool(tool.BACKEND.search(whole))
        return Planned(error=errors[0], unprepared=errors[0], moved=moved)
    why = "; ".join(dict.fromkeys(errors[:3])) or tool.said(done.stderr) or explain(host, name, done)
    return Planned(error=why)


def same(one: Planned, other: Planned) -> bool:
    """Whether two plans do the same."""
    return one.shown.changes == other.shown.changes and not (one.error or other.error)


def there(file: str) -> bool:
    """Whether a plan file is still there."""
    return os.path.lexists(file)
