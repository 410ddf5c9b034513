"""known_hosts, files in and a judgement out: which line speaks for a key, which against it, what is added and how."""

from __future__ import annotations

import base64
import os
import stat
from collections.abc import Sequence
from pathlib import Path

import asyncssh
import pytest

from console.hosts.ssh import known_hosts
from console.hosts.ssh.known_hosts import Judgement, KnownHosts, hash_name

ED, RSA, EC = "ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256"


def key(number: int, kind: str = ED) -> bytes:
    """The binary form of a key that nobody has."""
    return len(kind).to_bytes(4, "big") + kind.encode() + b"\0\0\0\x20" + bytes([number]) * 32


def line(number: int, kind: str = ED) -> str:
    return f"{kind} {base64.b64encode(key(number, kind)).decode()}"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


# ── judgements ──────────────────────────────────────────────────────────────────────────────────────────────────────

JUDGED: list[tuple[Sequence[str], str, str, int]] = [
    # the lines, the name looked for, what is said of key 1, the line that is named (0: none)
    ([], "vps", "unknown", 0),
    ([f"vps {line(1)}"], "vps", "known", 1),
    ([f"vps {line(2)}", f"vps {line(1)}"], "vps", "known", 2),
    ([f"vps {line(1)}", f"vps {line(1)}"], "vps", "known", 1),
    ([f"vps {line(2)}"], "vps", "changed", 1),
    ([f"other {line(2)}"], "vps", "unknown", 0),
    ([f"other {line(2)}", f"vps {line(2)}", f"vps {line(3)}"], "vps", "changed", 2),
    # of several lines that speak against it, the one of the same type is named
    ([f"vps {line(2, RSA)}", f"vps {line(2)}", f"vps {line(3)}"], "vps", "changed", 2),
    ([f"vps {line(2, RSA)}", f"vps {line(3, EC)}"], "vps", "changed", 1),
    # revoked, before or behind the line that knows it
    ([f"@revoked vps {line(1)}"], "vps", "revoked", 1),
    ([f"vps {line(1)}", f"@revoked vps {line(1)}"], "vps", "revoked", 2),
    ([f"vps {line(1)}", f"@revoked * {line(1)}"], "vps", "revoked", 2),
    ([f"vps {line(1)}", f"@revoked vps {line(2)}"], "vps", "known", 1),
    ([f"vps {line(1)}", f"@revoked other {line(1)}"], "vps", "known", 1),
    ([f"@revoked vps {line(2)}"], "vps", "unknown", 0),
    # who may sign certificates is no host key
    ([f"@cert-authority vps {line(1)}"], "vps", "unknown", 0),
    ([f"@cert-authority vps {line(2)}"], "vps", "unknown", 0),
    ([f"@cert-authority vps {line(2)}", f"vps {line(3)}"], "vps", "changed", 2),
    # ports: a key of the plain name is good for each, one of another port for none
    ([f"[vps]:2222 {line(1)}"], "[vps]:2222", "known", 1),
    ([f"[vps]:2222 {line(1)}"], "vps", "unknown", 0),
    ([f"[vps]:2222 {line(1)}"], "[vps]:2223", "unknown", 0),
    ([f"[vps]:22 {line(1)}"], "vps", "unknown", 0),
    ([f"vps {line(1)}"], "[vps]:2222", "known", 1),
    ([f"vps {line(1)}", f"[vps]:2222 {line(1)}"], "[vps]:2222", "known", 2),
    ([f"vps {line(2)}"], "[vps]:2222", "unknown", 0),
    ([f"vps {line(1)}", f"[vps]:2222 {line(2)}"], "[vps]:2222", "known", 1),
    ([f"vps {line(3)}", f"[vps]:2222 {line(2)}"], "[vps]:2222", "changed", 2),
    ([f"@revoked vps {line(1)}", f"[vps]:2222 {line(1)}"], "[vps]:2222", "revoked", 1),
    ([f"@revoked vps {line(2)}", f"[vps]:2222 {line(1)}"], "[vps]:2222", "known", 2),
    ([f"@cert-authority vps {line(1)}"], "[vps]:2222", "unknown", 0),
    ([f"2001:db8::1 {line(1)}"], "[2001:db8::1]:2222", "known", 1),
    # patterns
    ([f"vps,10.0.0.1 {line(1)}"], "10.0.0.1", "known", 1),
    ([f"*.example.org {line(1)}"], "vps.example.org", "known", 1),
    ([f"*.example.org,!vps.example.org {line(1)}"], "vps.example.org", "unknown", 0),
    ([f"VPS {line(1)}"], "vps", "known", 1),
    ([f"*,!vps {line(1)}"], "vps", "unknown", 0),
    ([f"other, {line(1)}"], "vps", "unknown", 0),
    ([f"@revoked *,!vps {line(1)}"], "vps", "unknown", 0),
    ([f"*,!vps {line(2)}"], "vps", "unknown", 0),
    ([f"{hash_name('vps')} {line(1)}"], "vps", "known", 1),
    ([f"{hash_name('vps')} {line(2)}"], "VPS", "changed", 1),
    ([f"{hash_name('VPS')} {line(1)}"], "vps", "known", 1),
    ([f"{hash_name('other')} {line(1)}"], "vps", "unknown", 0),
    ([f"{hash_name('[vps]:2222')} {line(1)}"], "[vps]:2222", "known", 1),
]


