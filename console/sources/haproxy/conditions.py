"""`.if`, `.elif`, `.else`, `.endif`: what can be decided from the text is decided, the rest is "perhaps".

What HAProxy asks of its own build (`feature()`, `version_atleast()`, …) can be told only when the build is known, what
it asks of its process (`enabled()`) never; both branches are then kept and marked.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from console.sources.haproxy.build import Build, before, library_before
from console.sources.haproxy.variables import Variables
from console.text import clean

DEEPEST = 100
"""HAProxy's own limit of nesting (MAXNESTEDCONDS)."""

_NUMBER = re.compile(r"[+-]?(?:0[xX]([0-9a-fA-F]+)|([0-9]+))")
_PREDICATE = re.compile(r"[a-z_]+(?=\()")
_ARGUMENT = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'[^']*'|[^,()\"']+")

_WANTED = {
    "defined": 1, "streq": 2, "strneq": 2, "strstr": 2, "feature": 1, "version_atleast": 1, "version_before": 1,
    "openssl_version_atleast": 1, "openssl_version_before": 1, "ssllib_name_startswith": 1, "awslc_api_atleast": 1,
    "awslc_api_before": 1, "enabled": 1, "fips_mode": 1,
}  # fmt: skip

_READS_IF = Build("2.4")
_OLDEST = {"version_atleast": True, "version_before": False}

Truth = bool | None
"""None: it depends on what this machine cannot know."""


class BadConditionError(ValueError):
    """The condition cannot be read; its text says what is wrong with it."""


class Conditions:
    """The stack of open `.if` blocks; `active` is what holds for the lines that follow."""

    def __init__(self, decided: Mapping[int, bool] | None = None) -> None:
        self._open: list[_Level] = []
        self.active: Truth = True
        self.decided: Mapping[int, bool] = decided or {}
        """What is taken to hold, by the lines of conditions that the text alone does not decide."""

    @property
    def opened(self) -> tuple[int, ...]:
        """Line numbers of the `.if`s that are still open, outermost first."""
        return tuple(level.line for level in self._open)

    @property
    def undecided(self) -> tuple[int, bool]:
        """The innermost condition that nobody can decide: the line of it, and whether what follows is its `.else`."""
        return next(((level.asked, level.last) for level in reversed(self._open) if level.active is None), (0, False))

    @property
    def question(self) -> int:
        """The line of the first condition whose answer would tell more of what holds here; 0 when all is known."""
        return next((level.unknown for level in self._open if level.active is None), 0)

    def take(self, words: tuple[str, ...], line: int, variables: Variables) -> str | None:
        """Follow one directive and return what is wrong with it, if anything."""
        directive = words[0]
        try:
            if directive == ".if":
                self._enter(words, line, variables)
            elif not self._open:
                return f"{directive} without an .if above it: remove it, or put the .if back"
            elif directive == ".endif":
                self._open.pop()
            else:
                self._turn(directive, words, line, variables)
        except BadConditionError as bad:
            return str(bad)
        finally:
            self.active = _all([level.active for level in self._open])
        return None

    def _enter(self, words: tuple[str, ...], line: int, variables: Variables) -> None:
        if len(self._open) >= DEEPEST - 1:
            raise BadConditionError(f"HAProxy nests at most {DEEPEST - 1} .if blocks: remove some")
        skipped = self.active is False
        level = _Level(line)
        self._open.append(level)
        self._ask(level, False if skipped else evaluate(" ".join(words[1:]), variables), line)

    def _ask(self, level: _Level, truth: Truth, line: int) -> None:
        if truth is None:
            truth = self.decided.get(line)
        if truth is None and not level.unknown:
            level.unknown = line
        level.choose(truth)

    def _turn(self, directive: str, words: tuple[str, ...], line: int, variables: Variables) -> None:
        level = self._open[-1]
        if level.last:
            raise BadConditionError(f"{directive} after .else: an .if has one .else, and it comes last")
        level.last = directive == ".else"
        level.asked = level.asked if level.last else line
        skipped = _all([above.active for above in self._open[:-1]]) is False
        if skipped or level.done:
            level.choose(False)
        elif level.last:
            level.choose(True)
        else:
            self._ask(level, evaluate(" ".join(words[1:]), variables), line)


