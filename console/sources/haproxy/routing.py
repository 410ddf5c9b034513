"""`use_backend … if …` worked out: which backend takes a client, as far as files tell, and which others may.

`if` and `unless`, `or`, named and anonymous ACLs, their flags, methods and files, and names made of expressions are
followed. What only a request or a running HAProxy decides stays open, and all that it may lead to is kept."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

from msgspec import Struct
from msgspec.structs import replace

from console.sources.haproxy.samples import Client, Sample, Unknown, World, matches, text_of, within, work_out
from console.sources.haproxy.values import Proxy, Route

Truth = bool | None
"""None: the files do not tell."""

MOST_PATTERNS = 10_000
"""Patterns of one ACL that are compared."""

MOST_HOLES = 3
"""Unknown pieces of a name that is looked for among the backends."""

_SURE = {"TRUE": True, "FALSE": False, "WAIT_END": True}
_SUFFIX = re.compile(r"(?P<fetch>[a-z._]+?)_(?P<method>beg|end|dir|dom|sub|reg|len)\b")
_INTEGERS = frozenset(
    ("dst_port", "fc_dst_port", "nbsrv", "req.ssl_hello_type", "req_ssl_hello_type", "int", "be_conn", "fe_conn")
)
_BOOLEANS = frozenset(("ssl_fc", "srv_is_up", "always_true", "always_false", "bool"))
_COMPARES = frozenset(("eq", "lt", "le", "gt", "ge"))


class Taken(Struct, frozen=True):
    """Who takes a client: `names` in the order of their rules, but the one that takes all the others first.

    `sure` says that the first one certainly does, `open` that somebody may whose name the files do not tell."""

    names: tuple[str, ...]
    sure: bool
    open: bool


def files_of(proxies: Iterable[Proxy]) -> set[str]:
    """Return the names of the files that conditions and names ask for: `-f FILE`, `map(FILE…)`."""
    found: set[str] = set()
    for proxy in proxies:
        lines = [(*route.condition, route.backend) for route in (*proxy.use_backend, *proxy.routing.servers)]
        for words in (*lines, *proxy.routing.acls, *proxy.routing.sets):
            found |= {words[at + 1] for at, word in enumerate(words[:-1]) if word == "-f"}
            found |= {match[1] for word in words for match in re.finditer(r"\bmap(?:_\w+)?\(([^,()]+)", word)}
    return found


def take(routes: Sequence[Route], default: str | None, proxy: Proxy, client: Client, world: World) -> Taken:
    """Follow the rules in their order for a client, until one that holds."""
    names: list[str] = []
    opened = False
    judge = _Judge(proxy, client, world)
    for route in routes:
        holds = judge.condition(route.condition)
        if holds is False:
            continue
        found, sure = judge.named(route) if route.dynamic else ((route.backend,), True)
        opened = opened or found is None
        names += found or ()
        if holds and sure and found:
            return _taken([*found, *names], opened)
        if holds:
            # A dynamic name that no backend has goes to the default.
            break
    # Without a default, who meets no rule goes on to nobody named here.
    return replace(_taken(names), sure=False, open=opened) if default is None else _taken([default, *names], opened)


def holds(condition: tuple[str, ...], proxy: Proxy, client: Client, files: Mapping[str, str]) -> Truth:
    """Return whether the `if …` or `unless …` of a rule holds for a client; `files` are those that it may name."""
    return _Judge(proxy, client, World(files)).condition(condition)


def condition_terms(words: tuple[str, ...]) -> list[tuple[tuple[str, ...], ...]]:
    """Split a condition behind its `if` at each `or`: (name,), ("{", …), each perhaps behind a "!"."""
    groups: list[list[tuple[str, ...]]] = [[]]
    for term in _terms(words):
        if term == ("or",):
            groups.append([])
        else:
            groups[-1].append(term)
    return [tuple(group) for group in groups]


def _taken(names: list[str], opened: bool = False) -> Taken:
    found = tuple(dict.fromkeys(names))
    return Taken(found, len(found) == 1 and not opened, opened)


class _Judge:
    """The conditions of one proxy, for one client."""

    def __init__(self, proxy: Proxy, client: Client, world: World) -> None:
        self.proxy, self.client, self.world = proxy, client, world
        self._known: dict[str, Truth] = {}

    def condition(self, words: tuple[str, ...]) -> Truth:
        """Return whether `if …` or `unless …` holds; nothing at all does."""
        if not words:
            return True
        if words[0] not in ("if", "unless"):
            return None
        found = self._any(words[1:])
        return found if words[0] == "if" or found is None else not found

    def _any(self, words: tuple[str, ...]) -> Truth:
        whole: Truth = False
        part: Truth = True
        for term in _terms(words):
            if term == ("or",):
                whole, part = _or(whole, part), True
            else:
                part = _and(part, self._term(term))
        return _or(whole, part)

    def _term(self, words: tuple[str, ...]) -> Truth:
        negated = words[0] == "!"
        words = words[1:] if negated else words
        if not words:
            return None
        found = self._test(words[1:]) if words[0] == "{" else self._acl(words[0])
        return found if not negated or found is None else not found

    def _acl(self, name: str) -> Truth:
        """Return whether an acl holds, worked out once: rules that name the same one are as many as they like."""
        if name not in self._known:
            self._known[name] = self._worked_out(name)
        return self._known[name]

    @cached_property
    def _named(self) -> dict[str, list[tuple[str, ...]]]:
        found: dict[str, list[tuple[str, ...]]] = {}
        for words in self.proxy.routing.acls:
            if len(words) > 2:
                found.setdefault(words[1], []).append(words)
        return found

    def _worked_out(self, name: str) -> Truth:
        lines = self._named.get(name, [])
        if not lines:
            return _SURE.get(name)
        found: Truth = False
        for words in lines:
            found = _or(found, self._test(words[2:]))
        return found

    def _test(self, words: tuple[str, ...]) -> Truth:
        """Return whether `fetch [flags] patterns…` holds."""
        if not words:
            return None
        expression, method = _suffixed(words[0])
        try:
            value = work_out(expression, self.client, self.world)
            test = _Test(words[1:], self.world, method or _usual(expression))
            return test.holds(value)
        except Unknown:
            return None

    def named(self, route: Route) -> tuple[tuple[str, ...] | None, bool]:
        """Return the backends that a dynamic name may mean (None: any, (): none there is), and whether that is sure."""
        pieces: list[str | None] = [None] if "$" in route.backend else []
        for literal, expression in _parts(route.backend):
            pieces.append(literal)
            if expression:
                pieces.append(self._text(expression))
        if None not in pieces:
            name = "".join(piece or "" for piece in pieces)
            return ((name,) if name in self.world.servers else ()), True
        if pieces.count(None) > MOST_HOLES or not any(pieces) or "$" in route.backend:
            return None, False
        pattern = re.compile("".join(".*" if piece is None else re.escape(piece) for piece in pieces))
        return tuple(name for name in self.world.servers if pattern.fullmatch(name)) or None, False

    def _text(self, expression: str) -> str | None:
        try:
            return text_of(work_out(expression, self.client, self.world))
        except Unknown:
            return None


class _Test:
    """The flags and patterns behind a fetch."""

    def __init__(self, words: tuple[str, ...], world: World, method: str) -> None:
        self.method, self.folded = method, False
        self.patterns: list[str] = []
        self.unread = False
        at = 0
        while at < len(words) and words[at].startswith("-") and not re.fullmatch(r"-\d+(?::-?\d+)?", words[at]):
            flag, value = words[at], words[at + 1] if at + 1 < len(words) else ""
            at += 1
            if flag == "--":
                break
            if flag == "-i":
                self.folded = True
            elif flag in ("-m", "-f", "-u"):
                at += 1
                self._flag(flag, value, world)
            elif flag not in ("-n", "-M"):
                self.unread = True
        self.patterns += words[at:]

    def _flag(self, flag: str, value: str, world: World) -> None:
        if flag == "-m":
            self.method = value
        elif flag == "-f":
            text = world.files.get(value)
            self.unread = self.unread or text is None
            rows = [row.strip() for row in (text or "").splitlines()]
            self.patterns += [row for row in rows if row and not row.startswith("#")]

    def holds(self, value: Sample) -> Truth:
        if self.method == "found":
            return value is not None
        if value is None:
            return False
        if self.method == "bool" and not self.patterns:
            return bool(value)
        if self.method == "int" or isinstance(value, int):
            return self._numbers(value)
        found: Truth = None if self.unread or len(self.patterns) > MOST_PATTERNS else False
        for pattern in self.patterns[:MOST_PATTERNS]:
            try:
                if matches(self.method, text_of(value), pattern, self.folded):
                    return True
            except Unknown:
                found = None
        return found

    def _numbers(self, value: Sample) -> Truth:
        number = int(text_of(value)) if re.fullmatch(r"-?\d{1,9}", text_of(value)) else None
        if number is None or self.unread:
            return None
        how = "eq"
        for pattern in self.patterns:
            if pattern in _COMPARES:
                how = pattern
                continue
            if _compare(number, how, pattern):
                return True
        return bool(value) if not self.patterns else False


def _compare(number: int, how: str, pattern: str) -> bool:
    if how == "eq":
        return within(number, pattern)
    if not re.fullmatch(r"-?\d{1,9}", pattern):
        raise Unknown
    other = int(pattern)
    return {"lt": number < other, "le": number <= other, "gt": number > other, "ge": number >= other}[how]


def _suffixed(expression: str) -> tuple[str, str]:
    """Split the method off a fetch's name: `hdr_beg(host)` is `hdr(host)` by `beg`."""
    match = _SUFFIX.match(expression)
    if match is None or match["fetch"] not in ("path", "pathq", "url", "base", "hdr", "req.hdr"):
        return expression, ""
    return match["fetch"] + expression[match.end() :], match["method"]


