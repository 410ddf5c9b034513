"""What an OpenTofu expression stands for: references followed through variables, locals, resources and modules.

What cannot be known from the files (another state, a provider's answer) stays an `Expression`, by its text, and says
its `reason`."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from msgspec import Struct

from console.errors import InputError
from console.model import Span
from console.sources.opentofu.evaluate import WRONG, Evaluation
from console.sources.opentofu.functions import LARGEST, TOO_LARGE, Asked, Partial, Unknown, Wrong, number
from console.sources.opentofu.path import Bindings, Copy, Step, walk
from console.sources.opentofu.types import convert, primitive
from console.sources.opentofu.values import Attribute, Block, Document, Expression, Value

DEEPEST = 60
"""References followed one after the other."""

MOST_WORK = 200_000
"""Values worked out for one estate; loops in loops multiply."""

MOST_MADE = 100_000
"""Modules, resources and devices made of all files, their copies counted."""

MOST_FILES = 64
"""Files that expressions name."""

MOST_TEXT = 4 << 20
"""Characters of these files."""

MOST_COPIES = 256
"""Copies by `count`."""

TOO_MUCH = "there is too much of it to work out here"

LIMITS = (TOO_MUCH, TOO_LARGE, WRONG)
"""How reasons begin that no value of a variable would change: they are said, for copies are left out."""

Files: TypeAlias = Callable[[str], "str | None"]
"""Returns the text of a file by its path from the root folder; None when it is not there or not to be read."""


class Caller(Struct, frozen=True):
    """Who calls a module: the calling scope, the values it gives, and the call's name among all calls."""

    scope: Scope
    inputs: dict[str, Value]
    bindings: dict[str, Value]
    path: str
    folder: str = ""


class Root(Struct):
    """What all modules of an estate share: the files that may be read, TF_VAR_* values, and the work done so far."""

    files: Files | None = None
    environment: Mapping[str, str] = {}
    folder: str = ""
    asked: list[tuple[str, ...]] = []
    work: int = 0
    made: int = 0
    read: dict[str, str | None] = {}
    size: int = 0
    problems: list[InputError] = []
    cuts: set[str] = set()

    def make(self, span: Span, count: int = 1) -> bool:
        """Count what is made of modules, resources and devices; returns whether it is within the limit, said once."""
        before, self.made = self.made, self.made + count
        if before <= MOST_MADE < self.made:
            problem = f"more than {MOST_MADE} modules, resources and devices come of these files: the rest is not read"
            self.problems.append(InputError(span.file, span.line, span.column, f"{problem}; is this the right folder?"))
        return self.made <= MOST_MADE

    def cut(self, span: Span, problem: str) -> None:
        """Say, once, that something was left out at a place."""
        found = InputError(span.file, span.line, span.column, problem)
        if str(found) not in self.cuts:
            self.cuts.add(str(found))
            self.problems.append(found)

    def text(self, path: str) -> str | None:
        """Return the text of a file that an expression names, read once; raises `Unknown` when there are too many."""
        if path not in self.read:
            if len(self.read) >= MOST_FILES or self.size > MOST_TEXT:
                raise Unknown(f"expressions name more than {MOST_FILES} files, or {MOST_TEXT >> 20} MiB: not read")
            self.read[path] = self.files(path) if self.files else None
            self.size += len(self.read[path] or "")
        return self.read[path]


