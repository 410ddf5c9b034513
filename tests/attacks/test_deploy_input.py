"""What the pusher sends costs the mail host no more than its limits, and what is written there is nobody else's."""

from __future__ import annotations

import base64
import os
import shutil
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


# ── the folder of the pair is mounted in a container too, whose root is root ────────────────────────────────────────

LAID = {
    "the folder beside": 'mv .cowhand moved && ln -s "$there" .cowhand',
    "the new key": 'ln -sf "$there/key.pem" .cowhand/key.pem',
    "the new certificate": 'ln -sf "$there/cert.pem" .cowhand/cert.pem',
    "the folder for what is kept": 'rmdir .cowhand/back && ln -s "$there" .cowhand/back',
    "what is kept": 'ln -s "$there/key.pem" "$there/cert.pem" .cowhand/back/',
    "the installed key": 'ln -sf "$there/key.pem" key.pem',
}


@pytest.mark.parametrize("shell", ["dash", "bash", "busybox sh"])
@pytest.mark.parametrize("what", LAID)
def test_a_link_that_a_container_lays_is_neither_written_through_nor_read(
    what: str, shell: str, mail: MailHost
) -> None:
    """It acts while the daemons are asked for; what it can read of the host's is looked at at each call."""
    there, seen = mail.root / "there", mail.root / "seen"
    there.mkdir()
    for name in ("key.pem", "cert.pem"):
        (there / name).write_text(f"precious {name}\n")
        (there / name).chmod(0o600)
    script = f"cd '{mail.ssl}' && there='{there}'\n[ -e '{seen}' ] || {{ {LAID[what]}; }}\n"
    script += f'for each in .cowhand/back/*; do [ -L "$each" ] || cat "$each"; done >>\'{seen}\' 2>&1'
    docker = (mail.root / "usr/local/bin/docker").read_text().replace("#!/bin/sh\n", "", 1)
    mail.executable("docker", f"#!/bin/sh\n({script})\n{docker}")
    words = [*shell.split(), *mail.words()[1:]]
    subprocess.run(words, input=new().pushed, capture_output=True, check=False, timeout=120)
    assert seen.exists() and (what == "the folder for what is kept" or "precious" not in seen.read_text())
    for name in ("key.pem", "cert.pem"):
        assert (there / name).read_text() == f"precious {name}\n" and (there / name).stat().st_mode & 0o777 == 0o600
    assert sorted(each.name for each in there.iterdir()) == ["cert.pem", "key.pem"]


@pytest.mark.parametrize("shell", ["dash", "bash", "busybox sh"])
def test_nothing_is_written_into_a_device_that_a_link_leads_to(shell: str, mail: MailHost) -> None:
    """A shell that is told not to overwrite opens devices and pipes all the same; a disk of the host's is one."""
    pipe = mail.root / "pipe"
    os.mkfifo(pipe)
    held = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)
    lay = f"[ ! -d .cowhand ] || ln -s {pipe} .cowhand/cert.pem; [ ! -d .cowhand ] || ln -s {pipe} .cowhand/key.pem"
    for tool in ("rm", "mkdir"):
        real = f'#!/bin/sh\n{shutil.which(tool)} "$@" || exit\n'
        mail.executable(tool, f"{real}(cd {mail.ssl}; {lay}) </dev/null >&2\n:\n")
    words = [*shell.split(), *mail.words()[1:]]
    done = subprocess.run(words, input=new().pushed, capture_output=True, check=False, timeout=120)
    try:
        with pytest.raises(BlockingIOError):
            os.read(held, 100)
    finally:
        os.close(held)
    assert done.returncode == 0 and (mail.ssl / "key.pem").read_text() == new().key


