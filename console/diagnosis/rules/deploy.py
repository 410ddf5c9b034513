"""Whether the script that installs a renewed certificate, and the hook that sends it, can be trusted to."""

from __future__ import annotations

import re
from collections.abc import Iterator

from console.diagnosis.catalogue import finding
from console.diagnosis.rule import static
from console.model import Finding, Topology
from console.sources.shell import Command, Script, Word
from console.text import clean
from console.topology import Sources

_HUP = re.compile(r"(?:SIG)?HUP|1", re.IGNORECASE)
_UNPINNED = re.compile(r"StrictHostKeyChecking[\s=]+(accept-new|no|off)\b", re.IGNORECASE)
_LINEAGE = re.compile(r"letsencrypt/live/")
_PEM = re.compile(r"(?:^|/)[^/]*\.pem$|\.crt$|\.key$")
_REMOTE = frozenset(("ssh", "scp", "sftp", "rsync"))
_PIPES = frozenset(("|", "|&"))
_EXEC_VALUES = frozenset(("-u", "--user", "-e", "--env", "-w", "--workdir", "--index"))
# A pipeline that begins with these cannot fail at its beginning.
_SURE = frozenset(("echo", "printf", "true", ":"))


@static("CH013")
def dovecot_exited_after_renewal(sources: Sources, topology: Topology) -> Iterator[Finding]:
    """SIGHUP to the container's first process ends the container: that process is supervisord, not Dovecot."""
    for script in sources.scripts:
        for command in script.commands:
            if _kills_dovecot(command):
                yield finding(
                    "CH013",
                    "SIGHUP ends the dovecot-mailcow container (its pid 1 is supervisord): IMAP and Sieve stop at"
                    " every renewal",
                    command.span,
                    hop="service",
                )


def _kills_dovecot(command: Command) -> bool:
    texts = command.texts
    if not _docker(command) or "kill" not in texts:
        return False
    arguments = texts[texts.index("kill") + 1 :]
    hangup = False
    targets: list[str] = []
    following = ""
    for text in arguments:
        option, equals, value = text.partition("=")
        if following or (option in ("-s", "--signal") and equals):
            hangup = hangup or _HUP.fullmatch(text if following else value) is not None
            following = ""
        elif option in ("-s", "--signal"):
            following = option
        elif text.startswith("-s"):
            hangup = hangup or _HUP.fullmatch(text[2:]) is not None
        elif not text.startswith("-"):
            targets.append(text)
    compose = "compose" in texts or command.name == "docker-compose"
    return hangup and (any("dovecot" in target for target in targets) or (compose and not targets))


@static("CH026")
def deploy_channel_open(sources: Sources, topology: Topology) -> Iterator[Finding]:
    """The private key goes to whoever answers first under the mail server's name."""
    for script in sources.scripts:
        words = [(word, match) for word in _words(script) if (match := _UNPINNED.search(word.text))]
        if not words:
            continue
        target = next((word.text for word in _words(script) if re.match(r"root@[\w.-]+$", word.text)), "")
        to = f"{clean(target, 60)}'s first answer" if target else "the first answer"
        yield finding(
            "CH026",
            f"StrictHostKeyChecking={words[0][1].group(1).lower()} trusts {to}: whoever gives it gets the private key",
            words[0][0].span,
            also=tuple(word.span for word, _ in words[1:]),
        )


@static("CH027")
def unsafe_deploy_hook(sources: Sources, topology: Topology) -> Iterator[Finding]:
    """What makes a renewal fail unseen or install rubbish: once per script and defect."""
    for script in sources.scripts:
        yield from _any_lineage(script)
        yield from _unchecked(script)
        yield from _in_place(script)
        yield from _lost_failure(script)
        yield from _terminal(script)


def _any_lineage(script: Script) -> Iterator[Finding]:
    if script.variables.keys() & {"RENEWED_LINEAGE", "RENEWED_DOMAINS"}:
        return
    live = next((word.span for word in _words(script) if _LINEAGE.search(word.text)), None)
    if live is not None and any(command.name in _REMOTE for command in script.commands):
        yield finding(
            "CH027",
            "the hook never looks at RENEWED_LINEAGE: certbot runs it for every certificate, not for this one alone",
            live,
            remedy="leave the hook at once unless $RENEWED_LINEAGE is the mail certificate's folder",
        )


