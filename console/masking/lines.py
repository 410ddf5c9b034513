"""Finds secrets whose whole line says so: tables of Postfix and PostgreSQL, communities of SNMP, commands of vaults."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from console.masking import terms
from console.masking.values import harmless

Span = tuple[int, int]

_TRANSPORTS = terms("""
    smtp smtps relay lmtp error discard local virtual uucp hold retry reject redirect prepend filter http https tcp udp
    unix inet file hash lmdb btree cdb texthash static inline proxy tag group image regexp pcre cidr ldap mysql
""")
"""What stands before the colon of a table's value that names no user: transports and actions of Postfix, and tags."""

_TELLS_NOTHING = terms("ok up down latest stable none error yes no true false in out")

_LONG = terms("""
    rint rint0 rintf rune erm ath thread ipe edantic edantic-errors ort orts roto rotocol ool arent arallel layer
    reserve retty arams rofile roject ublish rivileged ull ush assword ass asswd assphrase rogress urge lain
""")
"""Options of one dash that begin with p, without it: find's -print0, gcc's -pthread, docker's -pull."""

_GLUED = re.compile(r"(?:mysql|maria|mydumper|sshpass|mongo|7z|rar)")


@cache
def _map() -> re.Pattern[str]:
    """relay.example.org user:password, as in Postfix's sasl_passwd: the key is a host, a domain or an address."""
    return re.compile(
        r"^[ \t#]*+(?=[^\s/]{0,200}?[.@])[^\s/]++[ \t]++([\w.@+%*=-]++):([^\s:/\[][^\s]*+)[ \t\r]*+$", re.MULTILINE
    )


@cache
def _pgpass() -> re.Pattern[str]:
    """host:port:database:user:password, the value of a name too; a network of IPv6 has hexadecimal words alone."""
    return re.compile(
        r"^(?:[\w.-]{1,100}=)?+(?=[^\s]{0,200}?[g-zG-Z*_-])"
        r"[^\s:#/]++:(?:\d{3,5}|\*):[^\s:]++:[^\s:]++:([^\s]++)[ \t\r]*+$",
        re.MULTILINE,
    )


@cache
def _chap() -> re.Pattern[str]:
    """client * secret *, as pppd keeps them."""
    name = r"^[ \t]*+\"?(?=[^\s\"]{0,200}?[A-Za-z])[\w.@\\-]++\"?[ \t]++"
    behind = r"[ \t]++(?:\*|\d{1,3}\.[\d./]++)[ \t\r]*+$"
    return re.compile(
        rf"{name}\*[ \t]++\"?([^\s\"*]++)\"?{behind}|{name}(?:\*|[\w.-]++)[ \t]++\"([^\"\n]++)\"{behind}", re.MULTILINE
    )


@cache
def _lone() -> re.Pattern[str]:
    """-pSECRET alone on its line: of a command over lines, or of a list."""
    return re.compile(r"^[ \t]*+(?:-[ \t]++)?[\"']?-p([^\s\"',\\]{2,}+)[\"']?,?[ \t]*+\\?\r?$", re.MULTILINE)


@cache
def _statement() -> re.Pattern[str]:
    """Statements that name no password: the group that matched is the secret."""
    word = r"[\"']?([^\s\"';,)]++)"
    return re.compile(
        rf"(?i)\bsnmp(?:-server|d)?\s++(?:v[123]c?\s++)?community\s++{word}"
        rf"|\bcom2sec6?\s++(?:-Cn\s++\S++\s++)?[\w.-]++\s++[\w.:/-]++\s++{word}"
        rf"|\btrapcommunity\s++{word}|\b(?:trap2?sink|informsink)\s++[\w.:-]++\s++{word}"
        rf"|\bauth-pass\s++[\w.-]++\s++{word}|\bauth_pass\s++{word}|\bpre-shared-(?:key|secret)\s++{word}"
        rf"|\b(?:enable|username\s++\S++)\s++(?:secret|password)\s++\d\s++{word}|\bisakmp\s++key\s++{word}"
        rf"|\b(?:authentication|message-digest)-key\s++\d++\s++md5\s++{word}|\bneighbor\s++[\w.:]++\s++password\s++{word}"
        rf"|\btacacs-server\s++key\s++{word}|\bradius-server\s++host\s++\S++\s++key\s++{word}"
        rf"|\boperator\s++unseal\s++(?:-\S++\s++)*+{word}|\bunseal key \d{{1,3}}:\s*+{word}"
        rf"|\bb2\s++(?:account\s++authorize|authorize[-_]account)\s++[\w-]++\s++{word}"
        rf"|\bmc\s++(?:alias\s++set|config\s++host\s++add)\s++\S++\s++\S++\s++\S++\s++{word}"
        rf"|\brclone\s++obscure\s++{word}"
        rf"|(?<!\S):\s++(?-i:PSK|EAP|XAUTH|NTLM|(?:RSA|ECDSA|PIN|PKCS12|PKCS8)\s++[^\s\"]++)\s++{word}"
        rf"|\bsend\s++(?:--\s++)?\"(?!(?:yes|exit|quit|logout|no)\\)([^\s\"$\[\\]{{3,}}+)\\[rn]\""
        rf"|(?-i:^[ \t>]*+(?:APOP|OPER)|\bHELLO\s++[23]\s++AUTH|(?<=[ /])IDENTIFY)\s++[\w.@-]++\s++{word}"
        rf"|\bconfig\s++set\s++(?:requirepass|masterauth)\s++{word}|\btsig-key\s++\S++\s++(?:hmac-)?\w++\s++{word}"
        rf"|(?-i:\bUSER\s++\S++\s++[/|,]?\s*+PASS|\becho\s++[\"']?PASS)\s++{word}|\bidentify\s++(?-i:(?=\S{{0,60}}?\d)){word}\s*+$"
        rf"|\buser(?:name)?\s++[\"']?[\w.@*+-]++[\"']?\s++(?:there\s++)?(?:with\s++)?pass(?:word)?\s++"
        rf"(?!(?:through|the|it|on|along|an?|in|to|over|by|is|was|and|or|for|auth|authentication)\b){word}"
        rf"|\bsp_addlogin\s++[^\s,]++,\s++{word}|\bnet\s++user\s++[\w.-]++\s++(?!/){word}"
        rf"|^[ \t#]*+MONITOR\s++[^\s@]++@\S++\s++\d++\s++\S++\s++{word}"
        rf"|\b(?:ejabberd|prosody)ctl\s++register\s++\S++\s++\S++\s++{word}|\bkeyctl\s++(?:add|padd)\s++\w++\s++\S++\s++{word}"
        rf"|\b(?:cargo\s++login|ansible-vault\s++encrypt_string|add-generic-password\s++-w)\s++(?!-){word}"
        rf"|\bvault\s++token\s++create\s[^\n|;&]{{0,200}}?-id[=\s]\s*+{word}"
        rf"|\bnet\s++use\s++\\\\\S++\s++(?!/){word}|\bcmdkey\s(?:[^\n]{{0,200}}?\s)?/pass:{word}"
        rf"|\.login\(\s*+[\"'][^\"']*+[\"']\s*+,\s*+{word}"
        rf"|\b(?:PDO|mysqli?(?:_p?connect)?)\(\s*+(?:[\"'][^\"']*+[\"']\s*+,\s*+){{2}}{word}"
        rf"|\bhmac-(?:md5|sha\d{{1,3}}):[\w.-]++:{word}"
        rf"|(?<![\w-])(?:[\w-]{{0,40}}_)?users[\"']?\s*+[:=]\s*+[\[\s\"']*+[\w.@*-]++:(?![\s/]){word}"
    )


