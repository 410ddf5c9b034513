"""An SSH server in this process, on a port of its own: real SSH, real commands, and whatever fault a test wants."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import asyncssh

USER = "deploy"


class Server:
    """What a test may say about the server, and what the server saw."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.host_key = asyncssh.generate_private_key("ssh-ed25519")
        self.client_key = asyncssh.generate_private_key("ssh-ed25519")
        self.key_file = folder / "id_ed25519"
        self.host_certificate: asyncssh.SSHCertificate | None = None
        self.more_host_keys: list[asyncssh.SSHKey] = []
        self.port = 0
        self.banner = ""
        self.password: str | None = None
        self.challenges: list[tuple[str, bool, str]] = []
        self.instructions = "Look at your token\n"
        self.takes_keys = True
        self.authority: asyncssh.SSHKey | None = None
        self.most_tries = 100
        self.hangs_up_at_login = self.hangs_up_at_command = False
        self.free = False
        self.forwarding = True
        self.refuse_code: int | None = None
        self.slow_login = 0.0
        self.shell: list[str] = ["/bin/sh"]
        self.path = os.environ["PATH"]
        self.dials = self.logins = self.tries = 0
        self.at_once = self.most = 0
        self.commands: list[str] = []
        self.offered: list[str] = []
        self.forwards: list[tuple[str, int]] = []
        self.connections: list[asyncssh.SSHServerConnection] = []
        self._acceptor: asyncssh.SSHAcceptor | None = None

    async def start(self) -> Server:
        """Listen, and write the client's key and configuration."""
        stand = self

        class Front(_Front):
            server = stand

        keys: list[Any] = [(self.host_key, self.host_certificate)] if self.host_certificate else [self.host_key]
        keys += self.more_host_keys
        self._acceptor = await asyncssh.listen(
            "127.0.0.1",
            self.port,
            server_factory=Front,
            server_host_keys=keys,
            process_factory=None if self.hangs_up_at_command else self._run,
            encoding=None,
            line_editor=False,
        )
        self.port = self._acceptor.get_port()
        self.key_file.write_bytes(self.client_key.export_private_key("openssh"))
        self.key_file.chmod(0o600)
        return self

    def configure(self, *lines: str, known: bool = True, alias: str = "vps", key: bool = True) -> Path:
        """Write an OpenSSH configuration for `alias`, and the known_hosts it names; return its path."""
        hosts = self.folder / "known_hosts"
        if known:
            hosts.write_text(f"[127.0.0.1]:{self.port} {self.public()}\n")
        text = [
            f"Host {alias}",
            "  HostName 127.0.0.1",
            f"  Port {self.port}",
            f"  User {USER}",
            f"  IdentityFile {self.key_file if key else self.folder / 'no-key'}",
            "  IdentityAgent none",
            f"  UserKnownHostsFile {hosts}",
            "  GlobalKnownHostsFile none",
            *(f"  {line}" for line in lines),
        ]
        file = self.folder / "config"
        file.write_text("\n".join(text) + "\n")
        return file

    def public(self) -> str:
        """The host key as known_hosts writes it."""
        return self.host_key.export_public_key("openssh").decode().strip()

    async def stop(self) -> None:
        """Stop listening and cut every connection."""
        self.cut()
        if self._acceptor is not None:
            self._acceptor.close()
            await self._acceptor.wait_closed()
            self._acceptor = None

    def gate(self) -> None:
        """Refuse a channel as OpenSSH does: code 1 where it is told not to forward."""
        code = self.refuse_code if self.refuse_code is not None else 0 if self.forwarding else 1
        if code:
            raise asyncssh.ChannelOpenError(code, "open failed")

    def cut(self) -> None:
        """Cut every connection, without a goodbye."""
        for connection in self.connections:
            connection.abort()
        self.connections.clear()

    async def _run(self, process: asyncssh.SSHServerProcess[bytes]) -> None:
        command = process.command or ""
        self.commands.append(command)
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        try:
            child = await asyncio.create_subprocess_exec(
                *self.shell,
                "-c",
                command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                start_new_session=True,
                env={"PATH": self.path, "HOME": str(self.folder), "COWHAND_TEST": str(self.folder)},
            )
            try:
                feeding = asyncio.ensure_future(_feed(process.stdin, child))
                await asyncio.gather(_drain(child.stdout, process.stdout), _drain(child.stderr, process.stderr))
                status = await child.wait()
                feeding.cancel()
                if status < 0:
                    process.exit_with_signal(signal.Signals(-status).name.removeprefix("SIG"))
                else:
                    process.exit(status)
            finally:
                if child.returncode is None:
                    with suppress(ProcessLookupError):
                        os.killpg(child.pid, signal.SIGKILL)
                    await child.wait()
        finally:
            self.at_once -= 1


