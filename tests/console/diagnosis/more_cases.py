"""More of what may be seen, for what the table of test_judge.py has no column for."""

from __future__ import annotations

from collections.abc import Callable

from console.observation import Seen

MORE: dict[str, Callable[[], Seen]] = {}
"""What is seen, in words → the sweep's data."""
