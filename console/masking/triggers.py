"""Which lines of a text may hold a secret: parts that each such line has, searched for in one pass."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable
from functools import cache

from console.masking import lines, shapes, told
from console.masking.values import DOTS as DOTS

_TRIGGERS = (
    "pass", "pwd", "pw", "secret", "token", "cred", "key", "auth", "salt", "dsn", "webhook", "psk", "jwt", "cookie",
    "dbroot", "_pat", "otp", "hmac", "bearer", "basic", "sig", "connectionstring", "connection_string", "env", "hdr",
    "header", "check send", "set-var", "set_var", "login", "identified", " -p", "\"-p", "'-p", "curl", "http -a",
    "lftp", "smb", "redis-cli", "valkey-cli", "ldap", "zip", "mongo", "mysql", "maria", "mydumper", "ipmitool",
    "mosquitto", "add_user", "snmp",
    "sudo -s", "stdin", "cryptsetup", "openssl", "<<<", "/p:", "session", "sid)", "7z", "@", "sensitive", "private",
    "]:",
    "ticket", "assertion", "saml", "sas=", "verifier", "refresh=", "nonce=", "hash=", "invit", "magic=", "unsubscribe=",
    "confirmation=", "<(", "etcdctl", "proxy-user", "nsupdate", "dig -y", "acl setuser", "user default", " on >",
    " on #",
    "pin=", "pin:", "pin\"", "pin =", "license", "licence", "secure_link", "sip:", "sips:", "api_hash", "otpauth",
    "requirepass", "pushbullet", "ovh_", "api_id_hash", "base64", " -ap", "drone", "netbird",
    "gitlab-runner", "newrelic",
    "mnemonic", "code", "seed", "fernet", "pepper", "mdp", "kennwort", "contrase", "recovery",
    "pushover", "community", "aes_",
    '"d"', '"k"', '"p"', '"q"', '"dp"', '"dq"', '"qi"', "createuser",
    *shapes.HASHES, *shapes.SCHEMES, *shapes.HOOKS, *shapes.SAID,
)  # fmt: skip
"""Parts of lines, in lower case, one of which each line has that is looked through."""

_TOKENS = (*shapes.SURE, *shapes.LIKELY, ".atlasv1.", ":aa")

PLAIN, TOKEN, LINE = 1, 2, 4

_Tree = dict[str, "_Tree"]


def _any_of(words: Iterable[str]) -> re.Pattern[str]:
    """Return an expression for any of the words as a tree of their letters: one pass, however many there are."""
    tree: _Tree = {}
    for word in words:
        node = tree
        for letter in word:
            node = node.setdefault(letter, {})
        node[""] = {}
    return re.compile(_branches(tree))


def _branches(node: _Tree) -> str:
    if "" in node:
        return ""
    parts = [re.escape(letter) + _branches(below) for letter, below in sorted(node.items())]
    return parts[0] if len(parts) == 1 else f"(?:{'|'.join(parts)})"


@cache
def _triggers() -> re.Pattern[str]:
    return _any_of(_TRIGGERS)


@cache
def _tokens() -> re.Pattern[str]:
    return _any_of(_TOKENS)


@cache
def _lines() -> re.Pattern[str]:
    return _any_of((*lines.SAID, *told.SAID))


def suspects(low: str, starts: list[int]) -> dict[int, int]:
    """Return the numbers of lines that may hold a secret, and what is to be looked for in each."""
    found: dict[int, int] = {}
    for expression, flag in ((_triggers(), PLAIN), (_tokens(), TOKEN), (_lines(), LINE)):
        hit = expression.search(low)
        while hit is not None:
            row = bisect_right(starts, hit.start()) - 1
            found[row] = found.get(row, 0) | flag
            hit = expression.search(low, starts[row + 1]) if row + 1 < len(starts) else None
    return found
