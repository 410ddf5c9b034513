"""assets/rollback.sh on a folder that stands for a host, with files and a clock of its own: who wins, restarts."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.console.runner.rollback_host import (
    PATIENCE,
    Machine,
    back,
    ended,
    machine,
    plain,
)

__all__ = ["machine", "plain"]

pytestmark = pytest.mark.slow


# ── what the watchdog does ──────────────────────────────────────────────────────────────────────────────────────────


def test_the_detached_watchdog_takes_the_change_back_when_time_is_up(machine: Machine) -> None:
    machine.good("arm", "way", "120", "--", *back(machine))
    assert machine.state("way") == "armed 120"
    machine.advance(119)
    machine.good("once", "way")
    assert machine.state("way") == "armed 1"
    machine.advance(1)
    machine.hear()
    assert machine.settle("way") == "fired"
    assert (machine.way.read_text(), machine.log.read_text()) == ("old\n", "back\n")


def test_a_disarmed_change_is_kept_and_its_watchdog_ends(machine: Machine) -> None:
    machine.good("arm", "way", "120", "--", *back(machine))
    watchdog = machine.watchdog("way")
    machine.good("disarm", "way")
    machine.advance(500)
    assert ended(watchdog)
    assert (machine.state("way"), machine.way.read_text()) == ("kept", "new\n")
    machine.good("disarm", "way")  # again, after an answer that was lost


def test_every_word_reaches_the_command_as_it_is(machine: Machine) -> None:
    words = ["it's", "", "a\nb\n", '$HOME `id` \\ "x" *', "ü\x01", "-n", "--", "unless", "'"]
    out = machine.root / "words"
    show = 'out=$1; shift; printf "%s\\0" "$@" > "$out"'
    machine.good("arm", "way", "9", "--", "sh", "-c", show, "sh", str(out), *words)
    machine.good("fire", "way")
    assert out.read_bytes().split(b"\0")[:-1] == [word.encode() for word in words]
    assert out.stat().st_mode & 0o777 == 0o644, "what it makes anew can be read by whom it is for"


def test_it_is_fired_at_once_and_only_once(machine: Machine) -> None:
    machine.good("arm", "way", "120", "--", *back(machine))
    machine.listen()
    machine.good("fire", "way")
    machine.good("fire", "way")
    assert (machine.state("way"), machine.log.read_text()) == ("fired", "back\n")


def test_the_watchdog_outlives_the_command_that_armed_it(plain: Machine) -> None:
    armed = plain.start("arm", "way", "120", "--", *back(plain))
    assert armed.wait(PATIENCE) == 0
    with pytest.raises(ProcessLookupError):
        os.killpg(armed.pid, signal.SIGKILL)  # nobody is left of its session
    watchdog = plain.watchdog("way")
    stat = Path(f"/proc/{watchdog}/stat").read_text().rpartition(")")[2].split()
    assert stat[3] == str(watchdog), "it leads a session of its own"
    assert {Path(f"/proc/{watchdog}/fd/{number}").readlink() for number in (0, 1, 2)} == {Path("/dev/null")}
    plain.advance(120)
    plain.hear()
    assert plain.settle("way") == "fired"


def test_the_watchdog_does_not_bear_the_marks_of_the_command_that_armed_it(plain: Machine) -> None:
    plain.environment |= {"COWHAND_ACTION": "run:1", "COWHAND_GUARD": "way"}
    plain.good("arm", "way", "120", "--", *back(plain))
    assert b"COWHAND_" not in Path(f"/proc/{plain.watchdog('way')}/environ").read_bytes()


# ── one of both wins ────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_disarm_that_comes_first_wins_over_a_watchdog_that_had_decided_to_fire(machine: Machine) -> None:
    machine.good("arm", "way", "120", "--", *back(machine))
    machine.kill_watchdog("way")
    machine.advance(120)
    with machine.held_rename() as release:
        firing = machine.start("once", "way", held=True)
        machine.renames()
        machine.good("disarm", "way")
        release()
        assert firing.wait(PATIENCE) == 0
    assert (machine.state("way"), machine.way.read_text(), machine.log.exists()) == ("kept", "new\n", False)


def test_a_disarm_that_comes_second_says_that_it_lost(machine: Machine) -> None:
    machine.good("arm", "way", "120", "--", *back(machine))
    with machine.held_rename() as release:
        disarming = machine.start("disarm", "way", held=True)
        machine.renames()
        machine.listen()
        machine.good("fire", "way")
        release()
        assert disarming.wait(PATIENCE) == 4
    assert machine.said(disarming) == "way was not disarmed: it was taken back\n"
    assert (machine.state("way"), machine.way.read_text()) == ("fired", "old\n")


def test_two_that_fire_at_once_take_back_once(machine: Machine) -> None:
    machine.good("arm", "way", "120", "--", *back(machine))
    machine.kill_watchdog("way")
    machine.advance(120)
    with machine.held_rename() as release:
        one = machine.start("fire", "way", held=True)
        machine.renames()
        machine.listen()
        machine.good("once", "way")
        release()
        assert one.wait(PATIENCE) == 0
    assert (machine.state("way"), machine.log.read_text()) == ("fired", "back\n")


def test_what_is_being_taken_back_is_not_disarmed(plain: Machine) -> None:
    plain.good("arm", "way", "120", "--", *back(plain))
    firing = plain.fires("way")
    done = plain.run("disarm", "way")
    assert (done.returncode, done.stderr) == (4, "way was not disarmed: it is being taken back\n")
    plain.hear()
    assert firing.wait(PATIENCE) == 0
    assert plain.state("way") == "fired"


# ── restarts of the host ────────────────────────────────────────────────────────────────────────────────────────────


def test_after_a_restart_it_is_taken_back_after_a_short_grace(machine: Machine) -> None:
    machine.good("arm", "way", "120", "--", *back(machine))
    machine.reboot()
    assert machine.state("way") == "unwatched 15"
    machine.good("resume")
    machine.watchdog("way")
    machine.advance(14)
    machine.good("once", "way")
    assert machine.state("way") == "armed 1"
    machine.advance(1)
    machine.hear()
    assert machine.settle("way") == "fired"


def test_what_a_restart_forgot_can_be_disarmed_and_fired(plain: Machine) -> None:
    plain.good("arm", "way", "120", "--", *back(plain))
    plain.good("arm", "other", "120", "--", "true")
    plain.reboot()
    plain.listen()
    plain.good("fire", "way")
    plain.good("disarm", "other")
    assert (plain.state("way"), plain.state("other")) == ("fired", "kept")


def test_taking_back_that_a_restart_cut_off_is_done_again(plain: Machine) -> None:
    plain.good("arm", "way", "120", "--", *back(plain))
    plain.kill_watchdog("way")
    firing = plain.fires("way")
    os.killpg(firing.pid, signal.SIGKILL)
    firing.wait(PATIENCE)
    plain.reboot()
    plain.listen()
    plain.good("resume")
    assert plain.settle("way") == "fired"
    assert plain.log.read_text() == "back\nback\n"


def test_taking_back_that_was_killed_is_done_again_by_the_watchdog(plain: Machine) -> None:
    plain.good("arm", "way", "120", "--", *back(plain))
    firing = plain.fires("way")
    os.killpg(firing.pid, signal.SIGKILL)
    firing.wait(PATIENCE)
    plain.listen()
    assert plain.settle("way") == "fired"
    assert plain.log.read_text() == "back\nback\n"


def test_a_watchdog_that_has_the_number_of_the_one_that_was_cut_off_takes_back_itself(plain: Machine) -> None:
    plain.good("arm", "way", "120", "--", *back(plain))
    plain.kill_watchdog("way")
    plain.listen()
    script = 'mv "$1/armed" "$1/firing.$$"; exec sh "$0" once way'
    words = ["sh", "-c", script, str(plain.store / "rollback.sh"), str(plain.store / "way")]
    subprocess.run(words, env=plain.environment, check=True, timeout=120)
    assert plain.state("way") == "fired"


def test_the_watchdog_does_not_hear_a_hang_up(plain: Machine) -> None:
    plain.good("arm", "way", "120", "--", *back(plain))
    os.kill(plain.watchdog("way"), signal.SIGHUP)
    plain.advance(120)
    plain.hear()
    assert plain.settle("way") == "fired"


@pytest.mark.parametrize("text", ["", "boot-1\n"])
def test_a_clock_that_cannot_be_read_counts_as_a_restart(text: str, plain: Machine) -> None:
    plain.good("arm", "way", "120", "--", *back(plain))
    (plain.store / "way" / "clock").write_text(text)
    assert plain.state("way") == "armed 15"