def _usual(expression: str) -> str:
    name = re.split(r"[(,]", expression, maxsplit=1)[0]
    return "int" if name in _INTEGERS else "bool" if name in _BOOLEANS else "str"


def _terms(words: tuple[str, ...]) -> Iterable[tuple[str, ...]]:
    """Split a condition: ("or",), (name,), ("!", name), ("{", …) and ("!", "{", …)."""
    at = 0
    negated: tuple[str, ...] = ()
    while at < len(words):
        word = words[at]
        at += 1
        if word in ("or", "||"):
            yield ("or",)
            continue
        while word.startswith("!"):
            negated = () if negated else ("!",)
            word = word[1:]
        if not word:
            continue
        if word == "{":
            end = next((place for place in range(at, len(words)) if words[place] == "}"), len(words))
            yield (*negated, "{", *words[at:end])
            at = end + 1
        else:
            yield (*negated, word)
        negated = ()


_HOLE = re.compile(r"%\[((?:[^\[\]]|\[[^\[\]]*\])*)\]|%(?:\{[^{}]*\})?([A-Za-z]+)|%%")


def _parts(text: str) -> Iterable[tuple[str, str]]:
    """Split a log-format into literals, each with the expression that follows it."""
    at = 0
    for match in _HOLE.finditer(text):
        literal = text[at : match.start()]
        at = match.end()
        if match[0] == "%%":
            yield f"{literal}%", ""
        else:
            yield literal, match[1] or {"fp": "dst_port", "f": "fe_name"}.get(match[2] or "", "unknown")
    yield text[at:], ""


def _and(one: Truth, other: Truth) -> Truth:
    if one is False or other is False:
        return False
    return None if one is None or other is None else True


def _or(one: Truth, other: Truth) -> Truth:
    if one is True or other is True:
        return True
    return None if one is None or other is None else False
