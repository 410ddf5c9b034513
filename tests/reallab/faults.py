"""What is broken on purpose in the real lab, and by which finding, at which hop, it must be recognised."""

from __future__ import annotations

import re
from collections.abc import Callable

from msgspec import Struct

from console.model import HopName, Outcome, Verdict
from tests.reallab.lab import RealLab

Act = Callable[[RealLab], None]
MAIL, DOVECOT, POSTFIX = (25, 465, 993, 4190), (993, 4190), (25, 465)
EVERY = (*MAIL, 443)

EXTRA = "/opt/mailcow-dockerized/data/conf/dovecot/extra.conf"
DOVECOT_PROCESSES = "^(/usr/sbin/)?dovecot"
SSL = "/opt/mailcow-dockerized/data/assets/ssl"
FOLDER = ("--project-directory", "/opt/mailcow-dockerized")


class Fault(Struct, frozen=True):
    """One fault. `lanes` are the public ports it touches, `outcome` what their `hop` must show.

    `findings` are ids, all of them and no other; `down` the proxies HAProxy calls down; `twin` the shipped lab's name
    for the same; `told` says that the operator's files say what runs; `fleeting` that a look heals it; `ssh` marks what
    only a way in through OpenSSH can see; `chance` are ids that it may give instead, by which packets are lost."""

    id: str
    words: str
    findings: tuple[str, ...]
    lanes: tuple[int, ...]
    hop: HopName
    outcome: Outcome
    verdict: Verdict
    break_: Act
    heal: Act
    down: tuple[str, ...] = ()
    twin: str | None = None
    told: bool = False
    fleeting: bool = False
    ssh: bool = False
    chance: tuple[str, ...] = ()


# ── Dovecot and Postfix ─────────────────────────────────────────────────────────────────────────────────────────────


def compose(lab: RealLab, *words: str) -> str:
    """Run `docker compose` where Mailcow is."""
    return lab.do("mailcow", "docker", "compose", *FOLDER, *words)


def _compose(*words: str) -> Act:
    def apply(lab: RealLab) -> None:
        compose(lab, *words)

    return apply


def _trust(lab: RealLab, text: str) -> None:
    lab.write("mailcow", EXTRA, text)
    compose(lab, "exec", "-T", "dovecot-mailcow", "doveadm", "reload")


def _distrust(lab: RealLab) -> None:
    _trust(lab, "")


def _trust_the_tunnel(lab: RealLab) -> None:
    _trust(lab, "haproxy_trusted_networks = 100.64.0.1\n")


def _postfix_v4(lab: RealLab) -> None:
    lab.do("mailcow", "postconf", "-e", "inet_protocols = ipv4")
    compose(lab, "restart", "postfix-mailcow")


def _postfix_all(lab: RealLab) -> None:
    lab.do("mailcow", "postconf", "-e", "inet_protocols = all")
    compose(lab, "restart", "postfix-mailcow")


def _stop_dovecot(lab: RealLab) -> None:
    compose(lab, "stop", "dovecot-mailcow")
    # its auth process outlives it by a moment, in which an smtpd could still ask
    lab.wait(lambda: not lab.run("mailcow", ["pgrep", "-f", DOVECOT_PROCESSES]).stdout, "Dovecot did not end")
    # smtpd that asked Dovecot before lives on for its 100 s of idleness; without them, submission is down too
    lab.run("mailcow", ["pkill", "-x", "smtpd"])


def _freeze_dovecot(lab: RealLab) -> None:
    lab.do("mailcow", "kill", "-STOP", *_dovecot(lab))
    lab.run("mailcow", ["pkill", "-x", "smtpd"])


def _thaw_dovecot(lab: RealLab) -> None:
    lab.do("mailcow", "kill", "-CONT", *_dovecot(lab))
    compose(lab, "restart", "postfix-mailcow")


def _start_dovecot(lab: RealLab) -> None:
    compose(lab, "start", "dovecot-mailcow")
    compose(lab, "restart", "postfix-mailcow")  # its master waits a minute before it starts an smtpd that failed


def _dovecot(lab: RealLab) -> list[str]:
    return lab.do("mailcow", "pgrep", "-f", DOVECOT_PROCESSES).split()


