"""Whether the script that installs a renewed certificate, and the hook that sends it, can be trusted to."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence

from console.diagnosis import words
from console.diagnosis.catalogue import finding
from console.diagnosis.rule import static
from console.diagnosis.rules import failures
from console.diagnosis.rules.commands import (
    PEM,
    REMOTE,
    all_commands,
    all_words,
    meant,
    temporary,
    values,
    written,
)
from console.diagnosis.rules.docker_calls import EXEC_VALUES, Call, calls, inside, signals
from console.diagnosis.rules.lineages import LIVE, any_lineage
from console.model import Finding, Lane, Topology
from console.sources.shell import Command, Script
from console.topology.sources import Sources

_PIPES = frozenset(("|", "|&"))
# A pipeline that begins with these cannot fail at its beginning.
_SURE = frozenset(("echo", "printf", "true", ":"))
_NO_FILES = ("/dev/null", "1", "2", "-")
# What takes the output of a pipe out of the script.
_TAKERS = REMOTE | {"tee", "dd", "install", "docker", "docker-compose", "podman", "nc", "ncat", "socat", "curl"}


@static("CH013")
def dovecot_exited_after_renewal(sources: Sources, topology: Topology) -> Iterator[Finding]:
    """SIGHUP to the container's first process ends the container: that process is supervisord, not Dovecot."""
    for script in sources.scripts:
        # A command that hands another one on, as timeout and ssh do, stands where that one stands.
        found = {call.command.span.line: call.command for call in calls(script) if _kills_dovecot(call)}
        for command in found.values():
            yield finding(
                "CH013",
                "SIGHUP ends the dovecot-mailcow container (its pid 1 is supervisord): IMAP and Sieve stop at"
                " every renewal",
                command.span,
                hop="service",
            )


def _kills_dovecot(call: Call) -> bool:
    container, argv = call.within()
    if container:
        return "dovecot" in container and any(_ends_first(each) for each in inside(argv))
    rest = call.after("kill")
    if rest is None:
        return False
    signal, targets = signals(rest)
    named = (*targets, *call.piped)
    hits = any("dovecot" in each for each in named) or (call.compose and not named)
    return signal in ("HUP", "1") and hits


def _ends_first(argv: tuple[str, ...]) -> bool:
    """Whether a command inside the container sends SIGHUP to its first process."""
    name = argv[0].rpartition("/")[2] if argv else ""
    signal, targets = signals(argv[1:])
    first = {"kill": "1", "pkill": "supervisord", "killall": "supervisord"}.get(name)
    return signal in ("HUP", "1") and first in targets


@static("CH010")
def stale_certificate(sources: Sources, topology: Topology) -> Iterator[Finding]:
    """Postfix and Dovecot are reloaded after a change, and nginx goes on with the old certificate."""
    for script in sources.scripts:
        if not any(PEM.search(word.text) or "data/assets/ssl" in word.text for word in all_words(script)):
            continue
        told = list(calls(script))
        reloads = [call.command for call in told if _names(call, "postfix") or _names(call, "dovecot")]
        if reloads and not any(_names(call, "nginx") or _restarts_all(call) for call in told):
            yield finding(
                "CH010",
                "nginx-mailcow is never reloaded: the web goes on with the old certificate until it expires",
                reloads[0].span,
                also=tuple(command.span for command in reloads[1:]),
                hop="service",
                remedy="docker compose exec -T nginx-mailcow nginx -s reload",
            )


def _restarts_all(call: Call) -> bool:
    """Whether compose restarts or recreates every service: it names none."""
    texts = list(call.argv)
    at = next((at for at, text in enumerate(texts) if text in ("restart", "up")), None)
    if at is None or not call.compose:
        return False
    return all(text.startswith("-") or text.isdigit() for text in texts[at + 1 :])


def _names(call: Call, service: str) -> bool:
    return any(service in text for text in (*call.argv, *call.piped))


