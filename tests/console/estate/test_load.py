"""Estates from disk: the seed's as shipped, folders, modules, caches, and the names files are shown by."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

import assets
from console.errors import InputError
from console.estate.load import Estate, Reader, load
from console.sources.opentofu import grammar
from console.store import folders as places

LAB = Path(assets.__file__).parent / "lab"
LISTEN = "listen {}\n    bind :{}\n    mode tcp\n    server m 10.0.0.1:{} send-proxy\n"
VM = 'resource "incus_instance" "{0}" {{\n  name = "{0}"\n}}\n'

Write = Callable[[dict[str, str | bytes]], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Put files into a folder of their own and return the path of its site.toml."""

    def put(files: dict[str, str | bytes]) -> Path:
        for name, content in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return tmp_path / "site.toml"

    return put


def said(found: Estate) -> list[str]:
    return [str(problem).replace(str(found.file), "site.toml") for problem in found.problems]


class TestTheSampleEstate:
    found = load(LAB / "site.toml")

    def test_nothing_in_it_is_a_problem(self) -> None:
        assert self.found.problems == ()

    def test_the_four_lanes_of_the_files_and_the_fifth_of_the_site(self) -> None:
        told = [
            (lane.port, lane.target and (lane.target.host, lane.target.port), lane.proxy_protocol, lane.tls)
            for lane in self.found.topology.lanes
        ]
        assert told == [
            (25, ("10.10.10.214", 10025), "v1", "passthrough"),
            (465, ("10.10.10.214", 10465), "v1", "passthrough"),
            (993, ("10.10.10.214", 10993), "v1", "passthrough"),
            (4190, ("10.10.10.214", 14190), "v1", "passthrough"),
            (443, ("10.10.10.214", 80), None, "terminated"),
        ]

    def test_the_fifth_stands_in_the_site_file(self) -> None:
        place = self.found.topology.lanes[4].source
        assert self.found.texts[place.file].splitlines()[place.line - 1] == "[[lane]]"

    def test_the_vm_with_its_two_volumes(self) -> None:
        (vm,) = self.found.topology.instances
        assert (vm.name, str(vm.source)) == ("mailcow", "mailcow.tf:19")
        assert [(v.size, v.mount_path, str(v.source)) for v in self.found.topology.volumes] == [
            ("50GiB", "/var/lib/docker", "mailcow.tf:1"),
            ("10GiB", "/opt", "mailcow.tf:10"),
        ]

    def test_every_item_has_its_place_in_a_text_that_is_kept(self) -> None:
        topology = self.found.topology
        items = [*topology.nodes, *topology.lanes, *topology.volumes, *topology.instances, *topology.published]
        assert len(items) > 20
        for item in items:
            assert item.source is not None
            assert 1 <= item.source.line <= self.found.texts[item.source.file].count("\n") + 1

    def test_script_and_hook_are_read(self) -> None:
        assert [script.file for script in self.found.sources.scripts] == [
            "mailcow-cert-deploy.sh",
            "certbot-deploy-hook.sh",
        ]

    def test_its_name_is_its_title(self) -> None:
        assert self.found.title == self.found.site.name


def test_a_folder_stands_for_its_files_in_c_order(write: Write) -> None:
    files = {
        "site.toml": '[sources]\nhaproxy = ["conf.d"]\n',
        "conf.d/b.cfg": LISTEN.format("b", 465, 10465),
        "conf.d/B.cfg": LISTEN.format("B", 25, 10025),
        "conf.d/.hidden.cfg": "nonsense\n",
        "conf.d/notes.txt": "nonsense\n",
        "conf.d/é.cfg": LISTEN.format("e", 993, 10993),
    }
    found = load(write(files))
    assert [lane.source.file for lane in found.topology.lanes] == ["conf.d/B.cfg", "conf.d/b.cfg", "conf.d/é.cfg"]
    assert found.problems == ()


def test_a_folder_of_opentofu_gives_what_opentofu_would_take(write: Write) -> None:
    files = {
        "site.toml": '[sources]\nopentofu = ["tofu"]\n',
        "tofu/a.tf": VM.format("a").replace('"a"\n}', "var.a\n}") + 'variable "a" {}\n',
        "tofu/b.tf": VM.format("shadowed"),
        "tofu/b.tofu": VM.format("b"),
        "tofu/z.auto.tfvars": 'a = "auto"\n',
        "tofu/one.tfvars": 'a = "one"\n',
        "tofu/two.tfvars": 'a = "two"\n',
    }
    found = load(write(files))
    assert [vm.name for vm in found.topology.instances] == ["auto", "b"]


