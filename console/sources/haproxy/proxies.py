"""The second layer: each proxy as HAProxy would run it, defaults inherited, servers with their effective settings."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable

from console.errors import InputError
from console.model import Span
from console.sources.haproxy import across, servers
from console.sources.haproxy.addresses import read
from console.sources.haproxy.checks import UNSET, Asks, Method, asks, check, seconds
from console.sources.haproxy.forwarding import tells_client
from console.sources.haproxy.inheritance import misplaced, rules, unfit
from console.sources.haproxy.keywords import BIND_VALUES, CHECKS, PROXIES, TIMEOUTS
from console.sources.haproxy.lines import Line
from console.sources.haproxy.said import Notes, Settings
from console.sources.haproxy.servers import Raw, Server
from console.sources.haproxy.tree import MOST_PROBLEMS, Section
from console.sources.haproxy.values import PLAIN, Kind, Listener, Proxy, Route, Timeout
from console.sources.haproxy.variables import Variables
from console.text import clean

_BARE = Method("", None, [], [])


class Builder:
    """Turns sections into proxies, in the order of the files."""

    def __init__(self, variables: Variables) -> None:
        self.variables = variables
        self.problems: list[InputError] = []
        self.proxies: list[Proxy] = []
        self._latest: Settings | None = None
        self._named: dict[str, Settings] = {}
        self._asked: dict[int, Asks] = {}
        self._kept: list[list[Line]] = []
        self.hosts: dict[str, str] = {}
        """Each host once: many servers have the same."""

    def build(self, sections: Iterable[Section]) -> tuple[Proxy, ...]:
        """Return all proxies; what keeps HAProxy from taking a line is added to `problems`."""
        for section in sections:
            if section.kind in PROXIES:
                self._section(section)
        across.check_names(self.proxies, self.say)
        across.check_acls(self.proxies, self.say)
        self.proxies = across.spread_targets(self.proxies)
        across.check_ports(self.proxies, self.say)
        return across.follow_tracks(self.proxies)

    def _section(self, section: Section) -> None:
        above = self._defaults(section)
        if above is not None and above.rules and (problem := unfit(section, above.rules, above.heirs)):
            self.problem(section.header, section.file, 0, problem)
        settings = Settings(above)
        reader = _Reader(section, settings, self)
        handlers = _HANDLERS
        for line in section.lines:
            handler = handlers.get(line.words[0])
            if handler is not None:
                handler(reader, line)
        if section.kind == "defaults":
            self._latest = settings
            settings.rules = rules(section)
            if section.name:
                self._named[section.name] = settings
            elif stray := misplaced(section):
                self.problem(stray, section.file, 0, f"'{stray.words[0]}' stands only in defaults with a name: name it")
            return
        self.proxies.append(_finish(section, settings, self._asks(settings), self.hosts))

    def _asks(self, settings: Settings) -> Asks:
        """Follow the check's rules; those of a defaults section once for all that stand on it."""
        rules = settings.tcp if settings.asking == "tcp-check" else settings.http
        known = self._asked.get(id(rules))
        if known is None:
            known = self._asked[id(rules)] = asks(rules)
            self._kept.append(rules)
        return known

    def _defaults(self, section: Section) -> Settings | None:
        if section.base is None:
            return None if section.kind == "defaults" else self._latest
        found = self._named.get(section.base)
        if found is None:
            problem = (
                f"no defaults section above is named '{clean(section.base, 60)}':"
                " correct the name, or name the file that holds it too"
            )
            self.problem(section.header, section.file, section.header.words.index("from", 1) + 1, problem)
        return found

    def problem(self, line: Line, file: str, word: int, problem: str) -> None:
        """Note what is wrong at a word of a line."""
        self.say(line.span(file, word, word), problem)

    def say(self, span: Span, problem: str) -> None:
        """Note what is wrong at a place; only so many are worth saying."""
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(InputError(span.file, span.line, span.column, problem))


