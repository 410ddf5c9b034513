"""What was understood from files, in a line each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from console.model import Finding, Span, Topology
from console.setup.kinds import Kind
from console.text import clean, join_words


def counted(count: int, word: str) -> str:
    """Return a count with its word: "1 lane", "4 lanes"."""
    return f"{count} {word}{'' if count == 1 else 's'}"


def understood(kind: Kind, topology: Topology) -> str:
    """Return what the files of a kind say, in a line; "" for kinds that say nothing of the map."""
    if kind == "haproxy":
        lanes = [lane for lane in topology.lanes if lane.proxy]
        listed = join_words([f"{lane.port} {clean(lane.name, 20)}" for lane in lanes], 8)
        return (
            f"{counted(len(lanes), 'lane')}: {listed}" if lanes else "no lane: it has no listener that leads anywhere"
        )
    if kind == "opentofu":
        parts = []
        if topology.instances:
            names = join_words([clean(each.name, 30) for each in topology.instances])
            parts.append(f"{counted(len(topology.instances), 'machine')}: {names}")
        if topology.volumes:
            sizes = [f"{clean(each.name, 30)} {clean(each.size or '', 12)}".strip() for each in topology.volumes]
            parts.append(f"{counted(len(topology.volumes), 'volume')}: {join_words(sizes)}")
        return "; ".join(parts) or "neither a machine nor a volume of Incus"
    if kind == "compose":
        services = Counter(each.service for each in topology.published)
        if not services:
            return "no published port"
        each = join_words([f"{count} of {clean(name, 30)}" for name, count in services.items()])
        return f"{counted(len(topology.published), 'published port')}: {each}"
    return ""


def first_findings(findings: Sequence[Finding], most: int = 3) -> list[str]:
    """Return how many findings there are, and the gravest of them."""
    if not findings:
        return ["no findings in the files"]
    rows = [f"{counted(len(findings), 'finding')} in the files, the gravest first:"]
    for each in findings[:most]:
        place = str(each.where) if isinstance(each.where, Span) else each.where
        rows.append(f"  {each.id} {place}  {clean(each.summary, 400)}")
    if len(findings) > most:
        rows.append(f"  and {len(findings) - most} more: `cowhand lint` has them all")
    return rows
