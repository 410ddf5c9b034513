"""What a step sees: the files, the machines to read from, and the answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, TypeVar

from console.errors import CowhandError, Missing, NoWayIn
from console.hosts.host import Host
from console.mask import DOTS, mask
from console.model import Role
from console.runner.read_only import ReadOnlyHost
from console.runner.step import Ask, Write
from console.secret import Secret

if TYPE_CHECKING:
    from console.estate.load import Estate

T = TypeVar("T")

STAT = 10.0
"""Seconds a file's mode may take to be told."""


class Unanswered(CowhandError):
    """A step needs an answer that nobody has given yet."""

    def __init__(self, question: Ask) -> None:
        self.question = question
        super().__init__(f"{question.text} (--answer {question.key}=…)")


class StepContext:
    """The estate as the files tell it, its hosts to read from, and the answers known so far."""

    def __init__(
        self,
        estate: Estate,
        hosts: Mapping[Role, Host],
        missing: Mapping[Role, str] | None = None,
        answers: Mapping[str, str] | None = None,
        destroy: tuple[str, ...] = (),
    ) -> None:
        self.estate = estate
        self.hosts, self.missing = hosts, missing or {}
        self.answers: dict[str, str] = dict(answers or {})
        self.destroy: set[str] = set(destroy)
        self.dry = False
        """Whether nothing will be changed, so that a step may have to plan for what an earlier one has not done."""
        self._secrets: list[str] = []
        self._kept: dict[object, object] = {}

    def host(self, role: Role) -> Host:
        """The host of a role, to be read from only; raises `NoWayIn` with the reason when there is none."""
        return ReadOnlyHost(self.machine(role))

    def machine(self, role: Role) -> Host:
        """The host itself; for the runner."""
        found = self.hosts.get(role)
        if found is None:
            raise NoWayIn(self.missing.get(role) or f'no way in: no host has role = "{role}" in site.toml')
        return found

    def name(self, role: Role) -> str:
        """What the operator calls the host of a role."""
        found = self.hosts.get(role)
        return found.name if found else role

    async def data(self, role: Role, path: str, cap: int = 1 << 20) -> bytes | None:
        """A file's content; None when there is no such file. Raises as `Host.read` does."""
        try:
            return await self.machine(role).read(path, cap)
        except Missing:
            return None

    async def text(self, role: Role, path: str, cap: int = 1 << 20) -> str | None:
        """A file's text; None when there is no such file. Bytes that are not UTF-8 are kept by surrogateescape."""
        found = await self.data(role, path, cap)
        return None if found is None else found.decode("utf-8", "surrogateescape")

    async def edit(
        self, role: Role, path: str, after: str | bytes, mode: int | None = None, sealed: bool = False
    ) -> Write:
        """Plan to replace a file by `after`; it keeps its mode unless one is given, a new one gets 0644."""
        before = await self.data(role, path)
        if mode is None and before is not None:
            said = await self.host(role).run(["stat", "-L", "-c", "%a", "--", path], STAT)
            mode = int(said.stdout, 8) if said.status == 0 else None
        new = after if isinstance(after, bytes) else after.encode("utf-8", "surrogateescape")
        return Write(role, path, before, new, 0o644 if mode is None else mode, sealed)

    def ask(self, question: Ask) -> str:
        """The answer to a question; the step is left here, and begun anew from its check, until there is one."""
        known = self.answers.get(question.key, question.given)
        if known is None or (question.choices and known not in question.choices):
            raise Unanswered(question)
        if question.secret:
            self.hide(known)
        return known

    async def once(self, key: object, make: Callable[[], Awaitable[T]]) -> T:
        """What `make` gave for this key, asked anew after anything has changed."""
        if key not in self._kept:
            self._kept[key] = await make()
        found: T = self._kept[key]  # type: ignore[assignment]
        return found

    def forget(self) -> None:
        """Ask everything anew."""
        self._kept.clear()

    def hide(self, secret: str | Secret) -> None:
        """Keep a secret out of all that is shown, streamed and written from now on."""
        text = secret.reveal() if isinstance(secret, Secret) else secret
        if text and text not in self._secrets:
            self._secrets.append(text)
            self._secrets.sort(key=len, reverse=True)

    def betrays(self, text: str) -> bool:
        """Whether a text has a hidden secret in it."""
        return any(secret in text for secret in self._secrets)

    def redact(self, text: str) -> str:
        """`text` without secrets: those that were hidden, and what looks like one."""
        for secret in self._secrets:
            text = text.replace(secret, DOTS)
        return mask(text)
