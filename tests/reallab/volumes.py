"""A machine with real disks: loop devices under the names that udev would give them, seen by nobody else.

It is a mount namespace with a root, a /dev and a /run of its own. What makes it a machine is in a folder: a console
that is killed finds it again there. systemd is a stand-in (`systemctl`, and what a start does)."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from console.hosts.host import Completed
from console.hosts.local import Local
from tests.reallab.warden import WITH_PARENT

MIB = 1 << 20
SIZES = {"opt": 64 * MIB, "var_lib_docker": 72 * MIB}
"""Sparse files; ext4 wants some MiB for its journal."""

PATHS = {"opt": "/opt", "var_lib_docker": "/var/lib/docker"}
NAMES = {"opt": "mailcow_opt", "var_lib_docker": "mailcow_var_lib_docker"}
LOOP_CTL_GET_FREE = 0x4C82

BOOT = """\
set -eu
own=$1
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs "$own/disk"
mkdir "$own/disk/upper" "$own/disk/work" "$own/disk/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$own/disk/upper,workdir=$own/disk/work" "$own/disk/root"
cd "$own/disk/root"
mount -t proc proc proc
mount -t sysfs sysfs sys
for folder in dev run tmp var/lib; do mount -t tmpfs -o mode=755 tmpfs "$folder"; done
for node in null zero full random urandom; do : > "dev/$node"; mount --bind "/dev/$node" "dev/$node"; done
ln -s /proc/self/fd dev/fd
mkdir -p dev/disk/by-id run/udev/data etc/systemd/system "./$own"
mount --bind "$own/shared" "./$own"
rm -rf opt
mkdir opt  # of this layer alone: a folder of the layer below cannot be renamed
install -m 755 "$own/shared/systemctl" usr/local/bin/systemctl
printf '# made by the installer\\nproc /proc proc nosuid 0 0\\n#UUID=old /opt ext4 defaults 0 2' > etc/fstab
# where no udev answers it, libblkid keeps a cache in /run
echo CACHE_FILE=/tmp/blkid.tab > etc/blkid.conf
pivot_root . mnt
cd /
umount -l mnt
exec </dev/null >/dev/null 2>&1
: > "$own/ready"
exec sleep infinity
"""

SYSTEMCTL = """\
#!/bin/sh
# Stands for systemd: one unit, docker.service, whose state is in files.
state=SHARED
case "$1" in
show)
    if [ -e $state/docker ]; then load=loaded; active=$(cat $state/docker); else load=not-found; active=inactive; fi
    conf=/etc/systemd/system/docker.service.d/cowhand-volumes.conf
    reload=no
    cmp -s $conf $state/loaded 2>/dev/null || { [ ! -e $conf ] && [ ! -e $state/loaded ]; } || reload=yes
    [ $load = loaded ] || reload=no
    enabled=; [ $load != loaded ] || enabled=enabled
    printf "LoadState=%s\\nActiveState=%s\\nUnitFileState=%s\\nNeedDaemonReload=%s\\n" \\
        $load $active "$enabled" $reload ;;
daemon-reload)
    rm -f $state/loaded
    cp /etc/systemd/system/docker.service.d/cowhand-volumes.conf $state/loaded 2>/dev/null || : ;;
stop) [ ! -e $state/docker ] || echo inactive > $state/docker ;;
start)
    [ -e $state/docker ] || { echo 'Unit docker.service not found.' >&2; exit 5; }
    for path in $(sed -n 's/^AssertPathIsMountPoint=//p' $state/loaded 2>/dev/null); do
        mountpoint -q "$path" || { echo 'Assertion failed on job for docker.service.' >&2; exit 1; }
    done
    echo active > $state/docker
    mkdir -p /var/lib/docker
    echo started >> /var/lib/docker/starts ;;
