"""HAProxy as it runs on the proxy: which file it has read, whether it accepts it, and what its checks say."""

from __future__ import annotations

import asyncio
import re
import shlex
import time

from msgspec import Struct

from console.answers import Server, Stats
from console.drift.tracked import tracked
from console.errors import HostError
from console.estate.load import Estate
from console.facts import addresses, haproxy_stats, programs
from console.facts.command import explain
from console.flows import CheckResult, NotYetKnown, StepContext, done, needed, refused, skipped
from console.flows.haproxy_listeners.wanted import ways
from console.mask import mask
from console.model import Lane
from console.sources import haproxy
from console.text import clean, join_words

PROGRAM = "program"
"""The name of the step after which HAProxy runs."""

LOOK = 20.0
"""Seconds a small command may take: HAProxy reads all certificates to check its file."""

EDITED = 256 << 10
"""Bytes of a file that is edited, which is read some twenty times over: thousands of lines."""

PROOF = 30.0
"""Seconds in which HAProxy has to read its file, and then to have every server UP.

It asks twice, 2 s apart, and postscreen waits 6 s."""

OFTEN = 1.0
"""Seconds between two looks at the stats socket."""

CLOSED = ("L4CON", "L4TOUT")
"""A check that found nobody at the port."""

_ALERT = re.compile(r"^\[ALERT\]\s*(?:\S*\s*\(\d+\) )?: (?:config : )?")

PROVEN = ("L6OK", "L7OK")


class Found(Struct, frozen=True):
    """The file that HAProxy runs, what its stats socket says, and whether the proxy has IPv6 (`six`)."""

    path: str
    text: str
    stats: Stats
    six: bool
    evidence: tuple[str, ...] = ()


async def look(context: StepContext) -> Found | CheckResult:
    """Find the file; a result says why this flow has nothing to do, or must not go on."""
    path = used(context.estate)
    if isinstance(path, CheckResult):
        return path
    if context.expects(PROGRAM):
        raise NotYetKnown("HAProxy does not run yet")
    text = await context.text("proxy", path, EDITED)
    name = context.name("proxy")
    if text is None:
        return refused(f"there is no {path} on {name}; say where HAProxy's file is: [deployed] in site.toml")
    if why := await _not_run(context, path) or await _not_accepted(context, path):
        return refused(why)
    sockets = haproxy.parse(text, path).stats_sockets or haproxy_stats.SOCKETS
    stats = await haproxy_stats.ask(context.host("proxy"), sockets)
    if stats.error:
        return refused(f"HAProxy on {name} cannot be asked, so nothing would prove a change: {stats.error}")
    own = await addresses.ask(context.host("proxy"))
    six = any(":" in each for each in own.found)
    said = f"{name} has IPv6" if six else own.error or f"{name} has no IPv6 address that others can dial"
    return Found(path, text, stats, six, (said, f"its stats socket is {stats.socket}"))


def used(estate: Estate) -> str | CheckResult:
    """Return where HAProxy's file is on the proxy; a result says why there is none that this flow can edit."""
    if estate.sources.haproxy is None:
        return skipped("the site names no file of HAProxy's")
    names = [document.file for document in estate.sources.haproxy.documents]
    found = [each for each in tracked(estate) if each.file in names]
    if len(names) != 1 or len(found) != 1:
        return refused(f"HAProxy's configuration is {len(names)} files here, and this flow edits one")
    if found[0].why:
        return refused(found[0].why)
    return found[0].path


async def _not_run(context: StepContext, path: str) -> str:
    """Say why the file is not the one that HAProxy runs; "" when it is."""
    name = context.name("proxy")
    told = await programs.ask(context.host("proxy"), "haproxy")
    if told.error:
        raise HostError(told.error)
    named = [file for each in told.found if (file := _named(each.words))]
    if not told.found:
        return f"HAProxy does not run on {name}"
    if not named or any(each != [path] for each in named):
        files = join_words(sorted({file for each in named for file in each})) or "no file that ps shows"
        return f"HAProxy on {name} runs {files}, not {path} alone; say where this file is: [deployed] in site.toml"
    return ""


