"""Nothing that is secret in an estate reaches a screen, an output, the journal, the cache or another process."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import socket
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from console.__main__ import main
from console.drift.look import look
from console.estate import load as estate_load
from console.facts import installation
from console.flows import registry
from console.flows.haproxy_listeners import running
from console.flows.proxy_override import stack
from console.formats import drift as drift_formats
from console.hosts.host import Completed
from console.mask import DOTS, mask
from console.process import crash
from tests.anchors.terminal import Terminal
from tests.attacks.planted import FILES, Planted
from tests.console.drift.test_drift import Machine

MAILCOW = "/opt/mailcow-dockerized"
SITE = """
name = "planted"

[sources]
haproxy = ["haproxy.cfg"]
opentofu = ["mailcow.tf"]
compose = ["docker-compose.override.yml"]
deploy_script = "deploy.sh"
deploy_hook = "hook.sh"
authorized_keys = "authorized_keys"
mounts = ["fstab"]

[hosts.vps]
role = "proxy"
local = true

[hosts.mailcow]
role = "mail"
local = true
"""

FLOW = '''"""Change what has secrets."""

from console.flows import CheckResult, Flow, Plan, Run, Step, StepContext, done, needed

FOLDER = {folder!r}


class Change(Step):
    name, words = "change", "write files with secrets, and run what prints them"

    async def check(self, context: StepContext) -> CheckResult:
        return done("it is there") if await context.text("here", FOLDER + "/written") else needed("nothing is there")

    async def plan(self, context: StepContext) -> Plan:
        text = await context.text("here", FOLDER + "/everything")
        answer = await context.host("here").run(["cat", FOLDER + "/everything"], 10)
        shown = Run("here", ("cat", FOLDER + "/everything"))
        given = Run("here", ("true", "--password", context.answers["secret"]))
        write = await context.edit("here", FOLDER + "/written", text)
        return Plan((write, shown, given), (answer.stdout.decode(),), undo="rm " + text)


FLOW = Flow(lambda context: (Change(),))
'''


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.fixture(scope="module")
def planted() -> Planted:
    ports = {name: str(free_port()) for name in ("smtp", "vm", "web")}
    return Planted({**ports, "admin": "/run/nowhere/admin.sock"})


@pytest.fixture
def site(tmp_path: Path, planted: Planted, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The estate in a folder, and programs on the PATH that answer everything with secrets, and fail."""
    folder = tmp_path / "estate"
    folder.mkdir()
    planted.lay(folder)
    (folder / "site.toml").write_text(SITE)
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in ("docker", "tailscale", "incus", "systemctl", "certbot", "haproxy", "postconf", "doveconf"):
        (tools / tool).write_text(f"#!/bin/sh\ncat '{folder}/answer'\ncat '{folder}/answer' >&2\nexit 1\n")
        (tools / tool).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.chdir(folder)
    return folder


Said = pytest.CaptureFixture[str]


def said(capsys: Said, *words: str) -> str:
    """Run a command; return all that it printed."""
    try:
        status = main([*words])
    except SystemExit as left:
        status = int(left.code or 0)
    told = capsys.readouterr()
    assert status in (0, 1, 2, 3, 4), told.err
    assert "Traceback" not in told.err
    return told.out + told.err


def test_there_are_enough_secrets_of_enough_forms(planted: Planted, site: Path) -> None:
    assert len(planted.place) >= 150
    forms = {re.sub(r"\s+", " ", line.strip()) for text in FILES.values() for line in text.split("\n") if "~" in line}
    assert len(forms) >= 60
    estate = estate_load.load(site / "site.toml")
    assert [str(problem) for problem in estate.problems] == []


@pytest.mark.parametrize("name", FILES)
def test_every_file_is_masked(name: str, planted: Planted) -> None:
    assert planted.leaks(mask(planted.files[name])) == []


def test_what_is_no_secret_in_these_files_is_shown(planted: Planted) -> None:
    shown = "\n".join(mask(text) for text in planted.files.values()).split("\n")
    for line in (
        "    setenv MAIL_HOST 127.0.0.1", "    option tcp-check", "    default_backend web", "HTTP_PORT=8080",
        "smtp_helo_name = mail.example.org", '  image = "images:ubuntu/24.04"', "relayhost = [relay.example.org]:587",
        "haproxy_trusted_networks = 127.0.0.1", "set -e", '  filename = "/root/x"', '  path      = "secret/db"',
        "UUID=0a1b2c3d-0000-4000-8000-00805f9b34fb /opt ext4 defaults 0 2", "MAILCOW_HOSTNAME=mail.example.org",
        "    cookie SRV insert indirect", "    option mysql-check user haproxy",
    ):  # fmt: skip
        assert line in shown