*) echo "Unknown command verb $1." >&2; exit 1 ;;
esac
"""


class Machine:
    """The machine whose folder is `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.own = root / "machine"
        self.process: subprocess.Popen[str] | None = None

    # ── life ────────────────────────────────────────────────────────────────────────────────────────────────────

    def start(self, sizes: Mapping[str, int] = SIZES) -> None:
        """Bring it up with a blank disk for each device."""
        (self.own / "disk").mkdir(parents=True)
        (self.own / "shared").mkdir()
        script = self.own / "shared" / "systemctl"
        script.write_text(SYSTEMCTL.replace("SHARED", str(self.own)))
        process = self.process = subprocess.Popen(
            [*WITH_PARENT, "unshare", "-m", "sh", "-c", BOOT, "sh", str(self.own)],
            start_new_session=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        (self.root / "machine.json").write_text(json.dumps({"pid": process.pid, "loops": {}}))
        end = time.monotonic() + 60
        while not (self.own / "shared" / "ready").exists():
            if process.poll() is not None or time.monotonic() > end:
                assert process.stderr is not None
                raise OSError(f"the machine did not come up: {process.stderr.read() if process.poll() else ''}")
            time.sleep(0.002)
        assert process.stderr is not None
        process.stderr.close()
        for device, size in sizes.items():
            self.attach(device, size)

    def stop(self) -> None:
        """End it, and let go of its disks."""
        told = self._told()
        with suppress(ProcessLookupError):
            os.kill(told["pid"], signal.SIGKILL)
        if self.process is not None:
            self.process.wait()
        for number in told["loops"].values():
            _detach(self.own, number)

    def restart(self) -> None:
        """What a start of the machine does: nothing mounted, /run empty, then fstab and the units."""
        self.do("sh", "-c", "for p in /opt /var/lib/docker /mnt/other; do umount -q $p; done; "
                "find /run -mindepth 1 -maxdepth 1 ! -name udev -exec rm -rf {} +; "
                "mount -a; systemctl daemon-reload; "
                f"[ ! -e {self.own}/docker ] || {{ echo inactive > {self.own}/docker; systemctl start docker.service; "
                "} || :")  # fmt: skip

    def _told(self) -> dict[str, dict[str, int]]:
        told: dict[str, dict[str, int]] = json.loads((self.root / "machine.json").read_text())
        return told

    # ── commands ────────────────────────────────────────────────────────────────────────────────────────────────

    def argv(self, argv: Sequence[str]) -> list[str]:
        """The command that runs `argv` there."""
        path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        return ["nsenter", "-t", str(self._told()["pid"]), "-m", "-r", "-w", "--", "env", "-i", path, "LC_ALL=C", *argv]

    def run(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """Run a command there, whatever its status."""
        return subprocess.run(self.argv(argv), capture_output=True, text=True, check=False, timeout=60)

    def do(self, *argv: str) -> str:
        """Run a command that must succeed."""
        done = self.run(*argv)
        if done.returncode:
            raise OSError(f"{argv}: {done.stderr or done.stdout}")
        return done.stdout

    # ── disks ───────────────────────────────────────────────────────────────────────────────────────────────────

    def attach(self, device: str, size: int, serial: str | None = None, name: str | None = None) -> None:
        """Add a disk: a by-id name and a serial as Incus and udev give them."""
        image = self.image(device)
        if not image.exists():
            with image.open("wb") as file:
                file.truncate(size)
        number = _attach(self.own, image)
        told = self._told()
        told["loops"][device] = number
        (self.root / "machine.json").write_text(json.dumps(told))
        self.do("mknod", f"/dev/loop{number}", "b", "7", str(number))
        self.name(device, name or device)
        self.serial(device, f"incus_{device}" if serial is None else serial)

    def name(self, device: str, name: str) -> None:
        """Give a disk the by-id name of a device."""
        link = f"/dev/disk/by-id/scsi-0QEMU_QEMU_HARDDISK_incus_{name}"
        self.do("ln", "-sfn", f"../../loop{self._told()['loops'][device]}", link)

    def unname(self, name: str) -> None:
        """Take a by-id name away: the disk is not attached."""
        self.do("rm", f"/dev/disk/by-id/scsi-0QEMU_QEMU_HARDDISK_incus_{name}")

    def serial(self, device: str, serial: str) -> None:
        """Have udev's database tell a serial."""
        text = f"I:1\\nE:ID_SERIAL_SHORT={serial}\\n" if serial else "I:1\\n"
        number = self._told()["loops"][device]
        self.do("sh", "-c", f"printf '{text}' > /run/udev/data/b7:{number}")

    def node(self, device: str) -> str:
        """The kernel's name of a disk."""
        return f"/dev/loop{self._told()['loops'][device]}"

    def image(self, device: str) -> Path:
        """The file that a disk is."""
        return self.root / f"{device}.img"

    def sum(self, device: str) -> str:
        """What is on a disk, in one number."""
        self.do("sync")
        with self.image(device).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def tree(self, *folders: str, sums: bool = True) -> str:
        """Every file below some folders: kind, rights, owner, times, size, target and sum."""
        script = "find -- \"$@\" -xdev -printf '%p %y %m %U %G %T@ %s %l\\n' 2>/dev/null | sort"
        if sums:
            script += '; find -- "$@" -xdev -type f -exec sha256sum {} + 2>/dev/null | sort'
        return self.do("sh", "-c", script, "sh", *folders)

    def snapshot(self) -> dict[str, str]:
        """All of the machine that a flow could change."""
        mounts = self.do("findmnt", "--noheadings", "--list", "--output", "TARGET,SOURCE,FSTYPE,OPTIONS")
        files = self.tree("/etc/fstab", "/etc/systemd/system", "/etc/fstab.previous", "/run", "/var/lib")
        inside = self.tree(*PATHS.values())
        nodes = self.tree("/dev", sums=False)
        return {
            "mounts": mounts,
            "files": files,
            "inside": inside,
            "nodes": nodes,
            **{name: self.sum(name) for name in SIZES},
        }


class Inside(Local):
    """The machine as a host, from this process."""

    def __init__(self, machine: Machine) -> None:
        super().__init__("mailcow", "mail")
        self.machine = machine

    def at(self, path: str) -> Path:
        """Where a path of that machine is on this one."""
        return Path(f"/proc/{self.machine._told()['pid']}/root{path}")

    async def run(self, argv: Sequence[str], timeout: float, cap: int = 1 << 20) -> Completed:
        """Run a command there."""
        return await super().run(self.machine.argv(argv), timeout, cap)

    async def execute(self, argv, dialogue, timeout, cap):  # type: ignore[no-untyped-def]
        prefix = self.machine.argv([])
        return await super().execute(argv if list(argv[: len(prefix)]) == prefix else [*prefix, *argv],
                                              dialogue, timeout, cap)  # fmt: skip


def _attach(own: Path, image: Path) -> int:
    with Path("/dev/loop-control").open("rb") as control:
        for _ in range(20):
            number = fcntl.ioctl(control, LOOP_CTL_GET_FREE)
            node = own / f"loop{number}"
            if not node.exists():
                os.mknod(node, 0o600 | 0o060000, os.makedev(7, number))
            # whoever else wants a loop device may be faster
            if not subprocess.run(["losetup", str(node), str(image)], capture_output=True, check=False).returncode:
                return number
    raise OSError("no loop device is free")


def _detach(own: Path, number: int) -> None:
    node = str(own / f"loop{number}")
    for argv in (["blockdev", "--setrw", node], ["losetup", "-d", node]):
        subprocess.run(argv, capture_output=True, check=False)


def sweep() -> None:
    """Let go of the disks of machines whose tests were killed: the machine dies with them, its loop devices do not."""
    dead: set[Path] = set()
    for told in Path("/sys/block").glob("loop*/loop/backing_file"):
        with suppress(OSError, ValueError):
            root = Path(told.read_text().strip()).parent
            pid = json.loads((root / "machine.json").read_text())["pid"]
            if not Path(f"/proc/{pid}").exists():
                _detach(root / "machine", int(told.parts[3].removeprefix("loop")))
                dead.add(root)
    for root in dead:
        shutil.rmtree(root, ignore_errors=True)


def fresh(root: Path, sizes: Mapping[str, int] = SIZES) -> Machine:
    """A machine with blank disks; `root` is made."""
    sweep()
    root.mkdir(parents=True, exist_ok=True)
    machine = Machine(root)
    machine.start(sizes)
    return machine


def remove(machine: Machine) -> None:
    """End it and take its folder away."""
    machine.stop()
    shutil.rmtree(machine.root, ignore_errors=True)


# ── its site ────────────────────────────────────────────────────────────────────────────────────────────────────────

SITE = """\
[sources]
opentofu = ["mailcow.tf"]

[[lane]]
port = 25
protocol = "smtp"
target = "10.10.10.214:25"
"""

VOLUME = """\
resource "incus_storage_volume" "NAME" {
  name         = "NAME"
  pool         = "default"
  content_type = "block"
  config       = { "size" = "SIZE" }
}
"""

INSTANCE = """\
resource "incus_instance" "mailcow" {
  name  = "mailcow"
  image = "images:ubuntu/24.04"
  type  = "virtual-machine"
DEVICES}
"""

DEVICE = """\
  device {
    name = "DEVICE"
    type = "disk"
    properties = {
      # Mount manually inside the VM: path = "PATH"
      source = incus_storage_volume.NAME.name
      pool   = "default"
    }
  }
"""


def write_site(root: Path, sizes: Mapping[str, int] = SIZES) -> None:
    """Write a site file and the OpenTofu file that declares these disks."""
    (root / "site.toml").write_text(SITE)
    text = "".join(
        VOLUME.replace("NAME", NAMES[each]).replace("SIZE", f"{size // MIB}MiB") for each, size in sizes.items()
    )
    devices = "".join(
        DEVICE.replace("DEVICE", each).replace("PATH", PATHS[each]).replace("NAME", NAMES[each]) for each in sizes
    )
    (root / "mailcow.tf").write_text(text + INSTANCE.replace("DEVICES", devices))
