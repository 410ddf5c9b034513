"""What OpenSSH would do for a destination: asked of `ssh -G` where there is one, else read from its configuration."""

from __future__ import annotations

import asyncio
import hashlib
import os
import pwd
import re
import signal
import socket
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from console.errors import NoWayIn
from console.hosts import names
from console.hosts.programs import own_environment, program
from console.hosts.ssh.reader import read_without_ssh
from console.text import clean

TIME = 10.0
"""Seconds `ssh -G` may take: a `Match exec` of the operator's runs inside it."""

CONNECT = 10.0
"""Seconds for a TCP connection when ConnectTimeout says nothing."""

ALIVE = 15
"""Seconds of silence until the link is asked whether it is alive, when ServerAliveInterval says nothing."""

Raw = Mapping[str, tuple[str, ...]]
"""Directive in lower case → its values, as `ssh -G` prints them."""

_ASKED_ANYWAY = ("no", "off", "accept-new", "false")


class Resolved(Struct, frozen=True):
    """How to reach a destination. `ignored` names the directives that are set and that we cannot honour."""

    alias: str
    host: str
    port: int
    user: str
    identities: tuple[Path, ...] = ()
    certificates: tuple[Path, ...] = ()
    agent: str | None = None
    only: bool = False
    jumps: tuple[str, ...] = ()
    proxy: str | None = None
    key_alias: str | None = None
    user_known: tuple[Path, ...] = ()
    global_known: tuple[Path, ...] = ()
    hashed: bool = False
    strict: bool = False
    batch: bool = False
    methods: tuple[str, ...] = ()
    timeout: float = CONNECT
    alive: tuple[int, int] = (ALIVE, 3)
    keepalive: bool = True
    family: int = 0
    bind: str | None = None
    interface: str | None = None
    compression: bool = False
    algorithms: tuple[tuple[str, tuple[str, ...]], ...] = ()
    ignored: tuple[str, ...] = ()

    @property
    def known_as(self) -> str:
        """The name its host key is looked up by, as known_hosts spells it."""
        if self.key_alias:
            return self.key_alias
        return self.host if self.port == 22 else f"[{self.host}]:{self.port}"

    @property
    def route(self) -> str:
        """What tells this machine from another with the same address elsewhere: its key's name and the way to it."""
        return " ".join((self.known_as, *self.jumps, self.proxy or ""))

    def allowed(self, name: str) -> tuple[str, ...]:
        """The algorithms of that directive, in order; () when nothing says."""
        return dict(self.algorithms).get(name, ())


async def resolve(destination: str, file: Path | None = None) -> Resolved:
    """Return how OpenSSH would reach `destination` (an alias, user@host or ssh:// URI); `file` stands for ssh's -F.

    Raises `NoWayIn` when the configuration cannot be read, or asks for what we cannot do."""
    if wrong := names.complaint(destination):
        raise NoWayIn(wrong)
    if ssh := program("ssh"):
        raw = await ask_ssh(ssh, destination, file)
    else:
        raw = read_without_ssh(destination, file)
    return interpret(destination, raw)


async def ask_ssh(ssh: str, destination: str, file: Path | None = None) -> Raw:
    """Return what `ssh -G` prints for a destination, `ssh` being its path; raises `NoWayIn` with ssh's own words."""
    argv = [ssh, *(("-F", str(file)) if file else ()), "-T", "-G", "--", destination]
    process = _spawn(argv)
    try:
        out, err = await asyncio.to_thread(_finish, process)
    except subprocess.TimeoutExpired:
        raise NoWayIn(f"ssh -G {destination} did not end within {TIME:g} s: a Match exec hangs?") from None
    except asyncio.CancelledError:
        _kill(process)
        raise
    if process.returncode:
        said = next((line for line in err.decode("utf-8", "replace").splitlines() if line.strip()), "no reason given")
        raise NoWayIn(f"ssh cannot read its configuration for {destination}: {clean(said, 160)}")
    raw: dict[str, tuple[str, ...]] = {}
    for line in out.decode("utf-8", "surrogateescape").split("\n"):
        word, _, value = line.partition(" ")
        if value:
            raw[word.lower()] = (*raw.get(word.lower(), ()), value)
    return raw


