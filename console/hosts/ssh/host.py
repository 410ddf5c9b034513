"""A machine reached by SSH: one connection, a few sessions on it, and a word for everything that can be in the way."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from console.errors import NoWayIn, Refused, TimedOut, Unreachable, Unresolved
from console.hosts import files, relay, shell
from console.hosts.become import Become
from console.hosts.host import ANY, Before, Completed, Stream, feeding
from console.hosts.marks import marked, plainly
from console.hosts.names import numeric
from console.hosts.process import Dialogue, attend, bounded, called, lost, unbounded
from console.hosts.resolver import ADDRESSES
from console.hosts.ssh.channel import ForwardedStream, RemoteProcess
from console.hosts.ssh.link import Link
from console.hosts.ssh.opening import FAILED, FORBIDDEN, NotOpened, Places, T, beats, hang_up, patiently, reason
from console.hosts.ssh.routes import Routes
from console.model import Role
from console.questions import Asker, Credentials
from console.text import clean

if TYPE_CHECKING:
    import asyncssh

SESSIONS = 8
"""Commands at once on one connection: OpenSSH's MaxSessions is 10."""

FORWARDS = 64
"""Streams at once on one connection; OpenSSH does not count them."""

SETTLE = (0.1, 0.2, 0.4, 0.8, 0.0)
"""Seconds between attempts to open a session: the server counts one until its command has ended."""

STREAM = 300.0
"""Seconds after which a command that carries a stream ends by itself."""

_ports = itertools.cycle(range(49152, 65536))


