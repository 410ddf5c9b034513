"""HCL expressions worked out: operators, conditionals, loops, splats, templates and calls."""

from __future__ import annotations

from typing import Protocol

from msgspec.structs import replace

from console.sources.opentofu import functions
from console.sources.opentofu.functions import LARGEST, Asked, Partial, Unknown, Wrong, boolean, certain, text
from console.sources.opentofu.path import Bindings, Step, path, walk
from console.sources.opentofu.values import Expression, Value

WRONG = "tofu would refuse it: "
"""How the reason begins where `try` goes on to its next argument."""


class Names(Protocol):
    """What an expression may ask of the module it stands in; each raises `Unknown` for what it cannot tell."""

    def count(self) -> None:
        """Count one more step of work."""

    def reference(self, steps: list[Step], bindings: Bindings) -> Value:
        """Return what a reference stands for."""

    def file(self, written: str) -> str:
        """Return the text of a file by its path from the root folder."""


class Evaluation:
    """Works out values with what one copy of a block sees."""

    def __init__(self, scope: Names, bindings: Bindings) -> None:
        self.scope, self.bindings = scope, bindings

    def value(self, value: Value) -> Value:
        """Return a value worked out as far as can be; never raises."""
        if isinstance(value, Expression):
            if value.reason:
                return value
            try:
                self.scope.count()
                return self._expression(value)
            except Wrong as error:
                return Expression(value.text, reason=_wrong(str(error)))
            except Unknown as error:
                return Expression(value.text, reason=str(error) or "it is not known")
            except RecursionError:
                return Expression(value.text, reason="it is nested too deep to work out here")
        if isinstance(value, list):
            return [self.value(each) for each in value]
        if isinstance(value, dict):
            return type(value)({key: self.value(each) for key, each in value.items()})
        return value

    def _expression(self, expression: Expression) -> Value:
        if expression.parts:
            return self._template(expression)
        if not expression.call:
            return self._name(expression)
        match expression.call:
            case "?":
                condition, yes, no = expression.arguments
                return self.known(yes if boolean(self.known(condition)) else no)
            case "!":
                return not boolean(self.known(expression.arguments[0]))
            case "neg":
                return -functions.number(self.known(expression.arguments[0]))
            case "&&" | "||":
                return self._logic(expression)
            case ".":
                return self._steps(expression)
            case "[*]":
                return self._splat(expression)
            case "for":
                return self._for(expression)
            case "{}":
                return self._object(expression)
            case "%if" | "%for":
                return self._directive(expression)
        if not expression.call[0].isalpha() and expression.call[0] != "_":
            return self._operators(expression)
        return self._call(expression)

    def known(self, value: Value) -> Value:
        """Return a value whose outermost layer is known; raises `Unknown` otherwise."""
        found = self.value(value)
        if isinstance(found, Expression):
            if found.reason.startswith(WRONG):
                raise Wrong(found.reason.removeprefix(WRONG))
            raise Unknown(found.reason)
        return found

    def _name(self, expression: Expression) -> Value:
        steps = path(expression.text)
        if not steps:
            raise Unknown("it is not worked out here")
        found = self.scope.reference(steps, self.bindings)
        if isinstance(found, Expression) and not found.reason:
            return replace(found, reason="it is not known")
        return found

    def _template(self, expression: Expression) -> Value:
        values = [self.value(part) for part in expression.parts]
        if len(values) == 1:
            return values[0]
        words: list[str] = []
        reason = ""
        for value in values:
            if isinstance(value, Expression):
                reason = reason or value.reason or "it is not known"
                words.append(f"${{{value.text}}}")
            elif isinstance(value, list | dict) or value is None:
                raise Wrong("a template cannot hold a collection or null")
            else:
                words.append(text(value))
        result = "".join(words)
        if len(result) > LARGEST:
            raise Unknown(functions.TOO_LARGE)
        return Expression(result, reason=reason) if reason else result

    def _logic(self, expression: Expression) -> Value:
        one, other = (self.value(each) for each in expression.arguments)
        decisive = expression.call == "||"
        for known, unknown in ((one, other), (other, one)):
            if isinstance(unknown, Expression) and not isinstance(known, Expression) and boolean(known) is decisive:
                return decisive
        left, right = boolean(self.known(one)), boolean(self.known(other))
        return left or right if decisive else left and right

    def _operators(self, expression: Expression) -> Value:
        # 1 + 1 + 1 … nests as deep as it is long.
        rest: list[tuple[str, Value]] = []
        first: Value = expression
        while isinstance(first, Expression) and first.call in functions.OPERATORS:
            rest.append((first.call, first.arguments[1]))
            first = first.arguments[0]
        found = self.known(first)
        for operator, other in reversed(rest):
            self.scope.count()
            found = functions.operate(operator, found, self.known(other))
        return found

    def _steps(self, expression: Expression) -> Value:
        base, *rest = expression.arguments
        steps: list[Step] = []
        for each in rest:
            step = self.known(each) if isinstance(each, Expression) else each
            if isinstance(step, bool) or not isinstance(step, str | int):
                raise Wrong("an index is a text or a whole number")
            steps.append(step)
        if isinstance(base, Expression) and not base.call and not base.parts and (root := path(base.text)):
            return self.scope.reference([*root, *steps], self.bindings)
        return walk(self.known(base), steps)

    def _splat(self, expression: Expression) -> Value:
        base, *rest = expression.arguments
        found = self.known(base)
        if found is None:
            return []
        many = found if isinstance(found, list) else [found]
        return [self._follow(each, rest) for each in many]

    def _follow(self, value: Value, rest: list[Value]) -> Value:
        return self.value(Expression("[*]", call=".", arguments=(_held(value), *rest)))

    def _for(self, expression: Expression) -> Value:
        names, collection, key, value, condition, grouped = expression.arguments
        assert isinstance(names, list)
        words = [str(name) for name in names]
        items: list[Value] = []
        table: dict[str, Value] = {}
        for index, each in _pairs(self.known(collection)):
            self.scope.count()
            bound = {**self.bindings, words[-1]: _held(each)}
            if len(words) > 1:
                bound[words[0]] = index
            inner = Evaluation(self.scope, bound)
            if condition is not True and not boolean(inner.known(condition)):
                continue
            if key is None:
                items.append(inner.value(value))
                continue
            name = functions.string(inner.known(key))
            if grouped:
                group = table.setdefault(name, [])
                assert isinstance(group, list)
                group.append(inner.value(value))
            elif name in table:
                raise Wrong(f"two entries have the key {name}")
            else:
                table[name] = inner.value(value)
        return items if key is None else table

    def _object(self, expression: Expression) -> Value:
        pairs = expression.arguments
        found: dict[str, Value] = {}
        for key, value in zip(pairs[::2], pairs[1::2], strict=True):
            name = self.value(key)
            worked = self.value(value)
            if isinstance(name, Expression):
                found[Asked(name.text)] = worked
            else:
                found[functions.string(name)] = worked
        return found

    def _directive(self, expression: Expression) -> Value:
        if expression.call == "%if":
            condition, then, other = expression.arguments
            return functions.string(self.known(then if boolean(self.known(condition)) else other))
        names, collection, body = expression.arguments
        found = self.known(
            Expression(expression.text, call="for", arguments=(names, collection, None, body, True, False))
        )
        return functions.call("join", ["", found])

    def _call(self, expression: Expression) -> Value:
        name, arguments = expression.call, expression.arguments
        if name in ("try", "can"):
            return self._try(name, arguments)
        values: list[Value] = []
        for each in arguments:
            if isinstance(each, Expression) and each.call == "...":
                spread = self.known(each.arguments[0])
                if not isinstance(spread, list):
                    raise Wrong("... needs a list")
                values.extend(spread)
            else:
                values.append(self.value(each))
        if name in ("file", "templatefile"):
            return self._file(name, values)
        return functions.call(name, values)

    def _try(self, name: str, arguments: tuple[Value, ...]) -> Value:
        for each in arguments:
            found = self.value(each)
            refused = isinstance(found, Expression) and found.reason.startswith(WRONG)
            if name == "can":
                if refused:
                    return False
                certain(found)
                return True
            if not refused:
                return found
        raise Wrong("try() has no argument that works")

    def _file(self, name: str, values: list[Value]) -> Value:
        whole = self.scope.file(functions.string(values[0]))
        if name == "file":
            return whole
        from console.errors import InputError
        from console.sources.opentofu.syntax import template

        table = values[1] if len(values) > 1 else {}
        if not isinstance(table, dict) or isinstance(table, Partial):
            raise Unknown("its values are not known")
        try:
            read = template(whole, text(values[0]))
        except InputError:
            raise Wrong("the file is no template") from None
        # A template file sees what it is given and nothing else.
        return Evaluation(self.scope, {"var": {}, "local": {}, **table}).known(read)


def _wrong(problem: str) -> str:
    return problem if problem.startswith(WRONG) else WRONG + problem


def _held(value: Value) -> Value:
    """Return a value that is not worked out again: its names belong to another place."""
    if isinstance(value, Expression) and not value.reason:
        return replace(value, reason="it is not known")
    return value


def _pairs(value: Value) -> list[tuple[Value, Value]]:
    if isinstance(value, list):
        return list(enumerate(value))
    if isinstance(value, Partial) or not isinstance(value, dict):
        raise Unknown("not all of its keys are known") if isinstance(value, dict) else Wrong("a collection is needed")
    if any(isinstance(key, Asked) for key in value):
        raise Unknown("not all of its keys are known")
    return [(key, value[key]) for key in sorted(value)]