@pytest.mark.parametrize("shell", ["dash", "bash", "busybox sh"])
def test_nor_through_one_where_what_is_installed_can_only_be_copied(shell: str, mail: MailHost) -> None:
    there = mail.root / "there"
    there.mkdir()
    for name in ("key.pem", "cert.pem"):
        (there / name).write_text("precious\n")
    mail.executable("ln", "#!/bin/sh\nexit 1\n")
    laid = f"[ -e {there}/laid ] || {shutil.which('ln')} -s {there}/key.pem {there}/cert.pem ."
    lay = f"cd {mail.ssl}/.cowhand/back && {{ {laid}; }}; : >{there}/laid"
    for tool in ("cp", "dd"):
        mail.executable(tool, f'#!/bin/sh\n({lay}) </dev/null >&2\nexec {shutil.which(tool)} "$@"\n')
    words = [*shell.split(), *mail.words()[1:]]
    done = subprocess.run(words, input=new().pushed, capture_output=True, check=False, timeout=120)
    assert [(there / name).read_text() for name in ("key.pem", "cert.pem")] == ["precious\n", "precious\n"]
    assert done.returncode == 0, done


def test_what_stands_in_the_place_of_the_key_is_not_copied_to_where_a_container_reads_it(mail: MailHost) -> None:
    """Its root may make a node for a disk of the host's there, and lay the names that the pair would be linked to."""
    there, seen = mail.root / "there", mail.root / "seen"
    there.write_text("precious\n")
    real = shutil.which("ln")
    lay = f"{real} -s x .cowhand/back/key.pem; rm key.pem; mkfifo key.pem; timeout 30 cat {there} >key.pem 2>&1 &"
    once = f"(cd {mail.ssl}; [ -p key.pem ] || {{ {lay} }}) </dev/null >&2"
    mail.executable("ln", f'#!/bin/sh\n{once}\nexec {real} "$@"\n')
    read = f'cd {mail.ssl}/.cowhand/back && for each in * .[0-9a-f]*; do [ ! -f "$each" ] || cat "$each"; done'
    for tool in ("sync", "rm"):
        look = f"[ ! -p {mail.ssl}/key.pem ] || ({read}) >>{seen} 2>&1"
        mail.executable(tool, f'#!/bin/sh\n{look}\nexec {shutil.which(tool)} "$@"\n')
    done = mail.push(new().pushed)
    assert done.returncode == 12 and seen.exists() and "precious" not in seen.read_text()


@pytest.mark.parametrize("kind", ["pipe", "link"])
def test_what_is_kept_is_the_pair_itself_and_is_not_waited_for(kind: str, mail: MailHost) -> None:
    """The installed key becomes a pipe, or a link to another key of the host's, after it was looked at."""
    there = mail.root / "there"
    there.write_text(new().key.replace("\n", "\n", 1))
    lay = f"mkfifo {mail.ssl}/key.pem" if kind == "pipe" else f"ln -s {there} {mail.ssl}/key.pem"
    mail.executable("cmp", f'#!/bin/sh\nrm {mail.ssl}/key.pem; {lay}\nexec {shutil.which("cmp")} "$@"\n')
    done = mail.push(new().pushed)
    assert done.returncode == 12 and not (mail.store / "previous.pem").exists()


def test_a_link_on_the_way_that_leads_elsewhere_later_is_not_followed_again(mail: MailHost, mallory: Mallory) -> None:
    """Mailcow's folder is named by a link of another user's, who turns it round while the daemons are asked for."""
    link, theirs = mallory.folder / "mailcow", mallory.folder / "theirs"
    mallory.does('ln -s "$1" mailcow; mkdir -p theirs/data/assets/ssl/.cowhand/back', mail.ssl.parents[2])
    docker = (mail.root / "usr/local/bin/docker").read_text().replace("#!/bin/sh\n", "", 1)
    mail.executable("docker", f"#!/bin/sh\nln -sfT '{theirs}' '{link}'\n{docker}")
    mail.lay(mail.program.replace("folder=$root$folder", f"folder='{link}'"))
    mail.push(new().pushed)
    assert link.readlink() == theirs
    assert [each for each in theirs.rglob("*") if not each.is_dir()] == []
