"""What can be broken on purpose: one registry of faults, each with what it should make cowhand say."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from msgspec import Struct

from console.errors import LabError
from console.lab.daemons.names import OTHER
from console.lab.network.addresses import GATEWAY, PROXY, SLOWNESS
from console.model import HopName, Outcome

if TYPE_CHECKING:
    from console.lab.machines.disks import Machine
    from console.lab.rehearsal import Rehearsal

Act = Callable[["Rehearsal"], Awaitable[None]]


class Fault(Struct, frozen=True):
    """One fault: what it is in words, and the finding, hop and outcome by which it must be recognised."""

    id: str
    words: str
    finding: str
    hop: HopName
    outcome: Outcome
    break_: Act
    heal: Act
    mended: Callable[[Rehearsal], bool] = lambda lab: False
    """Whether something else than `heal` has taken it back, as a flow may."""


def find(id: str) -> Fault:
    """The fault of that id; raises `LabError` that names them all."""
    found = FAULTS.get(id) or UNSWEPT_FAULTS.get(id)
    if found is not None:
        return found
    raise LabError(f"no fault is called {id}; there are {', '.join((*FAULTS, *UNSWEPT_FAULTS))}")


def broken(lab: Rehearsal) -> tuple[str, ...]:
    """The faults that are there now; one that a flow has mended meanwhile is forgotten."""
    for id in [id for id in lab.broken if find(id).mended(lab)]:
        del lab.broken[id]
    return tuple(lab.broken)


async def break_(lab: Rehearsal, id: str) -> None:
    """Make a fault; one that is there already changes nothing. Raises `LabError` for an unknown one."""
    fault = find(id)
    if id not in broken(lab):
        lab.broken[id] = None
        await fault.break_(lab)


async def heal(lab: Rehearsal, id: str | None = None) -> None:
    """Take back one fault, or all; raises `LabError` for an unknown one."""
    for each in (find(id).id,) if id else broken(lab):
        if each in lab.broken:
            del lab.broken[each]
            await find(each).heal(lab)


async def _distrust(lab: Rehearsal) -> None:
    lab.dovecot.trust()


async def _trust(lab: Rehearsal) -> None:
    lab.dovecot.trust(GATEWAY)


async def _drop_headers(lab: Rehearsal) -> None:
    lab.proxy.send_headers(False)


async def _send_headers(lab: Rehearsal) -> None:
    lab.proxy.send_headers(True)


async def _drop_listener(lab: Rehearsal) -> None:
    lab.proxy.missing = frozenset((993,))
    await lab.proxy.apply()


async def _restore_listener(lab: Rehearsal) -> None:
    lab.proxy.missing = frozenset()
    await lab.proxy.apply()


async def _cut(lab: Rehearsal) -> None:
    lab.network.tunnel.cut()


async def _mend(lab: Rehearsal) -> None:
    lab.network.tunnel.mend()


async def _slow(lab: Rehearsal) -> None:
    lab.network.tunnel.added = SLOWNESS


async def _quicken(lab: Rehearsal) -> None:
    lab.network.tunnel.added = 0.0


async def _stop_service(lab: Rehearsal) -> None:
    lab.dovecot.stop()


async def _start_service(lab: Rehearsal) -> None:
    lab.dovecot.start()


async def _expire(lab: Rehearsal) -> None:
    from console.lab.machines.pushing import lay

    lab.issued.expire()
    lab.certificate.expire()
    lay(lab.files, lab.modes, lab.issued, lab.certificate)


async def _renew(lab: Rehearsal) -> None:
    from console.lab.machines.pushing import lay

    lab.issued.renew()
    lab.certificate.renew()
    lay(lab.files, lab.modes, lab.issued, lab.certificate)


def _renewed(lab: Rehearsal) -> bool:
    return not any(each.pair == each.expired for each in (lab.issued, lab.certificate))


async def _stop_proxy(lab: Rehearsal) -> None:
    lab.proxy.running = False
    await lab.proxy.apply()


async def _start_proxy(lab: Rehearsal) -> None:
    lab.proxy.restart()
    await lab.proxy.apply()


_CONFIGURATION = (PROXY, "/etc/haproxy/haproxy.cfg")


async def _edit(lab: Rehearsal) -> None:
    told = lab.files[_CONFIGURATION]
    lab.files[_CONFIGURATION] = told.replace(b"server mailcow 10.10.10.214:10993", b"server mail 10.10.10.214:10993", 1)
    lab.proxy.rename({993: "mail"})


async def _put_back(lab: Rehearsal) -> None:
    told = lab.files[_CONFIGURATION]
    lab.files[_CONFIGURATION] = told.replace(b"server mail 10.10.10.214:10993", b"server mailcow 10.10.10.214:10993", 1)
    lab.proxy.rename({})


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
        "CH022", "service", "failed", _expire, _renew, _renewed,
    ),
    Fault(
        "haproxy-stopped",
        "HAProxy is stopped: its ports and its stats socket refuse",
        "CH030", "haproxy", "failed", _stop_proxy, _start_proxy,
    ),
    Fault(
        "config-drift",
        "somebody edited haproxy.cfg on the proxy and reloaded it: the repository knows nothing of it",
        "CH023", "haproxy", "degraded", _edit, _put_back,
    ),
)  # fmt: skip

FAULTS: dict[str, Fault] = {fault.id: fault for fault in _ALL}
"""Every fault by its id, in the order they are listed."""


def _disk_fault(id: str, words: str, act: Callable[[Machine], None]) -> Fault:
    async def break_(lab: Rehearsal) -> None:
        act(lab.disks)

    async def heal(lab: Rehearsal) -> None:
        """The VM's disks and files are as they were when the lab came up."""
        from console.lab.machines.disks import Machine

        lab.disks = Machine()

    return Fault(id, words, "", "vm", "unknown", break_, heal)


