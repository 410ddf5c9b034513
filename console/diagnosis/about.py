"""What an id of the catalogue means, for `cowhand explain`: how it is recognised, what looks like it, what mends it."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from msgspec import Struct

from console.diagnosis import rules
from console.diagnosis.catalogue import CATALOGUE, Entry
from console.diagnosis.mode import Mode
from console.diagnosis.modes import MODES
from console.diagnosis.rule import OBSERVED, STATIC
from console.diagnosis.words import OUTCOMES

_ELSEWHERE = {
    "CH007": "A server sees Docker's address, or a loopback address, in place of the client's. The flow "
    "prove-client-address finds this; a sweep does not.",
    "CH012": "The running acme-mailcow was made without SKIP_LETS_ENCRYPT=y, while a certificate is pushed.",
    "CH013": "Dovecot's container ended within a minute after Mailcow's certificate was written, and does not run.",
    "CH014": "None of the TLSA records of a public name matches the certificate that its port 25 serves: senders that "
    "check DANE defer. `cowhand certificates` and its screen ask for the records; a sweep does not.",
    "CH032": "The lanes are broken, and no fact proves which of the possible causes it is.",
}
"""The words for what no rule and no row of the table explains."""

MOST = 4
"""Things that look alike that are named."""

_PLACES = {
    "here": "from here", "itself": "from the proxy to its own public address", "vm": "from the proxy to the mail host",
    "inside": "inside the mail host", "door": "from the proxy to the mail host's port 22", "haproxy": "HAProxy's check",
    "router": "the tunnel's far end", "host": "the mail host", "large": "the mail host, with large packets",
    "gateway": "this machine's gateway", "proxy": "the proxy", "mail": "the mail host",
}  # fmt: skip
_KINDS = {"connect": "a connection", "talk": "a conversation", "check": "", "ping": "a ping of", "way": "our way in to",
          "name": "the public name"}  # fmt: skip
_CAME = OUTCOMES | {"says-4xx": "answers 4xx", "says-5xx": "answers 5xx", "says-no": "refuses in words", "down": "down"}
_BLANKS = {
    "vps": "the proxy", "mail": "the mail host", "host": "the mail host", "ports": "a port", "lanes": "these lanes",
    "names": "a lane", "daemon": "a service", "target": "a port", "every": "every lane", "family": "IPv6 (or IPv4)",
    "server": "PROXY/SERVER", "who": "another program", "to": "another place than its file says", "wrong": "an address",
    "own": "its own", "places": "an inner address", "address": "the address that its log names", "name": "NAME",
    "said": "an error", "file": "haproxy.cfg", "on": "the proxy", "lines": "the changed lines",
    "though": "though the server behind HAProxy answers well", "router": "the router at home",
    "others": "a server that no file names", "frontend": "NAME", "socket": "its stats socket", "limit": "N",
    "status": "STOP", "patience": "N", "greets": "more than N", "checked": "N", "meant": "another", "state": "down, ",
}  # fmt: skip


class About(Struct, frozen=True):
    """An id explained, in sentences. `seen` are symptoms, `proofs` what proves it, `alike` (id, words, what tells)."""

    entry: Entry
    words: tuple[str, ...]
    seen: tuple[str, ...]
    proofs: tuple[str, ...]
    alike: tuple[tuple[str, str, str], ...]
    remedies: tuple[str, ...]


def about(id: str) -> About | None:
    """Explain an id; None when there is no such one."""
    entry = CATALOGUE.get(id)
    if entry is None:
        return None
    mine = [mode for mode in MODES if mode.finding == id]
    words = tuple(dict.fromkeys([*(_blank(mode.words) for mode in mine), *_rules(id)]))
    proofs = tuple(dict.fromkeys(_first(mode.fact.__doc__) for mode in mine if mode.fact.__doc__))
    remedies = tuple(dict.fromkeys([entry.remedy, *(_blank(mode.remedy) for mode in mine if mode.remedy)]))
    return About(entry, words, _symptoms(mine), proofs, _alike(id, mine), remedies)


def _rules(id: str) -> list[str]:
    """The first sentence of every rule that names this id."""
    for module in iter_modules(rules.__path__):
        import_module(f"console.diagnosis.rules.{module.name}")
    found = [_first(rule.__doc__) for known, rule in (*STATIC, *OBSERVED) if known == id and rule.__doc__]
    return [*found, *([_ELSEWHERE[id]] if id in _ELSEWHERE else [])]


def _first(text: str | None) -> str:
    return " ".join((text or "").split("\n\n")[0].split())


def _blank(words: str) -> str:
    class Blanks(dict[str, str]):
        def __missing__(self, key: str) -> str:
            return _BLANKS.get(key, "")

    if words == "{said}":
        return "the public name has no address"
    general = words.replace(", {lanes}", "").replace("public {ports}", "a public port")
    return " ".join(general.format_map(Blanks()).split()).replace(" ,", ",")


def _symptoms(mine: list[Mode]) -> tuple[str, ...]:
    found: dict[str, list[str]] = {}
    for mode in mine:
        for kind, place, outcome in sorted(mode.covers.own):
            where = " ".join(part for part in (_KINDS[kind], _PLACES[place]) if part)
            found.setdefault(where, []).append(outcome)
    return tuple(f"{where}: {_some(outcomes)}" for where, outcomes in found.items())


def _some(outcomes: list[str]) -> str:
    different = list(dict.fromkeys(outcomes))
    return ", ".join(_CAME.get(each, each) for each in different) if len(different) <= MOST else "any failure"


def _alike(id: str, mine: list[Mode]) -> tuple[tuple[str, str, str], ...]:
    """Other modes that explain most of the same symptoms, the likeliest first."""
    keys = {key for mode in mine for key in mode.covers.own}
    rivals = []
    for mode in MODES:
        shared = len(keys & mode.covers.own)
        if mode.finding != id and keys and shared * 2 >= min(len(keys), len(mode.covers.own)):
            rivals.append((-shared / max(len(keys), len(mode.covers.own)), mode.cost, mode))
    rivals.sort(key=lambda each: each[:2])
    named = {mode.finding: (mode.finding, _blank(mode.words), _blank(mode.tells)) for _, _, mode in reversed(rivals)}
    return tuple(dict.fromkeys(named[mode.finding] for _, _, mode in rivals))[:MOST]
