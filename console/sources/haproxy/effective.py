"""What each proxy really uses: defaults, `from`, default-server and negations worked in, every place remembered.

A `Setting` holds the words that count and every line that had a say, the one that decided last; one without a place is
HAProxy's own. Keys are HAProxy's words: "mode", "timeout client", "option tcplog", "errorfile 503", on a server
"check", "inter", "send-proxy". What adds up or is tried in order is a list of rules by its first word: "bind", "acl",
"http-request", "log". Nothing is dropped for being unknown: it is a rule under its own word.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from console.model import Span
from console.sources.haproxy.keywords import (
    BACK_ONLY,
    CHECKS,
    FRONT_ONLY,
    OWN,
    PAIRED,
    PROXIES,
    SERVER_VALUES,
    SINGLE,
)
from console.sources.haproxy.lines import Line
from console.sources.haproxy.servers import NUMBER, VALUED
from console.sources.haproxy.tree import Section
from console.sources.haproxy.values import Proxy

LARGEST_TEMPLATE = 10_000
"""Servers of one server-template that are written out."""

MOST_KEYS = 400
"""Settings of one proxy or server; HAProxy knows fewer, and only a made-up file has more."""

MOST_PLACES = 64
"""Places of one setting, and defaults below each other, that are remembered; the latest stay."""


class Setting(Struct, frozen=True, gc=False):
    """`words` are what stands behind the keyword; `on` is False when `no …` put it out.

    `places` are all lines that had a say, the deciding one last; none for HAProxy's own value. `perhaps` says that a
    condition nobody can decide here stands over the deciding one."""

    words: tuple[str, ...] = ()
    places: tuple[Span, ...] = ()
    on: bool = True
    perhaps: bool = False


class Rule(Struct, frozen=True, gc=False):
    """One line of a list, all its words; inherited ones come first."""

    words: tuple[str, ...]
    place: Span
    perhaps: bool


class Lists(Struct, frozen=True, gc=False):
    """Rules by their first word: those of one section, and through `above` those of what it stands on.

    `cut` holds the words whose inherited rules do not reach this section."""

    own: dict[str, list[Rule]]
    cut: frozenset[str]
    above: Lists | None = None

    def rules(self, keyword: str) -> tuple[Rule, ...]:
        """Return the rules in the order HAProxy has them, inherited ones first."""
        found: list[Sequence[Rule]] = []
        lists: Lists | None = self
        while lists is not None:
            found.append(lists.own.get(keyword, ()))
            lists = None if keyword in lists.cut or keyword in OWN else lists.above
        return tuple(rule for rules in reversed(found) for rule in rules)


class Backend(Struct, frozen=True, gc=False):
    """A server as it is used; `address` as written. Servers of one server-template share their settings."""

    name: str
    address: str
    settings: Mapping[str, Setting]
    place: Span
    perhaps: bool


class Effective(Struct, frozen=True, gc=False):
    """A proxy as it is used; `chain` are the `defaults` it stands on, the nearest first."""

    name: str
    kind: str
    place: Span
    settings: Mapping[str, Setting]
    lists: Lists
    servers: tuple[Backend, ...]
    chain: tuple[Span, ...] = ()

    def rules(self, keyword: str) -> tuple[Rule, ...]:
        """Return the lines of a list, such as "bind" or "http-request"; empty when there are none."""
        return self.lists.rules(keyword)

    def value(self, key: str) -> str | None:
        """Return a setting's words in one, None when it is not set or put out."""
        found = self.settings.get(key)
        return " ".join(found.words) if found is not None and found.on else None


_BUILT_IN = {"mode": Setting(("tcp",)), "retries": Setting(("3",))}
_SERVER_BUILT_IN = {
    "inter": Setting(("2s",)),
    "fall": Setting(("3",)),
    "rise": Setting(("2",)),
    "weight": Setting(("1",)),
}

_REPLACED = frozenset(("tcp-check", "http-check"))
"""Rules of defaults that the first one of a proxy's own puts away."""

_CHOICES = (
    CHECKS,
    frozenset(("httplog", "tcplog", "httpslog")),
    frozenset(("http-keep-alive", "http-server-close", "httpclose", "forceclose", "http-tunnel")),
)
"""Options of which one excludes the others."""

_SWITCH = {"enabled": "disabled"}


_UNCUT: frozenset[str] = frozenset()


class _State:
    """What a section has said; it begins as a copy of what it stands on."""

    __slots__ = ("chain", "lists", "options", "servers", "settings")

    def __init__(self, above: _State | None) -> None:
        self.settings: dict[str, Setting] = dict(above.settings) if above else dict(_BUILT_IN)
        self.lists: Lists = Lists({}, _UNCUT, above.lists if above else None)
        self.options: dict[str, Setting] = above.options if above else _SERVER_BUILT_IN
        self.chain: tuple[Span, ...] = above.chain if above else ()
        self.servers: list[Backend] = []
        for key in OWN & self.settings.keys():
            del self.settings[key]

    def cut(self, keyword: str) -> None:
        """Let the inherited rules of a keyword reach no further."""
        if keyword not in self.lists.cut:
            self.lists = replace(self.lists, cut=self.lists.cut | {keyword})