async def _feed(source: Any, child: Any) -> None:
    try:
        with suppress(asyncssh.Error, OSError):
            while data := await source.read(65536):
                child.stdin.write(data)
                await child.stdin.drain()
    except asyncssh.SignalReceived as received:  # OpenSSH signals the process group
        with suppress(ProcessLookupError):
            os.killpg(child.pid, getattr(signal, f"SIG{received.signal}"))
    child.stdin.close()


async def _drain(source: Any, target: Any) -> None:
    with suppress(asyncssh.Error, OSError):
        while data := await source.read(65536):
            target.write(data)
            await target.drain()


class _Front(asyncssh.SSHServer):
    server: Server

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self.server.dials += 1
        self.server.connections.append(conn)
        self.conn = conn

    async def begin_auth(self, username: str) -> bool:
        if self.server.banner:
            self.conn.send_auth_banner(self.server.banner)
        if self.server.slow_login:
            await asyncio.sleep(self.server.slow_login)
        return not self.server.free

    def auth_completed(self) -> None:
        self.server.logins += 1

    def public_key_auth_supported(self) -> bool:
        return self.server.takes_keys

    def validate_ca_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return self.server.authority is not None and key.public_data == self.server.authority.public_data

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        self.server.tries += 1
        self.server.offered.append(key.get_fingerprint())
        if self.server.hangs_up_at_login:
            self.conn.abort()
        if self.server.tries > self.server.most_tries:
            raise asyncssh.DisconnectError(2, "Too many authentication failures")
        return key.public_data == self.server.client_key.public_data

    def password_auth_supported(self) -> bool:
        return self.server.password is not None

    def validate_password(self, username: str, password: str) -> bool:
        self.server.tries += 1
        return password == self.server.password

    def kbdint_auth_supported(self) -> bool:
        return bool(self.server.challenges)

    def get_kbdint_challenge(self, username: str, lang: str, submethods: str) -> Any:
        prompts = [(prompt, echo) for prompt, echo, _ in self.server.challenges]
        return "Two steps", self.server.instructions, "", prompts

    def validate_kbdint_response(self, username: str, responses: list[str]) -> bool:
        self.server.tries += 1
        return responses == [answer for _, _, answer in self.server.challenges]

    def session_requested(self) -> Any:
        return _Deserter(self.server, self.conn)  # asked where there is no process factory

    def connection_requested(self, dest_host: str, dest_port: int, orig_host: str, orig_port: int) -> Any:
        self.server.forwards.append((dest_host, dest_port))
        self.server.gate()
        return True

    def unix_connection_requested(self, dest_path: str) -> Any:
        self.server.gate()
        return True


class _Deserter(asyncssh.SSHServerSession[bytes]):
    """Starts the command, and is gone before it says so."""

    def __init__(self, server: Server, conn: asyncssh.SSHServerConnection) -> None:
        self.server, self.conn = server, conn

    def exec_requested(self, command: str) -> bool:
        self.server.commands.append(command)
        self.conn.abort()
        return True


Answer = Callable[[Any], Awaitable[str | None]]


def answering(*answers: str | None) -> tuple[list[Any], Answer]:
    """An operator who gives these answers in turn, and the questions they were asked."""
    asked: list[Any] = []
    left = list(answers)

    async def ask(question: Any) -> str | None:
        asked.append(question)
        return left.pop(0)

    return asked, ask


async def echo() -> tuple[asyncio.Server, int]:
    """A TCP server on loopback that greets and echoes; its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(b"220 here\r\n")
            with suppress(OSError, asyncio.CancelledError):  # 3.11 would log the end of the loop as an error
                while data := await reader.read(4096):
                    writer.write(data)
                    await writer.drain()
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    return server, int(server.sockets[0].getsockname()[1])


def shut_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


async def until(holds: Callable[[], bool]) -> None:
    """Wait until something is so; fails after ten seconds."""
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110  # what is waited for is another process's doing
            await asyncio.sleep(0.01)


async def agent(path: Path, *keys: asyncssh.SSHKey) -> asyncio.Server:
    """An agent that holds these keys, on a socket at `path` (draft-miller-ssh-agent)."""
    from asyncssh.packet import Byte, SSHPacket, String, UInt32

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(EOFError, OSError):
            while True:
                packet = SSHPacket(await reader.readexactly(int.from_bytes(await reader.readexactly(4), "big")))
                if packet.get_byte() == 11:
                    answer = Byte(12) + UInt32(len(keys))
                    answer += b"".join(String(key.public_data) + String("a key") for key in keys)
                else:
                    blob, data = packet.get_string(), packet.get_string()
                    key = next(key for key in keys if key.public_data == blob)
                    answer = Byte(14) + String(key.sign(data, key.algorithm))
                writer.write(String(answer))
        writer.close()

    return await asyncio.start_unix_server(serve, path)
