"""The lines of `tofu plan -json` and `tofu apply -json` (OpenTofu's docs/internals/machine-readable-ui, ui 1.2)."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import Struct

from console.model import Span
from console.text import clean

Kind = Literal["change", "drift", "progress", "diagnostic", "summary", "outputs", "version", "log"]


class Event(Struct, frozen=True):
    """One line of `plan -json` or `apply -json`, as a sentence; `done`: the operation has ended."""

    kind: Kind
    message: str
    address: str = ""
    action: str = ""
    reason: str = ""
    level: Literal["info", "warning", "error"] = "info"
    seconds: float = 0.0
    done: bool = False
    failed: bool = False
    counts: dict[str, int] = {}
    place: Span | None = None
    detail: str = ""


class _Hook(Struct):
    resource: dict[str, Any] = {}
    action: str = ""
    reason: str = ""
    elapsed_seconds: float = 0.0
    output: str = ""


class _Diagnostic(Struct):
    severity: str = "error"
    summary: str = ""
    detail: str = ""
    address: str = ""
    range: dict[str, Any] = {}


class _Line(Struct):
    type: str = "log"
    level: str = msgspec.field(default="info", name="@level")
    message: str = msgspec.field(default="", name="@message")
    hook: _Hook = msgspec.field(default_factory=_Hook)
    change: _Hook = msgspec.field(default_factory=_Hook)
    diagnostic: _Diagnostic | None = None
    changes: dict[str, Any] = {}


_KINDS: dict[str, Kind] = {
    "version": "version",
    "planned_change": "change",
    "resource_drift": "drift",
    "change_summary": "summary",
    "outputs": "outputs",
    "diagnostic": "diagnostic",
}
_OVER = ("_complete", "_errored")


def event(line: bytes | str) -> Event | None:
    """Return one line of the stream; None for a blank line or a provider's own output."""
    try:
        raw = msgspec.json.decode(line, type=_Line)
    except (msgspec.MsgspecError, RecursionError):
        return None
    kind: Kind = _KINDS.get(raw.type) or ("progress" if raw.hook.resource else "log")
    hook = raw.change if kind in ("change", "drift") else raw.hook
    found = Event(
        kind=kind,
        message=clean(raw.message, 300),
        address=clean(str(hook.resource.get("addr", "")), 200),
        action=clean(hook.action, 20),
        reason=clean(hook.reason.replace("_", " "), 60),
        level="error" if raw.level == "error" else "warning" if raw.level == "warn" else "info",
        seconds=hook.elapsed_seconds,
        done=raw.type.endswith(_OVER),
        failed=raw.type.endswith("_errored"),
        counts={key: value for key, value in raw.changes.items() if isinstance(value, int)},
    )
    return found if raw.diagnostic is None else _complaint(found, raw.diagnostic)


def events(data: bytes) -> tuple[Event, ...]:
    """Return the lines of a whole stream."""
    return tuple(found for line in data.splitlines() if (found := event(line)) is not None)


def _complaint(found: Event, raw: _Diagnostic) -> Event:
    start = raw.range.get("start")
    place = None
    if isinstance(start, dict) and isinstance(raw.range.get("filename"), str):
        line, column = start.get("line"), start.get("column")
        if isinstance(line, int) and isinstance(column, int):
            place = Span(clean(raw.range["filename"], 200), line, column, 0)
    return msgspec.structs.replace(
        found,
        message=clean(raw.summary, 300),
        detail="\n".join(clean(line, 400) for line in raw.detail.split("\n")[:40]),
        level="warning" if raw.severity == "warning" else "error",
        address=clean(raw.address, 200),
        place=place,
    )
