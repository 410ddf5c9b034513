"""What has become of the other host decides whether a rollback takes its change back."""

from __future__ import annotations

import pytest

from tests.console.runner.rollback_host import (
    Machine,
    after,
    back,
    ended,
    machine,
    plain,
)

__all__ = ["machine", "plain"]

pytestmark = pytest.mark.slow


def test_what_has_become_of_the_other_host_decides_when_time_is_up(machine: Machine) -> None:
    machine.good("arm", "way", "120", *after(machine), "--", *back(machine))
    machine.kill_watchdog("way")
    machine.answer(0)
    machine.good("once", "way")
    assert machine.state("way") == "unwatched 120 after mail", "it is not asked before"
    machine.advance(120)
    machine.answer(7)
    machine.good("once", "way")
    assert machine.state("way") == "unwatched 0 after mail", "nobody can tell"
    machine.answer(1)
    machine.listen()
    machine.good("once", "way")
    assert machine.state("way") == "fired"


def test_a_change_is_kept_when_the_other_host_has_kept_its_own_for_long_enough(machine: Machine) -> None:
    machine.good("arm", "way", "120", *after(machine, hold=40), "--", *back(machine))
    machine.kill_watchdog("way")
    machine.advance(120)
    machine.answer(0)
    for passed, wanted in (
        (0, "unwatched 0 after mail"),
        (20, "unwatched 0 after mail"),
        (19, "unwatched 0 after mail"),
        (1, "kept"),
    ):
        machine.advance(passed)
        machine.good("once", "way")
        assert machine.state("way") == wanted, passed
    assert machine.way.read_text() == "new\n"


def looks(machine: Machine, *seconds: int) -> str:
    """Let time pass and look, several times; returns how it stands then."""
    for each in seconds:
        machine.advance(each)
        machine.good("once", "way")
    return machine.state("way")


@pytest.fixture
def due(plain: Machine) -> Machine:
    """A host whose time is up, that has seen once that the other one keeps its change, and must see it for 40 s."""
    plain.good("arm", "way", "120", *after(plain, hold=40), "--", *back(plain))
    plain.kill_watchdog("way")
    plain.answer(0)
    assert looks(plain, 120) == "unwatched 0 after mail"
    return plain


def test_an_answer_that_nobody_can_tell_begins_the_wait_anew(due: Machine) -> None:
    due.answer(2)
    looks(due, 13)
    due.answer(0)
    assert looks(due, 13, 14, 25) == "unwatched 0 after mail"
    assert looks(due, 1) == "kept"


def test_a_time_in_which_nobody_asked_begins_the_wait_anew(due: Machine) -> None:
    assert looks(due, 27, 20, 19) == "unwatched 0 after mail"
    assert looks(due, 1) == "kept"


def test_the_longest_time_between_two_questions_does_not(due: Machine) -> None:
    assert looks(due, 26, 14) == "kept"


def test_a_restart_begins_the_wait_anew(due: Machine) -> None:
    due.reboot()
    looks(due, 0)  # its clock is at 20 now, and was at 1120
    assert looks(due, 1110, 20, 10) == "unwatched 0 after mail"
    assert looks(due, 10) == "kept"


def test_a_question_that_is_not_answered_is_ended_and_asked_again(plain: Machine) -> None:
    plain.tool("sleep", "exit 0")  # its patience passes at once
    hung = ("after", "mail", "0", "3", "sh", "-c", f"/bin/sleep 1000; : {plain.root}")
    plain.good("arm", "way", "120", *hung, "--", *back(plain))
    plain.kill_watchdog("way")
    plain.advance(120)
    plain.good("once", "way")
    assert plain.state("way") == "unwatched 0 after mail"
    assert not plain.processes(f": {plain.root}")


def test_the_watchdog_itself_asks_until_it_is_told(plain: Machine) -> None:
    plain.answer(5)
    plain.good("arm", "way", "1", *after(plain), "--", *back(plain))
    watchdog = plain.watchdog("way")
    plain.advance(1)
    plain.answer(0)
    assert ended(watchdog)
    assert plain.state("way") == "kept"
