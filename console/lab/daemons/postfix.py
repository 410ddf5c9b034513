"""Stands for postfix-mailcow: postscreen and two smtpd, each plain and behind the PROXY protocol, on aiosmtpd.

It greets, names the client it believes in when it rejects a recipient, and accepts no message from anybody."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from ipaddress import ip_address, ip_network
from typing import AnyStr

from aiosmtpd.smtp import SMTP, Envelope, Session, syntax

from console.lab.daemons.doors import Policy, Reason, Visitor
from console.lab.daemons.services import Port, Service
from console.lab.network.addresses import MAIL_NAME
from console.lab.network.network import Network

IDENT = "ESMTP Postcow"

GREET_WAIT = 0.3
"""Seconds between postscreen's teaser and its greeting; in life 6 (postscreen_greet_wait)."""

HEADER_PATIENCE = 5.0
"""Seconds Postfix waits for a PROXY header (postscreen_upstream_proxy_timeout, smtpd_upstream_proxy_timeout)."""

FATAL = 1.0
"""Seconds a Postfix daemon sleeps before a fatal error ends it (msg_fatal)."""

NETWORKS = (ip_network("127.0.0.0/8"), ip_network("172.22.1.0/24"))
"""Mailcow's default mynetworks: whoever claims to come from there may relay."""

POSTSCREEN, SUBMISSION, SMTPS = "postscreen", "submission/smtpd", "smtps/smtpd"

UNKNOWN = {POSTSCREEN: "502 5.5.2", SUBMISSION: "500 5.5.2", SMTPS: "500 5.5.2"}
"""How each begins its answer to a command it does not know."""


def own(address: str) -> bool:
    """Whether an address is inside mynetworks."""
    return any(ip_address(address) in network for network in NETWORKS)


class Listener:
    """A port of Postfix's: which daemon it is, and its lines in the log (`syslog_name` of master.cf).

    `logins` says whether Dovecot, whom smtpd asks who may log in, answers."""

    def __init__(self, service: Service, number: int, daemon: str, logins: Callable[[], bool]) -> None:
        self.service, self.daemon, self.logins = service, daemon, logins
        self.name = "haproxy" if number == 10025 else "postfix"

    def say(self, text: str) -> None:
        """Log under this daemon's name."""
        self.service.log(f"{self.name}/{self.daemon}[{300 + len(self.daemon)}]: {text}")

    def refused(self, reason: Reason, address: str, detail: str) -> None:
        """Log a caller that was turned away at the door."""
        if reason == "tls":
            self.say(f"SSL_accept error from unknown[{address}]: -1")
            self.say(f"warning: TLS library problem: {detail}")
        elif reason == "silent":
            self.say("warning: haproxy read: time limit exceeded")
        elif reason in ("malformed", "unknown"):
            self.say("warning: haproxy read: bad protocol header")


class Smtpd(SMTP):
    """One SMTP session with Postfix's face."""

    def __init__(self, port: Listener, visitor: Visitor, tls: ssl.SSLContext | None) -> None:
        self.say, self.daemon, self.logins, self.visitor = port.say, port.daemon, port.logins, visitor
        self.unknown = UNKNOWN[port.daemon]
        super().__init__(
            Rules(self),
            hostname=MAIL_NAME,
            ident=IDENT,
            tls_context=tls,
            auth_require_tls=port.daemon != SMTPS,
            data_size_limit=104857600,
            loop=asyncio.get_running_loop(),
        )

    async def push(self, status: AnyStr) -> None:
        """Say it as Postfix does."""
        if isinstance(status, str) and status.startswith("500 Error: command"):
            await super().push(f"{self.unknown} Error: command not recognized")
        else:
            await super().push(status)

    async def _handle_client(self) -> None:
        client = self.visitor.client
        if self.daemon == POSTSCREEN:
            await self._screen()
        else:
            self.say(f"connect from unknown[{client[0]}]")
        if self.daemon == SMTPS and not self.logins():
            await self.die()
        else:
            await super()._handle_client()

    async def _screen(self) -> None:
        """Test a stranger's patience with a teaser; whoever is inside mynetworks is handed on at once."""
        client, server = self.visitor.client, self.visitor.server
        place = f"[{client[0]}]:{client[1]}"
        self.say(f"CONNECT from {place} to [{server[0]}]:{server[1]}")
        if own(client[0]):
            self.say(f"ALLOWLISTED {place}")
            self.unknown = UNKNOWN[SUBMISSION]
            return
        await self.push(f"220-{MAIL_NAME} {IDENT}")
        await asyncio.sleep(GREET_WAIT)
        if early := bytes(self._reader._buffer[:80]):  # type: ignore[attr-defined]  # asyncio cannot peek
            self.say(f"PREGREET {len(early)} after 0 from {place}: {early.decode('ascii', 'backslashreplace')!r}")

    async def die(self) -> None:
        """End as smtpd does inside TLS, where it must offer logins, when nobody can tell it which."""
        self.say("fatal: no SASL authentication mechanisms")
        await asyncio.sleep(FATAL)
        if self.transport is not None:
            self.transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        """Log the end as smtpd does."""
        if self.daemon != POSTSCREEN:
            self.say(f"disconnect from unknown[{self.visitor.client[0]}]")
        super().connection_lost(error)

    @syntax("PROXY")
    async def smtp_PROXY(self, arg: str) -> None:  # noqa: N802
        """A header that came to a plain port."""
        await self.push("500 Error: command not recognized")


