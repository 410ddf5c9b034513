"""The line that lets the proxy's key run the deploy script and nothing else, and the settings of certbot's hook."""

from __future__ import annotations

import re

from console.flows.certificate_sync.ground import AUTHORITY, DEPLOY, FOLDER, KEY, KNOWN, Ground
from console.sources import authorized_keys

_PATTERN = re.compile(r"!?[\w*?.:/-]+", re.ASCII)

COMMENT = "cowhand certificate push"
PATH = "/root/.ssh/authorized_keys"


def line(ground: Ground, key: str, source: str, authority: bool) -> str:
    """The entry of authorized_keys, without its comment."""
    words = [DEPLOY]
    words += ["--folder", ground.folder] if ground.folder != FOLDER else []
    words += ["--authority", AUTHORITY] if authority else []
    return f'restrict,from="{source}",command="{" ".join((*words, ground.name))}" {key}'


def source(text: str, key: str) -> str:
    """What the key's present entry has in from="…"; "" for none."""
    rows = text.split("\n")
    entries = authorized_keys.read(text, PATH)
    return next((each.options.get("from", "") for each in entries if key in rows[each.span.line - 1]), "")


def narrows(source: str) -> bool:
    """Whether from="…" can have this, and lets not everybody in by one of its patterns; its words may be a host's."""
    parts = source.split(",")
    return all(_PATTERN.fullmatch(each) and each.strip("*?.:!") and not each.endswith("/0") for each in parts)


def allows(text: str, key: str, wanted: str) -> bool:
    """Whether the key stands in the file once, in the entry that is wanted."""
    rows = [row for row in text.split("\n") if key.split()[1] in row.split() and not row.lstrip().startswith("#")]
    return len(rows) == 1 and (rows[0] == wanted or rows[0].startswith(f"{wanted} "))


def strangers(text: str, key: str) -> list[str]:
    """The entries of the key that let it do something else than push; each by what it may do and its comment."""
    found = []
    rows = text.split("\n")
    for each in authorized_keys.read(text, PATH):
        if key.split()[1] not in rows[each.span.line - 1].split():
            continue
        command = each.options.get("command", "")
        if command.split()[:1] != [DEPLOY]:
            found.append(f"{f'to run {command}' if command else 'for everything'}, as {each.comment or 'nobody'}")
    return found


def allow(text: str, key: str, wanted: str) -> str:
    """The file with that entry in place of the key's first one, else at its end; every other line stays to the byte."""
    rows, out, put = text.split("\n"), [], False
    for row in rows:
        if key.split()[1] not in row.split() or row.lstrip().startswith("#"):
            out.append(row)
        elif not put:
            out.append(f"{wanted} {COMMENT}")
            put = True
    if not put:
        if out[-1]:
            out.append("")
        out[-1:] = [f"{wanted} {COMMENT}", ""]
    return "\n".join(out)


def settings(ground: Ground) -> str:
    """The hook's settings file."""
    rows = [
        ("lineage", ground.lineage), ("name", ground.name), ("target", f"root@{ground.address}"), ("key", KEY),
        ("known_hosts", KNOWN), *(("bundle", each) for each in ground.bundles),
        *(("served", each) for each in ground.served),
    ]  # fmt: skip
    head = "# Read by certbot's deploy hook, which pushes the certificate to the mail host.\n"
    return head + "".join(f"{key} = {value}\n" for key, value in rows)
