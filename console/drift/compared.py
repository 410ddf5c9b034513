"""The result of a comparison."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from msgspec import Struct

from console.observation import Drifted

State = Literal["same", "differs", "absent", "unknown"]


class Compared(Struct, frozen=True):
    """One file, compared. Diffs are unified, with secrets masked; "" where there is no difference.

    `deployed` compares repository and host, `running` the host's file (or the repository's, when the host's cannot be
    read) and what runs. `runs_ours`: what runs agrees with the repository's file. `why` says what could not be read."""

    file: str
    host: str
    path: str
    state: State
    running_state: State
    why: str = ""
    deployed: str = ""
    running: str = ""
    drifted: tuple[Drifted, ...] = ()
    runs_ours: bool = False


def drifted(found: Iterable[Compared]) -> tuple[Drifted, ...]:
    """Return the differences of all files."""
    return tuple(each for compared in found for each in compared.drifted)
