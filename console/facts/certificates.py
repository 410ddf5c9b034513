"""Certificates as they are stored on a machine.

A private key never leaves its machine: of a file only the certificate blocks are printed, because a bundle such as
HAProxy's also holds the key, and of a key file only the public half is asked for."""

from __future__ import annotations

import hashlib
import re

from msgspec import Struct

from console.facts.command import run
from console.hosts.host import Host
from console.model import Certificate
from console.text import clean

BLOCK = re.compile(r"-----BEGIN (?:TRUSTED )?CERTIFICATE-----\s[^-]*+-----END (?:TRUSTED )?CERTIFICATE-----")
PUBLIC = re.compile(r"-----BEGIN PUBLIC KEY-----\s[^-]*+-----END PUBLIC KEY-----")
_PICK = ("sed", "-n", "-e", "/PRIVATE KEY/,/-END [A-Z ]*PRIVATE KEY/d", "-e", "/-BEGIN .*CERTIFICATE-/,/-END /p", "--")
_HALF = ("openssl", "pkey", "-pubout", "-passin", "pass:", "-in")


class Stored(Struct, frozen=True):
    """A certificate file: the leaf first, then its chain. `public_key` is the SHA-256 of the leaf's, in hex.

    `pair` says whether the key file belongs to it, None when that was not asked or could not be told (`key_error`)."""

    path: str
    chain: tuple[Certificate, ...] = ()
    public_key: str = ""
    pair: bool | None = None
    error: str = ""
    key_error: str = ""

    @property
    def leaf(self) -> Certificate | None:
        """The certificate that clients would be shown."""
        return self.chain[0] if self.chain else None


async def ask(host: Host, path: str, key: str | None = None) -> Stored:
    """Read the certificates in `path` on `host`, and compare with the key file `key`; failures are in the result."""
    answer = await run(host, (*_PICK, path), cap=1 << 20)
    if answer.error:
        return Stored(path, error=answer.error)
    try:
        chain = parse(answer.text)
    except ValueError as error:
        return Stored(path, error=f"{clean(path)} on {host.name}: {error}")
    leaf = public_key_of(answer.text)
    if key is None:
        return Stored(path, chain, leaf)
    half = await run(host, (*_HALF, key))
    if half.error:
        return Stored(path, chain, leaf, key_error=half.error)
    try:
        return Stored(path, chain, leaf, parse_key(half.text) == leaf)
    except ValueError as error:
        return Stored(path, chain, leaf, key_error=f"{clean(key)} on {host.name}: {error}")


def parse(text: str) -> tuple[Certificate, ...]:
    """Read the certificates of PEM text in their order; raises ValueError when there is none, or one is broken."""
    import binascii
    import ssl

    from console.sources import x509

    chain = []
    for number, block in enumerate(BLOCK.findall(text), 1):
        try:
            read = x509.read(ssl.PEM_cert_to_DER_cert(block.replace("TRUSTED ", "").strip()))
        except (ValueError, binascii.Error):
            read = None
        if read is None:
            raise ValueError(f"certificate {number} in it cannot be read")
        chain.append(read)
    if not chain:
        raise ValueError("holds no certificate")
    return tuple(chain)


def public_key_of(text: str) -> str:
    """Return the SHA-256 of the public key of the first certificate of PEM text, in hex; raises ValueError."""
    from cryptography import x509

    from console.sources.x509 import public_key

    block = BLOCK.search(text)
    if block is None:
        raise ValueError("holds no certificate")
    try:
        return public_key(x509.load_pem_x509_certificate(block[0].replace("TRUSTED ", "").encode()))[1]
    except x509.InvalidVersion:
        raise ValueError("holds a certificate that cannot be read") from None


def parse_key(text: str) -> str:
    """Return the SHA-256 of a public key in PEM text, in hex; raises ValueError when there is none."""
    import binascii

    block = PUBLIC.search(text)
    if block is None:
        raise ValueError("holds no key that openssl can read")
    try:
        return hashlib.sha256(binascii.a2b_base64("".join(block[0].split("\n")[1:-1]))).hexdigest()
    except binascii.Error:
        raise ValueError("holds a key that cannot be read") from None
