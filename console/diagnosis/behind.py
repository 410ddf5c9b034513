"""What a cause hides: of the lanes that it breaks, the parts of which no observation came in this sweep.

A second fault there would show in nothing: what was not seen is neither well nor ill, and is said to be unseen."""

from __future__ import annotations

from typing import Literal

from console.diagnosis.symptoms import PASS, At
from console.diagnosis.world import World

Part = Literal["front", "between", "inside"]
"""What HAProxy does with clients from here; what it and the daemons say to each other; the daemons themselves."""

_WORDS: dict[Part, str] = {
    "front": "what HAProxy does with clients from here",
    "between": "what HAProxy and {mail} say to each other",
    "inside": "how the services inside {mail} do",
}


def unseen(world: World, ports: tuple[int, ...]) -> dict[Part, tuple[int, ...]]:
    """Return the parts of these lanes of which nothing was seen, each with the lanes; none where all of it was."""
    silent = _dark(world, ports, "vm")
    parts: dict[Part, tuple[int, ...]] = {
        "front": _dark(world, ports, "here"),
        "between": silent,
        "inside": tuple(port for port in silent if not {*world.came("connect", "inside", port)} & {PASS, "refused"}),
    }
    return {part: some for part, some in parts.items() if some}


def _dark(world: World, ports: tuple[int, ...], at: At) -> tuple[int, ...]:
    """The lanes of which no connection to there came about."""
    return tuple(port for port in ports if port in world.lanes and PASS not in world.came("connect", at, port))


def in_words(world: World, ports: tuple[int, ...]) -> list[tuple[str, tuple[int, ...]]]:
    """Return what is unseen in words, which name the mail host, each with its lanes."""
    return [(_WORDS[part], some) for part, some in unseen(world, ports).items()]
