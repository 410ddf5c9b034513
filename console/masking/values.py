"""Says how far a value reaches, and whether it is one that anybody may see: a reference, a path, a public key."""

from __future__ import annotations

import re
from functools import cache

from console.masking import terms
from console.masking.names import Kind

DOTS = "••••••"

_WORDS = terms("""
    true false yes no on off null none nil ~ y n 0 1 enabled disabled required optional default undefined {} []
    () | > & * - ? ... …
""")
"""Values that say nothing."""

_METHODS = terms("""
    plain login basic digest bearer ntlm gssapi oauth2 oauth xoauth2 oauthbearer external anonymous trust peer
    ident md5 sha1 sha256 sha512 tls ssl starttls cert none any all pam ldap sql file static key password
    publickey keyboard-interactive cram-md5 digest-md5 scram-sha-1 scram-sha-256 scram-sha-512 rsa ecdsa ed25519
    rsa2048 rsa4096 aes-256-cbc hs256 rs256 es256 error warning info debug fatal
""")
"""What `auth = …` and `key = …` name when they name a method."""

_ENDINGS = terms("""
    pem key crt cer txt conf cfg json yml yaml tfstate pub env asc gpg jks p12 pfx sh d cf ini toml map lst pass
""")
"""Ends of names of files in which secrets and certificates are kept."""


@cache
def _reference() -> re.Pattern[str]:
    """Names of values kept elsewhere, one after the other: $X, ${X}, ${X:?words}, ${var.x}, {{ x }}, %[src], $1."""
    dotted = r"[A-Za-z_]\w*+(?:\.[\w*-]++|\[[\w.*]*+\]|\[\"[\w.-]*+\"\])*+"
    return re.compile(
        r"(?:(?:\$\$?\{!?\s*+" + dotted + r"(?:\s*+\}|:?-\}|:?\?[^{}\"']*+\})"
        r"|\$\$?[A-Za-z_]\w*+|\$[0-9@*?#!$]|\$\{[0-9@*#]\}|\$\{\w++\[[@*\w]++\]\}"
        r"|\$?\{\{[^{}\"']*+\}\}|%\[(?!str\()[\w.,()\- ]*+\]|%\(\w++\)s|%[a-zA-Z]"
        r")[:@/._ -]?)++"
    )


@cache
def _expression() -> re.Pattern[str]:
    """An expression of HCL that only names other values: var.x, module.a.b[0], random_password.x.result, file("x")."""
    dotted = (
        r"(?:(?:var|local|data|module|each|self|path|count|terraform)\.|[a-z][a-z0-9]*+_\w*+\.[A-Za-z_][\w-]*+\.)"
        r"[A-Za-z_][\w-]*+(?:\.[\w*-]++|\[[\w.*\"-]*+\])*+"
    )
    return re.compile(
        r"(?:(?!file|templatefile)[a-z][a-z0-9]*+\()*+(?:"
        + dotted
        + r"|(?:file|filebase64|templatefile)\(\"[^\"]*+\"\))[\s,)}\]]*+"
    )


@cache
def _shown() -> re.Pattern[str]:
    """Public keys, fingerprints, and places in a file or a table where the secret is kept."""
    return re.compile(
        r"(?:ssh-(?:rsa|dss|ed25519)|ecdsa-sha2-\w++|sk-(?:ssh|ecdsa)-\S++)(?:\s.*+)?|age1[a-z0-9]++"
        r"|(?:SHA256|MD5|sha256|sha512|sha384|sha1|md5):\S++|(?:env|file|fd):[\w./-]++|stdin"
        r"|(?:proxy:)?(?:hash|lmdb|btree|cdb|texthash|mysql|pgsql|ldap|sqlite|regexp|pcre|cidr|unix|file):/[\w./-]++"
        r"|<?(?:~/|\.{1,2}/|/(?:etc|run|var|root|home|opt|usr|srv|tmp|data|mnt|dev|proc|secrets|certs)/)[\w./@%+${}*~-]++"
        r"|!(?:secret|env|env_var|vault|include|Ref|GetAtt|Sub|reference)\b.*+|\*[a-z][a-z_-]*+"
        r"|-----BEGIN (?:RSA )?(?:PUBLIC KEY|CERTIFICATE)-----.*+|[•*.…x]{3,}+"
    )


@cache
def _path() -> re.Pattern[str]:
    return re.compile(r"[\w.@+=${}*/~<-]++")


