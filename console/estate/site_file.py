"""Finds, reads, checks and writes `site.toml`; every error has its line and column."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import msgspec
from msgspec import Struct

from console.errors import InputError
from console.estate import text_file
from console.hosts import names
from console.model import Protocol, ProxyVersion, Role
from console.site import CertificateEntry, DeclaredLane, HostEntry, IncusEntry, PublicEntry, Site, SourceFiles
from console.text import clean, is_plain, join_words

if TYPE_CHECKING:
    from console.setup.writing import Remarks

FILE = "site.toml"

MOST_NAMES = 100
"""Public names: each is asked on every lane, at every address it has."""


MOST_HOSTS = 100
"""Machines of a site: two or three, in what people have."""


def find(explicit: Path | None = None) -> Path | None:
    """Return the site file: the one named, else $COWHAND_SITE, ./site.toml, or the one in the XDG folder.

    Both may name a file or one of the operator's own sites. Raises `InputError` for a name that is no site's, for
    several sites of which none is called site, and for a ./site.toml that another user has laid where everybody may
    lay one, as in /tmp."""
    named = str(explicit) if explicit is not None else os.environ.get("COWHAND_SITE") or ""
    if "/" in named or "." in named:  # no site is called so
        return Path(named).expanduser() if explicit is None else explicit
    if not named and Path(FILE).is_file():
        found: Path | None = Path(FILE)
    else:
        from console.estate import site_names

        found = site_names.named(named) if named else site_names.only()
    if not named and found is not None and (who := _planted(found) if found == Path(FILE) else _others(found)):
        raise InputError(str(found), 0, 0, f"belongs to {who}, and nobody named it; name it with --site if you mean it")
    return found


def title(path: Path) -> str:
    """Return what a site without a name of its own is called: by its file, or by its folder when that is site.toml."""
    return path.stem if path.name != FILE else path.absolute().parent.name


def _planted(path: Path) -> str:
    """Return who has laid a file into a folder that everybody may write in; "" when it is ours or root's."""
    from console.store.safe_folder import user_name

    try:
        if not path.absolute().parent.stat().st_mode & 0o002:
            return ""
        owners = {path.lstat().st_uid, path.stat().st_uid} - {0, os.geteuid()}
    except OSError:
        return ""
    return user_name(min(owners)) if owners else ""


def _others(path: Path) -> str:
    """Return who owns a site file of the configuration folder, or that folder; "" when it is ours or root's."""
    from console.store.safe_folder import user_name

    try:
        owners = {path.stat().st_uid, path.absolute().parent.stat().st_uid} - {0, os.geteuid()}
    except OSError:
        return ""
    return user_name(min(owners)) if owners else ""


def load(path: Path) -> Site:
    """Read a site file; raises `InputError` with the place of the first error."""
    return parse(read(path), str(path))


def read(path: Path) -> str:
    """Return the text of a site file; raises `InputError` when it cannot be read."""
    try:
        return text_file.read(path, str(path)).removeprefix("\ufeff")
    except OSError as error:
        why = "is not there: write one, or name another with --site" if isinstance(error, FileNotFoundError) else ""
        raise InputError(str(path), 1, 1, f"the site file {why or text_file.reason(error)}") from None


def parse(text: str, file: str) -> Site:
    """Read the text of a site file; raises as `load` does."""
    import tomllib

    text = text.removeprefix("\ufeff")
    if dotted := _DOTTED.search(text):
        line = text.count("\n", 0, dotted.start()) + 1
        raise InputError(file, line, 1, "this is not a site file: a key of many parts with dots between")
    try:
        data = tomllib.loads(text)
    except ValueError as error:
        raise _syntax(text, file, str(error)) from None
    except RecursionError:
        raise InputError(file, 1, 1, "this is not a site file: brackets too deep inside each other") from None
    try:
        complaint = next(_complaints(data), None)
    except RecursionError:
        raise InputError(file, 1, 1, "this is not a site file: tables too deep inside each other") from None
    if complaint is None:
        return msgspec.convert(data, Site)
    from console.sources.toml_places import find as find_places

    where, problem = complaint
    places = find_places(text)
    while where and where not in places:
        where = where[:-1]
    raise InputError(file, *places.get(where, (1, 1)), problem)


