"""Which file is which: told by its name and its text, as the keys of [sources] call them."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from typing import Literal

from console.site import SourceFiles
from console.text import clean, join_words

Kind = Literal["haproxy", "opentofu", "compose", "mailcow_conf", "deploy_script", "deploy_hook"]

KINDS: tuple[Kind, ...] = ("haproxy", "opentofu", "compose", "mailcow_conf", "deploy_script", "deploy_hook")
LISTS: tuple[Kind, ...] = ("haproxy", "opentofu", "compose")
"""Kinds of which a site may have several files."""

WORDS: dict[Kind, str] = {
    "haproxy": "HAProxy's configuration",
    "opentofu": "OpenTofu's files",
    "compose": "docker compose's files",
    "mailcow_conf": "Mailcow's settings",
    "deploy_script": "the script that installs the certificate",
    "deploy_hook": "the hook that pushes the certificate",
}

_HAPROXY = re.compile(r"^[ \t]*(?:listen|frontend|backend)[ \t]+\S", re.MULTILINE)
_COMPOSE = re.compile(r"(?:docker-)?compose[\w.-]*\.ya?ml")
_LIVE = re.compile(r"/etc/letsencrypt/live/|\$\{?RENEWED_LINEAGE")


def worth_reading(name: str) -> bool:
    """Return whether a file of that name may be one of a site."""
    return name.endswith((".cfg", ".tf", ".sh")) or name == "mailcow.conf" or _COMPOSE.fullmatch(name) is not None


def kind_of(name: str, text: str) -> Kind | None:
    """Return what a file is; None when it is none of a site's."""
    if name.endswith(".tf"):
        return "opentofu"
    if name.endswith(".cfg"):
        return "haproxy" if _HAPROXY.search(text) else None
    if _COMPOSE.fullmatch(name):
        return "compose"
    if name == "mailcow.conf":
        return "mailcow_conf"
    if name.endswith(".sh") and "data/assets/ssl" in text:
        return "deploy_script"
    if name.endswith(".sh") and _LIVE.search(text) and re.search(r"\bssh\b", text):
        return "deploy_hook"
    return None


def choose(found: Mapping[Kind, tuple[str, ...]]) -> tuple[dict[Kind, tuple[str, ...]], dict[Kind, tuple[str, ...]]]:
    """Return the entries of [sources] that files leave no doubt about, and the folders to choose from for the others.

    Files of the top folder go before those of sub-folders; two folders with files of one kind are a doubt."""
    sure: dict[Kind, tuple[str, ...]] = {}
    open_: dict[Kind, tuple[str, ...]] = {}
    for kind, paths in found.items():
        folders = sorted({posixpath.dirname(path) for path in paths})
        if "" in folders or len(folders) == 1:
            folder = "" if "" in folders else folders[0]
            sure[kind] = entries(kind, [path for path in paths if posixpath.dirname(path) == folder])
        elif folders:
            open_[kind] = tuple(folders)
    return sure, open_


def entries(kind: Kind, paths: list[str]) -> tuple[str, ...]:
    """Return how the files of one folder are named in [sources]: several *.tf by their folder."""
    if kind == "opentofu" and len(paths) > 1:
        return (posixpath.dirname(paths[0]) or ".",)
    if kind == "haproxy":
        main = [path for path in paths if posixpath.basename(path) == "haproxy.cfg"]
        return tuple(main or sorted(paths))
    if kind == "compose":
        return tuple(sorted(paths, key=lambda path: ("override" in posixpath.basename(path), path)))
    return (sorted(paths)[0],)


def lacking(named: SourceFiles, folder: str) -> str:
    """Return what a folder has in which nothing tells a port that clients reach; that it has none when it has none."""
    given = [file for kind in KINDS if kind not in LISTS and (file := getattr(named, kind))]
    if not given:
        return f"none of a mail server in {clean(folder, 200)}"
    return f"{join_words([clean(each, 60) for each in given])} alone, which tells no port that clients reach"


_NAMES: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("the certificate's folder", re.compile(r"/etc/letsencrypt/live/([A-Za-z0-9.-]+\.[A-Za-z0-9-]+)/")),
    ("MAILCOW_HOSTNAME", re.compile(r"MAILCOW_HOSTNAME[=:][ \t]*[\"']?([A-Za-z0-9.-]+\.[A-Za-z0-9-]+)")),
)


def names(texts: Mapping[str, str]) -> dict[str, str]:
    """Return the names that clients may dial, the likeliest first: name → where it stands."""
    found: dict[str, str] = {}
    for what, pattern in _NAMES:
        for file, text in texts.items():
            for match in pattern.finditer(text):
                line = text.count("\n", 0, match.start()) + 1
                found.setdefault(match[1].lower(), f"{what}, {file}:{line}")
    return found


def certificate(texts: Mapping[str, str]) -> str | None:
    """Return the name of the one certificate that the scripts push; None when they name none, or several."""
    found = {match[1].lower() for text in texts.values() for match in _NAMES[0][1].finditer(text)}
    return found.pop() if len(found) == 1 else None