def harmless(value: str, kind: Kind) -> bool:
    """Say whether what a secret's name is given may be shown: nothing, a reference, a path, a public key, a method."""
    value = value.strip().rstrip(";,") if value[-1:] != "]" or "[" in value else value.strip(" ]")
    scheme, blank, rest = value.partition(" ")
    if blank and scheme.lower() in ("bearer", "basic", "token", "digest"):
        value = rest.strip()
    if not value.strip("•\"' \\") or value.lower() in _WORDS:
        return True
    if value.startswith(("$(", "`", "<(")):
        return _runs_without_literals(value)
    if _reference().fullmatch(value) or _shown().fullmatch(value):
        return True
    if value.rpartition(".")[2].lower() in _ENDINGS and "." in value and _path().fullmatch(value):
        return "/" in value or kind == "weak"
    return kind == "weak" and _plain(value)


def expression(value: str) -> bool:
    """Say whether an unquoted value is an expression of HCL that holds no literal."""
    return _expression().fullmatch(value) is not None


@cache
def _licence() -> re.Pattern[str]:
    """Names of licences as SPDX has them, and the yes to one."""
    one = r"(?:MIT(?:-0)?|ISC|Zlib|Unlicense|WTFPL|PostgreSQL|proprietary|commercial|accept(?:ed)?|agree|free|community"
    one += r"|(?:OpenSSL|SSPL|LicenseRef|0BSD|Apache|[AL]?GPL|MPL|EPL|EUPL|BSD|BSL|CC|CC0|OFL|PSF)[\w.+-]*+)"
    return re.compile(rf"(?i)\(?{one}(?:(?:\s++(?:OR|AND|WITH)\s++|[/,]\s*+)\(?[\w.+-]++\)?)*+\)?")


def _plain(value: str) -> bool:
    """Say whether the value of a name that is no sure sign is a method, or several."""
    if re.fullmatch(r"\d{1,10}:\d{1,10}", value):
        return True  # a community of BGP's
    if _licence().fullmatch(value):
        return True
    return all(each.lower() in _METHODS for each in value.replace(",", " ").split())


def _runs_without_literals(value: str) -> bool:
    """Say whether a command that is to give a secret holds none itself: `$(cat FILE)`, not `$(echo hunter2)`."""
    inner = value.strip("$()<`\"' ")
    if value.startswith("`") and re.fullmatch(r"[^\s/$]++", inner):
        return False  # a string of JavaScript; a command that says a secret has an argument
    if "<<<" in inner:
        return False
    first = inner.split(None, 1)[:1]
    if first in (["echo"], ["printf"]):
        said = inner.split("|", 1)[0].split()[1:]
        return all("$" in word or word.startswith(("-", "%", "'%", '"%')) for word in said)
    return True


def ordinary(value: str) -> bool:
    """Say whether a value is an address, a host, a number, a path or a switch."""
    return harmless(value, "weak") or bool(
        re.fullmatch(
            r"\d{1,6}[smhd]?|[\d.:/]+|[\w-]+(?:\.[\w-]+)+(?::\d+)?|\[?[0-9a-fA-F:]+\]?(?::\d+)?|/[\w./-]*|[A-Z][a-z]+/[A-Z][A-Za-z_]+",
            value,
        )
    )


def random(word: str) -> bool:
    """Say whether a word looks made up rather than written: letters and digits mixed, and no address, path or unit."""
    if len(word) < 6 or "/" in word or word.count(".") > 1 or word.endswith((":", ")")):
        return False
    letters, digits = any(each.isalpha() for each in word), any(each.isdigit() for each in word)
    return letters and digits


@cache
def _quoted_end() -> dict[str, re.Pattern[str]]:
    inner = r"\$\{(?:[^{}\"]|\"[^\"{}]*+\"|\{[^{}]*+\})*+\}"
    return {
        '"': re.compile(rf'(?:[^"\\$]++|\\.|{inner}|\$)*+"'),
        "'": re.compile(r"[^']*+'"),
    }


def quoted_end(text: str, start: int, quote: str) -> int:
    """Return the place behind the quote that closes a value begun at `start` (behind its own); -1 when none does."""
    if len(quote) > 1:
        found = text.find(quote, start)
        return -1 if found < 0 else found + len(quote)
    closed = _quoted_end()[quote].match(text, start)
    return closed.end() if closed else -1


@cache
def _word() -> re.Pattern[str]:
    return re.compile(
        r"(?:[^\s\"'\\$`]++|\\.|\"(?:[^\"\\]++|\\.)*+\"|'[^']*+'|\$\((?:[^()]++|\([^()]*+\))*+\)|`[^`]*+`|[\"'$`\\])*+"
    )


def word_end(text: str, start: int) -> int:
    """Return the end of the word at `start`, as shells and HAProxy read it: with quotes, backslashes and $(…)."""
    found = _word().match(text, start)
    return found.end() if found else start