class Ssh:
    """The machine that `destination` names in the operator's OpenSSH configuration, or user@host.

    `become` is "sudo" for a user who is not root; `ask` puts questions; `tell` takes lines for the command log; `file`
    stands for ssh's -F, and `distrust` says why it is not used, "" when it may be. Nothing is dialled before it is
    needed."""

    def __init__(
        self,
        name: str,
        role: Role,
        destination: str,
        *,
        become: str | None = None,
        ask: Asker | Credentials | None = None,
        tell: Callable[[str], None] | None = None,
        file: Path | None = None,
        distrust: Callable[[], str] | None = None,
    ) -> None:
        self.name, self.role, self.destination = name, role, destination
        self.credentials = ask if isinstance(ask, Credentials) else Credentials(ask)
        self.tell = tell or (lambda text: None)
        self.link = Link(name, destination, self.credentials, self.tell, file, distrust=distrust)
        self.root = Become(name, self.credentials) if become else None
        self._sessions, self._forwards = Places(name, SESSIONS, "commands"), Places(name, FORWARDS, "streams")
        self._openings: set[asyncio.Future[Any]] = set()
        self._forbidden: set[object] = set()
        self._allowed = False
        self._tools: tuple[str, ...] | None = None
        self._bounds = True
        self.routes = Routes(self._execute)
        self._pulse: asyncio.Task[bool] | None = None

    @property
    def banner(self) -> str:
        """What the server said before it let us in, cleaned; "" when nothing."""
        return self.link.banner

    async def open(self) -> None:
        """Connect now, and wait for the operator's answers however long they take; raises `NoWayIn`."""
        connection = await self.link.connection(patient=True)
        if self.root is None:
            await beats(connection)  # sshd lets us in before it is ready to serve; that is no latency of what it dials
        else:
            self.root.user = self.link.user
            await self.root.open(self._execute)

    async def resolve(self, name: str) -> tuple[str, ...]:
        """Addresses of a name as this machine sees them, IPv4 first."""
        if numeric(name):
            return (name,)
        if name.startswith("-") or not name.isprintable():
            raise Unresolved(f"{clean(name, 60)} has no address")
        done = await self._execute(["getent", "ahosts", name], Dialogue(), 10, 65536)
        if done.status == 127:
            raise NoWayIn(f"{name} was not resolved: {self.name} has no getent")
        words = (line.split() for line in done.stdout.decode("ascii", "replace").splitlines())
        addresses = dict.fromkeys(line[0] for line in words if line and numeric(line[0]))
        if done.status or not addresses:
            raise Unresolved(f"{name} has no address")
        return tuple(sorted(addresses, key=lambda address: ":" in address))[:ADDRESSES]

    async def connect(self, address: str, port: int, timeout: float) -> Stream:
        """Open a TCP stream from this machine."""
        what, target = f"{address}:{port}", (address, port)
        if self._is_forbidden(target):
            return await self._connect_by_command(address, port, timeout)

        leaving: asyncio.Future[str | None] | None = None

        async def channel(connection: asyncssh.SSHClientConnection) -> Any:
            nonlocal leaving  # asked after the channel was, for a server that starts a command answers nothing else
            leaving = leaving or asyncio.ensure_future(self.routes.leaves(address))
            return await connection.open_connection(address, port, "127.0.0.1", 0, encoding=None)

        try:
            stream, took = await self._forward(channel, what, timeout)
        except NotOpened as error:
            _abandon(leaving)
            if error.code == FAILED:
                if told := relay.explain(error.said, what, timeout):
                    raise told from None
                return await self._ask_why(address, port, timeout)
            if error.code not in FORBIDDEN:
                raise NoWayIn(f"{self.name} has no room to forward {what}: {error.said}") from None
            self._forbidden.add(target)
            return await self._connect_by_command(address, port, timeout)
        except BaseException:
            _abandon(leaving)
            raise
        self._allowed = True
        try:
            local = await leaving if leaving else None
        except BaseException:
            stream.close()
            raise
        return stream.place((local, next(_ports)) if local else None, target, took)

    async def connect_unix(self, path: str, timeout: float) -> Stream:
        """Open a stream to a UNIX socket of this machine, as root when we become root and only root may."""
        if path in self._forbidden:
            return await self._unix_by_command(path, timeout)

        async def channel(connection: asyncssh.SSHClientConnection) -> Any:
            return await connection.open_unix_connection(path, encoding=None)

        try:
            stream, took = await self._forward(channel, path, timeout)
        except NotOpened as error:
            if self.root is None and (known := relay.explain(error.said, path, timeout)):
                raise known from None
            self._forbidden.add(path)  # OpenSSH says "open failed" to whatever is wrong with a socket
            return await self._unix_by_command(path, timeout)
        return stream.place(None, None, took)

    async def run(self, argv: Sequence[str], timeout: float, cap: int = 1 << 20) -> Completed:
        """Run a command, as root when we become root, in the C locale, without a terminal and with no input."""
        return await self.execute(argv, Dialogue(feeding.get()), timeout, cap)

    async def read(self, path: str, cap: int = 1 << 20) -> bytes:
        """Return a file's content, read as `run` would."""
        return await files.read(self.execute, self.name, path, cap)

    async def write(self, path: str, data: bytes, mode: int = 0o600, before: Before = ANY) -> None:
        """Replace a file whole or not at all, written as `run` would."""
        await files.write(self.execute, self.name, path, data, mode, before)

    def forget(self) -> None:
        """Try again at once what was refused, failed or not answered."""
        self.credentials.forget()
        self.link.forget()
        self._forbidden.clear()
        self._tools = None
        if self.root is not None:
            self.root.forget()

    async def close(self) -> None:
        """Let go of the connection."""
        self.routes.close()
        if self._pulse is not None:
            self._pulse.cancel()
        for opening in tuple(self._openings):
            opening.cancel()
        if self.root is not None:
            self.root.close()
        await self.link.close()

    async def execute(self, argv: Sequence[str], dialogue: Dialogue, timeout: float, cap: int) -> Completed:
        """Run a command with a dialogue, as root when we become root."""
        words = marked(argv, self.name)
        if self.root is None:
            return plainly(argv, await self._execute(words, dialogue, timeout, cap))
        self.root.user = self.link.user
        return plainly(argv, await self.root.run(self._execute, words, dialogue, timeout, cap))

    async def _execute(self, argv: Sequence[str], dialogue: Dialogue, timeout: float, cap: int) -> Completed:
        if self._bounds and argv[0] != "sudo":
            done = await self._once(bounded(argv, timeout), dialogue, timeout, cap)
            if not unbounded(done):
                return done
            self._bounds = False
        return await self._once(argv, dialogue, timeout, cap)

    async def _once(self, argv: Sequence[str], dialogue: Dialogue, timeout: float, cap: int) -> Completed:
        await self.link.connection()
        async with self._sessions:
            process: RemoteProcess | None = None
            try:
                async with asyncio.timeout(timeout):
                    process = await self._start(argv)
                    done = await attend(process, dialogue, cap)
            except TimeoutError:
                await self._doubt(await self.link.connection())
                raise TimedOut(f"{called(argv)} did not end within {timeout:g} s on {self.name}") from None
            finally:
                if process is not None:
                    await process.kill()
        if (
            done.status == 127
            and b"No such file or directory" in done.stderr
            and argv[0] != "sudo"
            and not unbounded(done)
        ):
            return Completed(127, b"", f"{called(argv)}: command not found".encode())
        return done

    async def _start(self, argv: Sequence[str]) -> RemoteProcess:
        """Start a command, and never a second time where the first may have begun."""
        import asyncssh

        line = shell.command(argv)

        async def start(connection: asyncssh.SSHClientConnection) -> asyncssh.SSHClientProcess[bytes]:
            opened: list[asyncssh.SSHClientProcess[bytes]] = []

            def process() -> asyncssh.SSHClientProcess[bytes]:
                opened.append(asyncssh.SSHClientProcess())
                return opened[0]

            try:
                await connection.create_session(process, line, encoding=None, request_pty=False)
            except (asyncssh.Error, OSError):
                if opened and connection.is_closed():
                    raise lost(self.name) from None  # the command may run: whatever became of it, not twice
                raise
            await opened[0].redirect(asyncssh.PIPE, asyncssh.PIPE, asyncssh.PIPE)
            return opened[0]

        for pause in SETTLE:
            try:
                process = await patiently(self._openings, self._with_connection(start), hang_up)
                return RemoteProcess(self.name, process)
            except NotOpened as error:
                said = error.said
            await asyncio.sleep(pause)
        raise NoWayIn(f"{self.name} does not run commands for us: {said}")

    async def _with_connection(self, open: Callable[[asyncssh.SSHClientConnection], Awaitable[T]]) -> T:
        """Open something on the connection, on a new one when the old turns out to be gone; raises `NotOpened`."""
        import asyncssh

        for last in (False, True):
            connection = await self.link.connection()
            try:
                return await open(connection)
            except (asyncssh.Error, OSError) as error:
                if not connection.is_closed():
                    raise NotOpened(getattr(error, "code", FAILED), reason(error)) from None
                if last:
                    break
        raise lost(self.name)

    async def _forward(
        self, channel: Callable[[asyncssh.SSHClientConnection], Any], what: str, timeout: float
    ) -> tuple[ForwardedStream, float]:
        """Open a channel, and say how many milliseconds the server took for it.

        Raises `NotOpened` with the server's reason, `TimedOut` or `NoWayIn`."""
        connection = await self.link.connection()
        await self._forwards.take()
        took = 0.0

        async def timed(connection: asyncssh.SSHClientConnection) -> Any:
            nonlocal took
            began = time.perf_counter()
            pair = await channel(connection)
            took = (time.perf_counter() - began) * 1000
            return pair

        def drop(pair: Any) -> None:
            self._forwards.release()
            if pair is not None:
                pair[1].channel.abort()

        try:
            reader, writer = await patiently(self._openings, self._with_connection(timed), drop, timeout)
        except TimeoutError:
            await self._doubt(connection)
            raise TimedOut(f"{what} did not answer within {timeout:g} s") from None
        except (NotOpened, NoWayIn):
            self._forwards.release()
            raise
        return ForwardedStream(self.name, reader, writer, self._forwards.release), took

    async def _doubt(self, connection: asyncssh.SSHClientConnection) -> None:
        """Something did not answer: return when the connection itself still does, else raise `NoWayIn`."""
        if self._pulse is None or self._pulse.done():
            self._pulse = asyncio.ensure_future(beats(connection))
        if not await asyncio.shield(self._pulse):
            self.link.lost(connection)
            raise NoWayIn(f"the connection to {self.name} does not answer any more")

    def _is_forbidden(self, target: tuple[str, int]) -> bool:
        """Whether the server is known not to forward there: it said so of this target, or of all that were tried."""
        several = not self._allowed and sum(isinstance(entry, tuple) for entry in self._forbidden) > 1
        return several or target in self._forbidden

    async def _ask_why(self, address: str, port: int, timeout: float) -> Stream:
        """Try again by a command, which tells: OpenSSH says "open failed" where a connection fails at once.

        To the machine itself that is a refusal; to another it may be a missing route."""
        what = f"{address}:{port}"
        if address.startswith("127.") or address == "::1":
            raise Refused(f"{what} refused the connection")
        try:
            return await self._connect_by_command(address, port, timeout)
        except NoWayIn:
            said = f"{what}: {self.name} could not begin to connect and did not say why: no route there, or refused"
            raise Unreachable(said) from None

    async def _connect_by_command(self, address: str, port: int, timeout: float) -> Stream:
        tool = relay.pick(await self._find_tools())
        if tool is None:
            raise NoWayIn(f"forwarding is forbidden by {self.name}, which has no python3, socat or bash instead")
        note = f"forwarding is forbidden by {self.name}: asked by {tool} there"
        local = None if tool == "python3" else await self.routes.leaves(address)
        argv = self._bound(relay.tcp(tool, address, port, timeout))
        stream = await self._by_command(argv, (address, port), note)
        await self._opened(stream, Dialogue(stay=True), f"{address}:{port}", timeout)
        if stream.local is None and local:
            stream.place((local, next(_ports)))
        return stream

    async def _unix_by_command(self, path: str, timeout: float) -> Stream:
        found = await self._find_tools()
        argv = next((made for tool in relay.TOOLS if tool in found and (made := relay.unix(tool, path, timeout))), None)
        if argv is None:
            raise NoWayIn(f"{self.name} does not forward {path}, and has neither python3 nor socat")
        dialogue = Dialogue(stay=True)
        note = f"{path} on {self.name} is not forwarded: asked by {argv[0]} there"
        if self.root is None:
            argv = self._bound(argv)
        else:
            prefix = await self.root.prefix(self._execute, dialogue, timeout)
            argv = [*prefix, *(bounded(argv, STREAM) if self.root.bounds else argv)]
        stream = await self._by_command(argv, None, note)
        await self._opened(stream, dialogue, path, timeout)
        return stream

    def _bound(self, argv: list[str]) -> list[str]:
        return bounded(argv, STREAM) if self._bounds else argv

    async def _opened(self, stream: relay.CommandStream, dialogue: Dialogue, what: str, timeout: float) -> None:
        try:
            await stream.open(dialogue, what, timeout)
        except BaseException:
            stream.close()
            raise

    async def _by_command(self, argv: Sequence[str], peer: tuple[str, int] | None, note: str) -> relay.CommandStream:
        await self._sessions.take()
        try:
            process = await self._start(argv)
        except BaseException:
            self._sessions.release()
            raise
        self._say_once(note)
        return relay.CommandStream(process, peer, self._sessions.release, note)

    def _say_once(self, note: str) -> None:
        if note not in self._forbidden:
            self._forbidden.add(note)
            self.tell(note)

    async def _find_tools(self) -> tuple[str, ...]:
        if self._tools is None:
            done = await self._execute(relay.FIND, Dialogue(), 10, 4096)
            self._tools = tuple(done.stdout.decode("ascii", "replace").split())
        return self._tools


def _abandon(task: asyncio.Future[Any] | None) -> None:
    if task is not None:
        task.cancel()
