"""What a flow's case file says: the world it begins in, as a real folder, and what is true of that world."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from console.flows import Flow
from console.hosts.host import Host
from console.model import Role

CASES = Path(__file__).parent / "cases"


@dataclass(frozen=True)
class Case:
    """A flow and its world. Everything is asked of the folder `root`, never of the flow.

    `build` lays the world, `site.toml` included; `hosts` are its machines, which keep whatever they know in `root`, for
    a console that is killed takes its memory along. `holds(root, step)` is whether a step's end is there; `end` is all
    that must be the same however the flow got there; `once` counts what must be done exactly once, zero before.
    `half(root, argv)` leaves what a command leaves that dies half-way; `reboot` what a restart of the machines takes
    away; `armed` are the timed rollbacks that wait, and `fire` lets them happen."""

    flow: Flow
    build: Callable[[Path], None]
    hosts: Callable[[Path], dict[Role, Host]]
    holds: Callable[[Path, str], bool]
    end: Callable[[Path], object]
    once: Callable[[Path], dict[str, int]]
    half: Callable[[Path, Sequence[str]], None]
    reboot: Callable[[Path], None] = lambda root: None
    armed: Callable[[Path], Sequence[str]] = lambda root: ()
    fire: Callable[[Path], None] = lambda root: None
    answers: dict[str, str] = field(default_factory=dict)
    destroy: tuple[str, ...] = ()


def names() -> list[str]:
    """The case files there are."""
    return sorted(path.stem for path in CASES.glob("[a-z]*.py"))


def find(name: str) -> Case:
    """One case."""
    found: Case = importlib.import_module(f"tests.console.flows.cases.{name}").CASE
    return found


def tree(folder: Path, *names: str) -> dict[str, object]:
    """Mode and content of every file below some folders; drafts of a write that was cut off are not counted."""
    found: dict[str, object] = {}
    for name in names:
        for path in sorted((folder / name).rglob("*")):
            if not path.name.startswith(".cowhand."):
                mode = path.stat().st_mode & 0o7777
                found[str(path.relative_to(folder))] = (mode, None if path.is_dir() else path.read_bytes())
    return found
