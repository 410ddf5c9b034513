"""One SSH connection, shared by all who need it: dialled when needed, again when lost, never in a hurry."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from console.errors import NoWayIn
from console.hosts.ssh import config, known_hosts, negotiation
from console.hosts.ssh.config import Resolved
from console.hosts.ssh.errors import Refusal, Unverified, distrusted, failed, introduce, shown, unknown
from console.hosts.ssh.identities import Locked, unlock
from console.hosts.ssh.known_hosts import KnownHosts
from console.hosts.ssh.login import Attempt
from console.hosts.ssh.transport import Proxy, dial
from console.questions import Credentials
from console.text import clean, join_words, quote

if TYPE_CHECKING:
    import asyncssh

LOGIN = 40.0
"""Seconds from the TCP connection to being logged in, questions not counted."""

QUESTION = 110.0
"""Seconds a server is kept waiting for an answer: OpenSSH itself hangs up after 120."""

PAGE = 300.0
"""Seconds a server that asks for a web page to be opened is waited for; no login lasts longer, whatever is said."""

PATIENCE = 20.0
"""Seconds a caller waits for a connection that is being made."""

CEILING = 60.0
"""Longest pause between two attempts, in seconds; the first is 1."""

STABLE = 10.0
"""Seconds a connection must have lasted to be no failure."""

DEPTH = 8
"""Jumps through jumps; more is a circle."""

ROUNDS = 12
"""Attempts within one dial: each but the last ends in an answer of the operator's or a retreat of ours."""


T = TypeVar("T")


