"""What a step sees: the files, the hosts to read from, and the answers."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, get_args

from msgspec import Struct, structs

from console.errors import CowhandError, Missing, NoWayIn
from console.hosts.host import Completed, Host
from console.hosts.lock import QUIET, HostLocked, HostLocks
from console.mask import DOTS, mask
from console.model import Outcome, Role
from console.runner.answers import problem
from console.runner.plan import Ask, Write
from console.runner.read_only import ReadOnlyHost
from console.secret import Secret, forms

if TYPE_CHECKING:
    from console.estate.load import Estate

T = TypeVar("T")

STAT = 10.0
"""Seconds a file's mode may take to be told."""

TAKE_OVER = "take-over"
"""The key of the answer that names the run whose lock is taken over."""

ROLES: tuple[str, ...] = get_args(Role)


class Unanswered(CowhandError):
    """A step needs answers that nobody has given yet; they can be asked for together."""

    def __init__(self, *questions: Ask) -> None:
        self.questions = questions
        super().__init__("; ".join(f"{each.text} (--answer {each.key}=…)" for each in questions))


class Api(Protocol):
    """An interface other than a host's commands, such as Incus."""

    async def call(self, method: str, path: str, body: str, timeout: float) -> Completed:
        """Send a request that changes something, and return its answer (status 0: done); raises `HostError`."""


class Surroundings(Struct, frozen=True):
    """The estate as the files tell it, its hosts by name, and the reason for each name or role that has none."""

    estate: Estate
    hosts: Mapping[str, Host]
    missing: Mapping[str, str]