FLOWS = (
    "certificate-sync", "forgery-check", "haproxy-listeners", "prove-client-address", "provision", "proxy-filter",
    "proxy-override", "rotate-certificate",
)  # fmt: skip
INIT = ("init", "--plan", "--yes", "--untested", "--answer", "hosts=none")

COMMANDS = [
    *(("show", "--format", each) for each in ("text", "json", "mermaid", "dot", "svg")),
    *(("lint", "--format", each) for each in ("text", "json", "sarif", "github")),
    ("lint", "--diff"),
    ("lint", "--fix"),
    ("check",),
    ("check", "--json"),
    ("drift",),
    ("drift", "--json"),
    ("flow", "--list"),
    ("flow", "mount-volumes", "--plan"),
    ("flow", "mount-volumes", "--runbook"),
    ("flow", "mount-volumes", "--json"),
    ("journal",),
    ("journal", "--json"),
    ("trust",),
    ("trust", "--yes"),
    ("trust", "--json"),
    ("trust", "--list", "--json"),
    *(("certificates", *more) for more in ((), ("--json",))),
    *(("incus", *more) for more in ((), ("--json",))),
    *(("flow", flow, "--plan", *more) for flow in FLOWS for more in ((), ("--json",), ("--runbook",))),
    ("explain", "CH001"),
    INIT,
]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_no_command_prints_a_secret(words: tuple[str, ...], site: Path, planted: Planted, capsys: Said) -> None:
    assert planted.leaks(said(capsys, *words)) == []


@pytest.mark.parametrize(
    "words", [("show",), ("lint",), ("lint", "--format", "sarif"), ("check", "--json"), INIT], ids=" ".join
)
@pytest.mark.parametrize("file", ["haproxy.cfg", "mailcow.tf", "docker-compose.override.yml", "mailcow.conf", "fstab"])
def test_no_message_about_a_broken_file_has_a_secret(
    file: str, words: tuple[str, ...], site: Path, planted: Planted, capsys: Said
) -> None:
    path = site / file
    broken = re.sub(r"(?m)^(\s*)(\w+)(.*(?:Qx\d{3}zWk|plantedqx\w{3}zwk).*)$", r"\1\2x ][\3 {", path.read_text())
    path.write_text(broken)
    assert planted.leaks(said(capsys, *words)) == []


def test_drift_tells_no_secret_of_files_that_differ_in_each(site: Path, planted: Planted) -> None:
    there = planted.on_hosts()
    mail = Machine("mail", {
        f"{MAILCOW}/docker-compose.override.yml": there["docker-compose.override.yml"],
        f"{MAILCOW}/mailcow.conf": there["mailcow.conf"],
        f"{MAILCOW}/data/conf/postfix/extra.cf": there["data/conf/postfix/extra.cf"],
        f"{MAILCOW}/data/conf/dovecot/extra.conf": there["data/conf/dovecot/extra.conf"],
        "/usr/local/bin/deploy.sh": there["deploy.sh"],
        "/root/.ssh/authorized_keys": there["authorized_keys"],
        "/etc/fstab": there["fstab"],
    })  # fmt: skip
    proxy = Machine("proxy", {
        "/etc/haproxy/haproxy.cfg": there["haproxy.cfg"],
        "/etc/letsencrypt/renewal-hooks/deploy/hook.sh": there["hook.sh"],
    }, planted.files["haproxy.cfg"])  # fmt: skip
    found = asyncio.run(look(estate_load.load(site / "site.toml"), {"mail": mail, "proxy": proxy}, {}))
    assert {each.state for each in found} == {"differs"} and len(found) == 9
    shown = drift_formats.text(found, lambda text, state: text) + json.dumps(drift_formats.document(found))
    shown += repr(found)
    assert planted.leaks(shown) == []
    for name in ("~ DBROOT differs", "setenv VAULT", "user bob", "environment", "TOKEN"):
        assert name in shown


