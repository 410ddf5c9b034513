"""Run each test that failed last once more, alone: `python -m tests.again`; exit 1 if one stays red.

For CI on a machine that others use: one test in many thousands may meet a moment in which the machine stands still.
More than `MOST` failed tests are no such moment. What passes now is named as unsteady: that is a fault of the test, to
be mended. Nothing is tried again after a run that did not come to its end, or that skipped a test."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

MOST = 3
"""Failed tests that are tried again."""

ENDED = "cowhand/ended"
"""Where pytest's cache holds how the last run ended: its exit code, and how many tests it skipped."""

CACHE = Path(".pytest_cache/v")


def failed(cache: Path = CACHE) -> list[str]:
    """Return the names of the tests that failed, without the group that pytest-xdist writes behind them."""
    try:
        if json.loads((cache / ENDED).read_text()) != {"exit": 1, "skipped": 0}:
            return []
        kept = json.loads((cache / "cache/lastfailed").read_text())
    except FileNotFoundError:
        return []
    return [name.rpartition("@")[0] if not name.endswith("]") and "@" in name else name for name in kept]


def main() -> int:
    """Try again; the exit code is pytest's, or 1 when nothing is known or too much failed."""
    names = failed()
    if not 0 < len(names) <= MOST:
        print(f"{len(names)} failed tests of a whole run are known: none is tried again", file=sys.stderr)
        return 1
    for name in names:
        words = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-n", "0", name]
        if status := subprocess.run(words, check=False).returncode:
            return status
    for name in names:
        print(f"unsteady: failed beside others, passed alone: {name}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
