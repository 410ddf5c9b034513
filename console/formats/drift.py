"""The output of `drift`: what the states of a file mean together, as text and as JSON."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from console.drift.compared import Compared


def meaning(compared: Compared) -> str:
    """Return a sentence on what a file's states mean together."""
    host, running = compared.state, compared.running_state
    if compared.path == "incus":
        words = {"same": "Incus runs what the files say", "differs": "Incus runs something else than the files say"}
        return words.get(host, compared.why)
    if host == "same" and running == "differs":
        return "the host has this file, and HAProxy runs something else: it was not reloaded, or changed at run time"
    if host == "differs" and running == "same":
        return "the host has another file; the frontends and servers that run agree with it"
    if host == "differs" and running == "differs" and compared.runs_ours:
        return "the host has another file, and HAProxy still runs the repository's: a reload will change that"
    if host == "differs" and running == "differs":
        return "repository, host and what runs are three different things"
    if host == "differs":
        return "the host has another file" + (f"; {compared.why}" if compared.why else "")
    if host == "same":
        return "the same file" + (", and the frontends and servers that run agree with it" if running == "same" else "")
    return compared.why + ("; what runs is not what the repository says" if running == "differs" else "")


def document(found: Sequence[Compared]) -> list[dict[str, Any]]:
    """Return the list "files" of `drift --json`."""
    return [
        {
            "file": each.file, "host": each.host, "path": each.path, "state": each.state,
            "running": each.running_state, "meaning": meaning(each), "repository_to_host": each.deployed or None,
            "host_to_running": each.running or None,
        }
        for each in found
    ]  # fmt: skip


_MARKS = {"same": "●", "differs": "✗", "absent": "✗", "unknown": "?"}
_TONES = {"same": "ok", "differs": "failed", "absent": "failed", "unknown": "unknown"}


def text(found: Sequence[Compared], paint: Callable[[str, str], str]) -> str:
    """Return the text of `drift`: each file, its path on the host, what its state means, and the diffs."""
    if not found:
        return "no file is known to be in use anywhere"
    blocks = []
    for each in found:
        worst = "differs" if "differs" in (each.state, each.running_state) else each.state
        place = f"{each.host}:{each.path}" if each.host else each.path
        head = f"{paint(_MARKS[worst], _TONES[worst])} {paint(each.file, 'bold')}  {place}\n  {meaning(each)}"
        rows = [_paint(row, paint) for part in (each.deployed, each.running) for row in part.split("\n") if part]
        blocks.append("\n".join([head, *rows]))
    return "\n".join(blocks)


def _paint(row: str, paint: Callable[[str, str], str]) -> str:
    if row.startswith(("---", "+++", "@@")):
        return "  " + paint(row, "dim")
    return "  " + (paint(row, {"+": "ok", "-": "failed"}[row[0]]) if row[:1] in ("+", "-") else row)