def _spawn(argv: list[str]) -> subprocess.Popen[bytes]:
    pipe = subprocess.PIPE
    return subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, start_new_session=True, env=own_environment()
    )


def _finish(process: subprocess.Popen[bytes]) -> tuple[bytes, bytes]:
    with process:
        try:
            return process.communicate(timeout=TIME)
        except subprocess.TimeoutExpired:
            _kill(process)
            raise


def _kill(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def interpret(destination: str, raw: Raw) -> Resolved:
    """Turn directives into what we do; raises `NoWayIn` for those that would lead us astray."""
    _, alias, _ = names.split(destination)
    host = (_last(raw, "hostname") or alias).lower()
    port = int(_last(raw, "port") or 22)
    user = _last(raw, "user") or pwd.getpwuid(os.getuid()).pw_name
    key_alias = _last(raw, "hostkeyalias")
    jump = _last(raw, "proxyjump")
    _check(alias, host, user, key_alias)
    expand = Tokens(alias, host, port, user, key_alias, jump or "")
    proxy = _last(raw, "proxycommand")
    if proxy and _yes(raw, "proxyusefdpass"):
        raise NoWayIn(f"ProxyUseFdpass is set for {alias}: cowhand cannot honour it")
    return Resolved(
        alias,
        host,
        port,
        user,
        identities=tuple(expand.path(value) for value in raw.get("identityfile", ()) if value != "none"),
        certificates=tuple(expand.path(value) for value in raw.get("certificatefile", ()) if value != "none"),
        agent=_agent(raw, expand),
        only=_yes(raw, "identitiesonly"),
        jumps=tuple(filter(None, jump.split(","))) if jump else (),
        proxy=expand(proxy) if proxy and not jump else None,
        key_alias=key_alias.lower() if key_alias else None,
        user_known=_files(raw, "userknownhostsfile", expand, ("~/.ssh/known_hosts", "~/.ssh/known_hosts2")),
        global_known=_files(
            raw, "globalknownhostsfile", expand, ("/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2")
        ),
        hashed=_yes(raw, "hashknownhosts"),
        strict=_yes(raw, "stricthostkeychecking"),
        batch=_yes(raw, "batchmode"),
        methods=_methods(raw),
        timeout=float(_number(raw, "connecttimeout") or CONNECT),
        alive=(_number(raw, "serveraliveinterval") or ALIVE, _number(raw, "serveralivecountmax") or 3),
        keepalive=_last(raw, "tcpkeepalive") != "no",
        family={"inet": socket.AF_INET, "inet6": socket.AF_INET6}.get(_last(raw, "addressfamily") or "", 0),
        bind=_last(raw, "bindaddress"),
        interface=_last(raw, "bindinterface"),
        compression=_yes(raw, "compression"),
        algorithms=tuple(
            (name, tuple(values.split(",")))
            for name in ("ciphers", "macs", "kexalgorithms", "hostkeyalgorithms", "pubkeyacceptedalgorithms")
            if (values := _last(raw, name))
        ),
        ignored=ignored(raw),
    )


def ignored(raw: Raw) -> tuple[str, ...]:
    """Name the directives that are set and that we do not honour, as OpenSSH spells them."""
    names = [
        name
        for name, quiet in (
            ("KnownHostsCommand", ("none",)),
            ("PKCS11Provider", ("none",)),
            ("ControlPath", ("none",)),
            ("SecurityKeyProvider", ("internal", "$SSH_SK_PROVIDER")),
            ("VerifyHostKeyDNS", ("no", "false")),
            ("CheckHostIP", ("no", "false")),
            ("NoHostAuthenticationForLocalhost", ("no", "false")),
            ("HostbasedAuthentication", ("no", "false")),
            ("GSSAPIAuthentication", ("no", "false")),
            ("AddKeysToAgent", ("no", "false")),
            ("RequiredRSASize", ("1024",)),
        )
        if (value := _last(raw, name.lower())) and value.lower() not in (word.lower() for word in quiet)
    ]
    if (_last(raw, "stricthostkeychecking") or "").lower() in _ASKED_ANYWAY:
        names.append("StrictHostKeyChecking")
    return tuple(names)


class Tokens:
    """Expands %h, %r, ~ and ${NAME} as ssh_config(5) says; raises `NoWayIn` for what it does not know."""

    def __init__(self, alias: str, host: str, port: int, user: str, key_alias: str | None, jump: str) -> None:
        me = pwd.getpwuid(os.getuid())
        here = socket.gethostname()
        self.home = me.pw_dir
        joined = f"{here}{host}{port}{user}{jump}"
        self.values = {
            "%": "%",
            "C": hashlib.sha1(joined.encode(), usedforsecurity=False).hexdigest(),
            "d": me.pw_dir,
            "h": host,
            "i": str(me.pw_uid),
            "j": jump,
            "k": key_alias or host,
            "L": here.partition(".")[0],
            "l": here,
            "n": alias,
            "p": str(port),
            "r": user,
            "u": me.pw_name,
        }

    def __call__(self, text: str) -> str:
        """Expand the percent tokens and environment variables of a value."""
        return re.sub(r"%(.)|\$\{(\w+)\}", self._one, text)

    def path(self, text: str) -> Path:
        """Expand a file name; `~` is the account's home, whatever $HOME says, as it is for OpenSSH."""
        text = self(text)
        if text == "~" or text.startswith("~/"):
            return Path(self.home + text[1:])
        return Path(text).expanduser() if text.startswith("~") else Path(text)

    def _one(self, match: re.Match[str]) -> str:
        token, name = match.groups()
        if name is not None:
            if name not in os.environ:
                raise NoWayIn(f"the SSH configuration uses ${{{name}}}, which is not set here")
            return os.environ[name]
        if token not in self.values:
            raise NoWayIn(f"the SSH configuration uses %{token}, which cowhand cannot expand")
        return self.values[token]


def _check(alias: str, host: str, user: str, key_alias: str | None) -> None:
    """Refuse names that a shell would take apart where they stand for %h, %k and %r; raises `NoWayIn`."""
    for directive, name in (("HostName", host), ("HostKeyAlias", key_alias or host)):
        if not names.is_host(name):
            raise NoWayIn(f'{directive} of {alias} is "{clean(name, 60)}", which OpenSSH does not take for a host')
    if not names.is_user(user):
        raise NoWayIn(f'User of {alias} is "{clean(user, 60)}", which OpenSSH does not take for a user')


def _last(raw: Raw, name: str) -> str | None:
    values = raw.get(name)
    value = values[-1].strip() if values else ""
    return value if value and (value != "none" or name not in _NONE) else None


_NONE = ("hostkeyalias", "proxyjump", "proxycommand", "bindaddress", "bindinterface", "connecttimeout")


def _yes(raw: Raw, name: str) -> bool:
    return (_last(raw, name) or "no").lower() in ("yes", "true")


def _number(raw: Raw, name: str) -> int | None:
    value = _last(raw, name) or ""
    return int(value) if value.isdigit() else None


def _methods(raw: Raw) -> tuple[str, ...]:
    """The ways to authenticate, in order, without those that are switched off."""
    wanted = (_last(raw, "preferredauthentications") or "publickey,keyboard-interactive,password").split(",")
    switches = {
        "publickey": "pubkeyauthentication",
        "keyboard-interactive": "kbdinteractiveauthentication",
        "password": "passwordauthentication",
    }
    return tuple(
        name for name in wanted if name in switches and (_last(raw, switches[name]) or "yes") not in ("no", "false")
    )


def _agent(raw: Raw, expand: Tokens) -> str | None:
    value = _last(raw, "identityagent") or "SSH_AUTH_SOCK"
    if value == "none":
        return None
    if value == "SSH_AUTH_SOCK":
        return os.environ.get("SSH_AUTH_SOCK") or None
    if re.fullmatch(r"\$\w+", value):
        return os.environ.get(value[1:]) or None
    return str(expand.path(value))


def _files(raw: Raw, name: str, expand: Tokens, default: tuple[str, ...]) -> tuple[Path, ...]:
    values = raw.get(name)
    words = default if values is None else tuple(word for value in values for word in _split(value))
    return tuple(expand.path(word) for word in words if word != "none")


def _split(value: str) -> list[str]:
    """Take apart the file names of one line: ssh prints them without quotes, so a blank may also be part of a name."""
    names: list[str] = []
    for word in value.split(" "):
        if names and not re.match(r"[/~%$]|none$", word):
            names[-1] += " " + word
        else:
            names.append(word)
    return names