class Scope:
    """One module: the documents of a folder, with the values its caller gives."""

    def __init__(
        self,
        documents: Sequence[Document],
        caller: Caller | None = None,
        *,
        blocks: Sequence[Block] | None = None,
        root: Root | None = None,
    ) -> None:
        self.path = caller.path if caller else ""
        self.documents = tuple(documents)
        self.blocks = tuple(block for each in documents for block in each.blocks) if blocks is None else tuple(blocks)
        self.children: dict[str, Scope] = {}
        self.root: Root = caller.scope.root if caller else root or Root()
        self.folder = caller.folder if caller else self.root.folder
        self._given: dict[str, Value] = {}
        self._variables: dict[str, Block] = {}
        self._locals: dict[str, Attribute] = {}
        self._outputs: dict[str, Value] = {}
        self._declared: dict[tuple[str, ...], Block] = {}
        self._modules: set[str] = set()
        self._memory: dict[tuple[str, ...], Value] = {}
        self._caller = caller
        for block in self.blocks:
            self._declare(block)
        for document in documents:
            if document.file.endswith((".tfvars", ".tfvars.json")):
                self._given.update((each.name, each.value) for each in document.attributes)

    def _declare(self, block: Block) -> None:
        if block.kind == "locals":
            self._locals.update((each.name, each) for each in block.attributes)
        elif block.kind == "resource" and len(block.labels) == 2:
            self._declared.setdefault(block.labels, block)
        elif block.kind == "data" and len(block.labels) == 2:
            self._declared.setdefault(("data", *block.labels), block)
        elif block.kind == "variable" and block.labels:
            self._variables.setdefault(block.labels[0], block)
        elif block.kind == "module" and block.labels:
            self._modules.add(block.labels[0])
        elif block.kind == "output" and block.labels and (output := block.get("value")):
            self._outputs[block.labels[0]] = output.value

    def copies(self, block: Block, bindings: Bindings | None = None) -> tuple[Copy, ...]:
        """Return the copies of a block; one when it has neither `count` nor `for_each`, or when these are unknown."""
        if each := block.get("for_each"):
            keys = self.value(each.value, bindings)
            if isinstance(keys, dict) and not any(isinstance(key, Asked) for key in keys):
                pairs = [(key, value) for key, value in sorted(keys.items())]
                return tuple(Copy({"each": {"key": key, "value": value}}) for key, value in pairs)
            if isinstance(keys, list) and all(isinstance(key, str) for key in keys):
                return tuple(Copy({"each": {"key": key, "value": key}}) for key in keys)
            if block.kind == "dynamic" and isinstance(keys, list):
                return tuple(Copy({"each": {"key": key, "value": value}}) for key, value in enumerate(keys))
            if isinstance(keys, Expression) and keys.reason.startswith(LIMITS):
                self.root.cut(each.span, f"for_each: {keys.reason}; all its copies are told as one")
            return (Copy(known=False),)
        if count := block.get("count"):
            try:
                found = number(self.value(count.value, bindings))
            except Unknown:
                return (Copy(known=False),)
            if isinstance(found, int) and 0 <= found <= MOST_COPIES:
                return tuple(Copy({"count": {"index": index}}) for index in range(found))
            if isinstance(found, int) and found > MOST_COPIES:
                self.root.cut(count.span, f"count: {found} is more than {MOST_COPIES}; all its copies are told as one")
            return (Copy(known=False),)
        return (Copy(),)

    def value(self, value: Value, bindings: Bindings | None = None) -> Value:
        """Return a value with its references followed; an expression in it has its reason."""
        if not isinstance(value, Expression | list | dict):
            return value
        return Evaluation(self, bindings or {}).value(value)

    def count(self) -> None:
        """Count one more step of work; raises `Unknown` when there was too much."""
        self.root.work += 1
        if self.root.work > MOST_WORK:
            raise Unknown(TOO_MUCH)

    # ── references ──────────────────────────────────────────────────────────────────────────────────────────────────

    def reference(self, steps: list[Step], bindings: Bindings) -> Value:
        """Follow a reference; raises `Unknown`."""
        head = str(steps[0])
        if head in bindings:
            return walk(bindings[head], steps[1:])
        if len(self.root.asked) > DEEPEST:
            raise Unknown(f"more than {DEEPEST} references one after the other")
        if head in ("each", "count"):
            raise Unknown("which copies there are is not known")
        if head in ("path", "terraform", "tofu"):
            return self._setting(steps)
        if len(steps) < 2:
            raise Unknown(f"{head} is declared nowhere in these files")
        name = str(steps[1])
        if head == "var":
            return walk(self._once(("var", name), lambda: self._variable(name)), steps[2:])
        if head == "local":
            if name not in self._locals:
                raise Wrong(f"local.{name} is declared nowhere in these files")
            return walk(self._once(("local", name), lambda: self.value(self._locals[name].value)), steps[2:])
        if head == "module":
            return self._output(steps)
        width = 3 if head == "data" else 2
        block = self._declared.get(tuple(str(step) for step in steps[:width]))
        if block is None:
            named = ".".join(str(step) for step in steps[:width])
            raise Unknown(f"{named} is declared nowhere in these files")
        return self._attribute(block, steps[width:])

    def _setting(self, steps: list[Step]) -> Value:
        if [str(step) for step in steps] == ["path", "module"]:
            return posixpath.relpath(self.folder or ".", self.root.folder or ".")
        if [str(step) for step in steps] == ["path", "root"]:
            return "."
        raise Unknown("that is known only when tofu runs")

    def _variable(self, name: str) -> Value:
        """Return a variable's value: the caller's, or by TF_VAR_*, files of variables, its default."""
        block = self._variables.get(name)
        caller = self._caller
        kind = block.get("type") if block else None
        found: Value
        if caller and name in caller.inputs:
            found = caller.scope.value(caller.inputs[name], caller.bindings)
            nullable = block.get("nullable") if block else None
            default = block.get("default") if block else None
            if found is None and nullable and nullable.value is False and default:
                found = self.value(default.value)
        elif not caller and name in self._given:
            found = self.value(self._given[name])
        elif not caller and name in self.root.environment:
            found = self._environment(self.root.environment[name], kind.value if kind else None)
        elif block and (default := block.get("default")):
            found = self.value(default.value)
        else:
            where = "its caller does not give it" if caller else "no file gives it one"
            raise Unknown(f"var.{name} has no default, and {where}")
        return convert(found, kind.value) if kind else found

    def _environment(self, written: str, kind: Value) -> Value:
        if primitive(kind):
            return written
        from console.errors import InputError
        from console.sources.opentofu.syntax import expression

        try:
            return self.value(expression(written, "TF_VAR"))
        except InputError:
            raise Unknown("its TF_VAR_ value is no HCL") from None

    def _output(self, steps: list[Step]) -> Value:
        """Follow module.NAME.output, or module.NAME[KEY].output."""
        name, rest = str(steps[1]), steps[2:]
        if name not in self.children and rest:
            name, rest = f"{name}[{rest[0]}]", rest[1:]
        child = self.children.get(name)
        if child is None:
            whence = "is not a local folder" if str(steps[1]) in self._modules else "is declared nowhere in these files"
            raise Unknown(f"module.{steps[1]} {whence}")
        if not rest:
            return Partial({each: self._of(child, each) for each in child._outputs})
        wanted = str(rest[0])
        if wanted not in child._outputs:
            raise Wrong(f"module.{steps[1]} has no output {wanted}")
        return walk(self._of(child, wanted), rest[1:])

    @staticmethod
    def _of(child: Scope, wanted: str) -> Value:
        return child._once(("output", wanted), lambda: child.value(child._outputs[wanted]))

    def _attribute(self, block: Block, steps: list[Step]) -> Value:
        """Follow TYPE.NAME[KEY].attribute to what the block says of it."""
        copies = self.copies(block)
        many = bool(block.get("for_each") or block.get("count"))
        if many and not all(copy.known for copy in copies):
            raise Unknown("which copies there are is not known")
        if many and not steps:
            whole = [self._whole(block, copy) for copy in copies]
            if not block.get("for_each"):
                return list(whole)
            return {str(copy.index()[0]): each for copy, each in zip(copies, whole, strict=True)}
        copy = copies[0] if copies else None
        if many:
            key, steps = steps[0], steps[1:]
            copy = next((each for each in copies if key in each.index()), None)
            if copy is None:
                raise Wrong(f"there is no copy {key}")
        if not steps:
            return self._whole(block, copy or Copy())
        attribute = block.get(str(steps[0]))
        if attribute is None or copy is None:
            what = "a data source is read when tofu runs" if block.kind == "data" else "the provider decides it"
            raise Unknown(what)
        return walk(self._held(block, copy, attribute), steps[1:])

    def _held(self, block: Block, copy: Copy, attribute: Attribute) -> Value:
        name = (block.kind, *block.labels, *(str(key) for key in copy.index()), attribute.name)
        return self._once(name, lambda: self.value(attribute.value, copy.bindings))

    def _whole(self, block: Block, copy: Copy) -> Partial:
        skipped = ("count", "for_each", "depends_on", "provider")
        return Partial(
            {each.name: self._held(block, copy, each) for each in block.attributes if each.name not in skipped}
        )

    def _once(self, name: tuple[str, ...], compute: Callable[[], Value]) -> Value:
        """Compute once; what asks for itself is unknown."""
        if name not in self._memory:
            asked = (self.path, *name)
            if asked in self.root.asked:
                raise Unknown("it asks for itself")
            self.root.asked.append(asked)
            try:
                self._memory[name] = compute()
            finally:
                self.root.asked.pop()
        return self._memory[name]

    # ── files ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def file(self, written: str) -> str:
        """Return the text of a file inside the root folder; raises `Unknown`, for what is outside of it too."""
        path = posixpath.normpath(written)
        if path.startswith(("/", "~")) or path.split("/")[0] == "..":
            raise Unknown("a file outside of the folder is not read")
        found = self.root.text(path)
        if found is None:
            raise Unknown("the file is not there, or cannot be read")
        if len(found) > LARGEST:
            raise Unknown("the file is too large to work with here")
        return found
