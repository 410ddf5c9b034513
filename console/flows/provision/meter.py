"""What `apply -json` says while it runs: each resource as it is made, how many are done, and what went wrong."""

from __future__ import annotations

from console.runner.plan import Amount
from console.tofu.stream import event
from console.tofu.tool import complaint, said

MOST = 400
"""Lines of plain text that are kept for their complaint."""

DOING = ("create", "update", "delete")


class Meter:
    """Reads the lines of one apply of `total` changes; `errors` are the complaints so far, as sentences."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.errors: list[str] = []
        self._done: set[tuple[str, str]] = set()

    def __call__(self, line: str) -> Amount | None:
        """Take a line; returns how far it is when the line says so."""
        found = event(line)
        if found is None:
            return None
        if found.kind == "diagnostic" and found.level == "error":
            self.errors.append(complaint(found))
            return None
        if found.kind != "progress" or found.action not in DOING:
            return None
        if found.done and not found.failed:
            self._done.add((found.address, found.action))
        return Amount(len(self._done), self.total, "changes", found.message)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Meter) and other.total == self.total

    def __hash__(self) -> int:
        return hash(self.total)


class Listener:
    """Keeps what `init` says, which is plain text."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def __call__(self, line: str) -> None:
        """Take a line."""
        self._lines = [*self._lines[-MOST:], line]

    @property
    def error(self) -> str:
        """Its complaint, as a sentence; "" for none."""
        return said("\n".join(self._lines).encode())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Listener)

    def __hash__(self) -> int:
        return 0


def told(line: str) -> str:
    """What is shown of a line; "" for one that tells an operator nothing."""
    found = event(line)
    if found is None:
        return line
    match found.kind:
        case "progress":
            return found.message if found.action in DOING else ""
        case "summary":
            return found.message
        case "diagnostic":
            return f"{'Error' if found.level == 'error' else 'Warning'}: {complaint(found)}"
    return ""
