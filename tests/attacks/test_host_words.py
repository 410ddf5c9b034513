"""A host whose root lies: what it answers to a flow or a login locks nobody out, runs nothing, and stops nothing."""

from __future__ import annotations

import asyncio
import base64
import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import asyncssh
import pytest

from console.errors import HostError
from console.estate.load import load
from console.events import Prompt
from console.facts import disks, installation, log, volumes
from console.flows import Plan, Run, Step, needed
from console.flows.certificate_sync import lines
from console.flows.certificate_sync.ground import HOOKS, MOST
from console.flows.install_mailcow.commands import MOST_LAYERS, Layers, cloning
from console.hosts import lock, marks
from console.hosts.host import Completed
from console.hosts.local import Local
from console.hosts.names import numeric
from console.hosts.process import Dialogue
from console.hosts.relay import CommandStream
from console.hosts.ssh.config import Resolved
from console.hosts.ssh.identities import Identities
from console.hosts.ssh.known_hosts import KnownHosts
from console.hosts.ssh.login import Attempt
from console.hosts.ssh.routes import read_route
from console.questions import Credentials, Question
from console.runner import runbook
from console.runner.context import StepContext
from console.runner.plan import Copy, Loss, Wait, Write
from console.secret import Secret
from tests.attacks.conftest import Mallory
from tests.console.flows.cases import certificate_sync as sync
from tests.console.flows.walking import agree, walk

EVIL = "\x1b]52;c;b3duZWQ=\x07\u202e\u200b\x9b2J"
RAW = ("\x1b", "\x07", "\x9b", "\u202e", "\u200b")

# ── certificate-sync: the proxy's answers, written into the mail host's authorized_keys ─────────────────────────────


def proxy_says(root: Path, key: str) -> None:
    """Have the proxy show a key of its choice as the one that it pushes with."""
    path = root / sync.KEY
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("the private half\n")
    path.with_name(path.name + ".pub").write_text(f"{key} push\n")


def blob(kind: bytes = b"ssh-ed25519", body: bytes = b"\0\0\0\x20" + b"k" * 32) -> str:
    return base64.b64encode(len(kind).to_bytes(4, "big") + kind + body).decode()


BOB = f"ssh-ed25519 {blob()}"


@pytest.mark.parametrize("answer", [None, "other"])
async def test_a_proxy_that_shows_an_operators_key_as_its_own_locks_nobody_out(
    answer: str | None, tmp_path: Path
) -> None:
    sync.build(tmp_path)
    file = tmp_path / "vm/root/.ssh/authorized_keys"
    file.write_text(f"# mine\n{BOB} bob@desk\n")
    proxy_says(tmp_path, BOB)
    asked: list[str] = []

    async def operator(prompt: Prompt) -> str | None:
        asked.append(prompt.text)
        return answer if prompt.key == "pusher" else await agree(prompt)

    ending = await walk(sync.CASE, tmp_path, lambda event: None, operator=operator)
    assert ending is not None and ending.outcome == ("refused" if answer else "unanswered")
    assert any("lets in already, for everything, as bob@desk" in text for text in asked)
    assert file.read_text() == f"# mine\n{BOB} bob@desk\n"


async def test_a_word_about_one_key_is_none_about_the_one_that_the_proxy_shows_then(tmp_path: Path) -> None:
    sync.build(tmp_path)
    file = tmp_path / "vm/root/.ssh/authorized_keys"
    old = f"ssh-ed25519 {blob(body=bytes([0, 0, 0, 32]) + b'o' * 32)}"
    file.write_text(f"{BOB} bob@desk\n{old} an older push\n")
    proxy_says(tmp_path, old)
    asked: list[str] = []

    async def operator(prompt: Prompt) -> str | None:
        if prompt.key == "pusher":
            asked.append(prompt.text)
            return next(iter(prompt.choices)) if len(asked) == 1 else None
        if asked and prompt.kind == "confirm":
            proxy_says(tmp_path, BOB)
            return "all"
        return await agree(prompt)

    ending = await walk(sync.CASE, tmp_path, lambda event: None, operator=operator)
    assert ending is not None and ending.outcome == "unanswered"
    assert ["an older push" in asked[0], "bob@desk" in asked[1]] == [True, True]
    assert f"{BOB} bob@desk\n" in file.read_text()


