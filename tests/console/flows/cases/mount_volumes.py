"""mount-volumes on the rehearsal lab's model of a VM, kept in a file; tests/reallab has the same on real disks.

Docker runs, and both folders hold files, so that no step is passed over."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

import assets
from console.errors import Changed, FileError, Missing, NoWayIn
from console.flows import registry
from console.hosts.host import ABSENT, ANY, Before, Completed, Host, Stream
from console.hosts.local import Local
from console.hosts.lock import SCRIPT as LOCK
from console.hosts.marks import FIND, marked
from console.lab.machines.disks import COPYING, DROP_IN, PROOF, TABLE, TOOL, Machine
from console.model import Role
from tests.console.flows.case import Case

PATHS = {"opt": "/opt", "var_lib_docker": "/var/lib/docker"}
NODES = {"opt": "/dev/sdc", "var_lib_docker": "/dev/sdb"}


class Model:
    """Stands for the VM: each command is answered by the model that the folder has, which is kept there."""

    name, role = "mailcow", "mail"  # type: ignore[var-annotated]

    def __init__(self, root: Path) -> None:
        self.root = root

    def at(self, path: str) -> Path:
        """Where a draft of it is laid that was cut off."""
        return self.root / Path(path).name

    async def open(self) -> None: ...

    async def resolve(self, name: str) -> tuple[str, ...]:
        raise NoWayIn(name)

    async def connect(self, address: str, port: int, timeout: float) -> Stream:
        raise NoWayIn(address)

    async def connect_unix(self, path: str, timeout: float) -> Stream:
        raise NoWayIn(path)

    def orphan(self, argv: Sequence[str]) -> Callable[[], None]:
        """Begin a command that is lost sight of: a real process has its mark, the model does its work at the end."""
        process = subprocess.Popen(marked(["sleep", "600"]), start_new_session=True)

        def release() -> None:
            if argv[0] != "true":
                machine = load(self.root)
                machine.run(argv)
                save(self.root, machine)
            process.kill()
            process.wait()

        return release

    def orphan_write(self, path: str, data: bytes, mode: int) -> Callable[[], None]:
        """As `orphan`, for a write."""
        end = self.orphan(["true"])

        def release() -> None:
            machine = load(self.root)
            machine.write(path, data, mode)
            save(self.root, machine)
            end()

        return release

    async def run(self, argv: Sequence[str], timeout: float, cap: int = 1 << 20) -> Completed:
        if tuple(argv[:3]) == ("sh", "-c", FIND):
            return await Local().run(argv, timeout, cap)
        if tuple(argv[:3]) == ("sh", "-c", LOCK):
            return await Local().run([*argv[:5], str(self.root / "locks"), *argv[6:]], timeout, cap)
        machine = load(self.root)
        done = machine.run(argv)
        save(self.root, machine)
        if done is None:
            return Completed(127, b"", f"{argv[0]}: command not found\n".encode())
        return Completed(done.status, done.stdout.encode(), done.stderr.encode())

    async def read(self, path: str, cap: int = 1 << 20) -> bytes:
        data = load(self.root).read(path)
        if data is None:
            raise Missing(f"{path} is not there on {self.name}")
        return data

    async def write(self, path: str, data: bytes, mode: int = 0o600, before: Before = ANY) -> None:
        machine = load(self.root)
        now = machine.read(path)
        if before not in (ANY, ABSENT if now is None else now):
            raise Changed(f"{path} on {self.name} has changed meanwhile; nothing was written")
        if not machine.write(path, data, mode):
            raise FileError(f"{path} on {self.name} was not written: No such file or directory")
        save(self.root, machine)

    def forget(self) -> None: ...

    async def close(self) -> None: ...


def load(root: Path) -> Machine:
    return msgspec.json.decode((root / "machine.json").read_bytes(), type=Machine)


def save(root: Path, machine: Machine) -> None:
    (root / "machine.new").write_bytes(msgspec.json.encode(machine))
    (root / "machine.new").rename(root / "machine.json")


def build(root: Path) -> None:
    lab = Path(assets.__file__).parent / "lab"
    (root / "mailcow.tf").write_bytes((lab / "mailcow.tf").read_bytes())
    (root / "site.toml").write_text('[sources]\nopentofu = ["mailcow.tf"]\n')
    machine = Machine(
        docker="active",
        folders={"/opt": {"mailcow": "conf"}, "/var/lib/docker": {"engine-id": "lab", "volumes": "mail"}},
    )
    machine.files[TABLE] = msgspec.structs.replace(machine.files[TABLE], mode=0o640)
    save(root, machine)


def hosts(root: Path) -> dict[Role, Host]:
    return {"mail": Model(root)}  # type: ignore[dict-item]


def holds(root: Path, step: str) -> bool:
    machine = load(root)
    name, _, short = step.partition(" ")
    disk = machine.disks.get(NODES.get(short, ""))
    mounted = set(machine.mounted) == set(PATHS.values())
    match name:
        case "program":
            return TOOL in machine.files
        case "format":
            return disk is not None and disk.kind == "ext4" and not disk.format_mark
        case "stop":
            return machine.docker == "inactive" or mounted
        case "docker":
            return machine.loaded is not None and machine.loaded == machine.files[DROP_IN].text
        case "copy":
            return mounted or not machine.folders[PATHS[short]]
        case "fstab":
            return all(f"UUID={machine.disks[node].uuid} {PATHS[each]} ext4" in machine.files[TABLE].text
                       for each, node in NODES.items())  # fmt: skip
        case "mount":
            return mounted and not any({PROOF, COPYING} & {*disk.files} for disk in machine.disks.values())
        case "start":
            return machine.docker == "active" and mounted
    return True


def end(root: Path) -> object:
    """All of the machine; the UUIDs, which are drawn by lot, by their disks, and what /run forgets left out."""
    machine = load(root)
    machine.files = {path: file for path, file in machine.files.items() if not path.startswith("/run/")}
    machine.loaded = None
    text = msgspec.json.encode(machine, order="sorted").decode()
    for node, disk in machine.disks.items():
        text = text.replace(disk.uuid, f"UUID of {node}") if disk.uuid else text
    return re.sub(r'"format_mark":"[^"]*"', '"format_mark":""', text)


def once(root: Path) -> dict[str, int]:
    machine = load(root)
    return {f"format {node}": disk.formats for node, disk in machine.disks.items()} | {
        "copies": max(0, machine.copies - 1)
    }


def half(root: Path, argv: Sequence[str]) -> None:
    """What a command leaves when its machine dies under it."""
    machine = load(root)
    words = list(argv)
    disk = next((disk for disk in machine.disks.values() for name in disk.ids if any(name in word for word in words)),
                None)  # fmt: skip
    match words[:1] + words[2:3]:
        case ["python3", "format"] if disk is not None and not disk.kind:
            disk.kind, disk.format_mark = "data", "11111111-2222-4333-8444-555555555555"
        case ["python3", "copy-in"] if disk is not None:
            disk.files[COPYING] = ""
            disk.used = True
        case ["python3", "write-proof"] if disk is not None:
            disk.files[PROOF] = "pro"
        case ["mount"] if words[1] == "-a":
            machine.run(["mount", "/opt"])
    save(root, machine)


def reboot(root: Path) -> None:
    machine = load(root)
    machine.restart()
    save(root, machine)


CASE = Case(
    registry.find("mount-volumes"), build, hosts, holds, end, once, half, reboot,
    answers={"docker": "stop", "files-opt": "copy", "files-var_lib_docker": "copy"},
    destroy=("mailcow_opt", "mailcow_var_lib_docker"),
)  # fmt: skip
