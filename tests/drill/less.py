"""The same sweep with less to look at: nobody gets into the proxy, into the mail host, into either; no questions."""

from __future__ import annotations

from collections.abc import Callable

from console.model import Role
from console.observation import SweepData


def without_proxy(seen: SweepData) -> None:
    """Nobody gets into the proxy's machine."""
    _close(seen, "proxy")
    seen.stats, seen.asked, seen.tailnet = None, None, None
    seen.answered.clear()
    for lane in seen.lanes.values():
        lane.itself.clear()


def without_mail(seen: SweepData) -> None:
    """Nobody gets into the mail host."""
    _close(seen, "mail")
    seen.containers, seen.logs, seen.disks = (), {}, ()
    if seen.asked is not None:
        seen.asked.programs, seen.asked.back, seen.asked.home = None, None, None
        seen.asked.listeners.pop("mail", None)


def without_either(seen: SweepData) -> None:
    """Nobody gets in anywhere."""
    without_mail(seen)
    without_proxy(seen)


def without_questions(seen: SweepData) -> None:
    """The machines know none of the commands, and Docker cannot be asked."""
    seen.asked, seen.containers, seen.logs = None, (), {}
    for lane in seen.lanes.values():
        lane.itself.clear()


def _close(seen: SweepData, role: Role) -> None:
    seen.missing[role] = "no way in"
    for lane in seen.lanes.values():
        if role == "proxy":
            lane.vm = None
        else:
            lane.service = None


LESS: dict[str, Callable[[SweepData], None]] = {
    "proxy": without_proxy, "mail": without_mail, "either": without_either, "questions": without_questions,
}  # fmt: skip
"""By what is closed."""
