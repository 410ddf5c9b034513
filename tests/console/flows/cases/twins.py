"""Two hosts that change together or not at all: each is a folder with real timed rollbacks and a clock of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from console.flows import CheckResult, Flow, Group, Member, Plan, Rollback, Run, StepContext, done, needed
from console.hosts.host import Host
from console.model import Role
from console.runner import guard
from tests.console.flows import rollbacks
from tests.console.flows.case import Case, Rooted, tree

NAMES = ("mail", "vps")
GUARDS = {"mail": "twins.both.mail", "vps": "twins.both.vps"}

TURN = """\
#!/bin/sh
echo half > "$1"
sleep "${SLOW:-0}"
echo new > "$1"
"""

PEER = """\
#!/bin/sh
# Asks another host, as if from outside: 2 while the line to it is cut, or it says neither.
[ ! -e '{root}/cut' ] || exit 2
case $(cat '{root}/'"$1"/etc/way) in new) exit 0 ;; old) exit 1 ;; *) exit 2 ;; esac
"""


class Side(Member):
    """One host's way."""

    def __init__(self, host: str) -> None:
        self.host, self.name, self.words = host, host, f"take the new way on {host}"
        self.guarded = (host,)

    async def check(self, context: StepContext) -> CheckResult:
        text = await context.text(self.host, "/etc/way")
        return done("the new way") if text == "new\n" else needed("not the new way")

    async def plan(self, context: StepContext) -> Plan:
        back = Rollback(self.host, ("sh", "-c", 'echo old > "$1"', "sh", "/etc/way"))
        if self.host == "vps":
            return Plan((Run("vps", ("turn", "/etc/way")),), undo="take the old way on vps", rollbacks=(back,))
        return Plan((await context.edit("mail", "/etc/way", "new\n"),), rollbacks=(back,))

    async def undo(self, context: StepContext) -> Plan | None:
        return Plan((Run(self.host, ("sh", "-c", 'echo old > "$1"', "sh", "/etc/way")),))

    def asks(self, decider: str) -> tuple[str, ...]:
        return ("peer", decider)


async def proof(context: StepContext) -> CheckResult:
    """Mail passes from end to end, unless somebody broke it."""
    broken = await context.text("vps", "/etc/broken")
    return needed(f"no mail passes: {broken.strip()}") if broken else done("mail passes from end to end")


def group() -> Group:
    """The one step."""
    return Group("both", "take the new way on both", [Side(name) for name in NAMES], proof)


def build(root: Path) -> None:
    for name in NAMES:
        host = root / name
        for folder in ("bin", "etc", "usr/local/bin"):
            (host / folder).mkdir(parents=True)
        rollbacks.lay(host)
        (host / guard.STORE.lstrip("/")).mkdir(parents=True)
        program = host / guard.PROGRAM.lstrip("/")
        program.write_text(guard.program())
        program.chmod(0o700)
        (host / "etc/way").write_text("old\n")
    for path, text in (("vps/bin/turn", TURN), ("vps/usr/local/bin/peer", PEER.format(root=root))):
        (root / path).write_text(text)
        (root / path).chmod(0o755)
    (root / "site.toml").write_text('[[lane]]\nport = 25\nprotocol = "smtp"\ntarget = "127.0.0.1:25"\n')


def hosts(root: Path) -> dict[Role, Host]:
    return {"mail": Rooted(root / "mail", "mail", "mail"), "vps": Rooted(root / "vps", "proxy", "vps")}  # type: ignore[dict-item]


def ways(root: Path) -> tuple[str, ...]:
    """The way of each host."""
    return tuple((root / name / "etc/way").read_text().strip() for name in NAMES)


def holds(root: Path, step: str) -> bool:
    return ways(root) == ("new", "new")


def end(root: Path) -> object:
    return [tree(root / name, "etc") for name in NAMES]


def half(root: Path, argv: Sequence[str]) -> None:
    if Path(argv[0]).name == "turn":
        (root / "vps/etc/way").write_text("half\n")


def reboot(root: Path) -> None:
    for name in NAMES:
        rollbacks.reboot(root / name)


def armed(root: Path) -> list[str]:
    return [each for name in NAMES for each in rollbacks.armed(root / name)]


def fire(root: Path) -> None:
    """Let the same time pass on both until nothing waits any more."""
    for seconds in (120, 60, *[25] * 40):
        for name in NAMES:
            rollbacks.wait(root / name, seconds)
        if not armed(root):
            return
    raise AssertionError(f"{armed(root)} does not end")


CASE = Case(
    Flow(lambda context: [group()], "twins", "two hosts that change together"),
    build, hosts, holds, end, half=half, reboot=reboot, armed=armed, fire=fire,
)  # fmt: skip
