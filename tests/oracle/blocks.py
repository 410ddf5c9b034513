"""Configurations out of a folder: every *.cfg, and the `haproxy NAME -conf {…}` blocks of varnishtest's *.vtc."""

from __future__ import annotations

import contextlib
import re
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_BLOCK = re.compile(r"^\s*haproxy\s+(\w+)\b[^\n{]*?-conf(?P<bad>-BAD\s+\{.*?\})?\s+\{", re.MULTILINE)
_MACRO = re.compile(r"\$\{(\w+)\}")
_PASSED = re.compile(r"fd@\$\{(\w+)\}")


class Block(NamedTuple):
    """One configuration: a name to show, its text, and the folder that its relative paths start from."""

    name: str
    text: str
    folder: Path
    script: bool


def find(root: Path) -> Iterator[Block]:
    """Yield every configuration below a folder; those of scripts keep their macros."""
    for path in sorted(root.rglob("*.cfg")):
        yield Block(
            str(path.relative_to(root)), path.read_bytes().decode("utf-8", "surrogateescape"), path.parent, False
        )
    for path in sorted(root.rglob("*.vtc")):
        text = path.read_bytes().decode("utf-8", "surrogateescape")
        for number, match in enumerate(_BLOCK.finditer(text), 1):
            body = text[match.end() : _end(text, match.end())]
            yield Block(f"{path.relative_to(root)}[{number}:{match.group(1)}]", body, path.parent, True)


def _end(text: str, at: int) -> int:
    """Return where the brace closes, braces counted as varnishtest counts them."""
    depth = 1
    while at < len(text):
        if text[at] == "\\":
            at += 1
        elif text[at] == "{":
            depth += 1
        elif text[at] == "}":
            depth -= 1
            if depth == 0:
                return at
        at += 1
    return at


class Ready(NamedTuple):
    """A configuration that can be run: sockets to pass on by number, and the environment they are named in."""

    text: str
    environment: dict[str, str]
    passed: dict[int, int]
    """Descriptors of listening sockets of 127.0.0.1, each with its port."""


@contextlib.contextmanager
def prepare(block: Block) -> Iterator[Ready]:
    """Fill a script's macros as varnishtest would: addresses of sockets, folders, and descriptors passed on."""
    scratch = tempfile.mkdtemp(prefix="oracle-")
    sockets: dict[str, socket.socket] = {}
    ports: dict[str, int] = {}

    def passed(name: str) -> socket.socket:
        if name not in sockets:
            sockets[name] = socket.create_server(("127.0.0.1", 0))
        return sockets[name]

    def fill(match: re.Match[str]) -> str:
        name = match.group(1)
        if name in ("testdir", "pwd"):
            return str(block.folder)
        if name == "tmpdir":
            return scratch
        stem, _, kind = name.rpartition("_")
        if not stem or kind not in ("addr", "port", "sock", "pid"):
            return match.group()
        own = stem.partition("_")[2]
        port = passed(own).getsockname()[1] if own in wanted else ports.setdefault(stem, 20001 + len(ports))
        return {"addr": "127.0.0.1", "port": str(port), "sock": f"127.0.0.1:{port}", "pid": "1"}[kind]

    wanted = set(_PASSED.findall(block.text)) if block.script else set()
    try:
        for name in sorted(wanted):
            passed(name)
        text = _MACRO.sub(fill, block.text) if block.script else block.text
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "VTC_SOCK_TYPE": "stream", "TMPDIR": scratch}
        environment |= {name: str(each.fileno()) for name, each in sockets.items()}
        for name in re.findall(re.escape(scratch) + r"/(\w+)/", text):
            (Path(scratch) / name).mkdir(exist_ok=True)
        yield Ready(text, environment, {each.fileno(): each.getsockname()[1] for each in sockets.values()})
    finally:
        for each in sockets.values():
            each.close()
        shutil.rmtree(scratch, ignore_errors=True)