def test_a_named_file_that_opentofu_reads_another_for_is_left_out(write: Write) -> None:
    names = ["a.tf", "b.tf", "b.tofu", "c.tf.json", "c.tofu"]
    texts = [VM.format("a"), VM.format("shadowed"), VM.format("b"), '{"locals": {}}', VM.format("c")]
    files = dict(zip(names, texts, strict=True)) | {"site.toml": f"[sources]\nopentofu = {names}\n".replace("'", '"')}
    assert [vm.name for vm in load(write(files)).topology.instances] == ["a", "b", "c"]


def test_a_lone_file_of_variables_is_taken(write: Write) -> None:
    text = 'resource "incus_instance" "a" {\n  name = var.a\n}\nvariable "a" {}\n'
    files = {"site.toml": '[sources]\nopentofu = ["."]\n', "a.tf": text, "prod.tfvars": 'a = "given"\n'}
    assert [vm.name for vm in load(write(files)).topology.instances] == ["given"]


def test_local_modules_are_followed_from_file_to_file(write: Write) -> None:
    files = {
        "site.toml": '[sources]\nopentofu = ["tofu/main.tf"]\n',
        "tofu/main.tf": 'module "m" {\n  source = "../modules/vm"\n  name = "mail"\n}\n',
        "modules/vm/vm.tf": 'module "deep" {\n  source = "./disk"\n  name = var.name\n}\n' + VM.format("vm"),
        "modules/vm/disk/disk.tf": 'resource "lxd_volume" "v" {\n  name = "${var.name}-opt"\n  pool = "p"\n}\n',
    }
    found = load(write(files))
    assert [str(vm.source) for vm in found.topology.instances] == ["modules/vm/vm.tf:5"]
    assert [(v.name, str(v.source)) for v in found.topology.volumes] == [("mail-opt", "modules/vm/disk/disk.tf:1")]
    assert list(found.texts)[1:] == ["tofu/main.tf", "modules/vm/vm.tf", "modules/vm/disk/disk.tf"]


def test_a_module_s_folder_that_is_missing_is_said_where_it_is_called(write: Write) -> None:
    text = VM.format("a") + 'module "m" {\n  source = "./gone"\n}\n'
    found = load(write({"site.toml": '[sources]\nopentofu = ["main.tf"]\n', "main.tf": text}))
    assert said(found) == [
        'main.tf:5:3: the module\'s folder "gone" is not there: mend the path, or take the entry out'
    ]
    assert len(found.topology.instances) == 1
    assert found.sources.tofu is not None
    assert found.sources.tofu.problems == found.problems


OVERRIDE = 'services:\n  postfix-mailcow:\n    ports: ["${SMTP_PORT_HAPROXY:-0.0.0.0:10025}:10025"]\n'
CONF = "SMTP_PORT_HAPROXY=10.10.10.214:10025\n"


@pytest.mark.parametrize(
    ("setting", "conf", "address"),
    [
        ('mailcow_conf = "mailcow.conf"', "mailcow.conf", "10.10.10.214"),
        ('mailcow_conf = "etc/mc.conf"', "etc/mc.conf", "10.10.10.214"),
        ("", "mail/mailcow.conf", "10.10.10.214"),
        ("", "mail/.env", "10.10.10.214"),
        ("", "elsewhere/mailcow.conf", "0.0.0.0"),
    ],
)
def test_mailcow_conf_decides_what_the_override_publishes(write: Write, setting: str, conf: str, address: str) -> None:
    files = {"site.toml": f'[sources]\ncompose = ["mail/o.yml"]\n{setting}\n', "mail/o.yml": OVERRIDE, conf: CONF}
    (published,) = load(write(files)).topology.published
    assert (published.address, published.variable) == (address, "SMTP_PORT_HAPROXY")


def test_compose_files_add_their_ports_and_override_their_environment(write: Write) -> None:
    one = "services:\n  a:\n    ports: ['1:1', '2:2']\n    environment: { A: one, B: one }\n"
    two = "services:\n  a:\n    ports: ['2:2', '3:3']\n    environment: { A: two }\n"
    files = {
        "site.toml": '[sources]\ncompose = ["."]\n',
        "docker-compose.override.yml": two,
        "docker-compose.yml": one,
        "other.yml": "- nonsense\n",
    }
    found = load(write(files))
    assert [each.port for each in found.topology.published] == [1, 2, 3]
    assert found.sources.compose is not None
    environment = found.sources.compose.environment["a"]
    assert {name: value for name, (value, _) in environment.items()} == {"A": "two", "B": "one"}
    assert found.problems == ()


