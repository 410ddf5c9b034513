"""The journal as an operator reads it: one line for a run, and the lines of its entries."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from console.store.left_down import of_record
from console.text import clean, duration

if TYPE_CHECKING:
    from console.store.journal import Entry, Record

TORN = "a line of this journal is not whole: the console or its disk was cut off while it was written"

_STATES = {
    "so": "already done", "planned": "to do", "later": "not known yet", "skipped": "does not apply",
    "left": "left out", "undone": "taken back",
}  # fmt: skip
"""What a step's state is called; the others are words already."""

_SHAPES = {
    "began": "{flow} by {user} on {host}, process {pid}",
    "answer": "answered {key}: {value}",
    "intent": "{step}: about to change",
    "do": "{step}: on {host}: {text}",
    "did": "{step}: {outcome} ({seconds} s)",
    "step": "{step}: {state}: {words}",
    "ended": "{outcome}: {words}",
}


def headline(record: Record) -> str:
    """Return one run as a line: its name, when it began (local time), its flow, how it ended, what was left open."""
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record.began))
    row = f"{record.run}  {when}  {clean(record.flow or '?', 40)}  {clean(record.state, 40)}"
    if record.ended:
        count = sum(entry.kind == "did" for entry in record.entries)
        changes = f"{count or 'no'} {'change' if count == 1 else 'changes'}"
        row += f", {changes} in {duration(record.ended - record.began)}"
    down = [] if record.state == "running" else of_record(record)
    left = [*(each.words for each in down), *filter(None, [unknown(record)])]
    return f"{row}; {'; '.join(left)}" if left else row


def unknown(record: Record) -> str:
    """Return the change of an ended run of which no result is known, in words; "" when there is none."""
    if not record.open or record.state == "running":
        return ""
    return f"no result is known of: {clean(str(record.open.get('text', '')), 200)}"


def lines(record: Record) -> list[str]:
    """Return all entries of a run as lines, with a remark when its last line is not whole."""
    return [*(row for entry in record.entries for row in rows(entry)), *([TORN] if record.torn else [])]


def rows(entry: Entry) -> list[str]:
    """Return the lines that show an entry."""
    said = {key: value for key, value in entry.data.items() if isinstance(value, str | int | float)}
    text = _SHAPES.get(entry.kind, "{kind}")
    if entry.kind == "step":
        said["state"] = _STATES.get(str(said.get("state", "")), said.get("state", ""))
    if entry.kind == "did":
        status = said.get("status")
        said["outcome"] = said.get("problem") or ("well" if status is None else f"status {status}")
    clock = time.strftime("%H:%M:%S", time.localtime(entry.at))
    found = [f"  {clock}  {clean(text.format_map(_Known(said, kind=entry.kind)), 2000)}"]
    found += [f"            {clean(line, 2000)}" for line in str(entry.data.get("output", "")).split("\n") if line]
    found += [f"            {clean(str(line), 2000)}" for line in entry.data.get("evidence", ())]
    return found


class _Known(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return ""
