"""Certificates on a real disk, read by real commands: never the private key, whatever the file looks like."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from console.facts.certificates import ask, parse, parse_key
from console.hosts.host import Completed
from console.hosts.local import Local
from tests.console.facts.recorded import StandIn, failed


class Watched(Local):
    """This machine, with all that its commands printed kept."""

    def __init__(self) -> None:
        super().__init__("mailcow", "mail")
        self.printed = b""

    async def run(self, argv: Sequence[str], timeout: float, cap: int = 1 << 20) -> Completed:
        done = await super().run(argv, timeout, cap)
        self.printed += done.stdout + done.stderr
        return done


@pytest.fixture
def parts(certificate: Path) -> tuple[str, str]:
    """The key and the certificate of the session's PEM file."""
    text = certificate.read_text()
    key, mark, rest = text.partition("-----BEGIN CERTIFICATE-----")
    return key, mark + rest


def files(folder: Path, certificate: str, key: str) -> tuple[str, str]:
    paths = folder / "cert.pem", folder / "key.pem"
    for path, text in zip(paths, (certificate, key), strict=True):
        path.write_bytes(text.encode())
    return str(paths[0]), str(paths[1])


async def test_a_pair_is_recognised_and_its_key_never_printed(tmp_path: Path, parts: tuple[str, str]) -> None:
    key, certificate = parts
    host = Watched()
    told = await ask(host, *files(tmp_path, certificate, key))
    assert (told.error, told.key_error, told.pair) == ("", "", True)
    assert told.leaf is not None and told.leaf.names == ("mail.example.org",)
    assert b"PRIVATE" not in host.printed
    assert key.splitlines()[1].encode() not in host.printed


async def test_a_key_of_another_certificate_is_noticed(tmp_path: Path, parts: tuple[str, str]) -> None:
    other = rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    assert (await ask(Watched(), *files(tmp_path, parts[1], other.decode()))).pair is False


@pytest.mark.parametrize(
    "shape",
    [
        "{key}{certificate}",
        "{certificate}{key}",
        "{certificate}{key}{certificate}",
        "Bag Attributes\n  friendlyName: x\n{certificate}\n{key}",
    ],
)
async def test_of_a_bundle_with_its_key_only_certificates_are_printed(
    tmp_path: Path, parts: tuple[str, str], shape: str
) -> None:
    key, certificate = parts
    host = Watched()
    path, _ = files(tmp_path, shape.format(key=key, certificate=certificate), "")
    told = await ask(host, path)
    assert len(told.chain) == shape.count("{certificate}")
    assert told.pair is None
    assert all(line.encode() not in host.printed for line in key.splitlines())


@pytest.mark.parametrize(
    ("shape", "printed"),
    [
        ("{cut}{key}", True),  # a certificate that was cut, and then the key
        ("{key_cut}", False),
        ("{certificate}{key_cut}{certificate}", False),
    ],
)
async def test_of_a_broken_bundle_the_key_is_not_printed_either(
    tmp_path: Path, parts: tuple[str, str], shape: str, printed: bool
) -> None:
    key, certificate = parts
    lines = certificate.splitlines(keepends=True)
    cut, key_cut = "".join(lines[:-2]), "".join(key.splitlines(keepends=True)[:-1])
    host = Watched()
    path, _ = files(tmp_path, shape.format(key=key, certificate=certificate, cut=cut, key_cut=key_cut), "")
    told = await ask(host, path)
    assert key.splitlines()[1].encode() not in host.printed
    assert bool(host.printed) is (printed or "{certificate}" in shape)
    assert bool(told.error) is ("{certificate}" not in shape)


async def test_windows_line_ends_are_read_and_give_nothing_away(tmp_path: Path, parts: tuple[str, str]) -> None:
    key, certificate = (part.replace("\n", "\r\n") for part in parts)
    host = Watched()
    path, secret = files(tmp_path, certificate + key, key)
    told = await ask(host, path, secret)
    assert (len(told.chain), told.pair) == (1, True)
    assert b"PRIVATE" not in host.printed


@pytest.mark.parametrize(
    ("given", "key", "error", "key_error"),
    [
        ("", "", "holds no certificate", ""),
        (
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "",
            "certificate 1 in it cannot be read",
            "",
        ),
        ("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n", "", "certificate 1 in it cannot be read", ""),
        (None, "garbage", "", "openssl on mailcow: "),
    ],
)
async def test_what_is_wrong_with_a_file_is_said(
    tmp_path: Path, parts: tuple[str, str], given: str | None, key: str, error: str, key_error: str
) -> None:
    told = await ask(Watched(), *files(tmp_path, parts[1] if given is None else given, key))
    assert error in told.error and bool(told.error) is bool(error)
    assert told.key_error.startswith(key_error)
    assert told.pair is None


async def test_a_key_behind_a_passphrase_is_not_waited_for(tmp_path: Path, parts: tuple[str, str]) -> None:
    locked = rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    told = await ask(Watched(), *files(tmp_path, parts[1], locked.decode()))
    assert (told.pair, bool(told.key_error)) == (None, True)


async def test_files_that_are_missing_or_closed_to_us_are_said_in_the_operators_words(tmp_path: Path) -> None:
    told = await ask(Watched(), str(tmp_path / "none.pem"))
    assert told.error.startswith("sed on mailcow: ")
    assert "No such file" in told.error
    denied = StandIn({"sed": failed("sed: can't read /etc/x.pem: Permission denied", 2)})
    assert (await ask(denied, "/etc/x.pem")).error == 'sed: permission denied on mailcow; add become = "sudo"'


async def test_without_openssl_the_certificate_is_still_read(parts: tuple[str, str]) -> None:
    told = await ask(StandIn({"sed": parts[1]}), "/c.pem", "/k.pem")
    assert (len(told.chain), told.pair, told.key_error) == (1, None, "openssl: not found on mailcow")


def test_a_trusted_certificate_is_a_certificate(parts: tuple[str, str]) -> None:
    assert parse(parts[1].replace("CERTIFICATE", "TRUSTED CERTIFICATE")) == parse(parts[1])


def test_a_public_key_is_the_same_in_any_line_length(parts: tuple[str, str]) -> None:
    body = "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE="
    wide = f"-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n"
    narrow = f"-----BEGIN PUBLIC KEY-----\r\n{body[:30]}\r\n{body[30:]}\r\n-----END PUBLIC KEY-----\r\n"
    assert parse_key(wide) == parse_key(narrow)
