"""The last lines of a service's log: asked only after a probe failed, for a log is the server's own word on why."""

from __future__ import annotations

from console.errors import HostError
from console.hosts.host import Host
from console.text import clean


async def tail(host: Host, service: str, lines: int = 60) -> tuple[str, ...]:
    """Return the last lines of a compose service's log, cleaned; () when they cannot be had."""
    command = ["docker", "compose", "logs", "--no-color", "--no-log-prefix", "--tail", str(lines), service]
    try:
        completed = await host.run(command, timeout=5.0, cap=1 << 18)
    except HostError:
        return ()
    if completed.status != 0:
        return ()
    return tuple(clean(line, 300) for line in completed.stdout.decode("utf-8", "replace").splitlines())
