"""How many files and sockets this process may open: a connection from here is one."""

from __future__ import annotations

import resource

RESERVE = 64
"""Descriptors that are left for files, pipes and the terminal."""

FULL_HOUSE = 1024
"""A limit from which on everything that is asked at once has room."""


def at_once(hosts: int, most: int, limit: int | None = None) -> int:
    """Return how many connections each of several hosts may have under way, at most `most` and at least one.

    `limit` is the process's own (`ulimit -n`) unless given. Half of what is left is used: a connection that was closed
    is given back a moment later."""
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0] if limit is None else limit
    if allowed == resource.RLIM_INFINITY or allowed >= FULL_HOUSE:
        return most
    return max(1, min(most, (allowed - RESERVE) // (2 * max(hosts, 1))))
