"""Root may have another user's home folder, for sudo keeps HOME on some systems: whose file gets a host's key then?"""

from __future__ import annotations

import pytest

from console.hosts.ssh import known_hosts
from console.store.safe_folder import UnsafePathError
from tests.attacks.conftest import Mallory


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