def _foreign(vm: Machine) -> None:
    vm.put("/dev/sdc", "xfs", label="archive")


def _unsigned(vm: Machine) -> None:
    vm.put("/dev/sdc", "data")


def _missing(vm: Machine) -> None:
    vm.disks["/dev/sdc"].ids.clear()


def _swapped(vm: Machine) -> None:
    one, other = vm.disks["/dev/sdb"], vm.disks["/dev/sdc"]
    one.ids, other.ids = other.ids, one.ids


def _held(vm: Machine) -> None:
    vm.disks["/dev/sdc"].busy = "Device or resource busy"


def _occupied(vm: Machine) -> None:
    vm.docker = "active"
    vm.folders["/opt"] = {"mailcow-dockerized": ""}
    vm.folders["/var/lib/docker"] = {"overlay2": "", "volumes": ""}


async def _publish_other(lab: Rehearsal) -> None:
    lab.named.digest = OTHER


async def _publish_none(lab: Rehearsal) -> None:
    lab.named.digest = ""


UNSWEPT_FAULTS: dict[str, Fault] = {
    fault.id: fault
    for fault in (
        _disk_fault("disk-foreign", "the disk of mailcow_opt holds an XFS file system", _foreign),
        _disk_fault("disk-unsigned", "the disk of mailcow_opt holds data without a signature", _unsigned),
        _disk_fault("disk-missing", "the disk of mailcow_opt is not attached to the VM", _missing),
        _disk_fault("disk-swapped", "each of the two disks has the other's name", _swapped),
        _disk_fault("disk-held", "the disk of mailcow_opt is in use by a process that lsblk cannot see", _held),
        _disk_fault("folders-in-use", "docker runs, and /opt and /var/lib/docker hold files already", _occupied),
        Fault(
            "tlsa-other-key",
            "the TLSA record of port 25 is that of another key: `certificates` tells it",
            "CH014", "service", "unknown", _publish_other, _publish_none,
        ),
    )
}  # fmt: skip
"""What no sweep looks at: what can be in the way of the flow mount-volumes, and TLSA records."""


def listing() -> list[dict[str, str]]:
    """Every fault as data, for `lab break --list --json`."""
    return [{"fault": f.id, "words": f.words, "finding": f.finding, "hop": f.hop, "outcome": f.outcome} for f in _ALL]
