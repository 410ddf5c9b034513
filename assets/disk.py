"""What cowhand does to disks on their own machine; it needs Python 3.8, util-linux and e2fsprogs.

`look` only reads. A command that changes a disk first checks again, with the disk opened for itself alone, what the
look found."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import mmap
import os
import re
import shutil
import stat
import subprocess
import sys
import time

MIB = 1 << 20
TOOLS = ("blkid", "debugfs", "e2fsck", "findmnt", "lsblk", "mkfs.ext4", "mount", "umount", "wipefs")
BY_ID = "/dev/disk/by-id/"
SYSTEM = "/sys"
MOUNTS = "/proc/self/mountinfo"
TOP = "/"
STAGE = "/run/cowhand-volume"
PROOF = ".cowhand-proof"
COPYING = ".cowhand-copying"
COPIED = ".cowhand-copied"
ASIDE = ".before-cowhand"
OURS = {"lost+found", PROOF, COPYING, COPIED}
MAGIC = b"cowhand began to format this disk\n"
ROOM = 4096
KNOWN = tuple(start + offset * MIB for start in (0, MIB) for offset in (0, 1, 8, 32, 64, 128))
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK


class Stop(Exception):
    """Nothing further is done, for this reason."""


def call(*argv: str, limit: float = 120, fds: tuple[int, ...] = ()) -> tuple[int, str, str]:
    """Run a command in the C locale; returns its status, output and error output.

    Status 124 is a command that had not ended after `limit` seconds, 127 one that could not be started."""
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=limit,
                              env=environment(), pass_fds=fds)  # fmt: skip
    except subprocess.TimeoutExpired:
        return 124, "", f"no answer within {limit} seconds"
    except FileNotFoundError:
        return 127, "", argv[0] + ": command not found"
    except OSError as error:
        return 127, "", f"{argv[0]}: {error.strerror}"
    return done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace").strip()


def environment() -> dict[str, str]:
    """Our environment in the C locale, and root's commands on PATH, where a login by SSH may not have them."""
    own = os.environ.get("PATH")
    path = (own + ":" if own else "") + "/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"
    return {**os.environ, "PATH": path, "LC_ALL": "C"}


@contextlib.contextmanager
def closing(fd: int) -> Iterator[int]:
    """Close a descriptor at the end."""
    try:
        yield fd
    finally:
        os.close(fd)


# ── looking ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def look(request: str) -> dict[str, object]:
    """Report how the wanted volumes, their folders and Docker are; changes nothing."""
    wanted: list[Wanted] = json.loads(request)
    mounts = mounted()
    volumes = {each["name"]: describe_disk(each["ids"], mounts) for each in wanted}
    for each in wanted:
        found = volumes[each["name"]]
        if found["uuid"]:
            found["twins"] = same_uuid(found["uuid"], found["device"])
            found["entries"], found["copying"] = top_folder(found)
    return {
        "root": os.geteuid() == 0,
        "lacking": lacking(),
        "volumes": volumes,
        "folders": {each["path"]: describe_folder(each["path"], mounts) for each in wanted if each["path"]},
        "docker": describe_unit("docker.service"),
    }


def lacking() -> list[str]:
    """The commands that this machine does not have."""
    return [tool for tool in TOOLS if not shutil.which(tool, path=environment()["PATH"])]


def mounted() -> list[Mount]:
    """What is mounted in this process's namespace, in order."""
    with open(MOUNTS, encoding="utf-8", errors="surrogateescape") as table:
        rows = [parse_mount(line) for line in table]
    for row in rows:
        named = SYSTEM + "/dev/block/" + row["number"]
        if os.path.exists(named):
            row["device"] = "/dev/" + os.path.basename(os.path.realpath(named))
    return rows


def parse_mount(line: str) -> Mount:
    """Read a line of mountinfo (proc(5)): target, device number, kind; the device is not known here."""
    before, _, after = line.partition(" - ")
    words = before.split(" ")
    target = re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), words[4])
    return {"target": target, "number": words[2], "kind": after.split(" ")[0], "device": ""}


