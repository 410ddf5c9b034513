"""Which lines of a file count, how many differ and where, and what of a running HAProxy can be compared at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from console.drift.compared import Compared, drifted
from console.drift.look import look
from console.drift.sameness import lines, normal
from console.drift.shown import diff
from console.drift.tracked import Tracked, tracked
from console.errors import FileError, Missing
from console.estate import load as estate
from console.facts import incus
from console.hosts.host import Host, Stream
from console.model import Role, Span
from console.observation import Drifted
from tests.console.drift.test_drift import CONFIG, FEWER, INCUS, MOVED, PLACE, SOCKET, Answer, Machine, looked
from tests.console.estates import SEED

ROOT = "/opt/mailcow-dockerized"


def written(folder: Path, files: dict[str, str], toml: str) -> Path:
    """A site with these files and these lines of site.toml, a proxy and a mail host."""
    for name, text in files.items():
        (folder / name).write_text(text)
    hosts = '[hosts.vps]\nrole = "proxy"\nlocal = true\n[hosts.mailcow]\nrole = "mail"\nlocal = true\n'
    lane = '[[lane]]\nport = 443\nprotocol = "https"\ntarget = "10.10.10.214:80"\n'
    (folder / "site.toml").write_text(toml + hosts + ("" if "haproxy" in toml else lane))
    return folder


def fstab(folder: Path, text: str) -> Path:
    return written(folder, {"fstab": text}, '[sources]\nmounts = ["fstab"]\n')


# ── lines ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("\ufeffa\n", ["a"]),
        ("a\ufeff\n", ["a\ufeff"]),
        ("a  \r\n\n  b\t\n\n\n", ["a", "", "  b"]),
        ("", []),
    ],
)
def test_what_no_reader_sees_is_no_part_of_a_line(text: str, found: list[str]) -> None:
    assert lines(text) == found


def test_of_a_main_cf_without_the_mark_every_line_counts() -> None:
    assert normal("/x/main.cf", "a\nb\n", "a\n# User overrides\nc\n") == (["a", "b"], ["a"])


def test_of_an_sni_map_no_line_counts() -> None:
    assert normal("/x/sni.map", "a\n", "b\n") == ([], [])


def test_a_difference_is_shown_without_line_ends_with_tabs_of_four_and_not_endlessly() -> None:
    assert diff(["a", "b"], ["a", "\tc"], "one", "other") == "--- one\n+++ other\n@@ -1,2 +1,2 @@\n a\n-b\n+   c"
    row = diff(["x" * 600], ["b"], "one", "other").split("\n")[3]
    assert len(row) == 400


# ── how many, and where ─────────────────────────────────────────────────────────────────────────────────────────────

ROWS = [
    ("one line is another", "a\nb\nc\n", "a\nx\nc\n", 1, 2),
    ("three lines are one", "a\nb\nc\nd\n", "x\nd\n", 3, 1),
    ("one line is three", "a\nd\n", "x\ny\nz\nd\n", 3, 1),
    ("lines are gone", "a\nb\nc\nd\n", "a\nd\n", 2, 2),
    ("lines came", "a\nd\n", "a\nb\nc\nd\n", 2, 2),
    ("two places", "a\nb\nc\nd\n", "x\nb\nc\ny\n", 2, 1),
    ("lines came at the end", "a\nb\n", "a\nb\nc\n", 1, 2),
    ("ours is empty", "\n", "a\n", 1, 1),
    ("ours has nothing at all", "", "a\n", 1, 1),
    ("the line that differs stands above too", "a\nb\na\n", "a\nb\nc\n", 1, 3),
    ("a mark that nobody sees", "\ufeffa\nb\n", "x\nb\n", 1, 1),
    ("a line that many others are like", "\n".join(["same"] * 300) + "\nlast\n", "same\n" * 301, 1, 301),
    ("a line among many", "k\n" * 150 + "b\n" + "k\n" * 150, "k\n" * 150 + "c\n" + "k\n" * 150, 1, 151),
]


@pytest.mark.parametrize(("ours", "theirs", "count", "line"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
async def test_the_lines_that_differ_are_counted_and_the_first_is_named(
    ours: str, theirs: str, count: int, line: int, tmp_path: Path
) -> None:
    (found,) = await looked(fstab(tmp_path, ours), Machine("mail", {"/etc/fstab": theirs}))
    assert (found.state, found.running_state, found.why) == ("differs", "unknown", "")
    (one,) = found.drifted
    assert (one.kind, one.lines, one.place) == ("file", count, Span("fstab", line))
    assert "\n".join(one.diff) == found.deployed


async def test_a_setting_is_found_where_it_stands_in_ours_whatever_the_order(tmp_path: Path) -> None:
    site = written(tmp_path, {"mailcow.conf": "# c\nB=1\n\nA=2\n"}, '[sources]\nmailcow_conf = "mailcow.conf"\n')
    (found,) = await looked(site, Machine("mail", {f"{ROOT}/mailcow.conf": "A=3\nB=1\n"}))
    assert [each.place for each in found.drifted] == [Span("mailcow.conf", 4)]


async def test_a_file_that_is_the_same_says_nothing_else(tmp_path: Path) -> None:
    (found,) = await looked(fstab(tmp_path, "a\n"), Machine("mail", {"/etc/fstab": "a\n"}))
    assert found == Compared("fstab", "mailcow", "/etc/fstab", "same", "unknown")
    assert (found.runs_ours, drifted([found])) == (False, ())


async def test_what_differs_anywhere_is_told_for_all_files(tmp_path: Path) -> None:
    one, two = (Drifted("a", "vps", "/a", Span("a", line), "file", 1) for line in (1, 2))
    files = [Compared("a", "vps", "/a", "differs", "same", drifted=(one,)), Compared("b", "vps", "/b", "same", "same")]
    assert drifted([*files, Compared("c", "vps", "/c", "differs", "same", drifted=(two, one))]) == (one, two, one)


# ── files ───────────────────────────────────────────────────────────────────────────────────────────────────────────


class Capped(Machine):
    """A machine that keeps to the cap of a read, as every host does."""

    async def read(self, path: str, cap: int = 1 << 20) -> bytes:
        data = await super().read(path, cap)
        if len(data) > cap:
            raise FileError(f"{path} on {self.name} is larger than {cap} bytes")
        return data


async def test_a_file_of_four_mebibytes_is_read_and_a_larger_one_is_said_to_be(tmp_path: Path) -> None:
    site = fstab(tmp_path, "a\n")
    for size, state in ((4 * 1024 * 1024, "same"), (4 * 1024 * 1024 + 1, "unknown")):
        (found,) = await looked(site, Capped("mail", {"/etc/fstab": "a\n".ljust(size)}))
        assert found.state == state
    assert found.why == "/etc/fstab on mailcow is larger than 4194304 bytes"


async def test_a_file_that_is_not_at_its_own_place_is_drift_of_no_line(tmp_path: Path) -> None:
    place = '[deployed]\n"haproxy.cfg" = "vps:/etc/haproxy/a:b.cfg"\n'
    site = written(tmp_path, {"haproxy.cfg": CONFIG}, f'[sources]\nhaproxy = ["haproxy.cfg"]\n{place}')
    (found,) = await looked(site, Machine("proxy", {}, CONFIG))
    assert found.drifted == (
        Drifted("haproxy.cfg", "vps", "/etc/haproxy/a:b.cfg", Span("haproxy.cfg", 1), "file", 0),
    )  # fmt: skip
    other = "listen other\n    bind :1\n    server a 10.0.0.1:1\n"
    (found,) = await looked(site, Machine("proxy", {"/etc/haproxy/a:b.cfg": other}, CONFIG))
    assert found.state == "differs", "a place that the site names is the file's, whatever stands there"


async def test_only_files_that_were_read_are_tracked_and_no_opentofu_ones(tmp_path: Path) -> None:
    place = '[deployed]\n"main.tf" = "vps:/a"\n"unread" = "vps:/b"\n"fstab" = "mailcow:/etc/systemd/system/c.mount"\n'
    files = {"main.tf": 'locals {\n  a = "b"\n}\n', "unread": "x", "fstab": "a\n"}
    site = written(tmp_path, files, f'[sources]\nopentofu = ["main.tf"]\nmounts = ["fstab"]\n{place}')
    found = estate.load(site / "site.toml")
    assert tracked(found) == (Tracked("fstab", "mail", "/etc/systemd/system/c.mount", usual=False),)


async def test_two_configurations_have_their_own_names_on_the_host_and_nobody_tells_which_one_runs(
    tmp_path: Path,
) -> None:
    head, _, tail = CONFIG.partition("listen sieve")
    files = {"a.cfg": head, "b.cfg": "listen sieve" + tail}
    site = written(tmp_path, files, '[sources]\nhaproxy = ["a.cfg", "b.cfg"]\n')
    places = {"/etc/haproxy/a.cfg": files["a.cfg"], "/etc/haproxy/b.cfg": files["b.cfg"]}
    found = await looked(site, Machine("proxy", places, CONFIG))
    assert [(each.path, each.state, each.running_state, each.why) for each in found] == [
        ("/etc/haproxy/a.cfg", "same", "unknown", ""),
        ("/etc/haproxy/b.cfg", "same", "unknown", ""),
    ]


async def test_a_hypervisor_is_not_asked_where_no_instance_is_declared(tmp_path: Path) -> None:
    hosts: dict[Role, Host] = {"hypervisor": Machine("hypervisor", {})}
    found = await look(estate.load(fstab(tmp_path, "a\n") / "site.toml"), hosts, {})
    assert [each.file for each in found] == ["fstab"]


# ── what runs ───────────────────────────────────────────────────────────────────────────────────────────────────────


class Elsewhere(Machine):
    """A machine whose socket is at a place of its own."""

    place = "/var/run/own.sock"

    async def connect_unix(self, path: str, timeout: float) -> Stream:
        if path != self.place:
            raise Missing(f"{path} is not there")
        return Answer(self)


def site_of(folder: Path, config: str, more: str = "") -> Path:
    return written(folder, {"haproxy.cfg": config}, '[sources]\nhaproxy = ["haproxy.cfg"]\n' + more)


OWN = f"global\n    stats socket {Elsewhere.place}\n{CONFIG}"


@pytest.mark.parametrize(
    ("ours", "theirs", "place"),
    [
        (OWN, OWN, Elsewhere.place),
        (OWN, CONFIG, Elsewhere.place),
        (CONFIG, OWN, Elsewhere.place),
        (CONFIG, CONFIG, SOCKET),
    ],
    ids=["both", "ours", "theirs", "neither"],
)
async def test_the_socket_is_the_host_s_file_s_then_the_repository_s_then_the_usual(
    ours: str, theirs: str, place: str, tmp_path: Path
) -> None:
    proxy = Elsewhere("proxy", {PLACE: theirs}, CONFIG)
    proxy.place = place
    (found,) = await looked(site_of(tmp_path, ours), proxy)
    assert found.running_state == "same"


async def test_what_was_not_heard_is_said_the_file_first(tmp_path: Path) -> None:
    site = site_of(tmp_path, CONFIG)
    (found,) = await looked(site, Machine("proxy", {PLACE: CONFIG}))
    assert found.why.startswith("what runs is not known: ")
    (found,) = await looked(site, Machine("proxy", {}))
    assert found.why == f"{PLACE} is not there on vps; if it is elsewhere, say so: [deployed] in site.toml"


async def test_what_runs_is_compared_with_the_repository_where_the_host_s_file_cannot_be_read(tmp_path: Path) -> None:
    (found,) = await looked(site_of(tmp_path, CONFIG), Machine("proxy", {}, MOVED))
    assert (found.running_state, found.drifted, found.runs_ours) == ("differs", (), False)
    assert found.running.startswith("--- haproxy.cfg\n+++ what runs (")


@pytest.mark.parametrize(("deployed", "line"), [(CONFIG, 22), (CONFIG + "# more\n", 1)], ids=["same", "another"])
async def test_a_frontend_that_does_not_run_is_named_with_its_line(deployed: str, line: int, tmp_path: Path) -> None:
    assert CONFIG.split("\n")[21].startswith("listen sieve")
    (found,) = await looked(site_of(tmp_path, CONFIG), Machine("proxy", {PLACE: deployed}, FEWER))
    *_, running = found.drifted
    assert (running.kind, running.gone, running.lines, running.place.line) == ("running", ("sieve",), 1, line)
    assert found.running.startswith(f"--- vps:{PLACE}\n+++ what runs ({SOCKET})\n")
    assert "-server" not in found.running.replace("-server sieve/", "-server "), found.running
    assert "\n".join(running.diff) == found.running


HEAD = "global\n    stats socket /run/haproxy/admin.sock\ndefaults\n    mode tcp\n"


@pytest.mark.parametrize(
    ("said", "runs", "shown"),
    [
        ("listen a\n bind :1\n disabled\n server x 10.0.0.1:1\nlisten b\n bind :2\n server y 10.0.0.1:2\n",
         "listen b\n bind :2\n server y 10.0.0.1:3\n", ["-server b/y 10.0.0.1:2", "+server b/y 10.0.0.1:3"]),
        (".if feature(X)\nlisten a\n bind :1\n server x 10.0.0.1:1\n.endif\nlisten b\n bind :2\n server y 10.0.0.1:2\n",
         "listen b\n bind :2\n server y 10.0.0.1:3\n", ["-server b/y 10.0.0.1:2", "+server b/y 10.0.0.1:3"]),
        ("listen a\n bind :1\n server u /run/x.sock\n server t 10.0.0.1\n server x 10.0.0.1:1\n",
         "listen a\n bind :1\n server x 10.0.0.1:2\n", ["-server a/x 10.0.0.1:1", "+server a/x 10.0.0.1:2"]),
        ("listen a\n bind :1\n server-template t 2 10.0.0.1:9\n server x 10.0.0.1:1\n",
         "listen a\n bind :1\n server x 10.0.0.1:2\n", ["-server a/x 10.0.0.1:1", "+server a/x 10.0.0.1:2"]),
        ("listen a\n bind :1\n server x mail.example:1\n server y 0.0.0.0:2\n server z 10.0.0.1:3\n",
         "listen a\n bind :1\n server x 10.9.9.9:7\n server y 10.9.9.9:2\n server z 10.0.0.1:3\n",
         ["-server a/x port 1", "+server a/x port 7"]),
        ("frontend a\n bind :1\n use_backend b if TRUE\nbackend b\n server x 10.0.0.1:1\n",
         "frontend other\n bind :1\nbackend b\n server x 10.0.0.1:2\n",
         ["-frontend a", "+frontend other", "-server b/x 10.0.0.1:1", "+server b/x 10.0.0.1:2"]),
        ("listen a\n bind :1\n server x 10.0.0.1:1\nlisten b\n bind :2\n server y 10.0.0.1:2\n",
         "frontend a\n bind :1\nlisten b\n bind :2\n server y 10.0.0.1:2\n", ["-server a/x 10.0.0.1:1"]),
        ("frontend a\n bind :1\n use_backend a\nbackend a\n server x 10.0.0.1:1\nlisten c\n bind :3\n",
         "listen c\n bind :3\nbackend a\n server x 10.0.0.1:4\n",
         ["-frontend a", "-server a/x 10.0.0.1:1", "+server a/x 10.0.0.1:4"]),
    ],
    ids=["disabled", "perhaps", "local", "template", "name", "backend", "server", "twins"],
)  # fmt: skip
async def test_what_can_be_compared_of_servers_is_and_nothing_else(
    said: str, runs: str, shown: list[str], tmp_path: Path
) -> None:
    (found,) = await looked(site_of(tmp_path, HEAD + said), Machine("proxy", {PLACE: HEAD + said}, HEAD + runs))
    told = [line for line in found.running.split("\n")[2:] if line.startswith(("+", "-"))]
    assert sorted(told) == sorted(shown)


async def test_an_old_haproxy_that_tells_no_servers_is_compared_by_its_frontends(tmp_path: Path) -> None:
    proxy = Machine("proxy", {PLACE: CONFIG}, MOVED)
    proxy.socket["show servers conn"] = "Unknown command. Please enter one of the following\n  help : this\n"
    (found,) = await looked(site_of(tmp_path, CONFIG), proxy)
    assert found.running_state == "same"


async def test_ports_are_told_beside_frontends_and_not_of_those_that_do_not_run(tmp_path: Path) -> None:
    proxy = Machine("proxy", {PLACE: CONFIG}, FEWER)
    rows = [f"LISTEN 0 4096 *:{port} *:*" for port in (25, 465)]
    proxy.commands["ss", "-Hltnp"] = "\n".join(rows) + "\n"
    (found,) = await looked(site_of(tmp_path, CONFIG), proxy)
    told = [line for line in found.running.split("\n")[2:] if line.startswith(("+", "-"))]
    assert "-frontend sieve" in told
    assert "-listens on 993" in told
    assert "-listens on 4190" not in told


# ── Incus ───────────────────────────────────────────────────────────────────────────────────────────────────────────


async def asked(files: dict[str, str], answer: str | None, folder: Path) -> Compared:
    written(folder, files, f"[sources]\nopentofu = {json.dumps(sorted(files))}\n")
    home = Machine("hypervisor", {})
    if answer is not None:
        home.commands[incus.COMMAND] = answer
    *_, found = await look(estate.load(folder / "site.toml"), {"hypervisor": home}, {})
    return found


async def test_an_incus_that_cannot_be_asked_is_said(tmp_path: Path) -> None:
    found = await asked({"a.tf": (SEED / "mailcow.tf").read_text()}, None, tmp_path)
    assert (found.state, found.running_state, found.path) == ("unknown", "unknown", "incus list mailcow")
    assert found.why


VM = 'resource "incus_instance" "%s" {\n  name = "%s"\n  type = "virtual-machine"\n%s}\n'


async def test_every_instance_is_compared_by_what_the_files_say_of_it(tmp_path: Path) -> None:
    limits = '  config = {\n    "limits.cpu" = "%s"\n    "limits.memory" = var.memory\n  }\n'
    text = "".join((
        VM % ("z", "${var.x}", ""), VM % ("y", "gone", ""), VM % ("x", "bare", ""), VM % ("w", "mailcow", limits % "4"),
    ))  # fmt: skip
    bare = {"name": "bare", "type": "virtual-machine", "status": "Running", "expanded_config": {}}
    found = await asked({"a.tf": text}, json.dumps([*INCUS, {**bare, "expanded_devices": {}}]), tmp_path)
    told = [line for line in found.running.split("\n")[2:] if line.startswith(("+", "-"))]
    assert told == ["-instance gone virtual-machine", "-mailcow limits.cpu 4", "+mailcow limits.cpu 6"]
    assert [(each.lines, each.path) for each in found.drifted] == [(2, "incus")]
    assert "\n".join(found.drifted[0].diff) == found.running
