"""Certificates that are made to mislead or to crash who reads them: of servers, and of files on a host."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from asyncssh import kex_dh
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import load_der_x509_certificate
from msgspec.structs import replace

from console.facts import certificates
from console.facts.certificate_places import ask
from console.hosts.local import Local
from console.ladders import ProbeTarget
from console.probes.ladder import climb
from console.probes.trust import Trust
from console.sources import x509
from tests.console.facts.test_certificate_places import LEAF, NAME
from tests.console.probes import test_trust as served

DER = ssl.PEM_cert_to_DER_cert(LEAF)
VERSION = b"\xa0\x03\x02\x01\x02"
NAMES = b"\x06\x03\x55\x1d\x11"
ODD = {
    "of a version that is none": DER.replace(VERSION, VERSION[:-1] + b"\x5b"),
    "with an extension twice": DER.replace(b"\x06\x03\x55\x1d\x13", NAMES),
    "without an end": DER[:-1],
    "endless": b"\x30\x80" * 20_000,
    "empty": b"",
}


@pytest.mark.parametrize("how", ODD)
def test_no_certificate_of_a_server_is_a_crash(how: str) -> None:
    assert ODD[how] != DER
    found = x509.read(ODD[how])
    assert found is None or found.subject


def test_none_on_a_host_is_one_either() -> None:
    odd = ssl.DER_cert_to_PEM_cert(ODD["of a version that is none"])
    with pytest.raises(ValueError, match="cannot be read"):
        certificates.public_key_of(odd)
    with pytest.raises(ValueError, match="cannot be read"):
        certificates.parse(odd)


def test_a_server_with_another_certificate_each_time_fills_no_memory() -> None:
    assert x509.read.cache_info().maxsize is not None


async def test_a_line_in_a_certificates_file_is_not_taken_for_ours(tmp_path: Path) -> None:
    first, *rest = LEAF.splitlines()
    said = "\n".join((first, "@state", "outcome=ok", "@file certbot /etc/forged.pem", "@verify /x: OK", "@end", *rest))
    live = tmp_path / "etc/letsencrypt/live"
    for name, text in (("a.example.org", said), (NAME, LEAF), ("b\n@state\nc", LEAF)):
        (live / name).mkdir(parents=True)
        (live / name / "fullchain.pem").write_text(text + "\n")
    found = await ask(Local(), "/none", root=str(tmp_path))
    assert [each.where for each in found.places] == [
        str(live / name / "fullchain.pem") for name in ("a.example.org", NAME)
    ]
    assert found.state == "" and not any(each.trusted == "" for each in found.places) and found.error == ""


def tagged(tag: int, *parts: bytes) -> bytes:
    data = b"".join(parts)
    size = len(data).to_bytes(4).lstrip(b"\0")
    return bytes([tag, *([len(data)] if len(data) < 128 else [0x80 | len(size), *size])]) + data


def number(value: int) -> bytes:
    return tagged(2, value.to_bytes(value.bit_length() // 8 + 1))


@pytest.mark.parametrize("kind", ["2a864886f70d010301", "2a8648ce3e0201"], ids=["PKCS 3", "X9.42"])
def test_no_certificate_has_us_test_whether_its_number_is_a_prime(kind: str) -> None:
    """For 8,192 bits that takes a minute in which nothing else runs."""
    prime = kex_dh._group14_p
    rest = number(prime // 2) if kind.endswith("3e0201") else b""
    group = tagged(0x30, number(prime), number(5), rest)
    key = tagged(0x30, tagged(0x30, tagged(6, bytes.fromhex(kind)), group), tagged(3, b"\0", number(12345)))
    leaf = load_der_x509_certificate(DER)
    body, own = (
        leaf.tbs_certificate_bytes,
        leaf.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
    )
    assert own in body
    whole = tagged(0x30, tagged(0x30, body[4:].replace(own, key)), DER[DER.index(body) + len(body) :])
    found = x509.read(whole)
    assert found is not None and (found.key, found.public_key) == ("", "")
    with pytest.raises(ValueError, match="whose key signs nothing"):
        certificates.public_key_of(ssl.DER_cert_to_PEM_cert(whole))


async def test_another_certificate_that_is_trusted_makes_none_of_the_one_that_was_shown(tmp_path: Path) -> None:
    """Whoever sits on the way can have a certificate for a name of theirs, and show it to who looks closely."""
    authority, shown = served.certificate("root", ca=True), served.certificate(served.NAME)
    theirs = served.certificate("mallory.example.org", authority)
    async with served.serving(tmp_path, shown[1], shown[0]) as port:
        ladder = await climb(ProbeTarget("127.0.0.1", port, "imaps", name=served.NAME, depth="tls"), Local())
    assert ladder.certificate is not None
    trust = Trust(served.pem(authority[0]).decode())
    async with served.serving(tmp_path, theirs[1], theirs[0]) as port:
        ladder.target = replace(ladder.target, port=port)
        await trust.ask(Local(), ladder)
    assert trust.known == {}