def block_number(state: os.stat_result) -> str:
    """The number of a block device as the kernel writes it, "8:16"; "" for anything else."""
    return f"{os.major(state.st_rdev)}:{os.minor(state.st_rdev)}" if stat.S_ISBLK(state.st_mode) else ""


def describe_disk(ids: list[str], mounts: list[Mount]) -> Disk:
    """All that is known of the disk that has one of these by-id names; `device` is "" when none has."""
    links = {name: BY_ID + name for name in ids}
    there = {name: os.path.realpath(path) for name, path in links.items() if os.path.exists(path)}
    found: Disk = {
        "ids": sorted(there), "device": "", "size": 0, "serial": "", "disk": False, "readonly": False, "busy": "",
        "parts": [], "holders": [], "mounted": [], "wipefs": None, "signatures": [], "blkid": None, "kind": "",
        "label": "", "uuid": "", "bytes": 0, "zero": False, "first_data_offset": -1,
        "format_mark": "", "twins": [], "entries": 0, "copying": False,
    }  # fmt: skip
    if len(set(there.values())) != 1:
        found["ids"] = sorted(name + " is " + device for name, device in there.items())
        return found
    device = found["device"] = next(iter(there.values()))
    number = block_number(os.stat(device))
    if number:
        found["mounted"] = [row["target"] for row in mounts if row["number"] == number]
        ask_kernel(device, number, found)
        ask_commands(device, found)
        with open(device, "rb", buffering=0) as raw:
            read_disk(raw, found)
    return found


def ask_kernel(device: str, number: str, found: Disk) -> None:
    """Add what the kernel knows: partitions, what uses the disk, and whether it can be opened alone."""
    system = SYSTEM + "/dev/block/" + number
    found["parts"] = [each for each in names(system) if os.path.exists(system + "/" + each + "/partition")]
    found["holders"] = names(system + "/holders")
    found["disk"] = not os.path.exists(system + "/partition")
    found["busy"] = busy(device)


def busy(device: str) -> str:
    """Why a disk cannot be opened by us alone; "" when it can."""
    try:
        os.close(os.open(device, os.O_RDONLY | os.O_EXCL))
    except OSError as error:
        return error.strerror or str(error)
    return ""


def ask_commands(device: str, found: Disk) -> None:
    """Add what lsblk, wipefs and blkid find; what they did not answer stays None or empty."""
    status, text, _ = call("lsblk", "--nodeps", "--bytes", "--json", "--output", "SERIAL,RO,SIZE", device)
    with contextlib.suppress(ValueError, KeyError, IndexError, TypeError, AttributeError):
        row = json.loads(text)["blockdevices"][0] if not status else {}
        found["serial"] = (row.get("serial") or "").strip()
        found["readonly"] = row.get("ro") in (True, "1")
    status, text, _ = call("wipefs", "-n", "--json", device)
    with contextlib.suppress(ValueError, KeyError, TypeError):
        # without a signature some versions print nothing at all
        rows = json.loads(text)["signatures"] if text.strip() else []
        found["signatures"] = [str(row["type"]) for row in rows]
        found["wipefs"] = status
    status, text, _ = call("blkid", "-p", "-o", "export", device)
    values = dict(line.partition("=")[::2] for line in text.splitlines())
    found["blkid"] = status
    found["kind"] = values.get("TYPE") or values.get("PTTYPE") or ""
    found["label"], found["uuid"] = values.get("LABEL", ""), values.get("UUID", "")


def read_disk(raw: FileIO, found: Disk) -> None:
    """Add what the disk's own bytes tell: its size, the first MiB, our mark, data beyond, the size of an ext4."""
    found["size"] = raw.seek(0, os.SEEK_END)
    found["zero"] = first_byte(raw, 0, MIB) < 0
    found["format_mark"] = format_mark(read_at(raw, mark_offset(found["size"]), ROOM))
    if found["zero"] and not found["format_mark"]:
        found["first_data_offset"] = first_data_offset(raw, found["size"])
    if found["kind"] == "ext4":
        block = read_at(raw, 1024, 1024)
        found["bytes"] = int.from_bytes(block[4:8] + block[336:340], "little") << (10 + block[24])
        # the time of its last mount, and how often it was mounted: once it was, its format had come to its end
        if found["format_mark"] == found["uuid"] and any(block[44:48] + block[52:54]):
            found["format_mark"] = ""


