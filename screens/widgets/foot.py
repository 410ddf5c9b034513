"""The last row: what can be done here, or what was just said."""

from __future__ import annotations

from collections.abc import Iterable

from screens.actions import Action
from screens.text import Line, clip
from screens.themes import Ink


def foot(ink: Ink, said: str, actions: Iterable[Action], width: int) -> Line:
    """Return the key line; a message stands in its place until the next key."""
    if said:
        return ((" " + clip(said, width - 2), ink.bright),)
    offers = [(action.label, f" {action.words}  ") for action in actions]
    while len(offers) > 2 and sum(len(key + words) for key, words in offers) - 1 > width:
        del offers[-3]
    return ((" ", ink.text), *(piece for key, words in offers for piece in ((key, ink.key), (words, ink.muted))))
