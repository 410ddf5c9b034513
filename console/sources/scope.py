"""What an OpenTofu expression stands for: references followed through variables, locals, resources and modules.

What cannot be known from the files (another state, a provider's answer, arithmetic) stays an `Expression`, by its text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from msgspec import Struct

from console.sources.hcl import Block, Document, Expression, Value

DEEPEST = 60
"""References followed one after the other."""

LONGEST = 65536
"""Characters that a template may grow to: templates of templates double with every step."""

Step: TypeAlias = "str | int"
Bindings: TypeAlias = Mapping[str, Value]
"""Names that hold for one copy of a block: `each`, `count`, and the iterator of a dynamic block."""

_ROOT = re.compile(r"\s*([A-Za-z_][\w-]*)")
_STEP = re.compile(r"\s*(?:\.\s*([A-Za-z_][\w-]*|\d+)|\[\s*(?:(\d+)|\"([^\"\\]*)\"|([A-Za-z_][\w.-]*))\s*\])")


class Copy(Struct, frozen=True):
    """One object that a block stands for, by its `count` or `for_each`; `bindings` are what its expressions see."""

    bindings: dict[str, Value] = {}
    known: bool = True
    """Whether the number of copies is known; when it is not, one stands for all."""

    def index(self) -> tuple[Step, ...]:
        """Return what tells this copy from the others: the key of `for_each`, the index of `count`, or nothing."""
        found: list[Step] = []
        for name, part in (("each", "key"), ("count", "index")):
            binding = self.bindings.get(name)
            if isinstance(binding, dict) and isinstance(key := binding.get(part), str | int):
                found.append(key)
        return tuple(found)


class Caller(Struct, frozen=True):
    """Who calls a module: the calling scope, the values it gives, and the call's name among all calls."""

    scope: Scope
    inputs: dict[str, Value]
    bindings: dict[str, Value]
    path: str