def names(folder: str) -> list[str]:
    """The names in a folder, sorted; none when it is not there."""
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def read_at(raw: FileIO, offset: int, length: int) -> bytes:
    """Read some bytes of a disk, fewer at its end and none beyond it, where no block device lets itself be sought."""
    raw.seek(min(offset, raw.seek(0, os.SEEK_END)))
    data = b""
    while more := raw.read(length - len(data)):
        data += more
    return data


def first_byte(raw: FileIO, offset: int, length: int) -> int:
    """Where the first byte that is not zero is in a part of a disk; -1 when all are zero."""
    data = read_at(raw, offset, length)
    return -1 if data == bytes(len(data)) else offset + len(data) - len(data.lstrip(b"\0"))


def mark_offset(size: int) -> int:
    """Where the mark of a format is: near three quarters of the disk, away from what mkfs.ext4 writes.

    It writes at the beginning of groups, which have 128 MiB, on small disks 8."""
    group = (128 if size >= 512 * MIB else 8) * MIB
    return size * 3 // 4 // group * group + group // 4 * 3


def first_data_offset(raw: FileIO, size: int) -> int:
    """Where samples find the first byte that is not zero, -1 when they find none.

    They are 256 at equal distances, the places where file systems keep copies of their superblock (also those that
    begin at 1 MiB, as a first partition does), the place of our mark, and the last MiB; the rest is not read."""
    samples = {size * number // 256 // ROOM * ROOM for number in range(256)}
    samples.update((*KNOWN, mark_offset(size)))
    for offset, length in [*((each, ROOM) for each in sorted(samples)), (max(0, size - MIB), MIB)]:
        found = first_byte(raw, offset, length)
        if found >= 0:
            return found
    return -1


def format_mark(block: bytes) -> str:
    """The UUID of the file system that an interrupted format was to make; "" without a whole mark."""
    uuid = block[len(MAGIC) : len(MAGIC) + 36]
    if not re.fullmatch(b"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", uuid):
        return ""
    return uuid.decode() if block == mark_block(uuid.decode()) else ""


def mark_block(uuid: str) -> bytes:
    """What is written where a format begins, of `ROOM` bytes: the UUID it is to give, with a checksum."""
    head = MAGIC + uuid.encode()
    return (head + hashlib.sha256(head).hexdigest().encode()).ljust(ROOM, b"\0")


def same_uuid(wanted: str, device: str) -> list[str]:
    """Other devices of this machine with the same file system UUID."""
    found = []
    for name in names(SYSTEM + "/class/block"):
        other = "/dev/" + name
        if os.path.exists(other) and os.path.realpath(other) != device:
            status, text, _ = call("blkid", "-p", "-o", "value", "-s", "UUID", other)
            if not status and text.strip() == wanted:
                found.append(other)
    return found


def top_folder(found: Disk) -> tuple[int, bool]:
    """How many entries the top folder of an ext4 has that neither we nor mkfs put there; whether a copy was begun."""
    if found["kind"] != "ext4":
        return 0, False
    if found["mounted"]:
        there = set(names(found["mounted"][-1]))
    else:
        _, text, _ = call("debugfs", "-R", "ls -p /", found["device"])
        rows = [line.split("/") for line in text.splitlines()]
        there = {row[5] for row in rows if len(row) == 8} - {"", ".", ".."}
    return len(there - OURS), bool({COPYING, COPIED} & there)


def describe_folder(path: str, mounts: list[Mount]) -> dict[str, object]:
    """What is at a path: its kind, how much is in it, what is mounted on and below it, and what earlier runs left."""
    kind = "none"
    if os.path.lexists(path):
        kind = "link" if os.path.islink(path) else "folder" if os.path.isdir(path) else "file"
    on = [row for row in mounts if row["target"] == path]
    there = set(names(path)) if kind == "folder" else set()
    return {
        "kind": kind,
        "entries": len(there - OURS),
        "mounted": on[-1]["device"] or on[-1]["kind"] if on else "",
        "proof": PROOF in there,
        "aside": os.path.isdir(path + ASIDE),
        "beneath": beneath(path, mounts),
        "exposed": exposed(path),
    }


def beneath(path: str, mounts: list[Mount]) -> list[str]:
    """What is mounted below a path."""
    return sorted(row["target"] for row in mounts if row["target"].startswith(path + "/"))


def exposed(path: str) -> str:
    """Why somebody else could put another folder at a path; "" when only root can."""
    try:
        os.close(open_parent(path))
    except Stop as stop:
        return str(stop)
    except OSError:
        pass  # a parent is not there: the folder that will be made is root's
    return ""


def open_parent(path: str) -> int:
    """Open the folder that a path is in; raises `Stop` when another user could swap one of the folders on the way."""
    above, held = TOP, os.open(TOP, FOLDER)
    for name in [".", *os.path.relpath(os.path.dirname(path), TOP).split("/")]:
        above = os.path.normpath(above + "/" + name)
        with closing(held):
            held = open_ours(name, held, above)
    return held


def open_ours(name: str, parent: int, path: str) -> int:
    """Open a folder that nobody else can change; raises `Stop` for another."""
    try:
        held = os.open(name, FOLDER, dir_fd=parent)
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.ENOTDIR):
            raise
        raise Stop(path + " is a link or a file, not a folder") from None
    state = os.fstat(held)
    why = ""
    if state.st_uid not in (0, os.geteuid()):
        why = f"{path} belongs to user {state.st_uid}, who could swap the folders in it"
    elif state.st_mode & 0o022:
        why = f"others may write in {path}, and could swap the folders in it"
    if why:
        os.close(held)
        raise Stop(why)
    return held


