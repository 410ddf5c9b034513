"""The types of OpenTofu's variables: what a value becomes under one."""

from __future__ import annotations

from console.sources.opentofu.functions import Unknown, Wrong, boolean, number, string, unique
from console.sources.opentofu.values import Expression, Value

_PRIMITIVES = {"string": string, "number": number, "bool": boolean}


def primitive(kind: Value) -> bool:
    """Say whether a variable of this type takes TF_VAR_* as it is written; without a type it does too."""
    word = kind.text if isinstance(kind, Expression) else kind
    return kind is None or word in _PRIMITIVES


def convert(value: Value, kind: Value) -> Value:
    """Return a value as its type has it; parts that are unknown stay, what does not fit raises `Wrong`."""
    if value is None or isinstance(value, Expression):
        return value
    word = kind.text if isinstance(kind, Expression) and not kind.call else kind if isinstance(kind, str) else ""
    if word in _PRIMITIVES:
        return _PRIMITIVES[word](value)
    if not isinstance(kind, Expression) or not kind.call or not kind.arguments:
        return value
    inner = kind.arguments[0]
    if kind.call in ("list", "set"):
        if not isinstance(value, list):
            raise Wrong(f"a {kind.call} is needed")
        found = [convert(each, inner) for each in value]
        if kind.call == "list":
            return found
        try:
            return unique(found)
        except Unknown:
            return found
    if kind.call == "map" and isinstance(value, dict):
        return type(value)({key: convert(each, inner) for key, each in value.items()})
    if kind.call == "object" and isinstance(value, dict) and isinstance(inner, dict):
        return _object(value, inner)
    if kind.call == "tuple" and isinstance(value, list) and isinstance(inner, list) and len(inner) == len(value):
        return [convert(each, one) for each, one in zip(value, inner, strict=True)]
    if kind.call in ("map", "object", "tuple"):
        raise Wrong(f"this does not fit {kind.call}()")
    return value


def _object(value: dict[str, Value], kinds: dict[str, Value]) -> Value:
    found: dict[str, Value] = {}
    for name, written in kinds.items():
        kind: Value = written
        default: Value = None
        needed = True
        if isinstance(written, Expression) and written.call == "optional":
            kind, default, *_ = (*written.arguments, None, None)
            needed = False
        if value.get(name) is not None:
            found[name] = convert(value[name], kind)
        elif needed and name not in value:
            raise Wrong(f"{name} is missing")
        else:
            found[name] = convert(default, kind) if not needed else None
    return found
