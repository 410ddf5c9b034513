"""What nobody could look at, so that "well" does not speak for it."""

from __future__ import annotations

from collections.abc import Iterator

from console.diagnosis.catalogue import UNSEEN, finding
from console.diagnosis.rule import Observed, observed
from console.model import Finding


@observed(UNSEEN)
def certificates_unseen(seen: Observed) -> Iterator[Finding]:
    """Files of certificates, or what leads to them, could not be looked at; what is served was seen."""
    rows = seen.seen.kept.unseen
    if rows:
        more = f" (and {len(rows) - 1} more)" if len(rows) > 1 else ""
        summary = f"stored certificates were not all looked at: {rows[0]}{more}"
        yield finding(UNSEEN, summary, "stored certificates", observed=True, evidence=rows)