class StepContext:
    """The estate as the files tell it, its hosts to read from, and the answers known so far.

    `renewal` reads the files again and reaches new hosts. A host is asked for by its name, or by a role when exactly
    one host has it. Between two changes what was read is kept: a check and a plan see the same world, once."""

    def __init__(
        self,
        estate: Estate,
        hosts: Mapping[str, Host],
        missing: Mapping[str, str] | None = None,
        answers: Mapping[str, str] | None = None,
        destroy: tuple[str, ...] = (),
        renewal: Callable[[], Awaitable[Surroundings]] | None = None,
        lanes: Callable[[], Awaitable[Sequence[tuple[str, Outcome]]]] | None = None,
        apis: Mapping[str, Api] | None = None,
    ) -> None:
        self.estate = estate
        self.hosts, self.missing = hosts, missing or {}
        self.answers: dict[str, str] = dict(answers or {})
        self.asked: set[str] = {TAKE_OVER}
        """The keys of all questions that were asked so far, answered or not; a lock asks its own."""
        self.destroy: set[str] = set(destroy)
        self.lanes = lanes
        """Sees the lanes of mail from outside: pairs of a lane and its outcome (see model.Outcome)."""
        self.planned: set[str] = set()
        """Names of the steps that would have been done by now, if this were no dry run."""
        self.keeping = False
        """Whether what is read is kept until something changes; only while a step is checked and planned."""
        self.locks: HostLocks | None = None
        """The locks of the hosts that this run changes; a dry run has none."""
        self.past: dict[str, list[dict[str, Any]]] = {}
        """What takes back the changes of each step that is to be undone, by its name, in order."""
        self._renewal, self._apis = renewal, apis or {}
        self._made: dict[str, Secret] = {}
        self._secrets: list[str] = []
        self._kept: dict[object, object] = {}

    # ── hosts ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def named(self, role: str) -> tuple[str, ...]:
        """The names of all hosts with a role, in the order of the site file."""
        return tuple(name for name, host in self.hosts.items() if host.role == role)

    def machine(self, which: str) -> Host:
        """The host itself; for the runner. Raises `NoWayIn` with the reason when it is missing or not the only one."""
        return self.hosts[self.key(which)]

    def key(self, which: str) -> str:
        """The name by which the site file knows a host; raises as `machine` does."""
        named = self.hosts.get(which)
        playing = self.named(which) if which in ROLES else ()
        if named is not None and (named.role == which or not playing):
            return which
        if named is None and len(playing) == 1:
            return playing[0]
        if len(playing) > 1 or named is not None:
            raise NoWayIn(f'"{which}" means more than one host: {", ".join(sorted({*playing, which} & {*self.hosts}))}')
        raise NoWayIn(self.missing.get(which) or _missing(which))

    def host(self, which: str, fresh: bool = False) -> Host:
        """A host to be read from only; a `fresh` one answers nothing from memory. Raises as `machine` does."""
        machine = self.machine(which)
        return ReadOnlyHost(machine, self._kept if self.keeping and not fresh else None)

    def name(self, which: str) -> str:
        """What the operator calls a host."""
        try:
            return self.machine(which).name
        except NoWayIn:
            return which

    async def lock(self, which: str) -> None:
        """Have a host's lock before it is changed; raises `HostLocked` while another console has it, or `HostError`.

        Where that console has gone quiet, `Unanswered` asks whether its lock is to be taken over."""
        if self.locks is None:
            return
        over = self.answers.get(TAKE_OVER, "")
        try:
            await self.locks.hold(self.machine(which), over)
        except HostLocked as error:
            holder = error.holder
            if holder is None or holder.quiet < QUIET or over == "no":
                raise
            text = f"{error}; whether it still changes something there is not known. Take its lock over?"
            choices = {holder.console.run: "take the lock over: that run has ended", "no": "leave it to that run"}
            raise Unanswered(Ask(TAKE_OVER, text, choices)) from None

    def api(self, name: str) -> Api:
        """An interface by its name; raises `NoWayIn` when there is none."""
        if name not in self._apis:
            raise NoWayIn(f"no way in: cowhand is not connected to {name}")
        return self._apis[name]

    def offer(self, name: str, api: Api) -> None:
        """Let the plans of a flow call an interface that it brings along."""
        self._apis = {**self._apis, name: api}

    async def renew(self) -> None:
        """Read the files again and reach the hosts they name; raises `InputError` or `HostError`."""
        self.invalidate()
        if self._renewal is not None:
            found = await self._renewal()
            self.estate, self.hosts, self.missing = found.estate, found.hosts, found.missing

    # ── files ───────────────────────────────────────────────────────────────────────────────────────────────────────

    async def data(self, which: str, path: str, cap: int = 1 << 20, fresh: bool = False) -> bytes | None:
        """A file's content; None when there is no such file. Raises as `Host.read` does."""
        try:
            return await self.host(which, fresh).read(path, cap)
        except Missing:
            return None

    async def text(self, which: str, path: str, cap: int = 1 << 20) -> str | None:
        """A file's text; None when there is no such file. Bytes that are not UTF-8 are kept by surrogateescape."""
        found = await self.data(which, path, cap)
        return None if found is None else found.decode("utf-8", "surrogateescape")

    async def edit(
        self, which: str, path: str, after: str | bytes, mode: int | None = None, sealed: bool = False
    ) -> Write:
        """Plan to replace a file by `after`; it keeps its mode unless one is given, a new one gets 0644."""
        before = await self.data(which, path)
        if mode is None:
            mode = 0o644 if before is None else await self.mode(which, path, 0o644)
        new = after if isinstance(after, bytes) else after.encode("utf-8", "surrogateescape")
        return Write(which, path, before, new, mode, sealed)

    async def mode(self, which: str, path: str, otherwise: int) -> int:
        """A file's mode, or another where it cannot be told."""
        said = await self.host(which).run(["stat", "-L", "-c", "%a", "--", path], STAT)
        told = re.fullmatch(rb"[0-7]{1,5}\n?", said.stdout) if said.status == 0 else None
        return int(told[0], 8) if told else otherwise

    # ── answers ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def ask(self, question: Ask) -> str:
        """The answer to a question; without one the plan is left here, and made again when there is one."""
        return self.ask_all(question)[0]

    def ask_all(self, *questions: Ask) -> tuple[str, ...]:
        """The answers to several questions, which are asked together when they are missing."""
        self.asked.update(each.key for each in questions)
        missing = tuple(each for each in questions if self._known(each) is None)
        if missing:
            raise Unanswered(*missing)
        known = tuple(self._known(each) or "" for each in questions)
        for question, answer in zip(questions, known, strict=True):
            if question.secret:
                self.hide(answer)
        return known

    def _known(self, question: Ask) -> str | None:
        known = self.answers.get(question.key, question.given)
        return None if known is None or problem(question, known) else known

    def secret(self, question: Ask) -> Secret:
        """The answer to a question as a secret, hidden from here on."""
        return Secret(self.ask(structs.replace(question, secret=True)))

    def generated(self, key: str, make: Callable[[], str]) -> Secret:
        """A secret that is made once for a run: the plan that is shown and the change have the same."""
        if key not in self._made:
            self._made[key] = Secret(make())
            self.hide(self._made[key])
        return self._made[key]

    # ── memory ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def expects(self, step: str) -> bool:
        """Whether this is a dry run in which an earlier step of that name would have been done by now."""
        return step in self.planned

    async def cached(self, key: object, make: Callable[[], Awaitable[T]]) -> T:
        """What `make` gave for this key; made again after anything has changed."""
        if key not in self._kept:
            self._kept[key] = await make()
        found: T = self._kept[key]  # type: ignore[assignment]
        return found

    def invalidate(self) -> None:
        """Drop all that was read: something changed, or may have."""
        self._kept.clear()

    # ── secrets ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def hide(self, secret: str | Secret) -> None:
        """Keep a secret out of all that is shown, streamed and written from now on, however it is encoded there."""
        text = secret.reveal() if isinstance(secret, Secret) else secret
        self._secrets = sorted({*self._secrets, *forms(text)}, key=len, reverse=True)

    def betrays(self, text: str) -> bool:
        """Whether a text has a hidden secret in it."""
        return any(secret in text for secret in self._secrets)

    def redact(self, text: str) -> str:
        """`text` without secrets: those that were hidden, and what looks like one."""
        for secret in self._secrets:
            text = text.replace(secret, DOTS)
        return mask(text)


def _missing(which: str) -> str:
    if which in ROLES:
        return f'no way in: no host has role = "{which}" in site.toml'
    return f'no way in: site.toml has no host "{which}"'
