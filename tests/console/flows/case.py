"""What a flow's case file says: the world it begins in, as a real folder, and what is true of that world."""

from __future__ import annotations

import importlib
import os
import secrets
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from console.errors import Missing
from console.flows import Flow
from console.hosts import lock
from console.hosts.host import ANY, Before, Completed, Host
from console.hosts.local import Local
from console.hosts.marks import guarding, marked
from console.model import Role

CASES = Path(__file__).parent / "cases"


def tree(folder: Path, *names: str) -> dict[str, object]:
    """Mode and content of every file below some folders; drafts of a write that was cut off are not counted."""
    found: dict[str, object] = {}
    for name in names:
        for path in sorted((folder / name).rglob("*")):
            if not path.name.startswith(".cowhand."):
                mode = path.stat().st_mode & 0o7777
                found[str(path.relative_to(folder))] = (mode, None if path.is_dir() else path.read_bytes())
    return found


class Orphan:
    """A command that waits at a gate; called, it is let through, and has ended."""

    def __init__(self, process: subprocess.Popen[bytes], gate: Path) -> None:
        self.process, self.gate = process, gate

    @property
    def alive(self) -> bool:
        """Whether nobody has ended it."""
        return self.process.poll() is None

    def __call__(self) -> None:
        """Let it do its work, and wait until it has ended."""
        # opened for both ways, so that nobody waits for a reader that is being killed, or that has not come yet
        gate = os.open(self.gate, os.O_RDWR)
        try:
            os.write(gate, b"go\n")
            self.process.wait()
        finally:
            os.close(gate)
        self.gate.unlink()


class Below:
    """A host whose files are below `folder`, where a path among the arguments of its commands is taken, too.

    The tools of `folder/bin` come before those of this machine."""

    folder: Path

    def at(self, path: str) -> Path:
        """Where a path of that machine is on this one."""
        inside = not path.startswith("/") or Path(path).is_relative_to(self.folder)
        return Path(path) if inside else self.folder / path.lstrip("/")

    def words(self, argv: Sequence[str]) -> list[str]:
        """The command as it is run."""
        ours = self.folder / "bin" / argv[0]
        words = [str(self.at(word)) if word.startswith("/") else word for word in argv[1:]]
        mine = [str(ours) if ours.exists() else argv[0], *words]
        # who is not root has the lock of a machine in a folder of their own there
        return mine if lock.described(argv) is None else ["env", f"XDG_STATE_HOME={self.folder}/state", *mine]

    @contextmanager
    def under(self) -> Iterator[None]:
        """The rollback of a change is below `folder` too."""
        guard = guarding.get()
        token = guarding.set((guard[0], str(self.at(guard[1])), guard[2]) if guard else None)
        try:
            yield
        finally:
            guarding.reset(token)


class Rooted(Below, Local):
    """Stands for a machine: its commands are real. It reads without `head`: there is much to read."""

    def __init__(self, root: Path, role: Role = "mail", name: str = "shelf") -> None:
        super().__init__(name, role)
        self.folder = root

    async def run(self, argv: Sequence[str], timeout: float, cap: int = 1 << 20) -> Completed:
        """Run a command on it."""
        with self.under():
            return await super().run(self.words(argv), timeout, cap)

    def orphan(self, argv: Sequence[str], begun: bool = False) -> Orphan:
        """Send a command that is lost sight of, on its way or `begun`; returns what lets it do its work, and waits."""
        gate = self.folder / f"gate-{secrets.token_hex(4)}"
        os.mkfifo(gate)
        waiting = ["sh", "-c", 'read -r _ < "$0"; exec "$@"', str(gate)]
        words = self.words(argv)
        with self.under():
            command = marked([*waiting, *words], self.name) if begun else marked(words, self.name)
        whole = command if begun else [*command[:2], *waiting, *command[2:]]
        process = subprocess.Popen(whole, start_new_session=True, stdin=-3, stdout=-3, stderr=-3)
        if whole[:1] == ["env"]:  # it has its mark when env has become the command
            while whole[1].encode() not in Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0"):
                assert process.poll() is None
        return Orphan(process, gate)

    def orphan_write(self, path: str, data: bytes, mode: int) -> Orphan:
        """As `orphan`, for a write: what was sent has arrived, and is put in place later."""
        kept = self.folder / f"sent-{secrets.token_hex(4)}"
        kept.write_bytes(data)
        where = self.at(path)
        script = (
            'umask 077; cat "$1" > "$2.late"; chmod "$3" "$2.late"; [ ! -e "$2" ] || ln -f "$2" "$2.previous"; '
            'mv -f "$2.late" "$2"; rm "$1"'
        )
        return self.orphan(["sh", "-c", script, "sh", str(kept), str(where), f"{mode:04o}"])

    async def read(self, path: str, cap: int = 1 << 20) -> bytes:
        """Read a file of it."""
        try:
            return self.at(path).read_bytes()
        except FileNotFoundError:
            raise Missing(f"{path} is not there on {self.name}") from None

    async def write(self, path: str, data: bytes, mode: int = 0o600, before: Before = ANY) -> None:
        """Write a file of it, as on any machine."""
        with self.under():
            await super().write(str(self.at(path)), data, mode, before)


@dataclass(frozen=True)
class Case:
    """A flow and its world. Everything is asked of the folder `root`, never of the flow.

    `build` lays the world, `site.toml` included; `hosts` are its machines, which keep whatever they know in `root`, for
    a console that is killed takes its memory along. `holds(root, step)` is whether a step's end is there; `end` is all
    that must be the same however the flow got there; `once` counts what must be done exactly once, zero before.
    `half(root, argv)` leaves what a command leaves that dies half-way; `reboot` what a restart of the machines takes
    away; `armed` are the timed rollbacks that wait, `fire` lets them happen. A flow `on_demand` connects in each run,
    and changes nothing: its connections are what meets trouble. Of a
    `sample` every so many rows are tried, each at one change; `make faults` tries all."""

    flow: Flow
    build: Callable[[Path], None]
    hosts: Callable[[Path], dict[Role, Host]]
    holds: Callable[[Path, str], bool]
    end: Callable[[Path], object] = lambda root: tree(root, "etc")
    once: Callable[[Path], dict[str, int]] = lambda root: {}
    half: Callable[[Path, Sequence[str]], None] = lambda root, argv: None
    reboot: Callable[[Path], None] = lambda root: None
    armed: Callable[[Path], Sequence[str]] = lambda root: ()
    fire: Callable[[Path], None] = lambda root: None
    answers: dict[str, str] = field(default_factory=dict)
    destroy: tuple[str, ...] = ()
    on_demand: bool = False
    sample: int = 1


def names() -> list[str]:
    """The case files there are."""
    return sorted(path.stem for path in CASES.glob("[a-z]*.py"))


def find(name: str) -> Case:
    """One case."""
    found: Case = importlib.import_module(f"tests.console.flows.cases.{name}").CASE
    return found
