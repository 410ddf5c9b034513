"""Where the files of each kind live on a host, and which site file may name another place.

A site file that came with a repository is somebody else's word: it cannot have a file of a host shown by calling it
the place where one of its own is in use."""

from __future__ import annotations

import os
import posixpath
import re
from functools import cache
from itertools import takewhile
from pathlib import Path
from typing import Literal

Kind = Literal["haproxy", "compose", "settings", "script", "keys", "mounts"]

WORDS: dict[Kind, str] = {
    "haproxy": "/etc/haproxy or /usr/local/etc/haproxy",
    "compose": "a folder called mailcow or mailcow-dockerized, as docker-compose….yml",
    "settings": "a folder called mailcow or mailcow-dockerized, as mailcow.conf, .env, or below data/conf",
    "script": "/usr/local/bin, /usr/local/sbin or certbot's renewal-hooks",
    "keys": "a user's .ssh/authorized_keys",
    "mounts": "/etc/fstab or /etc/systemd/system",
}
"""The places of a kind, in words."""


@cache
def _places() -> dict[Kind, re.Pattern[str]]:
    name = r"[^/]+"
    mailcow = r"/(?:[^/]+/)*mailcow(?:-dockerized)?/"
    return {
        "haproxy": re.compile(rf"/(?:usr/local/)?etc/haproxy/(?:{name}/)*{name}\.(?:cfg|conf)"),
        "compose": re.compile(rf"{mailcow}(?:docker-)?compose[^/]*\.ya?ml"),
        "settings": re.compile(rf"{mailcow}(?:mailcow\.conf|\.env|data/conf/(?:{name}/)+{name}\.(?:cf|conf))"),
        "script": re.compile(rf"/usr/local/s?bin/{name}|/etc/letsencrypt/renewal-hooks/(?:pre|deploy|post)/{name}"),
        "keys": re.compile(rf"/(?:root|home/{name})/\.ssh/authorized_keys"),
        "mounts": re.compile(rf"/etc/fstab|/etc/systemd/system/(?:{name}/)?{name}\.(?:conf|service|mount)"),
    }


def fits(kind: Kind, path: str) -> bool:
    """Return whether files of this kind live at such a path; one that is not spelled straight does not."""
    return posixpath.normpath(path) == path and _places()[kind].fullmatch(path) is not None


def operators_own(site: Path) -> bool:
    """Return whether a site file is the operator's own: in their configuration folder, theirs alone, in no repository.

    What a repository brought is in a working copy, and what another user wrote belongs to them. A link to it from
    elsewhere is none: what its paths name would be beside the link."""
    from console.store.folders import configuration_folder

    real, folder = Path(os.path.realpath(site)), Path(os.path.realpath(configuration_folder()))
    named = Path(os.path.realpath(site.absolute().parent))  # its paths count from there
    if folder not in real.parents or folder not in (named, *named.parents):
        return False
    within = [real, *real.parents[: len(real.parts) - len(folder.parts)]]
    try:
        found = [each.stat() for each in within if each.exists()]  # one that is yet to be written is nobody else's
    except OSError:
        return False
    alone = all(each.st_uid == os.geteuid() and not each.st_mode & 0o022 for each in found)
    home = os.path.realpath(os.path.expanduser("~"))  # noqa: PTH111 (it never raises)
    below = takewhile(lambda each: str(each) != home, real.parents)
    return alone and not any((each / ".git").exists() for each in below)
