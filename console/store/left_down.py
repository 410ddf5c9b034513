"""What a run has stopped and not started again: it stays down when the run is left, whatever else is true."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from console.store.journal import Record

_COMMAND = re.compile(r"\bsystemctl (?:--\S+ )*(?P<verb>stop|start|restart) (?P<units>[^;&|]+)")


class Down(Struct, frozen=True):
    """A service that was stopped on a host, by the operator's word for both; `since` is a Unix time."""

    host: str
    service: str
    since: float

    @property
    def words(self) -> str:
        """The sentence, without the time: Mailcow runs in Docker."""
        mail = ", and all mail with it" if self.service == "docker" else ""
        return f"{self.service} is stopped on {self.host}{mail}"


def of_record(record: Record) -> tuple[Down, ...]:
    """Return what a run of the journal has stopped and not started again."""
    said = [(entry.kind, entry.data, entry.at) for entry in record.entries]
    done: list[tuple[str, str, float]] = []
    for kind, data, at in said:
        if kind == "do":
            done.append((str(data.get("host", "")), str(data.get("text", "")), at))
        elif kind == "did" and data.get("problem") and done:
            done.pop()
    return left(done)


def left(done: Iterable[tuple[str, str, float]]) -> tuple[Down, ...]:
    """Return what stays stopped after commands: each with its host, its text, and when it was run."""
    left: dict[tuple[str, str], Down] = {}
    for host, text, at in done:
        for found in _COMMAND.finditer(text):
            for unit in found["units"].split():
                service = unit.removesuffix(".service").removesuffix(".socket")
                if found["verb"] == "stop":
                    left.setdefault((host, service), Down(host, service, at))
                else:
                    left.pop((host, service), None)
    return tuple(left.values())
