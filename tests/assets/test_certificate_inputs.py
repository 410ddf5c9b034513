"""assets/certificate_deploy.sh refuses what is no good pair: nothing is changed, and one line says why."""

from __future__ import annotations

import base64
import os
import re
import subprocess
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import lru_cache

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.assets import pairs
from tests.assets.mail_host import MailHost
from tests.assets.pairs import DAY, NAME, Pair, authority, new, old

BEGIN, END = "-----BEGIN PRIVATE KEY-----\n", "-----END PRIVATE KEY-----\n"


def sent(text: str) -> Callable[[], bytes]:
    """A text with {chain}, {leaf}, {rest} and {key} of the renewed pair in it."""

    def make() -> bytes:
        pair = new()
        return text.format(chain=pair.chain, leaf=pair.leaf, rest=pair.rest, key=pair.key).encode()

    return make


def signed(*names: str, **more: object) -> Callable[[], bytes]:
    """A pair that the authority signed, with something wrong."""
    return lambda: authority().pair(*names, **more).pushed  # type: ignore[arg-type]


def changed(edit: Callable[[bytes], bytes]) -> Callable[[], bytes]:
    """The good input after an edit."""
    return lambda: edit(new().pushed)


def self_signed() -> bytes:
    own = pairs.key()
    return Pair(pairs.sign(NAME, own, NAME, own, (NAME,)), pairs.text(own)).pushed


def stranger() -> bytes:
    return pairs.Authority().pair().pushed


def weak() -> bytes:
    return authority().pair(secret=rsa.generate_private_key(65537, 1024)).pushed


def flipped(text: str, at: int) -> str:
    """A PEM block with one bit of its content turned."""
    lines = text.split("\n")
    body = bytearray(
        base64.b64decode("".join(lines[1 : lines.index(next(x for x in lines if x.startswith("-----END")))]))
    )
    body[at] ^= 1
    return (
        lines[0]
        + "\n"
        + base64.encodebytes(bytes(body)).decode()
        + next(x for x in lines if x.startswith("-----END"))
        + "\n"
    )


def wrong_half() -> bytes:
    """A key file whose public half is the certificate's, and whose secret is another."""
    return f"{new().chain}---\n{flipped(new().key, 40)}".encode()