@pytest.mark.parametrize(
    "key",
    [
        "ssh-ed25519 bob", "ssh-ed25519 AAAA", "ssh-rsa " + blob(), "cert-authority " + blob(),
        "restrict " + blob(b"restrict"), f"ssh-ed25519 {blob()}=",
    ],
)  # fmt: skip
async def test_a_word_that_is_no_key_takes_no_line_of_anybody_away(key: str, tmp_path: Path) -> None:
    sync.build(tmp_path)
    file = tmp_path / "vm/root/.ssh/authorized_keys"
    file.write_text(f"{BOB} bob\nssh-rsa AAAAB3NzaC1yc2E= bob\n")
    before = file.read_text()
    proxy_says(tmp_path, key)
    ending = await walk(sync.CASE, tmp_path, lambda event: None)
    assert ending is not None and ending.outcome == "refused" and "holds no public key" in ending.words
    assert file.read_text() == before


@pytest.mark.parametrize(
    "source",
    ["", "*", "fe80::1%,*", "fe80::1%eth0", "0.0.0.0/0", "::/0", "10.0.0.1,*", "10.0.0.1\n", '1" x', "?.?", "!*"],
)
def test_no_word_of_a_host_lets_the_key_in_from_everywhere(source: str) -> None:
    assert not lines.narrows(source)


def test_an_address_a_network_and_a_pattern_may_stand_there() -> None:
    usual = ("10.10.10.1", "fd00::1", "10.10.10.*", "100.64.0.0/10,!100.64.0.9", "vps.example.org")
    assert all(map(lines.narrows, usual))


# ── addresses, locks, progress, modes ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("zone", [EVIL, "a b", "],exec:sh", "x" * 16, "", "a\n"])
def test_what_stands_behind_an_address_is_an_interface_or_it_is_no_address(zone: str) -> None:
    assert numeric("fe80::1%eth0.7") and not numeric(f"fe80::1%{zone}")
    assert read_route(json.dumps([{"prefsrc": f"fe80::1%{zone}"}])) is None


class Relay:
    """A relay on a host that says of itself what it likes."""

    def __init__(self, said: bytes) -> None:
        self.said = [said]

    async def read_out(self, limit: int) -> bytes:
        return b"hello"

    async def read_err(self, limit: int) -> bytes:
        return self.said.pop() if self.said else await asyncio.Event().wait() and b""

    async def send(self, data: bytes) -> None: ...

    def end_input(self) -> None: ...

    async def wait(self) -> int:
        return 0

    async def kill(self) -> None: ...


@pytest.mark.parametrize("said", [f"{EVIL} 1 1.0", "10.0.0.1 99999999 1.0", "10.0.0.1 1 ...", "10.0.0.1 " + "9" * 5000])
async def test_a_relay_that_lies_of_its_own_address_has_none(said: str) -> None:
    stream = CommandStream(Relay(f"relay: open {said}\n".encode()), None, lambda: None)
    await stream.open(Dialogue(stay=True), "x:1", 30)
    assert stream.local is None or numeric(stream.local[0])
    assert stream.local is None or stream.local[1] < 1 << 16
    stream.close()


CONSOLE = {"run": "20261128-1", "flow": "f", "pid": 1, "user": "u", "host": "h"}


@pytest.mark.parametrize("number", ["1e300", "-1e300", "nan", "inf", "9" * 5000, "1e15", "x", ""])
@pytest.mark.parametrize("run", ["20261128-1", "no\n", EVIL, "x" * 5000, ""])
def test_a_lock_whose_holder_is_anything_is_said_and_does_not_end_the_run(number: str, run: str) -> None:
    told = json.dumps({**CONSOLE, "run": run})
    for first, second in ((number, "5"), ("500", number)):
        found = lock._holder(Completed(lock.HELD, f"{first}\n{second}\n{told}\n".encode(), b""))
        assert found is not None
        text = str(lock.HostLocked("vps", found))
        assert text.isprintable() and found.console.run in ("?", "20261128-1")


def test_a_pull_with_a_million_layers_costs_no_more_than_its_lines() -> None:
    layers = Layers("image")
    for number in range(20 * MOST_LAYERS):
        layers(f"{number:012x}: Pulling fs layer")
        layers(f"{number:012x}: Pull complete")
    amount = layers("000000000000: Pull complete")
    assert amount is not None and (amount.done, amount.total) == (MOST_LAYERS, MOST_LAYERS)
    assert cloning(f"Receiving objects:  5% ({'9' * 400}/{'9' * 401})") is None


