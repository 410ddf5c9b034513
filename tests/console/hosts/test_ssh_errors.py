"""What a failed login says, whole sentence by whole sentence: what is wrong, who says so, and what to do."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from msgspec.structs import replace

from console.hosts.ssh import errors
from console.hosts.ssh.config import Resolved
from console.hosts.ssh.known_hosts import Judgement, KnownHosts
from console.hosts.ssh.login import Attempt
from console.questions import Credentials
from console.secret import Secret


def key(number: int, kind: str = "ssh-ed25519") -> bytes:
    """The binary form of a key that nobody has."""
    return len(kind).to_bytes(4, "big") + kind.encode() + b"\0\0\0\x20" + bytes([number]) * 32


def line(number: int, kind: str = "ssh-ed25519") -> str:
    return f"{kind} {base64.b64encode(key(number, kind)).decode()}"


def printed(number: int) -> str:
    """The fingerprint as ssh-keygen prints it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(key(number)).digest()).decode().rstrip("=")


VPS = Resolved("vps", "vps.example.org", 2222, "admin")


def made(known: KnownHosts | None = None, resolved: Resolved = VPS, **state: Any) -> Attempt:
    """An attempt that has come as far as `state` says."""
    attempt = Attempt("vps", resolved, known or KnownHosts([]), Credentials(), lambda _: None)
    for name, value in state.items():
        setattr(attempt, name, value)
    return attempt


# ── host keys ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def known(home: Path, *lines: str) -> KnownHosts:
    (home / ".ssh").mkdir(exist_ok=True)
    (home / ".ssh" / "known_hosts").write_text("".join(f"{each}\n" for each in lines))
    return KnownHosts([home / ".ssh" / "known_hosts"])


def shown_key(known: KnownHosts, number: int = 1, resolved: Resolved = VPS) -> Attempt:
    attempt = made(known, resolved)
    attempt.check_key(key(number))
    return attempt


def test_an_unknown_key_is_told_with_its_type_and_fingerprint() -> None:
    assert errors.unknown("vps", key(1)) == f"the host key of vps is not known: ssh-ed25519 {printed(1)}"


def test_an_unknown_key_is_not_distrusted(home: Path) -> None:
    assert errors.distrusted("vps", shown_key(known(home, f"elsewhere {line(2)}"))) is None


def test_an_unknown_key_is_out_of_the_question_where_checking_is_strict(home: Path) -> None:
    refused = errors.distrusted("vps", shown_key(known(home), resolved=replace(VPS, strict=True)))
    assert str(refused) == (
        f"the host key of vps is not known: ssh-ed25519 {printed(1)}, and StrictHostKeyChecking is yes: "
        "add it to known_hosts yourself"
    )


def test_a_revoked_key_is_told_with_the_line_that_revokes_it(home: Path) -> None:
    refused = errors.distrusted("vps", shown_key(known(home, "#", f"@revoked * {line(1)}")))
    assert str(refused) == (f"the host key of vps is marked @revoked in ~/.ssh/known_hosts:2: ssh-ed25519 {printed(1)}")


def test_a_key_that_asyncssh_found_revoked_is_told_with_the_first_line_for_that_name(home: Path) -> None:
    lines = (f"@revoked other {line(2)}", f"@revoked * {line(3)}", f"@revoked * {line(4)}")
    refused = errors.distrusted("vps", made(known(home, *lines)))
    assert str(refused) == "the host key of vps is marked @revoked in ~/.ssh/known_hosts:2"


def test_a_revocation_whose_line_is_not_found_is_told_all_the_same(home: Path) -> None:
    assert str(errors.distrusted("vps", made(known(home)))) == "the host key of vps is marked @revoked in known_hosts"
    for half in (made(known(home), key=key(1)), made(known(home), judgement=Judgement("unknown"))):
        assert str(errors.distrusted("vps", half)) == "the host key of vps is marked @revoked in known_hosts"