ROWS: dict[str, tuple[Callable[[], bytes], str]] = {
    "nothing": (lambda: b"", "it is empty"),
    "one newline": (lambda: b"\n", "it is empty"),
    "blank lines alone": (lambda: b"\n" * 5000, "it is empty"),
    "a word": (lambda: b"hello\n", "line 1 is no certificate"),
    "a shell command": (lambda: b"; rm -rf / $(reboot) `id`\n", "line 1 is no certificate"),
    "an option": (lambda: b"--restore\n", "line 1 is no certificate"),
    "the separator alone": (lambda: b"---\n", "line 1 is no certificate"),
    "a key alone": (sent("{key}"), "line 1 is no certificate"),
    "a key after the separator alone": (sent("---\n{key}"), "line 1 is no certificate"),
    "a chain alone": (sent("{chain}"), "there is no key"),
    "a chain and the separator": (sent("{chain}---\n"), "it ends before the key"),
    "no separator": (sent("{chain}{key}"), "neither a certificate nor the separator"),
    "two separators": (sent("{chain}---\n---\n{key}"), "is no private key"),
    "a separator with a blank": (sent("{chain}--- \n{key}"), "neither a certificate nor the separator"),
    "a longer separator": (sent("{chain}-----\n{key}"), "neither a certificate nor the separator"),
    "the parts the other way round": (sent("{key}---\n{chain}"), "line 1 is no certificate"),
    "a certificate in place of the key": (sent("{chain}---\n{leaf}"), "is no private key"),
    "a second key": (sent("{chain}---\n{key}{key}"), "follows the key"),
    "a certificate after the key": (sent("{chain}---\n{key}{leaf}"), "follows the key"),
    "words after the key": (sent("{chain}---\n{key}reboot\n"), "follows the key"),
    "words before the certificate": (sent("subject=x\n{chain}---\n{key}"), "line 1 is no certificate"),
    "a key among the chain": (sent("{leaf}{key}{rest}---\n{key}"), "neither a certificate nor the separator"),
    "carriage returns": (changed(lambda text: text.replace(b"\n", b"\r\n")), "carriage returns"),
    "one carriage return": (changed(lambda text: text.replace(b"---\n", b"---\r\n", 1)), "carriage returns"),
    "a zero byte": (changed(lambda text: text[:300] + b"\0" + text[300:]), "bytes that PEM has not"),
    "an escape sequence": (changed(lambda text: b"\x1b]0;x\x07" + text), "bytes that PEM has not"),
    "a byte order mark": (changed(lambda text: b"\xef\xbb\xbf" + text), "bytes that PEM has not"),
    "UTF-16": (changed(lambda text: text.decode().encode("utf-16")), "bytes that PEM has not"),
    "binary": (lambda: bytes(range(256)) * 40, "carriage returns"),
    "a tab": (changed(lambda text: text.replace(b"---\n", b"---\t\n", 1)), "bytes that PEM has not"),
    "a line that is too long": (
        changed(lambda text: text.replace(b"\nMII", b"\n" + b"A" * 80 + b"\nMII", 1)),
        "damaged",
    ),
    "cut in the certificate": (changed(lambda text: text[:300]), "it ends in a certificate"),
    "cut in the separator": (lambda: new().chain.encode() + b"--", "neither a certificate nor the separator"),
    "cut in the key": (lambda: new().pushed[:-60], "it ends in the key"),
    "cut in the key's last line": (lambda: new().pushed[:-5], "damaged"),
    "a megabyte of zeros": (lambda: b"\0" * (1 << 20), "bytes that PEM has not"),
    "a megabyte of certificates": (lambda: new().leaf.encode() * 1500, "longer than"),
    "a good pair in a megabyte": (lambda: new().pushed + b"\n" * (1 << 20), "longer than"),
    "eleven certificates": (lambda: new().leaf.encode() * 11 + b"---\n" + new().key.encode(), "more than 10"),
    "the key of another pair": (lambda: f"{new().chain}---\n{old().key}".encode(), "does not belong"),
    "the chain before the leaf": (sent("{rest}{leaf}---\n{key}"), "does not belong"),
    "a damaged certificate": (
        lambda: f"{flipped(new().leaf, 2)}{new().rest}---\n{new().key}".encode(),
        "cannot be read",
    ),
    "a damaged signature": (
        lambda: f"{flipped(new().leaf, -3)}{new().rest}---\n{new().key}".encode(),
        "a signature in its chain does not hold",
    ),
    "a damaged chain": (
        lambda: f"{new().leaf}{flipped(new().rest, 2)}---\n{new().key}".encode(),
        "of its chain cannot",
    ),
    "a damaged key": (lambda: f"{new().chain}---\n{flipped(new().key, 2)}".encode(), "its key cannot be read"),
    "a key whose halves differ": (wrong_half, "its key is damaged"),
    "an empty key": (lambda: f"{new().chain}---\n{BEGIN}{END}".encode(), "its key cannot be read"),
    "a key with a passphrase": (
        lambda: f"{new().chain}---\n{pairs.text(pairs.key(), password=b'x')}".encode(),
        "passphrase",
    ),
    "an old key with a passphrase": (
        lambda: f"{new().chain}---\n{pairs.text(pairs.key(), traditional=True, password=b'x')}".encode(),
        "passphrase",
    ),
    "a public key": (
        sent("{chain}---\n-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"),
        "is no private key",
    ),
    "no chain": (signed(chain=False), "its chain does not lead to a root"),
    "another authority": (stranger, "a signature in its chain does not hold"),
    "signed by itself": (self_signed, "signed by itself"),
    "for another name": (signed("mail.example.org"), f"is not for {NAME}"),
    "for the name's parent": (signed("example.test"), f"is not for {NAME}"),
    "for a wildcard of another level": (signed("*.mail.example.test"), f"is not for {NAME}"),
    "for clients alone": (signed(client=True), "not meant for this"),
    "expired": (signed(start=-90 * DAY, end=-DAY), "has expired; here it is 2"),
    "ends in an hour": (signed(end=timedelta(hours=1)), "ends within a day"),
    "valid from tomorrow": (signed(start=DAY), "is not valid yet; here it is 2"),
    "a weak key": (weak, "too weak"),
}