class _Reader:
    """One section's lines, keyword by keyword."""

    __slots__ = ("builder", "file", "own_http", "own_tcp", "section", "settings")

    def __init__(self, section: Section, settings: Settings, builder: Builder) -> None:
        self.section = section
        self.settings = settings
        self.builder = builder
        self.file = section.file
        self.own_tcp = self.own_http = False

    def bind(self, line: Line) -> None:
        words, settings = line.words, self.settings
        if len(words) < 2:
            self.builder.problem(line, self.file, 0, "'bind' needs an address or a port: the line may be cut; add it")
            return
        tls = accepts = False
        called = {"name": "", "id": ""}
        at, count = 2, len(words)
        while at < count:
            word = words[at]
            tls = tls or word == "ssl"
            accepts = accepts or word == "accept-proxy"
            if word in called and at + 1 < count:
                called[word] = words[at + 1]
            at += 2 if word in BIND_VALUES else 1
        span = line.span(self.file)
        text = servers.expand(words[1], self.builder.variables)
        for part in text.split(","):
            if not part:
                continue
            transport, host, first, last, relative, unread = read(part)
            if relative or (first is None and transport != "local") or first == 0:
                if "$" in unread:
                    self.notes().open_bind = True
                else:
                    problem = f"'bind {clean(part, 60)}' has no port: write address:port, such as :25 or [::]:25"
                    self.builder.problem(line, self.file, 1, problem)
                continue
            perhaps = line.number in self.section.doubtful
            host = self.builder.hosts.setdefault(host, host)
            settings.binds.append(Listener(transport, host, first, last, tls, accepts, span, perhaps, **called))

    def server(self, line: Line) -> None:
        raw = servers.server(line, self.file, self.settings.options, self.builder.variables)
        if isinstance(raw, InputError):
            if len(self.builder.problems) < MOST_PROBLEMS:
                self.builder.problems.append(raw)
        else:
            self.settings.raws.append(raw)

    def default_server(self, line: Line) -> None:
        self.settings.options = servers.apply(self.settings.options, line.words, 1)

    def mode(self, line: Line) -> None:
        if len(line.words) > 1:
            self.settings.mode = line.words[1]

    def option(self, line: Line) -> None:
        if len(line.words) > 1 and line.words[1] in CHECKS:
            self.settings.asking = line.words[1]
            self.settings.asking_span = line.span(self.file)
        elif line.words[1:2] in (("transparent",), ("http_proxy",)):
            self.notes().replies = True
        else:
            self.forwards(line)

    def forwards(self, line: Line) -> None:
        self.settings.forwards = self.settings.forwards or tells_client(line)

    def tcp_check(self, line: Line) -> None:
        # A section's first rule of its own puts away those of its defaults.
        if not self.own_tcp:
            self.own_tcp, self.settings.tcp = True, []
        self.settings.tcp.append(line)

    def http_check(self, line: Line) -> None:
        if not self.own_http:
            self.own_http, self.settings.http = True, []
        self.settings.http.append(line)

    def timeout(self, line: Line) -> None:
        words = line.words
        time = seconds(words[2]) if len(words) > 2 else None
        if time is None and not (len(words) > 2 and "$" in words[2]):
            name = clean(words[1], 40) if len(words) > 1 else "client"
            problem = f"'timeout {name}' needs a time such as 30m or 5s: correct it"
            self.builder.problem(line, self.file, min(2, len(words) - 1), problem)
            return
        if words[1] in TIMEOUTS:
            # What is inherited is shared until it differs.
            self.settings.timeouts = {**self.settings.timeouts, words[1]: Timeout(time, line.span(self.file))}

    def default_backend(self, line: Line) -> None:
        if len(line.words) > 1:
            self.settings.default_backend = Route(line.words[1], False, line.span(self.file, 1, 1))

    def use_backend(self, line: Line) -> None:
        if len(line.words) > 1:
            self.settings.use_backend.append(_route(line, self.file))

    def notes(self) -> Notes:
        self.settings.notes = self.settings.notes or Notes()
        return self.settings.notes

    def use_server(self, line: Line) -> None:
        if len(line.words) > 1:
            self.notes().servers.append(_route(line, self.file))

    def acl(self, line: Line) -> None:
        self.notes().acls.append(line.words)

    def rule(self, line: Line) -> None:
        self.forwards(line)
        action = line.words[2 if line.words[0] == "tcp-request" else 1 :][:1]
        if "prometheus-exporter" in line.words:
            self.notes().stats = True
        elif action and (action[0] in _ANSWERS or action[0].startswith("lua.")):
            if action[0] not in _REFUSES or not {"if", "unless"} & set(line.words):
                self.notes().replies = True
        elif action and action[0].startswith("set-"):
            if action[0].startswith("set-var"):
                self.notes().sets.append(line.words)
            elif action[0] in ("set-dst", "set-dst-port"):
                self.notes().retargets = True

    def stats(self, line: Line) -> None:
        self.notes().stats = True

    def replies(self, line: Line) -> None:
        self.notes().replies = True

    def dispatch(self, line: Line) -> None:
        # It takes an address alone: no header, no TLS, no check.
        if len(line.words) > 1:
            address = read(servers.expand(line.words[1], self.builder.variables))
            self.settings.dispatched = Raw("", address, {}, line.span(self.file))

    def source(self, line: Line) -> None:
        self.settings.transparent = "usesrc" in line.words

    def disable(self, line: Line) -> None:
        self.settings.disabled = line.words[0] == "disabled"


