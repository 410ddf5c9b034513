"""The topology as all pictures draw it: a row for each lane, then the machines with their volumes."""

from __future__ import annotations

from msgspec import Struct

from console.model import Instance, Lane, Topology, Volume
from console.text import clean, join_words

CHECKS = {"none": "no check", "L4": "check: connects", "L6": "check: TLS", "L7": "check: answers"}


class Row(Struct, frozen=True):
    """One lane, left to right; "" where the files do not say it."""

    lane: Lane
    dialled: str
    listener: str
    check: str
    target: str
    header: str
    machine: str
    service: str


class Machine(Struct, frozen=True):
    """A machine behind the tunnel: its name, notes on its size, and its volumes."""

    name: str
    notes: tuple[str, ...]
    volumes: tuple[Volume, ...]


class Chart(Struct, frozen=True):
    """Everything that is drawn."""

    title: str
    public: str
    proxy: str
    rows: tuple[Row, ...]
    machines: tuple[Machine, ...]


def draw(topology: Topology, title: str) -> Chart:
    """Return the chart of a topology; each text in it is one printable line."""
    proxy = next((node.label for node in topology.nodes if node.kind == "proxy"), "HAProxy")
    names = [node.label for node in topology.nodes if node.kind == "vm"]
    for lane in topology.lanes:
        if (home := _home(topology, lane)) and home not in names:
            names.append(home)
    machines = []
    for number, name in enumerate(names):
        instance = next((each for each in topology.instances if each.name == name), None)
        volumes = [each for each in topology.volumes if _owner(topology, each) == number]
        machines.append(Machine(clean(name, 60), _notes(instance), tuple(volumes)))
    return Chart(
        clean(title, 80),
        clean(join_words([*topology.public], 3), 80) or "clients",
        clean(proxy, 60),
        tuple(_row(topology, lane) for lane in topology.lanes),
        tuple(machines),
    )


def _row(topology: Topology, lane: Lane) -> Row:
    binds = dict.fromkeys({"": "*", "::": "[::]"}.get(bind.address, bind.address) for bind in lane.binds)
    service = (lane.service or "").removesuffix("-mailcow")
    return Row(
        lane,
        clean(" ".join(binds), 60),
        clean(lane.frontend or lane.name, 60),
        CHECKS[lane.check.kind] if lane.check else "",
        clean(lane.leads, 80),
        lane.header,
        clean(_home(topology, lane), 60),
        clean(f"{service}:{lane.service_port}" if service and lane.service_port else service, 60),
    )


def _home(topology: Topology, lane: Lane) -> str:
    """Return the machine that a lane ends at: the one with its address, or else the only machine."""
    if lane.target is None:
        return ""
    for instance in topology.instances:
        if lane.target.host in (address.partition("/")[0] for address in instance.addresses):
            return instance.name
    open_ones = [instance for instance in topology.instances if not instance.addresses]
    return open_ones[0].name if len(open_ones) == 1 else lane.target.host


def _owner(topology: Topology, volume: Volume) -> int:
    """Return the index of the instance that a volume belongs to; of several instances, the one with its name."""
    fits = [
        number
        for number, each in enumerate(topology.instances)
        if volume.name.startswith((f"{each.name}_", f"{each.name}-"))
    ]
    return fits[0] if fits else 0


def _notes(instance: Instance | None) -> tuple[str, ...]:
    if instance is None:
        return ()
    notes = [instance.type]
    notes += [f"{instance.cpu} cpu"] if instance.cpu else []
    notes += [instance.memory] if instance.memory else []
    notes += [f"{instance.disk} root"] if instance.disk else []
    notes += [instance.image] if instance.image else []
    return tuple(clean(note, 40) for note in notes)


def volume_words(volume: Volume) -> tuple[str, str]:
    """Return a volume's name, and its size, kind and place: "50GiB block at /var/lib/docker"."""
    kind = " ".join(word for word in (volume.size, volume.content_type) if word)
    place = f" at {volume.place}" if volume.place else ""
    return clean(volume.name, 60), clean(f"{kind}{place}", 80)
