"""Clients that connect all the while: `handshakes.py NAME ROOTS ADDRESS,PORT,PROTOCOL …`, until standard input ends.

One client for each place; each shakes hands, looks whether the certificate is trusted and for NAME, leaves, and begins
anew. Then a line for each handshake: when it began and ended (monotonic seconds), the place, the serial number, or what
went wrong."""

from __future__ import annotations

import json
import socket
import ssl
import sys
import threading
import time
from typing import BinaryIO

PATIENCE, PAUSE = 60.0, 0.3
"""Seconds for each read, which is more than a busy machine needs; seconds between two handshakes of one client."""

Told = tuple[float, float, str, str, str]
"""Begun, ended, place, serial number or "", what went wrong or ""."""


def _ask(stream: BinaryIO, command: bytes, last: bytes) -> None:
    """Send a command, and read up to the line that begins with `last`."""
    if command:
        stream.write(command)
        stream.flush()
    while line := stream.readline():
        if line.startswith(last):
            return
        if line[:1] in b"45" or line.startswith((b"NO", b"BYE", b"* BYE", b"a NO", b"a BAD")):
            break
    raise ConnectionError(f"said {line.decode('ascii', 'replace').strip()!r}")


def _begin(stream: BinaryIO, protocol: str) -> None:
    if protocol == "smtp":
        _ask(stream, b"", b"220 ")
        _ask(stream, b"EHLO client.example.test\r\n", b"250 ")
        _ask(stream, b"STARTTLS\r\n", b"220 ")
    elif protocol == "sieve":
        _ask(stream, b"", b"OK")
        _ask(stream, b"STARTTLS\r\n", b"OK")


def _shake(context: ssl.SSLContext, name: str, place: str) -> str:
    address, port, protocol = place.split(",")
    with socket.create_connection((address, int(port)), PATIENCE) as plain:
        with plain.makefile("rwb", buffering=0) as stream:
            _begin(stream, protocol)  # type: ignore[arg-type]
        with context.wrap_socket(plain, server_hostname=name) as secure:
            found = secure.getpeercert() or {}
            return str(found["serialNumber"])


def _client(context: ssl.SSLContext, name: str, place: str, told: list[Told], ended: threading.Event) -> None:
    while not ended.is_set():
        serial, wrong, begun = "", "", time.monotonic()
        try:
            serial = _shake(context, name, place)
        except OSError as error:
            wrong = f"{type(error).__name__}: {error}"
        told.append((begun, time.monotonic(), place, serial, wrong))
        ended.wait(PAUSE)


def main(name: str, roots: str, *places: str) -> None:
    """Shake hands until standard input ends; then tell of all of it."""
    context = ssl.create_default_context(cafile=roots)
    told: list[Told] = []
    ended = threading.Event()
    clients = [threading.Thread(target=_client, args=(context, name, each, told, ended)) for each in places]
    for each in clients:
        each.start()
    print("ready", flush=True)
    sys.stdin.read()
    ended.set()
    for each in clients:
        each.join()
    for row in told:
        print(json.dumps(row))


if __name__ == "__main__":
    main(*sys.argv[1:])
