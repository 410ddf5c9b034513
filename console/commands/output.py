"""What every command prints and returns: narration on stderr, data on stdout, and the exit codes of the contract."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from console.model import Verdict

VERSION = "0.1.0"

EXIT_WELL, EXIT_FINDINGS, EXIT_DOWN, EXIT_UNUSABLE, EXIT_BLIND = 0, 1, 2, 2, 3
EXIT_DONE, EXIT_FAILED = 0, 1

VERDICT_EXIT: dict[Verdict, int] = {"well": 0, "degraded": 1, "down": 2, "unknown": 3}


def say(text: str) -> None:
    """Print one line on stderr."""
    from console.text import clean

    print(clean(text, 500), file=sys.stderr, flush=True)


def emit(document: Any) -> None:
    """Print a document as JSON on stdout."""
    import msgspec

    print(msgspec.json.format(msgspec.json.encode(document), indent=2).decode(), flush=True)
