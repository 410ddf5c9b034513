"""What waits: connections that no process of Postfix's accepts, and those of HAProxy's that nobody answers."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from console.answers import Asked, Listener, Program, Stats
from console.diagnosis.explain import explain
from console.diagnosis.world import World
from console.hosts.host import Completed
from console.hosts.local import Local
from console.observation import SweepData
from console.probes import asking
from tests.drill.record import read

BUSY, LIMIT = "smtpd-busy", "daemon/process-limit"


def told(seen: SweepData) -> set[str]:
    """Return what is proven."""
    return {cause.suspects[0].mode.id for cause in explain(World(seen)).causes if cause.proven}


def known(seen: SweepData) -> Asked:
    assert seen.asked is not None
    return seen.asked


@pytest.mark.parametrize("stuck", [1, 0])
def test_all_processes_are_taken_where_connections_wait_and_still_do_a_second_later(stuck: int) -> None:
    """One that begins just now lets a connection wait, too."""
    seen = read(BUSY)
    known(seen).listeners["mail"] = tuple(replace(each, stuck=stuck) for each in known(seen).listeners["mail"])
    assert told(seen) == ({LIMIT} if stuck else set())


@pytest.mark.parametrize(
    ("line", "proven"),
    [
        ("Nov 28 12:48:07 mx postfix/master[1]: warning: smtpd: bad command startup -- throttling", 0),
        ("Nov 28 12:48:07 mx postfix/master[1]: warning: fork: Cannot allocate memory -- throttling", 0),
        ("Nov 28 12:48:07 mx postfix/smtpd[1]: connect from unknown[100.64.0.1]", 1),
    ],
)  # fmt: skip
def test_a_master_that_cannot_start_a_process_has_reached_no_limit(line: str, proven: int) -> None:
    seen = read(BUSY)
    seen.logs["postfix-mailcow"] = (line,)
    assert (LIMIT in told(seen)) is bool(proven)


@pytest.mark.parametrize("which", ["master", "smtpd", "none"])
def test_a_postfix_that_is_halted_or_not_seen_has_reached_no_limit(which: str) -> None:
    seen = read(BUSY)
    programs = known(seen).programs or ()
    known(seen).programs = tuple(
        replace(each, state="T") if which in each.words.partition(" ")[0] else each for each in programs
    )
    if which == "none":
        known(seen).programs = tuple(each for each in programs if "postfix" not in each.words)
    assert LIMIT not in told(seen)


class Mail(Local):
    """Stands for the mail host: so many connections wait at each look at its sockets."""

    def __init__(self, *waiting: int) -> None:
        super().__init__("mailcow", "mail")
        self.waiting = list(waiting)

    async def run(self, argv: Sequence[str], timeout: float, cap: int = 1 << 20) -> Completed:
        assert argv[0] == "ss", argv
        count = self.waiting.pop(0)
        return Completed(0, f'LISTEN {count} 100 0.0.0.0:10465 0.0.0.0:* users:(("smtpd",pid=7,fd=6))\n'.encode(), b"")


@pytest.mark.parametrize(("looks", "stuck"), [((3, 2), 2), ((2, 3), 2), ((2, 0), 0), ((0,), 0)])
async def test_sockets_are_looked_at_again_only_where_somebody_waits(
    monkeypatch: pytest.MonkeyPatch, looks: tuple[int, ...], stuck: int
) -> None:
    monkeypatch.setattr(asking, "LATER", 0.0)
    seen, mail = read("calm"), Mail(*looks)
    seen.asked = Asked()
    await asking._Asking(seen, {"mail": mail}, seen.asked).listeners("mail")
    row = Listener("0.0.0.0", 10465, "smtpd", 7, waiting=looks[0], stuck=stuck)
    assert seen.asked.listeners["mail"] == (row,) and mail.waiting == []


# ── HAProxy's own ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("check", "standing", "proven"),
    [
        ("L4TOUT", True, True),
        ("L4TOUT", False, False),
        ("L4CON", True, False),  # it was answered: the next may have lost a packet
        ("L7TOUT", True, False),
    ],
)
def test_a_check_that_gave_up_and_the_next_that_stands_unanswered_are_two(
    check: str, standing: bool, proven: bool
) -> None:
    seen = read("haproxy-outbound+imap-off")
    assert seen.stats is not None
    known(seen).dialling, known(seen).standing = (), (("10.10.10.214", 10025),) if standing else ()
    rows = (replace(r, status="DOWN", check=check) if r.proxy == "smtp" else r for r in seen.stats.servers)
    seen.stats = replace(seen.stats, servers=tuple(rows))
    assert ("vps-filter/haproxy-outbound" in told(seen)) is proven


@pytest.mark.parametrize(
    ("running", "own", "proven"),
    [
        ((), (), True),
        (None, ("203.0.113.10", "2001:db8:113::10"), True),
        (None, ("203.0.113.9",), False),  # who refuses there is another machine
        (None, (), False),
        ((Program("Ss", "haproxy -f haproxy.cfg"),), ("203.0.113.10", "2001:db8:113::10"), False),
    ],
)  # fmt: skip
def test_haproxy_is_called_stopped_only_where_its_own_machine_refuses_or_has_no_process(
    running: tuple[Program, ...] | None, own: tuple[str, ...], proven: bool
) -> None:
    seen = read("own-haproxy-stopped")
    seen.stats = Stats(stopped=True, error="connection refused", socket="/run/haproxy/admin.sock")
    seen.asked = Asked(addresses=own or None, haproxy=running)
    for lane in seen.lanes.values():
        lane.itself.clear()
    assert ("haproxy-process/stopped" in told(seen)) is proven