def describe_unit(name: str) -> dict[str, str]:
    """How systemd sees a unit; all "" where there is no systemd."""
    keys = ("LoadState", "ActiveState", "UnitFileState", "NeedDaemonReload")
    status, text, _ = call("systemctl", "show", "-p", ",".join(keys), name, limit=20)
    values = dict(line.partition("=")[::2] for line in text.splitlines()) if not status else {}
    return {key: values.get(key, "") for key in keys}


# ── formatting ──────────────────────────────────────────────────────────────────────────────────────────────────────


def not_blank(found: Disk) -> str:
    """Why a disk is not proven blank; "" when it is. `busy` is left out, for it may be us who have it open."""
    if found["parts"]:
        return "it has partitions: " + ", ".join(found["parts"])
    if found["holders"] or found["mounted"]:
        return "it is in use by " + ", ".join(found["holders"] + found["mounted"])
    if found["wipefs"] != 0 or found["signatures"]:
        return "wipefs finds " + ", ".join(found["signatures"]) if found["signatures"] else "wipefs gives no answer"
    if found["blkid"] != 2:
        return "blkid finds " + found["kind"] if found["kind"] else f"blkid ended with status {found['blkid']}"
    if not found["zero"] and not found["format_mark"]:
        return "its first MiB is not zero"
    if found["first_data_offset"] >= 0:
        return f"there is data at byte {found['first_data_offset']}"
    return ""


def not_the_disk(found: Disk, node: str, size: str, serials: str) -> str:
    """Why a disk is not the one that was to be formatted; "" when it is."""
    if found["device"] != node or not found["disk"]:
        return "it is not a whole disk"
    if str(found["size"]) != size or not found["serial"] or found["serial"] not in serials.split(","):
        return f"its size is {found['size']} bytes and its serial {found['serial'] or 'unknown'}"
    if found["readonly"]:
        return "it is read-only"
    if mark_offset(found["size"]) + ROOM > found["size"]:
        return "it is too small"
    return ""