@pytest.mark.parametrize(("lines", "name", "state", "number"), JUDGED)
def test_a_key_is_judged_by_the_lines_for_its_host(
    home: Path, lines: Sequence[str], name: str, state: str, number: int
) -> None:
    file = home / "hosts"
    file.write_text("".join(f"{each}\n" for each in lines))
    judgement = KnownHosts([file]).check_key(name, key(1))
    place = (f"~/hosts:{number}", file) if number else ("", None)
    assert (judgement.state, judgement.place, judgement.file) == (state, *place)


def test_files_are_read_in_order_and_each_counts_its_own_lines(home: Path) -> None:
    first, second = home / "first", home / "second"
    first.write_text(f"a {line(1)}\n")
    second.write_text(f"\nvps {line(1)}\n")
    known = KnownHosts([first, home / "none", second])
    assert [(each.place, each.hosts) for each in known.lines] == [("~/first:1", "a"), ("~/second:2", "vps")]
    assert known.check_key("vps", key(1)) == Judgement("known", "~/second:2", second)


def test_other_names_of_an_unknown_key_are_told_but_four_and_none_that_is_revoked(home: Path) -> None:
    file = home / "hosts"
    lines = [f"@revoked z {line(1)}", f"@cert-authority y {line(1)}", f"b {line(2)}", f"{hash_name('h')} {line(1)}"]
    lines += [f"{name} {line(1)}" for name in ("n" * 61, "c", "d", "e")]
    file.write_text("\n".join(lines))
    judgement = KnownHosts([file]).check_key("vps", key(1))
    named = ("a hashed name (~/hosts:4)", f"{'n' * 59}… (~/hosts:5)", "c (~/hosts:6)", "d (~/hosts:7)")
    assert judgement == Judgement("unknown", others=named)


def test_a_name_of_60_characters_is_told_whole(home: Path) -> None:
    (home / "hosts").write_text(f"{'n' * 60} {line(1)}\n")
    (named,) = KnownHosts([home / "hosts"]).check_key("vps", key(1)).others
    assert named == f"{'n' * 60} (~/hosts:1)"


# ── what is asked of them besides ───────────────────────────────────────────────────────────────────────────────────

SORTED = [
    f"@cert-authority *.example.org {line(1)}",
    f"@cert-authority vps {line(2)}",
    f"@revoked vps {line(3)}",
    f"vps {line(4)}",
    f"[vps]:2222 {line(5, RSA)}",
    f"@revoked [vps]:2222 {line(6)}",
    f"vps {line(7, EC)}",
    f"[vps]:2222 {line(8)}",
    f"@revoked no, {line(9)}",
    f"no, {line(10)}",
]


@pytest.mark.parametrize(
    ("name", "authorities", "revoked", "kinds"),
    [
        ("vps", [2], [3], (ED, EC)),
        ("[vps]:2222", [], [6, 3], (RSA, ED, EC)),
        ("a.example.org", [1], [], ()),
        ("[vps]:23", [], [3], (ED, EC)),
        ("none", [], [], ()),
    ],
)
def test_authorities_revocations_and_types_are_those_of_the_name(
    home: Path, name: str, authorities: list[int], revoked: list[int], kinds: tuple[str, ...]
) -> None:
    (home / "hosts").write_text("\n".join(SORTED))
    known = KnownHosts([home / "hosts"])
    assert [each.number for each in known.authorities(name)] == authorities
    assert [each.number for each in known.revoked(name)] == revoked
    assert known.kinds(name) == kinds


HASHED = "|1|F1E1KeoE/eEWhi10WpGv4OdiO6Y=|3988QV0VE8wmZL7suNrYQLITLCg="
"""sshd(8)'s example, for 192.168.1.61."""