def _named(line: str) -> list[str]:
    """The files that a HAProxy was started with: those after each -f, and after --."""
    try:
        words = shlex.split(line)
    except ValueError:
        words = line.split()
    files: list[str] = []
    taking = False
    for word in words[1:]:
        if word in ("-f", "--"):
            taking = True
        elif word.startswith("-"):
            taking = False
        elif taking:
            files.append(clean(word))
    return files


async def _not_accepted(context: StepContext, path: str) -> str:
    """Say why HAProxy refuses the file as it is; "" when it does not."""
    said = await context.host("proxy").run(["haproxy", "-c", "-f", path], LOOK)
    if said.status == 0:
        return ""
    lines = [line for line in said.stderr.decode("utf-8", "replace").split("\n") if "ALERT" in line]
    reason = clean(mask(_ALERT.sub("", lines[0])), 200) if lines else explain(context.name("proxy"), "haproxy", said)
    return f"HAProxy refuses {path} as it is: {reason}"


# ── what its checks say ─────────────────────────────────────────────────────────────────────────────────────────────


def _servers(estate: Estate, stats: Stats) -> list[tuple[str, str, Server | None]]:
    """The servers of mail in the file: their names, the kind of their check, and their line in the stats."""
    rows = {(each.proxy, each.name): each for each in stats.servers}
    single = [way for way in ways(estate) if way.server.count == 1]
    names = {(way.backend.name, way.server.name): way.server.check.kind for way in single}
    return [(f"{key[0]}/{key[1]}", kind, rows.get(key)) for key, kind in names.items()]


def down(estate: Estate, stats: Stats) -> list[str]:
    """The servers at whose port nobody answers."""
    return [
        f"{name} is {row.status} ({row.check} {row.last})".replace(" )", ")")
        for name, _, row in _servers(estate, stats)
        if row is not None and row.status.startswith("DOWN") and row.check in CLOSED
    ]


def unread(estate: Estate, stats: Stats) -> list[str]:
    """What shows that HAProxy runs an older file: a listener or server that it lacks, a check of another kind."""
    lanes: list[Lane] = [lane for way in ways(estate) for lane in way.lanes]
    running = {each.name for each in stats.frontends}
    missing = [name for name in dict.fromkeys(lane.frontend or lane.proxy for lane in lanes) if name not in running]
    found = [f"it has no listener {name}" for name in missing]
    for name, kind, row in _servers(estate, stats):
        if row is None:
            found.append(f"it has no server {name}")
        elif kind == "L7" and row.check == "L4OK":
            found.append(f"its check of {name} is a bare connection")
    return found


async def reading(context: StepContext, estate: Estate) -> None:
    """Wait until HAProxy's stats socket answers as the file says it should; gives up after `PROOF` seconds."""
    until = time.monotonic() + PROOF
    while True:
        stats = await _stats(context, estate)
        if not (stats.error or unread(estate, stats)) or time.monotonic() > until:
            return
        await asyncio.sleep(OFTEN)


async def _stats(context: StepContext, estate: Estate) -> Stats:
    socket = haproxy.parse(estate.texts[_file(estate)], "").stats_sockets or haproxy_stats.SOCKETS
    return await haproxy_stats.ask(context.host("proxy"), socket)


def _unproven(estate: Estate, stats: Stats) -> list[str]:
    """The servers that are not UP by a check that got its answer."""
    if stats.error:
        return [stats.error]
    found = unread(estate, stats)
    for name, _, row in _servers(estate, stats):
        if row is not None and not (row.status.startswith("UP") and row.check in PROVEN):
            found.append(f"{name} is {row.status}, by {row.check or 'no check'} {row.last}".rstrip())
    return found


async def prove(context: StepContext, estate: Estate) -> CheckResult:
    """Wait until each server of mail is UP by a check that got its answer; says which is not."""
    until = time.monotonic() + PROOF
    while True:
        stats = await _stats(context, estate)
        open_ = _unproven(estate, stats)
        if not open_:
            rows = [f"{name}: {row.status}, {row.check} {row.last}" for name, _, row in _servers(estate, stats) if row]
            return done("HAProxy has every server of mail UP, by checks that read the greeting", *rows)
        if time.monotonic() > until:
            return needed(join_words(open_))
        await asyncio.sleep(OFTEN)


def _file(estate: Estate) -> str:
    assert estate.sources.haproxy is not None
    return estate.sources.haproxy.documents[0].file
