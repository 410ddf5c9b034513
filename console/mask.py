"""Secrets in the operator's own files, hidden before a file is shown or kept: what is parsed stays as it is."""

from __future__ import annotations

import re

DOTS = "••••••"

_NAMED = re.compile(
    r"""(?ix)
    (\b[\w.-]*(?:pass(?:word|wd|phrase)?|secret|token|api_?key|private_?key|access_?key|credential)s?[\w.-]*["']?
      [ \t]*[=:][ \t]*)
    (["']?)([^"'\s#][^"'\n]*?)(\2)(?=[ \t]*(?:\#|,|\}|$))
    """,
    re.MULTILINE,
)
"""name = value, name: value, NAME=value, where the name says that the value is a secret."""

_HAPROXY = re.compile(
    r"(?m)^([ \t]*(?:user[ \t]+\S+[ \t]+(?:insecure-)?password|stats[ \t]+auth"
    r"|(?:pre)?setenv[ \t]+\S*(?i:pass|secret|token|api_?key|private_?key|access_?key|credential)\S*)[ \t]+)(\S+)"
)
"""HAProxy's userlists, `stats auth user:password`, and environment variables that are named like secrets."""

_REFERENCE = re.compile(r"^(?:\$\{?\w|(?:var|local|data|module|random_\w+)\.)")
"""A name for a secret kept elsewhere is not one."""

_KEY = re.compile(r"(-----BEGIN [A-Z ]*PRIVATE KEY-----).*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)


def mask(text: str) -> str:
    """Return `text` with dots for its secrets; lines stay lines, so that places stay true."""
    text = _NAMED.sub(_hidden, text)
    text = _HAPROXY.sub(rf"\1{DOTS}", text)
    return _KEY.sub(lambda found: found[1] + "\n" * found[0].count("\n") + found[2], text)


def _hidden(found: re.Match[str]) -> str:
    return found[0] if _REFERENCE.match(found[3]) else f"{found[1]}{found[2]}{DOTS}{found[4]}"
