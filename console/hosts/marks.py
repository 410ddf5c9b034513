"""Marks on changing commands, by which they are found again when the link to them was lost.

A mark is a variable in the command's environment: its children inherit it, and another command with the same words does
not have it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextvars import ContextVar

from console.errors import HostError
from console.hosts.host import Completed, Host

VARIABLE = "COWHAND_ACTION"

LOOK = 10.0
"""Seconds a look for a mark may take."""

marking: ContextVar[str] = ContextVar("marking", default="")
"""The mark of the change that this task makes; "" while it only reads."""

guarding: ContextVar[tuple[str, str, str] | None] = ContextVar("guarding", default=None)
"""The rollback under which this task changes a host: the host's name, the path of rollback.sh there, and its name."""

# Who has begun a process counts: any user of the host can copy a mark, for sudo and timeout have it on their command
# lines.
LOOK_THROUGH = """\
[ -r /proc/self/environ ] || exit 3
me=$(id -u)
found=$(grep -alzxF -- "$1" /proc/[0-9]*/environ 2>/dev/null)
[ $? -le 2 ] || exit 1
for each in $found; do
  while read -r name real rest; do [ "$name" != Uid: ] || break; done 2>/dev/null <"${each%environ}status" || continue
  case $name$real in "Uid:0" | "Uid:$me") ;; *) continue ;; esac
"""

FIND = (
    LOOK_THROUGH
    + """\
  echo "$each"
done
"""
)
"""Prints /proc/PID/environ of each process with the mark; status 3 where environments cannot be read at all."""

END = (
    LOOK_THROUGH
    + """\
  pid=${each#/proc/}
  kill -s "$2" "${pid%/environ}" 2>/dev/null
done
:
"""
)


def marked(argv: Sequence[str], host: str = "") -> list[str]:
    """The command with this task's mark, and under the rollback that it has on this host."""
    mark, guard = marking.get(), guarding.get()
    words = ["sh", guard[1], "under", guard[2], *argv] if mark and guard and guard[0] == host else [*argv]
    return ["env", f"{VARIABLE}={mark}", *words] if mark else words


def unmarked(argv: Sequence[str]) -> list[str]:
    """The command without its mark, and without its rollback."""
    words = [*argv[2:]] if argv[:1] == ["env"] and argv[1].startswith(f"{VARIABLE}=") else [*argv]
    return words[4:] if words[:1] == ["sh"] and words[2:3] == ["under"] else words


def plainly(argv: Sequence[str], done: Completed) -> Completed:
    """What the command left, where `env` says in its own words that there is no such command."""
    if done.status == 127 and _NO_COMMAND.match(done.stderr):
        return Completed(127, done.stdout, f"{argv[0]}: command not found".encode())
    return done


_NO_COMMAND = re.compile(rb"^(?:/[^ ]*/)?env: [^\n]*No such file or directory\s*$")  # it says how it was called


async def find(host: Host, mark: str) -> tuple[int, ...] | None:
    """The processes on a host that have the mark; None where that cannot be told. Raises `HostError`."""
    done = await host.run(["sh", "-c", FIND, "sh", f"{VARIABLE}={mark}"], LOOK)
    found = [re.fullmatch(rb"/proc/(\d{1,9})/environ", each) for each in done.stdout.split()]
    if done.status or None in found:
        return None
    return tuple(sorted(int(each[1]) for each in found if each))


async def signal(host: Host, mark: str, name: str) -> None:
    """Send a signal (TERM, KILL …) to the processes with the mark; raises `HostError` when the host cannot be asked."""
    done = await host.run(["sh", "-c", END, "sh", f"{VARIABLE}={mark}", name], LOOK)
    if done.status:
        raise HostError(f"{host.name} does not show which processes belong to the command")
