"""A local state file read by ourselves, so that OpenTofu and its providers need not be run for it.

Format: version 4, of OpenTofu's internal/states/statefile/version4.go; Terraform's is the same. Encrypted states are
recognised as its internal/encryption/base.go does, and not read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct

from console.errors import InputError
from console.text import clean
from console.tofu.show import Raw, RawModule, RawResource, RawValues, Shown, read

VERSION = 4

MOST = 2000
"""Most resources of our types that are read; a state with more is not of an estate of this kind."""

_OURS = re.compile(r"(incus|lxd)_\w+|terraform_data")
"""Types that are read. Which values of others are secrets, only their providers know."""


class Encrypted(InputError):
    """The state is encrypted: only OpenTofu can read it."""


class _Object(Struct):
    index_key: str | int | None = None
    attributes: msgspec.Raw = msgspec.Raw(b"null")
    sensitive_attributes: list[list[dict[str, Any]]] | None = None
    status: str = ""
    deposed: str = ""


class _Resource(Struct):
    mode: str
    type: str
    name: str
    module: str = ""
    instances: list[_Object] = []


class _Output(Struct):
    value: Any = None
    sensitive: bool = False


class _State(Struct):
    version: int = 0
    terraform_version: str = ""
    outputs: dict[str, _Output] = {}
    resources: list[_Resource] = []
    encryption_version: str = ""


def parse(data: bytes | str, what: str = "terraform.tfstate") -> Shown:
    """Return what a state has of our types; raises `Encrypted` when it is, and `InputError` when it is none of ours."""
    try:
        state = msgspec.json.decode(data, type=_State)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise InputError(what, 0, 0, f"this is no state of OpenTofu: {clean(str(error), 160)}") from None
    if state.encryption_version:
        raise Encrypted(what, 0, 0, "its state is encrypted, which only OpenTofu reads")
    if state.version != VERSION:
        raise InputError(what, 0, 0, f"its state has format {state.version}; cowhand reads {VERSION}")
    try:
        modules: dict[str, RawModule] = {}
        for number, (address, found) in enumerate(_resources(state)):
            if number == MOST:
                raise InputError(what, 0, 0, f"its state has more than {MOST} resources of Incus, and is not read")
            modules.setdefault(address, RawModule(address)).resources.append(found)
        values = RawValues(RawModule(child_modules=[*modules.values()])) if modules else None
        outputs = [each.value for each in state.outputs.values() if each.sensitive]
        return read(Raw("1.0", state.terraform_version, values), what, outputs)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise InputError(what, 0, 0, f"this is no state of OpenTofu: {clean(str(error), 160)}") from None


def _resources(state: _State) -> Iterator[tuple[str, RawResource]]:
    """Yield each resource with the address of its module; what is only kept to be destroyed is left out."""
    for each in state.resources:
        if not _OURS.fullmatch(each.type):
            continue
        local = f"data.{each.type}.{each.name}" if each.mode == "data" else f"{each.type}.{each.name}"
        for one in each.instances:
            if one.deposed:
                continue
            key = "" if one.index_key is None else f"[{msgspec.json.encode(one.index_key).decode()}]"
            address = f"{each.module}.{local}{key}" if each.module else local + key
            read = msgspec.json.decode(one.attributes, type=dict[str, Any] | None) or {}
            values = {name: _plain(value) for name, value in read.items()}
            marks = _marks(one.sensitive_attributes or [])
            tainted = one.status == "tainted"
            yield (
                each.module,
                RawResource(address, each.mode, each.type, each.name, one.index_key, values, marks, tainted),
            )


def _plain(value: Any) -> Any:
    """Return an attribute of any type, which is kept with its type, as its value."""
    if isinstance(value, dict) and value.keys() == {"value", "type"} and isinstance(value["type"], str | list):
        return value["value"]
    return value


def _marks(paths: list[list[dict[str, Any]]]) -> Any:
    """Return paths of sensitive values as `show -json` marks them; of a path through a set, all of the set."""
    marked: dict[str, Any] = {}
    for path in paths:
        steps = [_step(each) for each in path]
        if not steps or not isinstance(steps[0], str):
            return True
        _mark(marked, steps)
    return _listed(marked)


def _step(step: dict[str, Any]) -> str | int | None:
    value = step.get("value")
    if step.get("type") == "index" and isinstance(value, dict):
        value = value.get("value")
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, str | int) and not isinstance(value, bool) else None


def _mark(marked: dict[Any, Any], steps: list[Any]) -> None:
    """Mark the end of a path; what cannot be followed is marked from where it cannot be."""
    at = marked
    for here, following in zip(steps, [*steps[1:], True], strict=True):
        if at.get(here) is True:
            return
        if following is True or following is None or (isinstance(following, int) and not 0 <= following < 10_000):
            at[here] = True
            return
        at = at.setdefault(here, {})


def _listed(marks: Any) -> Any:
    """Turn marks by number into lists, as those of `show -json` are."""
    if not isinstance(marks, dict):
        return marks
    if marks and all(isinstance(key, int) for key in marks):
        return [_listed(marks.get(number, False)) for number in range(max(marks) + 1)]
    if any(isinstance(key, int) for key in marks):
        return True
    return {str(key): _listed(value) for key, value in marks.items()}
