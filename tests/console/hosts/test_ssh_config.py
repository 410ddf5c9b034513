"""What OpenSSH's configuration means to us: from `ssh -G`'s lines, and from the files where there is no ssh."""

from __future__ import annotations

import getpass
import os
import pwd
import socket
from pathlib import Path
from typing import Any

import pytest

from console.errors import NoWayIn
from console.hosts.ssh import config
from console.hosts.ssh.config import ignored, interpret
from console.hosts.ssh.reader import read_without_ssh

HOME = Path(pwd.getpwuid(os.getuid()).pw_dir)


def raw(**lines: str | tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    return {name: (value,) if isinstance(value, str) else value for name, value in lines.items()}


MEANINGS: list[tuple[dict[str, tuple[str, ...]], str, Any]] = [
    (raw(), "port", 22),
    (raw(), "host", "vps"),
    (raw(), "user", getpass.getuser()),
    (raw(hostname="vps.example.org", port="2222", user="deploy"), "known_as", "[vps.example.org]:2222"),
    (raw(hostname="vps.example.org"), "known_as", "vps.example.org"),
    (raw(hostkeyalias="Mine", port="2222"), "known_as", "mine"),
    (raw(identityfile=("~/.ssh/a", "/k/%r@%h")), "identities", (HOME / ".ssh/a", Path("/k/me@vps"))),
    (raw(identityfile="none"), "identities", ()),
    (raw(certificatefile="~/c-cert.pub"), "certificates", (HOME / "c-cert.pub",)),
    (raw(identityagent="none"), "agent", None),
    (raw(identityagent="~/agent.sock"), "agent", str(HOME / "agent.sock")),
    (raw(identityagent="$MY_AGENT"), "agent", "/run/mine"),
    (raw(identityagent="SSH_AUTH_SOCK"), "agent", "/run/auth"),
    (raw(), "agent", "/run/auth"),
    (raw(identitiesonly="yes"), "only", True),
    (raw(proxyjump="a,b@c:33"), "jumps", ("a", "b@c:33")),
    (raw(proxyjump="none"), "jumps", ()),
    (raw(proxycommand="nc %h %p %%"), "proxy", "nc vps 22 %"),
    (raw(proxycommand="none"), "proxy", None),
    (raw(proxycommand="nc %h %p", proxyjump="a"), "proxy", None),
    (raw(userknownhostsfile="/a/b /c/d"), "user_known", (Path("/a/b"), Path("/c/d"))),
    (raw(userknownhostsfile="/a/b c/d /e"), "user_known", (Path("/a/b c/d"), Path("/e"))),
    (raw(userknownhostsfile="none"), "user_known", ()),
    (raw(), "user_known", (HOME / ".ssh/known_hosts", HOME / ".ssh/known_hosts2")),
    (raw(hashknownhosts="yes"), "hashed", True),
    (raw(stricthostkeychecking="yes"), "strict", True),
    (raw(stricthostkeychecking="true"), "strict", True),
    (raw(stricthostkeychecking="ask"), "strict", False),
    (raw(batchmode="yes"), "batch", True),
    (raw(), "methods", ("publickey", "keyboard-interactive", "password")),
    (raw(passwordauthentication="no", pubkeyauthentication="false"), "methods", ("keyboard-interactive",)),
    (raw(preferredauthentications="password,gssapi-with-mic"), "methods", ("password",)),
    (raw(connecttimeout="7"), "timeout", 7.0),
    (raw(connecttimeout="none"), "timeout", 10.0),
    (raw(serveraliveinterval="0", serveralivecountmax="5"), "alive", (15, 5)),
    (raw(serveraliveinterval="60"), "alive", (60, 3)),
    (raw(addressfamily="inet6"), "family", socket.AF_INET6),
    (raw(bindaddress="127.0.0.2"), "bind", "127.0.0.2"),
    (raw(bindaddress="none"), "bind", None),
    (raw(tcpkeepalive="no"), "keepalive", False),
    (raw(compression="yes"), "compression", True),
]


@pytest.mark.parametrize(("lines", "name", "value"), MEANINGS)
def test_a_directive_means_what_it_means_to_openssh(
    lines: dict[str, tuple[str, ...]], name: str, value: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_AGENT", "/run/mine")
    monkeypatch.setenv("SSH_AUTH_SOCK", "/run/auth")
    if name == "identities":
        lines = {**lines, "user": ("me",)}
    assert getattr(interpret("vps", lines), name) == value


@pytest.mark.parametrize(
    ("destination", "alias"),
    [
        ("vps", "vps"),
        ("me@vps", "vps"),
        ("a@b@vps", "vps"),
        ("ssh://me@vps:2222", "vps"),
        ("ssh://vps/", "vps"),
        ("ssh://[2001:db8::1]:2222", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
    ],
)
def test_the_alias_is_the_destination_without_user_and_port(destination: str, alias: str) -> None:
    assert interpret(destination, {}).alias == alias


@pytest.mark.parametrize(
    ("lines", "names"),
    [
        (raw(knownhostscommand="/bin/x %H"), ("KnownHostsCommand",)),
        (raw(knownhostscommand="none", pkcs11provider="none", controlpath="none"), ()),
        (raw(pkcs11provider="/usr/lib/x.so", gssapiauthentication="yes"), ("PKCS11Provider", "GSSAPIAuthentication")),
        (raw(controlpath="/tmp/%C"), ("ControlPath",)),
        (raw(verifyhostkeydns="ask"), ("VerifyHostKeyDNS",)),
        (raw(checkhostip="yes", hostbasedauthentication="yes"), ("CheckHostIP", "HostbasedAuthentication")),
        (raw(stricthostkeychecking="accept-new"), ("StrictHostKeyChecking",)),
        (raw(stricthostkeychecking="off"), ("StrictHostKeyChecking",)),
        (raw(nohostauthenticationforlocalhost="yes"), ("NoHostAuthenticationForLocalhost",)),
        (raw(requiredrsasize="3072"), ("RequiredRSASize",)),
        (raw(securitykeyprovider="/x.so"), ("SecurityKeyProvider",)),
        (raw(addkeystoagent="confirm"), ("AddKeysToAgent",)),
    ],
)
def test_what_is_not_honoured_is_named(lines: dict[str, tuple[str, ...]], names: tuple[str, ...]) -> None:
    assert ignored(lines) == names


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (raw(proxycommand="x", proxyusefdpass="yes"), "ProxyUseFdpass is set for vps"),
        (raw(identityfile="~/%x"), "uses %x, which cowhand cannot expand"),
        (raw(identityfile="${NO_SUCH_VARIABLE}/k"), r"uses \$\{NO_SUCH_VARIABLE\}, which is not set here"),
    ],
)
def test_what_would_lead_astray_is_refused(lines: dict[str, tuple[str, ...]], words: str) -> None:
    with pytest.raises(NoWayIn, match=words):
        interpret("vps", lines)


FILE = """\
# mine
Include more/*.conf
Host vps
  HostName %h.example.org
  User deploy
  Port 2222
  IdentityFile "~/.ssh/my key"
  IdentityFile=~/.ssh/%r@%h
  IdentitiesOnly yes
  UserKnownHostsFile /a/b /c/d
  HashKnownHosts yes
  StrictHostKeyChecking accept-new
  KnownHostsCommand /bin/x
  ConnectTimeout 7
Host vp? !vps
  User nobody
Match host *.example.org user deploy
  ServerAliveInterval 33
Host *
  User late
  ProxyCommand nc -q 1 %h %p
  HostKeyAlgorithms +ssh-rsa
  AddressFamily inet6
  PasswordAuthentication no
"""


def test_the_files_are_read_where_there_is_no_ssh(tmp_path: Path) -> None:
    file = tmp_path / "config"
    file.write_text(FILE)
    found = interpret("vps", read_without_ssh("vps", file))
    assert (found.host, found.port, found.user) == ("vps.example.org", 2222, "deploy")
    assert found.identities == (HOME / ".ssh/my key", HOME / ".ssh/deploy@vps.example.org")
    assert (found.only, found.hashed, found.timeout, found.alive) == (True, True, 7.0, (33, 3))
    assert found.user_known == (Path("/a/b"), Path("/c/d"))
    assert found.proxy == "nc -q 1 vps.example.org 2222"
    assert found.family == socket.AF_INET6 and found.methods == ("publickey", "keyboard-interactive")
    assert found.ignored == ("KnownHostsCommand", "StrictHostKeyChecking")
    assert interpret("me@vpn", read_without_ssh("me@vpn", file)).user == "me"
    assert interpret("vpn", read_without_ssh("vpn", file)).user == "nobody"
    assert interpret("ssh://vps:99", read_without_ssh("ssh://vps:99", file)).port == 99


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Host vps\n  Port many\n", "config line 2: Invalid Port integer value: many"),
        ('Host vps\n  User "open\n', "config line 2: "),
        ("Match exec true\n  User x\n", "Match exec and localnetwork need OpenSSH's own ssh"),
        ("CanonicalizeHostname yes\n", "CanonicalizeHostname needs OpenSSH's own ssh"),
    ],
)
def test_what_cannot_be_read_is_said_with_its_line(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "config").write_text(text)
    with pytest.raises(NoWayIn, match=words):
        read_without_ssh("vps", tmp_path / "config")


