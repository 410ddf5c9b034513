"""TLS over any stream, by `ssl.MemoryBIO`: no socket needed, so it works through SSH and through the lab alike.

The handshake accepts any certificate on purpose: whether it is expired or for another name is judged afterwards and
said, while a refused handshake would hide what is served. Nothing secret is ever sent over such a stream."""

from __future__ import annotations

import asyncio
import importlib
import ssl
import sys
from functools import cache

from console.hosts.host import Stream
from console.model import Certificate
from console.sources import x509


@cache
def any_certificate() -> ssl.SSLContext:
    """Return the one client context: any certificate, TLS 1.2 or later."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    return made


class TlsStream:
    """A stream inside TLS. `first` is sent in one write with the first handshake record.

    HAProxy sends its PROXY header so, and two small writes would cost a delayed acknowledgement (40 ms) on the way."""

    def __init__(
        self, inner: Stream, name: str | None, first: bytes = b"", context: ssl.SSLContext | None = None
    ) -> None:
        self.inner, self.first = inner, first
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = (context or any_certificate()).wrap_bio(self.incoming, self.outgoing, server_hostname=name)

    @property
    def local(self) -> tuple[str, int] | None:
        """The address the stream below leaves its machine with."""
        return self.inner.local

    @property
    def peer(self) -> tuple[str, int] | None:
        """The address the stream below was opened to."""
        return self.inner.peer

    async def handshake(self) -> None:
        """Shake hands; raises ssl.SSLError, or EOFError when the far end closed in the middle."""
        while True:
            try:
                self.tls.do_handshake()
                return await self._flush()
            except ssl.SSLWantReadError:
                await self._flush()
                if not await self._feed():
                    raise EOFError from None
            except ssl.SSLError:
                await self._flush()  # the alert we owe the peer
                raise

    async def read(self, limit: int = 65536) -> bytes:
        """Return what has come, decrypted; b"" at the end, orderly or not."""
        while True:
            try:
                return self.tls.read(limit)
            except ssl.SSLWantReadError:
                await self._flush()
                if not await self._feed():
                    return b""
            except (ssl.SSLError, ValueError):
                return b""

    async def write(self, data: bytes) -> None:
        """Encrypt and send."""
        try:
            self.tls.write(data)
        except ssl.SSLError:
            return
        await self._flush()

    def close(self) -> None:
        """Close the stream below; the orderly TLS goodbye is not waited for."""
        self.inner.close()

    @property
    def version(self) -> str:
        """The protocol that was agreed on, such as "TLSv1.3"."""
        return self.tls.version() or ""

    def certificate(self) -> Certificate | None:
        """What the far end showed, read; None when it cannot be."""
        der = self.tls.getpeercert(binary_form=True)
        return x509.read(der) if der else None

    async def _feed(self) -> bool:
        data = await self.inner.read(65536)
        if data:
            self.incoming.write(data)
        else:
            self.incoming.write_eof()
        return bool(data)

    async def _flush(self) -> None:
        if data := self.first + self.outgoing.read():
            self.first = b""
            await self.inner.write(data)


async def prepare() -> None:
    """Load what reads certificates, before anything is timed: loading it holds up every ladder under way."""
    if "cryptography.x509" not in sys.modules:
        await asyncio.to_thread(importlib.import_module, "cryptography.x509")
