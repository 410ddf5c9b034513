"""The pusher's key on the mail host: a real sshd allows everything else, and it can hand over a pair and no more."""

from __future__ import annotations

import contextlib
import getpass
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from console.flows.certificate_sync import letting_in
from tests.assets.mail_host import MailHost
from tests.assets.pairs import NAME, authority, new, old
from tests.ssh.conftest import SSHD, Sshd

pytestmark = [
    pytest.mark.skipif(SSHD is None and os.environ.get("CI") != "true", reason="no sshd"),
    pytest.mark.xdist_group("deploy key"),
    pytest.mark.slow,
]

RECORD = "#!/bin/sh\n{ echo begun; env; tty; echo \"arguments $*\"; } >>'@/record' 2>&1\n"
"""Stands before the script's first line: that it was run, and with what around it."""

GENEROUS = (
    "AllowTcpForwarding yes", "AllowStreamLocalForwarding yes", "AllowAgentForwarding yes", "X11Forwarding yes",
    "PermitTTY yes", "PermitTunnel yes", "GatewayPorts yes", "PermitUserRC yes", "PermitOpen any", "MaxSessions 10",
    "AcceptEnv LANG LC_*", "Subsystem sftp internal-sftp", "X11UseLocalhost yes",
)  # fmt: skip
"""What sshd would allow this user: only the key's own line says no."""


class Gate:
    """The mail host behind its sshd."""

    def __init__(self, folder: Path) -> None:
        self.mail = MailHost(folder / "vm")
        self.sshd = Sshd(folder)
        self.sshd.settings = list(GENEROUS)
        self.sshd.start()
        self.canary = folder / "canary"
        self.secret = folder / "secret"
        self.secret.write_text("what only the host knows\n")
        self.inner = socket.create_server(("127.0.0.1", 0))  # a service of the host that the key must not reach
        self.inner.settimeout(0)
        program = self.mail.program.replace("patience=30", "patience=0.5")
        self.mail.lay(RECORD.replace("@", str(folder)) + program.removeprefix("#!/bin/sh\n"))
        self.record = folder / "record"
        words = f"sh {self.mail.path} --authority /etc/authority.pem {NAME}"
        public = self.sshd.key_file.with_suffix(".pub").read_text()
        (folder / "authorized_keys").write_text(f'restrict,command="{words}",from="127.0.0.1" {public}')
        self.sshd.configure()
        self.shared = ["-o", "ControlMaster=auto", "-o", f"ControlPath={folder}/c", "-o", "ControlPersist=yes"]

    def words(self, *options: str) -> list[str]:
        """What every client is started with; `options` stand before the host."""
        return [
            "-F", str(self.sshd.folder / "config"), "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes",
            "-o", "LogLevel=INFO", "-o", "ForwardX11Timeout=0", *options,
        ]  # fmt: skip

    def runs(self) -> bool:
        """Whether the script is running."""
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                if path.read_bytes().split(b"\0")[:2] == [b"sh", str(self.mail.path).encode()]:
                    return True
        return False

    def reset(self) -> None:
        """Forget what was seen, when what was started has ended."""
        while self.runs():
            subprocess.run(["sleep", "0.02"], check=True)
        self.mail.install(old())
        self.record.write_text("")

    def begun(self) -> int:
        """How often the script was run."""
        return self.record.read_text().splitlines().count("begun")

    def fill(self, text: str) -> str:
        """Put paths and ports into a row's words."""
        port = str(self.inner.getsockname()[1])
        places = {
            "CANARY": self.canary, "SECRET": self.secret, "PORT": port, "SCRIPT": self.mail.path,
            "FOLDER": self.sshd.folder, "USER": getpass.getuser(),
        }  # fmt: skip
        for name, value in places.items():
            text = text.replace(name, str(value))
        return text

    def nothing_happened(self, said: bytes) -> None:
        """Assert that nothing but the script ran, that it changed nothing, and that nothing of the host came out."""
        assert not self.canary.exists()
        assert b"only the host knows" not in said
        with pytest.raises(BlockingIOError):
            self.inner.accept()
        self.mail.holds(old())
        for line in self.record.read_text().splitlines():
            name = line.partition("=")[0]
            assert name not in (
                "SSH_AUTH_SOCK",
                "DISPLAY",
                "SSH_TTY",
                "LD_PRELOAD",
                "BASH_ENV",
                "ENV",
                "EVIL",
                "XAUTHORITY",
            )
            assert not line.startswith("PATH=/evil") and not line.startswith("/dev/")
            assert not line.startswith("arguments") or line == f"arguments --authority /etc/authority.pem {NAME}"