def format_disk(device: str, size: str, serials: str, label: str) -> str:
    """Format a disk that is blank, or whose format by us was interrupted; nobody else can use it while that is proven.

    `size` in bytes, `serials` joined by commas."""
    if tools := lacking():
        raise Stop("this machine has no " + ", ".join(tools))
    node = os.path.realpath(device)
    with closing(os.open(node, os.O_RDONLY)) as lock:
        lock_disk(lock)
        with closing(open_exclusive(node)) as held:
            found = describe_disk([os.path.basename(device)], mounted())
            if why := not_the_disk(found, node, size, serials):
                raise Stop(why)
            if found["format_mark"] and found["uuid"] == found["format_mark"]:
                if is_sound(node):
                    return clear_mark(held, found["size"], found["format_mark"])
                found["blkid"] = 2  # what is there is what we began
                found["signatures"] = [each for each in found["signatures"] if each != "ext4"]
            uuid = prove_blank(held, device, found)
        # mkfs.ext4 opens the disk for itself alone, and makes nothing on a disk that somebody else uses
        status, text, said = call("mkfs.ext4", "-q", "-L", label, "-U", uuid, "-E", "nodiscard", node, limit=540)
        if status:
            raise Stop("mkfs.ext4: " + (said or text or f"status {status}"))
        with closing(open_exclusive(node)) as held:
            if not is_sound(node):
                raise Stop("e2fsck does not find the new file system sound")
            return clear_mark(held, found["size"], uuid)


def lock_disk(lock: int) -> None:
    """Lock a disk as udev and systemd do before they look at one; they leave it alone meanwhile."""
    for _ in range(50):
        try:
            return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.1)
    raise Stop("it is locked by another program")


def open_exclusive(device: str) -> int:
    """Open a disk so that nobody else can mount it or open it for itself."""
    try:
        return os.open(device, os.O_RDWR | os.O_EXCL)
    except OSError as error:
        raise Stop(f"it cannot be opened exclusively: {error.strerror}") from None


def prove_blank(held: int, device: str, found: Disk) -> str:
    """Mark a disk that is blank, and look at it once more; returns the UUID that it is to get."""
    import uuid

    if why := not_blank(found):
        raise Stop(why)
    if found["format_mark"]:
        return found["format_mark"]
    fresh = str(uuid.uuid4())
    os.pwrite(held, mark_block(fresh), mark_offset(found["size"]))
    os.fsync(held)
    again = describe_disk([os.path.basename(device)], mounted())  # sees what was on its way to the disk before
    if not_blank(again) or not again["zero"] or again["format_mark"] != fresh:
        clear_mark(held, found["size"], fresh)
        raise Stop("it changed while it was checked")
    return fresh


def is_sound(device: str) -> bool:
    """Whether e2fsck, only reading, finds nothing to repair; raises `Stop` when it could not tell."""
    status, _, said = call("e2fsck", "-f", "-n", device, limit=540)
    if status not in (0, 4, 8, 12):  # e2fsck(8): 4, errors are left; 8, it cannot make sense of what is there
        raise Stop("e2fsck: " + (said or f"status {status}"))
    return status == 0


def clear_mark(held: int, size: int, wanted: str) -> str:
    """Remove the mark of a format, if it is still there."""
    if format_mark(os.pread(held, ROOM, mark_offset(size))) == wanted:
        os.pwrite(held, bytes(ROOM), mark_offset(size))
    os.fsync(held)
    return "formatted, UUID " + wanted


# ── copying ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def copy_in(device: str, path: str) -> str:
    """Copy what is in a folder onto a volume, compare every byte, and rename the folder, which is kept.

    The volume is mounted where no other process sees it."""
    separate_mounts()
    if others := [row["target"] for row in mounted() if row["target"] == path] + beneath(path, mounted()):
        raise Stop("something is mounted at " + ", ".join(others))
    with closing(open_parent(path)) as parent:
        if why := busy(device):
            raise Stop("it cannot be opened exclusively: " + why)
        os.makedirs(STAGE, exist_ok=True)
        status, _, said = call("mount", "-t", "ext4", "-o", "nodev,nosuid,noexec", device, STAGE)
        if status:
            raise Stop(said or "it cannot be mounted")
        try:
            with closing(os.open(STAGE, FOLDER)) as volume:
                return copy_folder(volume, parent, path)
        finally:
            call("umount", STAGE)
            with contextlib.suppress(OSError):
                os.rmdir(STAGE)