class Says(Local):
    """A host that answers everything in its own way."""

    def __init__(self, said: bytes) -> None:
        super().__init__("vps", "proxy")
        self.said = said

    async def run(self, argv: object, timeout: float, cap: int = 1 << 20) -> Completed:
        return Completed(0, self.said, b"")


def bare(root: Path, said: bytes = b"") -> StepContext:
    (root / "site.toml").write_text('[[lane]]\nport = 25\nprotocol = "smtp"\ntarget = "127.0.0.1:25"\n')
    return StepContext(load(root / "site.toml"), {"here": Says(said)})


@pytest.mark.parametrize("said", [b"", b"9z", b"-1", b"77777777", b"0o7", b"6 4 4", "٧".encode(), b"644\n644\n"])
async def test_a_mode_that_is_none_is_not_read(said: bytes, tmp_path: Path) -> None:
    assert await bare(tmp_path, said).mode("here", "/etc/x", 0o640) == 0o640
    assert await bare(tmp_path, b"755\n").mode("here", "/etc/x", 0o640) == 0o755


@pytest.mark.parametrize("told", ['{"a": {}}', '{"b": {}}', "{}"])
async def test_a_host_that_tells_nothing_of_a_volume_is_not_our_own_fault(told: str) -> None:
    said = f'{{"root": true, "lacking": [], "volumes": {told}, "folders": {{"/a": {{}}}}, "docker": {{}}}}'
    wanted = [volumes.Wanted("a", (), "/a"), volumes.Wanted("b", (), "/b")]
    with pytest.raises(HostError, match=r"vps did not say how [ab] is"):
        await volumes.ask(Says(said.encode()), wanted)


# ── what is kept and printed ────────────────────────────────────────────────────────────────────────────────────────


def test_a_runbook_steers_no_terminal_whatever_a_host_calls_its_files(tmp_path: Path) -> None:
    class Odd(Step):
        name, words = "odd", f"do {EVIL}"

    path, step = f"/opt/{EVIL}/x", Odd()
    plan = Plan(
        (
            Write("here", path, None, b"hello\n"),
            Run("here", ("cat", path), guards=(("test", "-e", path),)),
            Wait("here", ("test", "-e", path), f"there is {path}"),
            Copy("here", "/opt/x", "here", path, 3, "0" * 64),
            Copy("here", path, "here", "/opt/x", 3, "0" * 64),
        ),
        (f"note {path}",),
        (Loss(f"volume {EVIL}", f"lost {path}"),),
        f"undo {path}",
    )
    text = runbook.write("odd", "words", bare(tmp_path), [(step, needed(path, path), plan)], [step])
    assert not [raw for raw in RAW if raw in text]
    assert text.count("is left to you, for that name is not plain") == 3


def test_a_command_that_is_spelled_byte_by_byte_hides_its_secret_too(tmp_path: Path) -> None:
    class Odd(Step):
        name, words = "odd", "do it"

    step, plan = Odd(), Plan((Run("here", ("tool", "--password", f"hunter2{EVIL}")),))
    text = runbook.write("odd", "words", bare(tmp_path), [(step, needed("x"), plan)], [step])
    assert "a command with a secret is left to you" in text
    assert "hunter2" not in text and "".join(f"\\0{byte:03o}" for byte in b"hunter2") not in text


# ── logins ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def attempt(resolved: Resolved, credentials: Credentials) -> Attempt:
    return Attempt("vps", resolved, KnownHosts([]), credentials, lambda text: None)


@pytest.mark.parametrize(
    "other",
    [
        Resolved("b", "10.0.0.5", 22, "root", jumps=("elsewhere",)),
        Resolved("b", "10.0.0.5", 22, "root", key_alias="another"),
        Resolved("b", "10.0.0.5", 22, "root", proxy="nc elsewhere 22"),
    ],
    ids=["jump", "alias", "proxy"],
)
async def test_a_password_is_not_sent_to_another_machine_with_the_same_address(other: Resolved) -> None:
    asked: list[Question] = []

    async def ask(question: Question) -> str | None:
        asked.append(question)
        return None

    credentials = Credentials(ask)
    first = attempt(Resolved("a", "10.0.0.5", 22, "root", jumps=("gate",), key_alias="one"), credentials)
    credentials.keep(f"password:{first.where}:22:{first.resolved.route}", Secret("for the first alone"))
    assert await first.password() == "for the first alone" and not asked
    assert await attempt(other, credentials).password() is None and len(asked) == 1


def pipe(path: Path) -> None:
    os.mkfifo(path, 0o600)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("kind", [pipe, device], ids=["pipe", "device"])