def test_the_flow_sees_what_a_real_sshd_takes(gate: Gate) -> None:
    """Where AcceptEnv is "*", BASH_ENV=/dev/stdin runs what is sent: there the key is not let in at all."""
    folder = gate.sshd.folder
    (folder / "bin").mkdir(exist_ok=True)
    real = folder / "bin/sshd"
    for more, found in (("", ""), ("AcceptEnv BASH*\n", "BASH*")):
        given = folder / "sshd_given"
        given.write_text(f"HostKey {folder}/host\nAcceptEnv LANG LC_*\nMatch Address 10.0.0.0/8\n{more}")
        real.write_text(f'#!/bin/sh\nexec {SSHD} "$@" -f {given}\n')
        real.chmod(0o755)
        env = {**os.environ, "PATH": f"{folder}/bin:{os.environ['PATH']}"}
        words = ["sh", "-c", letting_in.TAKES, "sh", "10.10.10.1"]
        said = subprocess.run(words, env=env, check=True, capture_output=True, text=True).stdout
        assert said and letting_in.harmful(said) == found


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    """One sshd for all rows."""
    gate = Gate(tmp_path_factory.mktemp("gate"))
    yield gate
    subprocess.run(["ssh", *gate.words(*gate.shared), "-O", "exit", "vps"], check=False, capture_output=True)
    gate.sshd.stop()
    gate.inner.close()
    gate.mail.close()


@pytest.fixture
def gate(standing: Gate) -> Gate:
    standing.reset()
    return standing


COMMANDS = {
    "a shell": ((), ""),
    "a shell that reads commands": ((), "touch CANARY\n"),
    "a login shell": ((), "exec sh -l\n"),
    "another command": (("touch CANARY",), ""),
    "another command by path": (("/bin/cat SECRET",), ""),
    "a command after the script": (("SCRIPT; touch CANARY",), ""),
    "a command in quotes": (("'; touch CANARY; '",), ""),
    "a command in backticks": (("`touch CANARY`",), ""),
    "a command in $()": (("$(touch CANARY)",), ""),
    "a command after a newline": (("x\ntouch CANARY",), ""),
    "the script with --restore": (("SCRIPT --restore mail.example.test",), ""),
    "an option for the script": (("--restore",), ""),
    "the script for another folder": (("SCRIPT --folder FOLDER x",), ""),
    "a command of 100,000 letters": (("x" * 100_000,), ""),
    "rsync": (("rsync --server --sender . SECRET",), ""),
    "scp's server, to read": (("scp -f SECRET",), "\0\0\0"),
    "scp's server, to write": (("scp -t CANARY",), "C0644 1 x\nx\0"),
    "git": (("git-upload-pack FOLDER",), ""),
    "docker": (("docker ps",), ""),
    "an sftp server": (("/usr/lib/openssh/sftp-server",), ""),
    "a subsystem": (("-s", "sftp"), ""),
    "an agent": (("-A",), ""),
    "X11": (("-X",), ""),
    "trusted X11": (("-Y",), ""),
    "LD_PRELOAD": (("-o", "SetEnv=LD_PRELOAD=/evil.so"), ""),
    "PATH": (("-o", "SetEnv=PATH=/evil"), ""),
    "ENV": (("-o", "SetEnv=ENV=FOLDER/evil"), ""),
    "BASH_ENV": (("-o", "SetEnv=BASH_ENV=FOLDER/evil"), ""),
    "a locale that is a path": (("-o", "SetEnv=LC_ALL=../../../evil"), ""),
    "a variable of its own": (("-o", "SetEnv=EVIL=1"), ""),
    "no input": ((), ""),
    "a megabyte": ((), "A" * (1 << 20)),
    "half a pair": ((), "HALF"),
    "a pair for another name": ((), "OTHER"),
}
"""The script runs in place of what was asked for, and refuses what it is sent: words of ssh, and the input."""

REFUSED = {
    "a way to a port of the host": ("ssh", "-W", "127.0.0.1:PORT", "vps"),
    "a way to another machine": ("ssh", "-W", "192.0.2.1:22", "vps"),
    "a listener on the host": ("ssh", "-N", "-o", "ExitOnForwardFailure=yes", "-R", "0:127.0.0.1:PORT", "vps"),
    "a listener for SOCKS on the host": ("ssh", "-N", "-o", "ExitOnForwardFailure=yes", "-R", "0", "vps"),
    "a socket on the host": ("ssh", "-N", "-o", "ExitOnForwardFailure=yes", "-R", "CANARY:127.0.0.1:PORT", "vps"),
    "a subsystem nobody has": ("ssh", "-s", "vps", "shell"),
    "from another address": ("ssh", "-b", "127.0.0.2", "vps", "touch CANARY"),
    "as another user": ("ssh", "-l", "nobody", "vps", "touch CANARY"),
    "sftp, to read": ("sftp", "vps:SECRET", "FOLDER/got"),
    "scp, to read": ("scp", "vps:SECRET", "FOLDER/got"),
    "scp, to write": ("scp", "SECRET", "vps:CANARY"),
    "scp of old, to read": ("scp", "-O", "vps:SECRET", "FOLDER/got"),
    "scp of old, to write": ("scp", "-O", "SECRET", "vps:CANARY"),
    "scp of a folder": ("scp", "-r", "vps:FOLDER", "FOLDER/got"),
}
"""What ends without anything done: whole commands."""


