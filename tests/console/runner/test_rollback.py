"""assets/rollback.sh on a folder that stands for a host: its files, its clock and the id of its start are there."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.console.runner.rollback_host import PATIENCE, SCRIPT, SHELLS, Machine, ended, wait_until

pytestmark = pytest.mark.slow


@pytest.fixture(params=[SHELLS[0], *(pytest.param(each, marks=pytest.mark.slow) for each in SHELLS[1:])])
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Machine]:
    """A host whose `sh` is each of the shells that this machine has."""
    made = Machine(tmp_path / "host", request.param)
    yield made
    made.close()


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[Machine]:
    """A host with the usual `sh`."""
    made = Machine(tmp_path / "host")
    yield made
    made.close()


def back(machine: Machine) -> tuple[str, ...]:
    """A command that takes back, and is heard of when it has."""
    return ("sh", "-c", 'echo old > "$1"; echo back >> "$2"; echo > "$3"', "sh", *map(str, machine.files))


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


# ── after the other host ────────────────────────────────────────────────────────────────────────────────────────────


def after(machine: Machine, hold: int = 0) -> tuple[str, ...]:
    """Asks a file for the status."""
    return ("after", "mail", str(hold), "4", "sh", "-c", 'exit "$(cat "$0")"', str(machine.root / "answer"))


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


# ── what is armed ───────────────────────────────────────────────────────────────────────────────────────────────────


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


# ── the ways a watchdog is run ──────────────────────────────────────────────────────────────────────────────────────


def test_without_systemd_and_setsid_nothing_is_armed(plain: Machine) -> None:
    plain.only("sh", "cat", "chmod", "mv", "sync", "rm", "mkdir", "sed", "grep", "sleep", "tr")
    assert plain.good("ways") == "none\n"
    done = plain.run("arm", "way", "120", "--", "true")
    assert (done.returncode, "nothing can take a change back by itself" in done.stderr) == (3, True)
    assert [path.name for path in plain.store.iterdir()] == ["rollback.sh"]


def test_where_the_watchdog_does_not_start_nothing_stays_armed(plain: Machine) -> None:
    plain.tool("setsid", "exit 1")
    plain.tool("sleep", "exit 0")
    done = plain.run("arm", "way", "120", "--", "true")
    assert (done.returncode, done.stderr) == (5, "way was not armed: its watchdog did not start\n")
    assert plain.state("way") == "kept"


def test_cron_starts_it_again_after_a_restart(plain: Machine) -> None:
    table = plain.root / "etc/cron.d/cowhand-rollback"
    table.parent.mkdir(parents=True)
    assert plain.good("ways") == "process\n"
    (plain.root / "proc/7").mkdir()
    (plain.root / "proc/7/comm").write_text("cron\n")
    (plain.root / "proc/7/status").write_text("Name:\tcron\nUid:\t1000\t1000\t1000\t1000\n")
    assert plain.good("ways") == "process\n", "anybody can call a process so"
    (plain.root / "proc/7/status").write_text("Name:\tcron\nUid:\t0\t0\t0\t0\n")
    assert plain.good("ways") == "process cron\n"
    plain.good("arm", "way", "120", "--", *back(plain))
    line = table.read_text().splitlines()[1]
    assert table.stat().st_mode & 0o777 == 0o644
    when, user, command = line.split(" ", 2)
    assert (when, user) == ("@reboot", "root")
    plain.reboot()
    subprocess.run(["sh", "-c", command], env=plain.environment, check=True)
    watchdog = plain.watchdog("way")
    plain.advance(15)
    plain.hear()
    assert plain.settle("way") == "fired"
    assert ended(watchdog)
    assert not table.exists(), "nothing is left to be started again"


def test_at_starts_it_again_after_a_restart(plain: Machine) -> None:
    (plain.root / "proc/7").mkdir()
    (plain.root / "proc/7/comm").write_text("atd\n")
    (plain.root / "proc/7/status").write_text("Name:\tatd\nUid:\t0\t0\t0\t0\n")
    plain.tool("at", f'echo "$*" > "{plain.root}/at"; cat >> "{plain.root}/at"')  # stands for at
    assert plain.good("ways") == "process at\n"
    plain.good("arm", "way", "120", "--", *back(plain))
    when, command = (plain.root / "at").read_text().splitlines()
    assert when == "now + 4 minutes"
    plain.reboot()
    again = subprocess.Popen(["sh", "-c", command], env=plain.environment)
    plain.watchdog("way")
    plain.advance(15)
    plain.hear()
    assert again.wait(PATIENCE) == 0
    assert plain.state("way") == "fired"


SYSTEMCTL = """\
echo "$*" >> "{root}/systemctl"
[ "$1" != --quiet ] || shift
link={root}/etc/systemd/system/multi-user.target.wants/$2
case $1 in
enable) mkdir -p "${{link%/*}}"; ln -s ../cowhand-rollback@.service "$link" ;;
disable) rm -f "$link" ;;
start) name=${{2#*@}}; setsid sh {store}/rollback.sh wait "${{name%.service}}" >/dev/null 2>&1 </dev/null & ;;
esac
"""


@pytest.fixture
def systemd(plain: Machine) -> Machine:
    """A host with a stand-in for systemctl that starts what the unit starts."""
    (plain.root / "run/systemd/system").mkdir(parents=True)
    (plain.root / "etc/systemd/system").mkdir(parents=True)
    plain.tool("systemctl", SYSTEMCTL.format(root=plain.root, store=plain.store))
    return plain


def test_systemd_runs_it_and_starts_it_again_after_a_restart(systemd: Machine) -> None:
    assert systemd.good("ways") == "systemd\n"
    systemd.good("arm", "way", "120", "--", *back(systemd))
    link = systemd.root / "etc/systemd/system/multi-user.target.wants/cowhand-rollback@way.service"
    unit = (systemd.root / "etc/systemd/system/cowhand-rollback@.service").read_text()
    assert f"ExecStart=/bin/sh {systemd.store}/rollback.sh wait %i" in unit.splitlines()
    assert link.is_symlink()
    asked = (systemd.root / "systemctl").read_text().splitlines()
    assert asked == [
        "stop cowhand-rollback@way.service",
        "daemon-reload",
        "--quiet enable cowhand-rollback@way.service",
        "start cowhand-rollback@way.service",
    ]
    watchdog = systemd.watchdog("way")
    systemd.good("disarm", "way")
    assert ended(watchdog)
    assert not link.is_symlink()


def test_the_unit_of_systemd_is_written_once(systemd: Machine) -> None:
    systemd.good("arm", "a", "120", "--", "true")
    systemd.good("arm", "b", "120", "--", "true")
    assert (systemd.root / "systemctl").read_text().count("daemon-reload") == 1


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="there is no systemd-analyze")
def test_systemd_understands_the_unit(systemd: Machine) -> None:
    systemd.good("arm", "way", "120", "--", "true")
    unit = systemd.root / "etc/systemd/system/cowhand-rollback@.service"
    words = ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", str(unit)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_unit_that_does_not_start_leaves_nothing_armed(systemd: Machine) -> None:
    systemd.tool("systemctl", '[ "$1" != start ]')
    done = systemd.run("arm", "way", "120", "--", "true")
    assert (done.returncode, done.stderr) == (5, "way was not armed: its watchdog did not start\n")
    assert systemd.state("way") == "kept"
