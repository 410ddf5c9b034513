"""assets/certificate_push.sh, certbot's hook: HAProxy and the mail host get the certificate, or it is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from console.sources import certificate_push
from console.sources.certificate_push import Push
from tests.assets.mail_host import MailHost
from tests.assets.pairs import DAY, Pair, authority, new, old
from tests.assets.proxy_host import ProxyHost


@pytest.fixture
def proxy(tmp_path: Path, mail: MailHost) -> Iterator[ProxyHost]:
    """A proxy that serves the old pair, and whose certbot has just renewed it."""
    host = ProxyHost(tmp_path / "vps", mail)
    host.serve(old())
    host.renew(new())
    yield host
    host.door.close()


def state(proxy: ProxyHost) -> Push:
    assert proxy.state.stat().st_mode & 0o777 == 0o644
    assert proxy.state.parent.stat().st_mode & 0o777 == 0o755
    return certificate_push.read(proxy.state.read_text())


def clean_of_keys(proxy: ProxyHost) -> None:
    """Assert that no key is anywhere but where it belongs, and in no file that others may read."""
    lines = {line for pair in (new(), old()) for line in pair.key.splitlines() if len(line) > 40 and " " not in line}
    places = {proxy.live / "privkey.pem", proxy.certs / "mail.pem", proxy.root / "loaded"}
    for path in proxy.root.rglob("*"):
        if path.is_file() and path not in places:
            assert not any(line in path.read_text() for line in lines), path


def test_a_renewed_certificate_reaches_both(proxy: ProxyHost) -> None:
    done = proxy.run()
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert proxy.bundle() == new().chain + new().key
    assert (proxy.certs / "mail.pem").stat().st_mode & 0o777 == 0o640
    assert proxy.log("systemctl") == ["reload haproxy"]
    proxy.mail.holds(new())
    told = state(proxy)
    assert (told.result, told.stage, told.status, told.remote, told.reason) == ("ok", "-", 0, 0, "")
    assert told.fingerprint == told.succeeded_fingerprint == new().fingerprint
    assert told.when == told.succeeded and told.not_after and told.not_after > datetime.now(UTC)
    assert not (proxy.root / "mail").exists()
    clean_of_keys(proxy)
    [asked] = proxy.log("ssh")
    for words in (
        "-F none",
        "BatchMode=yes",
        "StrictHostKeyChecking=yes",
        "GlobalKnownHostsFile=/dev/null",
        "IdentitiesOnly=yes",
    ):
        assert words in asked
    assert asked.endswith("-- root@10.10.10.214")


@pytest.mark.parametrize("lineage", ["/etc/letsencrypt/live/other.example.test", "live", "/etc/letsencrypt/live"])
def test_another_lineage_is_none_of_its_business(proxy: ProxyHost, lineage: str) -> None:
    done = proxy.run(lineage)
    assert (done.returncode, done.stderr) == (0, b"")
    assert not proxy.state.exists() and not proxy.log("ssh") and not proxy.log("systemctl")


def test_started_by_nobody_it_says_what_it_wants(proxy: ProxyHost) -> None:
    done = proxy.run("")
    assert done.returncode == 2 and b"RENEWED_LINEAGE is not set" in done.stderr


def mismatch(proxy: ProxyHost) -> None:
    proxy.renew(Pair(new().chain, old().key))


def expire(proxy: ProxyHost) -> None:
    proxy.renew(authority().pair(start=-90 * DAY, end=-DAY))


def knob(name: str, text: str = "") -> Callable[[ProxyHost], None]:
    return lambda proxy: proxy.knob(name, text)


def mail_knob(name: str) -> Callable[[ProxyHost], None]:
    return lambda proxy: proxy.mail.knob(name)


def lose(proxy: ProxyHost) -> None:
    (proxy.live / "privkey.pem").unlink()


FAILURES: dict[str, tuple[Callable[[ProxyHost], object], int, str, str, bool, bool]] = {
    # what happens: the status, the stage, the words, whether HAProxy has the new pair, whether the mail host has
    "the lineage is gone": (lose, 20, "lineage", "cannot be read", False, False),
    "certbot's pair does not match": (mismatch, 20, "lineage", "does not belong", False, False),
    "certbot's pair has expired": (expire, 20, "lineage", "has expired", False, False),
    "HAProxy's configuration is broken": (
        lambda proxy: proxy.configuration("ssl crt /none"), 21, "haproxy", "refuses the configuration", False, True,
    ),
    "HAProxy does not reload": (knob("systemctl"), 21, "haproxy", "systemctl reload haproxy failed", False, True),
    "HAProxy goes on with the old one": (knob("deaf"), 21, "haproxy", "does not show it on 127.0.0.1", False, True),
    "the mail host is away": (knob("ssh", "255 No route to host"), 22, "push", "No route to host", True, False),
    "the mail host has another key": (
        knob("ssh", "255 Host key verification failed."), 22, "push", "has another host key", True, False,
    ),
    "the key is not let in": (
        knob("ssh", "255 root@mail: Permission denied (publickey)."), 22, "push", "did not let the key in", True, False,
    ),
    "the old script is there": (knob("ssh", "1 sed: broken"), 23, "push", "status 1): sed: broken", True, False),
    "dovecot is stopped": (mail_knob("stopped-dovecot"), 23, "push", "dovecot-mailcow does not run", True, False),
    "dovecot does not load it": (mail_knob("deaf-dovecot"), 23, "push", "the previous pair is back", True, False),
    "it talks back": (knob("ssh", r"9 \033[31mx\007\nline two \377 $(id)"), 23, "push", "line two  $(id)", True, False),
}  # fmt: skip


@pytest.mark.parametrize("name", FAILURES)
def test_a_failure_is_told_everywhere(proxy: ProxyHost, name: str) -> None:
    spoil, status, stage, words, haproxy, mail = FAILURES[name]
    spoil(proxy)
    done = proxy.run()
    assert done.returncode == status, done.stderr
    assert words in done.stderr.decode("ascii") and done.stderr.count(b"\n") == 1
    told = state(proxy)
    assert (told.result, told.stage, told.status, told.mailed) == ("failed", stage, status, "yes")
    assert words in told.reason and told.since and told.succeeded is None
    assert words in (proxy.root / "mail").read_text() and "To: root\n" in (proxy.root / "mail").read_text()
    assert (proxy.bundle() == new().chain + new().key) is haproxy
    proxy.mail.holds(new() if mail else old())
    if not haproxy:
        assert proxy.bundle() == old().chain + old().key
        assert (proxy.root / "loaded").read_text() == old().chain + old().key
    assert len(proxy.log("ssh")) == (3 if status == 22 else 0 if status == 20 else 1)
    clean_of_keys(proxy)


def test_the_first_failure_since_the_last_success_is_remembered(proxy: ProxyHost) -> None:
    proxy.run()
    good = state(proxy).succeeded
    proxy.knob("ssh", "255 away")
    proxy.knob("systemctl")
    assert proxy.run().returncode == 21
    told = state(proxy)
    assert told.succeeded == good and told.since and "systemctl" in told.reason and "away" in told.reason
    proxy.run()
    assert state(proxy).since == told.since
    for each in ("ssh", "systemctl"):
        (proxy.knobs / each).unlink()
    assert proxy.run().returncode == 0
    assert state(proxy).since is None


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("colour = red", "certificate.conf:9: unknown key: colour"),
        ("nonsense", "certificate.conf:9: not key = value"),
        ("port = 22x", "this value of port"),
        ("target = -oProxyCommand=id", "this value of target"),
        ("target = root@x;id", "this value of target"),
        ("bundle = certs/mail.pem", "this value of bundle"),
        ("name = $(id)", "this value of name"),
        ("key =", "this value of key"),
    ],
)
def test_settings_that_cannot_be_used_are_told(proxy: ProxyHost, line: str, words: str) -> None:
    path = proxy.root / "etc/cowhand/certificate.conf"
    path.write_text(path.read_text() + line + "\n")
    done = proxy.run()
    assert (done.returncode, state(proxy).stage) == (2, "settings"), done.stderr
    assert words in done.stderr.decode() and words in state(proxy).reason
    assert not proxy.log("ssh")


@pytest.mark.parametrize("key", ["lineage", "name", "target", "key", "known_hosts"])
def test_settings_that_are_missing_are_told(proxy: ProxyHost, key: str) -> None:
    path = proxy.root / "etc/cowhand/certificate.conf"
    path.write_text("".join(line for line in path.read_text().splitlines(True) if not line.startswith(f"{key} =")))
    assert proxy.run().returncode == 2
    assert state(proxy).reason.endswith(f"{key} is missing")


def test_without_a_bundle_haproxy_is_left_alone(proxy: ProxyHost) -> None:
    path = proxy.root / "etc/cowhand/certificate.conf"
    path.write_text("".join(line for line in path.read_text().splitlines(True) if not line.startswith("bundle")))
    assert proxy.run().returncode == 0
    assert not proxy.log("systemctl") and proxy.bundle() == old().chain + old().key
    proxy.mail.holds(new())


def test_a_bundle_that_was_not_there_is_for_root_alone(proxy: ProxyHost) -> None:
    (proxy.certs / "mail.pem").unlink()
    assert proxy.run().returncode == 0
    assert (proxy.certs / "mail.pem").stat().st_mode & 0o777 == 0o600


def test_the_reader_takes_only_a_state() -> None:
    for text in ("", "result=ok\n", "version=2\nresult=ok\n", "version=1\nresult=fine\n", "\0\n"):
        with pytest.raises(ValueError, match=r"does not say|is no state"):
            certificate_push.read(text)
    told = certificate_push.read(
        "version=1\nresult=running\nwhen=2026-13-45T99:00:00Z\nstatus=x\nfingerprint=xyz\nnew=1\nreason=a\x1b[31mb\nreason=c\n"
    )
    assert (told.when, told.status, told.fingerprint) == (None, None, "") and "\x1b" not in told.reason
    begun = certificate_push.read("version=1\nresult=running\nwhen=2026-11-27T16:00:00Z\n")
    assert (
        begun.when and not begun.died(begun.when + timedelta(minutes=5)) and begun.died(begun.when + timedelta(hours=1))
    )
