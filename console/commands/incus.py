"""`incus`: what Incus itself says of the VM and its volumes, and what happens to them."""

from __future__ import annotations

import argparse
import asyncio
import sys
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from console.commands import opening
from console.commands.arguments import add_json
from console.commands.output import EXIT_BLIND, EXIT_FINDINGS, EXIT_WELL, emit, say
from console.errors import HostError
from console.text import clean

if TYPE_CHECKING:
    from console.engine.vantages import Vantages
    from console.estate.load import Estate
    from console.hosts.host import Host
    from console.incus.seen import Change, Seen
    from console.incus.way import Way


def declare(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--watch", action="store_true", help="then tell each change of an instance as it happens")
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print what Incus says; returns the exit status."""
    estate = opening.load_estate(arguments)
    opening.say_problems(estate)
    try:
        return asyncio.run(_run(estate, opening.open_vantages(arguments, estate), arguments.json, arguments.watch))
    except HostError as error:
        say(str(error))
        return EXIT_BLIND


async def _run(estate: Estate, opened: Vantages, as_json: bool, watch: bool) -> int:
    from console.formats import incus as formats

    wanted = tuple(each.name for each in estate.topology.instances)
    try:
        host = _host(opened)
        with suppress(TimeoutError):
            async with asyncio.timeout(opening.OPENING):
                await host.open()
        async with AsyncExitStack() as stack:
            way = await _way(stack, estate, host)
            seen = await _seen(way, host)
            if as_json:
                emit(formats.document(seen, wanted))
            else:
                print("\n".join(formats.lines(seen, wanted)), flush=True)
            if watch:
                if way is None:
                    raise HostError(f"Incus on {host.name} answers a command, and gives no events")
                await _follow(way, as_json)
        down = [
            each.machine for each in seen.guests if each.machine.name in wanted and each.machine.status != "Running"
        ]
        return EXIT_FINDINGS if down or formats.missing(seen, wanted) else EXIT_WELL
    finally:
        await opened.close()


def _host(opened: Vantages) -> Host:
    """Where Incus is asked: the home server, else this machine; raises `HostError` with the reason."""
    if why := opened.missing.get("hypervisor"):
        raise HostError(why)
    return opened.hosts.get("hypervisor") or opened.hosts["here"]


async def _way(stack: AsyncExitStack, estate: Estate, host: Host) -> Way | None:
    """The way that site.toml gives, else the socket on the host; None where only its command can be asked."""
    from console.errors import Refused
    from console.estate import named
    from console.incus import way

    entry = estate.site.incus
    if entry is not None and entry.url is not None:
        return _https(estate)
    project, socket = (entry.project, entry.socket or "") if entry is not None else ("", "")
    if socket and not estate.own and socket not in way.SOCKETS:
        raise named.problem(estate, "incus", "socket", f'"{clean(socket, 120)}" is not where Incus listens: not asked. '
                            "Only a site file in ~/.config/cowhand names another place")  # fmt: skip
    try:
        return await stack.enter_async_context(way.carried(host, project, socket))
    except Refused:
        from console.facts import incus

        if (await incus.ask(host)).error:
            raise
        return None


def _https(estate: Estate) -> Way:
    from console.estate import named
    from console.incus import way
    from console.site import IncusEntry

    entry, usual = estate.site.incus, IncusEntry()
    assert entry is not None
    assert entry.url is not None
    if not entry.url.startswith("https://") or not entry.server_certificate:
        raise HostError("[incus] in site.toml: url begins with https:// and wants server_certificate, a file to pin")
    named.certificates(estate, "incus", "server_certificate", entry.server_certificate)
    files = {
        key: Path(written).expanduser()  # Incus' own place for it, which any site file means by leaving it out
        if (written := getattr(entry, key)) == getattr(usual, key)
        else named.path(estate, "incus", key, written)
        for key in ("certificate", "key", "server_certificate")
    }
    return way.https(entry.url, files["certificate"], files["key"], files["server_certificate"], entry.project)


async def _seen(way: Way | None, host: Host) -> Seen:
    from console.incus import client
    from console.incus.seen import Guest, Seen

    if way is not None:
        return await client.look(way)
    from console.facts import incus

    found = await incus.ask(host)
    if found.error:
        raise HostError(found.error)
    return Seen("", "", False, tuple(Guest(each) for each in found.found))


async def _follow(way: Way, as_json: bool) -> None:
    from console.formats import incus as formats
    from console.incus import client

    def heard(found: Change) -> None:
        print(msgspec.json.encode(found).decode() if as_json else formats.change(found), flush=True)

    def ready() -> None:
        print("listening for changes; ctrl+c ends it", file=sys.stderr, flush=True)

    await client.follow(way, heard, ready)
    raise HostError("Incus has closed its stream of events")
