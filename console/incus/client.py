"""Incus asked through pylxd: in a thread, for it blocks; each request with a time limit; by no proxy or CA bundle.

pylxd has no limit of its own, and REQUESTS_CA_BUNDLE in the environment would overrule the pinned certificate."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from console.errors import HostError, NoWayIn, TimedOut
from console.incus import seen
from console.incus.bounded import MESSAGE, bound
from console.incus.seen import Change, Seen
from console.incus.way import Way
from console.text import clean

if TYPE_CHECKING:
    import pylxd

T = TypeVar("T")

LIMIT = 8.0
"""Seconds one request may take."""

WHOLE = 30.0
"""Seconds all requests of a look may take."""

AHEAD = 1000
"""Events that may be heard and not yet told."""


async def look(way: Way) -> Seen:
    """Ask for everything there is to see; raises `HostError` with the reason."""

    def ask() -> Seen:
        client = connect(way)
        try:
            return _look(client, way)
        finally:
            client.api.session.close()

    return await _threaded(ask)


async def follow(way: Way, heard: Callable[[Change], None], ready: Callable[[], None] = lambda: None) -> None:
    """Call `heard` for each change of an instance as it happens, `ready` once they are listened for.

    Returns when Incus closes the stream; raises `HostError` when there is none."""
    client = await _threaded(lambda: connect(way))
    loop, over = asyncio.get_running_loop(), asyncio.Event()

    room = threading.Semaphore(AHEAD)

    def take(found: Change) -> None:
        room.release()
        heard(found)

    def tell(message: bytes) -> None:
        with suppress(ValueError, AttributeError, TypeError, RuntimeError):
            if (found := seen.change(json.loads(message))) is not None:
                room.acquire()
                loop.call_soon_threadsafe(take, found)

    socket = await _threaded(lambda: _listen(client, way, tell))

    def run() -> None:
        with suppress(Exception):
            socket.run()
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(over.set)

    threading.Thread(target=run, name="incus events", daemon=True).start()
    try:
        ready()
        await over.wait()
    finally:
        with suppress(OSError, AttributeError):  # ws4py has none any more when the stream has ended
            socket.sock.shutdown(2)
        client.api.session.close()


async def _threaded(ask: Callable[[], T]) -> T:
    """What `ask` returns, asked in a thread that nobody waits for any more when its time is over."""
    loop, answer = asyncio.get_running_loop(), asyncio.get_running_loop().create_future()

    def settle(found: T | None, error: BaseException | None) -> None:
        if not answer.done():
            answer.set_exception(error) if error is not None else answer.set_result(found)

    def work() -> None:
        found, wrong = None, None
        try:
            found = _plainly(ask)
        except BaseException as error:  # told where it is awaited
            wrong = error
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(settle, found, wrong)

    threading.Thread(target=work, name="incus", daemon=True).start()
    try:
        async with asyncio.timeout(WHOLE):
            told: T = await answer
            return told
    except TimeoutError:
        raise TimedOut(f"Incus did not answer within {WHOLE:g} s") from None


def _plainly(ask: Callable[[], T]) -> T:
    """What `ask` returns; what pylxd and its libraries raise, as a sentence."""
    import requests
    from pylxd import exceptions

    try:
        return ask()
    except exceptions.NotFound:
        raise HostError("Incus does not have that") from None
    except exceptions.LXDAPIException as error:
        raise HostError(f"Incus: {clean(str(error), 200)}") from None
    except exceptions.ClientConnectionFailed as error:
        raise NoWayIn(f"Incus cannot be asked: {_why(str(error))}") from None
    except requests.exceptions.Timeout:
        raise TimedOut(f"Incus did not answer within {LIMIT:g} s") from None
    except requests.exceptions.RequestException as error:
        raise NoWayIn(f"Incus cannot be asked: {_why(str(error))}") from None
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError, RecursionError) as error:
        raise HostError(f"Incus: this is not its API ({type(error).__name__})") from None
    except OSError as error:
        raise NoWayIn(f"Incus cannot be asked: {_why(error.strerror or str(error))}") from None


def _why(text: str) -> str:
    """The reason in a chain of urllib3's."""
    if "Fingerprints did not match" in text or "fingerprint" in text.lower():
        return "its certificate is not the one that is pinned"
    return clean(text.rpartition("Caused by")[2] or text, 200)


