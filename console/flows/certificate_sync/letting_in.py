"""What would let the pusher's key do more than push: an address that is everybody's, and variables that sshd takes."""

from __future__ import annotations

import re
from ipaddress import ip_address

from console.flows import Refusal, StepContext
from console.flows.certificate_sync import lines
from console.flows.certificate_sync.ground import LOOK
from console.runner.read_only import script
from console.text import clean

TAKES = script(
    "sh",
    """sshd=$(command -v sshd || echo /usr/sbin/sshd)
"$sshd" -T -C "user=root,host=$1,addr=$1" 2>/dev/null | sed -n 's/^acceptenv //p'""",
)
"""The patterns of variables that sshd takes from a client who comes as root from an address."""

HARMFUL = (
    "BASH_ENV", "ENV", "SHELLOPTS", "BASHOPTS", "PS4", "IFS", "PATH", "LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT",
    "GCONV_PATH", "LOCPATH", "BASH_FUNC_x%%", "ZDOTDIR", "FPATH", "MALLOC_CONF", "GLIBC_TUNABLES",
)  # fmt: skip
"""Variables by which a login shell, or the loader, runs something before it runs the command of authorized_keys."""


def harmful(text: str) -> str:
    """The first of some AcceptEnv patterns, one a line, that lets a variable of `HARMFUL` through; "" for none."""
    for pattern in text.split():
        parts = re.split(r"([*?])", pattern)
        form = "".join({"*": ".*", "?": "."}.get(part, re.escape(part)) for part in parts)
        if any(re.fullmatch(form, name) for name in HARMFUL):
            return pattern
    return ""


async def refuse(context: StepContext, source: str) -> None:
    """Raise `Refusal` where the key could be used by everybody, or for more than its one command."""
    if not lines.narrows(source):
        raise Refusal(f'{clean(source, 60)} cannot stand in from="…"')
    try:
        address = str(ip_address(source))
    except ValueError:  # a name or a pattern: an address that no `Match` line is likely to mean
        address = "192.0.2.1"
    said = await context.host("mail").run(["sh", "-c", TAKES, "sh", address], LOOK)
    if pattern := harmful(said.stdout[:65536].decode("ascii", "replace")):
        raise Refusal(
            f"sshd on {context.name('mail')} takes {clean(pattern, 40)} from its clients (AcceptEnv): with BASH_ENV "
            "or its like the key would run anything as root. Leave LANG and LC_* there, and start again"
        )
