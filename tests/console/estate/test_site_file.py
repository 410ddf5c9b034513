"""site.toml: what is found, read, refused with its place, and written back."""

from __future__ import annotations

import stat
import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import assets
from console.errors import InputError
from console.estate import site_file
from console.site import (
    CertificateEntry,
    DeclaredLane,
    HostEntry,
    PublicEntry,
    Site,
    SourceFiles,
)
from console.sources import toml_places
from console.store import atomic
from console.store import folders as places

WHOLE = Site(
    sources=SourceFiles(
        ("haproxy.cfg", "conf.d"), ("mailcow.tf",), ("a.yml",), "mailcow.conf", "deploy.sh", "certbot-hook.sh"
    ),
    name="mail",
    hosts={
        "vps": HostEntry("proxy", ssh="vps"),
        "home": HostEntry("hypervisor", local=True),
        "mailcow": HostEntry("mail", via="home", incus="local:mailcow", become="sudo"),
    },
    public=PublicEntry(("mail.example.org",)),
    lane=(
        DeclaredLane(443, "https", "10.0.0.1:80", "web", tls="terminated"),
        DeclaredLane(587, "submission", "[fd42::1]:10587", proxy_protocol="v1"),
    ),
    certificate=CertificateEntry("mail.example.org", "ca.pem"),
)


