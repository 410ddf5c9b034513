"""An authorized_keys file to its entries: the options before each key, and what the key is called."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from hashlib import sha256

from msgspec import Struct

from console.model import Span


class Entry(Struct, frozen=True):
    """One key: option → value ("" for a bare one), in lower case; `comment` is what stands behind the key."""

    options: dict[str, str]
    comment: str
    span: Span


# sshd(8), AUTHORIZED_KEYS FILE FORMAT: options are split at commas, and quotes keep commas and blanks inside.
_OPTION = re.compile(r'([A-Za-z][\w@.-]*)(?:="((?:[^"\\]|\\.)*)")?(,|[ \t]+)')
_KEY = re.compile(r"(?:ssh-|ecdsa-|sk-)[\w@.-]+[ \t]+[A-Za-z0-9+/=.]+(.*)")


_KIND = re.compile(r"ssh-(?:ed25519|rsa)|ecdsa-sha2-nistp\d+|sk-[a-z0-9-]+@openssh\.com")


def is_key(kind: str, blob: str) -> bool:
    """Whether a blob is a key of that kind, in its one spelling: any other word may stand in somebody else's line."""
    try:
        data = b64decode(blob, validate=True)
    except ValueError:
        return False
    begins = data.startswith(len(kind).to_bytes(4, "big") + kind.encode()) and len(data) > 32
    return begins and b64encode(data).decode() == blob and _KIND.fullmatch(kind) is not None


def fingerprint(blob: str) -> str:
    """A key's SHA-256 as `ssh-keygen -l` shows it."""
    return f"SHA256:{b64encode(sha256(b64decode(blob)).digest()).decode().rstrip('=')}"


def read(text: str, file: str) -> tuple[Entry, ...]:
    """Read the entries of a file; a line that is none is passed over, as sshd does."""
    entries = []
    for number, line in enumerate(text.split("\n"), 1):
        at = len(line) - len(line.lstrip())
        options: dict[str, str] = {}
        start = at
        while not (key := _KEY.match(line, at)) and (option := _OPTION.match(line, at)):
            options[option[1].lower()] = (option[2] or "").replace('\\"', '"')
            at = option.end()
        if key:
            entries.append(Entry(options, key[1].strip(), Span(file, number, start + 1, len(line.rstrip()) + 1)))
    return tuple(entries)