def test_match_final_is_read_in_a_second_pass(tmp_path: Path) -> None:
    (tmp_path / "config").write_text(
        "Host vps\n  HostName h.example.org\nMatch final host h.example.org\n  Port 2222\n"
    )
    assert interpret("vps", read_without_ssh("vps", tmp_path / "config")).port == 2222


async def test_a_machine_without_ssh_uses_the_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config").write_text("Host vps\n  Port 2222\n")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert (await config.resolve("vps", tmp_path / "config")).port == 2222


FAKE = """#!/bin/sh
case "$6" in
  hangs) sleep 60;;
  broken) echo; echo "config: line 3: Bad configuration option: foo" >&2; exit 255;;
  *) echo "certificatefile $2"; echo "port 2222"; echo "identityfile ~/.ssh/a b"; echo "identityfile /c"
    echo "identityfile";;
esac
"""


async def test_ssh_is_asked_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ssh").write_text(FAKE)
    (tmp_path / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    file = tmp_path / "my config"
    found = await config.resolve("vps", file)
    assert (found.certificates, found.port) == ((file,), 2222)
    assert found.identities == (HOME / ".ssh/a b", Path("/c"))
    with pytest.raises(
        NoWayIn, match="cannot read its configuration for broken: config: line 3: Bad configuration option"
    ):
        await config.resolve("broken", file)
    monkeypatch.setattr(config, "TIME", 0.3)
    with pytest.raises(NoWayIn, match="ssh -G hangs did not end"):
        await config.resolve("hangs", file)