class TestFind:
    def test_the_file_that_is_named_counts_even_if_it_is_not_there(self) -> None:
        assert site_file.find(Path("no/such.toml")) == Path("no/such.toml")

    def test_the_variable_comes_next(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("COWHAND_SITE", str(tmp_path / "mine.toml"))
        assert site_file.find() == tmp_path / "mine.toml"

    def test_then_the_folder_one_is_in_then_the_xdg_place(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.chdir(tmp_path)
        assert site_file.find() is None
        own = places.configuration_folder() / "site.toml"
        own.parent.mkdir(parents=True)
        own.touch()
        assert site_file.find() == own
        (tmp_path / "site.toml").touch()
        assert site_file.find() == Path("site.toml")


class TestRead:
    def test_the_template_is_a_site_and_so_is_all_that_it_comments_out(self) -> None:
        text = (Path(assets.__file__).parent / "site.toml").read_text()
        assert site_file.parse(text, "site.toml").sources.haproxy == ("haproxy.cfg",)
        lines = [line.removeprefix("# ") if line.startswith("# ") else line for line in text.splitlines()]
        whole = "\n".join(line for line in lines if line.startswith("[") or " = " in line)
        found = site_file.parse(whole, "site.toml")
        assert [host.role for host in found.hosts.values()] == ["proxy", "hypervisor", "mail"]
        assert (len(found.lane), found.certificate) == (1, CertificateEntry("mail.example.org", "ca.pem"))

    def test_an_empty_file_is_a_site_without_anything(self) -> None:
        assert site_file.parse("", "site.toml") == Site()

    def test_a_bom_and_crlf_are_taken(self) -> None:
        assert site_file.parse('\ufeffname = "a"\r\n[sources]\r\nhaproxy = ["b"]\r\n', "s").name == "a"

    @pytest.mark.parametrize(
        ("make", "said"),
        [
            (lambda path: None, "is not there: write one, or name another with --site"),
            (lambda path: path.mkdir(), "is a folder: name a file in it"),
        ],
    )
    def test_a_file_that_cannot_be_read_says_why(self, make: object, said: str, tmp_path: Path) -> None:
        path = tmp_path / "site.toml"
        assert callable(make)
        make(path)
        with pytest.raises(InputError) as caught:
            site_file.load(path)
        assert str(caught.value) == f"{path}:1:1: the site file {said}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[sources]\n\nhaprxy = ["a"]', '3:1: "haprxy" is not a key of [sources]; did you mean "haproxy"?'),
        ("sorces = 1", '1:1: "sorces" is not a key of the site file; did you mean "sources"?'),
        (
            "[certificate]\nname = 'a'\nzzz = 1",
            '3:1: "zzz" is not a key of [certificate]; its keys are name and authority',
        ),
        (
            'hosts.vps = { role = "proxy", shh = "x" }',
            '1:31: "shh" is not a key of [hosts.vps]; did you mean "ssh"?',
        ),
        ('[sources]\nhaproxy = "a"', '2:1: "haproxy" must be a list in [ ], not text in quotes'),
        ('[sources]\nhaproxy = [\n  "a",\n  3,\n]', '4:3: "haproxy" must be text in quotes, not a whole number'),
        ("name = true", '1:1: "name" must be text in quotes, not true or false'),
        ("hosts = 1", '1:1: "hosts" must be a table, not a whole number'),
        ("hosts.a = 1", '1:7: "a" must be a table, not a whole number'),
        ("[lane]\nport = 1", "1:1: lanes are written [[lane]], one table for each"),
        (
            '[[lane]]\nport = "x"\nprotocol = "https"\ntarget = "a:1"',
            '2:1: "port" must be a whole number, not text in quotes',
        ),
        ('[[lane]]\nport = 1\nprotocol = "http"', '1:1: [[lane]] needs "target"'),
        (
            '[[lane]]\nport = 1\ntarget = "a:1"\nprotocol = "htps"',
            '4:1: "htps" is no protocol: "smtp", "smtps", "submission", "imap", "imaps", "pop3", "pop3s", "sieve", '
            '"http", "https" or "tcp"',
        ),
        (
            '[[lane]]\nport = 1\ntarget = "a:1"\nprotocol = "tcp"\nproxy_protocol = "v3"',
            '5:1: "v3" is no proxy_protocol: "v1" or "v2"',
        ),
        (
            '[[lane]]\nport = 1\ntarget = "a:1"\nprotocol = "tcp"\ntls = "on"',
            '5:1: "on" is no tls: "passthrough" or "terminated"',
        ),
        (
            '[[lane]]\nport=1\ntarget="a:1"\nprotocol="tcp"\n[[lane]]\nport = 70000\ntarget="a:1"\nprotocol="tcp"',
            "6:1: port 70000 is not between 1 and 65535",
        ),
        (
            '[[lane]]\nport = 1\ntarget = "a"\nprotocol = "tcp"',
            '3:1: "a" is no target; written "host:port", "[IPv6]:port"',
        ),
        (
            '[[lane]]\nport = 1\ntarget = "a:0"\nprotocol = "tcp"',
            '3:1: "a:0" is no target; written "host:port", "[IPv6]:port"',
        ),
        ('[hosts.vps]\nssh = "a"', '1:1: [hosts.vps] needs "role": "proxy", "hypervisor" or "mail"'),
        ('[hosts.vps]\nrole = "x"\nssh = "a"', '2:1: "x" is no role: "proxy", "hypervisor" or "mail"'),
        ('[hosts.vps]\nrole = "here"\nlocal = true', '2:1: "here" is no role: "proxy", "hypervisor" or "mail"'),
        (
            '\n[hosts.vps]\nrole = "mail"',
            '2:1: [hosts.vps] has no way in; give ssh = "alias", via with incus, or local = true',
        ),
        (
            '[hosts.vps]\nrole = "mail"\nssh = "a"\nlocal = true',
            "1:1: [hosts.vps] has more than one way in; keep ssh, via with incus, or local = true",
        ),
        (
            '[hosts.vps]\nrole = "mail"\nvia = "x"\n[hosts.x]\nrole = "mail"\nlocal = true',
            "3:1: [hosts.vps] has via without incus; incus exec needs both",
        ),
        (
            '[hosts.vps]\nrole = "mail"\nincus = "x"',
            "3:1: [hosts.vps] has incus without via; incus exec needs both",
        ),
        (
            '[hosts.a]\nrole = "mail"\nvia = "b"\nincus = "x"\n[hosts.c]\nrole = "mail"\nlocal = true',
            '3:1: "b" is not another host; other hosts are c',
        ),
        (
            '[hosts.a]\nrole = "mail"\nvia = "b"\nincus = "x"\n[hosts.b]\nrole = "mail"\nvia = "a"\nincus = "x"',
            "3:1: [hosts.a] is reached through itself; one host of the chain needs ssh or local",
        ),
        ('public.names = ["a", "b\\u001b[31m"]', '1:22: "b\\x1b[31m" has a control or invisible character in it'),
        (
            'public.names = ["mail.example.org", "a b"]',
            '1:37: "a b" is no name that a client can dial; written "mail.example.org"',
        ),
        (
            'public.names = ["https://mail.example.org"]',
            '1:17: "https://mail.example.org" is no name that a client can dial; written "mail.example.org"',
        ),
        ('public.names = [""]', '1:17: "" is no name that a client can dial; written "mail.example.org"'),
        (
            '[certificate]\nname = "mail example"',
            '2:1: "mail example" is no name that a client can dial; written "mail.example.org"',
        ),
        ("a = = 1", "1:5: this is not TOML: invalid value"),
        ("[sources]\nhaproxy = [", "2:12: this is not TOML: invalid value"),
        ("name = 1\nname = 2", "2:9: this is not TOML: cannot overwrite a value"),
        ("[" * 3000, "1:3: this is not TOML: "),
        ("name = " + "[" * 3000, "1:1: this is not a site file: brackets too deep inside each other"),
        ("port = " + "9" * 5000, "1:1: this is not TOML: "),
    ],
)
def test_what_is_wrong_is_said_at_its_place(text: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        site_file.parse(text, "site.toml")
    assert str(caught.value).startswith(f"site.toml:{said}")
    assert said.endswith(": ") or str(caught.value) == f"site.toml:{said}"
    assert str(caught.value).isprintable()


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.text(max_size=60), st.text("[]{}=\"'\\\n#.,a1 -\r", max_size=50)))
def test_any_text_is_a_site_or_an_input_error(text: str) -> None:
    try:
        assert isinstance(site_file.parse(text, "s"), Site)
    except InputError as error:
        assert error.line >= 1


