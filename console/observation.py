"""What a sweep saw, before anybody judged it: ladders and answers, lane by lane."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field

from console.answers import Asked, Container, Disk, Stats, Tailnet
from console.ladders import Ladder
from console.model import Kept, Lane, Role, Rung, Span, Topology


class Drifted(Struct, frozen=True):
    """A file that is not the same in the repository, on its host and in what runs; `place` is in the repository's.

    `kind` "file": the host has another one; "running": HAProxy runs something else than its file says. `gone` are
    frontends that do not run though the file has them, `lines` how many lines differ (0: the host has no such file),
    `diff` shows them."""

    file: str
    host: str
    path: str
    place: Span
    kind: Literal["file", "running"]
    lines: int
    gone: tuple[str, ...] = ()
    diff: tuple[str, ...] = ()


class LaneData(Struct):
    """What was seen of one lane so far; a ladder that is not `done` has shown its connect rung only.

    `public` is keyed by address; `vm` is asked from the proxy as HAProxy would, `service` inside the VM without header.
    `unresolved` says why no public address could be dialled. `itself` are the public addresses as the proxy reaches
    them itself, dialled after a symptom only."""

    lane: Lane
    public: dict[str, Ladder] = field(default_factory=dict)
    vm: Ladder | None = None
    service: Ladder | None = None
    unresolved: Rung | None = None
    itself: dict[str, Ladder] = field(default_factory=dict)

    @property
    def connected(self) -> tuple[Ladder, ...]:
        """Public ladders whose connection was accepted."""
        return tuple(ladder for ladder in self.public.values() if ladder.connected)

    @property
    def complete(self) -> bool:
        """Whether every ladder of this lane has ended."""
        ladders = (*self.public.values(), self.vm, self.service)
        return all(ladder is None or ladder.done for ladder in ladders)


class SweepData(Struct):
    """What was seen of the estate. `missing` says, for a role nobody can be asked from, why.

    `logs`, `containers` and `tailnet` are fetched after a probe failed that they may explain."""

    topology: Topology
    lanes: dict[str, LaneData]
    vantages: dict[Role, str] = field(default_factory=dict)
    missing: dict[Role, str] = field(default_factory=dict)
    stats: Stats | None = None
    logs: dict[str, tuple[str, ...]] = field(default_factory=dict)
    at: float = 0.0
    ended: bool = False

    answered: dict[str, float] = field(default_factory=dict)
    """Target host → milliseconds of the fastest answer through the tunnel; a refusal is an answer."""
    newest: dict[str, float] = field(default_factory=dict)
    """Name on a certificate that a service shows → Unix seconds from which the newest of them is valid."""

    distrusted: dict[str, str] = field(default_factory=dict)
    """Fingerprint of a certificate that clients do not trust → why."""

    containers: tuple[Container, ...] = ()
    containers_error: str = ""
    """Why the containers could not be asked after."""
    disks: tuple[Disk, ...] = ()
    """The mail host's file systems, as far as they could be asked after."""
    tailnet: Tailnet | None = None
    """What Tailscale on the proxy's machine says of the tunnel."""
    asked: Asked | None = None
    """What the machines told of themselves; None while nobody has asked, for all was well."""
    drifted: tuple[Drifted, ...] = ()
    """Files of the repository that are not what their hosts have or run."""
    early: bool = False
    """Whether the machines told a first time what they know, while slow ladders still climb."""
    kept: Kept = Kept()
    """Certificates as machines store them; looked at beside sweeps, less often."""
