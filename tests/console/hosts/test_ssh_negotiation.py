"""What asyncssh is told: nothing from files of its own, the ways to log in that are configured, algorithms in order."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from msgspec.structs import replace

from console.errors import NoWayIn
from console.hosts.ssh import negotiation
from console.hosts.ssh.config import Resolved
from console.hosts.ssh.known_hosts import KnownHosts
from console.hosts.ssh.login import Attempt
from console.questions import Credentials

VPS = Resolved("vps", "vps.example.org", 22, "admin", methods=("publickey",))

KEYS = [asyncssh.generate_private_key("ssh-ed25519").export_public_key("openssh").decode().strip() for _ in range(3)]
RSA = "ssh-rsa AAAAB3NzaC1yc2E="
"""A line that known_hosts may hold, of the right type and with no key behind it."""


def known(folder: Path, *lines: str) -> KnownHosts:
    (folder / "hosts").write_text("".join(f"{each}\n" for each in lines))
    return KnownHosts([folder / "hosts"])


def chosen(resolved: Resolved = VPS, hosts: KnownHosts | None = None, *, certificates: bool = False) -> dict[str, Any]:
    attempt = Attempt("vps", resolved, hosts or KnownHosts([]), Credentials(), lambda _: None)
    return negotiation.options(attempt, certificates)


def test_everything_is_ours_and_nothing_is_read_or_offered_that_was_not_configured() -> None:
    told = chosen()
    assert issubclass(told.pop("client_factory"), asyncssh.SSHClient)
    assert "ssh-ed25519" in told.pop("server_host_key_algs")
    assert "curve25519-sha256" in told.pop("kex_algs")
    assert told == {
        "config": None,
        "username": "admin",
        "client_keys": None,
        "agent_forwarding": False,
        "known_hosts": ([], [], []),
        "host_key_alias": None,
        "x509_trusted_certs": None,
        "preferred_auth": ("publickey",),
        "public_key_auth": True,
        "kbdint_auth": False,
        "password_auth": False,
        "host_based_auth": False,
        "gss_host": None,
        "gss_kex": False,
        "gss_auth": False,
        "login_timeout": 0,
        "keepalive_interval": 15,
        "keepalive_count_max": 3,
        "tcp_keepalive": True,
        "compression_algs": "none",
        "utf8_decode_errors": "replace",
    }


@pytest.mark.parametrize(
    ("methods", "ways"),
    [
        ((), (False, False, False)),
        (("password",), (False, False, True)),
        (("keyboard-interactive",), (False, True, False)),
        (("password", "publickey", "keyboard-interactive"), (True, True, True)),
    ],
)
def test_a_way_to_log_in_is_open_only_where_it_is_configured(
    methods: tuple[str, ...], ways: tuple[bool, bool, bool]
) -> None:
    told = chosen(replace(VPS, methods=methods))
    assert (told["public_key_auth"], told["kbdint_auth"], told["password_auth"]) == ways
    assert told["preferred_auth"] == methods


def test_the_rest_of_the_configuration_is_passed_on() -> None:
    told = chosen(replace(VPS, key_alias="mine", alive=(7, 9), keepalive=False, compression=True))
    assert (told["host_key_alias"], told["keepalive_interval"], told["keepalive_count_max"]) == ("mine", 7, 9)
    assert (told["tcp_keepalive"], told["compression_algs"]) == (False, "zlib@openssh.com,zlib,none")


# ── algorithms ──────────────────────────────────────────────────────────────────────────────────────────────────────

ARGUMENTS = [
    # the directive, asyncssh's argument, two that asyncssh knows, in no order of its own
    ("ciphers", "encryption_algs", ("aes128-ctr", "chacha20-poly1305@openssh.com")),
    ("macs", "mac_algs", ("hmac-sha2-512", "hmac-sha2-256-etm@openssh.com")),
    ("kexalgorithms", "kex_algs", ("ecdh-sha2-nistp256", "curve25519-sha256")),
    ("pubkeyacceptedalgorithms", "signature_algs", ("rsa-sha2-512", "ssh-ed25519")),
]


@pytest.mark.parametrize(("directive", "argument", "names"), ARGUMENTS)
def test_configured_algorithms_are_used_in_their_order_as_far_as_they_are_known(
    directive: str, argument: str, names: tuple[str, ...]
) -> None:
    told = chosen(replace(VPS, algorithms=((directive, (names[0], "of-tomorrow", names[1])),)))
    assert told[argument] == list(names)
    others = {each[1] for each in ARGUMENTS} - {argument, "kex_algs"}
    assert not others & told.keys()


@pytest.mark.parametrize("directive", ["Ciphers", "KexAlgorithms", "PubkeyAcceptedAlgorithms"])
def test_a_directive_with_nothing_known_in_it_is_a_refusal(directive: str) -> None:
    with pytest.raises(NoWayIn) as caught:
        chosen(replace(VPS, algorithms=((directive.lower(), ("of-tomorrow", "of-old")),)))
    assert str(caught.value) == f"cowhand knows none of the {directive} set for vps: of-tomorrow and of-old"


def test_macs_may_all_be_unknown_for_a_cipher_may_need_none() -> None:
    """And what is set after them still counts."""
    algorithms = (("macs", ("of-tomorrow",)), ("kexalgorithms", ("curve25519-sha256",)))
    told = chosen(replace(VPS, algorithms=algorithms))
    assert "mac_algs" not in told and told["kex_algs"] == ["curve25519-sha256"]


# ── host keys ───────────────────────────────────────────────────────────────────────────────────────────────────────

ED, ED_CERT = "ssh-ed25519", "ssh-ed25519-cert-v01@openssh.com"
EC, EC_CERT = "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256-cert-v01@openssh.com"
WANTED = (EC, ED_CERT, "rsa-sha2-512", "rsa-sha2-256", EC_CERT, "of-tomorrow", ED)
PLAIN = [EC, "rsa-sha2-512", "rsa-sha2-256", ED]

ASKED: list[tuple[Sequence[str], bool, list[str]]] = [
    # lines of known_hosts, whether certificates are of use, what is asked for of WANTED
    ([], False, PLAIN),
    ([], True, PLAIN),
    ([f"vps.example.org {KEYS[0]}"], False, [ED, EC, "rsa-sha2-512", "rsa-sha2-256"]),
    ([f"vps.example.org {RSA}"], False, ["rsa-sha2-512", "rsa-sha2-256", EC, ED]),
    ([f"other {KEYS[0]}"], False, PLAIN),
    ([f"@cert-authority * {KEYS[0]}"], False, PLAIN),
    ([f"@cert-authority * {KEYS[0]}"], True, [ED_CERT, EC_CERT, *PLAIN]),
    ([f"@cert-authority other {KEYS[0]}"], True, PLAIN),
    ([f"@revoked * {KEYS[0]}"], True, PLAIN),
]


@pytest.mark.parametrize(("lines", "certificates", "asked"), ASKED)
def test_known_types_are_asked_for_first_and_certificates_where_their_signer_is_known(
    tmp_path: Path, lines: Sequence[str], certificates: bool, asked: list[str]
) -> None:
    resolved = replace(VPS, algorithms=(("hostkeyalgorithms", WANTED),))
    told = chosen(resolved, known(tmp_path, *lines), certificates=certificates)
    assert told["server_host_key_algs"] == asked


def test_without_a_setting_the_usual_algorithms_are_asked_for_and_no_weak_ones(tmp_path: Path) -> None:
    hosts = known(tmp_path, f"@cert-authority * {KEYS[0]}", f"vps.example.org {KEYS[1]}")
    plain = chosen(hosts=hosts)["server_host_key_algs"]
    assert plain[0] == ED and {EC, "rsa-sha2-512"} < set(plain) and "ssh-dss" not in plain
    assert not [name for name in plain if "-cert-" in name]
    both = chosen(hosts=hosts, certificates=True)["server_host_key_algs"]
    assert both[-len(plain) :] == plain and {ED_CERT, EC_CERT} < set(both[: -len(plain)])


def test_host_key_algorithms_of_which_none_is_known_are_a_refusal() -> None:
    with pytest.raises(NoWayIn) as caught:
        chosen(replace(VPS, algorithms=(("hostkeyalgorithms", ("of-tomorrow",)),)))
    assert str(caught.value) == "cowhand knows none of the HostKeyAlgorithms set for vps"


def test_signers_and_revoked_keys_are_passed_on_and_no_key_is_trusted_beside_our_own_judgement(tmp_path: Path) -> None:
    """A line of no real key is passed over, and those behind it count."""
    lines = [f"@cert-authority * {RSA}", f"@revoked * {RSA}", f"@cert-authority * {KEYS[0]}", f"@revoked * {KEYS[1]}"]
    hosts = known(tmp_path, *lines, f"@cert-authority other {KEYS[2]}", f"vps.example.org {KEYS[2]}")
    wanted: tuple[list[bytes], ...] = ([], [KEYS[0].encode()], [KEYS[1].encode()])
    assert chosen(hosts=hosts)["known_hosts"] == wanted


@pytest.mark.parametrize("alias", [None, "mine"])
def test_the_name_that_known_hosts_is_asked_for_is_the_alias_or_the_address(tmp_path: Path, alias: str | None) -> None:
    lines = [f"@cert-authority mine {KEYS[0]}", f"@cert-authority vps.example.org {KEYS[1]}"]
    told = chosen(replace(VPS, key_alias=alias), known(tmp_path, *lines))
    assert told["known_hosts"] == ([], [KEYS[0 if alias else 1].encode()], [])