# ── HAProxy ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _reconfigure(change: Callable[[str], str]) -> Act:
    def apply(lab: RealLab) -> None:
        lab.write("vps", "/etc/haproxy/mail.cfg", change(lab.read("vps", "/run/shared/mail.cfg")))
        lab.do("vps", "systemctl", "restart", "haproxy")

    return apply


def _plain(text: str) -> str:
    return re.sub(r"\b1(0025|0465|0993|4190)\b", lambda port: str(int(port[1])), text)


def _smtpchk(text: str) -> str:
    text = text.replace("10025 send-proxy check port 10025", "10025 send-proxy check check-send-proxy")
    return text.replace("    option tcplog\n", "    option tcplog\n    option smtpchk\n", 1)


def _without_imaps(text: str) -> str:
    return re.sub(r"listen imaps\n(?: .*\n)*", "", text)


_restore = _reconfigure(lambda text: text)


def forget(lab: RealLab) -> None:
    """Let postscreen forget whom it knows: a client that passed its greeting test meets no teaser for days."""
    compose(lab, "stop", "postfix-mailcow")
    lab.do("mailcow", "rm", "-f", "/var/lib/postfix/postscreen_cache.db")
    compose(lab, "start", "postfix-mailcow")


def _stumble(lab: RealLab) -> None:
    forget(lab)
    _reconfigure(_smtpchk)(lab)


def _stray(lab: RealLab) -> None:
    forget(lab)
    _reconfigure(_plain)(lab)


def _systemctl(*words: str) -> Act:
    def apply(lab: RealLab) -> None:
        lab.do("vps", "systemctl", *words)

    return apply


# ── certificates ────────────────────────────────────────────────────────────────────────────────────────────────────


def _deploy(vps: str, postfix: str, dovecot: str) -> Act:
    """Serve these kinds of certificate. Dovecot keeps what it read when it started; smtpd reads the file ever anew."""

    def apply(lab: RealLab) -> None:
        lab.do("vps", "cp", f"/run/shared/{vps}.pem", "/etc/haproxy/certs/mail.pem")
        lab.do("vps", "systemctl", "restart", "haproxy")
        for kind, service, port in ((dovecot, "dovecot", 993), (postfix, "postfix", 465)):
            lab.do("mailcow", "cp", f"/run/shared/{kind}.crt", f"{SSL}/cert.pem")
            lab.do("mailcow", "cp", f"/run/shared/{kind}.key", f"{SSL}/key.pem")
            compose(lab, "restart", f"{service}-mailcow")
            # it reads the file a moment after it has started
            lab.do("mailcow", "openssl", "s_client", "-connect", f"127.0.0.1:{port}")

    return apply


_renew = _deploy("well", "well", "well")


# ── OpenSSH ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _hang_up(lab: RealLab) -> None:
    lab.do("vps", "systemctl", "stop", "ssh")
    lab.run("vps", ["pkill", "-x", "sshd"])


def _forge(lab: RealLab) -> None:
    lab.run("vps", ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "/etc/ssh/lab_host_key"], input="y\n")
    lab.do("vps", "systemctl", "restart", "ssh")


def _unforge(lab: RealLab) -> None:
    lab.do("vps", "install", "-m600", "/run/shared/vps_host_key", "/etc/ssh/lab_host_key")
    lab.do("vps", "systemctl", "restart", "ssh")


