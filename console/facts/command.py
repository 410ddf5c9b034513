"""A command on a host for its text, and what it complained of in the operator's words; nothing here raises."""

from __future__ import annotations

import re
from collections.abc import Sequence

from msgspec import Struct

from console.errors import HostError, TimedOut
from console.hosts.host import Completed, Host
from console.mask import mask
from console.text import clean

TIMEOUT = 5.0
"""Seconds a command that only looks may take."""

CAP = 4 << 20
"""Most bytes read of one answer."""

_DENIED = re.compile(
    r"permission denied(?! \((?:publickey|password|keyboard|hostbased|gssapi))|operation not permitted"
    r"|must be (?:run as )?root|are you root|EACCES",
    re.IGNORECASE,
)
"""What a tool says when it may not; ssh's own refusal, which names its methods, is another machine's."""
_NOISE = re.compile(r"time=\S+ level=(?:warning|info)|WARN\[|Warning:|\s*$")


class Answer(Struct, frozen=True):
    """What a command left: its text, its exit status (-1: none), and what is wrong ("" when nothing is).

    `late` says that it was given up, though the machine can be asked; `remark` is what it said beside its answer."""

    text: str = ""
    error: str = ""
    status: int = 0
    late: bool = False
    remark: str = ""


async def run(host: Host, argv: Sequence[str], timeout: float = TIMEOUT, cap: int = CAP) -> Answer:
    """Run a command that changes nothing; its text is kept though it failed, for some of it may be there."""
    try:
        completed = await host.run(argv, timeout, cap)
    except HostError as error:
        return Answer(error=clean(str(error)), status=-1, late=isinstance(error, TimedOut))
    text = completed.stdout.decode("utf-8", "replace")
    if len(completed.stdout) >= cap:
        return Answer(text, f"{argv[0]} on {host.name} said more than {cap} bytes", completed.status)
    problem = explain(host.name, argv[0], completed) if completed.status else ""
    remark = clean(mask(completed.stderr.decode("utf-8", "replace").strip()), 1000)
    return Answer(text, problem, completed.status, remark=remark)


def explain(host: str, tool: str, completed: Completed) -> str:
    """Say in one sentence why `tool` failed on `host`, and what to do where that is plain."""
    said = mask(completed.stderr.decode("utf-8", "replace"))
    if _DENIED.search(said):
        return f'{tool}: permission denied on {host}; add become = "sudo"'
    if completed.status == 127:
        return f"{tool}: not found on {host}"
    line = next((line for line in said.split("\n") if not _NOISE.match(line)), "")
    if not line:
        return f"{tool} on {host} ended with status {completed.status}"
    return f"{tool} on {host}: {clean(line.strip().removeprefix(f'{tool}: '), 160)}"
