"""HAProxy's own opinion: `show stat` on its stats socket, by the header row, for columns vary with the version."""

from __future__ import annotations

import asyncio
import csv

from console.errors import HostError, Refused, TimedOut
from console.hosts.host import Host
from console.observation import Server, Stats
from console.text import clean

SOCKETS = ("/run/haproxy/admin.sock", "/run/haproxy.sock", "/var/lib/haproxy/stats")
"""Where distributions and the manual put the socket, tried in this order when the configuration names none."""

CAP = 4 << 20
"""Most bytes read of one answer: about 10,000 servers."""


def parse(text: str) -> tuple[Server, ...]:
    """Read `show stat`; raises ValueError when there is no header row with the columns we need."""
    lines = text.lstrip("\n").splitlines()
    if not lines or not lines[0].startswith("# "):
        raise ValueError(f"not the answer to show stat: {clean(lines[0] if lines else '', 60)}")
    header = lines[0][2:].split(",")
    if missing := {"pxname", "svname", "status"} - set(header):
        raise ValueError(f"show stat has no column {', '.join(sorted(missing))}")
    rows: list[Server] = []
    for values in csv.reader(lines[1:]):
        row = dict(zip(header, values, strict=False))
        name = row.get("svname", "")
        if name in ("", "FRONTEND", "BACKEND"):
            continue
        rows.append(
            Server(
                clean(row["pxname"]),
                clean(name),
                clean(row.get("status", "")),
                clean(row.get("check_status", "")).removeprefix("* "),
                clean(row.get("last_chk", "") or row.get("check_desc", "")),
            )
        )
    return tuple(rows)


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
            return Stats(error=clean(str(error)), socket=path)
    return Stats(error=f"nobody listens on the stats socket {refused}", stopped=True, socket=refused)


async def _answer(host: Host, path: str, timeout: float) -> str:
    stream = await host.connect_unix(path, timeout)
    try:
        await stream.write(b"show stat\n")
        answer = bytearray()
        while data := await stream.read():
            answer += data
            if len(answer) > CAP:
                break
        return answer.decode("utf-8", "replace")
    finally:
        stream.close()