_ALL = (
    Fault(
        "dovecot-untrusted-proxy", "Dovecot trusts nobody: haproxy_trusted_networks is not set",
        ("CH001",), DOVECOT, "vm", "failed", "down", _distrust, _trust_the_tunnel, twin="dovecot-untrusted-proxy",
    ),
    Fault(
        "dovecot-wrong-peer", "the router rewrites sources, so Dovecot's trusted network names the wrong peer",
        ("CH001",), DOVECOT, "vm", "failed", "down", lambda lab: lab.snat(True), lambda lab: lab.snat(False),
        twin="dovecot-untrusted-proxy",
    ),
    Fault(
        "proxy-header-missing", "HAProxy sends no header: send-proxy was taken out",
        ("CH002",), MAIL, "haproxy", "failed", "down",
        _reconfigure(lambda text: text.replace(" send-proxy", "")), _restore, twin="proxy-header-missing",
    ),
    Fault(
        "proxy-header-missing-said", "the same, and the files say so too",
        ("CH002",), MAIL, "haproxy", "failed", "down",
        _reconfigure(lambda text: text.replace(" send-proxy", "")), _restore, told=True,
    ),
    Fault(
        "proxy-header-on-plain-port", "HAProxy sends its header to the plain ports",
        ("CH003",), MAIL, "vm", "failed", "down", _reconfigure(_plain), _restore, told=True,
    ),
    Fault(
        "proxy-header-on-plain-port-unsaid", "the same, and the files that cowhand was given do not say so",
        ("CH003",), MAIL, "haproxy", "failed", "down", _stray, _restore,
    ),
    Fault(
        "smtpchk-on-postscreen", "HAProxy checks postscreen with option smtpchk",
        ("CH005",), (25,), "haproxy", "failed", "down", _stumble, _restore, down=("smtp",), fleeting=True,
    ),
    Fault(
        "haproxy-stopped", "HAProxy is stopped",
        ("CH030",), EVERY, "haproxy", "failed", "down",
        _systemctl("stop", "haproxy"), _systemctl("start", "haproxy"), twin="haproxy-stopped",
    ),
    Fault(
        "listener-down", "the section of 993 was taken out",
        ("CH021",), (993,), "public", "failed", "down", _reconfigure(_without_imaps), _restore, twin="listener-down",
    ),
    Fault(
        "tunnel-cut", "nothing crosses the tunnel",
        ("CH016",), EVERY, "tunnel", "failed", "down", lambda lab: lab.tunnel(up=False), lambda lab: lab.tunnel(),
        down=("smtp", "smtps", "imaps", "sieve", "web"), twin="tunnel-cut",
    ),
    Fault(
        "tunnel-slow", "the tunnel takes 600 ms longer each way",
        ("CH016",), EVERY, "tunnel", "degraded", "degraded",
        lambda lab: lab.tunnel(delay=0.6), lambda lab: lab.tunnel(), twin="tunnel-slow",
    ),
    Fault(
        "tunnel-lossy", "the tunnel takes 300 ms each way and loses every twentieth packet",
        (), EVERY, "tunnel", "ok", "well",
        lambda lab: lab.tunnel(delay=0.3, jitter=0.02, loss=0.05), lambda lab: lab.tunnel(), chance=("CH062",),
    ),
    Fault(
        "postfix-stopped", "Postfix is stopped",
        ("CH029",), POSTFIX, "service", "failed", "down",
        _compose("stop", "postfix-mailcow"), _compose("start", "postfix-mailcow"), down=("smtp", "smtps"),
    ),
    Fault(
        "service-stopped", "Dovecot is stopped, so Postfix cannot ask it who may submit",
        ("CH029",), DOVECOT, "service", "failed", "down",
        _stop_dovecot, _start_dovecot, down=("imaps", "sieve"), twin="service-stopped",
    ),
    Fault(
        "service-silent", "Dovecot accepts connections and says nothing: it is frozen",
        ("CH029",), DOVECOT, "service", "failed", "down", _freeze_dovecot, _thaw_dovecot,
    ),
    Fault(
        "ipv6-client-refused", "Postfix has inet_protocols = ipv4",
        ("CH018",), POSTFIX, "vm", "degraded", "degraded", _postfix_v4, _postfix_all,
    ),
    Fault(
        "certificate-expired", "every TLS port serves a certificate that ended three days ago",
        ("CH022", "CH022"), (465, 993), "service", "failed", "down",
        _deploy("expired", "expired", "expired"), _renew, twin="certificate-expired",
    ),
    Fault(
        "certificate-of-another-name", "every TLS port serves a certificate for another name",
        ("CH020",), (465, 993), "service", "degraded", "degraded", _deploy("other", "other", "other"), _renew,
    ),
    Fault(
        "certificate-stale", "Dovecot still serves the certificate that was renewed for Postfix and HAProxy",
        ("CH010",), (993,), "service", "degraded", "degraded", _deploy("second", "second", "well"), _renew,
    ),
    Fault(
        "sshd-gone", "nobody listens on the VPS's port 22",
        (), EVERY, "vm", "unknown", "well", _hang_up, _systemctl("start", "ssh"), ssh=True,
    ),
    Fault(
        "host-key-changed", "the VPS shows another host key than the one that is pinned",
        (), EVERY, "vm", "unknown", "well", _forge, _unforge, ssh=True,
    ),
)  # fmt: skip

FAULTS = {fault.id: fault for fault in _ALL}
"""Every fault by its id."""
