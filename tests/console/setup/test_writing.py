"""A site file is changed like an operator would: what they wrote stays to the byte, and what is added says why."""

from __future__ import annotations

import difflib
from pathlib import Path

import pytest
from msgspec.structs import replace

import assets
from console.estate.site_file import load, parse, save
from console.setup.writing import HEADER, NotKept, merge
from console.site import CertificateEntry, DeclaredLane, HostEntry, PublicEntry, Site, SourceFiles

VPS = HostEntry("proxy", ssh="vps")
HTTPS = DeclaredLane(443, "https", "192.0.2.1:80")
OWN = """\
# mine
[sources]   # where they are
haproxy = ["haproxy.cfg"]      # the one
# compose is to come

[public]
names = [ 'mail.example.org' ] # single quotes are mine

  # indented, and kept
[hosts.home]
role = "hypervisor"   # under the stairs
local=true

[[lane]]
port = 25 # odd
protocol = "smtp"
target = "192.0.2.1:25"
# the end"""


def changes(before: str, after: str) -> tuple[list[str], list[str]]:
    """The lines that are gone, and those that came."""
    rows = [*difflib.ndiff(before.splitlines(), after.splitlines())]
    return [row[2:] for row in rows if row[0] == "-"], [row[2:] for row in rows if row[0] == "+" and row[2:]]


def test_a_new_file_says_beside_each_key_what_was_seen() -> None:
    site = Site(SourceFiles(haproxy=("haproxy.cfg",)), "mine", {"vps": VPS}, PublicEntry(("a.example",)), (HTTPS,))
    remarks = {("sources", "haproxy"): "4 lanes", ("hosts", "vps"): "HAProxy 2.8 runs", ("lane", "443"): "told"}
    assert merge("", Site(), site, remarks) == (
        f'{HEADER}name = "mine"\n\n[sources]\nhaproxy = ["haproxy.cfg"] # 4 lanes\n\n'
        '[hosts.vps]\n# HAProxy 2.8 runs\nrole = "proxy"\nssh = "vps"\n\n[public]\nnames = ["a.example"]\n\n'
        '[[lane]]\n# told\nport = 443\nprotocol = "https"\ntarget = "192.0.2.1:80"\n'
    )


@pytest.mark.parametrize(
    ("change", "gone", "came"),
    [
        ({}, [], []),
        ({"public": PublicEntry(("mail.example.org", "b.example"))},
         ["names = [ 'mail.example.org' ] # single quotes are mine"],
         ['names = ["mail.example.org", "b.example"] # single quotes are mine']),
        ({"sources": SourceFiles(haproxy=("haproxy.cfg",), opentofu=("tofu",))}, [], ['opentofu = ["tofu"]']),
        ({"lane": (DeclaredLane(25, "smtp", "192.0.2.1:25"), HTTPS)}, [],
         ["[[lane]]", "port = 443", 'protocol = "https"', 'target = "192.0.2.1:80"']),
        ({"certificate": CertificateEntry("a.example")}, [], ["[certificate]", 'name = "a.example"']),
        ({"name": "mine"}, [], ['name = "mine"']),
        ({"deployed": {"haproxy.cfg": "home:/etc/x.cfg"}}, [], ["[deployed]", '"haproxy.cfg" = "home:/etc/x.cfg"']),
    ],
)  # fmt: skip
def test_only_what_changed_is_changed(change: dict[str, object], gone: list[str], came: list[str]) -> None:
    old = parse(OWN, "site.toml")
    new = replace(old, **change)
    written = merge(OWN, old, new)
    lost, added = changes(OWN, written)
    assert (lost, sorted(added)) == (gone, sorted(came))
    assert parse(written, "site.toml") == new


def test_a_host_is_added_and_one_is_changed_beside_its_comments() -> None:
    old = parse(OWN, "site.toml")
    new = replace(old, hosts={"home": replace(old.hosts["home"], become="sudo"), "vps": VPS})
    lost, added = changes(OWN, merge(OWN, old, new))
    assert lost == []
    assert sorted(added) == sorted(['become = "sudo"', "[hosts.vps]", 'role = "proxy"', 'ssh = "vps"'])


def test_the_template_keeps_every_comment(tmp_path: Path) -> None:
    template = (Path(assets.__file__).parent / "site.toml").read_text()
    path = tmp_path / "site.toml"
    path.write_text(template)
    save(replace(load(path), hosts={"vps": VPS}, lane=(HTTPS,)), path)
    assert path.read_text().startswith(template)
    assert load(path).hosts == {"vps": VPS}


@pytest.mark.parametrize(
    "text", ['hosts = { home = { role = "hypervisor", local = true } }\n', OWN.replace("\n", "\r\n")]
)
def test_other_ways_to_spell_it_are_changed_truly_or_not_at_all(text: str) -> None:
    old = parse(text, "site.toml")
    new = replace(old, hosts={**old.hosts, "vps": VPS})
    try:
        written = merge(text, old, new)
    except NotKept:
        return
    assert parse(written, "site.toml") == new
    assert all(line in written for line in text.splitlines() if line.startswith("#"))


def test_a_lane_in_another_place_of_the_list_is_refused() -> None:
    old = parse(OWN, "site.toml")
    with pytest.raises(NotKept, match="lane"):
        merge(OWN, old, replace(old, lane=(HTTPS, *old.lane)))
