"""The ways a rollback's watchdog is run: systemd, setsid, cron, at, and none of them."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from tests.console.runner.rollback_host import PATIENCE, Machine, back, ended, plain

__all__ = ["plain"]

pytestmark = pytest.mark.slow


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
    inner = "Name:\tcron\nUid:\t0\t0\t0\t0\nNStgid:\t7\t1\n"
    (plain.root / "proc/7/status").write_text(inner)
    assert plain.good("ways") == "process\n", "that of a container starts nothing of the host's"
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
