"""The error messages of failed attempts: unknown host keys, refused logins, broken connections."""

from __future__ import annotations

from pathlib import Path

from console.errors import NoWayIn
from console.hosts.ssh import known_hosts
from console.hosts.ssh.login import Attempt
from console.questions import Question
from console.text import clean, join_words, quote


class Refusal(NoWayIn):
    """No way in until the operator does something: it is not tried again by itself."""


class Unverified(Exception):
    """The server's host key is not one we know."""


def shown(key: bytes) -> str:
    """A host key as people compare it: type and fingerprint."""
    return f"{known_hosts.kind_of(key)} {known_hosts.fingerprint(key)}"


def unknown(label: str, key: bytes) -> str:
    """The sentence for a host key nobody has seen before."""
    return f"the host key of {label} is not known: {shown(key)}"


def distrusted(label: str, attempt: Attempt) -> NoWayIn | None:
    """Why a host key is out of the question, changed or revoked; None when it is only unknown."""
    judgement, key, name = attempt.judgement, attempt.key, attempt.resolved.known_as
    if key is None or judgement is None:
        place = next((line.place for line in attempt.known.revoked(name)), "known_hosts")
        return NoWayIn(f"the host key of {label} is marked @revoked in {place}")
    if judgement.state == "revoked":
        return NoWayIn(f"the host key of {label} is marked @revoked in {judgement.place}: {shown(key)}")
    if judgement.state == "changed":
        file = known_hosts.shorten(judgement.file or Path("~/.ssh/known_hosts"))
        return NoWayIn(
            f"the host key of {label} changed: it is not the one of {judgement.place}. Somebody may be listening in. "
            f"It shows {shown(key)}: if the machine was reinstalled, compare that on its own console, then "
            f"ssh-keygen -f {file} -R '{name}'"
        )
    if attempt.resolved.strict:
        return NoWayIn(f"{unknown(label, key)}, and StrictHostKeyChecking is yes: add it to known_hosts yourself")
    return None


def introduce(label: str, attempt: Attempt) -> Question:
    """The question whether a new host key is the machine's own, with what the operator needs to decide."""
    resolved, key = attempt.resolved, attempt.key
    assert key is not None
    lines = [
        shown(key),
        f"of {clean(resolved.host, 80)} port {resolved.port}, for the user {clean(resolved.user, 40)}",
        "compare it on that machine: for f in /etc/ssh/ssh_host_*_key.pub; do ssh-keygen -lf $f; done",
    ]
    if attempt.judgement and attempt.judgement.others:
        lines.append(f"the same key is known as {join_words(attempt.judgement.others)}")
    if resolved.user_known:
        lines.append(f"yes adds it to {known_hosts.shorten(resolved.user_known[0])}")
    id = f"host-key:{resolved.known_as}:{known_hosts.fingerprint(key)}"
    return Question(
        id, "host-key", label, "is this the host key of that machine?", "\n".join(lines), False, attempt.where
    )


def denied(label: str, attempt: Attempt, said: str) -> str:
    """Why we were not let in, and what to do about it."""
    resolved, notes = attempt.resolved, attempt.identities.notes
    parts = []
    if attempt.expired:
        parts.append("the password has expired: change it with ssh")
    elif attempt.sent is not None:
        parts.append("the password was not taken")
    elif attempt.unanswered:
        parts.append("what it asks was not answered")
    if "publickey" in attempt.taken:
        parts.append(f"keys: {'; '.join(notes)}" if notes else "there is no key to offer")
    if "many" in said.lower():
        parts.append("too many keys were offered: set IdentityFile and IdentitiesOnly yes for it")
    if attempt.taken:
        parts.append(f"it takes {join_words(attempt.taken)}")
    if ignored := [name for name in resolved.ignored if name != "GSSAPIAuthentication"]:  # Debian sets it for all
        parts.append(f"not honoured: {join_words(ignored)}")
    why = f": {', '.join(parts)}" if parts else ""
    return f"{label} does not let {clean(resolved.user, 40)} in{why}. It is not tried again until you ask"


def failed(label: str, attempt: Attempt, error: Exception, complaint: str, cuts: int) -> NoWayIn:
    """What a failed attempt means. A login that was not taken is a `Refusal`: servers ban who tries again.

    `complaint` is what a proxy command said, `cuts` how often in a row the server hung up during the login."""
    import asyncssh

    said = quote(str(error), 160)
    banner = (
        f'. It says, in its own words: "{quote(attempt.banner.replace(chr(10), " / "), 300)}"' if attempt.banner else ""
    )
    user, asked = clean(attempt.resolved.user, 40), bool(attempt.taken)
    if isinstance(error, asyncssh.PermissionDenied) or (asked and "authentication failures" in said.lower()):
        if attempt.used:
            attempt.credentials.drop(attempt.used[0])
        return Refusal(denied(label, attempt, said) + banner)
    if asked and isinstance(error, asyncssh.ConnectionLost):
        if cuts > 1:
            return Refusal(
                f"{label} hung up twice while we logged in as {user}. It is not tried again until you ask{banner}"
            )
        return NoWayIn(f"{label} hung up while we logged in as {user}{banner}")
    if asked and isinstance(error, asyncssh.DisconnectError):
        return Refusal(
            f'{label} ended our login as {user}, saying "{said}". It is not tried again until you ask{banner}'
        )
    if isinstance(error, asyncssh.KeyExchangeFailed):
        return NoWayIn(f'{label} and cowhand have no algorithm in common: "{said}"')
    if isinstance(error, UnicodeError):
        byte = f" (0x{error.object[error.start]:02x})" if isinstance(error, UnicodeDecodeError) else ""
        return NoWayIn(
            f"{label} does not speak SSH as it should: there are bytes{byte} where it has to send text{banner}"
        )
    if complaint:
        return NoWayIn(f'{label} was not reached: its ProxyCommand says "{complaint}"')
    if isinstance(error, asyncssh.ChannelOpenError):
        return NoWayIn(f'{label} was not reached: its jump host could not connect to it, saying "{said}"')
    return NoWayIn(f'{label} did not let us connect: "{said or type(error).__name__}"{banner}')
