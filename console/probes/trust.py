"""Whether clients would trust a certificate that is served: a handshake that insists on it, once for each certificate.

The ladders accept any certificate, so that one that nobody trusts is shown and judged like every other."""

from __future__ import annotations

import asyncio
import ssl
from functools import cache
from pathlib import Path

from msgspec import Struct, field

from console.errors import HostError
from console.hosts.host import Host
from console.ladders import Ladder
from console.probes.ladder import CONNECT, CONVERSATION, PATIENCE, PROBES
from console.probes.tls import TlsStream
from console.probes.wire import Broken, Wire

_PRIVATE = "its issuer is not known here"
REASONS = {
    18: "self-signed",
    19: _PRIVATE,
    20: f"its chain is incomplete, or {_PRIVATE}",
    21: f"its chain is incomplete, or {_PRIVATE}",
}
"""OpenSSL's X509_V_ERR_… → what it means to clients; its dates and names are judged elsewhere."""


class Trust(Struct):
    """What this machine's roots, and an authority of the operator's own (as PEM, "" for none), say of certificates.

    `known` are SHA-256 fingerprints → why clients do not trust it; "" for one that they do."""

    authority: str = ""
    known: dict[str, str] = field(default_factory=dict)

    @property
    def blind(self) -> str:
        """Why nothing can be asked here; "" when it can."""
        return "" if _context(self.authority) is not None else "this machine has no root certificates"

    async def ask(self, host: Host, ladder: Ladder) -> None:
        """Ask once about the certificate that a ladder was shown; what cannot be asked stays unknown."""
        found = ladder.certificate
        if found is None or found.fingerprint in self.known:
            return
        made = _context(self.authority)
        if made is None:
            return
        self.known[found.fingerprint] = ""  # other ports that show it need not ask, too
        why = await _handshake(host, ladder, found.fingerprint, made)
        if why is None:
            self.known.pop(found.fingerprint, None)
        else:
            self.known[found.fingerprint] = why


@cache
def _context(authority: str) -> ssl.SSLContext | None:
    """The context that insists; None where this machine has no roots, or the authority cannot be read."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    made.load_default_certs()
    try:
        if authority:
            made.load_verify_locations(cadata=authority)
    except (ValueError, ssl.SSLError):
        return None
    paths = ssl.get_default_verify_paths()
    folder = paths.capath and any(Path(paths.capath).iterdir()) if paths.capath else False
    return made if made.cert_store_stats()["x509_ca"] or folder or authority else None


async def _handshake(host: Host, ladder: Ladder, asked: str, context: ssl.SSLContext) -> str | None:
    """Why clients do not trust the certificate with the fingerprint `asked`, "" when they do; None when that could not
    be asked, also where another one was shown."""
    target = ladder.target
    try:
        stream = await host.connect(target.address, target.port, CONNECT)
    except HostError:
        return None
    try:
        if not target.implicit_tls:
            probe, wire = PROBES[target.protocol], Wire(stream, PATIENCE, target.name)
            async with asyncio.timeout(CONVERSATION):
                await probe.greet(wire)
                await probe.starttls(wire)
        async with asyncio.timeout(PATIENCE):
            secured = TlsStream(stream, target.name, context=context)
            await secured.handshake()
            shown = secured.certificate()
    except ssl.SSLCertVerificationError as error:
        return REASONS.get(error.verify_code)
    except (ssl.SSLError, Broken, HostError, EOFError, TimeoutError):
        return None
    finally:
        stream.close()
    # what is trusted is what was shown this time: a server may have several, or another one for who looks closely
    return "" if shown is not None and shown.fingerprint == asked else None
