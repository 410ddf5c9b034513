"""The set-up's questions in words, each made of what is known."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from console.model import Role
from console.setup import kinds
from console.setup.answers import LOCAL, NONE, ROLES, SetupQuestion, likely
from console.setup.kinds import WORDS, Kind
from console.setup.understood import counted
from console.site import HostEntry

ROLE_WORDS: dict[Role, str] = {
    "proxy": "the proxy, HAProxy's machine",
    "mail": "the mail host, Mailcow's machine",
    "hypervisor": "the home server, Incus's machine",
}


def folder(kind: Kind, folders: Sequence[str]) -> SetupQuestion:
    """Ask which of several folders has the files."""
    choices = {each or ".": f"{each or '.'}/" for each in folders} | {NONE: "none of them"}
    return SetupQuestion(f"files.{kind}", f"{WORDS[kind]} are in several folders: which?", None, choices)


def names(texts: Mapping[str, str]) -> SetupQuestion:
    """Ask what clients connect to; the first name in the files is proposed."""
    found = kinds.names(texts)
    notes = tuple(f"{name} is named in {where}" for name, where in list(found.items())[:4])
    text = "what do mail clients connect to? names, with commas between; or none"
    return SetupQuestion("names", text, next(iter(found), NONE), free=True, notes=notes)


def hosts(aliases: Mapping[str, str], old: Collection[HostEntry], here: str = "") -> SetupQuestion:
    """Ask which machines belong to the site; those are proposed whose name suggests it.

    `here` says what this machine has of a mail server; then it is proposed too."""
    known = {entry.ssh for entry in old}
    choices = {alias: words for alias, words in aliases.items() if alias not in known}
    notes = ("aliases of your SSH configuration, user@host, or local; =proxy, =mail or =hypervisor fixes a role",)
    text = "which machines belong to it? with commas between; or none"
    default = ",".join([*likely(choices), *([LOCAL] if here else [])]) or NONE
    words = f"this machine: {here}" if here else "this machine"
    return SetupQuestion("hosts", text, default, {**choices, LOCAL: words}, True, True, notes)


def role(name: str, answering: Sequence[Role], said: str) -> SetupQuestion:
    """Ask what a machine is, where several roles or none answer."""
    choices = {str(each): ROLE_WORDS[each] for each in answering or ROLES} | {NONE: "leave it out"}
    return SetupQuestion(f"role.{name}", f"what is {name}?", None, choices, notes=(f"{name}: {said}",))


def copy(kind: Kind, path: str, name: str, text: str) -> SetupQuestion:
    """Ask whether a host's file is copied here."""
    size = counted(text.count("\n"), "line")
    words = f"{WORDS[kind]} is not here: copy {path} of {name} ({size}) beside the site file?"
    notes = ("it may hold passwords: the copy is for you alone (mode 0600), and in no repository before you add it",)
    return SetupQuestion(f"copy.{kind}", words, "yes", {"yes": "copy it", "no": "leave it out"}, notes=notes)


def https(told: tuple[str, str, str] | None) -> SetupQuestion:
    """Ask where 443 leads; `told` are the proxy's name, its file and the target that file has."""
    notes = (f"{told[1]} on {told[0]} sends it to {told[2]}",) if told else ()
    text = "no file has the listener for 443 (webmail): where does the proxy send it? host:port, or none"
    return SetupQuestion("https", text, told[2] if told else NONE, free=True, notes=notes)
