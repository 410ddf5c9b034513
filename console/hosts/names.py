"""Which names may reach OpenSSH and, as %h and %r of a ProxyCommand, a shell: nothing puts those in quotes."""

from __future__ import annotations

import ipaddress
import re

from console.text import clean, is_plain

HOST = re.compile(r"(?!-)[^\s'`\"$\\;&<>|(){}*?#!]+")
"""OpenSSH's valid_hostname (ssh.c, 9.6), and without what a shell would take for a pattern, a comment or history."""

USER = re.compile(r"(?!-)(?:[^\s'`\"$\\;&<>|(){}*?#!]|\\(?!$))+")
"""OpenSSH's valid_ruser (ssh.c, 9.6), without blanks and patterns: a backslash may stand in it, but not at its end."""

INSTANCE = re.compile(r"(?:\w[\w.-]*:)?[A-Za-z0-9][A-Za-z0-9-]*", re.ASCII)
"""An instance of Incus, "remote:name" or "name" (its names are those of hosts, shared/validate)."""


def is_host(name: str) -> bool:
    """Whether OpenSSH takes this for a host's name or alias, and a shell for one word."""
    return is_plain(name) and HOST.fullmatch(name) is not None


def is_user(name: str) -> bool:
    """Whether OpenSSH takes this for a user's name, and a shell for one word."""
    return is_plain(name) and USER.fullmatch(name) is not None


def split(destination: str) -> tuple[str | None, str, int | None]:
    """Take user, host and port out of an alias, user@host or ssh://user@host:port; None for those not given."""
    rest = destination.removeprefix("ssh://").rstrip("/")
    user, at, host = rest.rpartition("@")
    port = None
    if destination.startswith("ssh://") and (match := re.fullmatch(r"(.*):(\d{1,5})", host)):
        host, port = match[1], int(match[2])
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    return (user if at else None), host, port


def complaint(destination: str) -> str:
    """Say what is wrong with an SSH destination, and what to write; "" when nothing is."""
    user, host, port = split(destination)
    if is_host(host) and (user is None or is_user(user)) and (port is None or 1 <= port <= 65535):
        return ""
    part = "host" if not is_host(host) else "user" if user is not None and not is_user(user) else "port"
    return (
        f'"{clean(destination, 60)}" cannot be an SSH destination: its {part} is not one that OpenSSH takes; '
        'write an alias, "user@host" or "ssh://user@host:port"'
    )


def numeric(name: str) -> bool:
    """Whether a host's word is an address; Python takes whatever stands behind its % for an interface."""
    bare, sign, zone = name.partition("%")
    try:
        ipaddress.ip_address(bare)
    except ValueError:
        return False
    return not sign or re.fullmatch(r"[\w.-]{1,15}", zone, re.ASCII) is not None
