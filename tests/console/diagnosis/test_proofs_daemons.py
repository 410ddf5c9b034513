"""Proofs about a daemon: what the containers publish decides whether ss on the mail host can tell of it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from console.answers import Container, Publisher
from console.diagnosis.mode import Scope
from console.diagnosis.proofs_back import unpublished
from console.diagnosis.proofs_daemons import unserved
from console.diagnosis.world import World


def world(*published: int, heard: tuple[int, ...] = (25,)) -> World:
    container = Container(
        "postfix-mailcow", "running", publishers=tuple(Publisher("0.0.0.0", each, each) for each in published)
    )
    lane = SimpleNamespace(lane=SimpleNamespace(target=SimpleNamespace(host="10.10.10.214", port=10025)))
    made: Any = SimpleNamespace(
        seen=SimpleNamespace(containers=(container,)), lanes={25: lane}, target="10.10.10.214",
        container=lambda port: container, daemon=lambda port: "postfix", name=lambda role: role,
        service=lambda port: "postfix-mailcow", asked=SimpleNamespace(programs=()),
        listeners=lambda role, port: [SimpleNamespace(address="0.0.0.0")] if port in heard else [],
    )  # fmt: skip
    return cast(World, made)


@pytest.mark.parametrize(
    ("published", "absent", "lacking"),
    [
        ((25, 465), True, False),  # ss on the mail host cannot tell who listens in a container that it does not lead to
        ((25, 10025), False, True),
        ((), False, True),  # the network of the host itself: ss tells
    ],
)
def test_no_daemon_is_said_to_lack_a_listener_that_nothing_publishes(
    published: tuple[int, ...], absent: bool, lacking: bool
) -> None:
    scope = cast(Scope, SimpleNamespace(ports=(25,)))
    assert (unpublished(world(*published), scope).holds, unserved(world(*published), scope).holds) == (absent, lacking)
