"""Which path on a host a file is compared at, and what of the host's file is shown on whose word."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from console.drift.compared import Compared
from console.drift.look import look
from console.drift.tracked import tracked
from console.estate.load import Estate, load
from console.hosts.host import Host
from console.model import Role
from tests.console.drift.test_drift import CONFIG, Machine
from tests.console.drift.test_drift_edges import ROOT, written

OVERRIDE = "services:\n  nginx-mailcow:\n    ports: []\n"


def estate(folder: Path, files: dict[str, str], toml: str, *, own: bool) -> Estate:
    """A site of the operator's own, or one that came with a repository."""
    return replace(load(written(folder, files, toml) / "site.toml"), own=own)


async def compared(found: Estate, files: dict[str, str]) -> Compared:
    hosts: dict[Role, Host] = {"mail": Machine("mail", files)}
    (one,) = await look(found, hosts, {})
    return one


@pytest.mark.parametrize(
    ("own", "ours", "theirs", "shown"),
    [
        (True, "none of it\n", "theirs alone\n", True),
        (False, "none of it\n", "theirs alone\n", False),
        (False, "fi;\nours\n", "fi;\ntheirs alone\n", False),  # three characters: every file may have such a line
        (False, "done\nours\n", "done\ntheirs alone\n", True),
        (False, "  done\n", "done  \ntheirs alone\n", True),
    ],
)
async def test_a_host_s_file_is_shown_to_its_operator_and_else_only_beside_a_line_in_common(
    own: bool, ours: str, theirs: str, shown: bool, tmp_path: Path
) -> None:
    found = estate(tmp_path, {"fstab": ours}, '[sources]\nmounts = ["fstab"]\n', own=own)
    one = await compared(found, {"/etc/fstab": theirs})
    assert one.state == "differs"
    assert ("@@" in one.deployed, "no line in common" in one.deployed) == (shown, not shown)


async def test_of_settings_the_names_of_ours_are_compared_whoever_s_the_site_file_is(tmp_path: Path) -> None:
    toml = '[sources]\nmailcow_conf = "mailcow.conf"\n'
    found = estate(tmp_path, {"mailcow.conf": "HTTP_PORT=8080\n"}, toml, own=False)
    one = await compared(found, {f"{ROOT}/mailcow.conf": "HTTP_PORT=80\nDBPASS=hunter2x\n"})
    assert "+HTTP_PORT=80" in one.deployed
    assert "DBPASS" not in one.deployed


@pytest.mark.parametrize(("there", "host"), [(True, "mailcow"), (False, "mail")])
async def test_a_place_that_is_not_read_is_told_with_the_host_or_else_with_its_role(
    there: bool, host: str, tmp_path: Path
) -> None:
    toml = '[sources]\nmounts = ["fstab"]\n[deployed]\n"fstab" = "mailcow:/etc/shadow"\n'
    found = estate(tmp_path, {"fstab": "a\n"}, toml, own=False)
    hosts: dict[Role, Host] = {"mail": Machine("mail", {"/etc/shadow": "a\n"})} if there else {}
    (one,) = await look(found, hosts, {})
    assert (one.host, one.path, one.state, one.running_state) == (host, "/etc/shadow", "unknown", "unknown")
    assert one.why.startswith("/etc/shadow is no place of such a file")


def test_a_long_path_is_cut_where_it_is_told(tmp_path: Path) -> None:
    path = "/" + "x" * 150
    toml = f'[sources]\nmounts = ["fstab"]\n[deployed]\n"fstab" = "mailcow:{path}"\n'
    (one,) = tracked(estate(tmp_path, {"fstab": "a\n"}, toml, own=False))
    told, _, rest = one.why.partition(" is no place")
    assert (len(told), bool(rest)) == (120, True)


def test_compose_s_own_file_is_compared_where_the_site_says_it_is_and_a_usual_file_there_is_its_own_kind(
    tmp_path: Path,
) -> None:
    toml = (
        '[sources]\ncompose = ["docker-compose.yml"]\nmounts = ["fstab"]\n[deployed]\n'
        f'"docker-compose.yml" = "mailcow:{ROOT}/docker-compose.yml"\n"fstab" = "mailcow:/etc/fstab"\n'
    )
    found = tracked(estate(tmp_path, {"docker-compose.yml": OVERRIDE, "fstab": "a\n"}, toml, own=False))
    assert [(each.path, each.usual, each.why) for each in found] == [
        (f"{ROOT}/docker-compose.yml", False, ""),
        ("/etc/fstab", False, ""),
    ]


def test_one_configuration_is_haproxy_s_own_whatever_it_is_called(tmp_path: Path) -> None:
    (one,) = tracked(estate(tmp_path, {"mail.cfg": CONFIG}, '[sources]\nhaproxy = ["mail.cfg"]\n', own=True))
    assert one.path == "/etc/haproxy/haproxy.cfg"


def test_a_file_that_could_not_be_read_is_not_compared(tmp_path: Path) -> None:
    toml = '[sources]\nmounts = ["fstab"]\ndeploy_script = "gone.sh"\n'
    found = tracked(estate(tmp_path, {"fstab": "a\n"}, toml, own=True))
    assert [each.file for each in found] == ["fstab"]