def test_files_may_stand_anywhere(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    site = f'[sources]\nhaproxy = ["{tmp_path}/etc/a.cfg", "~/b.cfg", "../{tmp_path.name}/c.cfg"]\n'
    files = {
        "site.toml": site,
        "etc/a.cfg": LISTEN.format("a", 25, 10025),
        "home/b.cfg": LISTEN.format("b", 465, 10465),
        "c.cfg": LISTEN.format("c", 993, 10993),
    }
    found = load(write(files))
    shown = [lane.source.file for lane in found.topology.lanes]
    assert shown == [f"{tmp_path}/etc/a.cfg", "~/b.cfg", f"../{tmp_path.name}/c.cfg"]
    assert all(name in found.texts for name in shown)


def test_without_a_name_the_folder_s_is_the_title(write: Write, tmp_path: Path) -> None:
    assert load(write({"site.toml": '[[lane]]\nport=1\nprotocol="tcp"\ntarget="a:1"\n'})).title == tmp_path.name


def test_latin_1_in_haproxy_s_comments_is_kept_byte_for_byte(write: Write) -> None:
    text = b"# caf\xe9\n" + LISTEN.format("smtp", 25, 10025).encode()
    found = load(write({"site.toml": '[sources]\nhaproxy = ["a.cfg"]\n', "a.cfg": text}))
    assert found.problems == ()
    assert found.texts["a.cfg"].encode("utf-8", "surrogateescape") == text


FILES: dict[str, str | bytes] = {
    "site.toml": '[sources]\nhaproxy = ["a.cfg"]\nopentofu = ["a.tf"]\ncompose = ["a.yml"]\n',
    "a.cfg": LISTEN.format("smtp", 25, 10025),
    "a.tf": VM.format("a"),
    "a.yml": OVERRIDE,
}


class TestReadingAgain:
    def test_what_has_not_changed_is_not_parsed_again(self, write: Write) -> None:
        reader, path = Reader(), write(FILES)
        first, second = reader.load(path), reader.load(path)
        assert first.sources.haproxy is second.sources.haproxy
        assert first.sources.tofu is second.sources.tofu
        assert first == second

    def test_what_has_changed_is(self, write: Write) -> None:
        reader, path = Reader(), write(FILES)
        first = reader.load(path)
        write({"a.tf": VM.format("b"), "mailcow.conf": CONF})
        os.utime(path.parent / "a.tf", ns=(1, 1))
        second = reader.load(path)
        assert [vm.name for vm in second.topology.instances] == ["b"]
        assert second.topology.published[0].address == "10.10.10.214"
        assert first.sources.haproxy is second.sources.haproxy

    def test_a_problem_is_said_every_time_until_it_is_mended(self, write: Write) -> None:
        reader, path = Reader(), write({**FILES, "a.tf": "broken {"})
        first, second = reader.load(path), reader.load(path)
        assert said(first) == said(second) != []
        write({"a.tf": VM.format("mended")})
        assert reader.load(path).problems == ()


def test_a_site_file_that_cannot_be_used_is_raised(write: Write) -> None:
    with pytest.raises(InputError, match=r'site\.toml:1:1: "sorces" is not a key'):
        load(write({"site.toml": "sorces = 1\n"}))


@pytest.fixture
def nothing_shipped(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that came without compiled tables."""
    monkeypatch.setattr("console.estate.tables.shipped", lambda: home / "nowhere")


@pytest.mark.usefixtures("nothing_shipped")
def test_the_compiled_grammar_is_kept_in_a_folder_that_is_the_operator_s_alone(write: Write, home: Path) -> None:
    grammar.parser.cache_clear()
    path = write(FILES)
    assert Reader().load(path).topology.instances
    kept = home / "cache" / "cowhand"
    assert (kept.stat().st_mode & 0o777, [each.name for each in kept.iterdir()]) == (0o700, ["hcl.msgpack"])
    grammar.parser.cache_clear()
    assert Reader().load(path).topology.instances


@pytest.mark.usefixtures("nothing_shipped")
def test_a_kept_grammar_that_is_spoilt_is_made_again(write: Write, home: Path) -> None:
    kept = places.cache_folder()
    assert kept is not None
    (kept / "hcl.msgpack").write_bytes(b"spoilt")
    grammar.parser.cache_clear()
    assert Reader().load(write(FILES)).topology.instances
    assert len((kept / "hcl.msgpack").read_bytes()) > 10_000


def test_mailcow_s_own_files_are_found_beside_mailcow_conf_too(write: Write) -> None:
    site = write(
        {
            "site.toml": '[sources]\nhaproxy = ["h.cfg"]\nmailcow_conf = "opt/mailcow.conf"\n',
            "h.cfg": LISTEN.format("a", 25, 25),
            "opt/mailcow.conf": "HTTP_PORT=80\n",
            "opt/data/conf/postfix/extra.cf": "postscreen_upstream_proxy_protocol = haproxy\n",
            "opt/data/conf/postfix/master.cf": "smtp inet n - n - 1 postscreen\n",
            "opt/data/conf/dovecot/extra.conf": "haproxy_trusted_networks = 10.0.0.2\n",
        }
    )
    found = load(site)
    assert (said(found), [lane.wants_header for lane in found.topology.lanes]) == ([], [True])
    assert found.sources.dovecot is not None
    assert found.sources.master is not None