def separate_mounts() -> None:
    """Have mounts of our own from here on: what this process mounts, no other one sees."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    new_namespace, private, recursive = 0x20000, 0x40000, 0x4000
    if libc.unshare(new_namespace) or libc.mount(b"none", b"/", None, private | recursive, None):
        raise Stop("no mount namespace can be made: " + os.strerror(ctypes.get_errno()))


def copy_folder(volume: int, parent: int, path: str) -> str:
    """Copy, compare, put in place, rename: when interrupted, the next run goes on. Only an unfinished copy is removed.

    `volume` and `parent`, the folder that `path` is in, are descriptors."""
    name, aside = os.path.basename(path), os.path.basename(path) + ASIDE
    whole = is_folder(volume, COPIED)
    moved = whole and is_folder(parent, aside) and not entries(parent, name)
    if exists(parent, aside) and not moved:
        raise Stop(path + ASIDE + " exists already")
    with closing(os.open(aside if moved else name, FOLDER, dir_fd=parent)) as source:
        if not whole:
            copy_and_compare(source, volume, path)
        put_in_place(volume)
        copy_rights(source, volume)
        count = compare(source, volume, False)
        if not moved:
            os.rename(name, aside, src_dir_fd=parent, dst_dir_fd=parent)
        if not exists(parent, name):
            os.mkdir(name, 0o700, dir_fd=parent)
        with closing(os.open(name, FOLDER, dir_fd=parent)) as fresh:
            copy_rights(source, fresh)
    os.fsync(parent)
    os.rmdir(COPIED, dir_fd=volume)
    os.fsync(volume)
    return f"{count} entries copied and compared; the original folder is {path}{ASIDE}"


def copy_and_compare(source: int, volume: int, path: str) -> None:
    """Copy a folder into one of its own on the volume, which gets its name when every byte was compared."""
    if set(os.listdir(volume)) - OURS:
        raise Stop("both the volume and " + path + " hold files: decide which to keep")
    if clash := sorted(OURS & set(os.listdir(source))):
        raise Stop(f"{path}/{clash[0]} has a name that cowhand or ext4 needs on the volume; move it away")
    ours, theirs = f"/proc/self/fd/{volume}/{COPYING}", f"/proc/self/fd/{source}"
    shutil.rmtree(ours, ignore_errors=True)
    os.mkdir(COPYING, 0o700, dir_fd=volume)
    with closing(os.open(COPYING, FOLDER, dir_fd=volume)) as half:
        status, _, said = call("cp", "-a", "-x", theirs + "/.", f"/proc/self/fd/{half}/", limit=86400,
                               fds=(source, half))  # fmt: skip
        if status:
            raise Stop("cp: " + (said.splitlines()[-1].replace(theirs, path) if said else f"status {status}"))
        os.sync()
        compare(source, half, True)
    os.rename(COPYING, COPIED, src_dir_fd=volume, dst_dir_fd=volume)
    os.fsync(volume)


def put_in_place(volume: int) -> None:
    """Move what was copied up into the volume's top folder."""
    with closing(os.open(COPIED, FOLDER, dir_fd=volume)) as whole:
        for name in os.listdir(whole):
            if exists(volume, name):
                raise Stop("the volume already has " + name)
            os.rename(name, name, src_dir_fd=whole, dst_dir_fd=volume)
    os.fsync(volume)


def exists(folder: int, name: str) -> bool:
    """Whether a folder has this name, whatever it is."""
    return name in os.listdir(folder)


def is_folder(folder: int, name: str) -> bool:
    """Whether this name in a folder is a folder, and no link to one."""
    return exists(folder, name) and stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)


