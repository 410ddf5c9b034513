"""Root by sudo: without a password where sudo lets us, else with one that is asked for once and fed to its prompt."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Sequence

from console.errors import NoWayIn
from console.hosts.host import Completed
from console.hosts.process import Dialogue, Execute, bounded, unbounded
from console.questions import Credentials, Question
from console.text import clean

NEEDS = re.compile(
    rb"^sudo(?:-rs)?: (?:a password is required|a terminal is required|no tty present and no askpass|"
    rb"interactive authentication is required)",
    re.MULTILINE,
)
"""What sudo says in the C locale (1.8, 1.9 and sudo-rs) when it would have asked for a password."""

REFUSES = re.compile(
    rb"^(?:sudo(?:-rs)?: )?(?:Sorry, user .*|.* is not in the sudoers file.*|.* is not allowed to .*|"
    rb"sorry, you must have a tty to run sudo|I'm sorry .*I'm afraid I can't do that|.*effective uid is not 0.*|"
    rb".*must be owned by uid 0 and have the setuid bit set.*|The \"no new privileges\" flag is set.*|"
    rb"account validation failure.*|.*unable to open .*sudoers.*|parse error in .*|.*syntax error.*sudoers.*)",
    re.MULTILINE,
)
"""What sudo says when it does not run the command, whatever password it is given."""

MISSING = re.compile(rb"^env: .{0,4}sudo.{0,4}: No such file or directory|^sudo: command not found", re.MULTILINE)


OPENING = 15.0
"""Seconds sudo may take to run nothing: a wrong host name in its resolver costs it ten."""


class Become:
    """sudo on the machine called `host`; `user` is who we are there, as soon as that is known."""

    def __init__(self, host: str, credentials: Credentials, user: str = "") -> None:
        self.host, self.credentials, self.user = host, credentials, user
        self.id = f"sudo:{host}"
        self.bounds = True
        """Whether commands may be put under `timeout`: sudo's rules may name each of them bare."""
        self._refusal = ""
        self._barred: dict[tuple[str, ...], str] = {}
        self._asks = self._proven = False
        self._first = asyncio.Lock()
        self._asking: asyncio.Task[None] | None = None
        self._prompt = f"[{secrets.token_hex(6)}]"

    async def open(self, execute: Execute) -> None:
        """Find out how we become root, and wait for the password however long it takes; raises `NoWayIn`."""
        if not self._proven:
            await self.run(execute, ["true"], Dialogue(), OPENING, 4096, patient=True)

    async def run(
        self, execute: Execute, argv: Sequence[str], dialogue: Dialogue, timeout: float, cap: int, patient: bool = False
    ) -> Completed:
        """Run `argv` as root by `execute`; raises `NoWayIn` when sudo does not let us, and then at once until `forget`.

        A wrong password is never tried twice, nor by two commands at once. Only the `patient` wait for an answer."""
        while True:
            if barred := self._barred.get(tuple(argv[:2])):
                raise NoWayIn(barred)
            try:
                if self._proven:
                    return await self._attempt(execute, argv, dialogue, timeout, cap)
                async with self._first:
                    return await self._attempt(execute, argv, dialogue, timeout, cap)
            except _Wanted:
                pass
            await self._ask(patient)

    async def prefix(self, execute: Execute, dialogue: Dialogue, timeout: float) -> list[str]:
        """What to put before an argument list, with `dialogue` prepared, for a command that outlives `run`."""
        if not self._proven:
            await self.run(execute, ["true"], Dialogue(), timeout, 4096)
        return self._prepare(dialogue)

    def forget(self) -> None:
        """Try again what was refused, and ask again."""
        self._refusal = ""
        self._barred.clear()
        self._asks = self._asks and self._proven

    def close(self) -> None:
        """Withdraw the question."""
        if self._asking is not None:
            self._asking.cancel()

    async def _attempt(
        self, execute: Execute, argv: Sequence[str], dialogue: Dialogue, timeout: float, cap: int
    ) -> Completed:
        if not self._asks or self._refusal:
            done = await self._sudo(execute, argv, dialogue, timeout, cap)
            if not _needs(done):
                return self._judge(done, argv)
            self._asks = self.bounds = True
            if self._refusal:
                raise self._bar(argv, self._refusal)
        secret = self.credentials.kept(self.id)
        if secret is None:
            raise _Wanted
        asked = Dialogue(dialogue.data, dialogue.ready, dialogue.stay)
        done = await self._sudo(execute, argv, asked, timeout, cap)
        if asked.refused:
            self.credentials.drop(self.id)
            self._proven = False
            self._refusal = f"sudo on {self.host} did not take that password; it is not tried again until you ask"
            raise self._bar(argv, self._refusal)
        return self._judge(done, argv)

    async def _sudo(
        self, execute: Execute, argv: Sequence[str], dialogue: Dialogue, timeout: float, cap: int
    ) -> Completed:
        """Run it with an end of its own, for we cannot end what is root's; bare where sudo's rules name it so."""
        if self.bounds:
            done = await execute([*self._prepare(dialogue), *bounded(argv, timeout)], dialogue, timeout, cap)
            if dialogue.refused or not (
                unbounded(done) or _needs(done) or (done.status and REFUSES.search(done.stderr))
            ):
                return done
            self.bounds = False
            dialogue.asked = 0
        return await execute([*self._prepare(dialogue), *argv], dialogue, timeout, cap)

    def _prepare(self, dialogue: Dialogue) -> list[str]:
        if not self._asks or self._refusal:
            return ["sudo", "-n", "--"]
        dialogue.prompt, dialogue.answer = self._prompt.encode(), self.credentials.kept(self.id)
        return ["sudo", "-S", "-k", "-p", self._prompt, "--"]

    async def _ask(self, patient: bool) -> None:
        """Put the question, and wait for its answer if we may; raises `NoWayIn` when we may not."""
        if self.credentials.declined(self.id):
            self._decline()
            return
        if self._asking is None:
            self._asking = asyncio.ensure_future(self._put())
        if not patient:
            raise NoWayIn(f"sudo on {self.host} wants a password: waiting for your answer")
        await asyncio.shield(self._asking)

    async def _put(self) -> None:
        text = f"sudo password{' of ' + self.user if self.user else ''} on {self.host}"
        detail = "It is kept in memory until cowhand ends, and written nowhere."
        try:
            secret = await self.credentials.ask(Question(self.id, "sudo", self.host, text, detail, True))
            if secret is not None:
                self.credentials.keep(self.id, secret)
        finally:
            self._asking = None

    def _decline(self) -> None:
        why = "none was given" if self.credentials.staffed else "only the screens ask for it"
        self._refusal = f"sudo on {self.host} wants a password; {why}"

    def _bar(self, argv: Sequence[str], why: str) -> NoWayIn:
        """Remember not to try this command again: sudo writes each refusal into a log, or a mail."""
        self._barred[tuple(argv[:2])] = why
        return NoWayIn(why)

    def _judge(self, done: Completed, argv: Sequence[str]) -> Completed:
        if done.status and MISSING.search(done.stderr):
            raise NoWayIn(f"{self.host} has no sudo; log in as root there, or leave out become")
        if done.status == 127 and b"timeout: failed to run command" in done.stderr:
            return Completed(127, b"", f"{argv[0]}: command not found".encode())
        if done.status == 1:
            if done.stderr.startswith(f"sudo: {argv[0]}: command not found".encode()):
                return Completed(127, b"", f"{argv[0]}: command not found".encode())
            if refused := REFUSES.search(done.stderr):
                why = f"sudo on {self.host} does not let us run {argv[0]}: {clean(refused[0], 120)}"
                raise self._bar(argv, why)
        self._proven = True
        return done


class _Wanted(Exception):
    """sudo wants a password that we have not got."""


def _needs(done: Completed) -> bool:
    return bool(done.status and NEEDS.search(done.stderr))