class Scope:
    """One module: the documents of a folder, with the values its caller gives."""

    def __init__(self, documents: Sequence[Document], caller: Caller | None = None) -> None:
        self.path = caller.path if caller else ""
        self.documents = tuple(documents)
        self.blocks = tuple(block for document in documents for block in document.blocks)
        self.children: dict[str, Scope] = {}
        self._variables: dict[str, Value] = {}
        self._locals: dict[str, Value] = {}
        self._outputs: dict[str, Value] = {}
        self._declared: dict[tuple[str, ...], Block] = {}
        self._memory: dict[tuple[str, ...], Value] = {}
        self._caller = caller
        self._asked: list[tuple[str, ...]] = caller.scope._asked if caller else []
        for block in self.blocks:
            self._declare(block)
        for document in documents:
            if document.file.endswith(".tfvars"):
                self._variables.update((each.name, each.value) for each in document.attributes)

    def _declare(self, block: Block) -> None:
        if block.kind == "locals":
            self._locals.update((each.name, each.value) for each in block.attributes)
        elif block.kind == "resource" and len(block.labels) == 2:
            self._declared.setdefault(block.labels, block)
        elif block.kind == "data" and len(block.labels) == 2:
            self._declared.setdefault(("data", *block.labels), block)
        elif block.kind == "variable" and block.labels and (default := block.get("default")):
            self._variables.setdefault(block.labels[0], default.value)
        elif block.kind == "output" and block.labels and (output := block.get("value")):
            self._outputs[block.labels[0]] = output.value

    def copies(self, block: Block, bindings: Bindings | None = None) -> tuple[Copy, ...]:
        """Return the copies of a block; one when it has neither `count` nor `for_each`, or when these are unknown."""
        if each := block.get("for_each"):
            keys = self.value(each.value, bindings)
            if isinstance(keys, dict):
                return tuple(Copy({"each": {"key": key, "value": value}}) for key, value in keys.items())
            if isinstance(keys, list) and all(isinstance(key, str) for key in keys):
                return tuple(Copy({"each": {"key": key, "value": key}}) for key in keys)
            return (Copy(known=False),)
        if count := block.get("count"):
            number = self.value(count.value, bindings)
            if isinstance(number, int) and 0 <= number <= 256:
                return tuple(Copy({"count": {"index": index}}) for index in range(number))
            return (Copy(known=False),)
        return (Copy(),)

    def value(self, value: Value, bindings: Bindings | None = None) -> Value:
        """Return a value with its references followed."""
        if isinstance(value, Expression):
            return self._expression(value, bindings or {})
        if isinstance(value, list):
            return [self.value(each, bindings) for each in value]
        if isinstance(value, dict):
            return {key: self.value(each, bindings) for key, each in value.items()}
        return value

    def _expression(self, expression: Expression, bindings: Bindings) -> Value:
        if expression.parts:
            return self._template(expression, bindings)
        if expression.call:
            return self._call(expression, bindings)
        path = _path(expression.text)
        found = self._reference(path, expression, bindings) if path else expression
        return expression if isinstance(found, Expression) and found.text == expression.text else found

    def _template(self, expression: Expression, bindings: Bindings) -> Value:
        values = [self.value(part, bindings) for part in expression.parts]
        if len(values) == 1:
            return values[0]
        words = [text(value) for value in values]
        if any(isinstance(value, Expression | list | dict) for value in values):
            known = "".join(
                f"${{{word}}}" if isinstance(value, Expression) else word
                for word, value in zip(words, values, strict=True)
            )
            return Expression(known if len(known) <= LONGEST else expression.text)
        result = "".join(words)
        return result if len(result) <= LONGEST else Expression(expression.text)

    def _call(self, expression: Expression, bindings: Bindings) -> Value:
        function = _FUNCTIONS.get(expression.call)
        if function is None or len(self._asked) > DEEPEST:
            return expression
        arguments = [self.value(argument, bindings) for argument in expression.arguments]
        try:
            found = function(arguments)
        except (TypeError, ValueError, LookupError):
            return expression
        return expression if found is None or len(text(found)) > LONGEST else found

    def _reference(self, path: tuple[Step | Expression, ...], expression: Expression, bindings: Bindings) -> Value:
        steps: list[Step] = []
        for step in path:
            known = self._expression(step, bindings) if isinstance(step, Expression) else step
            if isinstance(known, bool) or not isinstance(known, str | int):
                return expression
            steps.append(known)
        head = str(steps[0])
        if head in bindings:
            return _walk(bindings[head], steps[1:], expression)
        if len(steps) < 2 or len(self._asked) > DEEPEST:
            return expression
        name = str(steps[1])
        if head == "var" and (name in self._variables or (self._caller and name in self._caller.inputs)):
            return _walk(self._once(("var", name), lambda: self._variable(name)), steps[2:], expression)
        if head == "local" and name in self._locals:
            return _walk(self._once(("local", name), lambda: self.value(self._locals[name])), steps[2:], expression)
        if head == "module":
            return self._output(steps, expression)
        width = 3 if head == "data" else 2
        block = self._declared.get(tuple(str(step) for step in steps[:width]))
        return self._attribute(block, steps[width:], expression) if block else expression

    def _variable(self, name: str) -> Value:
        caller = self._caller
        if caller and name in caller.inputs:
            return caller.scope.value(caller.inputs[name], caller.bindings)
        return self.value(self._variables[name])

    def _output(self, steps: list[Step], expression: Expression) -> Value:
        """Follow module.NAME.output, or module.NAME[KEY].output."""
        name, rest = str(steps[1]), steps[2:]
        if name not in self.children and rest:
            name, rest = f"{name}[{rest[0]}]", rest[1:]
        child = self.children.get(name)
        if child is None or not rest or (wanted := str(rest[0])) not in child._outputs:
            return expression
        found = child._once(("output", wanted), lambda: child.value(child._outputs[wanted]))
        return _walk(found, rest[1:], expression)

    def _attribute(self, block: Block, steps: list[Step], expression: Expression) -> Value:
        """Follow TYPE.NAME[KEY].attribute to what the block says of it."""
        copies = self.copies(block)
        copy = copies[0] if len(copies) == 1 else None
        if steps and (block.get("for_each") or block.get("count")):
            key = steps.pop(0)
            copy = next((each for each in copies if key in each.index()), None)
        attribute = block.get(str(steps[0])) if steps else None
        if copy is None or attribute is None:
            return expression
        name = ("resource", *block.labels, *(str(key) for key in copy.index()), attribute.name)
        return _walk(self._once(name, lambda: self.value(attribute.value, copy.bindings)), steps[1:], expression)

    def _once(self, name: tuple[str, ...], compute: Callable[[], Value]) -> Value:
        """Compute once; what asks for itself is unknown."""
        if name not in self._memory:
            asked = (self.path, *name)
            if asked in self._asked:
                return Expression(".".join(name))
            self._asked.append(asked)
            try:
                self._memory[name] = compute()
            finally:
                self._asked.pop()
        return self._memory[name]


