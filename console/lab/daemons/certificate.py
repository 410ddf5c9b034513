"""The certificates that the lab serves: self-signed, for one name, well or expired; their files are never on disk."""

from __future__ import annotations

import os
import ssl
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

LIFE = timedelta(days=90)
LEFT, OLDER = timedelta(days=60), timedelta(days=40)
"""What is left of a well certificate, and of the one before: more than a third of its life, so that nothing warns."""

OVERDUE = timedelta(days=3)
"""How long ago an expired one ended."""


class Certificate:
    """A certificate in use: its TLS context shows, from the next handshake on, what was put in last.

    `like` is one whose certificate this one begins with; `left` is how much of its life a new one has."""

    def __init__(self, name: str, like: Certificate | None = None, left: timedelta = LEFT) -> None:
        now = datetime.now(UTC)
        self.name = name
        self.well: bytes = like.well if like else _make(name, now + left)
        self.expired: bytes = like.expired if like else _make(name, now - OVERDUE)
        self.since, self.count = (now - (LIFE - left)).timestamp(), 0
        """When it was issued (Unix time), and how many were issued since the lab began."""
        self.keeps = False
        """Whether its key is kept from now on (certbot's reuse_key)."""
        self.pair = self.well
        """The key and the certificate in use, as one PEM."""
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.num_tickets = 0  # a resumed session shows no certificate
        self.context.options |= ssl.OP_NO_TICKET
        self._put(self.well)

    @property
    def pem(self) -> str:
        """The certificate that is served, without its key."""
        return self.pair[self.pair.index(_BEGIN) :].decode()

    @property
    def key(self) -> str:
        """Its private key."""
        return self.pair[: self.pair.index(_BEGIN)].decode()

    def issue(self) -> None:
        """Use a new one, which begins now and has its whole life before it; with a new key unless that is kept."""
        self.well = _make(self.name, datetime.now(UTC) + LIFE, self.key if self.keeps else "")
        self.since, self.count = time.time(), self.count + 1
        self._put(self.well)

    def install(self, other: Certificate) -> None:
        """Use what another one has, from now on."""
        self.well, self.expired = other.well, other.expired
        self._put(other.pair)

    def restore(self, text: str) -> None:
        """Use a certificate and its key, parted by a line `---`, as the deploy script keeps them."""
        pem, _, key = text.partition("\n---\n")
        self.well = f"{key}{pem}\n".encode()
        self._put(self.well)

    def expire(self) -> None:
        """Use the expired one."""
        self._put(self.expired)

    def renew(self) -> None:
        """Use the well one."""
        self._put(self.well)

    def _put(self, pair: bytes) -> None:
        self.pair = pair
        _load(self.context, pair)


_BEGIN = b"-----BEGIN CERTIFICATE-----"


def _make(name: str, ends: datetime, kept: str = "") -> bytes:
    """A key and a self-signed certificate as one PEM; the key is new, or the one that is `kept`."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    if kept:
        loaded = serialization.load_pem_private_key(kept.encode(), None)
        assert isinstance(loaded, ec.EllipticCurvePrivateKey)
        key = loaded
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
