"""HAProxy's own opinion: `show stat` on its stats socket, by the header row, for columns vary.

Recorded from 1.5 to 3.4: new columns come at the end or before the modules' own, names are not always unique (3.x has
"-" and modules' twice), and a value may hold commas, quotes and, in an agent's words, line breaks."""

from __future__ import annotations

import asyncio
import csv
import io
import re
from itertools import islice

from msgspec.structs import replace

from console.answers import Directed, Frontend, Limits, Server, Stats
from console.errors import HostError, Refused, TimedOut
from console.hosts.host import Host
from console.text import clean, count

SOCKETS = ("/run/haproxy/admin.sock", "/run/haproxy.sock", "/var/lib/haproxy/stats")
"""Where distributions and the manual put the socket, tried in this order when the configuration names none."""

SERVER = "2"
"""`type` of a server's row: 0 frontend, 1 backend, 2 server, 3 listener (with `option socket-stats`)."""

FRONTEND = "0"

INFO, STATE = "show info", "show servers state"
"""`show servers state` came with 1.6; its columns are counted, for 2.x adds some at the end only."""

CAP = 4 << 20
"""Most bytes read of one answer: about 10,000 servers."""

ROWS = 20_000
"""Most rows of one answer: short ones would be a million in as many bytes, and take half a minute to read."""

COLUMNS = frozenset(
    [
        "pxname",
        "svname",
        "status",
        "type",
        "scur",
        "slim",
        "dcon",
        "dses",
        "dreq",
        "mode",
        "ssl_sess",
        "check_status",
        "last_chk",
        "check_desc",
        "weight",
        "check_duration",
        "qcur",
        "econ",
        "eresp",
        "lastchg",
    ]
)
"""What is taken of a row: a header of 100,000 names would be gone through for each of its rows, for half a minute."""


def parse(text: str) -> tuple[Server, ...]:
    """Read the servers of `show stat`; raises ValueError when there is no header row with the columns we need."""
    servers = (_server(row) for row in _rows(text))
    return tuple(server for server in servers if server is not None)


def parse_frontends(text: str) -> tuple[Frontend, ...]:
    """Read the frontends of `show stat`, as `parse` does its servers."""
    return tuple(
        Frontend(
            clean(row.get("pxname", "")),
            clean(row.get("status", "")),
            count(row.get("scur")),
            count(row.get("slim")),
            (count(row.get("dcon")) or 0) + (count(row.get("dses")) or 0),
            clean(row.get("mode", "")),
            count(row.get("ssl_sess")),
            count(row.get("dreq")),
        )
        for row in _rows(text)
        if row.get("svname") == "FRONTEND" and row.get("type", FRONTEND) in ("", FRONTEND)
    )


def recounted(servers: tuple[Server, ...], text: str) -> tuple[Server, ...]:
    """Return the servers as they were told, with the TLS sessions of a later `show stat`; raises ValueError."""
    now = {(each.proxy, each.name): each.secured for each in parse(text)}
    return tuple(replace(each, secured=now.get((each.proxy, each.name))) for each in servers)


def parse_info(text: str) -> Limits | None:
    """Read connections and their limit from `show info`; None when it does not tell."""
    told = dict(re.findall(r"(?m)^(CurrConns|Maxconn): (\d+)\s*$", text))
    now, most = count(told.get("CurrConns")), count(told.get("Maxconn"))
    return None if now is None or most is None else Limits(now, most)


def parse_state(text: str) -> dict[str, Directed]:
    """Read where servers are from `show servers state`; {} from a HAProxy that does not know it.

    Its columns: backend, 2 server, 4 address, 18 port, 21 the port that is checked (2.x)."""
    found: dict[str, Directed] = {}
    for line in text.split("\n", ROWS)[:ROWS]:
        words = line.split()
        if len(words) < 19 or count(words[0]) is None or (port := count(words[18])) is None:
            continue
        checked = (count(words[21]) or 0) if len(words) > 21 else 0
        found[f"{clean(words[1])}/{clean(words[3])}"] = Directed(clean(words[4]), port, checked)
    return found


def _rows(text: str) -> list[dict[str, str]]:
    first, _, rest = text.lstrip("\n").partition("\n")
    if not first.startswith("# "):
        raise ValueError(f"not the answer to show stat: {clean(first.strip(), 60)}")
    header = first[2:].rstrip("\r").split(",")
    if missing := {"pxname", "svname", "status"} - set(header):
        raise ValueError(f"show stat has no column {', '.join(sorted(missing))}")
    places = {name: header.index(name) for name in COLUMNS.intersection(header)}  # the first of a name counts
    try:
        read = list(islice(csv.reader(io.StringIO(rest, newline="")), ROWS + 1))
    except csv.Error as error:
        raise ValueError(f"show stat cannot be read: {clean(str(error), 60)}") from None
    if len(read) > ROWS:
        raise ValueError(f"show stat has more than {ROWS} rows: not read")
    return [{name: values[place] for name, place in places.items() if place < len(values)} for values in read]


def _server(row: dict[str, str]) -> Server | None:
    name = row.get("svname", "")
    if name in ("", "FRONTEND", "BACKEND") or row.get("type", "") not in ("", SERVER):
        return None
    return Server(
        clean(row.get("pxname", "")),
        clean(name),
        clean(row.get("status", "")),
        clean(row.get("check_status", "")).removeprefix("* "),
        clean(row.get("last_chk", "") or row.get("check_desc", "")),
        count(row.get("weight")),
        count(row.get("check_duration")),
        count(row.get("scur")),
        count(row.get("qcur")),
        (count(row.get("econ")) or 0) + (count(row.get("eresp")) or 0) if "econ" in row else None,
        count(row.get("lastchg")),
        count(row.get("slim")) or None,
        count(row.get("ssl_sess")),
    )


async def ask(host: Host, sockets: tuple[str, ...] = SOCKETS, timeout: float = 5.0) -> Stats:
    """Ask the first of `sockets` that answers, on `host`; failures are in the result, never raised."""
    refused = ""
    for path in sockets:
        try:
            text = await tell(host, path, "show stat", timeout)
            return Stats(parse(text), socket=path, frontends=parse_frontends(text))
        except TimedOut:
            said = f"the stats socket {path} did not answer within {timeout:g} s"
            return Stats(error=said, socket=path, silent=True)
        except Refused:
            refused = refused or path
        except (HostError, ValueError) as error:
            said = clean(str(error), 500)
            if "ermission denied" in said:
                said = f'{path}: permission denied on {host.name}; add become = "sudo"'
            return Stats(error=said, socket=path)
    return Stats(error=f"nobody listens on the stats socket {refused}", stopped=True, socket=refused)


async def tell(host: Host, path: str, commands: str, timeout: float) -> str:
    """Return what the socket answers to one line of commands that change nothing; raises `HostError`.

    The seconds begin when we are in the machine: a way in that takes longer is no silence of HAProxy's."""
    stream = await host.connect_unix(path, timeout)
    try:
        async with asyncio.timeout(timeout):
            await stream.write(f"{commands}\n".encode())
            answer = bytearray()
            while data := await stream.read():
                answer += data
                if len(answer) > CAP:
                    break
        return answer.decode("utf-8", "replace")
    except TimeoutError:
        raise TimedOut(f"the stats socket {path} did not answer within {timeout:g} s") from None
    finally:
        stream.close()
