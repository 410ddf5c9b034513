"""Which program a name means and what environment it gets: absolute PATH entries alone, never the working folder."""

from __future__ import annotations

import os
from collections.abc import Sequence

DEFAULT = "/usr/local/bin:/usr/bin:/bin"
"""Where to look when PATH has no absolute entry: an empty PATH would again mean the working folder."""

KEPT = (
    "DBUS_SESSION_BUS_ADDRESS", "HOME", "LANG", "LOGNAME", "SHELL", "SSH_AUTH_SOCK", "TERM", "TMPDIR", "TZ", "USER",
    "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR", "XDG_STATE_HOME", "http_proxy",
    "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY",
)  # fmt: skip
"""Variables that a local tool may need, and that make it run nothing."""

KEPT_PREFIXES = ("DOCKER_", "COMPOSE_", "INCUS_")
"""Beginnings of others: where the tools' own daemons are."""


def search_path() -> str:
    """Return PATH without its empty and relative entries, which would mean the working folder."""
    entries = os.environ.get("PATH", "").split(os.pathsep)
    return os.pathsep.join(entry for entry in entries if os.path.isabs(entry)) or DEFAULT  # noqa: PTH117


def program(name: str) -> str | None:
    """Return the absolute path of a program by its name, or by an absolute path; None when there is none to run."""
    folders = search_path().split(os.pathsep) if name and "/" not in name else []
    candidates = [f"{folder}/{name}" for folder in folders] or ([name] if os.path.isabs(name) else [])  # noqa: PTH117
    return next((path for path in candidates if os.path.isfile(path) and os.access(path, os.X_OK)), None)  # noqa: PTH113


def environment(prefixes: Sequence[str] = ()) -> dict[str, str]:
    """Return a local tool's environment: PATH as `search_path`, the C locale, and no variable but those named above.

    `prefixes` are beginnings of further variables to keep."""
    kept = (*KEPT_PREFIXES, *prefixes)
    found = {name: value for name, value in os.environ.items() if name in KEPT or name.startswith(kept)}
    return {**found, "PATH": search_path(), "LC_ALL": "C"}


def own_environment() -> dict[str, str]:
    """Return the operator's whole environment with PATH as `search_path`: for ssh and what its configuration runs."""
    return {**os.environ, "PATH": search_path()}