def entries(folder: int, name: str) -> list[str]:
    """The names in a folder inside another; none when it is not there."""
    if not exists(folder, name):
        return []
    with closing(os.open(name, FOLDER, dir_fd=folder)) as held:
        return os.listdir(held)


def copy_rights(source: int, target: int) -> None:
    """Give a folder the owner, extended attributes, mode and times of another one."""
    state = os.fstat(source)
    os.fchown(target, state.st_uid, state.st_gid)
    for key, value in attributes(f"/proc/self/fd/{source}/."):
        os.setxattr(target, key, value)
    os.fchmod(target, stat.S_IMODE(state.st_mode))
    os.utime(target, ns=(state.st_atime_ns, state.st_mtime_ns))


def compare(source: int, copy: int, content: bool) -> int:
    """Compare two trees in names, rights and times, and with `content` in every byte; returns how many entries."""
    theirs, ours = tree(source, content), tree(copy, content)
    for name in sorted({*theirs, *ours}):
        if theirs.get(name) != ours.get(name):
            raise Stop("the copy of " + name + " is not the same, or it was changed meanwhile")
    return len(theirs)


def tree(top: int, content: bool) -> dict[str, tuple[object, ...]]:
    """What `entry` tells of all below a folder on the same file system, by path."""
    found = {}
    device = os.fstat(top).st_dev
    pending = [""]
    while pending:
        folder = pending.pop()
        with closing(open_below(top, folder)) as held:
            for name in os.listdir(held):
                path = folder + name
                if path in OURS:
                    continue
                state = os.stat(name, dir_fd=held, follow_symlinks=False)
                found[path] = entry(held, name, state, content)
                if stat.S_ISDIR(state.st_mode) and state.st_dev == device:
                    pending.append(path + "/")
    return found


def open_below(top: int, path: str) -> int:
    """Open a folder below another; a link on the way is not followed."""
    held = os.open(".", FOLDER, dir_fd=top)
    for name in filter(None, path.split("/")):
        with closing(held):
            held = os.open(name, FOLDER, dir_fd=held)
    return held


def entry(folder: int, name: str, state: os.stat_result, content: bool) -> tuple[object, ...]:
    """Mode, owner, group, time, size, device, target, attributes, and with `content` the checksum of an entry."""
    plain = stat.S_ISREG(state.st_mode)
    return (
        state.st_mode, state.st_uid, state.st_gid, state.st_mtime_ns, state.st_size if plain else 0, state.st_rdev,
        os.readlink(name, dir_fd=folder) if stat.S_ISLNK(state.st_mode) else "",
        attributes(f"/proc/self/fd/{folder}/{name}"), checksum(folder, name) if plain and content else "",
    )  # fmt: skip


