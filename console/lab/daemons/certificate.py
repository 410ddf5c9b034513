"""The certificate all of the lab serves: self-signed, for one name, well or expired; its files are never on disk."""

from __future__ import annotations

import os
import ssl
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

LIFE = timedelta(days=90)
LEFT = timedelta(days=60)
"""What is left of a well certificate: more than a third of its life, so that nothing warns."""

OVERDUE = timedelta(days=3)
"""How long ago an expired one ended."""


class Certificate:
    """One TLS context for every service; `expire` and `renew` change what the next handshake is shown."""

    def __init__(self, name: str) -> None:
        now = datetime.now(UTC)
        self.name = name
        self._well, self._expired = _make(name, now + LEFT), _make(name, now - OVERDUE)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.num_tickets = 0  # a resumed session shows no certificate
        self.context.options |= ssl.OP_NO_TICKET
        self.expired = True
        self.renew()

    @property
    def pem(self) -> str:
        """The certificate that is served, without its key."""
        whole = (self._expired if self.expired else self._well).decode()
        return whole[whole.index("-----BEGIN CERTIFICATE-----") :]

    def expire(self) -> None:
        """Serve the expired certificate from the next handshake on."""
        _load(self.context, self._expired)
        self.expired = True

    def renew(self) -> None:
        """Serve the well certificate from the next handshake on."""
        _load(self.context, self._well)
        self.expired = False


def _make(name: str, ends: datetime) -> bytes:
    """A key and a self-signed certificate as one PEM."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(ends - LIFE)
        .not_valid_after(ends)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return secret + certificate.public_bytes(serialization.Encoding.PEM)


def _load(context: ssl.SSLContext, pem: bytes) -> None:
    if hasattr(os, "memfd_create") and Path("/proc/self/fd").is_dir():
        memory = os.memfd_create("certificate")
        try:
            os.write(memory, pem)
            context.load_cert_chain(f"/proc/self/fd/{memory}")
        finally:
            os.close(memory)
        return
    with tempfile.NamedTemporaryFile() as file:
        file.write(pem)
        file.flush()
        context.load_cert_chain(file.name)
