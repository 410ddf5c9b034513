"""Two hosts that change together, each behind a real sshd that is killed at one moment: both change, or neither.

Each is a folder of this machine; their commands, their watchdogs and what is lost with the link are real."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal, TypeVar

import pytest

from console.events import ActionBegan
from console.hosts.host import ANY, Before, Completed
from console.hosts.ssh import Ssh
from console.model import Role
from tests.console.flows import rollbacks
from tests.console.flows.case import Below
from tests.console.flows.cases import twins
from tests.console.flows.playing import Play
from tests.ssh.conftest import Sshd

pytestmark = pytest.mark.slow

T = TypeVar("T")

Moment = Literal["never", "before", "during", "after"]
ROLES: dict[str, Role] = {"mail": "mail", "vps": "proxy"}
BOTH, NEITHER = ("new", "new"), ("old", "old")

CUTS: list[tuple[str, int, Moment]] = [
    *((name, number, moment) for name in twins.NAMES for number in (1, 2, 3) for moment in ("before", "after")),  # type: ignore[misc]
    ("vps", 2, "during"),
]
"""Which host, which of its changes (armed, changed, disarmed), and when its sshd is killed."""

WAITS = """\
#!/bin/sh
echo half > "$1"
[ ! -p '{folder}/gate' ] || {{ echo > '{folder}/begun'; read -r _ < '{folder}/gate'; }}
echo new > "$1"
"""


class Lost(Below, Ssh):
    """A host whose sshd is killed at the `number`th change of it."""

    def __init__(self, name: str, sshd: Sshd, folder: Path, number: int = 0, moment: Moment = "never") -> None:
        super().__init__(name, ROLES[name], "vps", file=sshd.configure())
        self.folder, self.sshd, self.left, self.moment = folder, sshd, number, moment

    async def run(self, argv: Sequence[str], timeout: float, cap: int = 1 << 20) -> Completed:
        """Run a command on it."""
        words = self.words(argv)

        async def make() -> Completed:
            with self.under():
                return await Ssh.run(self, words, timeout, cap)

        changes = argv[0] == "turn" or list(argv[2:3]) in (["arm"], ["disarm"])
        return await (self._change(make) if changes else make())

    async def read(self, path: str, cap: int = 1 << 20) -> bytes:
        """Read a file of it."""
        with self.under():
            return await super().read(str(self.at(path)), cap)

    async def write(self, path: str, data: bytes, mode: int = 0o600, before: Before = ANY) -> None:
        """Write a file of it."""

        async def make() -> None:
            with self.under():
                await Ssh.write(self, str(self.at(path)), data, mode, before)

        await self._change(make)

    async def _change(self, make: Callable[[], Awaitable[T]]) -> T:
        self.left -= 1
        if self.left:
            return await make()
        if self.moment == "before":
            self.sshd.stop()
        if self.moment == "during":
            running = asyncio.ensure_future(make())
            await asyncio.to_thread((self.folder / "begun").read_text)
            self.sshd.stop()
            return await running
        done = await make()
        self.sshd.stop()
        await self.close()
        return done


@pytest.fixture
def sshds(tmp_path: Path) -> Iterator[dict[str, Sshd]]:
    """A real server for each host."""
    made = {}
    for name in twins.NAMES:
        (tmp_path / f"sshd-{name}").mkdir()
        made[name] = Sshd(tmp_path / f"sshd-{name}").start()
    yield made
    for sshd in made.values():
        sshd.stop()


async def walk(root: Path, sshds: dict[str, Sshd], cut: tuple[str, int, Moment] | None = None) -> Play:
    """One run of the group, which stops at a failure."""
    hosts = {}
    for name in twins.NAMES:
        more = cut[1:] if cut and cut[0] == name else ()
        hosts[name] = Lost(name, sshds[name], root / name, *more)
    play = Play(root, [twins.group()], ["yes", "stop"], hosts=hosts, name="twins")  # type: ignore[arg-type]
    play.limit = 240.0
    ending = await play.run()
    for host in hosts.values():
        await host.close()
    assert (ending.outcome == "done") == (cut is None), ending.words
    return play


def lay(root: Path) -> Path:
    root.mkdir()
    twins.build(root)
    (root / "vps/bin/turn").write_text(WAITS.format(folder=root / "vps"))
    return root


async def test_two_hosts_behind_openssh_change_together(sshds: dict[str, Sshd], tmp_path: Path) -> None:
    root = lay(tmp_path / "world")
    play = await walk(root, sshds)
    assert twins.ways(root) == BOTH
    assert len([event for event in play.events if isinstance(event, ActionBegan)]) == 6


@pytest.mark.parametrize("cut", CUTS, ids=lambda cut: "-".join(map(str, cut)))
async def test_both_or_neither_when_a_link_is_lost_and_the_console_never_comes_back(
    cut: tuple[str, int, Moment], sshds: dict[str, Sshd], tmp_path: Path
) -> None:
    root = lay(tmp_path / "world")
    if cut[2] == "during":
        for name in ("gate", "begun"):
            os.mkfifo(root / "vps" / name)
    await walk(root, sshds, cut)
    left = rollbacks.marked(root / "vps")
    assert bool(left) == (cut[2] == "during"), "what was begun outlives its link"
    twins.fire(root)
    assert not rollbacks.marked(root / "vps"), "and is ended before its change is taken back"
    decided = (cut[0] == "vps" and cut[1] == 3) or cut == ("mail", 3, "after")
    assert twins.ways(root) == (BOTH if decided else NEITHER)


@pytest.mark.parametrize("cut", CUTS, ids=lambda cut: "-".join(map(str, cut)))
async def test_a_run_after_a_lost_link_changes_both(
    cut: tuple[str, int, Moment], sshds: dict[str, Sshd], tmp_path: Path
) -> None:
    root = lay(tmp_path / "world")
    if cut[2] == "during":
        for name in ("gate", "begun"):
            os.mkfifo(root / "vps" / name)
    await walk(root, sshds, cut)
    sshds[cut[0]].start()
    if cut[2] == "during":
        (root / "vps/gate").write_text("go\n")
        for name in ("gate", "begun"):
            (root / "vps" / name).unlink()
    await walk(root, sshds)
    assert (twins.ways(root), twins.armed(root)) == (BOTH, [])