def test_a_changed_key_is_told_with_the_line_the_new_key_and_the_command_for_it(home: Path) -> None:
    refused = errors.distrusted("vps", shown_key(known(home, "#", f"[vps.example.org]:2222 {line(2)}")))
    assert str(refused) == (
        "the host key of vps changed: it is not the one of ~/.ssh/known_hosts:2. Somebody may be listening in. "
        f"It shows ssh-ed25519 {printed(1)}: if the machine was reinstalled, compare that on its own console, then "
        "ssh-keygen -f ~/.ssh/known_hosts -R '[vps.example.org]:2222'"
    )


def test_the_command_for_a_changed_key_names_the_file_it_stands_in(home: Path) -> None:
    (home / "other").write_text(f"vps.example.org {line(2)}\n")
    attempt = shown_key(KnownHosts([home / "other"]), resolved=replace(VPS, port=22))
    assert str(errors.distrusted("vps", attempt)).endswith("ssh-keygen -f ~/other -R 'vps.example.org'")


def test_the_command_for_a_changed_key_names_the_usual_file_when_none_is_known() -> None:
    attempt = made(key=key(1), judgement=Judgement("changed", "somewhere"))
    assert "ssh-keygen -f ~/.ssh/known_hosts -R" in str(errors.distrusted("vps", attempt))


def test_a_new_key_is_a_question_with_all_that_is_needed_to_decide(home: Path) -> None:
    resolved = replace(VPS, user_known=(home / ".ssh" / "known_hosts", home / "second"))
    attempt = shown_key(known(home, f"old {line(1)}", f"older {line(1)}"), resolved=resolved)
    question = errors.introduce("vps", attempt)
    assert question.id == f"host-key:[vps.example.org]:2222:{printed(1)}"
    assert (question.kind, question.host, question.secret, question.quoted) == ("host-key", "vps", False, ())
    assert (question.text, question.address) == ("is this the host key of that machine?", "admin@vps.example.org")
    assert question.detail.split("\n") == [
        f"ssh-ed25519 {printed(1)}",
        "of vps.example.org port 2222, for the user admin",
        "compare it on that machine: for f in /etc/ssh/ssh_host_*_key.pub; do ssh-keygen -lf $f; done",
        "the same key is known as old (~/.ssh/known_hosts:1) and older (~/.ssh/known_hosts:2)",
        "yes adds it to ~/.ssh/known_hosts",
    ]


@pytest.mark.parametrize("judged", [True, False])
def test_a_key_nobody_knows_and_no_file_to_add_it_to_leave_those_lines_out(judged: bool) -> None:
    attempt = shown_key(KnownHosts([])) if judged else made(key=key(1))
    assert len(errors.introduce("vps", attempt).detail.split("\n")) == 3


@pytest.mark.parametrize(("host", "user", "fits"), [(80, 40, True), (81, 40, False), (80, 41, False)])
def test_a_long_host_or_user_is_cut_in_the_question(host: int, user: int, fits: bool) -> None:
    attempt = shown_key(KnownHosts([]), resolved=replace(VPS, host="h" * host, user="u" * user))
    told = errors.introduce("vps", attempt).detail.split("\n")[1]
    assert (told == f"of {'h' * host} port 2222, for the user {'u' * user}") is fits
    assert len(told) == len(f"of {'h' * 80} port 2222, for the user {'u' * 40}")


# ── logins ──────────────────────────────────────────────────────────────────────────────────────────────────────────

END = ". It is not tried again until you ask"

Prepare = Callable[[Attempt], None]


def with_notes(*notes: str) -> Prepare:
    return lambda attempt: attempt.identities.notes.extend(notes)


