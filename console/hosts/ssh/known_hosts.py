"""known_hosts as OpenSSH reads it: which host keys are known, which were revoked, and the line that says so."""

from __future__ import annotations

import base64
import binascii
import fnmatch
import hashlib
import hmac
import os
import re
import secrets
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from msgspec import Struct

from console.store.plain import NotPlainError, open_plain
from console.store.safe_folder import open_place
from console.text import clean

Marker = Literal["", "cert-authority", "revoked"]


class Line(Struct, frozen=True):
    """One usable line; `hosts` is the pattern list as written, `key` the key's binary form."""

    file: Path
    number: int
    marker: Marker
    hosts: str
    kind: str
    key: bytes

    @property
    def place(self) -> str:
        """file:line, with the home folder short."""
        return f"{shorten(self.file)}:{self.number}"


class Judgement(Struct, frozen=True):
    """What known_hosts says of a key; `place` is the line that speaks against it, or for it."""

    state: Literal["known", "unknown", "changed", "revoked"]
    place: str = ""
    file: Path | None = None
    others: tuple[str, ...] = ()
    """Other names the same key is known by."""


class KnownHosts:
    """The lines of several files, in order; a file that is missing or cannot be read has none."""

    def __init__(self, files: Sequence[Path]) -> None:
        self.lines = tuple(line for file in files for line in _read(file))

    def matching(self, name: str) -> tuple[Line, ...]:
        """The lines for a host, spelt as known_hosts does: "name", or "[name]:port" when the port is not 22."""
        return tuple(line for line in self.lines if matches(line.hosts, name))

    def check_key(self, name: str, key: bytes) -> Judgement:
        """Say what is known of `key` for the host; a key of the plain name is good for any of its ports."""
        bare = _bare(name)
        for line in (*self.matching(name), *(self.matching(bare) if bare else ())):
            if line.marker == "revoked" and line.key == key:
                return Judgement("revoked", line.place, line.file)
        mine = [line for line in self.matching(name) if not line.marker]
        theirs = [line for line in self.matching(bare) if not line.marker] if bare else []
        for line in (*mine, *theirs):
            if line.key == key:
                return Judgement("known", line.place, line.file)
        if mine:
            kind = kind_of(key)
            line = next((line for line in mine if line.kind == kind), mine[0])
            return Judgement("changed", line.place, line.file)
        others = [line for line in self.lines if line.key == key and not line.marker]
        return Judgement("unknown", others=tuple(_named(line) for line in others[:4]))

    def authorities(self, name: str) -> tuple[Line, ...]:
        """Lines whose key may sign certificates for the host."""
        return tuple(line for line in self.matching(name) if line.marker == "cert-authority")

    def revoked(self, name: str) -> tuple[Line, ...]:
        """Lines whose key is never to be taken for the host."""
        bare = _bare(name)
        lines = (*self.matching(name), *(self.matching(bare) if bare else ()))
        return tuple(line for line in lines if line.marker == "revoked")

    def kinds(self, name: str) -> tuple[str, ...]:
        """The key types known for the host: those to ask for first, so that a known key is what is shown."""
        names = [name, *([_bare(name)] if _bare(name) else [])]
        return tuple(dict.fromkeys(line.kind for one in names for line in self.matching(one) if not line.marker))


def matches(hosts: str, name: str) -> bool:
    """Whether a pattern list, plain or hashed, is for this name."""
    name = name.lower()
    if hosts.startswith("|1|"):
        salt, _, digest = hosts[3:].partition("|")
        try:
            made = hmac.new(base64.b64decode(salt, validate=True), name.encode(), hashlib.sha1).digest()
        except (binascii.Error, ValueError):
            return False
        return base64.b64encode(made).decode() == digest
    found = False
    for pattern in hosts.lower().split(","):
        # a bracket is part of "[name]:port" here, never a class of characters
        shell = pattern.removeprefix("!").replace("[", "[[]")
        if fnmatch.fnmatchcase(name, shell):
            if pattern.startswith("!"):
                return False
            found = True
    return found


def add(file: Path, name: str, key: bytes, hashed: bool) -> None:
    """Append a key for a host, unless it stands there. A new file is 0600, a new folder 0700.

    Raises OSError, also where another user could redirect what is written."""
    if any(line.key == key and matches(line.hosts, name) and not line.marker for line in _read(file)):
        return
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    hosts = hash_name(name) if hashed else name
    text = f"{hosts} {kind_of(key)} {base64.b64encode(key).decode()}\n"
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    with open_place(file) as place:  # root may have another user's home folder, and a link of theirs in it
        descriptor = os.open(place.name, flags, 0o600, dir_fd=place.folder)
    with os.fdopen(descriptor, "r+b", buffering=0) as handle:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise NotPlainError
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            text = "\n" + text
        handle.write(text.encode())
        os.fsync(descriptor)


def hash_name(name: str) -> str:
    """A host name as HashKnownHosts writes it."""
    salt = secrets.token_bytes(20)
    digest = hmac.new(salt, name.lower().encode(), hashlib.sha1).digest()
    return f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(digest).decode()}"


def fingerprint(key: bytes) -> str:
    """The SHA256 fingerprint, as `ssh-keygen -l` prints it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip("=")


def kind_of(key: bytes) -> str:
    """The type a key's binary form begins with; "" when it is not one."""
    length = int.from_bytes(key[:4], "big")
    return key[4 : 4 + length].decode("ascii", "replace") if length <= min(64, len(key) - 4) else ""


def shorten(file: Path) -> str:
    """A path with the home folder as ~."""
    home = os.path.expanduser("~")  # noqa: PTH111
    text = str(file)
    return "~" + text[len(home) :] if text.startswith(home + "/") else text


def _named(line: Line) -> str:
    hosts = "a hashed name" if line.hosts.startswith("|") else clean(line.hosts, 60)
    return f"{hosts} ({line.place})"


def _bare(name: str) -> str:
    match = re.fullmatch(r"\[(.+)\]:\d+", name)
    return match[1] if match else ""


def _read(file: Path) -> Iterator[Line]:
    try:
        with os.fdopen(open_plain(file), "rb") as opened:
            text = opened.read(16 << 20).decode("utf-8", "replace")
    except OSError:
        return
    for number, raw in enumerate(text.split("\n"), 1):
        words = raw.split()
        marker: Marker = ""
        if words and words[0].startswith("@"):
            if words[0] not in ("@cert-authority", "@revoked"):
                continue
            marker = "revoked" if words[0] == "@revoked" else "cert-authority"
            words = words[1:]
        if len(words) < 3 or words[0].startswith("#"):
            continue
        try:
            key = base64.b64decode(words[2], validate=True)
        except (binascii.Error, ValueError):
            continue
        if kind_of(key) == words[1]:
            yield Line(file, number, marker, words[0], words[1], key)
