"""The way to an SSH agent, which may be anybody's: SSH_AUTH_SOCK of a long session names a socket in /tmp that is gone.

asyncssh reads whatever length an agent announces. OpenSSH takes 256 KiB and 2,048 keys; so do we."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncssh

LARGEST = 256 << 10
"""Bytes of one answer (AGENT_MAX_LEN of OpenSSH)."""

MOST = 2048
"""Keys of an agent (MAX_AGENT_IDENTITIES of OpenSSH)."""


class Bounded:
    """Reads an agent's answers, none larger than `LARGEST`."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self.reader = reader

    async def readexactly(self, n: int) -> bytes:
        """Return so many bytes; raises `OSError` when that is more than an answer may have."""
        if n > LARGEST:
            raise OSError("it says too much")
        return await self.reader.readexactly(n)


class Way:
    """Connects to the agent at `path`."""

    def __init__(self, path: str) -> None:
        self.path = path

    async def open_agent_connection(self) -> tuple[Bounded, asyncio.StreamWriter]:
        """Connect; raises `OSError`, also where another user listens, unless we are root: sudo hands on the agent."""
        reader, writer = await asyncio.open_unix_connection(self.path)
        if not _ours(writer.get_extra_info("socket")):
            writer.close()
            raise PermissionError("it is another user's")
        return Bounded(reader), writer


async def connect(path: str) -> tuple[asyncssh.SSHAgentClient, list[asyncssh.SSHKeyPair]]:
    """Return the agent at `path` and the keys that it holds; raises `OSError` or `ValueError`."""
    import asyncssh

    client = await asyncssh.connect_agent(Way(path))
    try:
        keys = list(await client.get_keys())
    except BaseException:
        client.close()
        raise
    if len(keys) > MOST:
        client.close()
        raise ValueError("it has too many keys")
    return client, keys


def _ours(there: socket.socket) -> bool:
    """Whether an agent is this user's or root's; anybody's is where we are root, or the kernel does not tell."""
    if os.geteuid() == 0 or not hasattr(socket, "SO_PEERCRED"):
        return True
    credentials = there.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return struct.unpack("3i", credentials)[1] in (0, os.geteuid())