@pytest.mark.parametrize(
    ("hosts", "name", "found"),
    [
        (HASHED, "192.168.1.61", True),
        (f"{HASHED}|", "192.168.1.61", False),
        (f"{HASHED},192.168.1.61", "192.168.1.61", False),
        (HASHED.replace("F1E1", "F1*E1"), "192.168.1.61", False),
        (HASHED.replace("3988", "39*88"), "192.168.1.61", False),
        (HASHED.removesuffix("="), "192.168.1.61", False),
        ("|1|*,*", "vps", False),
        (HASHED, "192.168.1.62", False),
        (HASHED.replace("|1|", "|2|"), "192.168.1.61", False),
        ("a|1|*", "a|1|b", True),
        ("|1|ä|ö", "vps", False),
        ("|1|AAA|AAA", "vps", False),
        ("|1|", "", False),
    ],
)
def test_a_hashed_name_is_only_what_openssh_writes_so(hosts: str, name: str, found: bool) -> None:
    assert known_hosts.matches(hosts, name) is found


@pytest.mark.parametrize(
    ("inside", "outside"),
    [("/.ssh/known_hosts", "~/.ssh/known_hosts"), ("", None), ("2/known_hosts", None)],
)
def test_the_home_folder_is_shown_short_and_no_other(home: Path, inside: str, outside: str | None) -> None:
    assert known_hosts.shorten(Path(f"{home}{inside}")) == (outside or f"{home}{inside}")
    assert known_hosts.shorten(Path("/etc/ssh/ssh_known_hosts")) == "/etc/ssh/ssh_known_hosts"


# ── what a line must be ─────────────────────────────────────────────────────────────────────────────────────────────

BLOB = base64.b64encode(key(1)).decode()

READ: list[tuple[str, list[tuple[str, str]]]] = [
    # a file, and the (marker, hosts) of the lines that count
    (f"vps {ED} {BLOB}", [("", "vps")]),
    (f"vps {ED} {BLOB}\r\n", [("", "vps")]),
    (f"  vps\t{ED}  {BLOB} a comment of words\n", [("", "vps")]),
    (f"#vps {ED} {BLOB}\n", []),
    (f"# {ED} {BLOB}\n", []),
    (f"vps {ED}\n", []),
    (f"{ED} {BLOB}\n", []),
    (f"vps {RSA} {BLOB}\n", []),
    (f"vps {ED} {BLOB[:-1]}\n", []),
    (f"vps {ED} {BLOB[:8]}*{BLOB[8:]}\n", []),
    (f"vps {ED} ä\n", []),
    (f"vps {ED} {BLOB}\n\n\nb {ED} {BLOB}\n", [("", "vps"), ("", "b")]),
    (f"vps\nb {ED} {BLOB}\n", [("", "b")]),
    (f"vps {ED} ****\nb {ED} {BLOB}\n", [("", "b")]),
    (f"@odd vps {ED} {BLOB}\nb {ED} {BLOB}\n", [("", "b")]),
    (f"@ vps {ED} {BLOB}\n", []),
    (f"@revoked\n@revoked vps {ED}\n", []),
    (f"@revoked vps {ED} {BLOB}\n", [("revoked", "vps")]),
    (f"@cert-authority vps {ED} {BLOB}\nb {ED} {BLOB}", [("cert-authority", "vps"), ("", "b")]),
    (f"@Revoked vps {ED} {BLOB}\n", []),
    (f"@revoked #vps {ED} {BLOB}\n", []),
    (f"\x00\n\x0cvps {ED} {BLOB}", [("", "vps")]),
]


@pytest.mark.parametrize(("text", "lines"), READ)
def test_a_line_counts_only_when_it_is_whole(home: Path, text: str, lines: list[tuple[str, str]]) -> None:
    (home / "hosts").write_bytes(text.encode())
    known = KnownHosts([home / "hosts"])
    assert [(each.marker, each.hosts) for each in known.lines] == lines
    assert {(each.kind, each.key) for each in known.lines} <= {(ED, key(1))}


def test_words_that_are_not_utf_8_spoil_their_own_line_alone(home: Path) -> None:
    (home / "hosts").write_bytes(b"\xff\xfe\n" + f"vps {ED} {BLOB}\n".encode())
    assert [each.number for each in KnownHosts([home / "hosts"]).lines] == [2]


