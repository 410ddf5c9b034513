"""Server lines: what is written behind the address, on top of what `default-server` said before."""

from __future__ import annotations

import re

from msgspec import Struct

from console.errors import InputError
from console.model import Check, ProxyVersion, Span
from console.sources.haproxy.addresses import Address, read
from console.sources.haproxy.keywords import SERVER_VALUES
from console.sources.haproxy.lines import Line, bad_name
from console.sources.haproxy.variables import Variables
from console.text import clean

# A server's switches: keyword → (setting, value).
SWITCHES: dict[str, tuple[str, bool]] = {
    "check": ("check", True),
    "no-check": ("check", False),
    "agent-check": ("agent", True),
    "no-agent-check": ("agent", False),
    "check-send-proxy": ("check_proxy", True),
    "no-check-send-proxy": ("check_proxy", False),
    "check-ssl": ("check_tls", True),
    "no-check-ssl": ("check_tls", False),
    "send-proxy": ("v1", True),
    "no-send-proxy": ("v1", False),
    "send-proxy-v2": ("v2", True),
    "send-proxy-v2-ssl": ("v2", True),
    "send-proxy-v2-ssl-cn": ("v2", True),
    "no-send-proxy-v2": ("v2", False),
    "no-send-proxy-v2-ssl": ("v2", False),
    "no-send-proxy-v2-ssl-cn": ("v2", False),
    "ssl": ("tls", True),
    "no-ssl": ("tls", False),
    "backup": ("backup", True),
    "no-backup": ("backup", False),
    "disabled": ("disabled", True),
    "enabled": ("disabled", False),
}

_TELLING = frozenset(("send-proxy-v2-ssl", "send-proxy-v2-ssl-cn"))

VALUED = frozenset({"port", "addr", "track", "healthcheck", "inter", "usesrc", "weight"})
"""Settings with a value that matter here."""

_VARIABLE = re.compile(r"\$(?:\{([A-Za-z0-9_]+)\}?|([A-Za-z0-9_]+))")
_HOLE = re.compile(r"\{\{|\{%|<%|<[A-Za-z_][\w .-]*>?|@@")
"""What templates and instructions leave to be filled in, none of which an address has."""
# A name has at most 253 characters (RFC 1035), and a list of addresses is not endless.
_LONGEST = 4096
NUMBER = re.compile(r"(?:([0-9]{1,6})-)?([0-9]{1,6})\Z")
"""How many servers a server-template makes: `3`, or `1-3`."""

Options = dict[str, bool | str]


class Server(Struct, frozen=True, gc=False):
    """A server with its effective settings; without a name it is the address of a `dispatch` line.

    `port` is None when the client's own is used, plus `offset`; `local` ones (a UNIX socket) have none at all. A
    server-template is one Server, `count` of them, named after its first. `span` is the whole line's. `perhaps` says
    that a condition nobody can decide here stands over the line. `open` is a port that the file leaves open, as
    written ("${PORT}"), or "?" for one that is found elsewhere. `transparent` says that it sees the client's own
    address, `drained` that a weight of 0 keeps new clients from it, `tells_tls` that its PROXY header says whether the
    client came with TLS."""

    name: str
    host: str
    port: int | None
    offset: int
    proxy_protocol: ProxyVersion | None
    check: Check
    tls: bool
    backup: bool
    disabled: bool
    span: Span
    local: bool = False
    count: int = 1
    track: str | None = None
    perhaps: bool = False
    open: str = ""
    transparent: bool = False
    drained: bool = False
    tells_tls: bool = False

    def reached(self, port: int) -> int | None:
        """Return the port it is dialled at by a client of `port`; None for one that is no port, or that is open."""
        if self.local or self.open:
            return None
        number = port + self.offset if self.port is None else self.port
        return number if 0 < number < 65536 else None


class Raw(Struct, frozen=True, gc=False):
    """A server line as read: its check is known only at the end of the section."""

    name: str
    address: Address
    options: Options
    span: Span
    count: int = 1


def apply(options: Options, words: tuple[str, ...], start: int) -> Options:
    """Return `options` with what the words from `start` on say on top; what is not known is passed over."""
    found = dict(options)
    count, at = len(words), start
    while at < count:
        word = words[at]
        switch = SWITCHES.get(word)
        if switch is not None:
            found[switch[0]] = switch[1]
            if word in _TELLING:
                found["tells_tls"] = True
        elif word in VALUED:
            at += 1
            if at < count:
                found[word] = words[at]
        elif word in SERVER_VALUES:
            at += 1
            if word == "proxy-v2-options" and at < count and "ssl" in words[at].split(","):
                found["tells_tls"] = True
        at += 1
    return found


def server(line: Line, file: str, options: Options, variables: Variables) -> Raw | InputError:
    """Read a `server` or `server-template` line, or say what keeps HAProxy from it."""
    words = line.words
    template = words[0] == "server-template"
    place = 3 if template else 2
    span = line.span(file)
    if len(words) <= place:
        wants = "a name, a number and an address" if template else "a name and an address"
        return InputError(
            file, line.number, span.column, f"'{words[0]}' needs {wants}: the line may be cut; add the rest"
        )
    if problem := bad_name(words[1]):
        return InputError(file, line.number, line.span(file, 1, 1).column, problem)
    address = read(expand(words[place], variables))
    if address.first != address.last or (address.unread and "$" not in address.unread):
        column = line.span(file, place, place).column
        return InputError(
            file, line.number, column, f"'{clean(words[place], 60)}' has no port HAProxy takes: write 1 to 65535"
        )
    if _HOLE.search(words[place]):
        column = line.span(file, place, place).column
        problem = f"'{clean(words[place], 60)}' is a place to fill in: do so, and name the file that results"
        return InputError(file, line.number, column, problem)
    name, count = words[1], 1
    if template:
        number = NUMBER.match(words[2])
        if number is None:
            column = line.span(file, 2, 2).column
            return InputError(
                file, line.number, column, f"'{clean(words[2], 40)}' is no number of servers: write 3, or 1-3"
            )
        low, high = int(number.group(1) or 1), int(number.group(2))
        count = max(high - low + 1, 1)
        name += str(low)
    return Raw(name, address, apply(options, words, place + 1), span, count)


def open_port(address: Address) -> str:
    """Return a port that the file leaves open, as it is written; "" for one that is known, or is the client's."""
    if address.first is None and "$" in address.unread:
        return address.unread
    # The record that such a name stands for says the port (RFC 2782).
    return "?" if address.host.startswith("_") and "._" in address.host else ""


def expand(text: str, variables: Variables) -> str:
    """Expand `$NAME` and `${NAME}` in an address: HAProxy does that there, quoted or not."""
    if "$" not in text or len(text) > _LONGEST:
        return text
    expanded = _VARIABLE.sub(lambda match: variables.expand(match.group(1) or match.group(2)), text)
    return expanded if len(expanded) <= _LONGEST else text
