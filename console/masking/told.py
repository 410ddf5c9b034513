"""Finds secrets that are told in words or given to a program by their place: "one-time code: X", `pro attach X`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from console.masking import names, terms
from console.masking.values import harmless, ordinary, random

Span = tuple[int, int]

_CODED = ("code", "phrase", "words:", "words =", "is your", "as your")
_CALLED = ("connect(", "connection(", "login(", "auth(", "logon(", "signin(", "credential", "authenticate(", "open_db(")
_PROGRAMS = (
    "service install", "attach ", "enroll", "enrol ", "activate ", "unlock ", "lock disable", "register ", "microk8s",
    "remote add ", "snyk", "bw login", "op signin", "preauthkey", "pritunl", "teamviewer", "reset-admin",
    "user password", "redis-cli", "valkey-cli", "mysqladmin", "install ", "auth ", "login ", "pair ",
)  # fmt: skip
_BESIDE = (
    "user=", "username=", "php?", "afraid", "/reset", "/verify", "/activate", "/confirm", "/invit", "/magic",
    "/unsubscribe",
)  # fmt: skip

SAID = (*_CODED, *_CALLED, *(each for each in _PROGRAMS if each not in ("install ", "auth ", "login ")), *_BESIDE, "%{")
"""Parts of lines, in lower case, one of which each line has that something is found in here."""

_STATES = terms("""
    invalid valid expired required sent missing wrong correct incorrect failed accepted rejected unknown ok none error
    success used unused changed disabled enabled optional needed not is was the a an from for by per in on of and or
    generated entered received verified checked shown hidden empty see will must review reviews
""")
"""What is said of a code: "verification code: expired"."""

_CODES = (
    r"one[- ]?time|verif(?:y|ication)|recovery|backup|scratch|security|log[- ]?in|sign[- ]?in|activation|confirmation"
    r"|access|authenticat(?:ion|or)|authori[sz]ation|auth|pairing|invit(?:e|ation)|device|user|2[- ]?fa|mfa|t?otp|pin"
    r"|sms|emergency|reset|unlock|set-?up|enrol?lment|registration|two[- ]factor|single[- ]use|magic"
    r"|temporary|temp|bypass|rescue|tan|voucher|redemption|claim|link(?:ing)?|master"
)


@cache
def _code() -> re.Pattern[str]:
    """one-time code: X, your code is X, recovery phrase: a b c; group 1 is all of a list, group 2 one word."""
    return re.compile(
        rf"(?i)(?<![\w-])(?:{_CODES})[ _-]{{1,3}}(?:pass)?(?:codes?|phrases?|words?|pin)\b[\"')\]]{{0,2}}"
        r"(?:[ \t]*+(?::|=>?|->|→)[ \t]*+|[ \t]++(?:is|was|are)[ \t:]++|[ \t]++(?=\S{0,60}?\d))[\"'`]?([^\r\n\"'`]++)"
        r"|(?i:(?<![\w-])(?:your|the|this|my|their|his|her|new)[ \t]++(?:\w++[ \t]++){0,2}codes?"
        r"[ \t]*+(?:is|was|:)[ \t:]*+)"
        r"[\"'`]?(?=[^\s\"'`]{0,60}?\d)([^\s\"'`.,;)]{4,}+)"
        r"|(?i:(?<![\w-])(?:seed|recovery|secret|mnemonic|backup)[ _-](?:phrase|words?)[ \t]*+[:=][ \t]*+)([^\r\n]++)"
        r"|(?i:(?<![\w-])enter[ \t]++(?:the[ \t]++)?code[ \t]++)(?=\S{0,60}?\d)([\w-]{4,}+)"
        r"|(?i:(?<![\w-])use[ \t]++)([\w&!@#$%^*+-]{4,}+)(?=(?i:[ \t]++as[ \t]++(?:your|the|a)[ \t]++"
        r"(?:[\w-]++[ \t]++){0,3}?(?:code|pin|password|otp)\b))"
        r"|(?<![\w.-])(?!(?i:this|that|here|what|which|below|there)\b)([\w&!@#$%^*+-]{4,40}+)[ \t]++"
        r"(?i:is[ \t]++(?:your|the)[ \t]++(?:[\w-]++[ \t]++){0,3}?"
        r"(?:code|pin|password|otp))\b"
    )


@cache
def codes() -> re.Pattern[str]:
    """A line that says that codes are listed below it."""
    return re.compile(
        rf"(?i)[ \t#>*-]*+(?:\w++[ \t]++){{0,3}}(?:{_CODES})[ _-]{{1,3}}"
        r"(?:pass)?(?:codes?|phrases?|words?):[ \t]*+\r?$"
    )


@cache
def _compared() -> re.Pattern[str]:
    """%{HTTP:X-Api-Key} == 'X', as Apache's expressions have it."""
    return re.compile(
        r"%\{(?:HTTP|REQ|COOKIE)[:_]([\w-]++)\}[\"']?[ \t]*+(?:[!=]=|[=!]~|-eq|=)[ \t]*+"
        r"[\"'/m#^]{1,4}([^\s\"'/#$]++)"
    )


@cache
def _call() -> re.Pattern[str]:
    """login("bob", "X"), HTTPBasicAuth("bob", "X"): the second string; connect("h", "bob", "X"): the third."""
    one = r"[\"'][^\"'\n]*+[\"'][ \t]*+,[ \t]*+"
    return re.compile(
        rf"(?i)(?:login|logon|signin|authenticate|(?:basic|digest|http|ntlm)_?auth|credentials?)\([ \t]*+{one}"
        r"[\"']([^\"'\n]++)[\"']"
        rf"|(?:connect|connection|open_db|createconnection|getconnection)\([ \t]*+{one}{one}[\"']([^\"'\n]++)[\"']"
    )