def connect(way: Way) -> pylxd.Client:
    """Connect, and see that we are let in; blocking. Raises what `_plainly` explains."""
    import pylxd
    from pylxd.client import get_session_for_url

    logging.getLogger("ws4py").setLevel(logging.CRITICAL)
    cert = (way.certificate, way.key) if way.certificate else None
    if cert is not None:
        for file in (*cert, way.server):
            if not os.access(file, os.R_OK):
                raise NoWayIn(f"{clean(file, 200)} cannot be read")
    session = get_session_for_url(way.url, verify=way.server or None, cert=cert)
    session.trust_env = False
    bound(session, WHOLE)
    try:
        client = pylxd.Client(
            way.url, cert=cert, verify=way.server or True, timeout=LIMIT, session=session, project=way.project or None
        )
        if not client.trusted:
            raise NoWayIn("Incus does not trust this client's certificate: incus config trust add-certificate FILE")
    except BaseException:
        session.close()
        raise
    return client


def _look(client: pylxd.Client, way: Way) -> Seen:
    every = {} if way.project else {"all-projects": "true"}
    environment = client.host_info["environment"]
    rows = _rows(client.api.instances.get(params={"recursion": "2", **every}))
    kept: list[seen.Kept] = []
    for pool in _rows(client.api.storage_pools.get(params={"recursion": "1"})):
        node = client.api.storage_pools[pool["name"]].volumes
        kept += seen.volumes(_rows(node.get(params={"recursion": "1", **every})), str(pool["name"]))
    return Seen(
        clean(str(environment.get("server_name", "")), 80),
        f"{clean(str(environment.get('server', '')), 20)} {clean(str(environment.get('server_version', '')), 20)}",
        bool(environment.get("server_clustered", False)),
        tuple(sorted((seen.guest(row) for row in rows), key=lambda each: (each.machine.project, each.machine.name))),
        tuple(sorted(kept, key=lambda each: (each.project, each.pool, each.name))),
    )


def _rows(response: Any) -> list[dict[str, Any]]:
    return list(response.json()["metadata"] or ())


def _listen(client: pylxd.Client, way: Way, tell: Callable[[bytes], None]) -> Any:
    """Open the stream of events; blocking."""
    from pylxd.client import EventType, _WebsocketClient
    from ws4py.exc import HandshakeError

    class Listener(_WebsocketClient):  # type: ignore[misc]  # it has no types
        pending = 0

        def process(self, data: bytes) -> bool:
            self.pending += len(data)
            return self.pending <= MESSAGE and bool(super().process(data))

        def received_message(self, message: Any) -> None:
            self.pending = 0
            tell(message.data)

    listener = client.events(websocket_client=Listener, event_types={EventType.Lifecycle})
    if not way.project:
        listener.resource += "&all-projects=true"
    listener.sock.settimeout(LIMIT)
    try:
        listener.connect()
    except HandshakeError as error:
        raise OSError(0, f"it gives no events: {error}") from None
    if way.server:
        _pinned(listener.sock, way.server)
    return listener


def _pinned(sock: ssl.SSLSocket, server: str) -> None:
    """See that the stream comes from the server that is pinned: ws4py looks at no certificate."""
    wanted = ssl.PEM_cert_to_DER_cert(Path(server).read_text(encoding="ascii"))
    got = sock.getpeercert(binary_form=True) or b""
    if hashlib.sha256(got).digest() != hashlib.sha256(wanted).digest():
        sock.close()
        raise OSError(0, "its certificate is not the one that is pinned")