@static("CH011")
def certificate_key_mismatch(sources: Sources, topology: Topology) -> Iterator[Finding]:
    """The script installs what it reads without a look at it."""
    for script in sources.scripts:
        commands = list(all_commands(script))
        moves = [command.words[-1] for command in commands if command.name in ("mv", "install")]
        writes = [*written(script), *(word for word in moves if PEM.search(word.text))]
        if not writes or any(command.name in ("openssl", "certtool", "step") for command in commands):
            continue
        read = next((command.span for command in commands if _reads_input(command)), None)
        if read is not None:
            yield finding(
                "CH011",
                "the script installs whatever it reads: empty or cut input replaces the certificate, and TLS fails on"
                " every port",
                read,
                also=tuple(word.span for word in writes),
                remedy="before installing, let openssl compare the public keys of certificate and key, and check the"
                " dates",
            )


@static("CH027")
def unsafe_deploy_hook(sources: Sources, topology: Topology) -> Iterator[Finding]:
    """What makes a renewal fail unseen or install rubbish: once per script and defect."""
    terminated = [lane for lane in topology.lanes if lane.tls == "terminated"]
    for script in sources.scripts:
        yield from any_lineage(script)
        yield from _in_place(script)
        for shell in script.shells():
            yield from _lost_failure(shell)
        yield from _unwatched(script)
        yield from _terminal(script)
        yield from _links(script)
        yield from _bundle(script, terminated)
        yield from _dry_run(script)


_TEMPORARY = re.compile(r"/(?:var/)?tmp/|/dev/shm/|/run/user/|\$\(mktemp\b")


def _in_place(script: Script) -> Iterator[Finding]:
    moved = {word.text for command in all_commands(script) if command.name == "mv" for word in command.words[1:-1]}
    known, aside = values(script), temporary(script)
    writes = []
    for word in written(script):
        path = word.text.rpartition(":")[2]
        # Without a folder it is moved where the commands before have gone.
        renamed = not moved.isdisjoint((word.text, path, posixpath.basename(path)))
        if not renamed and not _TEMPORARY.match(meant(path, {**known, **aside})):
            writes.append(word)
    if writes:
        # HAProxy takes certificate and key from one file.
        pair = any("haproxy" not in word.text for word in writes)
        leaves = "a pair that does not match" if pair else "a PEM that is cut"
        yield finding(
            "CH027",
            f"the certificate is written in place: stopped half way, it leaves {leaves}",
            writes[0].span,
            also=tuple(word.span for word in writes[1:]),
            remedy="write to a temporary file in the same folder, then mv it over the old one",
        )


