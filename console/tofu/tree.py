"""What a plan of OpenTofu changes, as the lines of a tree: a sign, a resource below its module, its attributes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from console.sources.opentofu.values import Expression, Value
from console.text import clean
from console.tofu.show import Action, Change

LONGEST = 120
"""Characters of a value that are shown."""

MOST = 60
"""Attributes of one resource that are shown."""

WORDS: dict[Action, tuple[str, str]] = {
    "create": ("+", "is created"),
    "update": ("~", "is changed in place"),
    "delete": ("-", "is destroyed"),
    "replace": ("-", "is destroyed and created again"),
    "forget": ("~", "is left as it is, and OpenTofu forgets it"),
}


def changing(changes: Sequence[Change]) -> tuple[Change, ...]:
    """The changes that change anything."""
    return tuple(each for each in changes if each.action in WORDS)


def lines(changes: Sequence[Change]) -> list[str]:
    """The tree; each line begins with +, -, ~ or a blank."""
    found: list[str] = []
    within = ""
    for each in sorted(changing(changes), key=lambda each: (module(each.address), each.address)):
        if (inside := module(each.address)) != within:
            found.append(f"  {clean(inside, 200)}")
            within = inside
        indent = "  " if inside else ""
        sign, words = WORDS[each.action]
        found.append(f"{sign} {indent}{clean(each.address.removeprefix(f'{inside}.'), 200)}  {words}{_why(each)}")
        found += [f"{line[0]}   {indent}{line[1:]}" for line in _attributes(each)]
    return found


def summary(changes: Sequence[Change]) -> str:
    """How many resources are made, changed and destroyed."""
    made = sum(each.action in ("create", "replace") for each in changes)
    changed = sum(each.action == "update" for each in changes)
    return f"{made} to make, {changed} to change, {sum(each.destroys for each in changes)} to destroy"


def module(address: str) -> str:
    """The module of an address, as in `module.inner["a"].terraform_data.disk[0]`; "" for the root."""
    parts, depth, begin = [], 0, 0
    for at, letter in enumerate(address):
        depth += (letter == "[") - (letter == "]")
        if letter == "." and not depth:
            parts.append(address[begin:at])
            begin = at + 1
    count = 0
    while parts[count : count + 1] == ["module"]:
        count += 2
    return ".".join(parts[:count])


def forced(change: Change) -> str:
    """What forces a replacement, with both values; "" when nothing is named."""
    found = []
    for path in change.paths:
        before, after = _at(change.before, path), _at(change.after, path)
        found.append(f"{path} ({_value(before)} → {_value(after)})")
    return clean(", ".join(found), 300)


def _why(change: Change) -> str:
    if change.action == "replace":
        why = forced(change) or change.reason
        return f": {why} forces it" if change.paths else f": {why}" if why else ""
    return f", before it was {clean(change.previous, 120)}" if change.previous else ""


def _at(values: Value, path: str) -> Value:
    """The value at a path as `Change.paths` has them; None when there is none."""
    if not isinstance(values, dict):
        return None
    if path in values:
        return values[path]
    for key, value in values.items():
        if path.startswith(f"{key}."):
            return _at(value, path[len(key) + 1 :])
    return None


def _attributes(change: Change) -> list[str]:
    old, new = dict(_flat(change.before)), dict(_flat(change.after))
    found: list[str] = []
    for key in sorted(dict.fromkeys([*old, *new])):
        before, after = old.get(key), new.get(key)
        if before == after:
            continue
        found += [f"-{key} = {before}"] if before is not None else []
        found += [f"+{key} = {after}"] if after is not None and change.action != "delete" else []
    if len(found) > MOST:
        found = [*found[:MOST], f" … and {len(found) - MOST} more"]
    return found


def _flat(value: Value, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield each attribute that is set, with its path: `config["limits.cpu"]`, `device["root"].type`."""
    if isinstance(value, dict) and value:
        for key, each in value.items():
            shown = clean(key, 80)
            plain = shown.replace("_", "").replace("-", "").isalnum()
            yield from _flat(each, f"{path}.{shown}" if path and plain else shown if plain else f'{path}["{shown}"]')
    elif isinstance(value, list) and value and any(isinstance(each, dict) for each in value):
        for number, each in enumerate(value):
            name = each.get("name") if isinstance(each, dict) else None
            yield from _flat(each, f"{path}[{json.dumps(name) if isinstance(name, str) else number}]")
    elif value is not None and value not in ({}, []):
        yield path, _value(value)


def _value(value: Value) -> str:
    if isinstance(value, Expression):
        return f"({value.reason or 'not known'})"
    if value is None:
        return "nothing"
    return clean(json.dumps(value, ensure_ascii=False, default=lambda each: f"({each.reason or 'not known'})"), LONGEST)