DENIED: list[tuple[dict[str, Any], Prepare, str, str]] = [
    ({}, with_notes(), "", ""),
    ({"expired": True}, with_notes(), "", ": the password has expired: change it with ssh"),
    ({"expired": True, "sent": Secret("x")}, with_notes(), "", ": the password has expired: change it with ssh"),
    ({"sent": Secret("x")}, with_notes(), "", ": the password was not taken"),
    ({"sent": Secret(""), "unanswered": True}, with_notes(), "", ": the password was not taken"),
    ({"unanswered": True}, with_notes(), "", ": what it asks was not answered"),
    ({}, with_notes("a key"), "", ""),
    ({"taken": ["password"]}, with_notes("a key"), "", ": it takes password"),
    ({"taken": ["publickey"]}, with_notes(), "", ": there is no key to offer, it takes publickey"),
    (
        {"taken": ["publickey", "password"], "sent": Secret("x")},
        with_notes("~/.ssh/a: not taken", "~/.ssh/b: not taken"),
        "",
        ": the password was not taken, keys: ~/.ssh/a: not taken; ~/.ssh/b: not taken, it takes publickey and password",
    ),
    (
        {},
        with_notes(),
        "Too MANY authentication failures",
        ": too many keys were offered: set IdentityFile and IdentitiesOnly yes for it",
    ),
    ({"resolved": replace(VPS, ignored=("GSSAPIAuthentication",))}, with_notes(), "", ""),
    (
        {"resolved": replace(VPS, ignored=("GSSAPIAuthentication", "PKCS11Provider", "SecurityKeyProvider"))},
        with_notes(),
        "",
        ": not honoured: PKCS11Provider and SecurityKeyProvider",
    ),
]


@pytest.mark.parametrize(("state", "prepare", "said", "why"), DENIED)
def test_a_login_that_was_not_taken_says_why_and_that_it_is_not_tried_again(
    state: dict[str, Any], prepare: Prepare, said: str, why: str
) -> None:
    attempt = made(**state)
    prepare(attempt)
    assert errors.denied("vps", attempt, said) == f"vps does not let admin in{why}{END}"


@pytest.mark.parametrize("length", [40, 41])
def test_a_long_user_is_cut_in_every_sentence(length: int) -> None:
    user = "u" * 40 if length == 40 else "u" * 39 + "…"
    resolved = replace(VPS, user="u" * length)
    assert errors.denied("vps", made(resolved=resolved), "") == f"vps does not let {user} in{END}"
    attempt = made(resolved=resolved, taken=["password"])
    failed = errors.failed("vps", attempt, asyncssh.ConnectionLost(""), "", 1)
    assert str(failed) == f"vps hung up while we logged in as {user}"


ASKED: dict[str, Any] = {"taken": ["password"]}
MANY = "Too many authentication failures"
LOST = asyncssh.ConnectionLost("Connection lost")
OTHER = asyncssh.DisconnectError(11, "go away")

FAILED: list[tuple[dict[str, Any], Exception, str, int, bool, str]] = [
    # the state of the attempt, asyncssh's error, what a proxy command said, cuts in a row, a refusal, the sentence
    ({}, asyncssh.PermissionDenied("no"), "", 0, True, f"vps does not let admin in{END}"),
    (ASKED, asyncssh.PermissionDenied("no"), "odd", 0, True, f"vps does not let admin in: it takes password{END}"),
    (
        ASKED,
        asyncssh.DisconnectError(2, MANY),
        "",
        0,
        True,
        "vps does not let admin in: too many keys were offered: set IdentityFile and IdentitiesOnly yes for it, "
        f"it takes password{END}",
    ),
    ({}, asyncssh.DisconnectError(2, MANY), "", 0, False, f'vps did not let us connect: "{MANY}"'),
    (ASKED, LOST, "", 0, False, "vps hung up while we logged in as admin"),
    (ASKED, LOST, "", 1, False, "vps hung up while we logged in as admin"),
    (ASKED, LOST, "", 2, True, f"vps hung up twice while we logged in as admin{END}"),
    ({}, LOST, "", 2, False, 'vps did not let us connect: "Connection lost"'),
    (ASKED, OTHER, "", 0, True, f'vps ended our login as admin, saying "go away"{END}'),
    ({}, OTHER, "", 0, False, 'vps did not let us connect: "go away"'),
    (
        {},
        asyncssh.KeyExchangeFailed("No matching cipher"),
        "odd",
        0,
        False,
        'vps and cowhand have no algorithm in common: "No matching cipher"',
    ),
    ({}, OTHER, "no route", 0, False, 'vps was not reached: its ProxyCommand says "no route"'),
    (
        {},
        asyncssh.ChannelOpenError(2, "no way"),
        "no route",
        0,
        False,
        'vps was not reached: its ProxyCommand says "no route"',
    ),
    (
        {},
        asyncssh.ChannelOpenError(2, "no way"),
        "",
        0,
        False,
        'vps was not reached: its jump host could not connect to it, saying "no way"',
    ),
    ({}, ConnectionResetError("reset"), "", 0, False, 'vps did not let us connect: "reset"'),
    (ASKED, ConnectionResetError("reset"), "", 0, False, 'vps did not let us connect: "reset"'),
    ({}, asyncssh.ConnectionLost(""), "", 0, False, 'vps did not let us connect: "ConnectionLost"'),
    ({}, OSError(), "", 0, False, 'vps did not let us connect: "OSError"'),
]


