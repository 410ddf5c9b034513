"""The arguments for asyncssh, all from the resolved configuration: algorithms, keys, ways to log in."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from typing import Any

from console.errors import NoWayIn
from console.hosts.ssh import known_hosts
from console.hosts.ssh.config import Resolved
from console.hosts.ssh.known_hosts import KnownHosts
from console.hosts.ssh.login import Attempt, client
from console.text import join_words

SPELLED = {
    "ciphers": "Ciphers",
    "kexalgorithms": "KexAlgorithms",
    "pubkeyacceptedalgorithms": "PubkeyAcceptedAlgorithms",
}
"""Directives as OpenSSH spells them."""


def options(attempt: Attempt, certificates: bool) -> dict[str, Any]:
    """asyncssh's arguments for a resolved destination: all of ours, none from files of its own."""
    resolved = attempt.resolved
    chosen: dict[str, Any] = {
        "config": None,
        "username": resolved.user,
        "client_factory": client(attempt),
        "client_keys": None,
        "agent_forwarding": False,
        "known_hosts": ([], *trusted(attempt.known, resolved)),
        "host_key_alias": resolved.key_alias,
        "server_host_key_algs": host_key_algorithms(attempt.known, resolved, certificates),
        "x509_trusted_certs": None,
        "preferred_auth": resolved.methods,
        "public_key_auth": "publickey" in resolved.methods,
        "kbdint_auth": "keyboard-interactive" in resolved.methods,
        "password_auth": "password" in resolved.methods,
        "host_based_auth": False,
        "gss_host": None,
        "gss_kex": False,
        "gss_auth": False,
        "login_timeout": 0,
        "keepalive_interval": resolved.alive[0],
        "keepalive_count_max": resolved.alive[1],
        "tcp_keepalive": resolved.keepalive,
        # one packet that is compressed may unfold to 256 MiB: only where the operator wants it
        "compression_algs": "zlib@openssh.com,zlib,none" if resolved.compression else "none",
        "utf8_decode_errors": "replace",
    }
    for directive, argument, ours in _algorithms():
        wanted = resolved.allowed(directive)
        if not wanted and directive != "kexalgorithms":
            continue
        common = [name for name in wanted or _exchanges() if name in ours]
        if not common and directive != "macs":
            raise NoWayIn(
                f"cowhand knows none of the {SPELLED[directive]} set for {resolved.alias}: {join_words(wanted)}"
            )
        if common:
            chosen[argument] = common
    return chosen


def _algorithms() -> tuple[tuple[str, str, set[str]], ...]:
    """Directive, asyncssh's argument for it, and what asyncssh knows."""
    from asyncssh.encryption import get_encryption_algs
    from asyncssh.kex import get_kex_algs
    from asyncssh.mac import get_mac_algs
    from asyncssh.public_key import get_public_key_algs

    def names(known: Sequence[bytes]) -> set[str]:
        return {name.decode() for name in known}

    return (
        ("ciphers", "encryption_algs", names(get_encryption_algs())),
        ("macs", "mac_algs", names(get_mac_algs())),
        ("kexalgorithms", "kex_algs", {name for name in names(get_kex_algs()) if CHOSEN not in name}),
        ("pubkeyacceptedalgorithms", "signature_algs", names(get_public_key_algs())),
    )


CHOSEN = "group-exchange"
"""In the name of each key exchange whose prime the server chooses: whether it is one is computed before any host key is
looked at, a minute for 8,192 bits and hours for the 32,768 that the library allows, and nothing else runs meanwhile."""


def _exchanges() -> list[str]:
    """The key exchanges that asyncssh would offer by itself, without those whose numbers the server chooses."""
    from asyncssh.kex import get_default_kex_algs

    found = [name.decode() for name in get_default_kex_algs()]
    return [name for name in found if CHOSEN not in name and not name.startswith("gss-")]


def host_key_algorithms(known: KnownHosts, resolved: Resolved, certificates: bool) -> list[str]:
    """The host key algorithms to ask for, those of keys we know first, certificates where we know who signs them."""
    from asyncssh.public_key import (
        get_certificate_algs,
        get_default_certificate_algs,
        get_default_public_key_algs,
        get_public_key_algs,
    )

    ours = {name.decode() for name in (*get_certificate_algs(), *get_public_key_algs())}
    default = [name.decode() for name in (*get_default_certificate_algs(), *get_default_public_key_algs())]
    wanted = [name for name in resolved.allowed("hostkeyalgorithms") or default if name in ours]
    if not wanted:
        raise NoWayIn(f"cowhand knows none of the HostKeyAlgorithms set for {resolved.alias}")
    signed = [name for name in wanted if "-cert-" in name]
    plain = [name for name in wanted if "-cert-" not in name]
    kinds = known.kinds(resolved.known_as)
    plain.sort(key=lambda name: _kind(name) not in kinds)
    return [*(signed if certificates and known.authorities(resolved.known_as) else ()), *plain]


def _kind(algorithm: str) -> str:
    return "ssh-rsa" if algorithm.startswith("rsa-sha2-") else algorithm


def trusted(known: KnownHosts, resolved: Resolved) -> tuple[list[bytes], list[bytes]]:
    """Keys that may sign host certificates, and keys that are revoked, as asyncssh wants them."""
    import asyncssh

    def usable(lines: Sequence[known_hosts.Line]) -> list[bytes]:
        keys = []
        for line in lines:
            text = line.kind.encode() + b" " + b64encode(line.key)
            try:
                asyncssh.import_public_key(text)
            except ValueError:
                continue
            keys.append(text)
        return keys

    return usable(known.authorities(resolved.known_as)), usable(known.revoked(resolved.known_as))