@pytest.fixture
def changing(site: Path, planted: Planted, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A flow that has all secrets in its plan, its commands, their output and its answers."""
    import console.flows

    more = site.parent / "more"
    more.mkdir()
    (more / "change_all.py").write_text(FLOW.format(folder=str(more)))
    (more / "everything").write_text("\n".join(planted.files.values()))
    monkeypatch.setattr(console.flows, "__path__", [*console.flows.__path__, str(more)])
    registry.modules.cache_clear()
    yield more
    registry.modules.cache_clear()
    sys.modules.pop("console.flows.change_all", None)


def test_no_flow_shows_or_keeps_a_secret(changing: Path, planted: Planted, capsys: Said) -> None:
    given = ("--answer", f"secret={next(iter(planted.place))}")
    shown = said(capsys, "flow", "change-all", "--plan", *given)
    assert "change-all  Change what has secrets" in shown
    shown += said(capsys, "flow", "change-all", "--plan", "--json", *given)
    shown += said(capsys, "flow", "change-all", "--runbook", *given)
    shown += said(capsys, "flow", "change-all", "--yes", *given)
    assert (changing / "written").exists()
    shown += said(capsys, "journal") + said(capsys, "journal", "last") + said(capsys, "journal", "last", "--json")
    assert planted.leaks(shown) == []
    kept = [path for path in Path(os.environ["XDG_STATE_HOME"]).rglob("*") if path.is_file()]
    assert kept
    for path in kept:
        assert planted.leaks(path.read_bytes()) == [], path


def test_no_crash_report_has_a_secret(site: Path, planted: Planted) -> None:
    password = "\n".join(planted.files.values())
    try:
        raise ValueError(password)
    except ValueError as error:
        told = crash.tell(error)
    assert planted.leaks(told) == []
    reports = [*Path(os.environ["XDG_STATE_HOME"]).rglob("crash-*.txt")]
    assert reports
    assert all(planted.leaks(report.read_bytes()) == [] for report in reports)


@pytest.mark.slow
def test_the_screens_the_clipboard_the_cache_and_the_process_list_have_no_secret(site: Path, planted: Planted) -> None:
    environment = {f"XDG_{name}_HOME": str(site.parent / name) for name in ("STATE", "CACHE", "CONFIG")}
    argv = [sys.executable, "-m", "console", "--site", str(site / "site.toml")]
    terminal = Terminal(
        argv, columns=160, rows=50, environment={**environment, "PYTHONPATH": str(Path(__file__).parents[2])}
    )
    try:
        terminal.wait("planted")
        for key in "123456":
            terminal.send(key)
            terminal.settle(0.3)
            terminal.send("y")
            terminal.settle(0.3)
        seen = _every_source(terminal, len(planted.files))
        told = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if _readable(path)]
        given = Path(f"/proc/{terminal.pid}/environ").read_bytes()
        terminal.send("q")
    finally:
        terminal.close()
    assert b"setenv" in seen and "••••••".encode() in seen
    assert planted.leaks(seen) == []
    copied = b"\n".join(base64.b64decode(each) for each in re.findall(rb"\x1b\]52;[a-z]*;([A-Za-z0-9+/=]*)", seen))
    assert copied
    assert planted.leaks(copied) == []
    assert planted.leaks(b"\n".join(told)) == []
    assert planted.leaks(given) == []
    kept = [path for folder in environment.values() for path in Path(folder).rglob("*") if path.is_file()]
    assert any(path.name.startswith("estate-") for path in kept)
    for path in kept:
        assert planted.leaks(path.read_bytes()) == [], path


def _every_source(terminal: Terminal, files: int) -> bytes:
    """Page through every file of the third screen, copying what is under the cursor; return all bytes so far."""
    terminal.send("3")
    terminal.settle(0.3)
    for _ in range(files + 1):
        for _ in range(4):
            terminal.send("\x1b[6~")
            terminal.settle(0.15)
            terminal.send("y")
        terminal.send("]")
        terminal.settle(0.2)
    return bytes(terminal.received)


def _readable(path: Path) -> bool:
    try:
        return bool(path.read_bytes())
    except OSError:
        return False


class Refusing:
    """A context whose every machine refuses what it is asked, and cites a secret; a stand-in."""

    def __init__(self, status: int, cited: str, project: str = "") -> None:
        self.done = Completed(status, b"", cited.encode())

    def host(self, role: str) -> Refusing:
        return self

    def name(self, role: str) -> str:
        return "vm"

    async def text(self, role: str, path: str, cap: int = 1 << 20) -> str:
        return ""

    async def run(self, argv: Sequence[str], timeout: float) -> Completed:
        return self.done if "-c" in argv else Completed(int(argv[0] == "pgrep"), b"", b"")


@pytest.mark.parametrize("cited", ["DBPASS=hunter2x", 'near "password: hunter2x"', "//bob:hunter2x@db:3306/x"])
async def test_what_a_program_complains_of_is_told_without_the_secret_that_it_cites(cited: str) -> None:
    found = installation.parse(f"silent\t{cited}\ncomplaint\t{cited}\nupdating\t12 update.sh {cited}\n")
    said = await running._not_accepted(Refusing(1, f"[ALERT] (1) : parsing [x:1]: {cited}\n"), "/x")  # type: ignore[arg-type]
    with pytest.raises(stack.Refusal) as refused:
        await stack._quiet(Refusing(stack.REFUSED, cited), stack.Stack("x", "/x"), "vm")  # type: ignore[arg-type]
    told = (found.silent, found.complaint, found.updating, said, str(refused.value))
    assert all("hunter2x" not in each and DOTS in each for each in told)
