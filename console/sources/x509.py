"""Certificates in DER, as a server shows them: names, dates, serial and fingerprint."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import TYPE_CHECKING

from console.model import Certificate
from console.text import clean

KEPT = 256
"""Certificates that are remembered: a server may show another one each time."""

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
    from cryptography.x509 import Certificate as Certified


@lru_cache(KEPT)
def read(der: bytes) -> Certificate | None:
    """Read a DER certificate; None when it is not one."""
    import warnings

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    try:
        with warnings.catch_warnings():  # a foreign certificate's oddities are not our operator's
            warnings.simplefilter("ignore")
            read = x509.load_der_x509_certificate(der)
            names: tuple[str, ...] = ()
            try:
                extension = read.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
                names = tuple(clean(name, 253) for name in extension.get_values_for_type(x509.DNSName))
                names += tuple(map(str, extension.get_values_for_type(x509.IPAddress)))
            except (x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType, ValueError):
                pass
            return Certificate(
                clean(read.subject.rfc4514_string()),
                names,
                f"{read.serial_number:x}",
                read.not_valid_before_utc.timestamp(),
                read.not_valid_after_utc.timestamp(),
                read.fingerprint(hashes.SHA256()).hex(),
                clean(read.issuer.rfc4514_string()),
                *_key(read),
            )
    except (ValueError, x509.InvalidVersion):  # the latter is no ValueError, and any server can have it
        return None


SIGNING = (
    "1.2.840.113549.1.1.", "1.2.840.10045.2.1", "1.2.840.10040.4.1",
    "1.3.101.112", "1.3.101.113", "2.16.840.1.101.3.4.3.",
)  # fmt: skip
"""How the kinds of keys begin that can sign, as a server's has to: RSA, EC, DSA, Ed25519, Ed448, ML-DSA. One of
Diffie-Hellman, which cannot, has its prime tested when it is read: a minute for 8,192 bits, and nothing else runs."""


def public_key(certificate: Certified) -> tuple[CertificatePublicKeyTypes, str]:
    """Return a certificate's key, and the SHA-256 of it in hex; raises ValueError for one that cannot be read."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    if not certificate.public_key_algorithm_oid.dotted_string.startswith(SIGNING):
        raise ValueError("holds a certificate whose key signs nothing")
    try:
        key = certificate.public_key()
        return key, hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()
    except UnsupportedAlgorithm:
        raise ValueError("holds a certificate that cannot be read") from None


def _key(certificate: Certified) -> tuple[str, str]:
    """The kind of its key, and the SHA-256 of it; "" where the key is of no kind that is known here."""
    try:
        key, digest = public_key(certificate)
    except ValueError:
        return "", ""
    curve, size = getattr(key, "curve", None), getattr(key, "key_size", None)
    if curve is not None:
        return f"EC {curve.name}", digest
    name = type(key).__name__.removesuffix("PublicKey").strip("_")
    return f"{name} {size}" if size else name, digest
