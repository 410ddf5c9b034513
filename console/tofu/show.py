"""OpenTofu's states and plans (`show -json`), and `show` asked on a host.

Nothing here plans, applies or initialises. Values that OpenTofu calls sensitive are left out as they are read.
Formats: OpenTofu's docs/internals/json-format; plan 1.2, state 1.0."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Any, Literal

import msgspec
from msgspec import Struct

from console.errors import InputError
from console.facts import command
from console.hosts.host import Host
from console.sources.opentofu.values import Expression, Value
from console.text import clean

TIMEOUT = 20.0
"""Seconds `tofu show` may take: a remote state is fetched."""

CAP = 32 << 20

HIDDEN = "(sensitive)"

SHORTEST = 5
"""Fewest characters of a sensitive text that is also masked elsewhere; shorter ones are too common."""

EFFORT = 1 << 27
"""Characters times secrets that are looked through; beyond it every text is masked, so that no state takes for ever."""

Action = Literal["no-op", "create", "read", "update", "delete", "replace", "forget"]


class Resource(Struct, frozen=True):
    """One resource of a state, or as planned; a value that is known only after `apply` is an `Expression`."""

    address: str
    type: str
    name: str
    module: str
    index: str | int | None
    values: dict[str, Value]
    data: bool = False
    tainted: bool = False


class Change(Struct, frozen=True):
    """What a plan does to one resource; `paths` are the values that force a replacement, such as `config.size`."""

    address: str
    type: str
    name: str
    action: Action
    reason: str = ""
    before: dict[str, Value] = {}
    after: dict[str, Value] = {}
    paths: tuple[str, ...] = ()
    previous: str = ""

    @property
    def destroys(self) -> bool:
        """Whether the resource as it is now will be destroyed."""
        return self.action in ("delete", "replace")


class Shown(Struct, frozen=True):
    """A state or a saved plan; a plan has `changes`, and `drift`: what changed outside of OpenTofu."""

    version: str = ""
    resources: tuple[Resource, ...] = ()
    changes: tuple[Change, ...] = ()
    drift: tuple[Change, ...] = ()
    planned: bool = False
    errored: bool = False
    missing: str = ""
    """Why there is nothing to show; "" when there is."""


# ── show -json ──────────────────────────────────────────────────────────────────────────────────────────────────────


class RawResource(Struct):
    """A resource as `show -json` writes it."""

    address: str = ""
    mode: str = "managed"
    type: str = ""
    name: str = ""
    index: str | int | None = None
    values: dict[str, Any] = {}
    sensitive_values: Any = None
    tainted: bool = False


class RawModule(Struct):
    """A module as `show -json` writes it."""

    address: str = ""
    resources: list[RawResource] = []
    child_modules: list[RawModule] = []


class RawValues(Struct):
    """What a state or a plan has, as `show -json` writes it."""

    root_module: RawModule = msgspec.field(default_factory=RawModule)


class _Delta(Struct):
    actions: list[str] = []
    before: Any = None
    after: Any = None
    after_unknown: Any = None
    before_sensitive: Any = None
    after_sensitive: Any = None
    replace_paths: list[list[Any]] = []


class _Change(Struct):
    address: str = ""
    type: str = ""
    name: str = ""
    action_reason: str = ""
    previous_address: str = ""
    change: _Delta = msgspec.field(default_factory=_Delta)


class Raw(Struct):
    """All that `show -json` writes of a state or a plan."""

    format_version: str
    terraform_version: str = ""
    values: RawValues | None = None
    planned_values: RawValues | None = None
    resource_changes: list[_Change] = []
    resource_drift: list[_Change] = []
    errored: bool = False


def parse(data: bytes | str, what: str = "tofu show -json") -> Shown:
    """Return a state or plan; raises `InputError` when the text is neither, or of a newer format."""
    try:
        raw = msgspec.json.decode(data, type=Raw)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise InputError(what, 0, 0, f"this is no output of tofu show -json: {clean(str(error), 160)}") from None
    if raw.format_version.split(".")[0] not in ("0", "1"):
        raise InputError(what, 0, 0, f"format {clean(raw.format_version, 20)} is newer than this cowhand knows")
    return read(raw, what)


def read(raw: Raw, what: str, secrets: Sequence[Any] = ()) -> Shown:
    """Return a decoded state or plan without what is sensitive; texts in `secrets` are masked too."""
    values = raw.planned_values or raw.values
    try:
        reading = _Reading(raw)
        for secret in secrets:
            reading.collect(secret, True)
        modules = list(_modules(values.root_module)) if values else []
        return Shown(
            version=clean(raw.terraform_version, 40),
            resources=tuple(reading.resource(each, one.address) for one in modules for each in one.resources),
            changes=tuple(reading.change(each) for each in raw.resource_changes),
            drift=tuple(reading.change(each) for each in raw.resource_drift),
            planned=raw.planned_values is not None,
            errored=raw.errored,
            missing="" if values else "there is no state yet",
        )
    except RecursionError:
        raise InputError(what, 0, 0, "it is nested too deep") from None


class _Reading:
    """Reads one document; a sensitive text is masked everywhere, because outputs copy it without its mark."""

    def __init__(self, raw: Raw) -> None:
        self.unknown = {change.address: change.change.after_unknown for change in raw.resource_changes}
        self.secrets: set[str] = set()
        self.left = EFFORT
        for values in (raw.values, raw.planned_values):
            for each in _all(values.root_module) if values else ():
                self.collect(each.values, each.sensitive_values)
        for change in (*raw.resource_changes, *raw.resource_drift):
            self.collect(change.change.before, change.change.before_sensitive)
            self.collect(change.change.after, change.change.after_sensitive)

    def collect(self, value: Any, sensitive: Any) -> None:
        """Remember the texts of a value that are sensitive, to mask them wherever they are."""
        if sensitive is True and isinstance(value, str) and len(value) >= SHORTEST:
            self.secrets.add(value)
        elif isinstance(value, dict) and (sensitive is True or isinstance(sensitive, dict)):
            for key, each in value.items():
                self.collect(each, True if sensitive is True else sensitive.get(key))
        elif isinstance(value, list) and (sensitive is True or isinstance(sensitive, list)):
            for each, mark in zip_longest(value, [] if sensitive is True else sensitive[: len(value)]):
                self.collect(each, True if sensitive is True else mark)

    def resource(self, raw: RawResource, module: str) -> Resource:
        """Return a resource of a state or of a plan."""
        values = self.known(raw.values, raw.sensitive_values, self.unknown.get(raw.address), raw.address)
        return Resource(
            raw.address,
            raw.type,
            raw.name,
            module,
            raw.index,
            values if isinstance(values, dict) else {},
            raw.mode == "data",
            raw.tainted,
        )

    def change(self, raw: _Change) -> Change:
        """Return the change of a resource."""
        delta = raw.change
        after = self.known(delta.after, delta.after_sensitive, delta.after_unknown, raw.address)
        before = self.known(delta.before, delta.before_sensitive, None, raw.address)
        return Change(
            address=raw.address,
            type=raw.type,
            name=raw.name,
            # Delete and create, in either order, are one replacement.
            action=_ACTIONS.get(tuple(delta.actions), "replace"),
            reason=raw.action_reason.replace("_", " "),
            before=before if isinstance(before, dict) else {},
            after=after if isinstance(after, dict) else {},
            paths=tuple(".".join(str(step) for step in path) for path in delta.replace_paths),
            previous=raw.previous_address,
        )

    def known(self, value: Any, sensitive: Any, unknown: Any, name: str) -> Value:
        """Return a value without sensitive parts, and with expressions for parts that are not known yet."""
        if sensitive is True:
            return HIDDEN
        if unknown is True:
            return Expression(name, reason="known after apply")
        if isinstance(value, dict):
            marks = sensitive if isinstance(sensitive, dict) else {}
            later = unknown if isinstance(unknown, dict) else {}
            keys = dict.fromkeys([*value, *(key for key, mark in later.items() if mark is True)])
            return {
                str(key): self.known(value.get(key), marks.get(key), later.get(key), f"{name}.{key}") for key in keys
            }
        if isinstance(value, list):
            hidden, awaited = (part if isinstance(part, list) else [] for part in (sensitive, unknown))
            parts = zip_longest(value, hidden[: len(value)], awaited[: len(value)])
            return [self.known(each, mark, later, f"{name}[{n}]") for n, (each, mark, later) in enumerate(parts)]
        if isinstance(value, str) and self.secrets:
            self.left -= (len(value) + 32) * len(self.secrets)
            if self.left < 0:
                return HIDDEN
            for secret in self.secrets:
                value = value.replace(secret, HIDDEN)
        found: Value = value
        return found


def _all(module: RawModule) -> Iterator[RawResource]:
    yield from module.resources
    for child in module.child_modules:
        yield from _all(child)


def _modules(module: RawModule) -> Iterator[RawModule]:
    yield module
    for child in module.child_modules:
        yield from _modules(child)


_ACTIONS: dict[tuple[str, ...], Action] = {
    ("no-op",): "no-op",
    ("create",): "create",
    ("read",): "read",
    ("update",): "update",
    ("delete",): "delete",
    ("forget",): "forget",
}


# ── asked on a host ─────────────────────────────────────────────────────────────────────────────────────────────────


def words(folder: str, plan: str = "") -> tuple[str, ...]:
    """Return what `tofu` is given: it only reads the state of a folder, or a saved plan."""
    return (f"-chdir={folder}", "show", "-json", "-no-color", *([plan] if plan else []))


async def show(host: Host, folder: str, plan: str = "", timeout: float = TIMEOUT) -> Shown:
    """Run `tofu show -json` for the state of a folder or for a saved plan; on failure `missing` says why.

    It only reads: a folder that is not initialised stays so."""
    argv = ["env", "TF_IN_AUTOMATION=1", "TF_INPUT=0", "CHECKPOINT_DISABLE=1", "tofu", *words(folder, plan)]
    answer = await command.run(host, argv, timeout, CAP)
    if answer.error:
        problem = answer.error.replace("env", "tofu", 1) if answer.error.startswith("env") else answer.error
        return Shown(missing=_plainly(problem, host.name))
    try:
        return parse(answer.text, f"tofu show on {host.name}")
    except InputError as error:
        return Shown(missing=error.problem)


def _plainly(problem: str, host: str) -> str:
    if "No such file or directory" in problem or "not found" in problem:
        return f"tofu: not found on {host}"
    if "plugin" in problem or "schema" in problem or "init" in problem:
        return f"the folder is not initialised on {host}: run tofu init there"
    return problem