class Link:
    """The connection to one destination. `label` is the operator's word for the machine.

    `distrust` says before every dial why the configuration `file` is not used, "" when it may be.

    `banner` is what its server said before it let us in; `pending` what it waits for, "" when for nothing."""

    def __init__(
        self,
        label: str,
        destination: str,
        credentials: Credentials,
        tell: Callable[[str], None],
        file: Path | None = None,
        jumps: Sequence[str] = (),
        over: Link | None = None,
        distrust: Callable[[], str] | None = None,
    ) -> None:
        self.label, self.destination, self.credentials, self.tell = label, destination, credentials, tell
        self.file, self.distrust = file, distrust
        self.jumps, self.over = tuple(jumps), over
        self.depth: int = over.depth + 1 if over else 0
        self.banner = self.pending = self.user = ""
        self.refusal = ""
        self.dials = 0
        self._connection: asyncssh.SSHClientConnection | None = None
        self._dialling: asyncio.Task[asyncssh.SSHClientConnection] | None = None
        self._held = asyncio.Event()
        self._failures, self._next, self._why, self._since = 0, 0.0, "", 0.0
        self._tried = 0.0
        self._cut, self._closed = 0, False
        self._proxy: Proxy | None = None
        self._jump: Link | None = None
        self._told: set[str] = set()
        self._closing: set[asyncio.Task[None]] = set()
        self._hold: Callable[[str], None] = self._pend

    async def connection(self, patient: bool = False) -> asyncssh.SSHClientConnection:
        """The connection, made if there is none; raises `NoWayIn` at once while a question or a pause is open.

        `patient` callers wait for the operator's answers, however long they take."""
        if self._closed:
            raise NoWayIn(f"{self.label} was let go of")
        if self._connection is not None and self._connection.is_closed():
            self._bury()
        if self._connection is not None:
            return self._connection
        if self._dialling is None:
            if self.refusal:
                raise NoWayIn(self.refusal)
            if time.monotonic() < self._next:
                # Say when it was tried: that stays true. A single command makes no next try, so it promises none.
                at = time.strftime("%H:%M:%S", time.localtime(time.time() + self._tried - time.monotonic()))
                raise NoWayIn(f"{self._why}; tried at {at}")
            self._dialling = asyncio.ensure_future(self._dial())
            self._dialling.add_done_callback(self._dialled)
        return await self._wait(self._dialling, None if patient else PATIENCE)

    async def _wait(
        self, dialling: asyncio.Task[asyncssh.SSHClientConnection], patience: float | None
    ) -> asyncssh.SSHClientConnection:
        held = asyncio.ensure_future(self._held.wait()) if patience else None
        waiting: set[asyncio.Future[Any]] = {dialling, *([held] if held else [])}
        try:
            await asyncio.wait(waiting, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if held is not None:
                held.cancel()
        if dialling.cancelled():
            raise NoWayIn(f"the connection to {self.label} was given up")
        if dialling.done():
            return dialling.result()
        raise NoWayIn(self.pending or f"{self.label} is still being connected to")

    def _dialled(self, task: asyncio.Task[asyncssh.SSHClientConnection]) -> None:
        self._dialling = None
        self._pend("")
        error = None if task.cancelled() else task.exception()
        if task.cancelled() or error is not None:
            self._let_go()
        if error is None:
            if not task.cancelled():
                self._connection, self._since, self._cut = task.result(), time.monotonic(), 0
            return
        self._why = str(error) if isinstance(error, NoWayIn) else f"{self.label}: {type(error).__name__}"
        if isinstance(error, Refusal):
            self.refusal = self._why
        else:
            self._pause()

    def _pause(self) -> None:
        self._tried = time.monotonic()
        self._next = self._tried + min(CEILING, 2.0**self._failures)
        self._failures = min(10, self._failures + 1)

    def _bury(self) -> None:
        """The connection was found dead: one that lasted is made again at once, one that did not after a pause."""
        self._connection = None
        self._let_go()
        if time.monotonic() - self._since >= STABLE:
            self._failures, self._next = 0, 0.0
        else:
            self._why = f"the connection to {self.label} was lost at once"
            self._pause()

    def lost(self, connection: asyncssh.SSHClientConnection) -> None:
        """Say that `connection` does not answer any more: the next caller gets a new one."""
        connection.abort()
        if self._connection is connection:
            self._bury()

    def _let_go(self) -> None:
        """End the proxy command below; a jump host's connection stays for the next attempt."""
        proxy, self._proxy = self._proxy, None
        if proxy is not None:
            task = asyncio.ensure_future(proxy.close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    def forget(self) -> None:
        """Try again at once, whatever was refused or is waited for."""
        self.refusal = self._why = ""
        self._failures, self._next, self._cut = 0, 0.0, 0
        if self._jump is not None:
            self._jump.forget()

    async def close(self) -> None:
        """Say goodbye and let go for good, within a fraction of a second."""
        self._closed = True
        if self._dialling is not None:
            self._dialling.cancel()
            await asyncio.wait({self._dialling}, timeout=0.3)
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
            with suppress(TimeoutError):
                await asyncio.wait_for(connection.wait_closed(), 0.2)
            connection.abort()
        if self._jump is not None:
            await self._jump.close()
        self._let_go()
        if self._closing:
            await asyncio.wait(self._closing, timeout=0.5)

    def _pend(self, text: str) -> None:
        self.pending = text
        if self.over is not None:
            self.over._pend(text)
        if text:
            self._held.set()
        else:
            self._held.clear()

    def _say(self, text: str) -> None:
        if text and text not in self._told:
            self._told.add(text)
            self.tell(text)

    async def _dial(self) -> asyncssh.SSHClientConnection:
        """Attempts and questions in turn, until there is a connection; raises `Refusal` or `NoWayIn`."""
        if self.distrust is not None and (why := self.distrust()):
            raise NoWayIn(f"no way in to {self.label}: {why}")
        resolved = await config.resolve(self.destination, self.file)
        self.user = resolved.user
        if named := [name for name in resolved.ignored if name != "GSSAPIAuthentication"]:  # Debian sets it for all
            self._say(f"{join_words(named)} of the SSH configuration: set, and not honoured")
        certificates = True
        for _ in range(ROUNDS):
            known = KnownHosts((*resolved.user_known, *resolved.global_known))
            attempt = Attempt(self.label, resolved, known, self.credentials, lambda text: self._hold(text))  # noqa: PLW0108
            try:
                return await self._attempt(attempt, certificates)
            except Locked as locked:
                self._let_go()
                await self._ask(
                    unlock(locked.path, self.label, self.credentials), f"the passphrase of {locked.path.name}"
                )
            except Unverified as unverified:
                self._let_go()
                if attempt.key is None and "revoked" not in str(unverified):
                    self._say(f"the host's certificate is not used: {quote(str(unverified), 120)}")
                    certificates = False
                else:
                    await self._meet(attempt)
        raise Refusal(f"{self.label} asks too much before it lets us in")

    async def _ask(self, asking: Coroutine[Any, Any, T], what: str) -> T:
        self._pend(f"{self.label} waits for your answer: {what}")
        try:
            return await asking
        finally:
            self._pend("")

    async def _meet(self, attempt: Attempt) -> None:
        """Decide on a host key that is not known; returns when it is known now, else raises."""
        if out_of_question := distrusted(self.label, attempt):
            raise out_of_question
        resolved, key = attempt.resolved, attempt.key
        assert key is not None
        sentence, advice = unknown(self.label, key), f"to accept it: ssh {self.destination}"
        if resolved.batch or not self.credentials.staffed:
            raise NoWayIn(f"{sentence}; {advice}")
        question = introduce(self.label, attempt)
        answer = await self._ask(self.credentials.ask(question), f"a new host key, {shown(key)}")
        if answer is None or answer.reveal().strip() not in ("yes", known_hosts.fingerprint(key)):
            self.credentials.decline(question.id)
            raise Refusal(f"{sentence}; you did not accept it")
        if not resolved.user_known:
            raise Refusal(f"{sentence}, and UserKnownHostsFile is none: there is no place to keep it")
        file = resolved.user_known[0]
        try:
            known_hosts.add(file, resolved.known_as, key, resolved.hashed)
        except OSError as error:
            raise Refusal(f"{sentence}, and {file} cannot be written: {error.strerror}") from None
        self._say(f"host key accepted and added to {known_hosts.shorten(file)}: {shown(key)}")

    async def _attempt(self, attempt: Attempt, certificates: bool) -> asyncssh.SSHClientConnection:
        """One connection attempt; raises `Unverified`, `Locked`, `Refusal` or `NoWayIn`."""
        import asyncssh

        logging.getLogger("asyncssh").setLevel(logging.CRITICAL + 1)  # it would write over the screen
        resolved = attempt.resolved
        arguments = negotiation.options(attempt, certificates)
        below = await self._below(resolved)
        loop, up = asyncio.get_running_loop(), False
        latest = loop.time() + PAGE
        self.dials += 1
        try:
            async with asyncio.timeout(LOGIN) as limit:

                def hold(text: str) -> None:
                    longest = PAGE if "://" in text else QUESTION if text else LOGIN
                    with suppress(RuntimeError):  # time is up already
                        limit.reschedule(min(loop.time() + longest, latest))
                    self._pend(text)

                self._hold = hold
                connection = await asyncssh.connect(resolved.host, resolved.port, **below, **arguments)
                up = True
                if attempt.used:
                    self.credentials.keep(*attempt.used)
                return connection
        except TimeoutError:
            if self.pending:
                raise Refusal(f"{self.pending}; nobody did in time. It is not tried again until you ask") from None
            raise NoWayIn(f"{self.label} took the connection and then did not get on with it") from None
        except asyncssh.HostKeyNotVerifiable as error:
            raise Unverified(str(error)) from None
        except (asyncssh.Error, OSError, ValueError) as error:
            self._cut = self._cut + 1 if isinstance(error, asyncssh.ConnectionLost) and attempt.taken else 0
            complaint = self._proxy.complaint() if self._proxy else ""
            raise failed(self.label, attempt, error, complaint, self._cut) from None
        finally:
            self._hold = self._pend
            self.banner = attempt.banner
            self._say(attempt.banner and f'says, in its own words: "{attempt.banner.replace(chr(10), " / ")}"')
            attempt.identities.close()
            if not up and "sock" in below:
                below["sock"].close()

    async def _below(self, resolved: Resolved) -> dict[str, Any]:
        """What carries the connection: a socket, a proxy command's pipes, or a jump host's connection."""
        jumps = self.jumps or resolved.jumps
        if jumps:
            return {"tunnel": await self._over(jumps).connection(patient=True)}
        if resolved.proxy:
            self._proxy = await Proxy.start(resolved.proxy)
            return {"sock": self._proxy.sock}
        return {"sock": await dial(resolved)}

    def _over(self, jumps: Sequence[str]) -> Link:
        """The link to the last jump host, itself over those before it."""
        if self.depth >= DEPTH:
            raise NoWayIn(f"ProxyJump of {self.label} goes round in a circle")
        destination, before = _uri(jumps[-1]), tuple(jumps[:-1])
        if self._jump is None or (self._jump.destination, self._jump.jumps) != (destination, before):
            label = f"{clean(jumps[-1], 60)} (the jump host of {self.label})"
            self._jump = Link(label, destination, self.credentials, self._say, self.file, before, self, self.distrust)
        return self._jump


def _uri(jump: str) -> str:
    """A jump as a destination: `user@host:port` is written as a URI, which ssh takes with a port."""
    host = jump.rpartition("@")[2]
    return jump if jump.startswith("ssh://") or ":" not in host else f"ssh://{jump}"
