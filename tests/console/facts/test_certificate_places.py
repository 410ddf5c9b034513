"""The places of certificates on a real disk, read by the real script: a folder stands for the machine's root."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from console.facts.certificate_places import Stored, ask, parse
from console.hosts.host import Completed
from console.hosts.local import Local
from console.model import CertificatePlace

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not here")

NAME = "mail.example.org"


def make(name: str, issuer: str, key: ec.EllipticCurvePrivateKey, signer: ec.EllipticCurvePrivateKey, ca: bool) -> str:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=30))
        .not_valid_after(now + timedelta(days=60))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .sign(signer, hashes.SHA256())
        .public_bytes(Encoding.PEM)
        .decode()
    )


def secret(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


ROOT, KEY, OTHER = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
AUTHORITY = make("Our Authority", "Our Authority", ROOT, ROOT, True)
LEAF = make(NAME, "Our Authority", KEY, ROOT, False)


class Watched(Local):
    """This machine, with all that its commands printed kept."""

    def __init__(self) -> None:
        super().__init__("vps", "proxy")
        self.printed = b""

    async def run(self, argv: Sequence[str], timeout: float, cap: int = 1 << 20) -> Completed:
        done = await super().run(argv, timeout, cap)
        self.printed += done.stdout + done.stderr
        return done


def lay(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o600 if "PRIVATE" in text else 0o644)


SSL = "opt/mailcow-dockerized/data/assets/ssl"


async def look(root: Path, authority: str = "") -> tuple[Stored, dict[str, CertificatePlace], bytes]:
    host = Watched()
    told = await ask(host, authority=authority, root=str(root))
    assert told.error == ""
    return told, {place.where.removeprefix(f"{root}/"): place for place in told.places}, host.printed


async def test_every_place_is_found_with_its_key_and_no_key_is_printed(tmp_path: Path) -> None:
    lay(
        tmp_path,
        {
            f"etc/letsencrypt/live/{NAME}/fullchain.pem": LEAF + AUTHORITY,
            f"etc/letsencrypt/live/{NAME}/privkey.pem": secret(KEY),
            "etc/haproxy/haproxy.cfg": "global\n  crt-base /etc/tls\nfrontend f\n"
            "  bind :443 ssl crt one.pem # crt no.pem\n  bind :444 ssl crt-list /etc/haproxy/list\n"
            "  bind :445 ssl crt /etc/tls/all\nbackend b\n  server s 10.0.0.1:1 ssl crt client.pem\n",
            "etc/haproxy/list": f"# ours\n/etc/tls/two.pem [alpn h2] {NAME}\n",
            "etc/tls/one.pem": secret(KEY) + LEAF,
            "etc/tls/no.pem": secret(KEY) + LEAF,
            "etc/tls/client.pem": secret(KEY) + LEAF,
            "etc/tls/two.pem": LEAF,
            "etc/tls/two.pem.key": secret(OTHER),
            "etc/tls/all/three.pem": LEAF + secret(KEY),
            f"{SSL}/cert.pem": LEAF,
            f"{SSL}/key.pem": secret(OTHER),
            f"{SSL}/web.example.org/cert.pem": LEAF,
            "var/lib/cowhand/certificate/state": "version=1\nresult=failed\n",
        },
    )
    (tmp_path / f"{SSL}/key.pem").chmod(0o644)
    told, places, printed = await look(tmp_path, AUTHORITY)
    assert {path: (place.kind, place.pair, place.chain, place.mode) for path, place in places.items()} == {
        f"etc/letsencrypt/live/{NAME}/fullchain.pem": ("certbot", True, 2, "600"),
        "etc/tls/one.pem": ("haproxy", True, 1, "600"),
        "etc/tls/two.pem": ("haproxy", False, 1, "600"),
        "etc/tls/all/three.pem": ("haproxy", True, 1, "600"),
        f"{SSL}/cert.pem": ("mailcow", False, 1, "644"),
        f"{SSL}/web.example.org/cert.pem": ("sni", None, 1, ""),
    }
    assert {place.trusted for place in told.places} == {""}
    leaf = told.places[0].certificate
    assert leaf is not None and (leaf.issuer, leaf.key, leaf.names) == ("CN=Our Authority", "EC secp256r1", (NAME,))
    assert told.state == "version=1\nresult=failed"
    assert b"PRIVATE" not in printed
    for key in (KEY, OTHER):
        assert secret(key).splitlines()[1].encode() not in printed


@pytest.mark.parametrize(
    ("pem", "why"),
    [(LEAF, "its chain is incomplete, or its issuer is not known there"), (AUTHORITY, "self-signed")],
    ids=["without its chain", "self-signed"],
)
async def test_what_nobody_vouches_for_is_said(tmp_path: Path, pem: str, why: str) -> None:
    lay(tmp_path, {f"{SSL}/cert.pem": pem, f"{SSL}/key.pem": secret(KEY)})
    _, places, _ = await look(tmp_path)
    assert places[f"{SSL}/cert.pem"].trusted == why


async def test_garbage_is_a_place_with_an_error(tmp_path: Path) -> None:
    lay(tmp_path, {f"{SSL}/cert.pem": "nothing"})
    _, places, _ = await look(tmp_path)
    assert places[f"{SSL}/cert.pem"].error == "holds no certificate"


async def test_a_machine_without_certificates_has_no_places(tmp_path: Path) -> None:
    assert (await look(tmp_path))[0].places == ()


@pytest.mark.slow
async def test_more_files_than_are_looked_at_are_said(tmp_path: Path) -> None:
    lay(tmp_path, {f"{SSL}/{number}/cert.pem": "" for number in range(66)})
    told = await ask(Watched(), root=str(tmp_path))
    assert len(told.places) == 64
    assert "more than 64 files" in told.error


@pytest.mark.parametrize("named", [True, False], ids=["named", "nothing named"])
async def test_a_bundle_that_no_crt_names_is_unused_where_others_are_named(tmp_path: Path, named: bool) -> None:
    line = "  bind :443 ssl crt /etc/haproxy/certs/mail.pem\n" if named else "  bind :443\n"
    files = {"etc/haproxy/haproxy.cfg": f"frontend f\n{line}"}
    lay(tmp_path, files | {f"etc/haproxy/certs/{name}.pem": LEAF + secret(KEY) for name in ("mail", "old")})
    _, places, _ = await look(tmp_path)
    assert {path[18:]: (place.kind, place.unused) for path, place in places.items()} == {
        "mail.pem": ("haproxy", False), "old.pem": ("haproxy", named),
    }  # fmt: skip


class Nobody(Watched):
    """This machine, as a user who may read what everybody may."""

    async def run(self, argv: Sequence[str], timeout: float, cap: int = 1 << 20) -> Completed:
        mine = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups") if os.geteuid() == 0 else ()
        return await super().run((*mine, *argv), timeout, cap)


async def test_what_its_user_may_not_read_is_told_and_not_taken_for_absent() -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        root.chmod(0o755)
        lay(
            root,
            {
                "etc/letsencrypt/live/a/fullchain.pem": LEAF, "etc/tls/deep/b.pem": LEAF + secret(KEY),
                "etc/haproxy/haproxy.cfg": "frontend f\n  bind :443 ssl crt /etc/tls/deep/b.pem\n",
                f"{SSL}/cert.pem": LEAF, f"{SSL}/key.pem": secret(KEY),
            },
        )  # fmt: skip
        for closed in ("etc/letsencrypt/live", "etc/tls"):
            (root / closed).chmod(0o700 if os.geteuid() == 0 else 0o000)
        if os.geteuid() != 0:
            (root / f"{SSL}/key.pem").chmod(0)
        told = await ask(Nobody(), root=str(root))
        assert [path.removeprefix(f"{root}/") for path in told.dark] == [
            "etc/letsencrypt/live", "etc/tls", f"{SSL}/key.pem",
        ]  # fmt: skip
        assert [(place.kind, place.pair) for place in told.places] == [("mailcow", None)]
        for closed in ("etc/letsencrypt/live", "etc/tls"):
            (root / closed).chmod(0o755)


def test_an_answer_that_was_cut_off_is_not_taken_for_whole() -> None:
    assert parse("@file mailcow /a\n@unreadable\n", "vps").error == "the list of certificates of vps is not whole"


def test_the_timer_that_comes_first_counts() -> None:
    text = "@state\n\n@timer NextElapseUSecRealtime=@200\n\n@timer NextElapseUSecRealtime=@100\n@end\n"
    assert parse(text, "vps").timer == 100
