"""What the pusher sends costs the mail host no more than its limits, and what is written there is nobody else's."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.assets.mail_host import MailHost
from tests.assets.pairs import NAME, new, old
from tests.attacks.conftest import MALLORY, Mallory

P, Q = 2**9941 - 1, 2**9689 - 1
"""Two primes: to check a key of them took openssl a minute, one of the 128 KiB that may be sent hours."""


@pytest.fixture
def mail(top: Path) -> Iterator[MailHost]:
    made = MailHost(top / "vm")
    made.install(old())
    yield made
    made.close()


def tlv(tag: int, *parts: bytes) -> bytes:
    """DER: a tag, the length, and what it is made of."""
    body = b"".join(parts)
    size = len(body).to_bytes((len(body).bit_length() + 7) // 8 or 1, "big")
    return bytes([tag]) + (size if len(body) < 128 else bytes([0x80 | len(size)]) + size) + body


def number(value: int) -> bytes:
    return tlv(2, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def pem(kind: str, der: bytes) -> str:
    text = base64.b64encode(der).decode()
    rows = "".join(f"{text[at : at + 64]}\n" for at in range(0, len(text), 64))
    return f"-----BEGIN {kind}-----\n{rows}-----END {kind}-----\n"


def vast() -> bytes:
    """A pair that belongs together: an RSA key of 19,630 bits, in a certificate that nobody has signed."""
    n, e = P * Q, 65537
    d = pow(e, -1, (P - 1) * (Q - 1))
    key = tlv(0x30, *map(number, (0, n, e, d, P, Q, d % (P - 1), d % (Q - 1), pow(Q, -1, P))))
    sha256 = tlv(0x30, bytes.fromhex("06092a864886f70d01010b0500"))
    rsa = tlv(0x30, bytes.fromhex("06092a864886f70d0101010500"))
    name = tlv(0x30, tlv(0x31, tlv(0x30, bytes.fromhex("0603550403"), tlv(12, NAME.encode()))))
    dates = tlv(0x30, tlv(23, b"260101000000Z"), tlv(23, b"490101000000Z"))
    public = tlv(0x30, rsa, tlv(3, b"\0", tlv(0x30, number(n), number(e))))
    body = tlv(0x30, tlv(0xA0, number(2)), number(7), sha256, name, dates, name, public)
    certificate = tlv(0x30, body, sha256, tlv(3, b"\0", b"x" * 256))
    return f"{pem('CERTIFICATE', certificate)}---\n{pem('RSA PRIVATE KEY', key)}".encode()


def test_a_key_that_takes_hours_to_check_is_not_checked(mail: MailHost) -> None:
    asked = mail.root / "openssl.log"
    mail.executable("openssl", f'#!/bin/sh\necho "$*" >>\'{asked}\'\nexec /usr/bin/openssl "$@"\n')
    done = mail.push(vast())
    assert (done.returncode, done.stdout) == (10, b"")
    assert b"refused: its key has more than 8192 bits; nothing was changed\n" in done.stderr
    assert "-check" not in asked.read_text()
    mail.holds(old())


@pytest.mark.parametrize("verb", ["x509 -noout -fingerprint", "storeutl", "pkey -pubout", "pkey -check", "verify"])
def test_an_openssl_that_does_not_end_is_ended(verb: str, mail: MailHost) -> None:
    mail.lay(mail.program.replace("patience=30", "patience=0.5"))
    words = f'case "$*" in "{verb} "*) exec sleep 100 ;; esac'
    mail.executable("openssl", f'#!/bin/sh\n{words}\nexec /usr/bin/openssl "$@"\n')
    done = mail.push(new().pushed)
    assert done.returncode == 10 and b"nothing was changed" in done.stderr
    mail.holds(old())


@pytest.mark.parametrize("shell", ["dash", "bash", "busybox sh"])
def test_no_command_has_the_key_in_its_environment(shell: str, mail: MailHost) -> None:
    """The caller has exported variables of those names: sh would export what is put into them."""
    seen = mail.root / "seen"
    mail.executable("openssl", f"#!/bin/sh\nenv >>'{seen}'\nexec /usr/bin/openssl \"$@\"\n")
    variables = dict.fromkeys(("input", "chain", "key", "pair", "public", "told"), "x")
    words = [*shell.split(), *mail.words()[1:]]
    done = subprocess.run(
        words, input=new().pushed, capture_output=True, check=False, timeout=120, env={**os.environ, **variables}
    )
    assert done.returncode == 0, done
    assert seen.exists() and new().key.split("\n")[1] not in seen.read_text()


@pytest.mark.parametrize("way", ["a group's", "another user's"])
def test_no_key_is_written_where_another_user_could_read_it(way: str, mail: MailHost, mallory: Mallory) -> None:
    """They lay a folder of their own in the place of the one beside, while the daemons are asked for."""
    if way == "a group's":
        os.chown(mail.ssl, 0, MALLORY)
        mail.ssl.chmod(0o2775)
    else:
        os.chown(mail.ssl, MALLORY, MALLORY)
    swap = (
        f"cd '{mail.ssl}' && mv .cowhand .moved && mkdir '{mallory.folder}/x' && cd '{mallory.folder}/x' &&"
        f" : >key.pem && chmod 666 key.pem && ln key.pem ../kept && ln -s '{mallory.folder}/x' '{mail.ssl}/.cowhand'"
    )
    who = f"user={MALLORY}, group={MALLORY}, extra_groups=[]"
    (mail.root / "swap.py").write_text(f"import subprocess\nsubprocess.run(['sh', '-c', {swap!r}], {who})\n")
    docker = (mail.root / "usr/local/bin/docker").read_text().replace("#!/bin/sh\n", "", 1)
    mail.executable("docker", f"#!/bin/sh\n'{sys.executable}' '{mail.root}/swap.py' >/dev/null 2>&1\n{docker}")
    done = mail.push(new().pushed)
    assert not (mallory.folder / "kept").exists() or "PRIVATE KEY" not in (mallory.folder / "kept").read_text()
    assert done.returncode == 12 and b"is not a folder that root alone can change" in done.stderr