@lru_cache(maxsize=1)
def secrets_of() -> frozenset[str]:
    """Lines of the keys that may be on neither output."""
    return frozenset(
        line for pair in (new(), old()) for line in pair.key.splitlines() if len(line) > 40 and " " not in line
    )


def refused(mail: MailHost, data: bytes, why: str, options: Sequence[str] = (), status: int = 10) -> None:
    """Push, and assert that it was refused for this, and that nothing has happened."""
    before = mail.files()
    done = mail.push(data, *options)
    said = done.stderr.decode()
    assert (done.returncode, done.stdout) == (status, b""), said
    assert re.search(why, said), said
    assert said.endswith("nothing was changed\n") and said.count("\n") == 1
    assert said.rstrip("\n").isprintable()
    assert not any(line in said for line in secrets_of())
    after = mail.files()
    after.pop("var/lib/cowhand/certificate/lock", None)
    assert after == {name: text for name, text in before.items() if not name.endswith("/lock")}
    assert not mail.reloads
    mail.holds(old())


@pytest.mark.parametrize("name", ROWS)
def test_what_is_no_good_pair_is_refused(mail: MailHost, name: str) -> None:
    make, why = ROWS[name]
    refused(mail, make(), re.escape(why))


def test_there_are_enough_of_them() -> None:
    assert len(ROWS) >= 40


def test_a_client_that_hangs_is_not_waited_for(mail: MailHost) -> None:
    mail.lay(mail.program.replace("patience=30", "patience=0.2"))
    before = mail.files()
    reading, writing = os.pipe()
    os.write(writing, new().pushed[:500])
    done = subprocess.run(mail.words(), stdin=reading, capture_output=True, check=False)
    os.close(reading)
    os.close(writing)
    assert (done.returncode, done.stderr) == (
        10, b"refused: the input did not end within 0.2 seconds; nothing was changed\n",
    )  # fmt: skip
    assert mail.files() == before
    mail.holds(old())


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ((), "a name that the certificate must be for is needed"),
        (("--shell", NAME), "unknown option: --shell"),
        (("--folder", "opt", NAME), "needs a path that begins with /"),
        (("--folder",), "--folder needs a path"),
        (("--authority", "/none", NAME), "cannot be read"),
        (("$(id)",), "not a name: $(id)"),
        (("mail.example.test", "-x"), "not a name: -x"),
    ],
)
def test_wrong_arguments_are_told(mail: MailHost, words: Sequence[str], why: str) -> None:
    done = subprocess.run(["sh", str(mail.path), *words], input=b"", capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (2, b"")
    assert why in done.stderr.decode()
    mail.holds(old())


def test_the_machine_s_own_roots_count_where_no_authority_is_named(mail: MailHost) -> None:
    refused(mail, new().pushed, "does not lead to a root", ("--folder", "/opt/mailcow-dockerized"))
    roots = mail.root / "etc/ssl/certs"
    (roots / "lab.pem").write_text(authority().root)
    subprocess.run(["openssl", "rehash", str(roots)], check=True)
    assert mail.push(new().pushed, "--folder", "/opt/mailcow-dockerized").returncode == 0
    mail.holds(new())


def test_every_name_must_be_on_it(mail: MailHost) -> None:
    both = authority().pair(NAME, "imap.example.test")
    assert mail.push(both.pushed, names=(NAME, "imap.example.test")).returncode == 0
    done = mail.push(new().pushed, names=(NAME, "imap.example.test"))
    assert (done.returncode, b"is not for imap.example.test" in done.stderr) == (10, True)
    mail.holds(both)
