"""A stand-in for Incus on a UNIX socket: answers with what Incus 6.0.4 said, recorded, and tells one event."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

RECORDED: dict[str, Any] = json.loads((Path(__file__).parent / "recorded.json").read_text())

STOPPED = {
    "type": "lifecycle",
    "timestamp": "2026-11-27T16:48:14.777031276Z",
    "project": "default",
    "metadata": {"action": "instance-stopped", "source": "/1.0/instances/mailcow"},
}


class Incus:
    """Answers by path; `tell` sends an event to every listener. A `mute` one takes a request and says nothing."""

    def __init__(self, mute: bool = False, answers: dict[str, Any] | None = None) -> None:
        self.mute = mute
        self.answers = {**RECORDED, **(answers or {})}
        self.asked: list[str] = []
        self.listeners: list[asyncio.StreamWriter] = []
        self.heard_of = asyncio.Event()

    @asynccontextmanager
    async def serving(self, path: Path) -> AsyncIterator[str]:
        server = await asyncio.start_unix_server(self._serve, path)
        try:
            yield str(path)
        finally:
            server.close()
            self.hang_up()

    def tell(self, event: dict[str, Any]) -> None:
        data = json.dumps(event).encode()
        length = bytes([len(data)]) if len(data) < 126 else b"\x7e" + len(data).to_bytes(2, "big")
        for each in self.listeners:
            each.write(b"\x81" + length + data)

    def hang_up(self) -> None:
        for each in self.listeners:
            each.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await _head(reader):
            path = head.split(" ", 2)[1]
            self.asked.append(path)
            if self.mute:
                continue
            if path.startswith("/1.0/events"):
                key = next(line.split(": ")[1] for line in head.split("\r\n") if line.startswith("Sec-WebSocket-Key"))
                told = hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()
                accept = base64.b64encode(told).decode()
                head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                writer.write(f"{head}Sec-WebSocket-Accept: {accept}\r\n\r\n".encode())
                self.listeners.append(writer)
                self.heard_of.set()
                return
            found = self.answers.get(path, {"type": "error", "error": "not found", "error_code": 404})
            body = found if isinstance(found, bytes) else json.dumps(found).encode()
            status = "200 OK" if path in self.answers else "404 Not Found"
            writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        writer.close()


async def _head(reader: asyncio.StreamReader) -> str:
    try:
        return (await reader.readuntil(b"\r\n\r\n")).decode()
    except (asyncio.IncompleteReadError, ConnectionError):
        return ""
