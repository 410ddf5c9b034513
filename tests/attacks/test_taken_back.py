"""What a host takes back by itself, as root: nobody's link is written through, nobody else's process counts.

A container that has Mailcow's conf mounted writes there as root; any user may have a process with our words."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import assets
from tests.attacks.conftest import MALLORY, Mallory

ASSETS = Path(assets.__file__).parent
SHELLS = ("dash", "bash", "busybox sh")


def total(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


class Conf:
    """A folder of Mailcow's with a file that a change has left, and the version before; `precious` is elsewhere."""

    def __init__(self, top: Path, shell: str) -> None:
        self.folder, self.shell, self.precious = top / "conf", shell.split(), top / "precious"
        self.folder.mkdir()
        self.bin = top / "bin"
        self.file = self.folder / "extra.conf"
        self.file.write_text("new\n")
        self.before = self.folder / "extra.conf.previous"
        self.before.write_text("old\n")
        self.before.chmod(0o604)
        self.precious.write_text("precious\n")
        self.precious.chmod(0o600)

    def take_back(self) -> subprocess.CompletedProcess[bytes]:
        words = [*self.shell, ASSETS / "put_back.sh", self.file, total("old\n"), total("new\n"), "--", "true"]
        env = {**os.environ, "PATH": f"{self.bin}:{os.environ['PATH']}"}
        return subprocess.run(words, check=False, capture_output=True, timeout=120, env=env)

    def after(self, tool: str, script: str) -> None:
        """Run a script of the attacker's right after a tool has done what it was asked to, before it says so."""
        self.bin.mkdir(exist_ok=True)
        real = f'#!/bin/sh\nsaid=$({shutil.which(tool)} "$@")\n'
        (self.bin / tool).write_text(f'{real}({script}) </dev/null >&2\n[ -z "$said" ] || echo "$said"\n')
        (self.bin / tool).chmod(0o755)

    def check_precious(self) -> None:
        assert self.precious.read_text() == "precious\n" and self.precious.stat().st_mode & 0o777 == 0o600


@pytest.fixture(params=SHELLS)
def conf(request: pytest.FixtureRequest, tmp_path: Path) -> Conf:
    if shutil.which(request.param.split()[0]) is None:
        pytest.skip(f"no {request.param}")
    return Conf(tmp_path, request.param)


def test_a_link_laid_where_the_file_is_made_anew_is_not_written_through(conf: Conf) -> None:
    (conf.folder / "extra.conf.cowhand-back").symlink_to(conf.precious)
    done = conf.take_back()
    assert (done.returncode, done.stderr) == (0, b"")
    conf.check_precious()
    assert not conf.file.is_symlink() and conf.file.read_text() == "old\n"
    assert conf.file.stat().st_mode & 0o777 == 0o604
    assert sorted(each.name for each in conf.folder.iterdir()) == ["extra.conf", "extra.conf.previous"]


def test_nothing_is_written_into_a_device_that_a_link_leads_to(conf: Conf) -> None:
    """A shell that is told not to overwrite opens devices and pipes all the same; a disk of the host's is one."""
    pipe = conf.folder.parent / "pipe"
    os.mkfifo(pipe)
    held = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)
    conf.after("rm", f"cd {conf.folder}; [ -L extra.conf.cowhand-back ] || ln -s {pipe} extra.conf.cowhand-back")
    done = conf.take_back()
    try:
        with pytest.raises(BlockingIOError):
            os.read(held, 100)
    finally:
        os.close(held)
    assert done.returncode == 0 and conf.file.read_text() == "old\n"


def test_a_file_of_the_hosts_is_not_copied_to_where_a_container_reads_it(conf: Conf) -> None:
    """The version before becomes a link right after its sum was found right."""
    seen, count = conf.folder.parent / "seen", conf.folder.parent / "count"
    swap = f"cd {conf.folder}; rm extra.conf.previous; ln -s {conf.precious} extra.conf.previous"
    conf.after("cut", f'echo . >>{count}; [ "$(wc -l <{count})" != 2 ] || {{ {swap}; }}')
    reads = f'for each in {conf.folder}/*; do [ -L "$each" ] || cat "$each"; done >>{seen}'
    for tool in ("sha256sum", "stat", "chown"):
        conf.after(tool, reads)
    done = conf.take_back()
    assert done.returncode == 5 and conf.file.read_text() == "new\n"
    assert "precious" not in seen.read_text() and "new" in seen.read_text()


