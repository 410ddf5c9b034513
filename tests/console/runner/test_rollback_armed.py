"""What is armed, disarmed, listed and refused on a host by assets/rollback.sh."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from tests.console.runner.rollback_host import (
    PATIENCE,
    SCRIPT,
    Machine,
    back,
    machine,
    plain,
    wait_until,
)

__all__ = ["machine", "plain"]

pytestmark = pytest.mark.slow


def test_nothing_is_armed_twice_and_what_is_settled_can_be_armed_again(machine: Machine) -> None:
    machine.good("arm", "way", "120", "--", *back(machine))
    twice = machine.run("arm", "way", "120", "--", "true")
    assert (twice.returncode, twice.stderr) == (3, "way is armed already\n")
    machine.good("disarm", "way")
    machine.good("arm", "way", "60", "--", *back(machine))
    assert machine.state("way") == "armed 60"
    machine.listen()
    machine.good("fire", "way")
    machine.good("arm", "way", "30", "--", *back(machine))
    assert machine.state("way") == "armed 30"


def test_where_it_was_never_armed_nothing_is_done(plain: Machine) -> None:
    assert plain.state("way") == "none"
    for verb in ("disarm", "fire"):
        done = plain.run(verb, "way")
        assert (done.returncode, done.stderr.partition(":")[0]) == (3, done.stderr.partition(":")[0])
        assert "is not armed" in done.stderr
    plain.good("once", "way")
    plain.good("wait", "way")


def test_taking_back_that_fails_is_told_and_can_be_tried_again(machine: Machine) -> None:
    gate = machine.root / "gate"
    machine.good("arm", "way", "9", "--", "sh", "-c", 'test -e "$0" || { echo no gate >&2; exit 7; }', str(gate))
    done = machine.run("fire", "way")
    assert (done.returncode, done.stderr) == (1, "no gate\ntaking back way failed\n")
    assert machine.state("way") == "failed 7"
    assert machine.run("disarm", "way").stderr == "way was not disarmed: it was to be taken back, and that failed\n"
    gate.touch()
    machine.good("fire", "way")
    assert machine.state("way") == "fired"


@pytest.mark.parametrize("name", ["", "..", ".new", "-x", "a/b", "a b", "a*"])
def test_a_name_is_not_a_path(plain: Machine, name: str) -> None:
    done = plain.run("arm", name, "120", "--", "true")
    assert (done.returncode, done.stderr) == (2, f"not a name of a rollback: {name}\n")


@pytest.mark.parametrize(
    "words",
    [(), ("120",), ("120", "--"), ("1x", "--", "true"), ("120", "after", "mail", "1", "9", "true", "--", "true")],
)
def test_what_is_not_understood_arms_nothing(plain: Machine, words: tuple[str, ...]) -> None:
    assert plain.run("arm", "way", *words).returncode == 2
    assert plain.state("way") == "none"


def test_only_its_owner_may_look(plain: Machine) -> None:
    plain.store.chmod(0o755)
    plain.good("arm", "way", "120", "--", *back(plain))
    assert [each.stat().st_mode & 0o77 for each in (plain.store, *plain.store.rglob("way*"))] == [0, 0]


def test_a_change_that_still_runs_is_ended_before_it_is_taken_back(machine: Machine) -> None:
    machine.good("arm", "way", "120", "--", *back(machine))
    machine.good("arm", "way2", "120", "--", "true")
    change = machine.start("under", "way", "sh", "-c", f"echo > {machine.root}/begun; sleep 1000; :")
    other = machine.start("under", "way2", "sleep", "1000")
    wait_until((machine.root / "begun").exists)
    machine.listen()
    machine.good("fire", "way")
    assert change.wait(PATIENCE) == -signal.SIGKILL
    assert other.poll() is None


def test_a_change_is_begun_only_while_its_rollback_is_armed(machine: Machine) -> None:
    mark = machine.root / "mark"
    machine.good("arm", "way", "120", "--", *back(machine))
    machine.good("under", "way", "touch", str(mark))
    assert mark.exists()
    machine.listen()
    machine.good("fire", "way")
    mark.unlink()
    done = machine.run("under", "way", "touch", str(mark))
    assert (done.returncode, done.stderr) == (75, "way is not armed any more: this was not begun\n")
    assert not mark.exists()


def test_all_that_is_known_is_listed(plain: Machine) -> None:
    plain.good("arm", "a", "120", "--", "true")
    plain.good("arm", "b", "120", "--", "false")
    plain.run("fire", "b")
    assert plain.good("state") == "a armed 120\nb failed 1\n"


def test_it_works_only_where_it_was_laid(tmp_path: Path) -> None:
    done = subprocess.run(["sh", str(SCRIPT), "state"], capture_output=True, text=True, check=False)
    assert (done.returncode, "where cowhand laid it" in done.stderr) == (2, True)
