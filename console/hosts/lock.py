"""A lock on a host, so that two consoles of two users, or two copies of a site, do not change it at once.

It is a record on the host and no process there: a link that is lost in the middle of a change frees nothing. Its
console renews it; one that does not is said to be quiet since then, and an operator may take its lock over by naming
the run. It does not outlive the host's start, and the same site of the same user takes its own lock again."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Sequence
from contextlib import suppress
from math import isfinite

import msgspec
from msgspec import Struct

from console.errors import FileError, HostError
from console.hosts.files import LOCKS, SAID
from console.hosts.host import Completed, Host
from console.text import clean

RENEW = 30.0
"""Seconds between two renewals."""

QUIET = 120.0
"""Seconds without a renewal after which a lock may be taken over; both are counted by the host's own clock."""

FRESH = 5.0
"""Seconds for which a lock that was taken or renewed is ours without another look: far below `QUIET`, so that nobody
can have taken it over, and shorter than any host takes to restart."""

PATIENCE = 15.0
"""Seconds the host may take for one of these."""

PARTING = 3.0
"""Seconds that are waited for a host to take its lock back."""

LATEST = 253402300799.0
"""The end of the year 9999 in Unix seconds: a host may say anything."""

HELD = 4
"""The script's status when the lock is somebody else's, or nobody's when it was to be renewed."""

SCRIPT = """\
set -eu
umask 077
verb=$1 folder=$2 run=$3 site=$4 over=$5 quiet=$6 told=$7
say() { printf '%s\\n' "$1" >&2; exit 3; }
me=$(id -u)
if [ "$me" != 0 ]; then folder=${XDG_STATE_HOME:-$HOME/.local/state}/cowhand/locks/$(uname -n); fi
if [ "$verb" = show ] && [ ! -e "$folder" ]; then exit 0; fi
mkdir -p -- "$folder"
cd -P -- "$folder"
[ "$(stat -c '%u %a' .)" = "$me 700" ] || say "$folder is not a folder of this user alone (mode 0700)"
command -v flock >/dev/null || say "there is no flock there (of util-linux)"
exec 8>>guard
flock 8
boot=$(cat /proc/sys/kernel/random/boot_id)
read -r now rest </proc/uptime
now=${now%%.*}
had= had_site= had_boot= renewed= since= had_told=
if [ -e lock ]; then
  { read -r had; read -r had_site; read -r had_boot; read -r renewed; read -r since; read -r had_told; } <lock || :
fi
[ "$had_boot" = "$boot" ] || had= had_site=
age=$((now - ${renewed:-0}))
held() { [ -z "$had" ] || printf '%s\\n' "$age" "$since" "$had_told"; }
refuse() { held; exit 4; }
keep() { printf '%s\\n' "$run" "$site" "$boot" "$now" "$since" "$told" >draft; mv -f draft lock; }
case $verb in
  take)
    if [ -n "$had" ] && [ "$had_site" != "$site" ]; then
      [ "$had" = "$over" ] && [ "$age" -ge "$quiet" ] || refuse
    fi
    [ "$had $had_site" = "$run $site" ] || since=$(date +%s)
    keep ;;
  renew) [ "$had $had_site" = "$run $site" ] || refuse; keep ;;
  release) if [ "$had $had_site" = "$run $site" ]; then rm -f lock; fi ;;
  show) held ;;
esac
"""
"""The record's lines: run, site, the host's boot, its uptime at the last renewal, since when, and who, as JSON.

Root's is in a folder that only root may enter, another user's in their own state folder, by the host's name."""


def described(argv: Sequence[str]) -> str | None:
    """What one of our calls is for, in words, "" for a renewal; None for any other command."""
    if tuple(argv[:3]) != ("sh", "-c", SCRIPT):
        return None
    return {"renew": "", "show": "see who holds the lock"}.get(argv[4], f"{argv[4]} the lock")


class Console(Struct, frozen=True):
    """Who asks for a lock: the run, its flow, and process, user and machine of its console."""

    run: str
    flow: str
    pid: int
    user: str
    host: str


class Holder(Struct, frozen=True):
    """Who holds a lock, since when (Unix seconds, by the host's clock), and seconds since it was last renewed."""

    console: Console
    since: float
    quiet: float

    def __str__(self) -> str:
        who = self.console
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(min(max(self.since, 0.0), LATEST)))
        return (
            f"the run {clean(who.run, 60)} of {clean(who.flow, 60)}: process {who.pid} of {clean(who.user, 40)} on "
            f"{clean(who.host, 60)}, since {when}, last heard of {self.quiet:.0f} s ago"
        )