class Rules:
    """What this estate answers to a mail's envelope; aiosmtpd asks by these names."""

    def __init__(self, smtpd: Smtpd) -> None:
        self.smtpd = smtpd

    async def handle_EHLO(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        """List the extensions in Postfix's way."""
        session.host_name = hostname
        offers = [word[4:] for word in responses[1:] if word[4:] not in ("8BITMIME", "HELP")]
        lines = [MAIL_NAME, "PIPELINING", *offers, "ENHANCEDSTATUSCODES", "8BITMIME"]
        return [f"250-{line}" for line in lines[:-1]] + [f"250 {lines[-1]}"]

    async def handle_MAIL(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Accept any sender."""
        envelope.mail_from = address
        return "250 2.1.0 Ok"

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Reject whoever is outside mynetworks, by the address we believe in."""
        client = self.smtpd.visitor.client[0]
        if own(client):
            envelope.rcpt_tos.append(address)
            return "250 2.1.5 Ok"
        answer = f"554 5.7.1 <unknown[{client}]>: Client host rejected: Access denied"
        if self.smtpd.daemon == POSTSCREEN:
            answer = f"454 4.7.1 <{address}>: Relay access denied"
        self.smtpd.say(
            f"NOQUEUE: reject: RCPT from unknown[{client}]: {answer}; from=<{envelope.mail_from or ''}> "
            f"to=<{address}> proto=ESMTP helo=<{session.host_name}>"
        )
        return answer

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Take no message: this estate is a rehearsal."""
        return "451 4.3.0 Error: queue file write error"

    async def handle_QUIT(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Part as Postfix does."""
        return "221 2.0.0 Bye"


def postfix(network: Network, tls: ssl.SSLContext, logins: Callable[[], bool]) -> Service:
    """Make the service, not yet started: 25, 465, 587 and their PROXY twins; `logins` says whether Dovecot answers."""
    service = Service(network, "postfix-mailcow", "ghcr.io/mailcow/postfix:1.80")

    def port(number: int, daemon: str, header: bool) -> Port:
        implicit, offered = (tls, None) if daemon == SMTPS else (None, tls)
        parting = f"421 4.3.0 {MAIL_NAME} Server local error"
        if daemon == POSTSCREEN:
            parting = "421 4.3.2 No system resources"
        listener = Listener(service, number, daemon, logins)
        policy = Policy(
            listener.refused,
            header=header,
            patience=HEADER_PATIENCE,
            parting=f"{parting}\r\n".encode(),
            takes_unknown=False,
            tls=implicit,
        )
        return Port(number, policy, lambda visitor: Smtpd(listener, visitor, offered))

    daemons = {25: POSTSCREEN, 465: SMTPS, 587: SUBMISSION}
    service.ports = [port(number, daemon, False) for number, daemon in daemons.items()]
    service.ports += [port(10000 + number, daemon, True) for number, daemon in daemons.items()]
    return service
