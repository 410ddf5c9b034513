"""HAProxy itself: installed where it is absent, started where it does not run."""

from __future__ import annotations

from console.errors import HostError
from console.facts import listeners, programs
from console.flows import CheckResult, Plan, Run, Step, StepContext, done, needed, refused
from console.flows.haproxy_listeners.running import LOOK, PROGRAM, used
from console.text import join_words
from console.topology.lanes import MAIL

APT, START, SILENCE = 1800.0, 120.0, 900.0
"""Seconds: the package, HAProxy's start, and a program that says nothing."""

INSTALL = r"""
set -e
export DEBIAN_FRONTEND=noninteractive
dpkg --force-confold --configure -a
apt-get -q update
apt-get install -q -y --no-remove --no-install-recommends \
  -o Dpkg::Options::=--force-confold -o Dpkg::Options::=--force-confmiss haproxy
systemctl enable --now haproxy.service
""".lstrip()
"""The distribution's package; a haproxy.cfg that is there stays, a deleted one comes back (dpkg(1), --force-conf…)."""

REMOVE = r"""
set -e
sum=$(md5sum <"$1" | cut -d' ' -f1)
if ! dpkg-query -W -f='${Conffiles}\n' haproxy | grep -qF -- "/haproxy.cfg $sum"; then
  echo "$1 is not as the package brought it: HAProxy is in use" >&2
  exit 3
fi
if [ "$(apt-get -s remove haproxy | grep -c '^Remv ')" != 1 ]; then
  echo 'other packages need HAProxy' >&2
  exit 3
fi
apt-get remove -q -y haproxy
""".lstrip()
"""Takes the installation back while nothing uses it: dpkg keeps the sum of each file under /etc, and those stay."""

HALF = ("half-installed", "unpacked", "half-configured")
"""dpkg's words for a package whose installation was cut off (dpkg-query(1), db:Status-Status)."""

START_IT = ("systemctl", "enable", "--now", "haproxy.service")

NOT_FOUND = 127


class Program(Step):
    """HAProxy runs on the proxy."""

    name, words, patience = PROGRAM, "have HAProxy run on the proxy", 60.0

    async def check(self, context: StepContext) -> CheckResult:
        """Refuse where another program has a port that HAProxy's file listens on."""
        path = used(context.estate)
        if isinstance(path, CheckResult):
            return path
        name = context.name("proxy")
        told = await programs.ask(context.host("proxy"), "haproxy")
        if told.error:
            raise HostError(told.error)
        if held := await _held(context, bool(told.found)):
            return refused(f"{held} on {name}: stop and disable it, then start this flow again")
        if told.found:
            return done(f"HAProxy runs on {name}")
        if await _is_there(context):
            return needed(f"HAProxy is installed on {name}, and does not run")
        if (await context.host("proxy").run(["which", "apt-get"], LOOK)).status:
            return refused(f"HAProxy is not installed on {name}, and there is no apt-get: install it by hand")
        return needed(f"HAProxy is not installed on {name}")

    async def plan(self, context: StepContext) -> Plan:
        """The distribution's package, or the start of the one that is there."""
        path = used(context.estate)
        assert isinstance(path, str)
        if await _is_there(context):
            start = Run("proxy", START_IT, START, guards=(("haproxy", "-c", "-f", path),))
            return Plan((start,), ("it starts with the machine from now on",), undo="systemctl disable --now haproxy")
        remove = ("sh", "-c", REMOVE, "sh", path)
        install = Run("proxy", ("sh", "-c", INSTALL), APT, silence=SILENCE, undo=remove)
        notes = (
            "the package of the distribution; it starts at once, and with the machine",
            f"{path} stays where it is there; else it is the package's own, and the next steps edit it",
        )
        return Plan((install,), notes, undo="apt-get remove haproxy, while its file is as the package brought it")


async def _is_there(context: StepContext) -> bool:
    """Whether the program is there, and dpkg is not in the middle of it: then apt-get has to go on."""
    host = context.host("proxy")
    if (await host.run(["haproxy", "-v"], LOOK)).status == NOT_FOUND:
        return False
    told = await host.run(["dpkg-query", "-W", "-f", "${db:Status-Status}", "haproxy"], LOOK)
    return told.stdout.decode("utf-8", "replace").strip() not in HALF


async def _held(context: StepContext, runs: bool) -> str:
    """Name the programs that hold mail ports, such as an Exim that came with the machine; "" when none is seen.

    While HAProxy runs, a listener whose program ss does not show may be HAProxy's own."""
    wanted = {lane.port for _, lane in context.estate.sources.routes.lanes if lane.protocol in MAIL}
    told = await listeners.ask(context.host("proxy"))
    found: dict[str, dict[int, None]] = {}
    for each in told.found:
        if each.port in wanted and each.process != "haproxy" and (each.process or not runs):
            found.setdefault(each.process or "a program that ss does not show", {})[each.port] = None
    return join_words(
        [f"{who} has port{'s' * (len(ports) > 1)} {join_words(list(map(str, ports)))}" for who, ports in found.items()]
    )
