"""One attempt to log in: what the server shows is judged, what it asks is answered, and both are noted for people."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from console.hosts.ssh.config import Resolved
from console.hosts.ssh.identities import Identities
from console.hosts.ssh.known_hosts import Judgement, KnownHosts
from console.questions import Credentials, Question, label, quotation
from console.secret import Secret

if TYPE_CHECKING:
    import asyncssh

BANNER = 2000
"""Characters kept of what a server says before it lets us in."""

PROMPTS = 8
"""Answers a server may ask for in one login, questions without a prompt included."""

PASSWORD = re.compile(r"(?:\S+'s )?password(?: for \S+)?\s*:?", re.IGNORECASE | re.ASCII)
"""A prompt for the account's password, as PAM words it: it is asked for in cowhand's own words instead."""


class Attempt:
    """One attempt to log in to the host called `label`. `hold` is called with what it waits for, "" when it goes on."""

    def __init__(
        self, label: str, resolved: Resolved, known: KnownHosts, credentials: Credentials, hold: Callable[[str], None]
    ) -> None:
        self.label = label
        self.resolved, self.known, self.credentials, self.hold = resolved, known, credentials, hold
        self.identities = Identities(resolved, credentials)
        self.key: bytes | None = None
        self.judgement: Judgement | None = None
        self.certificate_refused = False
        self.banner = ""
        self.taken: list[str] = []
        """The ways to authenticate that the server offered and we tried or looked at."""
        self.sent: Secret | None = None
        self.used: tuple[str, Secret] | None = None
        self.expired = self.unanswered = False
        self.answered = False
        self._prompts = 0

    @property
    def where(self) -> str:
        """user@host, as a question says it."""
        return f"{self.resolved.user}@{self.resolved.host}"

    def check_key(self, key: bytes) -> bool:
        """Whether the server's host key is known; why not is kept."""
        self.key = key
        self.judgement = self.known.check_key(self.resolved.known_as, key)
        return self.judgement.state == "known"

    def says(self, text: str) -> None:
        """Keep what the server says, as lines of a quotation."""
        lines = quotation(text)
        self.banner = "\n".join(filter(None, (self.banner, *lines)))[:BANNER]
        if "://" in text:
            self.hold(f'{label(self.label)} says, in its own words: "{" ".join(lines)[:400]}"')

    def note(self, method: str) -> None:
        """Remember that the server takes this method."""
        if method not in self.taken:
            self.taken.append(method)

    async def password(self) -> str | None:
        """The password, kept or asked for; once in an attempt, for a wrong one counts against us."""
        self.note("password")
        if self.sent is not None or self.unanswered:
            return None
        id = f"password:{self.where}:{self.resolved.port}:{self.resolved.route}"
        secret = self.credentials.kept(id)
        if secret is None:
            question = Question(
                id,
                "password",
                self.label,
                f"password of {self.where}",
                "It is kept in memory until cowhand ends, and written nowhere.",
                True,
                self.where,
            )
            secret = await self._ask(question)
        if secret is None:
            return None
        self.sent, self.used = secret, (id, secret)
        return secret.reveal()

    async def challenge(self, name: str, instructions: str, prompts: Sequence[tuple[str, bool]]) -> list[str] | None:
        """Answers to what a server asks in its own words; None to give up."""
        if name.strip() or instructions.strip():
            self.says(f"{name}\n{instructions}")
        self._prompts += max(1, len(prompts))
        if self._prompts > PROMPTS:
            self.unanswered = True
            return None
        answers: list[str] = []
        for prompt, echo in prompts:
            if not echo and PASSWORD.fullmatch(prompt.strip()):
                password = await self.password()
                if password is None:
                    return None
                answers.append(password)
                continue
            quoted = quotation(name, instructions, prompt) or ("(it says nothing)",)
            id = f"code:{self.where}:{self.resolved.port}:{quoted[-1]}"
            text = f"an answer to log in as {self.resolved.user}"
            secret = await self._ask(Question(id, "code", self.label, text, "", not echo, self.where, quoted))
            if secret is None:
                return None
            answers.append(secret.reveal())
        self.answered = self.answered or bool(answers)
        return answers

    async def _ask(self, question: Question) -> Secret | None:
        if self.resolved.batch or self.credentials.declined(question.id):
            self.unanswered = True
            return None
        self.hold(f"{label(self.label)} waits for your answer: {question.text}")
        secret = await self.credentials.ask(question)
        self.hold("")
        self.unanswered = secret is None
        return secret


SLICE = 1 << 14
"""Bytes that are taken from a server before the others have their turn: of asyncio's 256 KiB in small packets, each
read held up every other host for two thirds of a second."""


def client(attempt: Attempt) -> Callable[[], asyncssh.SSHClient]:
    """Return the factory asyncssh wants: an object that tells `attempt` what happens."""
    import asyncssh
    from asyncssh.public_key import decode_ssh_certificate

    class Client(asyncssh.SSHClient):
        """Passes asyncssh's questions on."""

        def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
            transport: Any = getattr(conn, "_transport", None)
            if hasattr(transport, "max_size"):  # a socket's; what comes through a tunnel comes through one of these
                transport.max_size = SLICE
            check = conn.validate_server_host_key

            def validate(data: bytes) -> asyncssh.SSHKey:
                """As OpenSSH since 10.3: a certificate that names no host is good for none (asyncssh: for all)."""
                with suppress(asyncssh.KeyImportError):
                    if not getattr(decode_ssh_certificate(data), "principals", ()):
                        raise asyncssh.HostKeyNotVerifiable("the host's certificate names no host")
                return check(data)

            conn.validate_server_host_key = validate  # type: ignore[method-assign,assignment]

        def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
            return attempt.check_key(key.public_data)

        def validate_host_ca_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
            attempt.certificate_refused = True
            return False

        def auth_banner_received(self, msg: str, lang: str) -> None:
            attempt.says(msg)

        async def public_key_auth_requested(self) -> asyncssh.SSHKeyPair | None:
            attempt.note("publickey")
            return await attempt.identities.next()

        async def password_auth_requested(self) -> str | None:
            return await attempt.password()

        def kbdint_auth_requested(self) -> str | None:
            attempt.note("keyboard-interactive")
            return None if attempt.answered or attempt.unanswered or attempt.sent else ""

        async def kbdint_challenge_received(
            self, name: str, instructions: str, lang: str, prompts: Sequence[tuple[str, bool]]
        ) -> list[str] | None:
            return await attempt.challenge(name, instructions, prompts)

        def password_change_requested(self, prompt: str, lang: str) -> Any:
            attempt.expired = True
            return super().password_change_requested(prompt, lang)

    return Client
