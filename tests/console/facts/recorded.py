"""Recorded answers of many versions, each with where it comes from; and a stand-in for a machine that gives them."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from console.errors import HostError
from console.hosts.host import Completed
from console.hosts.local import Local

CASES = Path(__file__).parent / "cases"
EXPECTED = "expected.toml"
SUBJECTS = sorted(folder.name for folder in CASES.iterdir() if folder.is_dir())


def expected(subject: str) -> dict[str, Any]:
    """The table of what each recorded answer must be read as."""
    return tomllib.loads((CASES / subject / EXPECTED).read_text(encoding="utf-8"))


def files(subject: str) -> list[str]:
    """The recorded answers of a subject."""
    return sorted(path.name for path in (CASES / subject).iterdir() if path.name != EXPECTED)


def text(subject: str, file: str) -> str:
    """One recorded answer, byte for byte."""
    return (CASES / subject / file).read_bytes().decode()


class StandIn(Local):
    """Stands for a machine: answers the first command that begins with a key of `answers`, in order; else 127."""

    def __init__(self, answers: Mapping[str, Completed | str | HostError], name: str = "mailcow") -> None:
        super().__init__(name, "mail")
        self.answers = answers
        self.asked: list[str] = []

    async def run(self, argv: Sequence[str], timeout: float, cap: int = 1 << 20) -> Completed:
        command = " ".join(argv)
        self.asked.append(command)
        for words, answer in self.answers.items():
            if command.startswith(words):
                if isinstance(answer, HostError):
                    raise answer
                made = Completed(0, answer.encode(), b"") if isinstance(answer, str) else answer
                return Completed(made.status, made.stdout[:cap], made.stderr[:cap])
        return Completed(127, b"", f"{argv[0]}: command not found".encode())


def failed(stderr: str, status: int = 1, stdout: str = "") -> Completed:
    """A command that failed and said so."""
    return Completed(status, stdout.encode(), stderr.encode())
