"""Textual without its own palette, which we never open: importing it takes a sixth of the way to the first paint.

`textual.app` and `textual.theme` import a few names of `textual.command`, which brings in inputs, lists and trees. They
get names that stand for nothing; whoever imports `textual.command` afterwards gets the real one."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType

NAMES = ("CommandListItem", "CommandPalette", "DiscoveryHit", "Hit", "Hits", "Provider", "SimpleProvider")
"""What Textual 8.2.8 takes from it before anybody opens a palette; with a name more the real module is imported."""

PALETTE = "textual.command"


def spare_the_palette() -> None:
    """Import `textual.app` without its palette, unless it is imported already or wants more of it than we know."""
    if "textual.app" in sys.modules or PALETTE in sys.modules:
        return
    nothing = ModuleType(PALETTE)
    for name in NAMES:
        setattr(nothing, name, type(name, (), {}))
    sys.modules[PALETTE] = nothing
    try:
        import_module("textual.app")
    except ImportError:
        for name in [name for name in sys.modules if name.partition(".")[0] == "textual"]:
            del sys.modules[name]
    finally:
        sys.modules.pop(PALETTE, None)
