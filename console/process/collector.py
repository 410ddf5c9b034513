"""How often garbage is looked for: seldom while the program starts and makes much that it keeps, then as usual."""

from __future__ import annotations

import gc

USUAL = gc.get_threshold()


def seldom() -> None:
    """Look for garbage seldom: what is made at the start is kept."""
    gc.set_threshold(100_000, 50, 50)


def usual() -> None:
    """Look for garbage as any Python does; else memory would grow for hours until the first collection."""
    gc.set_threshold(*USUAL)
