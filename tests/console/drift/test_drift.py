"""Repository, host and what runs, side by side: what is drift, what only looks like it, and what cannot be known."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

import assets
from console.__main__ import main
from console.diagnosis.diagnose import diagnose
from console.diagnosis.rules.drift import found_by
from console.drift.compared import Compared
from console.drift.look import look
from console.drift.sameness import normal
from console.errors import Missing, NoWayIn
from console.estate.load import load
from console.facts import haproxy_running, incus
from console.formats import drift as formats
from console.hosts.host import ANY, Before, Completed, Host, Stream
from console.ladders import Ladder, ProbeTarget
from console.model import Lane, Role, Topology
from console.observation import Drifted, LaneData, SweepData
from console.sources import haproxy
from tests.console.estates import CASES, SEED

CONFIG = (SEED / "haproxy.cfg").read_text()
SOCKET = "/run/haproxy/admin.sock"


class Answer:
    """A socket that answers one line."""

    local = peer = None

    def __init__(self, machine: Machine) -> None:
        self.machine, self.said = machine, b""

    async def read(self, limit: int = 65536) -> bytes:
        said, self.said = self.said, b""
        return said

    async def write(self, data: bytes) -> None:
        self.said = self.machine.socket[data.decode().strip()].encode()

    def close(self) -> None:
        pass


class Machine:
    """A host with files, a stats socket and recorded commands; it can be read, and nothing else."""

    def __init__(self, role: Role, files: dict[str, str], running: str | None = None) -> None:
        self.name, self.role, self.files = {"proxy": "vps", "mail": "mailcow"}.get(role, "home"), role, files
        self.commands: dict[tuple[str, ...], str] = {}
        self.socket = stats(running) if running is not None else {}

    async def open(self) -> None: ...

    async def resolve(self, name: str) -> tuple[str, ...]:
        raise NoWayIn("not here")

    async def connect(self, address: str, port: int, timeout: float) -> Stream:
        raise NoWayIn("not here")

    async def connect_unix(self, path: str, timeout: float) -> Stream:
        if not self.socket or path != SOCKET:
            raise Missing(f"{path} is not there")
        return Answer(self)

    async def run(self, argv: Sequence[str], timeout: float, cap: int = 1 << 20) -> Completed:
        if tuple(argv) in self.commands:
            return Completed(0, self.commands[tuple(argv)].encode(), b"")
        return Completed(127, b"", b"not found")

    async def read(self, path: str, cap: int = 1 << 20) -> bytes:
        if path not in self.files:
            raise Missing(f"{path} is not there on {self.name}")
        return self.files[path].encode()

    async def write(self, path: str, data: bytes, mode: int = 0o600, before: Before = ANY) -> None:
        raise AssertionError("drift only reads")

    def forget(self) -> None: ...

    async def close(self) -> None: ...


def stats(config: str) -> dict[str, str]:
    """What HAProxy would answer if it ran `config`."""
    proxies = haproxy.parse(config, "running").proxies
    rows = ["# pxname,svname,status,type"]
    conn = ["# bkname/svname bkid/svid addr port - purge_delay used_cur used_max"]
    for proxy in proxies:
        rows += [f"{proxy.name},FRONTEND,OPEN,0"] if proxy.kind != "backend" else []
        rows += [f"{proxy.name},{server.name},UP,2" for server in proxy.servers]
        conn += [f"{proxy.name}/{server.name} 2/1 {server.host} {server.port} - 5000 0 1" for server in proxy.servers]
    return {"show stat": "\n".join(rows) + "\n", "show servers conn": "\n".join(conn) + "\n"}


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "haproxy.cfg").write_text(CONFIG)
    (tmp_path / "site.toml").write_text(
        '[sources]\nhaproxy = ["haproxy.cfg"]\n[hosts.vps]\nrole = "proxy"\nlocal = true\n'
    )
    return tmp_path


async def looked(site: Path, *machines: Host) -> tuple[Compared, ...]:
    found = load(site / "site.toml")
    assert found.problems == ()
    return await look(found, {machine.role: machine for machine in machines}, {})


PLACE = "/etc/haproxy/haproxy.cfg"
MOVED = CONFIG.replace("10.10.10.214:10993", "10.10.10.215:10993")
FEWER = CONFIG.partition("listen sieve")[0]

STATES = [
    ("nothing", CONFIG, CONFIG, ("same", "same"), "the same file, and", []),
    ("line ends", CONFIG.replace("\n", "\r\n"), CONFIG, ("same", "same"), "the same file, and", []),
    ("blanks", CONFIG.replace("\n", "  \n") + "\n\n", CONFIG, ("same", "same"), "the same file, and", []),
    ("host", MOVED, MOVED, ("differs", "same"), "the host has another file; the frontends", ["file"]),
    ("reload", CONFIG, MOVED, ("same", "differs"), "it was not reloaded", ["running"]),
    ("unloaded", MOVED, CONFIG, ("differs", "differs"), "still runs the repository's", ["file", "running"]),
    ("three", MOVED, FEWER, ("differs", "differs"), "three different things", ["file", "running"]),
]


@pytest.mark.parametrize(
    ("deployed", "running", "states", "says", "kinds"), [case[1:] for case in STATES], ids=[case[0] for case in STATES]
)
async def test_the_three_states_and_what_they_mean(
    deployed: str, running: str, states: tuple[str, str], says: str, kinds: list[str], site: Path
):
    (found,) = await looked(site, Machine("proxy", {PLACE: deployed}, running))
    assert (found.state, found.running_state) == states
    assert says in formats.meaning(found)
    assert [each.kind for each in found.drifted] == kinds


async def test_a_difference_is_said_with_its_line_and_shown_as_a_diff(site: Path):
    (found,) = await looked(site, Machine("proxy", {PLACE: MOVED}, CONFIG))
    assert "-    server mailcow 10.10.10.214:10993 send-proxy check port 10993\n" in found.deployed
    assert "+    server mailcow 10.10.10.215:10993 send-proxy check port 10993\n" in found.deployed
    assert "-server imaps/mailcow 10.10.10.215:10993\n+server imaps/mailcow 10.10.10.214:10993" in found.running
    file, running = found_by(found.drifted)
    assert (file.id, str(file.where), file.summary) == (
        "CH023", "haproxy.cfg:20", f"haproxy.cfg is not what vps has at {PLACE}: 1 line differs"
    )  # fmt: skip
    assert running.summary == f"HAProxy on vps does not run what {PLACE} says: servers or listeners differ"


async def test_a_file_of_somebody_elses_at_the_usual_place_is_not_drift(site: Path):
    (found,) = await looked(site, Machine("proxy", {PLACE: "global\n    daemon\n"}, CONFIG))
    assert (found.state, found.drifted) == ("unknown", ())
    assert "is another file; say where this one is" in found.why


async def test_a_file_that_is_not_at_its_usual_place_is_unknown_and_one_not_at_its_own_is_drift(site: Path):
    (found,) = await looked(site, Machine("proxy", {}, CONFIG))
    assert (found.state, found.drifted) == ("unknown", ())
    toml = site / "site.toml"
    toml.write_text(toml.read_text() + '[deployed]\n"haproxy.cfg" = "vps:/etc/haproxy/mail.cfg"\n')
    (found,) = await looked(site, Machine("proxy", {}, CONFIG))
    assert (found.state, [each.kind for each in found.drifted]) == ("absent", ["file"])
    (found,) = await looked(site, Machine("proxy", {"/etc/haproxy/mail.cfg": CONFIG}, CONFIG))
    assert (found.state, found.running_state) == ("same", "same")


@pytest.mark.parametrize("place", ["vps", "vps:etc/haproxy.cfg", "home:/etc/haproxy.cfg"])
def test_a_place_that_is_none_is_refused_where_it_stands(place: str, site: Path, capsys: pytest.CaptureFixture[str]):
    toml = site / "site.toml"
    toml.write_text(toml.read_text() + f'[deployed]\n"haproxy.cfg" = "{place}"\n')
    assert main(["--site", str(toml), "show"]) == 2
    assert f'site.toml:7:1: "{place}" is no place on a host' in capsys.readouterr().err


async def test_who_cannot_be_asked_leaves_it_unknown(site: Path):
    (found,) = await looked(site)
    assert (found.state, found.host) == ("unknown", "proxy")
    (found,) = await looked(site, Machine("proxy", {PLACE: CONFIG}))
    assert (found.state, found.running_state) == ("same", "unknown")


async def test_a_frontend_that_no_file_has_is_drift_unless_the_site_declares_a_lane(site: Path):
    more = CONFIG + "listen extra\n    bind :99\n    server x 10.0.0.1:99\n"
    (found,) = await looked(site, Machine("proxy", {PLACE: CONFIG}, more))
    assert "+frontend extra" in found.running
    toml = site / "site.toml"
    toml.write_text(toml.read_text() + '[[lane]]\nport = 443\nprotocol = "https"\ntarget = "10.10.10.214:80"\n')
    (found,) = await looked(site, Machine("proxy", {PLACE: CONFIG}, more))
    assert found.running_state == "same"


async def test_a_port_that_nobody_listens_on_is_drift(site: Path):
    proxy = Machine("proxy", {PLACE: CONFIG}, CONFIG)
    rows = [f"LISTEN 0 4096 *:{port} *:*" for port in (25, 465, 4190)]
    proxy.commands["ss", "-Hltnp"] = "\n".join(rows) + "\n"
    (found,) = await looked(site, proxy)
    assert "-listens on 993" in found.running


# ── what Mailcow rewrites ───────────────────────────────────────────────────────────────────────────────────────────

NORMAL = [
    ("extra.cf", "relayhost = x\n", "myhostname = mail.example\nrelayhost = x\n", True),
    ("extra.cf", "a = $myhostname\n", "myhostname = m\n", False),
    ("extra.cf", "relayhost = x\n", "myhostname = mail.example\nrelayhost = y\n", False),
    ("main.cf", "a = 1\n# User overrides\n", "a = 1\n# User overrides\n\nmyhostname = m\nrelayhost = x\n", True),
    ("main.cf", "a = 1\n# User overrides\n", "a = 2\n# User overrides\n", False),
    ("sni.map", "", "mail.example /etc/ssl/mail/x/key.pem\n", True),
    ("mailcow.conf", "HTTP_REDIRECT=n\n", "DBPASS=geheim\nHTTP_REDIRECT=n\n", True),
    ("mailcow.conf", "B=1\nA=2\n", "A=2\n# c\nB=1\n", True),
    ("mailcow.conf", "HTTP_REDIRECT=n\n", "HTTP_REDIRECT=y\n", False),
    ("mailcow.conf", "HTTP_REDIRECT=n\n", "DBPASS=geheim\n", False),
    ("fstab", "UUID=a /opt ext4\n", "UUID=a /opt ext4\n", True),
    ("fstab", "UUID=a /opt ext4\n", "UUID=b /opt ext4\n", False),
]


@pytest.mark.parametrize(("name", "ours", "theirs", "same"), NORMAL)
def test_what_mailcow_rewrites_at_its_start_is_no_drift(name: str, ours: str, theirs: str, same: bool):
    mine, other = normal(f"/opt/mailcow-dockerized/{name}", ours, theirs)
    assert (mine == other) is same


async def test_every_file_is_looked_for_where_it_is_usual_and_no_secret_is_shown(tmp_path: Path):
    folder = Path(shutil.copytree(CASES / "estates" / "corrected", tmp_path / "estate"))
    (folder / "mailcow.conf").write_text("DBPASS=ours-geheim\nSKIP_LETS_ENCRYPT=y\n")
    root, read = "/opt/mailcow-dockerized", lambda name: (folder / name).read_text()
    mail = Machine("mail", {
        f"{root}/docker-compose.override.yml": read("docker-compose.override.yml"),
        f"{root}/mailcow.conf": "DBPASS=theirs-geheim\nSKIP_LETS_ENCRYPT=y\n",
        f"{root}/data/conf/postfix/extra.cf": "myhostname = x\n" + read("data/conf/postfix/extra.cf"),
        f"{root}/data/conf/dovecot/extra.conf": read("data/conf/dovecot/extra.conf"),
        "/usr/local/bin/deploy.sh": read("deploy.sh"),
        "/root/.ssh/authorized_keys": read("authorized_keys"),
        "/etc/fstab": read("fstab") + "tmpfs /mnt tmpfs\n",
        "/etc/systemd/system/docker.service.d/mounts.conf": read("docker.service.d/mounts.conf"),
    })  # fmt: skip
    proxy = Machine("proxy", {
        PLACE: read("haproxy.cfg"), "/etc/letsencrypt/renewal-hooks/deploy/hook.sh": read("hook.sh")
    }, read("haproxy.cfg"))  # fmt: skip
    found = await looked(folder, mail, proxy)
    states = {each.file: each.state for each in found}
    assert states.pop("mailcow.conf") == states.pop("fstab") == "differs"
    assert set(states.values()) == {"same"} and len(states) == 8
    shown = formats.text(found, lambda text, state: text) + json.dumps(formats.document(found))
    assert "geheim" not in shown and "~ DBPASS differs" in shown
    assert "+tmpfs /mnt tmpfs" in shown


@pytest.mark.parametrize("changed", [False, True], ids=["as it was laid", "changed since"])
async def test_a_script_that_a_flow_laid_is_no_drift_until_somebody_changes_it(changed: bool, tmp_path: Path):
    folder = Path(shutil.copytree(CASES / "estates" / "corrected", tmp_path / "estate"))
    laid = (Path(assets.__file__).parent / "certificate_deploy.sh").read_text() + "echo\n" * changed
    found = await looked(folder, Machine("mail", {"/usr/local/bin/deploy.sh": laid}))
    (script,) = (each for each in found if each.file == "deploy.sh")
    assert (script.state, len(script.drifted)) == (("differs", 1) if changed else ("unknown", 0))
    assert ("cowhand's certificate-sync lays" in formats.meaning(script)) is not changed


# ── facts ───────────────────────────────────────────────────────────────────────────────────────────────────────────

INCUS = [{
    "name": "mailcow", "type": "virtual-machine", "status": "Running",
    "expanded_config": {"limits.cpu": "6", "limits.memory": "8GiB"},
    "expanded_devices": {
        "root": {"type": "disk", "path": "/", "pool": "default", "size": "25GiB"},
        "eth0": {"type": "nic", "network": "incusbr0", "ipv4.address": "10.10.10.213"},
    },
}]  # fmt: skip


async def test_incus_is_asked_for_what_the_opentofu_files_declare():
    found = load(SEED / "site.toml")
    home = Machine("hypervisor", {})
    home.commands[incus.COMMAND] = json.dumps(INCUS)
    machines: dict[Role, Host] = {"hypervisor": home}
    *_, compared = await look(found, machines, {})
    assert (compared.path, compared.state) == ("incus", "differs")
    assert "-mailcow limits.memory 6GiB\n+mailcow limits.memory 8GiB" in compared.running
    assert [str(each.place) for each in compared.drifted] == ["mailcow.tf:19"]
    home.commands[incus.COMMAND] = json.dumps(INCUS).replace("8GiB", "6GiB")
    *_, compared = await look(found, machines, {})
    assert (compared.state, compared.drifted) == ("same", ())


@pytest.mark.parametrize(
    "text", ["", "[", "{}x", '["a"]', '[{"name": "a"}]', '[{"type": "x", "devices": 3, "name": 1}]']
)
def test_what_is_no_answer_of_incus_is_said(text: str):
    with pytest.raises(ValueError, match="not the answer"):
        incus.parse(text)


def test_an_old_haproxy_tells_frontends_alone():
    assert haproxy_running.parse_servers("Unknown command. Please enter one of the following\n  help : this\n") == {}
    with pytest.raises(ValueError, match="not the answer"):
        haproxy_running.parse_frontends("Unknown command.\n")


# ── the finding ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_listener_that_is_gone_is_not_said_twice():
    (lane,) = [each for each in load(SEED / "site.toml").topology.lanes if each.port == 993]
    gone = Drifted("haproxy.cfg", "vps", PLACE, lane.source, "running", 1, ("imaps",))
    assert [each.id for each in diagnose(_refused(lane, gone), [])].count("CH023") == 0
    other = Drifted("haproxy.cfg", "vps", PLACE, lane.source, "running", 2, ("imaps",))
    assert [each.id for each in diagnose(_refused(lane, other), [])].count("CH023") == 1


def _refused(lane: Lane, drifted: Drifted) -> SweepData:
    target = ProbeTarget("203.0.113.1", 993, "imaps")
    seen = LaneData(lane, {"203.0.113.1": Ladder(target, "here", cause="refused", done=True)})
    return SweepData(Topology(lanes=(lane,)), {lane.id: seen}, drifted=(drifted,))
