"""Proofs of the way to the mail host: what Tailscale says of it, beside what answers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from console.answers import Peer, Ping, Tailnet
from console.diagnosis.mode import Scope
from console.diagnosis.proofs_back import untunnelled
from console.diagnosis.world import World

VM = "10.10.10.214"
AWAY = Peer("home", addresses=("100.64.0.2/32",), routes=("10.10.10.0/24",), online=False)


def holds(tailnet: Tailnet | None, way: bool = True, router: Ping | None = None) -> bool | None:
    world: Any = SimpleNamespace(
        seen=SimpleNamespace(tailnet=tailnet), target=VM, name=lambda role: role, passes=lambda kind, at: way,
        asked=SimpleNamespace(pings={"router": router} if router else {}, route=None),
    )  # fmt: skip
    return untunnelled(cast(World, world), cast(Scope, None)).holds


def running(**changes: Any) -> Tailnet:
    told: dict[str, Any] = {"routes": AWAY.routes, "online": False, **changes}
    return Tailnet("Running", peers=(Peer("home", addresses=("100.64.0.2/32",), **told),))


@pytest.mark.parametrize(
    ("tailnet", "way", "router", "expected"),
    [
        (running(), True, None, True),
        (running(online=True), True, None, None),
        (running(online=None), True, None, None),
        (running(routes=("192.168.0.0/24",)), True, None, None),
        (running(), False, None, None),  # the home may be without power
        (running(), True, Ping("100.64.0.2", 3, 3), None),  # it is called offline, and answers
        (running(online=True), True, Ping("100.64.0.2", 3, 0), True),
        (running(), False, Ping("100.64.0.2", 3, 0), None),
        (Tailnet("Running"), True, None, None),
        (None, True, None, None),
        (Tailnet("Stopped"), False, None, True),
    ],
)
def test_the_tunnel_is_proven_by_its_far_end_while_the_mail_host_runs(
    tailnet: Tailnet | None, way: bool, router: Ping | None, expected: bool | None
) -> None:
    assert holds(tailnet, way, router) is expected
