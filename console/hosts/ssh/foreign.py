"""An SSH configuration that came with a repository: what of it runs programs, hands on what is ours, or decides whose
host keys are believed.

OpenSSH runs `Match exec` already when it is asked what it would do (`ssh -G`)."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from console.hosts.programs import program
from console.mask import mask
from console.store import trust
from console.store.folders import repository
from console.store.plain import NotPlainError, open_plain
from console.store.trust import Use
from console.store.walk import files_of

MOST = 4000
"""Most files of a repository among which those are looked for that a configuration names."""

LARGEST = 1 << 20
"""Bytes of a configuration; a larger one is not used."""

_REACHES = re.compile(
    "proxycommand|proxyusefdpass|knownhostscommand|localcommand|exec|include|pkcs11provider|smartcarddevice"
    "|securitykeyprovider|xauthlocation|knownhostsfile|identityagent|revokedhostkeys"
)
"""Directives that run or load something, name other files, or say which host keys are right, wherever they stand."""

_HANDS_ON = re.compile(
    r"\W*(?:forwardagent|forwardx11|gssapidelegate|sendenv|(?:local|remote|dynamic)forward|tunnel|control(?:master|path)"
    r"|verifyhostkeydns|nohostauthentication)"
)
"""Directives by which `ssh`, for a shell, hands on agents, variables and ways in, or believes a key that nobody saw.

They count at the beginning of a line."""

_PROGRAM = re.compile("proxycommand|knownhostscommand|localcommand|exec")
"""Directives that run a program, which may read whatever file it likes."""

_WAYS = re.compile(
    r"proxycommand(?: +|\t+| *= *)(?:exec +)?(?:/(?:usr/(?:local/)?)?bin/)?"
    r"(?:ssh|nc|ncat|netcat|cloudflared|tailscale|corkscrew|connect)"
    r"(?: +(?:-[wqplxn46]|--hostname|--proxy|--proxy-type|[a-z0-9%][a-z0-9_.:@%-]*))* *"
)
"""Programs that only connect, asked for nothing else: of these the files count that stand in the line."""

_QUOTES = str.maketrans("", "", "\"'\\")
"""Left out before one looks: OpenSSH and asyncssh's reader both join quoted pieces of a word, as a shell does."""


def doubt(file: Path, site: Path) -> str:
    """Return why an SSH configuration in the folder of a site is not used; "" when it may be."""
    made = use(file)
    return "" if made is None else trust.doubt(site, lambda: made)


def use(file: Path) -> Use | None:
    """Return what such a configuration would run; None when nothing."""
    text = _read(file)
    lines = ["what is no plain file"] if text is None else _reaching(text)
    if not lines:
        return None
    refused = "it is no plain file" if text is None else trust.unseen(lines)
    if any("include" in _spelled(line) for line in lines):
        refused = "an Include in it leads to other files: write them into it"
    top = repository(file.parent)
    if not refused and top is not None and sum(1 for _ in files_of(top, MOST)) > MOST:
        refused = f"there are more than {MOST} folders or files beside it that it may name"
    named = tuple(_named(file, lines)) if not refused else ()
    return Use(
        "ssh",
        (program("ssh") or "ssh", "-F", str(file)),
        "COWHAND_SSH_CONFIG names this configuration, and hosts are reached by it",
        tuple(f"{file.name}: {mask(line)}" for line in lines),
        tuple(lines),
        (file, *named),
        refused,
    )


def _named(file: Path, lines: list[str]) -> Iterator[Path]:
    """Yield the files of its repository that stand in these lines by their names, whatever the way to them is.

    All of them where a line runs a program that may read any: make has a Makefile, a script another one."""
    text = "\n".join(line.translate(_QUOTES) for line in lines)
    every = any(_PROGRAM.search(_spelled(line)) and not _WAYS.fullmatch(_spelled(line)) for line in lines)
    real = Path(os.path.realpath(file))
    for path in files_of(repository(real.parent) or real.parent, MOST):
        if (every or path.name.translate(_QUOTES) in text) and path != real:
            yield path


def _reaching(text: str) -> list[str]:
    """Return the lines that reach beyond the file. asyncssh's reader ends a line also at a carriage return."""
    lines = (line.strip(" \t") for line in re.split("[\r\n]", text))
    return [line for line in lines if not line.startswith("#") and _is_reaching(_spelled(line))]


def _is_reaching(spelled: str) -> bool:
    return bool(_REACHES.search(spelled) or _HANDS_ON.match(spelled))


def _spelled(line: str) -> str:
    """Return a line as the readers understand its words: asyncssh's takes a Kelvin sign for a k."""
    return line.translate(_QUOTES).lower()


def _read(file: Path) -> str | None:
    """Return what is in a file: nothing when there is none, None when it is not plain or too large."""
    try:
        handle = open_plain(file)
    except (NotPlainError, IsADirectoryError):
        return None
    except OSError:
        return ""
    with os.fdopen(handle, "rb") as opened:
        data = opened.read(LARGEST + 1)
        return data.decode("utf-8", "backslashreplace") if len(data) <= LARGEST else None
