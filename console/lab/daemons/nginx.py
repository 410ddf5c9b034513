"""Stands for nginx-mailcow: an HTTP/1.1 server of one page, by hand, for one page needs no library."""

from __future__ import annotations

import asyncio
from email.utils import formatdate

from console.lab.daemons.doors import Policy
from console.lab.daemons.services import Port, Service
from console.lab.network.network import Network

PAGE = b"<!DOCTYPE html>\n<html><head><title>mailcow UI</title></head><body>A rehearsal.</body></html>\n"
WRONG = b"<html><head><title>400 Bad Request</title></head><body><h1>400 Bad Request</h1></body></html>\n"

PATIENCE = 60.0
"""Seconds for a request to arrive (client_header_timeout)."""

LONGEST = 8192
"""Most bytes of a request's head."""


def nginx(network: Network) -> Service:
    """Make the service, not yet started: port 80."""
    service = Service(network, "nginx-mailcow", "ghcr.io/mailcow/nginx:1.03")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                head = await reader.readexactly(1)
                if head.isalpha():
                    head += await reader.readuntil(b"\r\n")
                while _understood(head) and not head.endswith(b"\r\n\r\n"):
                    head += await reader.readuntil(b"\r\n")
            answer = _answer(head)
            request = head.split(b"\r\n", 1)[0].decode("ascii", "backslashreplace")
            service.log(f'nginx: "{request}" {answer[9:12].decode()}')
            writer.write(answer)
            await writer.drain()
        except asyncio.LimitOverrunError:
            writer.write(_response("400 Bad Request", WRONG, body=True))
        except (TimeoutError, EOFError, OSError):
            pass
        finally:
            writer.close()

    def enter(_visitor: object) -> asyncio.Protocol:
        return asyncio.StreamReaderProtocol(asyncio.StreamReader(limit=LONGEST), serve)

    service.ports = [Port(80, Policy(lambda reason, address, detail: None), enter)]
    return service


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
