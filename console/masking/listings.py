"""Finds secrets that are listed under what is no name of theirs: users of YAML, keys of nginx' maps, recovery codes."""

from __future__ import annotations

import re
from functools import cache

from console.masking import names, terms, told
from console.masking.found import LONGEST
from console.masking.values import harmless, ordinary, random

Rows = dict[int, list[tuple[int, int]]]


@cache
def _said() -> re.Pattern[str]:
    """A part of a text, in lower case, that each has which lists something so."""
    return re.compile(
        r"(?:users?|accounts?|logins?|auth|clients?|members?|people|operators?|admins?|sasl|mailbox(?:es)?|htaccess"
        r"|userlist|(?:user|users)[ _.-]?(?:list|map|table))[\"']?[ \t]*+(?:[:=]|\])"
        r"|(?:^|[\s#])(?:map|split_clients)\s[^\n]{0,200}?\$|basic_?auth\b[^\n]{0,200}?\{|(?:codes?|words|phrases?)\s*+:"
    )


_PEOPLE = terms("users accounts logins clients members people operators admins mailboxes sasl htaccess userlist")
"""Last words of names under which each name is a user's, and its value what the user has."""

_ATTRIBUTES = terms("""
    name names user username id uid gid group groups role roles shell home homedir gecos comment email mail domain
    domains quota sudo lock_passwd lock inactive system primary_group enabled disabled active type kind class scope
    scopes permission permissions policy policies level rights limit limits max min default image from description
    state status path file dir host port url server method backend driver provider realm region ssh_authorized_keys
    tags count display_name fullname language timezone expires created updated access mode title
""")
"""Names of what is about a user and is no secret."""

_RIGHTS = terms("""
    admin administrator user guest root read write readonly readwrite ro rw viewer editor owner operator member
    allow deny full all any none active inactive local ldap external internal superuser moderator
    maintainer developer reader writer staff wheel
""")
"""What a user may do, or is."""

_NGINX = terms("default hostnames volatile include")
"""Words of nginx' maps that are no source of theirs."""


@cache
def _map() -> re.Pattern[str]:
    return re.compile(
        r"[\s#]*+(?:map|split_clients)\s++[\"']?((?:[^\"'{};]|\$\{\w*+\}){1,200}?)[\"']?\s++(\$\w++)\s*+\{"
    )


@cache
def _variable() -> re.Pattern[str]:
    return re.compile(r"\$\{?(?:http_|arg_|cookie_|sent_http_|upstream_http_)?(\w++)")


@cache
def _entry() -> re.Pattern[str]:
    """An entry of a map: what is compared, and what it gives."""
    return re.compile(r"(?:\"((?:[^\"\\]++|\\.)*+)\"|'([^']*+)'|([^\s\"';{}#][^\s;{}]*+))\s++(?:[^;{}]|\$\{\w*+\})*+;")


@cache
def _heading() -> re.Pattern[str]:
    return re.compile(
        r"[ \t]*+(?:-[ \t]++|\{[ \t]*+)?[\"']?([\w.-]{2,80}+)[\"']?"
        r"[ \t]*+(?::|=(?=[ \t]*+[{\[]))[ \t]*+(?:#.*+|\{.*+|\[.*+)?\r?$"
        r"|[ \t]*+\[{1,2}([\w. :/\"-]{2,80}+)\]{1,2}[ \t]*+\r?$"
    )


@cache
def _pair() -> re.Pattern[str]:
    """Name and value of a line of YAML or JSON: group 2, 3 or 4 is the value; a list's item is user:value."""
    value = r"(?:\"((?:[^\"\\]++|\\.)*+)\"|'([^']*+)'|([^\s\"'\[{#&*|>,}][^#,}\r\n]*+))"
    name = r"(?:^[ \t]*+(?:-[ \t]++)?|[{,][ \t]*+)[\"']?([\w.@+-]++)[\"']?"
    return re.compile(rf"{name}[ \t]*+(?::[ \t]++|=>?[ \t]*+){value}")


@cache
def _item() -> re.Pattern[str]:
    return re.compile(r"(?:^[ \t]*+-[ \t]++|[\[,][ \t]*+)[\"']?[\w.@+-]++:(?![\s/])([^\s\"',\]]++)")


@cache
def _caddy() -> re.Pattern[str]:
    return re.compile(r"\s*+(?:basic_?auth)\b[^{}]*+\{\s*+$")


def rows(lines: list[str], low: str) -> Rows:
    """Return the places to hide in lines, by the numbers of those, of a text that is `low` in lower case."""
    found: Rows = {}
    if not _said().search(low):
        return found
    behind = 0
    people = _People(found)
    for row, line in enumerate(lines):
        if len(line) > LONGEST or row < behind:
            continue
        if "$" in line and (source := _map().match(_with_brace(lines, row))):
            behind = _sources(lines, row, source, found)
        elif line.rstrip().endswith("{") and _caddy().match(line):
            behind = _caddys(lines, row, found)
        else:
            people.line(row, line)
            if line.rstrip().endswith(":") and told.codes().match(line):
                behind = _codes(lines, row, found)
    return found