def text(value: Value) -> str:
    """Return a value as a template writes it; an expression by its own text, a collection as "…"."""
    if isinstance(value, Expression):
        return value.text
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return ""
    if isinstance(value, list | dict):
        return "…"
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def known(value: Value) -> str | None:
    """Return the text of a literal string or number; None for anything else."""
    return text(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else None


def _path(source: str) -> tuple[Step | Expression, ...]:
    """Split a.b[0]["c"][each.key] into its steps; empty when it is anything else."""
    match = _ROOT.match(source)
    if not match:
        return ()
    steps: list[Step | Expression] = [match[1]]
    at = match.end()
    while step := _STEP.match(source, at):
        name, index, quoted, inner = step.groups()
        if index is not None:
            steps.append(int(index[:9]))
        elif inner is not None:
            steps.append(Expression(inner))
        else:
            steps.append(name if name is not None else quoted)
        at = step.end()
    return tuple(steps) if not source[at:].strip() else ()


def _walk(value: Value, steps: list[Step], otherwise: Expression) -> Value:
    for step in steps:
        if isinstance(value, dict) and str(step) in value:
            value = value[str(step)]
        elif isinstance(value, list) and str(step).isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            return otherwise
    return value


_VERB = re.compile(r"%(?:%|(0?\d{0,2})([sdv]))")


def _format(arguments: list[Value]) -> Value:
    pattern, *rest = arguments
    if not isinstance(pattern, str) or _unknown(rest) or "%" in _VERB.sub("", pattern):
        return None
    values = iter(rest)

    def fill(match: re.Match[str]) -> str:
        if match[0] == "%%":
            return "%"
        word = text(next(values, None))
        return word.rjust(int(match[1] or 0), "0" if match[1].startswith("0") else " ")

    return _VERB.sub(fill, pattern)


def _join(arguments: list[Value]) -> Value:
    separator, *rest = arguments
    words: list[Value] = []
    for each in rest:
        words.extend(each if isinstance(each, list) else [each])
    return text(separator).join(text(word) for word in words) if not _unknown([separator, *words]) else None


def _unknown(values: list[Value]) -> bool:
    return any(isinstance(value, Expression) for value in values)


def _first(arguments: list[Value]) -> Value:
    return arguments[0] if arguments and not _unknown(arguments[:1]) else None


def _map(function: Callable[[str], str]) -> Callable[[list[Value]], Value]:
    return lambda arguments: function(arguments[0]) if isinstance(arguments[0], str) else None


def _coalesce(arguments: list[Value]) -> Value:
    for each in arguments:
        if isinstance(each, Expression):
            return None
        if each not in (None, ""):
            return each
    return None


def _lookup(arguments: list[Value]) -> Value:
    table, key, *rest = arguments
    if not isinstance(table, dict) or not isinstance(key, str):
        return None
    return table.get(key, rest[0] if rest else None)


def _choose(arguments: list[Value]) -> Value:
    condition, yes, no = arguments
    return (yes if condition else no) if isinstance(condition, bool) else None


def _merge(arguments: list[Value]) -> Value:
    result: dict[str, Value] = {}
    for each in arguments:
        if not isinstance(each, dict):
            return None
        result.update(each)
    return result


def _replace(arguments: list[Value]) -> Value:
    whole, old, new = arguments
    if not (isinstance(whole, str) and isinstance(old, str) and isinstance(new, str)) or old.startswith("/"):
        return None
    return whole.replace(old, new)


_FUNCTIONS: dict[str, Callable[[list[Value]], Value]] = {
    "?": _choose,
    "coalesce": _coalesce,
    "format": _format,
    "join": _join,
    "lookup": _lookup,
    "lower": _map(str.lower),
    "merge": _merge,
    "replace": _replace,
    "tolist": _first,
    "tomap": _first,
    "tonumber": _first,
    "toset": _first,
    "tostring": _first,
    "trimspace": _map(str.strip),
    "try": _first,
    "upper": _map(str.upper),
}
"""OpenTofu's pure functions that name things; None says that the outcome is not known."""