class TestPlaces:
    TEXT = """\
# [not]
top."dot ted".x = 1
text = '''
[not] a = 1
'''
list = [ "a", # ]
  [1, 2], { in = 1, "q" = { z = 2 } } ]
[a.b] # x
c = 1979-05-27 07:32:00
[[t]]
k = "]"
[[t.u]]
v = 1
[[t]]
k = \"\"\"a ""\"\"\"
[t.w]
e = 5
"""

    def test_every_key_table_and_element_is_found(self) -> None:
        found = toml_places.find(self.TEXT)
        assert tomllib.loads(self.TEXT)["t"][1] == {"k": 'a ""', "w": {"e": 5}}
        assert found == {
            ("top",): (2, 1),
            ("top", "dot ted"): (2, 5),
            ("top", "dot ted", "x"): (2, 15),
            ("text",): (3, 1),
            ("list",): (6, 1),
            ("list", 0): (6, 10),
            ("list", 1): (7, 3),
            ("list", 1, 0): (7, 4),
            ("list", 1, 1): (7, 7),
            ("list", 2): (7, 11),
            ("list", 2, "in"): (7, 13),
            ("list", 2, "q"): (7, 21),
            ("list", 2, "q", "z"): (7, 29),
            ("a", "b"): (8, 1),
            ("a", "b", "c"): (9, 1),
            ("t",): (10, 1),
            ("t", 0): (10, 1),
            ("t", 0, "k"): (11, 1),
            ("t", 0, "u"): (12, 1),
            ("t", 0, "u", 0): (12, 1),
            ("t", 0, "u", 0, "v"): (13, 1),
            ("t", 1): (14, 1),
            ("t", 1, "k"): (15, 1),
            ("t", 1, "w"): (16, 1),
            ("t", 1, "w", "e"): (17, 1),
        }


class TestSave:
    def test_what_is_saved_is_read_back(self, tmp_path: Path) -> None:
        path = tmp_path / "site.toml"
        for whole in (WHOLE, Site(), Site(name="x")):
            site_file.save(whole, path)
            assert site_file.load(path) == whole

    def test_what_is_as_by_default_is_left_out(self, tmp_path: Path) -> None:
        path = tmp_path / "site.toml"
        site_file.save(Site(hosts={"vps": HostEntry("proxy", ssh="vps")}), path)
        assert path.read_text() == '[hosts.vps]\nrole = "proxy"\nssh = "vps"\n'

    def test_a_new_file_is_the_operator_s_alone_and_an_old_one_keeps_its_mode(self, tmp_path: Path) -> None:
        path = tmp_path / "site.toml"
        site_file.save(WHOLE, path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        path.chmod(0o644)
        site_file.save(Site(), path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o644

    def test_a_link_stays_a_link(self, tmp_path: Path) -> None:
        (tmp_path / "repository").mkdir()
        real, link = tmp_path / "repository" / "site.toml", tmp_path / "site.toml"
        link.symlink_to(real)
        site_file.save(WHOLE, link)
        assert link.is_symlink()
        assert site_file.load(real) == WHOLE

    def test_a_folder_that_is_not_there_is_said(self, tmp_path: Path) -> None:
        path = tmp_path / "none" / "site.toml"
        with pytest.raises(InputError) as caught:
            site_file.save(WHOLE, path)
        assert str(caught.value) == f"{path}:1:1: the site file cannot be written: no such file or directory"

    def test_a_write_that_fails_leaves_the_old_file_and_no_draft(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "site.toml"
        site_file.save(Site(name="old"), path)

        def full(handle: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(atomic.os, "fsync", full)
        with pytest.raises(InputError, match="no space left"):
            site_file.save(Site(name="new"), path)
        assert site_file.load(path).name == "old"
        assert [each.name for each in tmp_path.iterdir()] == ["site.toml"]


class TestPrivateFolder:
    def test_it_is_made_for_its_owner_alone(self, tmp_path: Path) -> None:
        folder = places.private(tmp_path / "a" / "b")
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700

    @pytest.mark.parametrize("mode", [0o777, 0o720, 0o702])
    def test_one_that_others_write_to_is_refused(self, tmp_path: Path, mode: int) -> None:
        folder = tmp_path / "shared"
        folder.mkdir()
        folder.chmod(mode)
        with pytest.raises(PermissionError):
            places.private(folder)

    def test_one_that_others_only_look_into_is_closed(self, tmp_path: Path) -> None:
        folder = tmp_path / "open"
        folder.mkdir()
        folder.chmod(0o755)
        assert stat.S_IMODE(places.private(folder).stat().st_mode) == 0o700

    def test_a_link_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "real").mkdir(mode=0o700)
        (tmp_path / "link").symlink_to(tmp_path / "real")
        with pytest.raises(PermissionError):
            places.private(tmp_path / "link")

    def test_without_one_there_is_no_cache(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "cowhand").touch()
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        assert places.cache_folder() is None


NAMES = [
    "mail.example.org",
    "mail.example.org.",
    "mx-1",
    "203.0.113.7",
    "2001:db8::7",
    "b\u00fccher.example",
]


@pytest.mark.parametrize("name", NAMES)
def test_names_that_clients_dial_are_taken(name: str) -> None:
    assert site_file.parse(f'public.names = ["{name}"]', "s.toml").public.names == (name,)
