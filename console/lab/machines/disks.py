"""The VM's disks, folders and files: a small model that answers, by their names, the commands of a flow with disks.

It stands for util-linux, e2fsprogs, systemd and assets/disk.py; tests hold it against them on real disks."""

from __future__ import annotations

import json
import posixpath
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from console.lab.machines.done import Done
from console.sources import fstab

TOOL = "/run/cowhand-disk"
TABLE = "/etc/fstab"
DROP_IN = "/etc/systemd/system/docker.service.d/cowhand-volumes.conf"
ASIDE = ".before-cowhand"
PROOF = ".cowhand-proof"
COPYING = ".cowhand-copying"
OURS = {"lost+found", PROOF, COPYING}
STATUSES = {"": 2, "data": 2}


class Disk(Struct):
    """A disk: `kind` is what blkid calls what is on it, "data" without a signature; `files` are in its top folder."""

    ids: list[str]
    size: int
    serial: str
    kind: str = ""
    label: str = ""
    uuid: str = ""
    format_mark: str = ""
    used: bool = False
    busy: str = ""
    files: dict[str, str] = {}
    formats: int = 0


class File(Struct):
    """A file with its mode."""

    text: str
    mode: int = 0o644


def _disks() -> dict[str, Disk]:
    """The disks of the shipped estate's mailcow.tf, both blank."""
    made = (("/dev/sdb", "var_lib_docker", 50), ("/dev/sdc", "opt", 10))
    return {
        node: Disk([f"scsi-0QEMU_QEMU_HARDDISK_incus_{name}"], size << 30, f"incus_{name}") for node, name, size in made
    }


def _files() -> dict[str, File]:
    root = "UUID=8a2f1f0e-3f3a-4b0a-9d5c-1f7f4b7f2c11 / ext4 defaults 0 1\n"
    return {TABLE: File(f"# /etc/fstab: static file system information.\n{root}")}


