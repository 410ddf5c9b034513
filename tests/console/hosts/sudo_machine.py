"""A machine whose sudo answers from a list, and what is asked of it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from console.hosts.become import Become
from console.hosts.host import Completed
from console.hosts.process import Dialogue
from console.questions import Asker, Credentials
from console.secret import Secret

OK = Completed(0, b"out", b"err")
NEEDS = Completed(1, b"", b"sudo: a password is required\n")
REFUSED = Completed(1, b"", b"Sorry, user a is not allowed to execute 'id' as root on vps.\n")


class Machine:
    """A stand-in for the machine: gives its answers in turn, and keeps what it was asked; None takes no password."""

    def __init__(self, *answers: Completed | None) -> None:
        self.answers = list(answers)
        self.heard: list[str] = []
        self.dialogues: list[Dialogue] = []
        self.limits: list[tuple[float, int]] = []

    async def __call__(self, argv: Sequence[str], dialogue: Dialogue, timeout: float, cap: int) -> Completed:
        self.heard.append(re.sub(r"\[[0-9a-f]{12}\]", "PROMPT", " ".join(argv)))
        self.dialogues.append(dialogue)
        self.limits.append((timeout, cap))
        answer = self.answers.pop(0)
        if answer is None:
            dialogue.refused = True
            return Completed(1, b"", b"Sorry, try again.\nsudo: no password was provided\n")
        return answer


def made(ask: Asker | None = None, *, password: str | None = None, user: str = "") -> Become:
    """What becomes root on vps; with a `password`, one that is known already."""
    become = Become("vps", Credentials(ask), user)
    if password is not None:
        become.credentials.keep("sudo:vps", Secret(password))
    return become


async def run(become: Become, machine: Machine, *argv: str, data: bytes = b"", patient: bool = False) -> Completed:
    return await become.run(machine, argv or ["id"], Dialogue(data), 5, 99, patient)


def bounded(words: str) -> str:
    return f"sudo -n -- timeout -s KILL 7 {words}"


ASKING = "sudo -S -k -p PROMPT -- timeout -s KILL 7 "