_REFUSES = frozenset(("reject", "silent-drop", "deny", "tarpit"))
_ANSWERS = _REFUSES | {"redirect", "return", "use-service", "auth", "switch-mode", "set-dst"}
"""Rules that answer a client, refuse it or lead it on without a server; those that refuse only without a condition."""

_REPLIES = (
    "redirect", "monitor-uri", "errorfile", "errorfiles", "errorloc", "errorloc302",
    "errorloc303", "http-error", "use-fcgi-app", "transparent",
)  # fmt: skip

_HANDLERS: dict[str, Callable[[_Reader, Line], None]] = {
    "bind": _Reader.bind,
    "server": _Reader.server,
    "server-template": _Reader.server,
    "default-server": _Reader.default_server,
    "mode": _Reader.mode,
    "option": _Reader.option,
    "tcp-check": _Reader.tcp_check,
    "http-check": _Reader.http_check,
    "timeout": _Reader.timeout,
    "default_backend": _Reader.default_backend,
    "use_backend": _Reader.use_backend,
    "use-server": _Reader.use_server,
    "acl": _Reader.acl,
    "tcp-request": _Reader.rule,
    "http-request": _Reader.rule,
    "filter": _Reader.forwards,
    "stats": _Reader.stats,
    "dispatch": _Reader.dispatch,
    **dict.fromkeys(_REPLIES, _Reader.replies),
    "source": _Reader.source,
    "disabled": _Reader.disable,
    "enabled": _Reader.disable,
}


def _route(line: Line, file: str) -> Route:
    words = line.words
    dynamic = "%" in words[1] or "$" in words[1]
    return Route(words[1], len(words) > 2, line.span(file, 1, 1), words[2:], dynamic)


def _finish(section: Section, settings: Settings, first: Asks, hosts: dict[str, str]) -> Proxy:
    kind: Kind = section.kind  # type: ignore[assignment]
    # Where a section has servers, dispatch is not used (cfgparse.c: they are balanced).
    raws = settings.raws or ([settings.dispatched] if settings.dispatched else [])
    listens, serves = "front" in across.SIDES[kind], "back" in across.SIDES[kind]
    method = _BARE
    if settings.asking or settings.tcp or settings.http:
        method = Method(settings.asking, settings.asking_span, settings.tcp, settings.http)
    return Proxy(
        section.name,
        kind,
        settings.mode,
        section.span,
        tuple(settings.binds) if listens else (),
        tuple([_server(raw, method, first, section.doubtful, hosts, settings) for raw in raws]) if serves else (),
        settings.timeouts,
        method,
        settings.default_backend if listens else None,
        tuple(settings.use_backend) if listens else (),
        settings.disabled,
        section.conditional,
        settings.notes.routing() if settings.notes else PLAIN,
        settings.forwards,
    )


def _server(
    raw: Raw, method: Method, first: Asks, doubtful: Container[int], hosts: dict[str, str], settings: Settings
) -> Server:
    options, address = raw.options, raw.address
    # Port 0 is no port: the client's own is dialled.
    fixed = None if address.relative else address.first or None
    track = options.get("track")
    waits = settings.timeouts.get("check")
    return Server(
        raw.name,
        hosts.setdefault(address.host, address.host),
        fixed,
        address.first or 0 if address.relative else 0,
        "v2" if options.get("v2") else "v1" if options.get("v1") else None,
        check(raw, method, fixed, first, waits.seconds if waits else UNSET),
        bool(options.get("tls")),
        bool(options.get("backup")),
        bool(options.get("disabled")),
        raw.span,
        address.transport == "local",
        raw.count,
        track if isinstance(track, str) else None,
        raw.span.line in doubtful,
        servers.open_port(address) or ("?" if fixed is None and settings.notes and settings.notes.retargets else ""),
        settings.transparent or "usesrc" in options,
        options.get("weight") == "0",
        bool(options.get("v2") and options.get("tells_tls")),
    )
