"""Which sections may stand on which `defaults`: rules of HAProxy's `proxy_ref_defaults()` (src/proxy.c)."""

from __future__ import annotations

from console.sources.haproxy.lines import Line
from console.sources.haproxy.tree import Section

NAMED_ONLY = frozenset(
    ("acl", "http-request", "http-response", "http-after-response", "tcp-request", "tcp-response", "quic-initial")
)
"""What only `defaults` with a name may hold."""

_RULES = frozenset(("http-request", "http-response", "http-after-response"))
_LAYERED = frozenset(("tcp-request", "tcp-response"))


def rules(section: Section) -> set[str]:
    """Return the kinds of rules a `defaults` section holds for certain: "http-request", "tcp-request content", …."""
    found: set[str] = set()
    for line in section.lines:
        keyword = line.words[0]
        if line.number in section.doubtful:
            continue
        if keyword in _RULES:
            found.add(keyword)
        elif keyword in _LAYERED and len(line.words) > 1 and line.words[1] != "inspect-delay":
            found.add(f"{keyword} {line.words[1]}")
    return found


def misplaced(section: Section) -> Line | None:
    """Return the first line that `defaults` without a name may not hold."""
    if section.conditional:
        return None
    return next(
        (line for line in section.lines if line.words[0] in NAMED_ONLY and line.number not in section.doubtful), None
    )


def unfit(section: Section, held: set[str], heirs: set[str]) -> str:
    """Say why a section cannot stand on defaults that hold these rules, "" when it can; `heirs` are those before it."""
    kind = section.kind
    if section.conditional:
        return ""
    if kind == "defaults":
        return "defaults cannot stand on defaults that hold TCP or HTTP rules: take another 'from'"
    if kind == "listen":
        return "a listen section cannot stand on defaults that hold TCP or HTTP rules: take another 'from'"
    if heirs and kind not in heirs:
        return "a frontend and a backend cannot share defaults that hold TCP or HTTP rules: give each its own"
    heirs.add(kind)
    if kind == "backend" and not held.isdisjoint({"tcp-request connection", "tcp-request session"}):
        return (
            "a backend cannot stand on defaults with 'tcp-request connection' or 'session' rules: take another 'from'"
        )
    if kind == "frontend" and "tcp-response content" in held:
        return "a frontend cannot stand on defaults with 'tcp-response content' rules: take another 'from'"
    return ""