def _lost_failure(script: Script) -> Iterator[Finding]:
    sets = [command for command in script.commands if command.name == "set"]
    if any("pipefail" in command.texts for command in sets) or "PIPESTATUS" in script.variables:
        return
    ends = _ends(script.commands)
    pipes = [
        command.span
        for before, command, end in zip(script.commands, script.commands[1:], ends[1:], strict=False)
        if command.after in _PIPES and before.name not in _SURE and _hands_on(end)
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


def _ends(commands: Sequence[Command]) -> list[Command]:
    """Return for each command the last one of its pipeline."""
    ends = list(commands)
    for at in range(len(commands) - 2, -1, -1):
        if commands[at + 1].after in _PIPES:
            ends[at] = ends[at + 1]
    return ends


def _hands_on(command: Command) -> bool:
    """Whether what comes out of a pipe leaves the script: sent to another machine or container, or into a file."""
    if command.name == "xargs":
        return False  # it makes arguments of what comes
    files = (each for each in command.redirects if ">" in each.operator and each.target.text not in _NO_FILES)
    return any(text in _TAKERS for text in command.texts) or any(files)


def _unwatched(script: Script) -> Iterator[Finding]:
    """A copy whose failure nobody sees: the shell goes on, and ends with another command's status."""
    for shell in script.shells():
        lost = failures.unnoticed(shell)
        if lost:
            name = lost[0].name
            later = failures.strict_after(shell, lost[0])
            yield finding(
                "CH027",
                f"set -e on line {later.span.line} comes too late: a failed {name} before it is not noticed"
                if later
                else f"without set -e a failed {name} is not noticed: the script goes on, and ends as its last command"
                " does",
                lost[0].span,
                also=tuple(command.span for command in lost[1:]),
                remedy="set -e at the top, or || exit 1 behind it",
            )


def _terminal(script: Script) -> Iterator[Finding]:
    found = [call.command.span for call in calls(script) if _needs_terminal(call)]
    if found:
        yield finding(
            "CH027",
            "docker compose exec without -T wants a terminal, which a hook does not have: the reload may never happen",
            found[0],
            also=tuple(found[1:]),
            remedy="docker compose exec -T",
        )


def _links(script: Script) -> Iterator[Finding]:
    """What copies the links of certbot's live folder in place of the files that they lead to."""
    known = values(script)
    for command in all_commands(script):
        if _copies_links(command) and any(
            _LIVE.search(meant(word.text, known)) and "$(" not in word.text for word in command.words[1:-1]
        ):
            yield finding(
                "CH027",
                f"{command.name} sends the symbolic links of certbot's live folder, not the files that they lead to",
                command.span,
                remedy=f"{command.name} -L",
            )


_LIVE = re.compile(r"letsencrypt/live/|\$\{?RENEWED_LINEAGE\b")


def _copies_links(command: Command) -> bool:
    """Whether a command takes a link as a link: rsync unless told otherwise, cp when told so."""
    flags = [text for text in command.texts[1:] if text.startswith("-")]
    short = "".join(text[1:] for text in flags if not text.startswith("--"))
    if command.name == "rsync":
        return "L" not in short and not {"--copy-links", "--copy-unsafe-links"} & set(flags)
    if command.name == "cp":
        follows = "L" in short or "--dereference" in flags
        return not follows and (bool(set("adP") & set(short)) or bool({"--archive", "--no-dereference"} & set(flags)))
    return False


def _bundle(script: Script, terminated: list[Lane]) -> Iterator[Finding]:
    live = any(LIVE.search(word.text) or "RENEWED_LINEAGE" in word.text for word in all_words(script))
    sends = [command for command in all_commands(script) if command.name in REMOTE]
    if terminated and live and sends and not any("haproxy" in word.text for word in all_words(script)):
        yield finding(
            "CH027",
            f"{words.lanes(terminated)}: the hook sends the certificate on, and never rebuilds the PEM that HAProxy"
            " itself serves",
            sends[0].span,
            lanes=words.ids(terminated),
            hop="haproxy",
            remedy="cat fullchain.pem privkey.pem into HAProxy's crt file, then systemctl reload haproxy",
        )


def _dry_run(script: Script) -> Iterator[Finding]:
    for command in all_commands(script):
        texts = command.texts
        if "certbot" in (command.name, *texts[:3]) and "--dry-run" in texts and "--run-deploy-hooks" not in texts:
            yield finding(
                "CH027",
                "certbot renew --dry-run runs no deploy hook: it tests nothing of the way to the mail server",
                command.span,
                severity="medium",
                remedy="certbot renew --dry-run --run-deploy-hooks (certbot 2.3 or later)",
            )


def _reads_input(command: Command) -> bool:
    if any(redirect.operator.startswith("<") for redirect in command.redirects) or command.after in _PIPES:
        return False
    texts = command.texts
    if command.name == "timeout":
        texts = texts[2:]
    name = texts[0] if texts else ""
    operands = [text for text in texts[1:] if not text.startswith("-")]
    if name == "cat":
        return not operands or operands == ["/dev/stdin"]
    if name == "head":
        return all(text.isdigit() for text in operands)
    return name in ("read", "mapfile", "readarray") or (name in ("sed", "awk") and len(operands) == 1)


def _needs_terminal(call: Call) -> bool:
    rest = call.after("exec")
    if rest is None or not call.compose:
        return False
    arguments = iter(rest)
    for text in arguments:
        if text in ("-T", "--no-TTY", "--no-tty"):
            return False
        if not text.startswith("-"):
            return True
        if text in EXEC_VALUES:
            next(arguments, None)
    return True


def _strict(text: str) -> bool:
    return text == "errexit" or (text.startswith("-") and not text.startswith("--") and "e" in text)