_DOTTED = re.compile(r"""(?<![\w.\\-])(?:(?:[\w-]++|"(?:\\.|[^"\\\n])*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){40}""", re.ASCII)
"""More parts of a key than any site file has: tomllib's time grows with their square."""


def draft(site: Site) -> str:
    """Return the text of a new site file, without keys that have their default and without comments."""
    import tomli_w

    data = _sparse(msgspec.to_builtins(site), msgspec.to_builtins(Site()))
    data["hosts"] = {name: _sparse(host, _HOST) for name, host in data.get("hosts", {}).items()}
    data["lane"] = [_sparse(lane, {}) for lane in data.get("lane", ())]
    return tomli_w.dumps({key: value for key, value in data.items() if value})


def merged(before: str, old: Site, site: Site, file: str, remarks: Remarks | None = None) -> str:
    """Return the text `before`, which says `old`, changed to say `site`; comments and all other bytes stay.

    Raises `InputError` where that cannot be done."""
    from console.setup.writing import NotKept, merge

    try:
        return merge(before, old, site, remarks)
    except NotKept as error:
        raise InputError(
            file, 0, 0, f"cannot be changed by cowhand without a loss: {error}; change it by hand"
        ) from None


def save(site: Site, path: Path) -> None:
    """Write a site file, whole or not at all; one that is there keeps its comments. Raises `InputError`."""
    from console.store import atomic
    from console.store.safe_folder import why

    before = read(path) if path.exists() else ""
    text = merged(before, parse(before, str(path)), site, str(path)) if before else draft(site)
    try:
        atomic.write(path, text.encode())
    except OSError as error:
        raise InputError(str(path), 1, 1, f"the site file cannot be written: {why(error)}") from None


_HOST = {"local": False}


