"""Key pairs for the lab's daemons: well, expired, for another name, and a second well one (another serial)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from console.lab.network.addresses import MAIL_NAME

LIFE = timedelta(days=90)
KINDS: dict[str, tuple[str, timedelta]] = {
    "well": (MAIL_NAME, timedelta(days=60)),
    "second": (MAIL_NAME, timedelta(days=80)),
    "expired": (MAIL_NAME, timedelta(days=-3)),
    "other": ("mail.example.org", timedelta(days=60)),
}
"""Kind → the name on it, and how long it still holds."""


def write(folder: Path) -> None:
    """Write KIND.crt, KIND.key and KIND.pem (both) of every kind into a folder."""
    for kind, (name, left) in KINDS.items():
        key, certificate = _make(name, datetime.now(UTC) + left)
        (folder / f"{kind}.key").write_bytes(key)
        (folder / f"{kind}.crt").write_bytes(certificate)
        (folder / f"{kind}.pem").write_bytes(certificate + key)


def _make(name: str, ends: datetime) -> tuple[bytes, bytes]:
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
    return secret, certificate.public_bytes(serialization.Encoding.PEM)