SAID = ("snmp", "com2sec", "trapcommunity", "trapsink", "trap2sink", "informsink", "auth-pass", "unseal", "b2 ", "mc ",
        "rclone", ": psk", ": eap", ": xauth", ": ntlm", ": rsa", ": ecdsa", ": pin", ": pkcs", "hmac-",
        "users", " on >", " on #", "setuser", "send ", "auth_pass",
        "apop ", "oper ", "hello ", "identify ", "requirepass", "masterauth", "tsig-key", " pass ", "sp_addlogin",
        "net user", "token create",
        "monitor ", "register ", "keyctl", "cargo login", "encrypt_string", "add-generic", "net use",
        "cmdkey", ".login(",
        "pdo(", "mysqli", "mysql_",
        "pre-shared", "enable ", "username ", "isakmp", "md5 ", "neighbor ", "-server ")  # fmt: skip
"""Parts of lines, in lower case, one of which each line has that `_statement` finds something in."""


@cache
def _acl() -> re.Pattern[str]:
    """A user of Redis' access lists: user NAME on >PASSWORD, ACL SETUSER NAME #HASH."""
    return re.compile(
        r"(?i)(?:^[\s#\"']*+user|\bacl\s++setuser)\s++[^\s>]++\s"
        r"(?=.{0,200}?(?<!\S)(?:[+~&][@*\w]|nopass|on\b|off\b))"
    )


@cache
def _password() -> re.Pattern[str]:
    return re.compile(r"(?<!\S)[<>#!]([^\s\"']{3,}+)")


def rows(text: str) -> Iterator[int]:
    """Yield the numbers of lines that are such a secret's and have no word that tells it."""
    for pattern in (_map(), _pgpass(), _chap(), _lone()):
        row = behind = 0
        for found in pattern.finditer(text):
            row += text.count("\n", behind, found.start())
            behind = found.start()
            yield row


def spans(text: str, low: str, before: str = "") -> Iterator[Span]:
    """Yield the places of the secrets of a line; `low` is it in lower case, `before` its program if that is above."""
    for found in _map().finditer(text):
        if not _told(found[1], found[2]):
            yield found.span(2)
    for pattern in (_pgpass(), _chap()):
        for found in pattern.finditer(text):
            which = found.lastindex or 1
            if not harmless(found[which], "strong"):
                yield found.span(which)
    for found in _lone().finditer(text):
        if not _option(found[1], before):
            yield found.span(1)
    for found in _statement().finditer(text):
        which = found.lastindex or 1
        if not harmless(found[which], "strong") and not found[which].isdecimal():
            yield found.span(which)
    if ("user" in low) and (">" in low or "#" in low) and (acl := _acl().search(text)):
        yield from (found.span(1) for found in _password().finditer(text, acl.end() - 1))


def _told(user: str, value: str) -> bool:
    """Say whether what a table has for a host is no password: a transport, a port, a version, a host."""
    if user.lower() in _TRANSPORTS or harmless(value, "strong") or value.lower() in _TELLS_NOTHING:
        return True
    if re.fullmatch(r"\d{1,5}|v?\d{1,4}(?:\.\d{1,6}){1,4}", value):
        return True
    return "@" not in user and re.fullmatch(r"(?:[\w-]{1,63}\.){1,8}[a-z]{2,20}(?::\d{1,5})?", value) is not None


def _option(value: str, before: str) -> bool:
    """Say whether -pX is a port, a path, a project or an option of that name rather than a password."""
    if harmless(value, "strong"):
        return True
    if before:
        return _GLUED.match(before) is None
    return value in _LONG or re.match(r"[\w.\[\]:]{0,80}:\d|\d{1,9}(?:[:/]|$)|[./~=]", value) is not None