@pytest.mark.parametrize("name", ["extra.conf", "extra.conf.previous"])
@pytest.mark.parametrize("kind", ["pipe", "link", "folder"])
def test_what_is_no_plain_file_is_neither_followed_nor_waited_for(name: str, kind: str, conf: Conf) -> None:
    path = conf.folder / name
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "link":  # to a file with the very content that is looked for
        other = conf.folder.parent / "other"
        other.write_text("new\n" if name == "extra.conf" else "old\n")
        path.symlink_to(other)
    else:
        path.mkdir()
    done = conf.take_back()
    assert done.returncode == 3 and b"is left as it is" in done.stderr
    conf.check_precious()
    assert kind == "pipe" or path.is_symlink() is (kind == "link")


# ── the watchdog of a timed rollback ────────────────────────────────────────────────────────────────────────────────


class Store:
    """A host's folder of rollbacks, with one that is armed for another hundred seconds."""

    def __init__(self, top: Path) -> None:
        self.program = top / "var/lib/cowhand/rollback/rollback.sh"
        self.program.parent.mkdir(parents=True)
        shutil.copy(ASSETS / "rollback.sh", self.program)
        (top / "proc").symlink_to("/proc")
        self.dir, self.back = self.program.parent / "flow.step.host", top / "taken-back"
        self.dir.mkdir()
        (self.dir / "armed").touch()
        (self.dir / "back").write_text(f"exec touch '{self.back}'\n")
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        due = int(time.clock_gettime(time.CLOCK_BOOTTIME)) + 100
        (self.dir / "clock").write_text(f"{boot} {due}\n")

    def ask(self, verb: str) -> str:
        words = ["sh", self.program, verb, "flow.step.host"]
        return subprocess.run(words, check=True, capture_output=True, text=True, timeout=120).stdout


@pytest.fixture
def store(top: Path) -> Store:
    return Store(top)


@contextmanager
def imitated(store: Store, user: int) -> Iterator[int]:
    """A process of a user with the words of our watchdog; its number."""
    words = ["sh", "-c", "echo there; read -r _", store.program, "wait", "flow.step.host"]
    process = subprocess.Popen(words, stdin=-1, stdout=-1, user=user, group=user, extra_groups=[])
    assert process.stdout is not None and process.stdout.readline() == b"there\n"
    try:
        yield process.pid
    finally:
        process.communicate(b"\n")


@pytest.mark.parametrize(("user", "word"), [(MALLORY, "unwatched"), (0, "armed")])
def test_a_process_of_another_user_is_not_taken_for_the_watchdog(
    user: int, word: str, store: Store, mallory: Mallory
) -> None:
    with imitated(store, user) as pid:
        (store.dir / "pid").write_text(f"{pid}\n")
        assert store.ask("state").split()[0] == word


def test_nor_is_one_of_a_containers_root(store: Store, mallory: Mallory) -> None:
    """It is root for the host as well, and may have any words and, in the end, any number."""
    words = ["unshare", "--pid", "--fork", "sh", "-c", "echo there; read -r _", store.program, "wait", "flow.step.host"]
    process = subprocess.Popen(words, stdin=-1, stdout=-1)
    assert process.stdout is not None and process.stdout.readline() == b"there\n"
    inner = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    (store.dir / "pid").write_text(f"{inner[0]}\n")
    said = store.ask("state").split()[0]
    process.communicate(b"\n")
    assert (len(inner), said) == (1, "unwatched")


