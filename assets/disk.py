"""What cowhand does to disks on their own machine. It needs Python 3.8, util-linux and e2fsprogs, and imports no more.

`look` only reads. What changes proves again, with the disk held, what the look has proven."""

import contextlib
import ctypes
import errno
import fcntl
import hashlib
import json
import mmap
import os
import secrets
import shutil
import stat
import subprocess
import sys
import time
import uuid

MIB = 1 << 20
TOOLS = ("blkid", "debugfs", "e2fsck", "findmnt", "lsblk", "mkfs.ext4", "mount", "umount", "wipefs")
PROOF = ".cowhand-proof"
COPYING = ".cowhand-copying"
COPIED = ".cowhand-copied"
ASIDE = ".before-cowhand"
STAGE = "/run/cowhand-volume"
MAGIC = b"cowhand began to format this disk\n"
ROOM = 4096
OURS = {"lost+found", PROOF, COPYING, COPIED}


class Stop(Exception):
    """Nothing further is done, for this reason."""


def call(*argv, limit=120):
    """Run a command in the C locale; returns its status, output and complaint."""
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=limit,
                              env=environment())  # fmt: skip
    except FileNotFoundError:
        return 127, "", argv[0] + ": command not found"
    return done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace").strip()


def environment():
    """Ours, with the folders of root's commands, which a login by SSH may not have."""
    path = os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"
    return {**os.environ, "PATH": path, "LC_ALL": "C"}


# ── looking ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def look(request):
    """Say how the wanted volumes, their folders and Docker are; changes nothing."""
    wanted = json.loads(request)
    mounts = mounted()
    lacking = [tool for tool in TOOLS if not shutil.which(tool, path=environment()["PATH"])]
    volumes = {each["name"]: disk(each["ids"], mounts) for each in wanted}
    for name, found in volumes.items():
        if found["uuid"]:
            found["twins"] = twins(found["uuid"], found["device"])
            found["entries"] = contents(found, next(each["path"] for each in wanted if each["name"] == name))
    return {
        "root": os.geteuid() == 0,
        "lacking": lacking,
        "volumes": volumes,
        "folders": {each["path"]: folder(each["path"], mounts) for each in wanted if each["path"]},
        "docker": unit("docker.service"),
    }


def mounted():
    """What this machine's first namespace has mounted, in order: target, device number, kind."""
    rows = []
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as table:
        for line in table:
            before, _, after = line.rstrip("\n").partition(" - ")
            words = before.split(" ")
            target = words[4]
            for code in ("040", "011", "012", "134"):
                target = target.replace("\\" + code, chr(int(code, 8)))
            rows.append({"target": target, "number": words[2], "kind": after.split(" ")[0], "device": ""})
    for row in rows:
        named = "/sys/dev/block/" + row["number"]
        if os.path.exists(named):
            row["device"] = "/dev/" + os.path.basename(os.path.realpath(named))
    return rows


def disk(ids, mounts):
    """All that is known of the disk that has one of these by-id names; `device` is "" when none has."""
    links = {name: "/dev/disk/by-id/" + name for name in ids}
    there = {name: os.path.realpath(path) for name, path in links.items() if os.path.exists(path)}
    found = {
        "ids": sorted(there), "device": "", "size": 0, "serial": "", "disk": False, "readonly": False, "busy": "",
        "parts": [], "holders": [], "mounted": [], "wipefs": None, "signatures": [], "blkid": None, "kind": "",
        "label": "", "uuid": "", "bytes": 0, "zero": False, "stray": -1,
        "claim": "", "twins": [], "entries": 0, "copying": False,
    }  # fmt: skip
    if len(set(there.values())) != 1:
        found["ids"] = sorted(name + " is " + device for name, device in there.items()) if there else []
        return found
    device = found["device"] = next(iter(there.values()))
    state = os.stat(device)
    found["disk"] = stat.S_ISBLK(state.st_mode)
    if found["disk"]:
        number = f"{os.major(state.st_rdev)}:{os.minor(state.st_rdev)}"
        found["mounted"] = [row["target"] for row in mounts if row["number"] == number]
        examine(device, number, found)
    return found