class Machine(Struct):
    """All there is. `folders` are those that volumes may belong to, `exposed` why
    another user could swap one, `docker` how it is ("": not installed)."""

    disks: dict[str, Disk] = msgspec.field(default_factory=_disks)
    files: dict[str, File] = msgspec.field(default_factory=_files)
    directories: list[str] = msgspec.field(default_factory=lambda: ["/etc", "/run", "/etc/systemd/system"])
    folders: dict[str, dict[str, str]] = msgspec.field(default_factory=lambda: {"/opt": {}})
    mounted: dict[str, str] = {}
    exposed: dict[str, str] = {}
    docker: str = ""
    loaded: str | None = None
    copies: int = 0

    # ── files ───────────────────────────────────────────────────────────────────────────────────────────────────

    def read(self, path: str) -> bytes | None:
        """A file's content; None when it is not there."""
        found = self.files.get(path)
        return None if found is None else found.text.encode("utf-8", "surrogateescape")

    def write(self, path: str, data: bytes, mode: int) -> bool:
        """Replace a file, the version before kept; False when there is no such folder."""
        if posixpath.dirname(path) not in self.directories:
            return False
        if (before := self.files.get(path)) is not None:
            self.files[f"{path}.previous"] = before
        self.files[path] = File(data.decode("utf-8", "surrogateescape"), mode)
        return True

    # ── commands ────────────────────────────────────────────────────────────────────────────────────────────────

    def run(self, argv: Sequence[str]) -> Done | None:
        """Run a command; None when it is none of this machine's."""
        if not argv or argv[0] not in COMMANDS:
            return None
        command: Callable[[list[str]], Done] = getattr(self, f"_{argv[0]}")
        return command(list(argv[1:]))

    def _python3(self, words: list[str]) -> Done:
        if words[:1] == ["-Ic"] and "look(sys.argv[1])" in words[1]:
            return Done(0, json.dumps(self._look(json.loads(words[2]))))
        if words[:1] != [TOOL] or TOOL not in self.files:
            return Done(2, "", f"python3: can't open file '{words[0]}': [Errno 2] No such file or directory\n")
        verbs: dict[str, Callable[..., str]] = {
            "format": self._format,
            "copy-in": self._copy_in,
            "write-proof": self._write_proof,
            "check-proof": self._check_proof,
        }
        try:
            return Done(0, verbs[words[1]](*words[2:]) + "\n")
        except _Stop as stop:
            return Done(3, "", f"not done: {stop}\n")

    def _findmnt(self, words: list[str]) -> Done:
        if words == ["--verify"]:
            return self._verify()
        rows = [
            {
                "target": path, "source": node, "fstype": self.disks[node].kind, "options": "rw,relatime",
                "uuid": self.disks[node].uuid, "size": self.disks[node].size, "avail": self.disks[node].size,
            }
            for path, node in self.mounted.items()
        ]  # fmt: skip
        root = {"target": "/", "source": "/dev/sda2", "fstype": "ext4", "options": "rw,relatime", "uuid": None,
                "size": 26843545600, "avail": 13421772800, "children": rows}  # fmt: skip
        return Done(0, json.dumps({"filesystems": [root]}))

    def _verify(self) -> Done:
        said = ""
        for row in fstab.lines(self.files[TABLE].text):
            if row.path != "/" and self._device(row.device) is None:
                said += f"{row.path}\n   [E] unreachable on boot required source: {row.device}\n"
        ending = "\n0 parse errors, 1 error, 0 warnings\n" if said else "Success, no errors or warnings detected\n"
        return Done(1 if said else 0, said + ending)

    def _stat(self, words: list[str]) -> Done:
        found = self.files.get(words[-1])
        if found is None:
            return Done(1, "", f"stat: cannot statx '{words[-1]}': No such file or directory\n")
        return Done(0, f"{found.mode:o}\n")

    def _mkdir(self, words: list[str]) -> Done:
        path = words[-1]
        if path.startswith("/etc/"):
            self.directories.append(path) if path not in self.directories else None
        else:
            self.folders.setdefault(path, {})
        return Done(0)

    def _rm(self, words: list[str]) -> Done:
        self.files.pop(words[-1], None)
        return Done(0)

    def _ps(self, words: list[str]) -> Done:
        return Done(0, "    1 /sbin/init\n")

    def _mount(self, words: list[str]) -> Done:
        rows = fstab.lines(self.files[TABLE].text)
        if words == ["-a"]:
            wanted = [row for row in rows if row.path != "/" and row.path not in self.mounted]
        else:
            wanted = [row for row in rows if row.path == words[0]]
            if not wanted:
                return Done(1, "", f"mount: {words[0]}: can't find in {TABLE}.\n")
        for row in wanted:
            node = self._device(row.device)
            if node is None:
                return Done(32, "", f"mount: {row.path}: can't find {row.device}.\n")
            if row.path not in self.folders:
                return Done(32, "", f"mount: {row.path}: mount point does not exist.\n")
            self.mounted[row.path] = node
            self.disks[node].used = True
        return Done(0)

    def _umount(self, words: list[str]) -> Done:
        if words[-1] not in self.mounted:
            return Done(32, "", f"umount: {words[-1]}: not mounted.\n")
        if self.docker == "active":
            return Done(32, "", f"umount: {words[-1]}: target is busy.\n")
        del self.mounted[words[-1]]
        return Done(0)

    def _systemctl(self, words: list[str]) -> Done:
        if words == ["daemon-reload"]:
            found = self.files.get(DROP_IN)
            self.loaded = found.text if found else None
        elif words[:1] == ["stop"] and self.docker:
            self.docker = "inactive"
        elif words == ["start", "docker.service"] and self.docker:
            wants = [row.partition("=")[2] for row in (self.loaded or "").split("\n") if row.startswith("AssertPath")]
            if any(path not in self.mounted for path in wants):
                return Done(1, "", "Assertion failed on job for docker.service.\n")
            self.docker = "active"
            inside = self._inside("/var/lib/docker")
            inside.setdefault("engine-id", "lab")
        else:
            return Done(5, "", "Unit docker.service not found.\n")
        return Done(0)

    def restart(self) -> None:
        """What a start of the machine does."""
        self.mounted.clear()
        self.files = {path: file for path, file in self.files.items() if not path.startswith("/run/")}
        self._mount(["-a"])
        self._systemctl(["daemon-reload"])
        if self.docker:
            self.docker = "inactive"
            self._systemctl(["start", "docker.service"])

    def put(self, node: str, kind: str, label: str = "") -> None:
        """Have something on a disk that was there before."""
        disk = self.disks[node]
        disk.kind, disk.label, disk.uuid, disk.format_mark = kind, label, str(uuid.uuid4()) if label else "", ""

    # ── looking ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _inside(self, path: str) -> dict[str, str]:
        node = self.mounted.get(path)
        return self.disks[node].files if node else self.folders.setdefault(path, {})

    def _device(self, told: str) -> str | None:
        return next((node for node, disk in self.disks.items() if told in (f"UUID={disk.uuid}", node)), None)

    def _named(self, path: str) -> str:
        name = posixpath.basename(path)
        node = next((node for node, disk in self.disks.items() if name in disk.ids), None)
        if node is None:
            raise _Stop(f"there is no {path}")
        return node

    def _look(self, wanted: list[dict[str, Any]]) -> dict[str, Any]:
        folders = {each["path"]: self._folder(each["path"]) for each in wanted if each["path"]}
        reload = "yes" if self.docker and self.loaded != self._text(DROP_IN) else "no"
        return {
            "root": True,
            "lacking": [],
            "volumes": {each["name"]: self._disk(each["ids"]) for each in wanted},
            "folders": folders,
            "docker": {
                "LoadState": "loaded" if self.docker else "not-found", "ActiveState": self.docker or "inactive",
                "UnitFileState": "enabled" if self.docker else "", "NeedDaemonReload": reload,
            },
        }  # fmt: skip

    def _text(self, path: str) -> str | None:
        found = self.files.get(path)
        return found.text if found else None

    def _disk(self, ids: list[str]) -> dict[str, Any]:
        there = [(name, node) for name in ids for node, disk in self.disks.items() if name in disk.ids]
        if len({node for _, node in there}) != 1:
            return {"ids": sorted(f"{name} is {node}" for name, node in there)}
        node = there[0][1]
        disk = self.disks[node]
        on = [path for path, each in self.mounted.items() if each == node]
        signed = disk.kind not in STATUSES
        twins = [each for each, other in self.disks.items() if each != node and disk.uuid and other.uuid == disk.uuid]
        return {
            "ids": [name for name, _ in there], "device": node, "size": disk.size, "serial": disk.serial, "disk": True,
            "readonly": False, "busy": "Device or resource busy" if on else disk.busy, "parts": [], "holders": [],
            "mounted": on, "wipefs": 0, "signatures": [disk.kind] if signed else [],
            "blkid": STATUSES.get(disk.kind, 0), "kind": disk.kind if signed else "", "label": disk.label,
            "uuid": disk.uuid, "bytes": disk.size if disk.kind == "ext4" else 0, "zero": not disk.kind,
            "first_data_offset": -1,
            "format_mark": "" if disk.used else disk.format_mark, "twins": twins,
            "entries": len(set(disk.files) - OURS), "copying": COPYING in disk.files,
        }  # fmt: skip

    def _folder(self, path: str) -> dict[str, Any]:
        there = path in self.folders
        inside = self._inside(path) if there else {}
        return {
            "kind": "folder" if there else "none", "entries": len(set(inside) - OURS),
            "mounted": self.mounted.get(path, ""), "proof": PROOF in inside, "aside": path + ASIDE in self.folders,
            "beneath": [], "exposed": self.exposed.get(path, ""),
        }  # fmt: skip

    # ── changing ────────────────────────────────────────────────────────────────────────────────────────────────

    def _format(self, path: str, size: str, serials: str, label: str) -> str:
        node = self._named(path)
        disk = self.disks[node]
        if disk.size != int(size) or disk.serial not in serials.split(","):
            raise _Stop(f"its size is {disk.size} bytes and its serial {disk.serial}")
        if disk.busy or node in self.mounted.values():
            raise _Stop("it cannot be opened exclusively: Device or resource busy")
        if not disk.format_mark and disk.kind:
            data = disk.kind == "data"
            raise _Stop("its first MiB is not zero" if data else f"wipefs finds {disk.kind}")
        disk.kind, disk.label, disk.uuid, disk.format_mark = "ext4", label, disk.format_mark or str(uuid.uuid4()), ""
        disk.files = {"lost+found": ""}
        disk.formats += 1
        return f"formatted, UUID {disk.uuid}"

    def _copy_in(self, device: str, path: str) -> str:
        disk = self.disks[self._named(device)]
        if path + ASIDE in self.folders:
            raise _Stop(f"{path}{ASIDE} exists already")
        if set(disk.files) - OURS:
            raise _Stop(f"both the volume and {path} hold files: decide which to keep")
        there = self.folders.get(path, {})
        disk.files = {"lost+found": "", **there}
        self.folders[path + ASIDE], self.folders[path] = there, {}
        disk.used = True
        self.copies += 1
        return f"{len(there)} entries copied and compared; the original folder is {path}{ASIDE}"

    def _write_proof(self, device: str, path: str) -> str:
        self._on(device, path)[PROOF] = "proof"
        return "1 MiB written, and read back from the disk"

    def _check_proof(self, device: str, path: str) -> str:
        inside = self._on(device, path)
        if inside.get(PROOF) != "proof":
            raise _Stop(f"{path}/{PROOF} is not what was written")
        del inside[PROOF]
        return "the file is still what was written; it was removed"

    def _on(self, device: str, path: str) -> dict[str, str]:
        node = self._named(device)
        if self.mounted.get(path) != node:
            raise _Stop(f"{device} is not mounted at {path}")
        return self.disks[node].files


class _Stop(Exception):
    """Nothing further is done, for this reason."""


COMMANDS = frozenset({"findmnt", "mkdir", "mount", "ps", "python3", "rm", "stat", "systemctl", "umount"})
"""What this machine answers."""
