"""What a site file lacks is told as it would stand there: what is copied can be used."""

from __future__ import annotations

from pathlib import Path

import pytest

from console.estate import site_file
from console.estate.load import load
from console.estate.missing import missing

BARE = '[sources]\nhaproxy = ["haproxy.cfg"]\n'
LISTEN = "listen smtp\n    bind :25\n    server a 10.10.10.214:10025\n"
NAMES = '[public]\nnames = ["mx.example.net"]\n'
PROXY = '[hosts.vps]\nrole = "proxy"\nssh = "vps"\n'
MAIL = '[hosts.home]\nrole = "mail"\nlocal = true\n'

ROWS = [
    ("", LISTEN, ["names = ", "[hosts.vps]", '[hosts.mailcow]\nrole = "mail"\nssh = "10.10.10.214"']),
    (NAMES, LISTEN, ["[hosts.vps]", "[hosts.mailcow]"]),
    (NAMES + PROXY, LISTEN, ['[hosts.mailcow]\nrole = "mail"']),
    (NAMES + PROXY.replace("proxy", "hypervisor"), LISTEN, ["[hosts.vps-2]", "[hosts.mailcow]"]),
    ('[certificate]\nname = "mx.example.net"\n', LISTEN, ['names = ["mx.example.net"]', "[hosts.vps]"]),
    (NAMES + PROXY + MAIL, LISTEN, []),
    ("", "frontend nothing\n", []),
    (
        "",
        LISTEN + LISTEN.replace("smtp", "b").replace("25", "26").replace("214", "215"),
        ["names", "vps", 'ssh = "mailcow"'],
    ),
]


@pytest.mark.parametrize(("more", "haproxy", "wanted"), ROWS)
def test_what_is_missing_is_told_and_can_be_used(tmp_path: Path, more: str, haproxy: str, wanted: list[str]) -> None:
    path = tmp_path / "site.toml"
    path.write_text(BARE + more)
    (tmp_path / "haproxy.cfg").write_text(haproxy)
    estate = load(path)
    told = missing(estate.site, estate.topology)
    assert all(words in told for words in wanted)
    assert bool(told) == bool(wanted)
    mended = site_file.parse(f"{BARE}{more}\n{told}\n", "site.toml")
    assert not told or missing(mended, estate.topology) == ""