def run(gate: Gate, words: list[str], sent: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(words, input=sent, capture_output=True, check=False, timeout=120)


@pytest.mark.parametrize("way", COMMANDS)
def test_whatever_is_asked_for_the_script_alone_runs(gate: Gate, way: str) -> None:
    words, sent = COMMANDS[way]
    own = any(each == "-o" or len(each) < 4 for each in words)  # options, which a connection of its own is needed for
    given = [gate.fill(each) for each in words]
    options, command = (given, []) if own else (gate.shared, ["--", *given] if given else [])
    if "-s" in options:
        options, command = ["-s"], ["sftp"]
    inputs = {"HALF": new().pushed[:700], "OTHER": authority().pair("mail.example.org").pushed}
    done = run(gate, ["ssh", *gate.words(*options), "vps", *command], inputs.get(sent, gate.fill(sent).encode()))
    assert (done.returncode, done.stdout) == (10, b""), done
    if "-s" not in options:  # sshd drops what a subsystem says there
        assert b"refused: " in done.stderr and b"; nothing was changed\n" in done.stderr
    assert gate.begun() == 1
    gate.nothing_happened(done.stdout + done.stderr)


@pytest.mark.parametrize("way", REFUSED)
def test_what_is_no_command_is_refused(gate: Gate, way: str) -> None:
    name, *words = REFUSED[way]
    done = run(gate, [name, *gate.words(*(gate.fill(each) for each in words))])
    assert done.returncode, done
    gate.nothing_happened(done.stdout + done.stderr)
    assert not (gate.sshd.folder / "got").exists()


@pytest.mark.parametrize("option", ["-L", "-D", "socket"])
def test_a_way_through_the_host_ends_at_once(gate: Gate, option: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    inner = gate.fill("127.0.0.1:PORT")
    given = {"-L": ["-L", f"{port}:{inner}"], "-D": ["-D", str(port)], "socket": ["-L", f"{port}:{gate.secret}"]}[
        option
    ]
    words = ["ssh", *gate.words("-N", *given), "vps"]
    client = subprocess.Popen(words, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        for _ in range(3000):
            with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port), 10) as way:
                if option == "-D":
                    host, _, number = inner.rpartition(":")
                    way.sendall(b"\5\1\0")
                    assert way.recv(2) == b"\5\0"
                    way.sendall(b"\5\1\0\1" + socket.inet_aton(host) + int(number).to_bytes(2, "big"))
                    assert way.recv(10)[1:2] != b"\0" or way.recv(1) == b""
                else:
                    assert way.recv(1) == b""
                break
            assert client.poll() is None
            subprocess.run(["sleep", "0.02"], check=True)
        else:
            pytest.fail("the client never listened")
    finally:
        client.kill()
        said = client.communicate()[1]
    assert b"open failed" in said
    gate.nothing_happened(said)


def test_a_terminal_is_not_given(gate: Gate) -> None:
    done = run(gate, ["ssh", *gate.words("-tt"), "vps"], gate.fill("touch CANARY\n").encode())
    assert done.returncode == 255 and b"PTY allocation request failed" in done.stderr
    while not gate.begun() or gate.runs():  # the client has gone, and the script was asked for all the same
        subprocess.run(["sleep", "0.02"], check=True)
    gate.nothing_happened(done.stdout + done.stderr)


def test_a_client_that_hangs_is_let_go(gate: Gate) -> None:
    words = ["ssh", *gate.words(), "vps"]
    client = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert client.stdin
    client.stdin.write(new().pushed[:500])
    client.stdin.flush()
    assert client.wait(120) == 10
    said = client.communicate()[1]
    assert b"the input did not end within 0.5 seconds" in said
    gate.nothing_happened(said)


def test_a_second_session_of_a_connection_runs_the_script_too(gate: Gate) -> None:
    for count in (1, 2):
        done = run(gate, ["ssh", *gate.words(*gate.shared), "vps", gate.fill("touch CANARY")])
        assert (done.returncode, gate.begun()) == (10, count), done
    gate.nothing_happened(b"")


def test_a_pair_is_what_it_may_hand_over(gate: Gate) -> None:
    done = run(gate, ["ssh", *gate.words("-T"), "vps"], new().pushed)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode().startswith(f"installed {new().fingerprint}")
    gate.mail.holds(new())
    assert gate.begun() == 1


def test_more_than_25_ways_were_tried() -> None:
    assert len(COMMANDS) + len(REFUSED) >= 45
