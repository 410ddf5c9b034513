"""What the screens are told of an estate, and whether one that was read again says anything new."""

from __future__ import annotations

from typing import TYPE_CHECKING

from console.events import EstateRead

if TYPE_CHECKING:
    from console.estate.load import Estate


def told(estate: Estate) -> EstateRead:
    """Return the event for an estate: its findings, and its texts without secrets."""
    from console.diagnosis.lint import lint
    from console.estate.missing import missing
    from console.mask import mask

    findings, lacks = lint(estate.sources, estate.topology), missing(estate.site, estate.topology)
    texts = {name: mask(text) for name, text in estate.texts.items()}
    known = estate.title, estate.topology, findings, estate.problems
    return EstateRead(*known, texts, estate.remark, estate.warnings, lacks)


def same(known: Estate, fresh: Estate) -> bool:
    """Return whether `fresh` says what `known` said."""
    if known is fresh:
        return True
    one, other = known.sources.tofu, fresh.sources.tofu
    return (known.texts, known.problems, known.remark) == (fresh.texts, fresh.problems, fresh.remark) and (
        one is other or one == other
    )