class _Level:
    """One `.if`: was a branch certainly taken (`done`), perhaps taken (`perhaps`), and is this one active?

    `asked` is the line of the latest condition, `unknown` that of the first that nobody can decide, 0 for none."""

    __slots__ = ("active", "asked", "done", "last", "line", "perhaps", "unknown")

    def __init__(self, line: int) -> None:
        self.line = self.asked = line
        self.unknown = 0
        self.active: Truth = None
        self.done = self.perhaps = self.last = False

    def choose(self, truth: Truth) -> None:
        self.done = self.done or truth is True
        self.active = None if truth and self.perhaps else truth
        self.perhaps = self.perhaps or truth is None


def evaluate(text: str, variables: Variables) -> Truth:
    """Return whether a condition holds, None when that cannot be known; raises BadConditionError."""
    if not text.strip():
        return False
    truth, at = _either(text, 0, variables, 0)
    if text[at:].strip():
        raise BadConditionError(f"cannot read the condition from '{clean(text[at:].strip(), 40)}' on: correct it")
    return truth


def _either(text: str, at: int, variables: Variables, depth: int) -> tuple[Truth, int]:
    truth, at = _both(text, at, variables, depth)
    found = [truth]
    while text.startswith("||", at):
        truth, at = _both(text, at + 2, variables, depth)
        found.append(truth)
    return (True if True in found else None if None in found else False), at


def _both(text: str, at: int, variables: Variables, depth: int) -> tuple[Truth, int]:
    truth, at = _term(text, at, variables, depth)
    found = [truth]
    while text.startswith("&&", at):
        truth, at = _term(text, at + 2, variables, depth)
        found.append(truth)
    return _all(found), at


def _all(found: list[Truth]) -> Truth:
    return False if False in found else None if None in found else True


def _term(text: str, at: int, variables: Variables, depth: int) -> tuple[Truth, int]:
    at, negated = _skip(text, at), False
    while text.startswith("!", at):
        at, negated = _skip(text, at + 1), not negated
    truth: Truth
    if number := _NUMBER.match(text, at):
        truth, at = (number.group(1) or number.group(2)).strip("0") != "", number.end()
    elif text.startswith("(", at) and depth < DEEPEST:
        truth, at = _either(text, at + 1, variables, depth + 1)
        if not text.startswith(")", at):
            raise BadConditionError("a parenthesis of the condition is never closed: close it")
        at += 1
    elif predicate := _PREDICATE.match(text, at):
        arguments, at = _arguments(text, predicate.end() + 1)
        truth = _predicate(predicate.group(), arguments, variables)
    else:
        raise BadConditionError(f"cannot read the condition from '{clean(text[at:], 40)}' on: correct it")
    return (None if truth is None else truth is not negated), _skip(text, at)


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t":
        at += 1
    return at


def _arguments(text: str, at: int) -> tuple[list[str], int]:
    """Read a predicate's arguments from behind its parenthesis; inner quotes are the second level's own."""
    found: list[list[str]] = [[]]
    while at < len(text):
        if text[at] == ")":
            return ["".join(pieces) for pieces in found], at + 1
        if text[at] == ",":
            found.append([])
            at += 1
        elif piece := _ARGUMENT.match(text, at):
            value = piece.group()
            found[-1].append(value[1:-1] if value[0] in "\"'" else value)
            at = piece.end()
        else:
            break
    raise BadConditionError("a parenthesis of the condition is never closed: close it")


def _predicate(name: str, arguments: list[str], variables: Variables) -> Truth:
    wanted = _WANTED.get(name)
    if wanted is None:
        raise BadConditionError(f"HAProxy knows no {clean(name, 40)}(): correct the condition")
    if len(arguments) != wanted:
        raise BadConditionError(f"{name}() takes {wanted} argument{'s' * (wanted > 1)}: correct the condition")
    if name == "defined":
        return variables.defined(arguments[0])
    if any("${" in argument for argument in arguments):
        return None
    if wanted == 1:
        return _of_build(name, arguments[0], variables.build)
    first, second = arguments
    if name == "strstr":
        return second in first
    return (first == second) is (name == "streq")


def _of_build(name: str, argument: str, build: Build | None) -> Truth:
    """Decide what depends on how HAProxy was built."""
    if build is None:
        # Only HAProxy 2.4 and newer read .if at all.
        return _OLDEST[name] if name in _OLDEST and before(_READS_IF, argument) is False else None
    if name == "feature":
        return argument in build.features
    if name == "ssllib_name_startswith":
        return build.library.startswith(argument) if build.library else None
    older: Truth = None
    if name.startswith("version_"):
        older = before(build, argument)
    elif name.startswith("openssl_"):
        older = library_before(build, argument)
    return older if older is None or name.endswith("_before") else not older
