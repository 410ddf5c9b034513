"""assets/certificate_deploy.sh installs a good pair, or leaves or puts back the one before, whatever goes wrong."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.assets.mail_host import MailHost
from tests.assets.pairs import DAY, NAME, Pair, authority, installed, new, old

SNI = f"{NAME}/domains"
RELOADS = ["postfix reload", "dovecot reload", "nginx -s reload"]


def sub_folder(mail: MailHost, names: str) -> None:
    """Lay a folder of certificates for some names, as acme-mailcow does."""
    folder = mail.ssl / "other"
    folder.mkdir()
    old().write(folder)
    (folder / "domains").write_text(names)


def link(mail: MailHost) -> None:
    (mail.ssl / "cert.pem").rename(mail.root / "elsewhere.pem")
    (mail.ssl / "cert.pem").symlink_to(mail.root / "elsewhere.pem")


def occupy(mail: MailHost) -> None:
    mail.store.parent.mkdir(parents=True)
    mail.store.write_text("a file")


def knob(name: str, text: str = "") -> Callable[[MailHost], None]:
    return lambda mail: mail.knob(name, text)


UNREADY: dict[str, tuple[Callable[[MailHost], None], str]] = {
    "postfix is stopped": (knob("stopped-postfix"), "postfix-mailcow does not run"),
    "dovecot is stopped": (knob("stopped-dovecot"), "dovecot-mailcow does not run"),
    "nginx is stopped": (knob("stopped-nginx"), "nginx-mailcow does not run"),
    "docker is stopped": (knob("no-docker"), "docker does not answer"),
    "two containers": (knob("id-dovecot", "1abc\n2abc\n"), "more than one container is dovecot-mailcow"),
    "a broken main.cf": (knob("fails-postfix-postconfc"), "a reload would end Postfix"),
    "a certificate of the name's own": (lambda mail: sub_folder(mail, f"a.test {NAME}\n"), f"for {NAME}, which wins"),
    "a wildcard of its own": (lambda mail: sub_folder(mail, "*.example.test\n"), f"for {NAME}, which wins"),
    "a symbolic link": (link, "is a symbolic link"),
    "no ssl folder": (lambda mail: mail.ssl.rename(mail.root / "moved"), "is not there"),
    "the store is a file": (occupy, "cannot be written"),
    "dovecot takes no connection": (lambda mail: [mail.doors[at].close() for at in (2, 3)], "takes no connection"),  # type: ignore[dict-item, return-value]
}

NOT_SERVED: dict[str, tuple[str, str]] = {
    "postfix does not load it": ("deaf-postfix", "of postfix-mailcow does not show it"),
    "dovecot does not load it": ("deaf-dovecot", "of dovecot-mailcow does not show it"),
    "nginx does not load it": ("deaf-nginx", "of nginx-mailcow does not show it"),
    "postfix reload fails": ("fails-postfix-postfixreload", "postfix reload failed"),
    "dovecot reload fails": ("fails-dovecot-dovecotreload", "dovecot reload failed"),
    "nginx refuses the files": ("fails-nginx-nginxt", "nginx -t fails"),
    "nginx reload fails": ("fails-nginx-nginxs", "nginx -s reload failed"),
}


def test_a_good_pair_is_installed_and_served(mail: MailHost) -> None:
    done = mail.push(new().pushed)
    assert (done.returncode, done.stderr) == (0, b"")
    ports = " ".join(str(door.port) for door in mail.doors)
    assert done.stdout.decode().startswith(f"installed {new().fingerprint} until 2")
    assert done.stdout.decode().endswith(f"Z, served on {ports}\n")
    assert mail.reloads == RELOADS
    mail.holds(new())
    assert (mail.store / "previous.pem").read_bytes() == old().pushed
    assert (mail.store / "previous.pem").stat().st_mode & 0o777 == 0o600
    assert not any("kill" in each or "restart" in each or "stop" in each for each in mail.asked)


def test_the_previous_pair_is_restored_and_restored_again(mail: MailHost) -> None:
    options = ("--authority", "/etc/authority.pem", "--restore")
    assert b"there is no previous pair" in mail.push(b"", *options).stderr
    mail.push(new().pushed)
    mail.push(new().pushed)  # the same once more does not push the one before out
    assert mail.push(b"", *options).stdout.decode().startswith(f"restored {old().fingerprint}")
    mail.holds(old())
    assert mail.push(b"", *options).returncode == 0
    mail.holds(new())


@pytest.mark.parametrize("name", UNREADY)
def test_a_machine_that_is_not_ready_is_left_as_it_is(mail: MailHost, name: str) -> None:
    spoil, why = UNREADY[name]
    spoil(mail)
    before = mail.files()
    done = mail.push(new().pushed)
    assert (done.returncode, done.stdout) == (12, b""), done.stderr
    assert why in done.stderr.decode() and done.stderr.endswith(b"; nothing was changed\n")
    after = mail.files()
    after.pop("var/lib/cowhand/certificate/lock", None)
    assert after == before
    assert not mail.reloads


@pytest.mark.parametrize("name", NOT_SERVED)
def test_what_is_not_served_gives_way_to_the_previous_pair(mail: MailHost, name: str) -> None:
    knob, why = NOT_SERVED[name]
    mail.knob(knob, "once" if knob.startswith("fails") else "")
    before = {path.name: path.read_bytes() for path in mail.ssl.iterdir()}
    done = mail.push(new().pushed)
    assert (done.returncode, done.stdout) == (13, b""), done.stderr
    assert why in done.stderr.decode() and done.stderr.endswith(b"; the previous pair is back\n")
    mail.holds(old())
    assert {path.name: path.read_bytes() for path in mail.ssl.iterdir()} == before


def test_a_reload_that_fails_on_the_way_back_too_is_told(mail: MailHost) -> None:
    mail.knob("fails-dovecot-dovecotreload")
    done = mail.push(new().pushed)
    assert done.returncode == 14
    assert b"the previous pair is back, but dovecot reload failed in dovecot-mailcow\n" in done.stderr
    assert installed(mail.ssl) == old()


@pytest.mark.parametrize("broken", ["no pair", "a cut key", "a key of another"])
def test_a_broken_pair_is_mended_and_never_comes_back(mail: MailHost, broken: str) -> None:
    spoilt = {"no pair": None, "a cut key": old().key[:90], "a key of another": new().key}[broken]
    (mail.ssl / "key.pem").unlink() if spoilt is None else (mail.ssl / "key.pem").write_text(spoilt)
    mail.knob("deaf-nginx")
    done = mail.push(new().pushed)
    assert done.returncode == 14 and b"so the new one stays" in done.stderr
    assert installed(mail.ssl) == new()
    (mail.knobs / "deaf-nginx").unlink()
    mail.knob("stopped-nginx")
    assert mail.push(new().pushed).returncode == 12, "now there is a pair that works: nginx has to run"
    (mail.ssl / "key.pem").write_text("")
    done = mail.push(new().pushed)
    assert done.returncode == 14 and b"unusable; nginx-mailcow did not run: start it\n" in done.stderr
    (mail.knobs / "stopped-nginx").unlink()
    assert mail.push(new().pushed).returncode == 0
    mail.holds(new())


def test_two_pushes_at_once_are_one_after_the_other(mail: MailHost) -> None:
    mail.knob("pause", "0.02\n")
    pushes = [authority().pair(), authority().pair()]
    running = [
        subprocess.Popen(mail.words(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in pushes
    ]
    for process, pair in zip(running, pushes, strict=True):
        assert process.stdin
        process.stdin.write(pair.pushed)
        process.stdin.close()
    assert [process.wait(60) for process in running] == [0, 0]
    for process in running:
        for stream in (process.stdout, process.stderr):
            assert stream
            stream.close()
    assert mail.reloads == RELOADS * 2, "no reload of one between two of the other"
    mail.holds(installed(mail.ssl))
    assert installed(mail.ssl) in pushes


def test_a_deployment_that_does_not_end_is_not_waited_for(mail: MailHost) -> None:
    mail.lay(mail.program.replace("queue=60", "queue=0"))
    mail.store.mkdir(parents=True)
    done = mail.push(new().pushed, under=("flock", str(mail.store / "lock")))
    assert (done.returncode, done.stderr) == (11, b"another deployment has run for 0 seconds; nothing was changed\n")
    mail.holds(old())


@pytest.mark.parametrize("blocks", [0, 1])
def test_a_full_disk_changes_nothing(mail: MailHost, blocks: int) -> None:
    """A limit on the size of files stands for it: what is written beyond it fails."""
    done = mail.push(new().pushed, under=("sh", "-c", f'ulimit -f {blocks}; exec "$@"', "sh"))
    assert done.returncode == 12 and done.stderr.endswith(b"cannot be written; nothing was changed\n")
    mail.holds(old())
    assert mail.push(new().pushed).returncode == 0


def test_a_folder_that_cannot_be_written_changes_nothing(mail: MailHost) -> None:
    if os.getuid() == 0:
        script = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"'
        under: tuple[str, ...] = ("unshare", "-m", "sh", "-c", script, str(mail.ssl))
        if subprocess.run([*under, "true"], check=False, capture_output=True).returncode:
            pytest.skip("no mount namespace here, and root may write anywhere")
    else:
        under = ()
        mail.ssl.chmod(0o500)
    done = mail.push(new().pushed, under=under)
    mail.ssl.chmod(0o700)
    assert done.returncode == 12 and done.stderr.endswith(b"cannot be written; nothing was changed\n"), done
    mail.holds(old())


@pytest.mark.parametrize("days", [-1, 1])
def test_a_clock_that_is_a_day_off_leaves_a_good_pair(mail: MailHost, days: int) -> None:
    """The pair is shifted in place of the clock: with a day too late its dates seem a day earlier."""
    issued = authority().pair(start=-days * DAY - DAY / 24, end=90 * DAY - days * DAY)
    done = mail.push(issued.pushed)
    if days == -1:
        assert done.returncode == 10 and b"is not valid yet; here it is 2" in done.stderr
        mail.holds(old())
    else:
        assert done.returncode == 0
        mail.holds(issued)


# ── killed anywhere ──────────────────────────────────────────────────────────────────────────────────────────────────

STEPS = r"""
set -T
step() {  # before each command: what is on the disk; a state that was not seen before is told, or the end
    local cert key
    mapfile -t cert 2>/dev/null <"@ssl/cert.pem"; mapfile -t key 2>/dev/null <"@ssl/key.pem"
    local sizes="" each
    for each in @ssl/* @ssl/.cowhand/* @ssl/.cowhand/back/* @store/*; do [ ! -s "$each" ] || sizes+=" $each"; done
    case $step_seen in *"|${cert[*]}${key[*]}$sizes|"*) return ;; esac
    step_seen+="|${cert[*]}${key[*]}$sizes|"
    step_count=$((step_count + 1))
    printf '%s\n' "$step_count" >>"@root/steps"
    [ "$step_count" != "${KILL_AT-0}" ] || kill -"${SIGNAL-KILL}" $$
}
step_seen='' step_count=0
trap step DEBUG
"""
"""bash runs this before the script, and the script step by step: each distinct state of the disk is counted."""


def stepped(mail: MailHost, kill: int = 0, name: str = "KILL") -> subprocess.CompletedProcess[bytes]:
    """Push the renewed pair, and send a signal at one of the states."""
    text = STEPS.replace("@ssl", str(mail.ssl)).replace("@store", str(mail.store)).replace("@root", str(mail.root))
    (mail.root / "usr/steps").write_text(text)
    words = ["bash", *mail.words()[1:]]
    environment = {**os.environ, "BASH_ENV": str(mail.root / "usr/steps"), "KILL_AT": str(kill), "SIGNAL": name}
    return subprocess.run(words, input=new().pushed, capture_output=True, check=False, env=environment, timeout=60)


def steps(mail: MailHost) -> int:
    return len((mail.root / "steps").read_text().splitlines())


def anew(mail: MailHost) -> None:
    """The machine as it was at first."""
    shutil.rmtree(mail.store, ignore_errors=True)
    shutil.rmtree(mail.ssl / ".cowhand", ignore_errors=True)
    mail.install(old())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["KILL", "TERM"])
def test_killed_at_any_state_of_the_disk_a_good_pair_is_in_place(mail: MailHost, name: str) -> None:
    assert stepped(mail).returncode == 0
    count = steps(mail)
    assert count >= 8, "the steps were not seen"
    seen: set[Pair] = set()
    for kill in range(2, count + 1, 2 if name == "KILL" else 6):
        anew(mail)
        done = stepped(mail, kill, name)
        pair = installed(mail.ssl)
        assert pair in (old(), new())
        seen.add(pair)
        left = [path for path in (*mail.ssl.rglob("*"), *mail.store.rglob("*")) if path.is_file()]
        assert all(path.stat().st_mode & 0o077 == 0 for path in left if b"PRIVATE" in path.read_bytes())
        if name == "TERM":
            assert done.returncode in (0, -signal.SIGTERM, 143)
        if kill >= count - 1:
            assert mail.push(new().pushed).returncode == 0
            mail.holds(new())
    assert seen == ({old(), new()} if name == "KILL" else {new()})


def test_key_and_certificate_are_renamed_by_one_command() -> None:
    """Between two commands of a shell it can be killed; what is in one is not cut by that."""
    program = Path(__file__).parents[2].joinpath("assets/certificate_deploy.sh").read_text()
    moves = [line.strip() for line in program.splitlines() if '"$ssl/"' in line and "mv " in line]
    assert len(moves) == 2
    assert all('mv -f -- key.pem cert.pem "$ssl/")' in line for line in moves)
