"""Certbot's hook is root's: where another user could swap what it writes, it writes no key and gives nothing away."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from console.flows.certificate_sync import previous
from tests.assets.mail_host import MailHost
from tests.assets.pairs import new, old
from tests.assets.proxy_host import ProxyHost

NOBODY = 65534

WAYS: dict[str, Callable[[Path], None]] = {
    "everybody's": lambda folder: folder.chmod(0o777),
    "everybody's, like /tmp": lambda folder: folder.chmod(0o1777),
    "a group's": lambda folder: folder.chmod(0o770),
}
if os.geteuid() == 0:  # nobody else can give a folder away
    WAYS["another user's"] = lambda folder: os.chown(folder, NOBODY, NOBODY)
    WAYS["below another user's"] = lambda folder: os.chown(folder.parent, NOBODY, NOBODY)


@pytest.mark.parametrize("way", [next(reversed(WAYS)), "everybody's, like /tmp"])
def test_no_key_is_written_where_another_user_could_redirect_it(way: str, tmp_path: Path) -> None:
    mail = MailHost(tmp_path / "vm")
    mail.install(old())
    proxy = ProxyHost(tmp_path / "vps", mail)
    try:
        proxy.serve(old())
        proxy.renew(new())
        WAYS[way](proxy.certs)
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        (proxy.certs / ".cowhand").symlink_to(elsewhere)
        done = proxy.run()
        assert done.returncode == 21 and b"is not a folder that root alone can change" in done.stderr
        assert (proxy.certs / ".cowhand").is_symlink() and not [*elsewhere.iterdir()]
        assert (proxy.certs / "mail.pem").read_text() == old().chain + old().key
        mail.holds(new())
    finally:
        proxy.door.close()
        mail.close()


@pytest.mark.parametrize("way", WAYS)
def test_a_pair_is_not_put_back_there_either(way: str, tmp_path: Path) -> None:
    certs, archive = tmp_path / "haproxy/certs", tmp_path / "archive"
    for each in (certs, archive):
        each.mkdir(parents=True)
    for number, pair in ((1, old()), (2, new())):
        (archive / f"fullchain{number}.pem").write_text(pair.chain)
        (archive / f"privkey{number}.pem").write_text(pair.key)
    (certs / "mail.pem").write_text(new().chain + new().key)
    WAYS[way](certs)
    words = ["sh", "-c", previous.PROXY, "sh", new().fingerprint, str(archive), "/none", str(certs / "mail.pem")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert done.returncode == 3 and f"others can change {certs}" in done.stderr
    assert [each.name for each in certs.iterdir()] == ["mail.pem"]
