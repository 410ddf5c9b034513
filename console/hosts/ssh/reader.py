"""OpenSSH's configuration read without OpenSSH, by asyncssh's reader, for machines that have no `ssh` to ask."""

from __future__ import annotations

import os
import pwd
import re
from pathlib import Path
from typing import Any

from console.errors import NoWayIn
from console.hosts import names
from console.text import clean

SYSTEM = Path("/etc/ssh/ssh_config")

FLAGS = (
    "BatchMode",
    "HashKnownHosts",
    "CheckHostIP",
    "NoHostAuthenticationForLocalhost",
    "ProxyUseFdpass",
    "AddKeysToAgent",
)
STRINGS = (
    "StrictHostKeyChecking",
    "KnownHostsCommand",
    "ControlPath",
    "SecurityKeyProvider",
    "VerifyHostKeyDNS",
    "RequiredRSASize",
    "BindInterface",
    "PubkeyAcceptedAlgorithms",
    "PubkeyAcceptedKeyTypes",
)
"""Directives that matter to us and that asyncssh's reader leaves out."""

LISTS = ("ciphers", "macs", "kexalgorithms", "hostkeyalgorithms", "pubkeyacceptedalgorithms")


def read_without_ssh(destination: str, file: Path | None = None) -> dict[str, tuple[str, ...]]:
    """Return the directives that hold for a destination, in the shape of `ssh -G`, those that are set alone.

    Raises `NoWayIn` with file and line of what cannot be read."""
    me = pwd.getpwuid(os.getuid())
    user, host, port = names.split(destination)
    paths = [file] if file else [Path(me.pw_dir, ".ssh", "config"), SYSTEM]
    try:
        options = _load(paths, me.pw_name, user, host, port, file is not None)
    except (ValueError, OSError) as error:
        raise NoWayIn(f"the SSH configuration cannot be read: {clean(str(error), 160)}") from None
    found: dict[str, tuple[str, ...]] = {}
    if "ProxyJump" in options and "ProxyCommand" in options:  # the one that came first holds
        later = max(("ProxyJump", "ProxyCommand"), key=list(options).index)
        del options[later]
    for name, value in options.items():
        word = name.lower().replace("pubkeyacceptedkeytypes", "pubkeyacceptedalgorithms")
        if value is None:
            found[word] = ("none",)
        elif isinstance(value, bool):
            found[word] = ("yes" if value else "no",)
        elif isinstance(value, list):
            joined = word in ("userknownhostsfile", "globalknownhostsfile")
            found[word] = (" ".join(value) or "none",) if joined else tuple(value) or ("none",)
        elif word == "addressfamily":
            found[word] = ({2: "inet", 10: "inet6"}.get(int(value), "any"),)
        elif word not in LISTS or not re.match(r"[+^-]", value):  # changes to a default that only ssh itself knows
            found[word] = (str(value),)
    found.setdefault(
        "identityfile",
        tuple(f"~/.ssh/{name}" for name in ("id_rsa", "id_ecdsa", "id_ecdsa_sk", "id_ed25519", "id_ed25519_sk")),
    )
    return found


def _load(paths: list[Path], me: str, user: str | None, host: str, port: int | None, required: bool) -> dict[str, Any]:
    from asyncssh.config import SSHClientConfig

    class Reader(SSHClientConfig):
        """asyncssh's reader, with the directives it leaves out and without its expansions, which are ours."""

        _percent_expand: set[str] = set()  # noqa: RUF012
        _no_split = {*SSHClientConfig._no_split, "knownhostscommand"}  # noqa: RUF012

        guarded = False

        def parse(self, path: Path) -> None:
            if self.guarded:  # what it includes is parsed by this, too
                _check(path)
            super().parse(path)

        def _match(self, option: str, args: list[str]) -> None:
            if {"exec", "localnetwork"} & {word.lower().lstrip("!") for word in args}:
                self._error("Match exec and localnetwork need OpenSSH's own ssh, which is not installed here")
            super()._match(option, args)

        _handlers = {  # noqa: RUF012
            **SSHClientConfig._handlers,
            "match": ("Match", _match),
            **{name.lower(): (name, SSHClientConfig._set_bool) for name in FLAGS},
            **{name.lower(): (name, SSHClientConfig._set_string) for name in STRINGS},
        }

    def parse(final: bool) -> Reader:
        config = Reader(None, False, False, final, me, user or (), host, port or ())  # type: ignore[arg-type]
        for path in paths:
            if required or os.access(path, os.R_OK):
                config.guarded = not required and path != SYSTEM
                config.parse(path)
        return config

    config = parse(False)
    if config.has_match_final():
        config = parse(True)
    options = dict(config._options)
    if options.get("CanonicalizeHostname"):
        raise ValueError("CanonicalizeHostname needs OpenSSH's own ssh, which is not installed here")
    return options


def _check(path: Path) -> None:
    """Raise `ValueError` for a file that another user could change: its ProxyCommand would be theirs (as OpenSSH)."""
    found = path.stat()
    if found.st_uid not in (0, os.getuid()) or found.st_mode & 0o022:
        raise ValueError(f"{path} can be changed by others: chown it, or chmod go-w")
