"""The operator's files for SSH: root may have another user's home folder (sudo keeps HOME on some systems), and others
may be let in by a mode."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from console.errors import NoWayIn
from console.hosts.ssh import known_hosts, reader
from console.store.safe_folder import UnsafePathError
from tests.attacks.conftest import MALLORY, Mallory


@pytest.mark.parametrize("what", ["the file", "a link", "a folder"])
def test_no_host_key_is_added_to_a_file_that_another_user_has_chosen(what: str, mallory: Mallory) -> None:
    folder = mallory.folder / ".ssh"
    if what == "a folder":
        mallory.does('ln -s "$1" .ssh', mallory.precious.parent)
    else:
        mallory.does("mkdir -m 700 .ssh")
    if what == "a link":
        mallory.does('ln -s "$1" .ssh/known_hosts', mallory.precious)
    file = folder / ("precious" if what == "a folder" else "known_hosts")
    with pytest.raises(UnsafePathError, match="who could redirect what is written there"):
        known_hosts.add(file, "mail.example", b"\0\0\0\x0bssh-ed25519", hashed=False)
    mallory.check_precious()
    assert file.is_symlink() is (what == "a link") and file.exists() is (what != "the file")


def test_a_known_hosts_that_is_a_link_of_ones_own_stays_one(mallory: Mallory) -> None:
    kept = mallory.owns(mallory.folder / "kept", "")
    mallory.does("mkdir -m 700 .ssh; ln -s ../kept .ssh/known_hosts")
    with mallory.acting():
        known_hosts.add(mallory.folder / ".ssh/known_hosts", "mail.example", b"\0\0\0\x0bssh-ed25519", hashed=False)
    assert kept.read_text() == "mail.example ssh-ed25519 AAAAC3NzaC1lZDI1NTE5\n"
    assert (mallory.folder / ".ssh/known_hosts").is_symlink()


@pytest.mark.parametrize("where", ["config", "config.d"])
@pytest.mark.parametrize("mode", [0o664, 0o606, 0o600])
def test_no_configuration_that_another_user_can_change_says_what_runs(
    where: str, mode: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without `ssh` it is read here; OpenSSH refuses such a file of the user's own, and what it includes, too."""
    me = pwd.getpwuid(os.getuid())
    monkeypatch.setattr(pwd, "getpwuid", lambda _: pwd.struct_passwd((*me[:5], str(tmp_path), *me[6:])))
    folder = tmp_path / ".ssh"
    folder.mkdir()
    (folder / "config.d").write_text("ProxyCommand touch pwned\n")
    (folder / "config").write_text(f"Include {folder}/config.d\n")
    for each in ("config", "config.d"):
        (folder / each).chmod(0o600)
    assert reader.read_without_ssh("vps")["proxycommand"] == ("touch pwned",)
    (folder / where).chmod(mode)
    if mode == 0o600:
        if os.geteuid() != 0:
            pytest.skip("only root can give a file away")
        os.chown(folder / where, MALLORY, MALLORY)
    with pytest.raises(NoWayIn, match="can be changed by others"):
        reader.read_without_ssh("vps")
