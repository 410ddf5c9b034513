"""What is wrong with the containers that serve Mailcow's certificate, or may replace it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from console.diagnosis.catalogue import finding
from console.model import CertificateUser, Finding

SOON = 60.0
"""Seconds after a certificate is written in which an end of Dovecot has to do with it."""


def findings(users: Sequence[CertificateUser], host: str, pushed: bool) -> Iterator[Finding]:
    """Return what is wrong with containers of `host`; `pushed` says that a certificate is brought there."""
    for user in users:
        if pushed and user.skips is False and user.state in ("running", "restarting"):
            yield finding(
                "CH012",
                "acme-mailcow runs without SKIP_LETS_ENCRYPT=y: it may replace the certificate that is pushed",
                host,
                observed=True,
                evidence=(f"docker inspect on {host}: its environment does not say SKIP_LETS_ENCRYPT=y",),
                remedy="SKIP_LETS_ENCRYPT=y in mailcow.conf, then docker compose up -d: a container keeps what it was "
                "made with",
            )
        if user.service == "dovecot-mailcow" and user.state in ("exited", "dead"):
            yield from _ended(user, host)


def _ended(user: CertificateUser, host: str) -> Iterator[Finding]:
    """CH013: Dovecot's container ended when a certificate was written."""
    if user.ended is None or user.written is None or not 0 <= user.ended - user.written <= SOON:
        return
    seconds = f"{user.ended - user.written:.0f} s"
    yield finding(
        "CH013",
        f"dovecot-mailcow ended {seconds} after Mailcow's certificate was written, and does not run",
        host,
        observed=True,
        hop="service",
        evidence=(f"docker inspect on {host}: {user.state}, exit status {user.status}",),
        remedy="docker compose start dovecot-mailcow; in what deploys the certificate, reload with docker compose exec "
        "-T dovecot-mailcow dovecot reload: SIGHUP ends the container",
    )