class HostLocked(HostError):
    """The lock of a host is not ours; `holder` is who has it, None when it was ours and is nobody's any more."""

    def __init__(self, host: str, holder: Holder | None) -> None:
        self.host, self.holder = host, holder
        if holder is None:
            super().__init__(f"the lock of {host} was lost: it was restarted, or somebody removed the lock")
        else:
            super().__init__(f"{host} is locked by {holder}")


class HostLock:
    """The lock of one host for one run; `site` tells this site of this user from every other."""

    def __init__(self, host: Host, console: Console, site: str) -> None:
        self.host, self.console, self.site = host, console, site

    async def take(self, over: str = "") -> None:
        """Take the lock; raises `HostLocked`, unless the holder is quiet and its run is `over`, or `HostError`."""
        await self._ask("take", over)

    async def renew(self) -> None:
        """Say that the run still goes on; raises `HostLocked` when the lock is not ours any more, or `HostError`."""
        await self._ask("renew")

    async def release(self) -> None:
        """Give the lock back; nothing happens when it is not ours. Raises `HostError`."""
        await self._ask("release")

    async def _ask(self, verb: str, over: str = "") -> None:
        told = msgspec.json.encode(self.console).decode()
        done = await _run(self.host, verb, self.console.run, self.site, over, told)
        if done.status == HELD:
            raise HostLocked(self.host.name, _holder(done))


async def holder(host: Host) -> Holder | None:
    """Who holds the lock of a host now; None when nobody does. Raises `HostError`."""
    return _holder(await _run(host, "show", "", "", "", ""))


async def _run(host: Host, verb: str, run: str, site: str, over: str, told: str) -> Completed:
    argv = ["sh", "-c", SCRIPT, "sh", verb, LOCKS, run, site, over, f"{QUIET:.0f}", told]
    done = await host.run(argv, PATIENCE, 4096)
    if done.status not in (0, HELD):
        said = clean(done.stderr.strip().rpartition(b"\n")[2], 300)
        why = said if done.status == SAID else said.rpartition(": ")[2]
        raise FileError(f"the lock of {host.name} cannot be used: {why or f'status {done.status}'}")
    return done


def _holder(done: Completed) -> Holder | None:
    lines = done.stdout.split(b"\n")
    if len(lines) < 3:
        return None
    try:
        console = msgspec.json.decode(lines[2], type=Console)
        since, quiet = float(lines[1]), float(lines[0])
        if not (_RUN.fullmatch(console.run) and isfinite(since) and isfinite(quiet)):
            raise ValueError
    except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError):
        return Holder(Console("?", "?", 0, "?", "?"), 0.0, 0.0)
    return Holder(console, since, quiet)


_RUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,60}")
"""What a run may be called: it is typed to take its lock over."""


def _clock() -> float:
    """Seconds that go on while this machine sleeps, so that a lock is not fresh after that; see clock_gettime(2)."""
    boottime = getattr(time, "CLOCK_BOOTTIME", None)
    return time.time() if boottime is None else time.clock_gettime(boottime)


class HostLocks:
    """The locks of all hosts that a run changes, renewed while it goes on."""

    def __init__(self, console: Console, site: str) -> None:
        self.console, self.site = console, site
        self._held: dict[str, HostLock] = {}
        self._confirmed: dict[str, float] = {}
        """By host, when the lock that is held was last known to be ours (see `_clock`)."""
        self._renewing: asyncio.Task[None] | None = None

    async def hold(self, host: Host, over: str = "") -> None:
        """Have the lock of a host now: take it, or renew what we have unless it is fresh; raises as those do.

        One that was lost is taken again by the next call, when what it guards has been looked at again."""
        lock, asked = self._held.get(host.name), _clock()
        if lock is None:
            lock = HostLock(host, self.console, self.site)
            await lock.take(over)
            self._held[host.name] = lock
            if self._renewing is None:
                self._renewing = asyncio.create_task(self._renew())
        else:
            if lock.host is host and asked - self._confirmed.get(host.name, float("-inf")) < FRESH:
                return
            lock.host = host
            try:
                await lock.renew()
            except HostLocked:
                del self._held[host.name]
                raise
        self._confirmed[host.name] = asked

    async def release(self) -> None:
        """Give all back. What cannot be is left: it is quiet from now on, and ours to take again."""
        if self._renewing is not None:
            self._renewing.cancel()
            self._renewing = None
        for lock in self._held.values():
            with suppress(HostError, TimeoutError):
                async with asyncio.timeout(PARTING):
                    await lock.release()
        self._held.clear()

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(RENEW)
            for lock in tuple(self._held.values()):
                try:
                    await lock.renew()
                except HostError:  # whoever changes something next asks again, and is told
                    self._confirmed.pop(lock.host.name, None)
