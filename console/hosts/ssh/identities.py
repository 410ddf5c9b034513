"""The keys to offer, in OpenSSH's order: certificates, what the agent holds, then files."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from console.hosts.ssh import agent
from console.hosts.ssh.config import Resolved
from console.hosts.ssh.known_hosts import shorten
from console.questions import Credentials, Question
from console.secret import Secret
from console.store.plain import read_plain
from console.text import clean

if TYPE_CHECKING:
    import asyncssh

AGENT = 5.0
"""Seconds an agent may take to list its keys."""

TRIES = 3
"""How often a passphrase is asked for: a wrong one costs nothing, it never leaves this machine."""


class Locked(Exception):
    """The server would take this key, which needs its passphrase first."""

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(str(path))


class Identities:
    """The keys for one attempt to log in; `notes` says, for people, what became of each."""

    def __init__(self, resolved: Resolved, credentials: Credentials) -> None:
        self.resolved, self.credentials = resolved, credentials
        self.notes: list[str] = []
        self._pairs: list[asyncssh.SSHKeyPair] | None = None
        self._agent: asyncssh.SSHAgentClient | None = None

    async def next(self) -> asyncssh.SSHKeyPair | None:
        """The next key pair to offer; None when there is no more."""
        if self._pairs is None:
            self._pairs = await self._gather()
        return self._pairs.pop(0) if self._pairs else None

    def close(self) -> None:
        """Let go of the agent."""
        if self._agent is not None:
            self._agent.close()
            self._agent = None

    async def _gather(self) -> list[asyncssh.SSHKeyPair]:
        import asyncssh

        held = await self._ask_agent()
        certificates: list[asyncssh.SSHCertificate] = []
        for path in self.resolved.certificates:
            try:
                certificates.append(asyncssh.import_certificate(_read(path)))
            except (OSError, ValueError):
                self.notes.append(f"{shorten(path)}: no certificate can be read from it")
        named: list[asyncssh.SSHKeyPair] = []
        loaded: list[asyncssh.SSHKeyPair] = []
        for path in self.resolved.identities:
            public = _public(path)
            pair = next((pair for pair in held if public is not None and pair.key_public_data == public), None)
            if pair is not None:
                named.append(pair)
            else:
                loaded += await self._load(path, certificates)
        rest = [] if self.resolved.only else [pair for pair in held if pair not in named]
        agents = [*_certified(held, certificates), *named, *rest]
        if agents:
            self.notes.append(f"{len(agents)} from the agent")
        return [*(p for p in loaded if p.has_cert), *agents, *(p for p in loaded if not p.has_cert)]

    async def _ask_agent(self) -> list[asyncssh.SSHKeyPair]:
        if self.resolved.agent is None:
            return []
        try:
            async with asyncio.timeout(AGENT):
                self._agent, keys = await agent.connect(self.resolved.agent)
                return keys
        except (OSError, ValueError, TimeoutError):
            self.notes.append(f"the agent at {shorten(Path(self.resolved.agent))} does not answer")
            return []

    async def _load(self, path: Path, certificates: Sequence[asyncssh.SSHCertificate]) -> list[asyncssh.SSHKeyPair]:
        """The pairs of one file: with its certificate, and without."""
        import asyncssh

        name = shorten(path)
        try:
            mode, data = _private(path)
            for end in BESIDE:  # asyncssh reads them too
                with suppress(FileNotFoundError, PermissionError, IsADirectoryError):  # it goes on without those
                    _read(path.with_name(path.name + end))
        except FileNotFoundError:
            return []
        except OSError as error:
            self.notes.append(f"{name}: {error.strerror}")
            return []
        if b"PRIVATE KEY" not in data:
            return []
        if mode & 0o077:
            self.notes.append(f"{name}: not used, for its mode {mode:04o} lets others read it (chmod 600 {name})")
            return []
        secret = self.credentials.kept(question_id(path))

        def passphrase(_: str) -> str:
            if secret is None:
                raise Locked(path)
            return secret.reveal()

        try:
            pairs = await asyncio.to_thread(
                asyncssh.load_keypairs,
                str(path),
                secret.reveal() if secret else passphrase,  # type: ignore[arg-type]  # callables are documented
                certificates,
            )
        except Locked:
            if self._may_ask(path):
                raise
            return []
        except (ValueError, OSError) as error:
            self.notes.append(f"{name}: {clean(str(error), 80)}")
            return []
        if any(pair.algorithm.startswith((b"sk-", b"webauthn-")) for pair in pairs):
            self.notes.append(f"{name}: a security key, which works through an agent only (ssh-add {name})")
            return []
        if secret is None and _encrypted(data) and not self._may_ask(path):
            return []
        self.notes.append(name)
        return list(pairs)

    def _may_ask(self, path: Path) -> bool:
        name = shorten(path)
        if self.resolved.batch or self.credentials.declined(question_id(path)):
            self.notes.append(f"{name}: needs its passphrase (ssh-add {name})")
            return False
        return True


async def unlock(path: Path, host: str, credentials: Credentials) -> bool:
    """Ask for a key's passphrase until it is right, `TRIES` times at most; False when it was not given."""
    import asyncssh

    text = f"passphrase of {shorten(path)}"
    for _ in range(TRIES):
        secret = await credentials.ask(
            Question(question_id(path), "passphrase", host, text, f"to log in to {host}", True)
        )
        if secret is None:
            return False
        if await asyncio.to_thread(_opens, asyncssh.import_private_key, path, secret):
            credentials.keep(question_id(path), secret)
            return True
        text = f"that was not the passphrase of {shorten(path)}; once more"
    credentials.decline(question_id(path))
    return False


def question_id(path: Path) -> str:
    """The id of the question for that key's passphrase, the same for all hosts."""
    return f"passphrase:{path}"


def _opens(load: object, path: Path, secret: Secret) -> bool:
    assert callable(load)
    try:
        load(_read(path), secret.reveal())
    except (ValueError, OSError):
        return False
    return True


BESIDE = ("-cert.pub", ".pub")
"""Endings of the files that belong to a key: its certificate and its public half."""

LARGEST = 1 << 20
"""Bytes of a key's file: a configuration may name a device, or a pipe that nobody writes to."""


def _read(path: Path) -> bytes:
    return read_plain(path, LARGEST)


def _private(path: Path) -> tuple[int, bytes]:
    return path.stat().st_mode & 0o777, _read(path)


def _encrypted(data: bytes) -> bool:
    import asyncssh

    try:
        asyncssh.import_private_key(data)
    except ValueError as error:
        return "assphrase" in str(error)
    return False


def _public(path: Path) -> bytes | None:
    """The public key of an identity, from `PATH.pub` or from the file itself."""
    import asyncssh

    for file in (path.with_name(path.name + ".pub"), path):
        try:
            return asyncssh.import_public_key(_read(file)).public_data
        except (OSError, ValueError):
            continue
    return None


def _certified(
    held: Sequence[asyncssh.SSHKeyPair], certificates: Sequence[asyncssh.SSHCertificate]
) -> list[asyncssh.SSHKeyPair]:
    """The agent's keys once more, with the certificates that were made for them."""
    made = []
    for certificate in certificates:
        for pair in held:
            if pair.key_public_data == certificate.key.public_data and not pair.has_cert:
                twin = copy.copy(pair)
                twin.set_certificate(certificate)
                made.append(twin)
    return made
