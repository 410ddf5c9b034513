"""What a site file names beside its sources: of a clone, no key of the operator's is sent on, and no device read."""

from __future__ import annotations

from pathlib import Path

import pytest

from console.__main__ import main
from console.errors import InputError
from console.estate import load, named
from tests.attacks.test_site import clone, said

__all__ = ["clone"]

LANE = '[[lane]]\nport = 993\nprotocol = "imap"\ntarget = "127.0.0.1:1"\n'
CERTIFICATE = f"-----BEGIN CERTIFICATE-----\n{'QUJD' * 12}\n-----END CERTIFICATE-----\n"
KEY = f"-----BEGIN PRIVATE KEY-----\n{'c2VjcmV0' * 6}\n-----END PRIVATE KEY-----\n"


def site(clone: Path, written: str) -> Path:
    path = clone / "site.toml"
    path.write_text(f'[certificate]\nname = "localhost"\nauthority = "{written}"\n{LANE}')
    return path


@pytest.mark.parametrize(
    "written", ["../roots.pem", "{}/roots.pem", "link.pem", "zero.pem", "/dev/zero", "folder/../../x"]
)
def test_the_authority_of_a_clone_is_its_own(written: str, clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (clone.parent / "roots.pem").write_text(CERTIFICATE + KEY)
    (clone / "link.pem").symlink_to("../roots.pem")
    (clone / "zero.pem").symlink_to("/dev/zero")
    path = site(clone, written.format(clone.parent))
    with pytest.raises(InputError, match=r"site.toml:3:1: .* is outside of this site and its repository: not read"):
        named.authority(load.load(path))
    assert main(["--site", str(path), "certificates"]) in (1, 2, 3)
    assert "is outside of this site and its repository: not read" in said(capsys)


def test_of_a_file_with_a_key_the_certificates_alone_are_read(clone: Path) -> None:
    (clone / "own.pem").write_text(KEY + CERTIFICATE + KEY + CERTIFICATE)
    assert named.authority(load.load(site(clone, "own.pem"))) == CERTIFICATE * 2


@pytest.mark.parametrize("text", ["", KEY, "-----BEGIN CERTIFICATE-----\n" * 30_000], ids=["empty", "key", "begun"])
def test_a_file_without_a_certificate_is_said_to_be_one_in_time(text: str, clone: Path) -> None:
    (clone / "own.pem").write_text(text)
    with pytest.raises(InputError, match="holds no certificate"):
        named.authority(load.load(site(clone, "own.pem")))


INCUS = 'url = "https://127.0.0.1:1"\nserver_certificate = "{server}"\n'


@pytest.mark.parametrize(
    ("entry", "key"),
    [
        (INCUS.format(server="/dev/zero"), "server_certificate"),
        (INCUS.format(server="zero.pem"), "server_certificate"),
        (INCUS.format(server="own.pem") + 'key = "../id_ed25519"\n', "key"),
        (INCUS.format(server="own.pem") + 'certificate = "~/.ssh/id"\n', "certificate"),
        ('socket = "/run/docker.sock"\n', "socket"),
        ('socket = "/run/user/0/gnupg/S.gpg-agent"\n', "socket"),
    ],
)
def test_a_clone_names_no_file_and_no_socket_for_incus(
    entry: str, key: str, clone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (clone / "zero.pem").symlink_to("/dev/zero")
    (clone / "own.pem").write_text(CERTIFICATE)
    path = clone / "site.toml"
    path.write_text(f"{LANE}[incus]\n{entry}")
    line = 1 + path.read_text().split("\n").index(next(row for row in entry.split("\n") if row.startswith(key + " ")))
    assert main(["--site", str(path), "incus"]) == 2
    words = said(capsys)
    assert f"{path}:{line}:1: " in words and ("not read" in words or "not asked" in words)
