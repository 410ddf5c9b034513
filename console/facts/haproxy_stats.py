"""HAProxy's own opinion: `show stat` on its stats socket, by the header row, for columns vary with the version.

Recorded from 1.5 to 3.4: new columns come at the end or before the modules' own, names are not always unique (3.x has
"-" and modules' twice), and a value may hold commas, quotes and, in an agent's words, line breaks."""

from __future__ import annotations

import asyncio
import csv
import io

from console.errors import HostError, Refused, TimedOut
from console.hosts.host import Host
from console.observation import Server, Stats
from console.text import clean

SOCKETS = ("/run/haproxy/admin.sock", "/run/haproxy.sock", "/var/lib/haproxy/stats")
"""Where distributions and the manual put the socket, tried in this order when the configuration names none."""

SERVER = "2"
"""`type` of a server's row: 0 frontend, 1 backend, 2 server, 3 listener (with `option socket-stats`)."""

CAP = 4 << 20
"""Most bytes read of one answer: about 10,000 servers."""


def parse(text: str) -> tuple[Server, ...]:
    """Read `show stat`; raises ValueError when there is no header row with the columns we need."""
    first, _, rest = text.lstrip("\n").partition("\n")
    if not first.startswith("# "):
        raise ValueError(f"not the answer to show stat: {clean(first.strip(), 60)}")
    header = first[2:].rstrip("\r").split(",")
    if missing := {"pxname", "svname", "status"} - set(header):
        raise ValueError(f"show stat has no column {', '.join(sorted(missing))}")
    places = {name: place for place, name in reversed(list(enumerate(header)))}  # the first of a name counts
    servers = []
    try:
        for values in csv.reader(io.StringIO(rest, newline="")):
            if (server := _server(places, values)) is not None:
                servers.append(server)
    except csv.Error as error:
        raise ValueError(f"show stat cannot be read: {clean(str(error), 60)}") from None
    return tuple(servers)


def _server(places: dict[str, int], values: list[str]) -> Server | None:
    def value(column: str) -> str:
        place = places.get(column, len(values))
        return values[place] if place < len(values) else ""

    name = value("svname")
    if name in ("", "FRONTEND", "BACKEND") or value("type") not in ("", SERVER):
        return None
    return Server(
        clean(value("pxname")),
        clean(name),
        clean(value("status")),
        clean(value("check_status")).removeprefix("* "),
        clean(value("last_chk") or value("check_desc")),
    )


async def ask(host: Host, sockets: tuple[str, ...] = SOCKETS, timeout: float = 5.0) -> Stats:
    """Ask the first of `sockets` that answers, on `host`; failures are in the result, never raised."""
    refused = ""
    for path in sockets:
        try:
            async with asyncio.timeout(timeout):
                return Stats(parse(await _answer(host, path, timeout)), socket=path)
        except (TimeoutError, TimedOut):
            return Stats(error=f"the stats socket {path} did not answer within {timeout:g} s", socket=path)
        except Refused:
            refused = refused or path
        except (HostError, ValueError) as error:
            said = clean(str(error), 500)
            if "ermission denied" in said:
                said = f'{path}: permission denied on {host.name}; add become = "sudo"'
            return Stats(error=said, socket=path)
    return Stats(error=f"nobody listens on the stats socket {refused}", stopped=True, socket=refused)


async def _answer(host: Host, path: str, timeout: float) -> str:
    return await tell(host, path, "show stat", timeout)


async def tell(host: Host, path: str, commands: str, timeout: float) -> str:
    """Return what the socket answers to one line of commands that change nothing; raises `HostError`."""
    stream = await host.connect_unix(path, timeout)
    try:
        await stream.write(f"{commands}\n".encode())
        answer = bytearray()
        while data := await stream.read():
            answer += data
            if len(answer) > CAP:
                break
        return answer.decode("utf-8", "replace")
    finally:
        stream.close()
