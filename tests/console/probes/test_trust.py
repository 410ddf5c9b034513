"""Whether clients would trust what is served: real TLS servers on loopback, with authorities of the test's own."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from msgspec.structs import replace

from console.diagnosis.certificates import certificate_trouble
from console.diagnosis.diagnose import diagnose
from console.diagnosis.judge import judge_lane
from console.hosts.local import Local
from console.ladders import ProbeTarget
from console.model import Bind, Lane, Span, Target, Topology
from console.probes.ladder import climb
from console.probes.sweep import sweep
from console.probes.trust import Trust

Pair = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]
NAME = "localhost"


def certificate(name: str, by: Pair | None = None, ca: bool = False) -> Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by[0].subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=90))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(by[1] if by else key, hashes.SHA256())
    )
    return made, key


def pem(*certificates: x509.Certificate) -> bytes:
    return b"".join(each.public_bytes(serialization.Encoding.PEM) for each in certificates)


@pytest.fixture(scope="module")
def chain() -> tuple[Pair, Pair, Pair]:
    """A root, an intermediate and a leaf."""
    root = certificate("root", ca=True)
    middle = certificate("middle", root, ca=True)
    return root, middle, certificate(NAME, middle)


@asynccontextmanager
async def serving(folder: Path, key: ec.EllipticCurvePrivateKey, *shown: x509.Certificate) -> AsyncIterator[int]:
    """An IMAP server inside TLS that shows these certificates."""
    file = folder / "served.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(pem(*shown) + secret)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"* OK ready\r\n")
        await reader.read(64)
        writer.write(b"* BYE\r\na OK\r\n")
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


def lane(port: int) -> Lane:
    where = Span("haproxy.cfg", 1)
    return Lane("imaps", "imaps", port, (Bind("", port),), Target("127.0.0.1", port), None, "terminated", where)


async def told(port: int, trust: Trust) -> tuple[str, ...]:
    """What one sweep from here finds of the server."""
    seen = await sweep(
        Topology(lanes=(lane(port),), public=("127.0.0.1",)), {"here": Local()}, lambda *_: None, trust=trust
    )
    readings = [reading for each in seen.lanes.values() for reading in judge_lane(seen, each)]
    (only,) = seen.lanes.values()
    assert (certificate_trouble(seen, only) is None) is (not seen.distrusted)
    return tuple(f"{finding.id} {finding.summary}" for finding in diagnose(seen, readings))


async def test_a_self_signed_certificate_is_not_well(tmp_path: Path) -> None:
    alone, key = certificate(NAME)
    async with serving(tmp_path, key, alone) as port:
        (said,) = await told(port, Trust())
        assert said == f"CH083 the certificate that HAProxy serves is not trusted here, lane {port}: it is self-signed"
        assert await told(port, Trust(pem(alone).decode())) == ()


async def test_a_chain_without_its_middle_is_told_from_a_whole_one(
    tmp_path: Path, chain: tuple[Pair, Pair, Pair]
) -> None:
    (root, _), (middle, _), (leaf, key) = chain
    own = pem(root).decode()
    async with serving(tmp_path, key, leaf) as port:
        (said,) = await told(port, Trust(own))
        assert said.endswith(": its chain is incomplete, or its issuer is not known here")
    async with serving(tmp_path, key, leaf, middle) as port:
        assert await told(port, Trust(own)) == ()
        (said,) = await told(port, Trust())
        assert "not known here" in said


async def test_a_certificate_is_asked_about_once(tmp_path: Path) -> None:
    alone, key = certificate(NAME)
    trust = Trust()
    async with serving(tmp_path, key, alone) as port:
        await told(port, trust)
        assert list(trust.known.values()) == ["self-signed"]
    async with serving(tmp_path, key, alone) as port:  # asked again it would be known from before, server or not
        assert len(await told(port, trust)) == 1
        assert len(trust.known) == 1


async def test_an_authority_that_cannot_be_read_judges_nobody(tmp_path: Path) -> None:
    alone, key = certificate(NAME)
    async with serving(tmp_path, key, alone) as port:
        assert await told(port, Trust("no certificate")) == ()


@asynccontextmanager
async def upgrading(folder: Path, key: ec.EllipticCurvePrivateKey, shown: x509.Certificate) -> AsyncIterator[int]:
    """An SMTP server that offers STARTTLS, and shows the certificate then."""
    file = folder / "upgraded.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(pem(shown) + secret)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example.org ESMTP\r\n")
        while line := await reader.readline():
            verb = line.split()[0].upper()
            writer.write(b"250-mail.example.org\r\n250 STARTTLS\r\n" if verb == b"EHLO" else b"220 go\r\n")
            if verb == b"STARTTLS":
                with suppress(ssl.SSLError, OSError):
                    await writer.start_tls(context)
                break
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_one_that_is_shown_after_starttls_is_asked_about_too(
    tmp_path: Path, chain: tuple[Pair, Pair, Pair]
) -> None:
    alone, key = certificate(NAME)
    async with upgrading(tmp_path, key, alone) as port:
        ladder = await climb(ProbeTarget("127.0.0.1", port, "submission", name=NAME, depth="starttls"), Local())
        assert ladder.certificate is not None
        for authority, answer in ((pem(alone).decode(), ""), ("", "self-signed")):
            trust = Trust(authority)
            await trust.ask(Local(), ladder)
            assert trust.known == {ladder.certificate.fingerprint: answer}


async def test_a_server_that_no_longer_offers_tls_says_nothing_of_trust(tmp_path: Path) -> None:
    alone, key = certificate(NAME)
    async with upgrading(tmp_path, key, alone) as port:
        ladder = await climb(ProbeTarget("127.0.0.1", port, "submission", name=NAME, depth="starttls"), Local())
    trust = Trust(pem(alone).decode())
    ladder.target = replace(ladder.target, protocol="imap")  # the answers are no longer those that are waited for
    async with upgrading(tmp_path, key, alone) as port:
        ladder.target = replace(ladder.target, port=port)
        await trust.ask(Local(), ladder)
    assert trust.known == {}
