"""Certificates in DER: which names and addresses one is for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from cryptography import x509 as made
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from console.sources import x509


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (
            [made.IPAddress(ip_address("2001:db8::1")), made.DNSName("mail.example.org"), made.RFC822Name("a@b.c")],
            ("mail.example.org", "2001:db8::1"),
        ),
        ([made.DNSName("*.example.org"), made.IPAddress(ip_address("192.0.2.1"))], ("*.example.org", "192.0.2.1")),
        ([made.UniformResourceIdentifier("https://mail.example.org")], ()),
        ([made.DNSName("mail\x1b[2J.example.org")], ("mail\\x1b[2J.example.org",)),
    ],
)
def test_names_and_addresses_are_read_and_cleaned(names: list[made.GeneralName], expected: tuple[str, ...]) -> None:
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = made.Name([])
    der = (
        made.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .add_extension(made.SubjectAlternativeName(names), critical=True)
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.DER)
    )
    found = x509.read(der)
    assert found is not None
    assert found.names == expected