def _sparse(data: dict[str, Any], default: Mapping[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in data.items():
        if value is None or (key in default and value == default[key]):
            continue
        inner = default.get(key)
        result[key] = _sparse(value, inner if isinstance(inner, dict) else {}) if isinstance(value, dict) else value
    return result


Where = tuple[str | int, ...]
Complaint = tuple[Where, str]


def _syntax(text: str, file: str, problem: str) -> InputError:
    match = re.search(r"\s*\(at (?:line (\d+), column (\d+)|end of document)\)$", problem)
    words = clean(problem[: match.start()] if match else problem, 120)
    words = words[:1].lower() + words[1:]
    if match and match[1]:
        line, column = int(match[1]), int(match[2])
    else:
        lines = text.rstrip().split("\n")
        line, column = (len(lines), len(lines[-1]) + 1) if match else (1, 1)
    return InputError(file, line, column, f"this is not TOML: {words}")


# ── shapes ──────────────────────────────────────────────────────────────────────────────────────────────────────────

_KINDS = {
    "str": "text in quotes",
    "int": "a whole number",
    "bool": "true or false",
    "array": "a list in [ ]",
    "object": "a table",
}
_CHOICES: dict[str, tuple[str, ...]] = {
    "role": tuple(role for role in get_args(Role) if role != "here"),
    "protocol": get_args(Protocol),
    "proxy_protocol": get_args(ProxyVersion),
    "tls": ("passthrough", "terminated"),
}


def _complaints(data: dict[str, Any]) -> Iterator[Complaint]:
    """Yield the errors: shapes before meanings. Only the first is certain; later ones may follow from it."""
    yield from _strange((), data)
    shape: dict[str, Any] = {**data, "hosts": {}} if isinstance(data.get("hosts"), dict) else data
    yield from _shape((), shape, Site)
    for name, entry in data.get("hosts", {}).items():
        yield from _shape(("hosts", name), entry, HostEntry)
    site = msgspec.convert(data, Site)
    if (count := len(site.public.names)) > MOST_NAMES:
        yield ("public", "names"), f"{count} names are more than {MOST_NAMES}; keep those that clients dial"
    called: list[tuple[Where, str]] = [(("public", "names", at), name) for at, name in enumerate(site.public.names)]
    if site.certificate is not None:
        called.append((("certificate", "name"), site.certificate.name))
    for where, name in called:
        if not _CALLED.fullmatch(name):
            yield where, f'"{clean(name, 60)}" is no name that a client can dial; written "mail.example.org"'
    yield from _hosts(site)
    for file, place in site.deployed.items():
        name, colon, path = place.partition(":")
        if not colon or not path.startswith("/") or name not in site.hosts:
            known = f"hosts are {join_words(list(site.hosts))}" if site.hosts else "this file names no host"
            yield ("deployed", file), f'"{clean(place, 60)}" is no place on a host; written "host:/path", and {known}'
    for index, lane in enumerate(site.lane):
        yield from _lane(("lane", index), lane)


_CALLED = re.compile(r"(?:\*\.)?[\w-]+(?:\.[\w-]+)*\.?|[0-9A-Fa-f:]*:[0-9A-Fa-f:.%\w]*")


def _strange(where: Where, value: Any) -> Iterator[Complaint]:
    if isinstance(value, str) and not is_plain(value):
        yield where, f'"{clean(value, 60)}" has a control or invisible character in it'
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _strange((*where, key), inner)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _strange((*where, index), inner)


def _shape(base: Where, data: Any, kind: type[Struct]) -> Iterator[Complaint]:
    try:
        msgspec.convert(data, kind)
    except msgspec.ValidationError as error:
        words, _, path = str(error).partition(" - at `$")
        where = (*base, *_steps(path.rstrip("`")))
        yield _say(words, where, data, base)


def _steps(path: str) -> Iterator[str | int]:
    for match in re.finditer(r"\.(\w+)|\[(\d+)\]", path):
        yield match[1] if match[1] else int(match[2])


def _say(words: str, where: Where, data: Any, base: Where) -> Complaint:
    """Return msgspec's error as a sentence for the operator, with its place in the file."""
    name = next((str(step) for step in reversed(where) if isinstance(step, str)), "")
    if match := re.fullmatch(r"Object contains unknown field `(.*)`", words, re.DOTALL):
        return (*where, match[1]), _unknown(match[1], where)
    if match := re.fullmatch(r"Object missing required field `(.*)`", words):
        choices = _CHOICES.get(match[1])
        return where, f'{_table(where)} needs "{match[1]}"' + (f": {_either(choices)}" if choices else "")
    if words.startswith("Invalid enum value"):
        value = data
        for step in where[len(base) :]:
            value = value[step]
        return where, f'"{clean(str(value), 40)}" is no {name}: {_either(_CHOICES.get(name, ()))}'
    if match := re.fullmatch(r"Expected `(.*?)`(?:, got `(.*)`)?", words):
        if where == ("lane",):
            return where, "lanes are written [[lane]], one table for each"
        wanted, got = (_KINDS.get((each or "").split(" ")[0], "something else") for each in match.groups())
        return where, f'"{name}" must be {wanted}, not {got}' if name else f"{_table(where)} must be {wanted}"
    return where, f'"{name}": {clean(words, 120)}'


def _unknown(key: str, where: Where) -> str:
    from difflib import get_close_matches

    known = _KEYS.get(_table(where).strip("[]").partition(".")[0], tuple(Site.__struct_fields__))
    near = get_close_matches(key, known, 1, 0.5)
    hint = f'did you mean "{near[0]}"?' if near else f"its keys are {join_words(known, 12)}"
    return f'"{clean(key, 40)}" is not a key of {_table(where)}; {hint}'


_KEYS = {
    "sources": SourceFiles.__struct_fields__,
    "hosts": HostEntry.__struct_fields__,
    "lane": DeclaredLane.__struct_fields__,
    "public": PublicEntry.__struct_fields__,
    "certificate": CertificateEntry.__struct_fields__,
    "incus": IncusEntry.__struct_fields__,
    "deployed": (),
}


def _table(where: Where) -> str:
    """Return the header of a table, as it is written."""
    if not where:
        return "the site file"
    if where[0] == "lane":
        return "[[lane]]"
    return "[" + ".".join(clean(str(step), 40) for step in where if isinstance(step, str)) + "]"


def _either(words: tuple[str, ...] | list[str]) -> str:
    quoted = [f'"{word}"' for word in words]
    return quoted[0] if len(quoted) == 1 else ", ".join(quoted[:-1]) + f" or {quoted[-1]}" if quoted else ""


# ── meanings ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _hosts(site: Site) -> Iterator[Complaint]:
    if len(site.hosts) > MOST_HOSTS:
        yield ("hosts",), f"{len(site.hosts)} hosts are more than {MOST_HOSTS}; keep those of this mail server"
        return
    for name, host in site.hosts.items():
        where: Where = ("hosts", name)
        label = f"[hosts.{clean(name, 40)}]"
        if host.role == "here":
            yield (*where, "role"), f'"here" is no role: {_either(_CHOICES["role"])}'
        if host.ssh and (wrong := names.complaint(host.ssh)):
            yield (*where, "ssh"), wrong
        if host.incus and not names.INSTANCE.fullmatch(host.incus):
            yield (
                (*where, "incus"),
                f'"{clean(host.incus, 60)}" is no instance of Incus; written "remote:name" or "name"',
            )
        ways = [bool(host.ssh), bool(host.via or host.incus), host.local]
        if sum(ways) > 1:
            yield where, f"{label} has more than one way in; keep ssh, via with incus, or local = true"
        elif not any(ways):
            yield where, f'{label} has no way in; give ssh = "alias", via with incus, or local = true'
        elif bool(host.via) != bool(host.incus):
            missing, present = ("incus", "via") if host.via else ("via", "incus")
            yield (*where, present), f"{label} has {present} without {missing}; incus exec needs both"
        if host.via and (host.via == name or host.via not in site.hosts):
            others = [each for each in site.hosts if each != name]
            hint = f"other hosts are {join_words(others)}" if others else "there is no other host"
            yield (*where, "via"), f'"{clean(host.via, 40)}" is not another host; {hint}'
        elif host.via and _circle(site, name):
            yield (*where, "via"), f"{label} is reached through itself; one host of the chain needs ssh or local"


def _circle(site: Site, name: str) -> bool:
    seen: set[str] = set()
    at: str | None = name
    while at in site.hosts:
        if at in seen:
            return True
        seen.add(at)
        at = site.hosts[at].via
    return False


_TARGET = re.compile(r"(\[[0-9A-Fa-f:.%\w]+\]|[^\s:\[\]/]+):(\d{1,5})")


def _lane(where: Where, lane: DeclaredLane) -> Iterator[Complaint]:
    if not 1 <= lane.port <= 65535:
        yield (*where, "port"), f"port {lane.port} is not between 1 and 65535"
    match = _TARGET.fullmatch(lane.target)
    if not match or not 1 <= int(match[2]) <= 65535:
        problem = f'"{clean(lane.target, 60)}" is no target; written "host:port", "[IPv6]:port"'
        yield (*where, "target"), problem
    if lane.tls is not None and lane.tls not in _CHOICES["tls"]:
        yield (*where, "tls"), f'"{clean(lane.tls, 40)}" is no tls: {_either(_CHOICES["tls"])}'
    if lane.name is not None and not lane.name.strip():
        yield (*where, "name"), "a lane's name is empty; take the key out, or name it"
