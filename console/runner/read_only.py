"""A host that can only be read: what a step sees while it checks and plans."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from console.errors import CowhandError
from console.hosts.host import ANY, Before, Completed, Host, Stream
from console.model import Role
from console.text import clean

T = TypeVar("T")


class Forbidden(CowhandError):
    """A step tried to change something while it should only look, or something that was not in its plan."""


class ReadOnlyHost:
    """Passes on what reads; raises `Forbidden` for a write, and for a command not known to change nothing.

    With `kept`, a command or file is asked for once, and then answered from there."""

    def __init__(self, host: Host, kept: dict[object, object] | None = None) -> None:
        self.host, self._kept = host, kept
        self.name: str = host.name
        self.role: Role = host.role

    async def open(self) -> None:
        """As the host does."""
        await self.host.open()

    async def resolve(self, name: str) -> tuple[str, ...]:
        """As the host does."""
        return await self.host.resolve(name)

    async def connect(self, address: str, port: int, timeout: float) -> Stream:
        """As the host does."""
        return await self.host.connect(address, port, timeout)

    async def connect_unix(self, path: str, timeout: float) -> Stream:
        """As the host does."""
        return await self.host.connect_unix(path, timeout)

    async def run(self, argv: Sequence[str], timeout: float, cap: int = 1 << 20) -> Completed:
        """Run a command that is known to change nothing."""
        if not reads(argv):
            raise Forbidden(f"{clean(' '.join(argv), 80)} may change something: it belongs into a plan")
        return await self._once(("run", self.name, tuple(argv), cap), lambda: self.host.run(argv, timeout, cap))

    async def read(self, path: str, cap: int = 1 << 20) -> bytes:
        """As the host does."""
        return await self._once(("read", self.name, path, cap), lambda: self.host.read(path, cap))

    async def _once(self, key: object, ask: Callable[[], Awaitable[T]]) -> T:
        if self._kept is None:
            return await ask()
        if key not in self._kept:
            self._kept[key] = await ask()
        found: T = self._kept[key]  # type: ignore[assignment]
        return found

    async def write(self, path: str, data: bytes, mode: int = 0o600, before: Before = ANY) -> None:
        """Never: a write belongs into a plan."""
        raise Forbidden(f"{clean(path, 80)} would be written: it belongs into a plan")

    def forget(self) -> None:
        """As the host does."""
        self.host.forget()

    async def close(self) -> None:
        """Nothing: the host is not ours to let go of."""


Judge = Callable[[Sequence[str]], bool]
"""Whether the words after a command's name leave everything as it is."""


def _any(words: Sequence[str]) -> bool:
    return True


def _verb(*verbs: str) -> Judge:
    """The first words are one of these."""
    wanted = [tuple(verb.split()) for verb in verbs]
    return lambda words: any(tuple(words[: len(verb)]) == verb for verb in wanted)


def _without(*options: str) -> Judge:
    """None of the words begins with one of these."""
    return lambda words: not any(word.startswith(options) for word in words)


def _with(*options: str) -> Judge:
    """One of the words is one of these."""
    return lambda words: bool({*options} & {*words})


def _docker(words: Sequence[str]) -> bool:
    if words[:1] == ["compose"]:
        rest = list(words[1:])
        while rest and rest[0] in ("-f", "--file", "--project-directory", "--env-file", "-p", "--project-name"):
            rest = rest[2:]
        return rest[:1] in (["ps"], ["config"], ["logs"], ["version"], ["images"], ["ls"], ["top"], ["port"])
    return _verb("ps", "inspect", "info", "version", "logs", "images", "image inspect", "volume ls")(words)


def _ip(words: Sequence[str]) -> bool:
    rest = [word for word in words if not word.startswith("-")]
    return _verb("addr show", "route show", "route get", "link show")(rest) and not {"-b", "-batch", "-force"} & {
        *words
    }


