"""Which files of the repository are in use, and where."""

from __future__ import annotations

import posixpath

from msgspec import Struct

from console.estate.load import Estate
from console.estate.places import WORDS, Kind, fits
from console.facts.compose import FOLDER
from console.model import Role
from console.text import clean


class Tracked(Struct, frozen=True):
    """A file of the repository and its path on a host; `usual`: by convention, not from [deployed] of the site file.

    `why` says why it is not looked at there; "" when it is."""

    file: str
    role: Role
    path: str
    usual: bool = True
    why: str = ""


def tracked(estate: Estate) -> tuple[Tracked, ...]:
    """Return every file whose path on a host is known, from [deployed] or by convention."""
    usual = {file: (kind, role, path) for file, kind, role, path in _usual(estate)}
    kinds: dict[str, Kind] = {file: "compose" for file in estate.texts if file.endswith((".yml", ".yaml"))}
    kinds |= {file: kind for file, (kind, _, _) in usual.items()}
    found = [Tracked(file, role, path) for file, (_, role, path) in usual.items()]
    roles = {name: host.role for name, host in estate.site.hosts.items()}
    for file, place in estate.site.deployed.items():
        name, _, path = place.partition(":")
        found = [each for each in found if each.file != file]
        if kind := kinds.get(file):
            found.append(Tracked(file, roles[name], path, False, _why(estate, kind, path)))
    return tuple(each for each in found if each.file in estate.texts and each.file not in estate.site.sources.opentofu)


def _why(estate: Estate, kind: Kind, path: str) -> str:
    """Say why a host's file is not read on a repository's word that it is one of this kind."""
    if estate.own or fits(kind, path):
        return ""
    return (
        f"{clean(path, 120)} is no place of such a file, and this site file may be somebody else's: not read. "
        f"Its place is {WORDS[kind]}; a site file in ~/.config/cowhand may name any"
    )


def _usual(estate: Estate) -> list[tuple[str, Kind, Role, str]]:
    named = estate.site.sources
    configurations = [document.file for document in estate.sources.haproxy.documents] if estate.sources.haproxy else []
    found: list[tuple[str, Kind, Role, str]] = []
    for file in configurations:
        name = "haproxy.cfg" if len(configurations) == 1 else posixpath.basename(file)
        found.append((file, "haproxy", "proxy", f"/etc/haproxy/{name}"))
    found += [
        (file, "compose", "mail", f"{FOLDER}/{posixpath.basename(file)}")
        for file in named.compose
        if ".override." in posixpath.basename(file)
    ]
    if estate.sources.environment_file.endswith("mailcow.conf"):
        found.append((estate.sources.environment_file, "settings", "mail", f"{FOLDER}/mailcow.conf"))
    if estate.sources.postfix:
        found.append((estate.sources.postfix.file, "settings", "mail", f"{FOLDER}/data/conf/postfix/extra.cf"))
    if estate.sources.dovecot:
        found.append((estate.sources.dovecot.file, "settings", "mail", f"{FOLDER}/data/conf/dovecot/extra.conf"))
    if named.deploy_script:
        found.append(
            (named.deploy_script, "script", "mail", f"/usr/local/bin/{posixpath.basename(named.deploy_script)}")
        )
    if named.deploy_hook:
        name = posixpath.basename(named.deploy_hook)
        found.append((named.deploy_hook, "script", "proxy", f"/etc/letsencrypt/renewal-hooks/deploy/{name}"))
    if named.authorized_keys:
        found.append((named.authorized_keys, "keys", "mail", "/root/.ssh/authorized_keys"))
    for file in named.mounts:
        table = posixpath.basename(file) == "fstab"
        path = "/etc/fstab" if table else f"/etc/systemd/system/docker.service.d/{posixpath.basename(file)}"
        found.append((file, "mounts", "mail", path))
    return found
