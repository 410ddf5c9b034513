"""The cgroups of a lab's containers: the one thing of theirs that is in no namespace, and outlives them."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
PATIENCE = 60.0
"""Seconds that processes which were killed may take to be gone."""


def find(name: str) -> list[Path]:
    """Return the cgroups that are named after a lab, in each hierarchy."""
    return sorted(path for pattern in (name, f"*/{name}") for path in ROOT.glob(pattern) if path.is_dir())


def remove(name: str) -> None:
    """Take a lab's cgroups away, the innermost first, once what ran in them has ended."""
    end = time.monotonic() + PATIENCE
    while (left := find(name)) and time.monotonic() < end:
        for top in left:
            for folder, _, _ in os.walk(top, topdown=False):
                with contextlib.suppress(OSError):
                    Path(folder).rmdir()
        time.sleep(0.02)
