"""Who listens on which TCP port: `ss -ltn`, with processes where we may see them; without ss, /proc/net/tcp.

Before iproute2 4.14 ss wrote IPv4's wildcard as `*`; since then `*` is a socket of both families. Brackets around
IPv6 came with 4.13, `-H` with 4.7; before 3.14 a process was `("sshd",53,3)`."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address

from msgspec import Struct

from console.answers import Listener
from console.facts.command import run
from console.hosts.host import Host
from console.text import clean

COMMANDS = (("ss", "-Hltnp"), ("ss", "-ltnp"))
PROC = ("cat", "/proc/net/tcp", "/proc/net/tcp6")

_LINE = re.compile(r"(?:tcp\s+)?LISTEN\s+(\d+)\s+\d+\s+(\S+):(\d+)\s+(\S+):\*\s*(.*)")
_USER = re.compile(r"""\("(.{0,15}?)",(?:pid=)?(\d+),(?:fd=)?\d+\)(?=,\("|\)\s*$)""")
"""A process names itself: only what closes the list, or opens the next, ends a name."""
_PROC = re.compile(r"\s*\d+: ([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4}) [0-9A-F]+:[0-9A-F]{4} ([0-9A-F]{2}) ")
LISTEN = "0A"


class Listeners(Struct, frozen=True):
    """All that listen, or why nobody could tell."""

    found: tuple[Listener, ...] = ()
    error: str = ""

    def at(self, port: int) -> tuple[Listener, ...]:
        """Those on a port."""
        return tuple(each for each in self.found if each.port == port)


async def ask(host: Host) -> Listeners:
    """Ask who listens on `host`; failures are in the result, never raised."""
    error = ""
    for command in (*COMMANDS, PROC):
        answer = await run(host, command)
        if answer.status < 0:
            return Listeners(error=answer.error)
        if answer.error and command is not PROC:  # without IPv6 there is no tcp6, and cat says so
            error = error or answer.error
            continue
        if command is PROC and not answer.text.strip():
            break
        try:
            return Listeners(parse(answer.text))
        except ValueError as problem:
            error = error or answer.error or f"{command[0]} on {host.name}: {problem}"
    return Listeners(error=error)


def parse(text: str) -> tuple[Listener, ...]:
    """Read ss of any version, or /proc/net/tcp and tcp6; raises ValueError when it is neither."""
    lines = text.split("\n")
    if "local_address" in lines[0]:
        return tuple(found for line in lines if (found := _from_proc(line)))
    rows: list[tuple[str, str, str, str, str]] = []
    for line in lines:
        if match := _LINE.match(line):
            rows.append((match[1], match[2], match[3], match[4], match[5]))
        elif line[:1].isspace() and "users:" in line and rows:
            rows[-1] = (*rows[-1][:4], line.strip())  # a narrow ss wraps its lines
        elif line.strip() and not line.startswith(("State", "Netid")):
            raise ValueError(f"not the answer to ss -ltn: {clean(line, 60)}")
    old = any(local.startswith(":") or peer.startswith(":") for _, local, _, peer, _ in rows)
    old = old or any("." in local and ":" not in local and peer == "*" for _, local, _, peer, _ in rows)
    return tuple(_from_ss(*row, old) for row in rows)


def _from_ss(waiting: str, local: str, port: str, peer: str, users: str, old: bool) -> Listener:
    name, pid = "", 0
    if match := _USER.search(users):
        name, pid = clean(match[1], 40), int(match[2])
    address, _, device = local.replace("[", "").replace("]", "").partition("%")
    both = not old and address in ("*", "::") and peer == "*"
    if address == "*":
        address = "0.0.0.0" if old else "::"
    return Listener(_plain(address), int(port), name, pid, clean(device, 20), both, int(waiting))


def _from_proc(line: str) -> Listener | None:
    match = _PROC.match(line)
    if match is None or match[3] != LISTEN:
        return None
    words = bytes.fromhex(match[1])  # each 32-bit word as a little-endian machine prints it
    turned = b"".join(words[at : at + 4][::-1] for at in range(0, len(words), 4))
    address = IPv4Address(turned) if len(turned) == 4 else IPv6Address(turned)
    return Listener(_plain(str(address)), int(match[2], 16))


def _plain(address: str) -> str:
    """Write an IPv4 address in IPv6's clothes as what it is."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return clean(address, 60)
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return str(parsed)
