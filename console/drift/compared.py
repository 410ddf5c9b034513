"""The result of a comparison, and what differs in it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from msgspec import Struct

from console.observation import Drifted

State = Literal["same", "differs", "absent", "unknown"]


class Compared(Struct, frozen=True):
    """One file in its places. Diffs are unified ones, with secrets hidden; "" where there is no difference.

    `deployed` is repository against host, `running` the host's file (or, without it, the repository's) against what
    runs. `runs_ours` says that what runs agrees with the repository's, `why` what could not be looked at."""

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
    """Return what is not the same, of all files."""
    return tuple(each for compared in found for each in compared.drifted)
