"""Key pairs for the certificate scripts: a root, what it signed, and what is wrong with some of them."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NAME = "mail.example.test"
DAY = timedelta(days=1)
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True)
class Pair:
    """A leaf with its chain, and its key, both PEM."""

    chain: str
    key: str

    @property
    def pushed(self) -> bytes:
        """As the hook sends it."""
        return f"{self.chain}---\n{self.key}".encode()

    @property
    def leaf(self) -> str:
        """The first certificate alone."""
        end = "-----END CERTIFICATE-----\n"
        return self.chain[: self.chain.index(end) + len(end)]

    @property
    def rest(self) -> str:
        """The chain without the leaf."""
        return self.chain[len(self.leaf) :]

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the leaf, in hex."""
        return x509.load_pem_x509_certificate(self.leaf.encode()).fingerprint(hashes.SHA256()).hex()

    def write(self, folder: Path) -> None:
        """Lay it as Mailcow has it."""
        for name, text, mode in (("cert.pem", self.chain, 0o644), ("key.pem", self.key, 0o600)):
            (folder / name).write_text(text)
            (folder / name).chmod(mode)


def key(curve: ec.EllipticCurve | None = None) -> ec.EllipticCurvePrivateKey:
    """Make a key."""
    return ec.generate_private_key(curve or ec.SECP256R1())


def text(secret: Key, *, traditional: bool = False, password: bytes = b"") -> str:
    """Return a key as PEM."""
    form = serialization.PrivateFormat.TraditionalOpenSSL if traditional else serialization.PrivateFormat.PKCS8
    lock = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return secret.private_bytes(serialization.Encoding.PEM, form, lock).decode()


class Authority:
    """A root and the intermediate that signs."""

    def __init__(self) -> None:
        self.root_key, self.middle_key = key(), key()
        self.root = sign("lab root", self.root_key, "lab root", self.root_key, authority=True)
        self.middle = sign("lab middle", self.middle_key, "lab root", self.root_key, authority=True)

    def pair(self, *names: str, secret: Key | None = None, start: timedelta = -DAY, end: timedelta = 60 * DAY,
             chain: bool = True, **more: Any) -> Pair:  # fmt: skip
        """Sign a pair for some names (default: NAME); `start` and `end` are from now."""
        own = secret or key()
        leaf = sign((names or (NAME,))[0], own, "lab middle", self.middle_key, names or (NAME,), start, end, **more)
        return Pair(leaf + (self.middle if chain else ""), text(own))


def sign(subject: str, own: Key, issuer: str, signer: Key, names: tuple[str, ...] = (), start: timedelta = -DAY,
         end: timedelta = 60 * DAY, *, authority: bool = False, client: bool = False,
         ) -> str:  # fmt: skip
    """Sign a certificate; returns it as PEM."""
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(own.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + start)
        .not_valid_after(now + end)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if names:
        made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(each) for each in names]), critical=False)
    if client:
        made = made.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
    return made.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


@lru_cache(maxsize=1)
def authority() -> Authority:
    """The authority of a test run."""
    return Authority()


@lru_cache(maxsize=1)
def old() -> Pair:
    """The pair that is installed at first."""
    return authority().pair(end=20 * DAY)


@lru_cache(maxsize=1)
def new() -> Pair:
    """The renewed pair."""
    return authority().pair()


def installed(folder: Path) -> Pair:
    """What lies in a folder; fails unless openssl says that key and certificate belong together."""
    halves = [
        subprocess.run(["openssl", *words], check=True, capture_output=True).stdout
        for words in (
            ("x509", "-noout", "-pubkey", "-in", str(folder / "cert.pem")),
            ("pkey", "-pubout", "-in", str(folder / "key.pem")),
        )
    ]
    assert halves[0] == halves[1]
    return Pair((folder / "cert.pem").read_text(), (folder / "key.pem").read_text())
