"""What `haproxy -c` would do beyond reading the files it is given: code it would run, files it would open.

It executes Lua as it reads (`lua-load`), and opens certificates, maps and lists. So it may run on the files of a
repository unasked only when every statement is known to do neither: what is not listed here counts as one that does."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from msgspec import Struct

from console.sources.haproxy.lines import Line
from console.sources.haproxy.tree import Document
from console.text import clean


class Reach(Struct, frozen=True):
    """A line that makes HAProxy reach beyond its files: its place, its text, and its words."""

    file: str
    line: int
    text: str
    words: tuple[str, ...]

    @property
    def place(self) -> str:
        """The line's place and keyword, for a sentence."""
        return f"{self.file}:{self.line} ({clean(self.words[0], 40) if self.words else 'not read'})"


def reaches(documents: Iterable[Document]) -> Iterator[Reach]:
    """Yield the lines that reach beyond the files, also where conditions leave them out: those hold elsewhere."""
    for document in documents:
        for line in document.lines:
            if not _plain(line):
                yield Reach(document.file, line.number, line.raw.strip(), line.words)


def _plain(line: Line) -> bool:
    if not line.words:
        return line.comment >= 0 or not line.raw.strip()  # a line that cannot be read is not plain
    words = line.words[1:] if line.words[0] in ("no", "default") else line.words
    if not words or "\0" in line.raw or ("$" in line.raw and '"' in line.raw):
        return False  # a variable, which counts inside double quotes alone, may stand for any word
    known = words[0] in _PLAIN or words[0].startswith(_BEGINNINGS) or words[:2] in _PAIRS
    return known and not any(_OPENS.search(word) for word in words[1:])


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_PLAIN = _words("""
    global defaults listen frontend backend userlist resolvers peers mailers
    daemon chroot user group uid gid pidfile log log-send-hostname log-tag maxconn nbthread spread-checks ulimit-n
    hard-stop-after ca-base crt-base
    acl backlog balance bind capture compression cookie default-server default_backend description disabled enabled
    errorloc errorloc302 errorloc303 fullconn hash-balance-factor hash-type http-after-response http-check http-request
    http-response http-reuse id log-format log-format-sd mode monitor-uri option rate-limit redirect retries retry-on
    server source stick stick-table tcp-check tcp-request tcp-response timeout unique-id-format unique-id-header
    use-server use_backend
    nameserver parse-resolv-conf resolve_retries hold accepted_payload_size peer mailer table
""")
"""Words that begin a line which by itself runs nothing and opens nothing, when HAProxy only checks it."""

_BEGINNINGS = ("tune.bufsize", "tune.h2.", "tune.http.", "tune.maxrewrite", "tune.ssl.", "ssl-default-")

_PAIRS = frozenset(
    ("stats", what)
    for what in ("socket", "timeout", "enable", "uri", "refresh", "auth", "realm", "hide-version", "show-legends",
                 "show-node", "show-desc", "admin", "maxconn")
)  # fmt: skip

_OPENS = re.compile(
    r"""\A(?:-\w*[fM]\w*\Z|crt|crl|ca-|ech\Z|tls-ticket-keys|namespace\Z|external-check|file|lf-file|errorfile)
    |-(?:file|list|keys|dir)\b|\blua\b|\bmap|\bacl\(|\b(?:51d|deviceatlas|wurfl|jwt_)|use-service""",
    re.VERBOSE,
)
"""Words that name a file, code, or a service, wherever they stand behind the first."""