def effective(sections: Iterable[Section], proxies: Iterable[Proxy]) -> tuple[Effective, ...]:
    """Work out every proxy of the sections, in the order of `proxies`, which the same sections gave."""
    return tuple(_walk(sections, iter(proxies)))


def _walk(sections: Iterable[Section], proxies: Iterator[Proxy]) -> Iterator[Effective]:
    latest: _State | None = None
    named: dict[str, _State] = {}
    for section in sections:
        if section.kind not in PROXIES:
            continue
        above = named.get(section.base) if section.base is not None else latest
        if section.kind == "defaults" and section.base is None:
            above = None
        state = _State(above)
        for line in section.lines:
            _take(state, section, line)
        if section.kind == "defaults":
            state.chain = (section.span, *state.chain[: MOST_PLACES - 1])
            latest = state
            if section.name:
                named[section.name] = state
            continue
        proxy = next(proxies)
        unused = {"frontend": BACK_ONLY, "backend": FRONT_ONLY}.get(proxy.kind, frozenset())
        yield Effective(
            proxy.name,
            proxy.kind,
            proxy.span,
            state.settings
            if unused.isdisjoint(state.settings)
            else {key: setting for key, setting in state.settings.items() if key not in unused},
            state.lists,
            tuple(state.servers) if proxy.kind != "frontend" else (),
            state.chain,
        )


def _take(state: _State, section: Section, line: Line) -> None:
    words, place = line.words, line.span(section.file)
    perhaps = line.number in section.doubtful
    negated = words[0] == "no" and len(words) > 1
    if negated:
        words = words[1:]
    keyword = words[0]
    if keyword == "default-server":
        state.options = _arguments(state.options, words[1:], place, perhaps)
    elif keyword in ("server", "server-template"):
        state.servers += _servers(state.options, words, place, perhaps)
    elif keyword in _SWITCH or keyword == "disabled":
        key = _SWITCH.get(keyword, keyword)
        _set(state.settings, key, (), place, keyword == key, perhaps)
    elif negated and keyword == "log":
        state.lists.own.pop("log", None)
        state.cut("log")
    elif keyword in SINGLE or (keyword in PAIRED and words[1:2] == ("inspect-delay",)):
        _single(state, words, place, not negated, perhaps)
    else:
        _rule(state, keyword, Rule(line.words, place, perhaps))


def _single(state: _State, words: tuple[str, ...], place: Span, on: bool, perhaps: bool) -> None:
    keyword = words[0]
    paired = keyword in PAIRED and len(words) > 1
    key = f"{keyword} {words[1]}" if paired else keyword
    if keyword == "option" and paired and on:
        for choice in _CHOICES:
            if words[1] in choice:
                for other in choice - {words[1]}:
                    if (name := f"option {other}") in state.settings:
                        _set(state.settings, name, state.settings[name].words, place, False, perhaps)
    _set(state.settings, key, words[2 if paired else 1 :], place, on, perhaps)


def _rule(state: _State, keyword: str, rule: Rule) -> None:
    if keyword in _REPLACED:
        state.cut(keyword)
    state.lists.own.setdefault(keyword, []).append(rule)


def _set(settings: dict[str, Setting], key: str, words: tuple[str, ...], place: Span, on: bool, perhaps: bool) -> None:
    before = settings.get(key)
    if before is not None:
        settings[key] = Setting(words, (*before.places[1 - MOST_PLACES :], place), on, perhaps)
    elif len(settings) < MOST_KEYS:
        settings[key] = Setting(words, (place,), on, perhaps)


def _arguments(
    options: Mapping[str, Setting], words: tuple[str, ...], place: Span, perhaps: bool
) -> dict[str, Setting]:
    """Return the settings of a server with what the words say on top."""
    found = dict(options)
    at = 0
    while at < len(words):
        word = words[at]
        valued = word in SERVER_VALUES or word in VALUED
        on = not (word.startswith("no-") or word == "enabled")
        key = _SWITCH.get(word, word if on else word[3:])
        _set(found, key, words[at + 1 : at + 2] if valued else (), place, on, perhaps)
        at += 2 if valued else 1
    return found


def _servers(options: Mapping[str, Setting], words: tuple[str, ...], place: Span, perhaps: bool) -> Iterator[Backend]:
    template = words[0] == "server-template"
    at = 3 if template else 2
    if len(words) <= at:
        return
    settings = _arguments(options, words[at + 1 :], place, perhaps)
    for name in _names(words) if template else (words[1],):
        yield Backend(name, words[at], settings, place, perhaps)


def _names(words: tuple[str, ...]) -> Iterator[str]:
    """Write a server-template's names out: `t 1-3` is t1, t2, t3."""
    number = NUMBER.match(words[2])
    if number is None:
        return
    low, high = int(number.group(1) or 1), int(number.group(2))
    for each in range(low, min(max(high, low), low + LARGEST_TEMPLATE - 1) + 1):
        yield f"{words[1]}{each}"
