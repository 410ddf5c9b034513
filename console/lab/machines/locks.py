"""Stands for the lock on a machine: the answers of hosts/lock.py's script, from memory."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from console.hosts.lock import HELD
from console.lab.machines.done import Done


@dataclass
class Locks:
    """Machine to run, site, since when, last renewal (monotonic seconds) and who."""

    held: dict[str, tuple[str, str, int, float, str]] = field(default_factory=dict)

    def run(self, machine: str, words: Sequence[str]) -> Done:
        """Answer one call: VERB FOLDER RUN SITE OVER QUIET TOLD."""
        verb, _, run, site, over, quiet, told = words
        had = self.held.get(machine)
        ours = had is not None and had[:2] == (run, site)
        age = time.monotonic() - had[3] if had else 0.0
        shown = f"{age:.0f}\n{had[2]}\n{had[4]}\n" if had else ""
        if verb == "show":
            return Done(0, shown)
        if verb == "release":
            if ours:
                del self.held[machine]
            return Done(0)
        free = had is None or had[1] == site or (had[0] == over and age >= float(quiet))
        if not (ours if verb == "renew" else free):
            return Done(HELD, shown)
        since = had[2] if had and ours else int(time.time())
        self.held[machine] = run, site, since, time.monotonic(), told
        return Done(0)
