"""Whether the way the private key takes is closed to everybody else: host key, deploy key, mode of the file."""

from __future__ import annotations

import re
from collections.abc import Iterator

from console.diagnosis.catalogue import finding
from console.diagnosis.rule import static
from console.diagnosis.rules.commands import PEM, all_commands, all_words, written_by
from console.model import Finding, Topology
from console.sources.authorized_keys import Entry
from console.sources.shell import Command, Script, Word
from console.text import clean
from console.topology.sources import Sources

_UNPINNED = re.compile(r"StrictHostKeyChecking[\s=]{1,9}(accept-new|no|off)\b", re.IGNORECASE)
_KEY = re.compile(r"(?:^|/)(?:[\w.-]{0,100}priv)?key[\w.-]{0,100}$|\.key$", re.IGNORECASE)
_PRIVATE_KEY = re.compile(r"(?:^|/)privkey\d*\.pem$|\.key$")
_PRIVATE = re.compile(r"0*[0-7]?77")
_VARIABLE = re.compile(r"\$\{?(\w+)\}?/")


@static("CH026")
def deploy_channel_open(sources: Sources, topology: Topology) -> Iterator[Finding]:
    """The private key goes to whoever answers first, lies readable for a moment, or its own key may do too much."""
    for script in sources.scripts:
        yield from _unpinned(script)
        for shell in script.shells():
            yield from _readable(shell)
        yield from _opened(script)
    for entry in sources.keys:
        yield from _entry(entry)


def _unpinned(script: Script) -> Iterator[Finding]:
    # A word of an inner shell is part of one around it.
    found = [(word, match) for word in all_words(script) if (match := _UNPINNED.search(word.text))]
    words = list({word.span.line: (word, match) for word, match in reversed(found)}.values())[::-1]
    if not words:
        return
    target = next((word.text for word in all_words(script) if re.match(r"root@[\w.-]+$", word.text)), "")
    to = f"{clean(target, 60)}'s first answer" if target else "the first answer"
    yield finding(
        "CH026",
        f"StrictHostKeyChecking={words[0][1].group(1).lower()} trusts {to}: whoever gives it gets the private key",
        words[0][0].span,
        also=tuple(word.span for word, _ in words[1:]),
    )


def _readable(script: Script) -> Iterator[Finding]:
    # HAProxy's PEM has the key in it too.
    joined = {
        id(redirect.target)
        for command in script.commands
        if command.redirects and any(_PRIVATE_KEY.search(word.text) for word in command.words[1:])
        for redirect in command.redirects
    }
    keys = [word for word in written_by(script) if _KEY.search(word.text) or id(word) in joined]
    # cp keeps the mode of the file that it reads; acme.sh and install make theirs for the owner alone.
    kept = {id(word) for command in script.commands if command.name in _KEEP_MODES for word in command.words}
    keys = [word for word in keys if id(word) not in kept]
    if not keys or any(command.name == "umask" and _masks(command) for command in script.commands):
        return
    private = {
        word.raw.partition("=")[0]
        for command in all_commands(script)
        for word in command.assignments
        if "mktemp" in word.text
    }
    open_keys = [word for word in keys if not _inside(word, private) and not _made_before(script, word)]
    if open_keys:
        closed = any(command.name == "chmod" and open_keys[0].text in command.texts for command in all_commands(script))
        yield finding(
            "CH026",
            f"the private key is readable by everybody{' until its chmod' * closed}, when it is written for the first"
            " time",
            open_keys[0].span,
            also=tuple(word.span for word in open_keys[1:]),
            severity="medium",
            remedy="umask 077 at the top of the script",
        )


_KEEP_MODES = frozenset(("cp", "acme.sh", "install"))
_OPEN = re.compile(r"0?[0-7]{2}[4-7]")


def _opened(script: Script) -> Iterator[Finding]:
    """A mode that lets everybody read the key: by chmod, or by install, which gives 755 unless it is told another."""
    for command in all_commands(script):
        if not any(_KEY.search(word.text) and PEM.search(word.text) for word in command.words[1:]):
            continue
        mode = ""
        if command.name == "chmod":
            mode = next((text for text in command.texts[1:] if not text.startswith("-")), "")
        elif command.name == "install" and _KEY.search(command.texts[-1]):
            mode = _mode(command.texts)
        if _OPEN.fullmatch(mode):
            yield finding(
                "CH026",
                f"{command.name} gives the private key mode {mode}: every user of that machine can read it",
                command.span,
                severity="medium",
                remedy="mode 600",
            )


def _mode(texts: tuple[str, ...]) -> str:
    """Return the mode that `install` gives a file."""
    for at, text in enumerate(texts):
        if text in ("-m", "--mode") and at + 1 < len(texts):
            return texts[at + 1]
        if match := re.fullmatch(r"(?:--mode=|-m)(.+)", text):
            return match[1]
    return "755"


def _masks(command: Command) -> bool:
    return any(_PRIVATE.fullmatch(text) or "go=" in text or "go-rwx" in text for text in command.texts[1:])


def _inside(word: Word, folders: set[str]) -> bool:
    """Whether a file is in a folder, or is a file, that mktemp made for its owner alone."""
    match = _VARIABLE.match(word.text)
    return "$(mktemp" in word.text or (match is not None and match[1] in folders)


def _made_before(script: Script, word: Word) -> bool:
    """Whether the file was made with a mode of its own before it is written."""
    return any(
        command.name in ("install", "chmod") and word.text in command.texts
        for command in all_commands(script)
        if (command.span.line, command.span.column) < (word.span.line, word.span.column)
    )


def _entry(entry: Entry) -> Iterator[Finding]:
    """What a restricted key may still do; a key without command= is a person's, and none of ours."""
    if "command" not in entry.options:
        return
    name = clean(entry.comment, 60) or "the deploy key"
    if "from" not in entry.options:
        yield finding(
            "CH026",
            f"{name} is taken from any address: whoever has the key can wipe the certificate",
            entry.span,
            remedy='from="the peer that sshd logs" before restrict',
        )
    if "restrict" not in entry.options and not {"no-port-forwarding", "no-pty"} <= entry.options.keys():
        yield finding(
            "CH026",
            f"{name} is not restricted: beside its command it may forward ports and agents",
            entry.span,
            remedy="restrict before command=",
        )