def checksum(folder: int, name: str) -> str:
    """The SHA-256 of a file as it is on its disk, not in memory."""
    whole = hashlib.sha256()
    with open(os.open(name, FILE, dir_fd=folder), "rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        while data := file.read(MIB):
            whole.update(data)
    return whole.hexdigest()


def attributes(path: str) -> list[tuple[str, bytes]]:
    """The extended attributes of what is at a path, itself a link or not; none where there can be none."""
    try:
        keys = sorted(os.listxattr(path, follow_symlinks=False))
    except OSError:
        return []
    return [(key, os.getxattr(path, key, follow_symlinks=False)) for key in keys]


# ── proving ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def write_proof(device: str, path: str) -> str:
    """Write a file onto a mounted volume, and read it back from the disk."""
    import secrets

    with closing(open_mounted(device, path)) as folder:
        if exists(folder, PROOF):
            if not stat.S_ISREG(os.stat(PROOF, dir_fd=folder, follow_symlinks=False).st_mode):
                raise Stop(f"{path}/{PROOF} is not a regular file; remove it")
            os.unlink(PROOF, dir_fd=folder)
        data = secrets.token_bytes(MIB - 32)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        with closing(os.open(PROOF, flags, 0o600, dir_fd=folder)) as proof:
            with open(proof, "wb", closefd=False) as out:
                out.write(hashlib.sha256(data).digest() + data)
            os.fsync(proof)
        os.fsync(folder)
        reread(folder, path)
    return "1 MiB written, and read back from the disk"


def check_proof(device: str, path: str) -> str:
    """Read that file once more, from the disk, and remove it."""
    with closing(open_mounted(device, path)) as folder:
        reread(folder, path)
        os.unlink(PROOF, dir_fd=folder)
        os.fsync(folder)
    return "the file is still what was written; it was removed"


def open_mounted(device: str, path: str) -> int:
    """Open the folder at a path; raises `Stop` when that disk is not mounted there."""
    held = os.open(path, FOLDER)
    on = [row for row in mounted() if row["target"] == path]
    state = os.fstat(held)
    number = f"{os.major(state.st_dev)}:{os.minor(state.st_dev)}"
    if not on or on[-1]["device"] != os.path.realpath(device) or on[-1]["number"] != number:
        os.close(held)
        raise Stop(device + " is not mounted at " + path)
    return held


def reread(folder: int, path: str) -> None:
    """Compare the proof on the disk, not in memory, with its own checksum."""
    why = f"{path}/{PROOF} is not what was written"
    if not exists(folder, PROOF) or not stat.S_ISREG(os.stat(PROOF, dir_fd=folder, follow_symlinks=False).st_mode):
        raise Stop(why)
    with closing(os.open(PROOF, FILE, dir_fd=folder)) as proof:
        os.posix_fadvise(proof, 0, 0, os.POSIX_FADV_DONTNEED)
        with contextlib.suppress(OSError):  # some file systems have no direct reads
            fcntl.fcntl(proof, fcntl.F_SETFL, os.O_DIRECT)
        buffer = mmap.mmap(-1, MIB)
        count = os.readv(proof, [buffer])
        data = buffer[:count]
    if count != MIB or hashlib.sha256(data[32:]).digest() != data[:32]:
        raise Stop(why)


VERBS: dict[str, Callable[..., str]] = {
    "format": format_disk, "copy-in": copy_in, "write-proof": write_proof, "check-proof": check_proof,
}  # fmt: skip


def main(words: list[str]) -> int:
    """Do one thing and print it, or why not; status 1: the system refused, 2: wrong arguments, 3: we stopped."""
    if len(words) != (5 if words[:1] == ["format"] else 3) or words[0] not in VERBS:
        print("usage: format DEVICE SIZE SERIALS LABEL | copy-in|write-proof|check-proof DEVICE PATH", file=sys.stderr)
        return 2
    try:
        print(VERBS[words[0]](*words[1:]))
    except Stop as stop:
        print(f"not done: {stop}", file=sys.stderr)
        return 3
    except OSError as error:
        print("not done: " + ": ".join(str(each) for each in (error.filename, error.strerror) if each), file=sys.stderr)
        return 1
    return 0


# ── types ───────────────────────────────────────────────────────────────────────────────────────────────────────────

TYPE_CHECKING = False
if TYPE_CHECKING:  # nothing of it is imported where the program runs
    from collections.abc import Callable, Iterator
    from io import FileIO
    from typing import TypedDict

    class Wanted(TypedDict):
        """A volume to look for: the by-id names it may have, and the path it belongs to ("": not known)."""

        name: str
        ids: list[str]
        path: str

    class Mount(TypedDict):
        """A mount: its path, the number of its device ("8:16"), the kind of file system, its device ("": none)."""

        target: str
        number: str
        kind: str
        device: str

    class Disk(TypedDict):
        """A disk as `console.facts.volumes.Disk` describes it."""

        ids: list[str]
        device: str
        size: int
        serial: str
        disk: bool
        readonly: bool
        busy: str
        parts: list[str]
        holders: list[str]
        mounted: list[str]
        wipefs: int | None
        signatures: list[str]
        blkid: int | None
        kind: str
        label: str
        uuid: str
        bytes: int
        zero: bool
        first_data_offset: int
        format_mark: str
        twins: list[str]
        entries: int
        copying: bool