@pytest.mark.parametrize(("user", "taken"), [(MALLORY, True), (0, False)])
def test_nor_for_one_that_takes_the_change_back(user: int, taken: bool, store: Store, mallory: Mallory) -> None:
    with imitated(store, user) as pid:
        (store.dir / "armed").rename(store.dir / f"firing.{pid}")
        store.ask("once")
        assert store.back.exists() is taken


def test_a_process_of_another_user_is_not_ended_as_a_command_of_the_change(store: Store, mallory: Mallory) -> None:
    """Its number may be another's by the time it is ended; and a user can have a read of it wait for ever."""
    words = ["sh", "-c", "echo there; read -r _"]
    env = {"COWHAND_GUARD": str(store.dir), "PATH": os.environ["PATH"]}
    processes = [
        subprocess.Popen(words, stdin=-1, stdout=-1, env=env, user=user, group=user, extra_groups=[])
        for user in (0, MALLORY)
    ]
    for each in processes:
        assert each.stdout is not None and each.stdout.readline() == b"there\n"
    store.ask("fire")
    assert store.back.exists() and processes[0].wait(60) == -9
    assert processes[1].poll() is None
    processes[0].communicate()
    processes[1].communicate(b"\n")


# ── users who leave no room ─────────────────────────────────────────────────────────────────────────────────────────

FULL = """\
mount -t tmpfs -o size=20m,nr_inodes=300,mode=755 tmpfs "$1/var"
mkdir -p "$1/var/lib/cowhand/rollback" "$1/var/tmp" "$1/var/conf"
chmod 1777 "$1/var/tmp"
ln -s /proc "$1/proc"
cp "$2/rollback.sh" "$1/var/lib/cowhand/rollback/"
cd "$1/var/conf"
printf 'new\\n' >extra.conf
printf 'old\\n' >extra.conf.previous
rollback="sh $1/var/lib/cowhand/rollback/rollback.sh"
$rollback arm x 100 -- sh "$2/put_back.sh" "$1/var/conf/extra.conf" "$4" "$5" -- true
files='n=0; while true >"$1/var/tmp/$n"; do n=$((n + 1)); done'
setpriv "--reuid=$3" "--regid=$3" --clear-groups sh -c "$files" sh "$1" 2>/dev/null || :
! true 2>/dev/null >"$1/var/another" || { echo 'there is room left'; exit 1; }
$rollback fire x
$rollback state x
cat extra.conf
"""


def test_a_user_who_takes_the_last_file_of_the_disk_does_not_keep_a_change_from_being_taken_back(
    top: Path, mallory: Mallory
) -> None:
    (top / "var").mkdir()
    words = ["sh", "-ec", FULL, "sh", top, ASSETS, str(MALLORY), total("old\n"), total("new\n")]
    done = subprocess.run(["unshare", "-m", *words], check=False, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, "fired\nold\n"), done


@pytest.mark.parametrize("shell", SHELLS)
def test_one_who_takes_the_last_process_does_not_end_the_watchdog(shell: str, store: Store, mallory: Mallory) -> None:
    """The watchdog is a user's here, for whom there can be one process: root's have no such limit of their own."""
    if shutil.which(shell.split()[0]) is None:
        pytest.skip(f"no {shell}")
    for path in (store.program.parent, store.dir, *store.dir.iterdir()):
        os.chown(path, MALLORY, MALLORY)
    store.program.chmod(0o755)
    boot = (store.dir / "clock").read_text().split()[0]
    (store.dir / "clock").write_text(f"{boot} 0\n")
    (store.dir / "back").write_text(f"exec touch {mallory.folder}/taken-back\n")
    words = ["prlimit", "--nproc=1:100", *shell.split(), store.program, "wait", "flow.step.host"]
    process = subprocess.Popen(words, user=MALLORY, group=MALLORY, extra_groups=[], stderr=-1)
    assert process.stderr is not None and b"fork" in process.stderr.readline()
    more = ["prlimit", f"--pid={process.pid}", "--nproc=100:100"]
    subprocess.run(more, check=True, user=MALLORY, group=MALLORY, extra_groups=[])
    process.communicate(timeout=120)
    assert (mallory.folder / "taken-back").exists() and (store.dir / "fired").exists()