def _with_brace(lines: list[str], row: int) -> str:
    """A line with its brace, which may stand below it."""
    alone = "{" not in lines[row] and row + 1 < len(lines) and lines[row + 1].strip() == "{"
    return f"{lines[row].rstrip()} {{" if alone else lines[row]


def _sources(lines: list[str], row: int, source: re.Match[str], found: Rows) -> int:
    """Hide what a map compares a secret with; what it gives a secret's name is hidden as its block."""
    secret = any(names.header(each[1]) or names.parameter(each[1]) for each in _variable().finditer(source[1]))
    given = names.kind(source[2][1:]) == "strong"
    if not secret and not given:
        return row + 1
    start = source.end()
    for below in range(row, len(lines)):
        text = lines[below][:LONGEST]
        for each in _entry().finditer(text, start):
            which = each.lastindex or 1
            if secret and each[which].lower() not in _NGINX and not harmless(each[which].lstrip("~*^"), "strong"):
                found.setdefault(below, []).append(each.span(which))
            if given:
                value = re.compile(r"\s++([^;]++);").search(text, each.end(which), each.end())
                if value and not harmless(value[1].strip("\"'"), "strong"):
                    found.setdefault(below, []).append(value.span(1))
        if re.search(r"(?<!\w)\}", text[start:]):
            return below + 1
        start = 0
    return len(lines)


@cache
def _codelike() -> re.Pattern[str]:
    return re.compile(r"[-*\"']|\d{1,2}[.):]|(?=[^\s]{0,40}?[\d-])[^\s<>()]{4,40}")


def _codes(lines: list[str], row: int, found: Rows) -> int:
    """Hide the lines of one word, or of a few that have a digit or a dash, below a line that calls them codes."""
    for below in range(row + 1, len(lines)):
        text = lines[below][:LONGEST]
        words = text.replace(",", " ").split()
        alone = len(words) == 1 and re.fullmatch(r"[^\s<>():=]{4,40}", words[0])
        if words and not alone and not all(_codelike().fullmatch(word) for word in words):
            return below
        if words:
            found.setdefault(below, []).append((len(text) - len(text.lstrip()), len(text.rstrip())))
    return len(lines)


def _caddys(lines: list[str], row: int, found: Rows) -> int:
    """Hide the second word of each line of basic_auth."""
    for below in range(row + 1, len(lines)):
        text = lines[below][:LONGEST]
        if "}" in text:
            return below + 1
        value = re.compile(r"\s*+[^\s#]++\s++(\S++)").match(text)
        if value and not harmless(value[1], "strong"):
            found.setdefault(below, []).append(value.span(1))
    return len(lines)


class _People:
    """Hides what users have in `users:`, unless it is said by name or by its words to be something about them."""

    def __init__(self, found: Rows) -> None:
        self.found = found
        self.open: list[tuple[int, int, bool]] = []
        """Of each such list that is open: its column, that of its entries (-1 before the first), how sure it is one."""

    def line(self, row: int, text: str) -> None:
        """Read the next line."""
        inner = text.lstrip(" \t")
        if not inner.strip() or inner.startswith(("#", "//")):
            return
        deep = len(text) - len(inner)
        while self.open and (deep < self.open[-1][0] or (deep == self.open[-1][0] and inner[:2] != "- ")):
            self.open.pop()
        if self.open:
            column, depth, sure = self.open[-1]
            depth = deep if depth < 0 else depth
            self.open[-1] = (column, depth, sure)
            if deep == depth:
                _values(text, row, sure, self.found)
        heading = _heading().match(text) if ":" in text or "=" in text or "]" in text else None
        last = names.words(heading[1] or heading[2]) if heading else []
        if last[-1:] in (["list"], ["map"], ["table"]) and last[-2:-1] == ["user"]:
            last[-2:] = ["users"]  # user_list
        last = last[-1:]
        if heading and heading[2]:
            self.open = []  # a section of TOML or INI ends all that is above
        if heading and last and (last[0] in _PEOPLE or last == ["auth"]):
            behind = heading.end(1) if heading[1] else len(text)
            if text[behind:].lstrip("\"' \t:=")[:1] in ("{", "["):
                _values(text, row, last[0] in _PEOPLE, self.found, behind)
            self.open.append((-1 if heading[2] else deep, -1, last[0] in _PEOPLE))


def _values(text: str, row: int, sure: bool, found: Rows, start: int = 0) -> None:
    for each in _pair().finditer(text, start):
        which = each.lastindex or 2
        value = each[which].strip()
        if each[1].lower() in _ATTRIBUTES or harmless(value, "strong") or ordinary(value) or value.lower() in _RIGHTS:
            continue
        if sure or random(value):
            at = each.start(which)
            found.setdefault(row, []).append((at, at + len(each[which].rstrip())))
    for each in _item().finditer(text, start):
        if not harmless(each[1], "strong") and not each[1].isdecimal():
            found.setdefault(row, []).append(each.span(1))
