"""Which files of the repository are in use, and where."""

from __future__ import annotations

import posixpath

from msgspec import Struct

from console.estate.load import Estate
from console.facts.compose import FOLDER
from console.model import Role


class Tracked(Struct, frozen=True):
    """A file of the repository and its path on a host; `usual`: by convention, not from [deployed] of the site file."""

    file: str
    role: Role
    path: str
    usual: bool = True


def tracked(estate: Estate) -> tuple[Tracked, ...]:
    """Return every file whose path on a host is known, from [deployed] or by convention."""
    named = estate.site.sources
    found = [Tracked(file, role, path) for file, role, path in _usual(estate)]
    roles = {name: host.role for name, host in estate.site.hosts.items()}
    for file, place in estate.site.deployed.items():
        name, _, path = place.partition(":")
        found = [each for each in found if each.file != file]
        found.append(Tracked(file, roles[name], path, usual=False))
    known = {*estate.texts}
    return tuple(each for each in found if each.file in known and each.file not in named.opentofu)


def _usual(estate: Estate) -> list[tuple[str, Role, str]]:
    named = estate.site.sources
    configurations = [document.file for document in estate.sources.haproxy.documents] if estate.sources.haproxy else []
    found: list[tuple[str, Role, str]] = []
    for file in configurations:
        name = "haproxy.cfg" if len(configurations) == 1 else posixpath.basename(file)
        found.append((file, "proxy", f"/etc/haproxy/{name}"))
    found += [
        (file, "mail", f"{FOLDER}/{posixpath.basename(file)}")
        for file in named.compose
        if ".override." in posixpath.basename(file)
    ]
    if estate.sources.environment_file.endswith("mailcow.conf"):
        found.append((estate.sources.environment_file, "mail", f"{FOLDER}/mailcow.conf"))
    if estate.sources.postfix:
        found.append((estate.sources.postfix.file, "mail", f"{FOLDER}/data/conf/postfix/extra.cf"))
    if estate.sources.dovecot:
        found.append((estate.sources.dovecot.file, "mail", f"{FOLDER}/data/conf/dovecot/extra.conf"))
    if named.deploy_script:
        found.append((named.deploy_script, "mail", f"/usr/local/bin/{posixpath.basename(named.deploy_script)}"))
    if named.deploy_hook:
        name = posixpath.basename(named.deploy_hook)
        found.append((named.deploy_hook, "proxy", f"/etc/letsencrypt/renewal-hooks/deploy/{name}"))
    if named.authorized_keys:
        found.append((named.authorized_keys, "mail", "/root/.ssh/authorized_keys"))
    for file in named.mounts:
        table = posixpath.basename(file) == "fstab"
        path = "/etc/fstab" if table else f"/etc/systemd/system/docker.service.d/{posixpath.basename(file)}"
        found.append((file, "mail", path))
    return found