def _unchecked(script: Script) -> Iterator[Finding]:
    moves = [command.words[-1] for command in script.commands if command.name in ("mv", "install")]
    writes = [*_written(script), *(word for word in moves if _PEM.search(word.text))]
    if not writes or any(command.name in ("openssl", "certtool", "step") for command in script.commands):
        return
    read = next((command.span for command in script.commands if _reads_input(command)), None)
    if read is not None:
        yield finding(
            "CH027",
            "the script installs whatever it reads: empty or cut input replaces the certificate, and TLS fails on"
            " every port",
            read,
            also=tuple(word.span for word in writes),
            severity="critical",
            remedy="before installing, let openssl compare the public keys of certificate and key, and check the dates",
        )


def _in_place(script: Script) -> Iterator[Finding]:
    moved = {word.text for command in script.commands if command.name == "mv" for word in command.words[1:-1]}
    writes = [word for word in _written(script) if word.text not in moved and "$(mktemp" not in word.text]
    if writes:
        yield finding(
            "CH027",
            "the certificate is written in place: stopped half way, it leaves a pair that does not match",
            writes[0].span,
            also=tuple(word.span for word in writes[1:]),
            remedy="write to a temporary file in the same folder, then mv it over the old one",
        )


def _lost_failure(script: Script) -> Iterator[Finding]:
    sets = [command for command in script.commands if command.name == "set"]
    if any("pipefail" in command.texts for command in sets) or "PIPESTATUS" in script.variables:
        return
    pipes = [
        command.span
        for before, command in zip(script.commands, script.commands[1:], strict=False)
        if command.after in _PIPES and before.name not in _SURE
    ]
    if pipes:
        strict = next((command.span for command in sets if any(_strict(text) for text in command.texts[1:])), pipes[0])
        yield finding(
            "CH027",
            "without set -o pipefail a failure before the pipe is lost: half a certificate is sent, with status 0",
            strict,
            also=tuple(span for span in pipes if span != strict),
            remedy="set -euo pipefail at the top, with #!/bin/bash",
        )


def _terminal(script: Script) -> Iterator[Finding]:
    found = [command.span for command in script.commands if _needs_terminal(command)]
    if found:
        yield finding(
            "CH027",
            "docker compose exec without -T wants a terminal, which a hook does not have: the reload may never happen",
            found[0],
            also=tuple(found[1:]),
            remedy="docker compose exec -T",
        )


def _words(script: Script) -> Iterator[Word]:
    for command in script.commands:
        yield from command.assignments
        yield from command.words
        for redirect in command.redirects:
            yield redirect.target


def _written(script: Script) -> Iterator[Word]:
    """Yield the names of certificate files that are written: redirections, tee and cp."""
    for command in script.commands:
        for redirect in command.redirects:
            if redirect.operator.lstrip("0123456789&") in (">", ">>", ">|") and _PEM.search(redirect.target.text):
                yield redirect.target
        if command.name == "tee":
            yield from (word for word in command.words[1:] if _PEM.search(word.text))
        elif command.name == "cp" and len(command.words) > 2 and _PEM.search(command.words[-1].text):
            yield command.words[-1]


def _reads_input(command: Command) -> bool:
    if any(redirect.operator.startswith("<") for redirect in command.redirects) or command.after in _PIPES:
        return False
    operands = [text for text in command.texts[1:] if not text.startswith("-")]
    if command.name == "cat":
        return not operands or operands == ["/dev/stdin"]
    return command.name in ("read", "mapfile", "readarray") or (command.name in ("sed", "awk") and len(operands) == 1)


def _docker(command: Command) -> bool:
    return command.name in ("docker", "docker-compose", "podman", "podman-compose") or (
        command.name in ("sudo", "env", "nice", "timeout") and any(text.startswith("docker") for text in command.texts)
    )


def _needs_terminal(command: Command) -> bool:
    texts = command.texts
    if not _docker(command) or "exec" not in texts:
        return False
    if "compose" not in texts[: texts.index("exec")] and "docker-compose" not in texts:
        return False
    arguments = iter(texts[texts.index("exec") + 1 :])
    for text in arguments:
        if text in ("-T", "--no-TTY", "--no-tty"):
            return False
        if not text.startswith("-"):
            return True
        if text in _EXEC_VALUES:
            next(arguments, None)
    return True


def _strict(text: str) -> bool:
    return text == "errexit" or (text.startswith("-") and not text.startswith("--") and "e" in text)
