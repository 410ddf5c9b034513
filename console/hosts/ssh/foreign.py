"""An SSH configuration that came with a repository: what of it runs programs, or decides whose host keys are believed.

OpenSSH runs `Match exec` already when it is asked what it would do (`ssh -G`)."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from console.hosts.programs import program
from console.mask import mask
from console.store import trust
from console.store.trust import Use

LARGEST = 1 << 20
"""Bytes of a configuration; a larger one is not used."""

_REACHES = re.compile(
    rb"proxycommand|proxyusefdpass|knownhostscommand|localcommand|exec|include|pkcs11provider|securitykeyprovider"
    rb"|xauthlocation|knownhostsfile|identityagent|revokedhostkeys",
    re.IGNORECASE,
)
"""Directives that run or load something, name other files, or say which host keys are right, wherever they stand.

ssh_config(5) lets a word be quoted and joined by "=", but never written in another way."""


def doubt(file: Path, site: Path) -> str:
    """Return why an SSH configuration in the folder of a site is not used; "" when it may be."""
    made = use(file)
    return "" if made is None else trust.doubt(site, lambda: made)


def use(file: Path) -> Use | None:
    """Return what such a configuration would run; None when nothing."""
    data = _read(file)
    lines = [b"what is no plain file"] if data is None else _reaching(data)
    if not lines:
        return None
    shown = tuple(line.decode("utf-8", "backslashreplace") for line in lines)
    refused = "it is no plain file" if data is None else ""
    if any(b"include" in line.lower() for line in lines):
        refused = "an Include in it leads to other files: write them into it"
    return Use(
        "ssh",
        (program("ssh") or "ssh", "-F", str(file)),
        "COWHAND_SSH_CONFIG names this configuration, and hosts are reached by it",
        tuple(f"{file.name}: {mask(line)}" for line in shown),
        shown,
        (file,),
        refused,
    )


def _reaching(data: bytes) -> list[bytes]:
    lines = (line.strip() for line in data.split(b"\n"))
    return [line for line in lines if not line.startswith(b"#") and _REACHES.search(line)]


def _read(file: Path) -> bytes | None:
    """Return what is in a file: nothing when there is none, None when it is not plain or too large."""
    try:
        handle = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return b""
    with os.fdopen(handle, "rb") as opened:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            return None
        data = opened.read(LARGEST + 1)
        return data if len(data) <= LARGEST else None
