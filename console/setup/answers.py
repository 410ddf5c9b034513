"""The set-up's questions, and whether an answer can be used."""

from __future__ import annotations

import ipaddress
import re

from msgspec import Struct

from console.hosts import names
from console.model import Role
from console.text import clean, join_words

ROLES: tuple[Role, ...] = ("proxy", "mail", "hypervisor")
NONE = "none"
"""The answer that leaves something out."""

LOCAL = "local"
"""The word for the machine cowhand runs on."""


class SetupQuestion(Struct, frozen=True):
    """One thing that could not be found out. `choices` are values with words; `several` takes some of them.

    `free` says that anything else may be typed as well, `default` is taken by an empty answer, `notes` say what is
    known."""

    key: str
    text: str
    default: str | None = None
    choices: dict[str, str] = {}
    several: bool = False
    free: bool = False
    notes: tuple[str, ...] = ()


class Wanted(Struct, frozen=True):
    """A machine as the operator named it: an SSH destination or `local`, and its role if one was given."""

    way: str
    role: Role | None = None

    @property
    def name(self) -> str:
        """What it is called in the site file."""
        if self.way == LOCAL:
            return LOCAL
        _, host, _ = names.split(self.way)
        plain = host if _is_address(host) else host.partition(".")[0]
        return re.sub(r"[^A-Za-z0-9_-]+", "-", plain).strip("-") or "host"


def words(text: str) -> list[str]:
    """Return the words of an answer that may have several, separated by commas or blanks."""
    return [word for word in re.split(r"[,\s]+", text.strip()) if word]


def hosts(text: str) -> tuple[Wanted, ...]:
    """Read the answer to `hosts`: "vps, root@192.0.2.1=mail, local=hypervisor" or "none"; raises ValueError."""
    found: dict[str, Wanted] = {}
    for word in words(text):
        if word == NONE:
            continue
        way, equals, role = word.partition("=")
        if equals and role not in ROLES:
            raise ValueError(f'"{clean(role, 40)}" is no role: {join_words(list(ROLES))} are')
        if way != LOCAL and (wrong := names.complaint(way)):
            raise ValueError(wrong)
        wanted = Wanted(way, next((each for each in ROLES if each == role), None))
        if wanted.name in found:
            raise ValueError(f'two of these would be called "{wanted.name}"; leave one out')
        found[wanted.name] = wanted
    return tuple(found.values())


_MIXED = re.compile(r"(?i)[^.]*[a-z][^.]*(\.\d+)+")
"""An address with something typed before it."""


def public_names(text: str) -> tuple[str, ...]:
    """Read the answer to `names`; raises ValueError."""
    found = [word.rstrip(".").lower() for word in words(text) if word != NONE]
    for word in found:
        if not _is_address(word) and not _NAME.fullmatch(word):
            raise ValueError(f'"{clean(word, 60)}" is not a host name, as mail.example.org')
    return tuple(dict.fromkeys(found))


_NAME = re.compile(r"(?=.{1,253}$)(?:(?!-)[a-z0-9-]{1,63}(?<!-)\.)+(?!-)[a-z0-9-]{2,63}(?<!-)")
_TARGET = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+):(\d{1,5})")


def target(text: str) -> str:
    """Read the answer to `https`: "host:port", "" for none; raises ValueError."""
    if text.strip() == NONE:
        return ""
    match = _TARGET.fullmatch(text.strip())
    if (
        match is None
        or re.fullmatch(r"[^.]*[a-z][^.]*(\.\d+)+", match[1], re.IGNORECASE)
        or not 1 <= int(match[2]) <= 65535
    ):
        raise ValueError(f'"{clean(text, 60)}" is no target; written "host:port", or none')
    return text.strip()


def one_of(question: SetupQuestion, text: str) -> str:
    """Read the answer to a question with fixed choices; raises ValueError."""
    if text.strip() not in question.choices:
        raise ValueError(f'"{clean(text, 60)}" is none of {join_words(list(question.choices))}')
    return text.strip()


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


LIKELY: tuple[tuple[Role, re.Pattern[str]], ...] = (
    ("proxy", re.compile(r"(?i)vps|proxy|relay|edge|front")),
    ("mail", re.compile(r"(?i)mail|mx\b|smtp")),
    ("hypervisor", re.compile(r"(?i)incus|lxd|home|hyper|virt")),
)
"""What a machine's name suggests it is; only a suggestion, and never written without having looked."""


def likely(aliases: dict[str, str]) -> list[str]:
    """Return the aliases whose own name suggests that they are machines of a mail server."""
    return [alias for alias in aliases if any(pattern.search(alias) for _, pattern in LIKELY)]
