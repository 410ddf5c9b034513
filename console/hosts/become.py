"""Root by sudo: without a password where sudo lets us, else with one that is asked for once and fed to its prompt."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Sequence

from console.errors import NoWayIn
from console.hosts.host import Completed
from console.hosts.process import Execute, Talk, bounded, unbounded
from console.questions import Desk, Question
from console.secret import Secret
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


class Become:
    """sudo on the machine called `host`; `user` is who we are there, as far as the question should say it."""

    def __init__(self, host: str, desk: Desk, user: str = "") -> None:
        self.host, self.desk, self.user = host, desk, user
        self.id = f"sudo:{host}"
        self.refusal = ""
        self._asks = self._proven = False
        self.bounds = True
        """Whether commands may be put under `timeout`: sudo's rules may name each of them bare."""
        self._first = asyncio.Lock()
        self._prompt = f"[{secrets.token_hex(6)}]"

    async def run(self, execute: Execute, argv: Sequence[str], talk: Talk, timeout: float, cap: int) -> Completed:
        """Run `argv` as root by `execute`; raises `NoWayIn` when sudo does not let us, and then at once until `forget`.

        A wrong password is never tried twice, nor by two commands at once."""
        self._check()
        if self._proven:
            return await self._attempt(execute, argv, talk, timeout, cap)
        async with self._first:
            self._check()
            return await self._attempt(execute, argv, talk, timeout, cap)

    async def prefix(self, execute: Execute, talk: Talk, timeout: float) -> list[str]:
        """What to put before an argument list, with `talk` prepared, for a command that outlives `run`."""
        if not self._proven:
            await self.run(execute, ["true"], Talk(), timeout, 4096)
        return self._prepare(talk)

    def forget(self) -> None:
        """Try again what was refused, and ask again."""
        self.refusal = ""
        self._asks = self._asks and self._proven

    def _check(self) -> None:
        if self.refusal:
            raise NoWayIn(self.refusal)

    async def _attempt(self, execute: Execute, argv: Sequence[str], talk: Talk, timeout: float, cap: int) -> Completed:
        if not self._asks:
            done = await self._sudo(execute, argv, talk, timeout, cap)
            if not _needs(done):
                return self._judge(done, argv)
            self._asks = self.bounds = True
        secret = self.desk.kept(self.id) or await self._ask()
        self.desk.keep(self.id, secret)
        asked = Talk(talk.data, talk.ready, talk.stay)
        done = await self._sudo(execute, argv, asked, timeout, cap)
        if asked.refused:
            self.desk.drop(self.id)
            self._proven = False
            self.refusal = f"sudo on {self.host} did not take that password; it is not tried again until you ask"
            raise NoWayIn(self.refusal)
        return self._judge(done, argv)

    async def _sudo(self, execute: Execute, argv: Sequence[str], talk: Talk, timeout: float, cap: int) -> Completed:
        """Run it with an end of its own, for we cannot end what is root's; bare where sudo's rules name it so."""
        if self.bounds:
            done = await execute([*self._prepare(talk), *bounded(argv, timeout)], talk, timeout, cap)
            if talk.refused or not (unbounded(done) or _needs(done) or (done.status and REFUSES.search(done.stderr))):
                return done
            self.bounds = False
            talk.asked = 0
        return await execute([*self._prepare(talk), *argv], talk, timeout, cap)

    def _prepare(self, talk: Talk) -> list[str]:
        if not self._asks:
            return ["sudo", "-n", "--"]
        talk.prompt, talk.answer = self._prompt.encode(), self.desk.kept(self.id)
        return ["sudo", "-S", "-k", "-p", self._prompt, "--"]

    async def _ask(self) -> Secret:
        user = f" for {self.user}" if self.user else ""
        question = Question(
            self.id,
            "sudo",
            self.host,
            f"sudo password{user} on {self.host}",
            "It is fed to sudo on its input, kept in memory until cowhand ends, and written nowhere.",
            True,
        )
        secret = await self.desk.ask(question)
        if secret is None:
            why = "was not given" if self.desk.staffed else "is needed, and nobody is here to ask"
            self.refusal = f"the sudo password of {self.host} {why}"
            raise NoWayIn(self.refusal)
        return secret

    def _judge(self, done: Completed, argv: Sequence[str]) -> Completed:
        if done.status and MISSING.search(done.stderr):
            raise NoWayIn(f"{self.host} has no sudo; log in as root there, or leave out become")
        if done.status == 127 and b"timeout: failed to run command" in done.stderr:
            return Completed(127, b"", f"{argv[0]}: command not found".encode())
        if done.status == 1:
            if done.stderr.startswith(f"sudo: {argv[0]}: command not found".encode()):
                return Completed(127, b"", f"{argv[0]}: command not found".encode())
            if refused := REFUSES.search(done.stderr):
                raise NoWayIn(f"sudo on {self.host} does not let us run {argv[0]}: {clean(refused[0], 120)}")
        self._proven = True
        return done


def _needs(done: Completed) -> bool:
    return bool(done.status and NEEDS.search(done.stderr))