@pytest.mark.parametrize(("beyond", "read"), [(0, True), (1, False)])
def test_the_first_16_mib_of_a_file_are_read(home: Path, beyond: int, read: bool) -> None:
    entry = f"\nvps {ED} {BLOB}".encode()
    size = 16 * 2**20 - len(entry) + beyond
    with (home / "hosts").open("wb") as file:
        file.write(b"#" * size + entry)
    assert bool(KnownHosts([home / "hosts"]).lines) is read


def test_nothing_is_read_far_behind_the_first_16_mib(home: Path) -> None:
    with (home / "hosts").open("wb") as file:
        file.write(b"#" * 16 * 2**20 + f"\nvps {ED} {BLOB}\n".encode())
    assert KnownHosts([home / "hosts"]).lines == ()


def test_a_fingerprint_is_what_ssh_keygen_prints() -> None:
    made = asyncssh.generate_private_key("ssh-ed25519")
    assert known_hosts.fingerprint(made.public_data) == made.get_fingerprint()


@pytest.mark.parametrize(
    ("blob", "kind"),
    [
        (key(1), ED),
        (b"\0\0\0\x01a", "a"),
        (b"\0\0\0\x00", ""),
        (b"\0\0\0\x02a", ""),
        (b"\0\0\0", ""),
        (b"", ""),
        (b"\0\0\0\x40" + b"k" * 64, "k" * 64),
        (b"\0\0\0\x41" + b"k" * 65, ""),
        (b"\x01\0\0\0" + b"k" * 65, ""),
        (b"\0\0\0\x02\xffa", "\ufffda"),
    ],
)
def test_the_type_of_a_key_is_what_its_binary_form_begins_with(blob: bytes, kind: str) -> None:
    assert known_hosts.kind_of(blob) == kind


# ── what is added ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("before", ["", "# a comment\n", f"other {line(1)}\n", f"vps {line(2)}\n"])
def test_a_key_is_added_behind_what_is_there(home: Path, before: str) -> None:
    (home / "hosts").write_text(before)
    known_hosts.add(home / "hosts", "vps", key(1), hashed=False)
    assert (home / "hosts").read_text() == f"{before}vps {ED} {BLOB}\n"


@pytest.mark.parametrize("before", ["x", "# no newline at the end"])
def test_a_last_line_without_its_end_gets_one_first(home: Path, before: str) -> None:
    (home / "hosts").write_text(before)
    known_hosts.add(home / "hosts", "vps", key(1), hashed=False)
    assert (home / "hosts").read_text() == f"{before}\nvps {ED} {BLOB}\n"


@pytest.mark.parametrize(
    ("before", "added"),
    [
        (f"vps {line(1)}\n", False),
        (f"*,a {line(1)}\n", False),
        (f"{HASHED} {line(1)}\n", True),
        (f"@revoked vps {line(1)}\n", True),
        (f"@cert-authority vps {line(1)}\n", True),
        (f"#vps {line(1)}\n", True),
    ],
)
def test_a_key_that_stands_there_for_the_host_is_not_added_again(home: Path, before: str, added: bool) -> None:
    (home / "hosts").write_text(before)
    known_hosts.add(home / "hosts", "vps", key(1), hashed=False)
    assert (home / "hosts").read_text() == before + (f"vps {ED} {BLOB}\n" if added else "")


def test_a_new_file_is_the_users_alone_and_so_is_a_new_folder(home: Path) -> None:
    file = home / "new" / "deeper" / "hosts"
    known_hosts.add(file, "vps", key(1), hashed=False)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    known_hosts.add(file, "b", key(1), hashed=False)
    assert file.read_text() == f"vps {ED} {BLOB}\nb {ED} {BLOB}\n"


def test_a_key_that_was_added_is_on_the_disk_before_it_counts_as_known(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda _: synced.append((home / "hosts").read_text()))
    known_hosts.add(home / "hosts", "vps", key(1), hashed=False)
    assert synced == [f"vps {ED} {BLOB}\n"]


def test_a_hashed_name_is_written_with_a_salt_of_its_own(home: Path) -> None:
    for _ in range(2):
        known_hosts.add(home / "hosts", "VPS", key(1), hashed=True)
    (entry,) = (home / "hosts").read_text().splitlines()
    hosts, *rest = entry.split(" ")
    assert rest == [ED, BLOB] and known_hosts.matches(hosts, "vps")
    mark, one, salt, digest = hosts.split("|")
    assert (mark, one, len(base64.b64decode(salt)), len(base64.b64decode(digest))) == ("", "1", 20, 20)
    assert hash_name("vps") != hash_name("vps")