@pytest.mark.parametrize(("state", "error", "complaint", "cuts", "refusal", "sentence"), FAILED)
def test_a_failed_attempt_is_told_by_what_ended_it(
    state: dict[str, Any], error: Exception, complaint: str, cuts: int, refusal: bool, sentence: str
) -> None:
    told = errors.failed("vps", made(**state), error, complaint, cuts)
    assert (str(told), isinstance(told, errors.Refusal)) == (sentence, refusal)


BANNER = '. It says, in its own words: "for staff / only"'


@pytest.mark.parametrize(
    ("state", "error", "cuts", "quoted"),
    [
        ({}, asyncssh.PermissionDenied(""), 0, True),
        (ASKED, LOST, 1, True),
        (ASKED, LOST, 2, True),
        (ASKED, OTHER, 0, True),
        ({}, OTHER, 0, True),
        ({}, asyncssh.KeyExchangeFailed(""), 0, False),
    ],
)
def test_what_the_server_said_before_is_quoted_at_the_end(
    state: dict[str, Any], error: Exception, cuts: int, quoted: bool
) -> None:
    without = str(errors.failed("vps", made(**state), error, "", cuts))
    told = str(errors.failed("vps", made(**state, banner="for staff\nonly"), error, "", cuts))
    assert told == without + (BANNER if quoted else "")


@pytest.mark.parametrize(("length", "fits"), [(160, True), (161, False)])
def test_the_reason_given_is_quoted_up_to_160_characters(length: int, fits: bool) -> None:
    told = str(errors.failed("vps", made(), asyncssh.DisconnectError(2, "r" * length), "", 0))
    assert told == f'vps did not let us connect: "{"r" * 160 if fits else "r" * 157 + "..."}"'


@pytest.mark.parametrize(("length", "fits"), [(300, True), (301, False)])
def test_what_the_server_said_is_quoted_up_to_300_characters(length: int, fits: bool) -> None:
    told = str(errors.failed("vps", made(banner="b" * length), asyncssh.KeyExchangeFailed("x"), "", 0))
    assert "bbb" not in told
    told = str(errors.failed("vps", made(banner="b" * length), OTHER, "", 0))
    assert told.endswith(f': "{"b" * 300 if fits else "b" * 297 + "..."}"')


def test_a_password_that_was_not_taken_is_forgotten_and_another_kept() -> None:
    attempt = made(used=("password:vps", Secret("wrong")))
    attempt.credentials.keep("password:vps", Secret("wrong"))
    attempt.credentials.keep("password:other", Secret("right"))
    errors.failed("vps", attempt, asyncssh.PermissionDenied(""), "", 0)
    assert attempt.credentials.kept("password:vps") is None
    assert attempt.credentials.kept("password:other") is not None


def test_a_password_is_kept_when_something_else_ended_the_attempt() -> None:
    attempt = made(**ASKED, used=("password:vps", Secret("right")))
    attempt.credentials.keep("password:vps", Secret("right"))
    errors.failed("vps", attempt, LOST, "", 0)
    assert attempt.credentials.kept("password:vps") is not None