def examine(device, number, found):
    """Add what the kernel, blkid, wipefs and the disk's own bytes tell."""
    system = "/sys/dev/block/" + number
    found["parts"] = sorted(each for each in names(system) if os.path.exists(system + "/" + each + "/partition"))
    found["holders"] = names(system + "/holders")
    found["disk"] = not os.path.exists(system + "/partition")
    try:
        found["busy"] = ""
        os.close(os.open(device, os.O_RDONLY | os.O_EXCL | os.O_CLOEXEC))
    except OSError as error:
        found["busy"] = error.strerror
    status, text, _ = call("lsblk", "--nodeps", "--bytes", "--json", "--output", "SERIAL,RO,SIZE", device)
    with contextlib.suppress(ValueError, KeyError, IndexError, TypeError):
        row = json.loads(text)["blockdevices"][0] if not status else {}
        found["serial"] = (row.get("serial") or "").strip()
        found["readonly"] = row.get("ro") in (True, "1", 1)
    status, text, _ = call("wipefs", "-n", "--json", device)
    with contextlib.suppress(ValueError, KeyError, TypeError):
        # without a signature some versions print nothing at all
        rows = json.loads(text)["signatures"] if text.strip() else []
        found["wipefs"], found["signatures"] = status, [str(row["type"]) for row in rows]
    status, text, _ = call("blkid", "-p", "-o", "export", device)
    values = dict(line.partition("=")[::2] for line in text.splitlines())
    found["blkid"] = status
    found["kind"] = values.get("TYPE") or values.get("PTTYPE") or ""
    found["label"], found["uuid"] = values.get("LABEL", ""), values.get("UUID", "")
    with open(device, "rb", buffering=0) as raw:
        found["size"] = raw.seek(0, os.SEEK_END)
        found["zero"] = not any(part(raw, 0, MIB))
        found["claim"] = claim(part(raw, place(found["size"]), ROOM))
        if found["zero"] and not found["claim"]:
            found["stray"] = stray(raw, found["size"])
        if found["kind"] == "ext4":
            block = part(raw, 1024, 1024)
            found["bytes"] = int.from_bytes(block[4:8] + block[336:340], "little") << (10 + block[24])
            if found["claim"] == found["uuid"] and any(block[44:48] + block[52:54]):
                found["claim"] = ""  # it was mounted since, so it had been made whole: its last mount and their count


def names(folder):
    """The names in a folder; none when it is not there."""
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def part(raw, offset, length):
    """Some bytes of a disk, fewer at its end."""
    raw.seek(offset)
    data = b""
    while len(data) < length:
        more = raw.read(length - len(data))
        if not more:
            break
        data += more
    return data


def place(size):
    """Where a claim is: in the last quarter, away from what mkfs.ext4 writes (a group is 128 MiB, on small disks 8)."""
    group = (128 if size >= 512 * MIB else 8) * MIB
    return size * 3 // 4 // group * group + group // 4 * 3