SETTINGS = ("TF_IN_AUTOMATION=1", "TF_INPUT=0", "CHECKPOINT_DISABLE=1")
"""Variables with which OpenTofu asks nothing and calls nobody; the only ones that a command that reads may be given."""


def _tofu(words: Sequence[str]) -> bool:
    rest = list(words[1:] if words[:1] and words[0].startswith("-chdir=") else words)
    if rest[:1] == ["plan"]:  # it locks a state, writes files or changes a state only when it is told to
        return "-lock=false" in rest and not any("generate-config" in word for word in rest)
    return _verb("version", "show", "validate", "output", "providers schema")(rest)


def _env(words: Sequence[str]) -> bool:
    rest = [*words]
    while rest and rest[0] in SETTINGS:
        rest = rest[1:]
    return rest[:1] in (["tofu"], ["terraform"]) and _tofu(rest[1:])


_SCRIPTS: set[tuple[str, str]] = set()
_KNOWN: dict[str, Judge] = {
    **dict.fromkeys(
        (
            "[", "cat", "cmp", "df", "diff", "du", "false", "findmnt", "getent", "grep", "head", "id", "ls", "lsblk",
            "mountpoint", "namei", "od", "pgrep", "ps", "pwd", "readlink", "realpath", "sha256sum", "stat",
            "tail", "test", "true", "uname", "wc", "which",
        ),
        _any,
    ),
    "blkid": lambda words: "-p" in words or "--probe" in words or "/dev/null" in words,  # else it writes its cache
    "blockdev": lambda words: bool(words) and all(w.startswith(("--get", "--report", "/dev/")) for w in words),
    "docker": lambda words: _docker(list(words)),
    "dpkg-query": _any,
    "find": _without("-exec", "-ok", "-delete", "-fprint", "-fls"),
    "haproxy": _with("-c", "-v", "-vv"),
    "ip": lambda words: _ip(list(words)),
    **dict.fromkeys(("iptables", "ip6tables"), lambda words: list(words) == ["-S"]),
    "incus": _verb("list", "info", "version", "config show", "config get", "config device show", "storage list",
                   "storage show", "storage info", "storage volume list", "storage volume show", "network show"),
    "mount": lambda words: not words,
    "ping": _without("-f"),
    "openssl": lambda words: _verb("x509", "verify", "s_client", "version")(words) and _without("-out")(words),
    "postconf": _without("-e", "-#", "-X", "-M", "-F", "-P"),
    "doveconf": _any,
    "env": _env,
    "sfdisk": _with("--dump", "-d", "--json", "-J", "--verify", "-V"),
    "ss": _without("-K", "--kill"),
    "systemctl": _verb("is-active", "is-enabled", "is-failed", "is-system-running", "show", "cat", "status",
                       "list-units", "list-timers", "list-unit-files", "get-default"),
    "systemd-escape": _any,
    "tailscale": _verb("status", "ip", "version", "netcheck"),
    "terraform": _tofu,
    "tofu": _tofu,
    "tune2fs": lambda words: list(words[:1]) == ["-l"] and len(words) == 2,
    "dumpe2fs": _any,
    "wipefs": _with("-n", "--no-act"),
}  # fmt: skip
"""Command → whether its words leave everything as it is; what is not here is taken to change something."""


def reads(argv: Sequence[str]) -> bool:
    """Whether a command is known to change nothing."""
    words = list(argv)
    name = words[0].rpartition("/")[2] if words else ""
    if len(words) > 2 and words[1] == ("-Ic" if name == "python3" else "-c") and (name, words[2]) in _SCRIPTS:
        return True
    harmless = _KNOWN.get(name)
    return harmless is not None and harmless(words[1:])


def script(interpreter: str, text: str) -> str:
    """Vouch that a script for `sh` or `python3`, run as -c TEXT … or -Ic TEXT …, only reads; returns the text."""
    _SCRIPTS.add((interpreter, text))
    return text
