"""Our reading of the configuration equals `ssh -G`, directive by directive; what we cannot honour is named."""

from __future__ import annotations

import getpass
from pathlib import Path

import pytest

from console.hosts.ssh.config import Resolved, ask_ssh, interpret, resolve
from console.hosts.ssh.reader import read_without_ssh

CONFIGS = {
    "nothing": "",
    "plain": "Host vps\n HostName v.example.org\n User deploy\n Port 2222\n",
    "equals": "Host=vps\n HostName = v.example.org\n Port=2222\n",
    "first wins": "Host vps\n Port 1\nHost *\n Port 2\n User late\n",
    "negated": "Host v* !vps\n Port 1\nHost vps\n Port 2\n",
    "tokens": "Host vps\n HostName %h.example.org\n IdentityFile ~/.ssh/%n-%r@%h:%p\n User deploy\n",
    "quotes": 'Host vps\n IdentityFile "~/.ssh/my key"\n ProxyCommand nc -q 1 %h %p\n',
    "include": "Include {folder}/more/*.conf\nHost vps\n Port 1\n",
    "include in host": "Host vps\n Include {folder}/more/a.conf\nHost *\n User late\n",
    "match host": "Host vps\n HostName v.example.org\nMatch host *.example.org\n Port 2222\n",
    "match originalhost": "Match originalhost vps\n Port 2222\n",
    "match user": "Match user deploy\n Port 2222\nHost *\n User deploy\n",
    "match localuser": f"Match localuser {getpass.getuser()}\n Port 2222\n",
    "match all": "Match all\n Port 2222\n",
    "match final": "Host vps\n HostName v.example.org\nMatch final host v.example.org\n Port 2222\n",
    "jump": "Host vps\n ProxyJump a,me@b:33\n",
    "jump and command": "Host vps\n ProxyCommand nc %h %p\n ProxyJump a\n",
    "no jump": "Host vps\n ProxyJump none\nHost *\n ProxyJump a\n",
    "alias": "Host vps\n HostKeyAlias other\n",
    "known hosts": "Host vps\n UserKnownHostsFile /a/b ~/c\n GlobalKnownHostsFile none\n HashKnownHosts yes\n",
    "no known hosts": "Host vps\n UserKnownHostsFile none\n",
    "identities": "Host vps\n IdentityFile ~/a\n IdentityFile /b\n IdentitiesOnly yes\n CertificateFile ~/c-cert.pub\n",
    "no identity": "Host vps\n IdentityFile none\n",
    "agent": "Host vps\n IdentityAgent ~/agent.sock\n",
    "no agent": "Host vps\n IdentityAgent none\n",
    "agent by name": "Host vps\n IdentityAgent SSH_AUTH_SOCK\n",
    "timing": "Host vps\n ConnectTimeout 7\n ServerAliveInterval 20\n ServerAliveCountMax 2\n TCPKeepAlive no\n",
    "network": "Host vps\n AddressFamily inet6\n BindAddress 127.0.0.2\n Compression yes\n",
    "strict": "Host vps\n StrictHostKeyChecking yes\n BatchMode yes\n ServerAliveInterval 5\n",
    "methods": "Host vps\n PasswordAuthentication no\n PreferredAuthentications password,publickey\n",
    "not honoured": (
        "Host vps\n KnownHostsCommand /bin/x %H\n ControlPath /tmp/%C\n VerifyHostKeyDNS yes\n CheckHostIP yes\n"
        " StrictHostKeyChecking accept-new\n HostbasedAuthentication yes\n PKCS11Provider /x.so\n"
    ),
    "case": "hOsT vps\n hostNAME V.Example.ORG\n PORT 2222\n",
    "comments": "# a\n\nHost vps # b\n",
}

FIELDS = [name for name in Resolved.__struct_fields__ if name not in ("algorithms",)]


@pytest.mark.parametrize("name", [name for name in CONFIGS if name != "comments"])
@pytest.mark.parametrize("destination", ["vps", "me@vps", "ssh://me@vps:99"])
async def test_the_reader_equals_ssh(tmp_path: Path, name: str, destination: str) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more/a.conf").write_text("Host vps\n User included\n Port 3\n")
    file = tmp_path / "config"
    file.write_text(CONFIGS[name].format(folder=tmp_path))
    theirs = interpret(destination, await ask_ssh("ssh", destination, file))
    ours = interpret(destination, read_without_ssh(destination, file))
    known = [path for path in ours.identities if path.name not in ("id_xmss", "id_dsa")]
    assert [path for path in theirs.identities if path.name not in ("id_xmss", "id_dsa")] == known
    for field in FIELDS:
        if field != "identities":
            assert getattr(ours, field) == getattr(theirs, field), field


async def test_what_ssh_says_is_what_is_resolved(tmp_path: Path) -> None:
    file = tmp_path / "config"
    file.write_text(CONFIGS["not honoured"])
    found = await resolve("vps", file)
    assert set(found.ignored) == {
        "KnownHostsCommand",
        "ControlPath",
        "VerifyHostKeyDNS",
        "CheckHostIP",
        "StrictHostKeyChecking",
        "HostbasedAuthentication",
        "PKCS11Provider",
    }


async def test_match_exec_is_left_to_ssh(tmp_path: Path) -> None:
    file = tmp_path / "config"
    file.write_text('Match originalhost vps exec "test %n = vps"\n Port 2222\n')
    assert (await resolve("vps", file)).port == 2222
