"""What can be broken on purpose: one registry of faults, each with what it should make cowhand say."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from msgspec import Struct

from console.errors import LabError
from console.lab.addresses import GATEWAY, PROXY, SLOWNESS
from console.model import HopName, Outcome

if TYPE_CHECKING:
    from console.lab.estate import Estate

Act = Callable[["Estate"], Awaitable[None]]


class Fault(Struct, frozen=True):
    """One fault: what it is in words, and the finding, hop and outcome by which it must be recognised."""

    id: str
    words: str
    finding: str
    hop: HopName
    outcome: Outcome
    break_: Act
    heal: Act


def find(id: str) -> Fault:
    """The fault of that id; raises `LabError` that names them all."""
    if id in FAULTS:
        return FAULTS[id]
    raise LabError(f"no fault is called {id}; there are {', '.join(FAULTS)}")


async def _distrust(estate: Estate) -> None:
    estate.dovecot.trust()


async def _trust(estate: Estate) -> None:
    estate.dovecot.trust(GATEWAY)


async def _drop_headers(estate: Estate) -> None:
    estate.proxy.send_headers(False)


async def _send_headers(estate: Estate) -> None:
    estate.proxy.send_headers(True)


async def _drop_listener(estate: Estate) -> None:
    estate.proxy.missing = frozenset((993,))
    await estate.proxy.apply()


async def _restore_listener(estate: Estate) -> None:
    estate.proxy.missing = frozenset()
    await estate.proxy.apply()


async def _cut(estate: Estate) -> None:
    estate.network.tunnel.cut()


async def _mend(estate: Estate) -> None:
    estate.network.tunnel.mend()


async def _slow(estate: Estate) -> None:
    estate.network.tunnel.added = SLOWNESS


async def _quicken(estate: Estate) -> None:
    estate.network.tunnel.added = 0.0


async def _stop_service(estate: Estate) -> None:
    estate.dovecot.stop()


async def _start_service(estate: Estate) -> None:
    estate.dovecot.start()


async def _expire(estate: Estate) -> None:
    estate.certificate.expire()


async def _renew(estate: Estate) -> None:
    estate.certificate.renew()


async def _stop_proxy(estate: Estate) -> None:
    estate.proxy.running = False
    await estate.proxy.apply()


async def _start_proxy(estate: Estate) -> None:
    estate.proxy.restart()
    await estate.proxy.apply()


_CONFIGURATION = (PROXY, "/etc/haproxy/haproxy.cfg")


async def _edit(estate: Estate) -> None:
    told = estate.files[_CONFIGURATION]
    estate.files[_CONFIGURATION] = told.replace(
        b"server mailcow 10.10.10.214:10993", b"server mail 10.10.10.214:10993", 1
    )
    estate.proxy.rename({993: "mail"})


async def _put_back(estate: Estate) -> None:
    from console.lab.estate import files

    estate.files[_CONFIGURATION] = files()[_CONFIGURATION]
    estate.proxy.rename({})


_ALL = (
    Fault(
        "dovecot-untrusted-proxy",
        "Dovecot does not trust the proxy: haproxy_trusted_networks is empty",
        "CH001", "vm", "failed", _distrust, _trust,
    ),
    Fault(
        "proxy-header-missing",
        "the running HAProxy sends no PROXY header on any mail lane",
        "CH002", "haproxy", "failed", _drop_headers, _send_headers,
    ),
    Fault(
        "listener-down",
        "HAProxy does not listen on 993",
        "CH021", "public", "failed", _drop_listener, _restore_listener,
    ),
    Fault(
        "tunnel-cut",
        "nothing crosses the tunnel: connections to the VM time out, open ones stall",
        "CH016", "tunnel", "failed", _cut, _mend,
    ),
    Fault(
        "tunnel-slow",
        "the tunnel takes 600 ms longer each way",
        "CH016", "tunnel", "degraded", _slow, _quicken,
    ),
    Fault(
        "service-stopped",
        "dovecot-mailcow is stopped",
        "CH029", "service", "failed", _stop_service, _start_service,
    ),
    Fault(
        "certificate-expired",
        "every TLS port serves a certificate that ended three days ago",
        "CH022", "service", "failed", _expire, _renew,
    ),
    Fault(
        "haproxy-stopped",
        "HAProxy is stopped: its ports and its stats socket refuse",
        "CH030", "public", "failed", _stop_proxy, _start_proxy,
    ),
    Fault(
        "config-drift",
        "somebody edited haproxy.cfg on the proxy and reloaded it: the repository knows nothing of it",
        "CH023", "haproxy", "degraded", _edit, _put_back,
    ),
)  # fmt: skip

FAULTS: dict[str, Fault] = {fault.id: fault for fault in _ALL}
"""Every fault by its id, in the order they are listed."""


def listing() -> list[dict[str, str]]:
    """Every fault as data, for `lab break --list --json`."""
    return [{"fault": f.id, "words": f.words, "finding": f.finding, "hop": f.hop, "outcome": f.outcome} for f in _ALL]
