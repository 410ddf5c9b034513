"""Stands for nginx-mailcow: an HTTP/1.1 server of one page, by hand, for one page needs no library."""

from __future__ import annotations

import asyncio
import time
from email.utils import formatdate
from ipaddress import ip_address, ip_network

from console.lab.daemons.doors import Policy, Visitor
from console.lab.daemons.services import Port, Service
from console.lab.network.network import Network

PAGE = b"<!DOCTYPE html>\n<html><head><title>mailcow UI</title></head><body>A rehearsal.</body></html>\n"
WRONG = b"<html><head><title>400 Bad Request</title></head><body><h1>400 Bad Request</h1></body></html>\n"

PATIENCE = 60.0
"""Seconds for a request to arrive (client_header_timeout)."""

LONGEST = 8192
"""Most bytes of a request's head."""


TRUSTED = tuple(map(ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")))
"""Whose X-Forwarded-For is believed (set_real_ip_from in Mailcow's sites-default.conf)."""


def nginx(network: Network) -> Service:
    """Make the service, not yet started: port 80."""
    service = Service(network, "nginx-mailcow", "ghcr.io/mailcow/nginx:1.03")

    async def serve(visitor: Visitor, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                head = await reader.readexactly(1)
                if head.isalpha():
                    head += await reader.readuntil(b"\r\n")
                while _understood(head) and not head.endswith(b"\r\n\r\n"):
                    head += await reader.readuntil(b"\r\n")
            answer = _answer(head)
            service.log(f"nginx: {_access(head, answer, visitor.client[0])}")
            writer.write(answer)
            await writer.drain()
        except asyncio.LimitOverrunError:
            writer.write(_response("400 Bad Request", WRONG, body=True))
        except (TimeoutError, EOFError, OSError):
            pass
        finally:
            writer.close()

    def enter(visitor: Visitor) -> asyncio.Protocol:
        async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await serve(visitor, reader, writer)

        return asyncio.StreamReaderProtocol(asyncio.StreamReader(limit=LONGEST), run)

    service.ports = [Port(80, Policy(lambda reason, address, detail: None), enter)]
    return service


def _access(head: bytes, answer: bytes, peer: str) -> str:
    """A line of the access log, `combined`: it has no port. Proxies of the home network name the client."""
    lines = head.decode("ascii", "backslashreplace").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    forwarded = headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
    if forwarded and any(ip_address(peer) in each for each in TRUSTED if each.version == ip_address(peer).version):
        peer = forwarded
    when = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime())
    status, sent = answer[9:12].decode(), len(answer.partition(b"\r\n\r\n")[2])
    return f'{peer} - - [{when}] "{lines[0]}" {status} {sent} "-" "{headers.get("user-agent", "-")}"'


def _understood(head: bytes) -> bool:
    """Whether the request line is one: a PROXY header, for one, is refused as soon as its line ends."""
    method, _, rest = head.partition(b" ")
    version = rest.split(b"\r\n", 1)[0].rpartition(b" ")[2]
    return method in (b"GET", b"HEAD") and version in (b"HTTP/1.0", b"HTTP/1.1")


def _answer(head: bytes) -> bytes:
    if not _understood(head):
        return _response("400 Bad Request", WRONG, body=True)
    return _response("200 OK", PAGE, body=head.startswith(b"GET"))


def _response(status: str, page: bytes, body: bool) -> bytes:
    head = (
        f"HTTP/1.1 {status}\r\nServer: nginx\r\nDate: {formatdate(usegmt=True)}\r\n"
        f"Content-Type: text/html; charset=UTF-8\r\nContent-Length: {len(page)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + (page if body else b"")