@pytest.mark.parametrize("name", ["id", "id.pub", "id-cert.pub", "certificate"])
async def test_a_key_that_is_a_pipe_or_a_device_is_neither_waited_for_nor_read(
    name: str, kind: Callable[[Path], None], tmp_path: Path
) -> None:
    key = asyncssh.generate_private_key("ssh-ed25519")
    if name != "id":
        (tmp_path / "id").write_bytes(key.export_private_key("openssh"))
        (tmp_path / "id").chmod(0o600)
    kind(tmp_path / name)
    resolved = Resolved(
        "a", "host", 22, "root", identities=(tmp_path / "id",), certificates=(tmp_path / "certificate",), only=True
    )
    pair = await Identities(resolved, Credentials()).next()
    assert (pair is not None) is (name == "certificate")


@pytest.mark.parametrize("kind", [pipe, device], ids=["pipe", "device"])
def test_known_hosts_that_are_a_pipe_or_a_device_know_nobody(kind: Callable[[Path], None], tmp_path: Path) -> None:
    kind(tmp_path / "known")
    assert KnownHosts([tmp_path / "known"]).lines == ()


@pytest.mark.parametrize("name", ["id.pub", "id-cert.pub"])
async def test_a_key_is_used_without_what_cannot_be_read_beside_it(name: str, mallory: Mallory) -> None:
    """OpenSSH, too, goes on without them: a certificate that root has left there is no reason to refuse the key."""
    folder = mallory.folder
    key = mallory.owns(
        folder / "id", asyncssh.generate_private_key("ssh-ed25519").export_private_key("openssh").decode()
    )
    key.chmod(0o600)
    (folder / name).write_text("root's\n")
    (folder / name).chmod(0o600)
    await asyncio.to_thread(int)  # what Python loads for it may be in root's home
    with mallory.acting():
        assert await Identities(Resolved("a", "host", 22, "root", identities=(key,), only=True), Credentials()).next()


# ── numbers and moments that are none ───────────────────────────────────────────────────────────────────────────────

VAST = "9" * 5000
"""More digits than Python reads as a number."""


@pytest.mark.parametrize(
    "said",
    ["garbage", "/proc/x/environ", f"/proc/{VAST}/environ", "/proc/1/environ /proc//environ", EVIL],
    ids=["words", "letters", "vast", "nothing", "escapes"],
)
async def test_processes_that_are_none_are_not_taken_for_ours(said: str) -> None:
    assert await marks.find(Says(said.encode()), "mark") is None
    assert await marks.find(Says(b"/proc/7/environ\n/proc/5/environ\n"), "mark") == (5, 7)


@pytest.mark.parametrize("said", ["2026-99-99 99:99:99", "0000-01-01 00:00:00Z", "2026-01-01T00:00:00+99:99"])
def test_a_line_of_a_log_with_a_moment_that_is_none_belongs_to_the_one_before(said: str) -> None:
    text = f"2026-01-01T00:00:00Z old\n{said} x\n2026-03-01T00:00:00Z young\n{said} y"
    since = datetime(2026, 2, 1, tzinfo=UTC)
    assert log.after(text, since) == f"2026-03-01T00:00:00Z young\n{said} y"


@pytest.mark.parametrize(
    "said", [f"{VAST} +0000", "1 +9999", "9999999999 +2359", "x"], ids=["vast", "zone", "late", "none"]
)
async def test_a_clock_that_is_none_is_not_read(said: str) -> None:
    found = await log._clock(Says(said.encode()))
    assert found is None or found.year == 2286


def test_a_number_that_nobody_counts_is_none() -> None:
    assert installation._socket(f'LISTEN 0 1 0.0.0.0:{VAST} 0.0.0.0:* users:(("x",pid=1') is None
    assert installation.major_of(f"{VAST}.1") is None
    assert disks.parse(f"/dev/sda1 1 1 1 {VAST}% /a\n/dev/sdb1 1 1 1 5% /b\n") == (disks.Disk("/b", 5, 0),)


async def test_a_proxy_with_thousands_of_hooks_is_not_asked_for_each_of_them(tmp_path: Path) -> None:
    sync.build(tmp_path)
    for number in range(MOST + 1):
        (tmp_path / f"vps{HOOKS}" / f"hook{number}").write_text("")
    ending = await walk(sync.CASE, tmp_path, lambda event: None)
    assert ending is not None and ending.outcome == "refused" and f"more than {MOST} files" in ending.words