@cache
def _given() -> re.Pattern[str]:
    """Programs that are given one secret by its place, and no option."""
    word = r"(?:--?[\w-]++(?:=\S++)?[ \t]++)*+[\"']?(?![-<>|&;])([^\s\"';|<>]++)"
    return re.compile(
        rf"\bcloudflared(?:\.exe)?[ \t]++(?:[\w-]++[ \t]++){{0,3}}?service[ \t]++install[ \t]++{word}"
        rf"|\b(?:pro|ua|ubuntu-advantage)[ \t]++attach[ \t]++{word}"
        rf"|\bcscli[ \t]++console[ \t]++enroll[ \t]++(?:-\S++[ \t]++\S++[ \t]++)*+(?!-)([^\s\"';|<>]++)[ \t\r]*+$"
        rf"|\bsnyk[ \t]++(?:auth|config[ \t]++set[ \t]++api=)[ \t]*+{word}"
        rf"|\bbw[ \t]++unlock[ \t]++{word}|\bbw[ \t]++login[ \t]++\S++@\S++[ \t]++{word}"
        rf"|\bop[ \t]++signin[ \t]++\S++[ \t]++\S++@\S++[ \t]++{word}"
        rf"|\btailscale[ \t]++lock[ \t]++disable[ \t]++{word}"
        rf"|\b(?:lxc|incus)[ \t]++remote[ \t]++add[ \t]++\S++[ \t]++(?=\S{{40}}){word}"
        rf"|\bjuju[ \t]++register[ \t]++{word}|\bmicrok8s[ \t]++join[ \t]++[^\s/]++/{word}"
        rf"|\b(?:pritunl-client|teamviewer)[ \t]++(?:add|passwd)[ \t]++{word}"
        rf"|\breset-admin-password[ \t]++{word}|\bmattermost[ \t]++user[ \t]++password[ \t]++\S++[ \t]++{word}"
        rf"|\b(?:redis|valkey)-cli\b[^|;&\n]{{0,200}}?[ \t]auth[ \t]++{word}"
        rf"|\bmysqladmin\b[^|;&\n]{{0,200}}?[ \t]password[ \t]++{word}"
        rf"|\bheadscale[ \t]++preauthkeys?[ \t]++expire[ \t]++(?:-\S++[ \t]++\S++[ \t]++)*+{word}"
        r"|(?<!\S)(?:attach|enrol?l|activate|unlock|join|install|register|claim|link|connect|pair|auth|login)[ \t]++"
        r"(?:-\S++[ \t]++)*+[\"']?(?=[\w+/=-]{0,60}?\d)(?=[\w+/=-]{0,60}?[A-Za-z])([\w+/=-]{24,}+)[\"']?[ \t\r]*+$"
    )


@cache
def _beside() -> re.Pattern[str]:
    """user=bob%X of Samba's, and pushover's user=X; a lone key behind the question mark of a URL."""
    return re.compile(
        r"\buser(?:name)?=[\w.@\\+-]{1,80}%(?![0-9A-Fa-f]{2})([^\s,\"']++)"
        r"|(?i:(?<=pushover)\S{0,40}?[ \t&?\"']user=)[\"']?([^\s&\"']++)"
        r"|(?<![\w-])user=([^\s&\"'=]{5,}+)(?=[^\n]{0,200}?pushover)"
        r"|(?i:(?<!dynamic/update)\.php\?)([\w+/=-]{8,}+)(?![\w=&.-])"
        r"|(?i:/(?:reset(?:-?password)?|verify(?:-?email)?|activate|confirm|invite|invitation|magic(?:-?link)?|unsubscribe)/)"
        r"(?=[^\s/]{0,60}?[\d-])([\w=-]{8,}+)(?![\w./])"
        r"|(?<=afraid\.org/u/)([^\s/\"'?]++)|(?<=afraid\.org/dynamic/update\.php\?)([^\s\"']++)"
    )


def _file(word: str) -> bool:
    return re.fullmatch(r"[\w/-]+\.(?:py|sh|js|txt|md|html?|conf|toml|ya?ml)[:,]?", word) is not None


def _any(parts: tuple[str, ...], low: str) -> bool:
    return any(each in low for each in parts)


def spans(text: str, low: str) -> Iterator[Span]:
    """Yield the places of such secrets in a line; `low` is it in lower case."""
    for found in _code().finditer(text) if _any(_CODED, low) else ():
        which = found.lastindex or 1
        start, end = found.span(which)
        value = found[which]
        first = re.split(r"[ \t,;]", value, maxsplit=1)[0]
        if first.lower().strip(".,!?:") in _STATES or harmless(value, "strong") or _file(first):
            continue
        yield start, start + len(value.rstrip()) if which in (1, 3) else end
    for found in _compared().finditer(text) if "%{" in low else ():
        if names.header(found[1]) and not harmless(found[2], "strong"):
            yield found.span(2)
    for found in _call().finditer(text) if _any(_CALLED, low) else ():
        which = found.lastindex or 1
        if not harmless(found[which], "strong") and not ordinary(found[which]):
            yield found.span(which)
    for found in _given().finditer(text) if _any(_PROGRAMS, low) else ():
        which = found.lastindex or 1
        if not harmless(found[which], "strong"):
            yield found.span(which)
    for found in _beside().finditer(text) if _any(_BESIDE, low) else ():
        which = found.lastindex or 1
        value = found[which]
        if which == 4 and not (random(value) or (value.isalnum() and not value.islower())):
            continue
        if not harmless(value, "strong"):
            yield found.span(which)