def stray(raw, size):
    """Where data is beyond the first MiB, as far as samples and the last MiB tell; -1 when they are zero."""
    samples = [(size * number // 256 // ROOM * ROOM, ROOM) for number in range(256)]
    for offset, length in [*samples, (max(0, size - MIB), MIB)]:
        if any(part(raw, offset, length)):
            return offset
    return -1


def claim(block):
    """The UUID of the file system that was to be made when a format was cut off; "" without a whole claim."""
    if not block.startswith(MAGIC):
        return ""
    told, total = block[len(MAGIC) : len(MAGIC) + 36], block[len(MAGIC) + 36 : len(MAGIC) + 100]
    whole = hashlib.sha256(MAGIC + told).hexdigest().encode() == total and not any(block[len(MAGIC) + 100 :])
    return told.decode() if whole else ""


def twins(wanted, device):
    """Other devices of this machine with the same file system UUID."""
    found = []
    for name in names("/sys/class/block"):
        other = "/dev/" + name
        if os.path.exists(other) and os.path.realpath(other) != device:
            status, text, _ = call("blkid", "-p", "-o", "value", "-s", "UUID", other)
            if not status and text.strip() == wanted:
                found.append(other)
    return found


def contents(found, path):
    """How many entries the file system's top folder has, those excepted that we or mkfs put there."""
    if found["kind"] != "ext4":
        return 0
    if found["mounted"]:
        there = names(found["mounted"][-1])
    else:
        _, text, _ = call("debugfs", "-R", "ls -p /", found["device"])
        rows = [line.split("/") for line in text.splitlines()]
        there = [row[5] for row in rows if len(row) > 6 and row[5] not in ("", ".", "..")]
    found["copying"] = bool({COPYING, COPIED} & set(there))
    return len(set(there) - OURS)


def folder(path, mounts):
    """What is at a path: its kind, how much is in it, what is mounted on it, and what earlier runs left."""
    kind = "link" if os.path.islink(path) else "folder" if os.path.isdir(path) else "file"
    if not os.path.lexists(path):
        kind = "none"
    on = [row for row in mounts if row["target"] == path]
    there = set(names(path)) if kind == "folder" else set()
    return {
        "kind": kind,
        "entries": len(there - OURS),
        "mounted": on[-1]["device"] or on[-1]["kind"] if on else "",
        "proof": PROOF in there,
        "aside": os.path.isdir(path + ASIDE),
        "beneath": sorted(row["target"] for row in mounts if row["target"].startswith(path.rstrip("/") + "/")),
    }


def unit(name):
    """How systemd sees a unit; all "" where there is no systemd."""
    keys = ("LoadState", "ActiveState", "UnitFileState", "NeedDaemonReload")
    status, text, _ = call("systemctl", "show", "-p", ",".join(keys), name, limit=20)
    values = dict(line.partition("=")[::2] for line in text.splitlines()) if not status else {}
    return {key: values.get(key, "") for key in keys}


# ── formatting ──────────────────────────────────────────────────────────────────────────────────────────────────────


def blank(found):
    """Why a disk is not proven blank; "" when it is. `busy` is left out, for it may be us who hold it."""
    if found["parts"]:
        return "it has partitions: " + ", ".join(found["parts"])
    if found["holders"] or found["mounted"]:
        return "it is in use by " + ", ".join(found["holders"] + found["mounted"])
    if found["wipefs"] != 0 or found["signatures"]:
        return "wipefs finds " + (", ".join(found["signatures"]) or "no answer")
    if found["blkid"] != 2:
        return "blkid finds " + (found["kind"] or f"status {found['blkid']}")
    if not found["zero"] and not found["claim"]:
        return "its first MiB is not zero"
    if found["stray"] >= 0:
        return f"there is data at byte {found['stray']}"
    return ""


def make(device, size, serials, label):
    """Format a disk that is blank, or was being formatted by us; the disk is held while that is proven."""
    lock = os.open(device, os.O_RDONLY | os.O_CLOEXEC)
    fence(lock)
    held = hold(device)
    found = disk([os.path.basename(device)], mounted())
    if found["size"] != int(size) or found["serial"] not in serials.split(","):
        raise Stop(f"it is {found['size']} bytes and its serial is {found['serial'] or 'unknown'}")
    fresh = found["claim"] or str(uuid.uuid4())
    if found["uuid"] == fresh:
        if sound(device):
            return settle(held, found["size"], fresh)
        found.update(wipefs=0, signatures=[], blkid=2)
    if why := blank(found):
        raise Stop(why)
    if not found["claim"]:
        head = MAGIC + fresh.encode()
        block = (head + hashlib.sha256(head).hexdigest().encode()).ljust(ROOM, b"\0")
        os.pwrite(held, block, place(found["size"]))
        os.fsync(held)
        again = disk([os.path.basename(device)], mounted())  # sees what was on its way to the disk at the first look
        if again["signatures"] or not again["zero"] or again["claim"] != fresh:
            raise Stop("it changed while it was looked at")
    os.close(held)  # mkfs.ext4 takes hold of it itself, and makes nothing on a disk that somebody else holds
    status, text, said = call("mkfs.ext4", "-q", "-L", label, "-U", fresh, "-E", "nodiscard", device, limit=540)
    if status:
        raise Stop("mkfs.ext4: " + (said or text or f"status {status}"))
    held = hold(device)
    if not sound(device):
        raise Stop("e2fsck does not find the new file system sound")
    return settle(held, found["size"], fresh)


def fence(lock):
    """Lock a disk as udev and systemd do before they look at one; they leave it alone meanwhile."""
    for _ in range(50):
        try:
            return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.1)
    raise Stop("it is locked by another program")


def hold(device):
    """Open a disk so that nobody else can mount it or hold it."""
    try:
        return os.open(device, os.O_RDWR | os.O_EXCL | os.O_CLOEXEC)
    except OSError as error:
        raise Stop("it cannot be held: " + error.strerror) from None


def sound(device):
    """Whether e2fsck, reading only, finds nothing to repair."""
    return call("e2fsck", "-f", "-n", device, limit=540)[0] == 0


def settle(held, size, wanted):
    """The file system is whole: take the claim away, if it is still there."""
    raw = os.pread(held, ROOM, place(size))
    if claim(raw) == wanted:
        os.pwrite(held, bytes(ROOM), place(size))
    os.fsync(held)
    os.close(held)
    return "formatted, UUID " + wanted


# ── copying ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def bring(device, path):
    """Copy what is in a folder onto a volume, compare every byte, and set the folder aside; it is kept.

    The volume is mounted where nobody else sees it."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(0x00020000) or libc.mount(b"none", b"/", None, 0x44000, None):
        raise Stop("a private mount: " + os.strerror(ctypes.get_errno()))
    os.makedirs(STAGE, exist_ok=True)
    status, _, said = call("mount", "-t", "ext4", "-o", "nodev,nosuid,noexec", device, STAGE)
    if status:
        raise Stop(said or "it cannot be mounted")
    try:
        return bring_to(STAGE, path)
    finally:
        call("umount", STAGE)
        with contextlib.suppress(OSError):
            os.rmdir(STAGE)


def bring_to(volume, path):
    """Copy, compare, put in place, set aside: cut off anywhere, the next run goes on. Nothing but a half copy goes."""
    half, whole, aside = volume + "/" + COPYING, volume + "/" + COPIED, path + ASIDE
    moved = os.path.isdir(aside) and not names(path) and os.path.isdir(whole)
    if os.path.lexists(aside) and not moved:
        raise Stop(aside + " is there already")
    source = aside if moved else path
    if not os.path.isdir(whole):
        if set(names(volume)) - OURS:
            raise Stop("both the volume and " + path + " hold files: which ones count is yours to say")
        shutil.rmtree(half, ignore_errors=True)
        os.mkdir(half, 0o700)
        status, _, said = call("cp", "-a", "-x", source + "/.", half + "/", limit=86400)
        if status:
            raise Stop("cp: " + (said.splitlines()[-1] if said else f"status {status}"))
        os.sync()
        compare(source, half, True)
        os.rename(half, whole)
        flush(volume)
    for name in names(whole):
        if os.path.lexists(volume + "/" + name):
            raise Stop("the volume has a " + name + " of its own")
        os.rename(whole + "/" + name, volume + "/" + name)
    flush(volume)
    owner = os.stat(source)
    os.chown(volume, owner.st_uid, owner.st_gid)
    shutil.copystat(source, volume)
    count = compare(source, volume, False)
    if not moved:
        os.rename(path, aside)
    os.makedirs(path, exist_ok=True)
    os.chown(path, owner.st_uid, owner.st_gid)
    shutil.copystat(aside, path)
    flush(os.path.dirname(path))
    os.rmdir(whole)
    flush(volume)
    return f"{count} entries copied and compared; the folder as it was is {aside}"


def compare(source, copy, content):
    """Compare two trees in names, rights and times, and with `content` in every byte; returns how many entries."""
    theirs, ours = tree(source, content), tree(copy, content)
    for name in sorted(set(theirs) | set(ours)):
        if theirs.get(name) != ours.get(name):
            raise Stop("the copy of " + name + " is not the same, or it was changed meanwhile")
    return len(theirs)


def tree(top, content):
    """Path → mode, owner, time, size, device or target, attributes and content's sum, for all below a folder."""
    found = {}
    device = os.lstat(top).st_dev
    pending = [each for each in os.listdir(top) if each not in OURS]
    while pending:
        name = pending.pop()
        path = os.path.join(top, name)
        state = os.lstat(path)
        plain, folder = stat.S_ISREG(state.st_mode), stat.S_ISDIR(state.st_mode)
        rights = [(key, os.getxattr(path, key, follow_symlinks=False)) for key in attributes(path)]
        target = os.readlink(path) if stat.S_ISLNK(state.st_mode) else ""
        found[name] = (
            state.st_mode, state.st_uid, state.st_gid, state.st_mtime_ns, state.st_size if plain else 0,
            state.st_rdev, target, rights, total(path) if plain and content else "",
        )  # fmt: skip
        if folder and state.st_dev == device:
            pending += [os.path.join(name, each) for each in os.listdir(path)]
    return found


def total(path):
    """The SHA-256 of a file as it is on its disk."""
    whole = hashlib.sha256()
    with open(path, "rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        while data := file.read(MIB):
            whole.update(data)
    return whole.hexdigest()


def attributes(path):
    """The names of a file's extended attributes; none where there can be none."""
    try:
        return sorted(os.listxattr(path, follow_symlinks=False))
    except OSError:
        return []


def flush(folder):
    """Bring a folder's names onto the disk."""
    held = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(held)
    finally:
        os.close(held)


# ── proving ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def leave(device, path):
    """Write a file onto a mounted volume, and read it back from the disk."""
    on_volume(device, path)
    data = secrets.token_bytes(MIB - 32)
    file = path + "/" + PROOF
    with open(file, "wb") as out:
        out.write(hashlib.sha256(data).digest() + data)
        out.flush()
        os.fsync(out.fileno())
    flush(path)
    again(file)
    return "1 MiB written, and read back from the disk"


def find(device, path):
    """Read that file once more, from the disk, and take it away."""
    on_volume(device, path)
    again(path + "/" + PROOF)
    os.unlink(path + "/" + PROOF)
    flush(path)
    return "what was written is still there; it was taken away"


def on_volume(device, path):
    """Refuse a path on which that disk is not mounted."""
    on = [row for row in mounted() if row["target"] == path]
    if not on or on[-1]["device"] != os.path.realpath(device):
        raise Stop(path + " is not on " + device)


def again(file):
    """Compare a file on the disk, not in memory, with its own sum."""
    with open(file, "rb") as kept:
        os.posix_fadvise(kept.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    try:
        raw = os.open(file, os.O_RDONLY | os.O_DIRECT)
        buffer = mmap.mmap(-1, MIB)
        count = os.readv(raw, [buffer])
        data = buffer[:count]
        os.close(raw)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        with open(file, "rb") as kept:
            data = kept.read()
    if len(data) != MIB or hashlib.sha256(data[32:]).digest() != data[:32]:
        raise Stop(file + " is not as it was written")


VERBS = {"make": make, "bring": bring, "leave": leave, "find": find}


def main(words):
    """Do one thing; its words or the reason why not are printed."""
    try:
        print(VERBS[words[0]](*words[1:]))
    except Stop as stop:
        print(f"not done: {stop}", file=sys.stderr)
        return 3
    except OSError as error:
        print(f"not done: {error.strerror or error}", file=sys.stderr)
        return 1
    return 0
