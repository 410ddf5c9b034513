"""The runbook is a shell script that does what the plan says, and stops where the world is not as it was."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from console.estate.load import load
from console.flows import Loss, Plan, Run, Step, StepContext, Write, needed
from console.hosts.local import Local
from console.runner import runbook
from console.secret import Secret
from tests.console.runner.test_runner import Planned

SITE = """\
[hosts.vps]
role = "proxy"
ssh = "vps"
become = "sudo"
[hosts.home]
role = "hypervisor"
ssh = "me@home"
[hosts.mailcow]
role = "mail"
via = "home"
incus = "local:mailcow"
"""

HOSTILE = (
    "hello\n",
    "no newline at the end",
    "",
    'it\'s "quoted" $HOME `id` \\ %s !\n',
    "COWHAND_FILE\nCOWHAND_STEP\n",
    "tab\tand\x01control\x1b[31m\n",
    "Größe → 10 GiB\n",
    "\r\nwindows\r\n",
)


def script(tmp_path: Path, *actions: Run | Write, **more: object) -> str:
    (tmp_path / "site.toml").write_text(SITE)
    context = StepContext(load(tmp_path / "site.toml"), {"here": Local()})
    context.hide(Secret("hunter2"))
    step = Planned(tmp_path / "mark", *actions)
    plan = Plan(actions, **more)  # type: ignore[arg-type]
    steps: Sequence[Step] = (step,)
    return runbook.write("play", "a small flow", context, [(step, needed("it is not so"), plan)], steps)


def sh(text: str, path: Path, *options: str) -> subprocess.CompletedProcess[str]:
    book = path / "book.sh"
    book.write_text(text)
    return subprocess.run(
        ["sh", *options, str(book)], capture_output=True, text=True, timeout=120, check=False, stdin=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip


@pytest.mark.parametrize("content", [*map(str.encode, HOSTILE), bytes(range(256))])
@pytest.mark.parametrize("before", [None, b"old\n"])
def test_following_it_leaves_what_the_flow_would_leave(tmp_path: Path, content: bytes, before: bytes | None) -> None:
    path = tmp_path / "it's a 'file' $(x)"
    if before is not None:
        path.write_bytes(before)
    text = script(tmp_path, Write("here", str(path), before, content, 0o640))
    assert sh(text, tmp_path, "-n").stderr == ""
    done = sh(text, tmp_path)
    assert (done.returncode, path.read_bytes()) == (0, content), done.stderr
    assert path.stat().st_mode & 0o777 == 0o640
    assert before is None or Path(f"{path}.previous").read_bytes() == before
    assert sh(text, tmp_path).returncode == 0, "it can be followed again"


@pytest.mark.parametrize("word", HOSTILE)
def test_every_argument_arrives_as_it_is(tmp_path: Path, word: str) -> None:
    out = tmp_path / "out"
    text = script(tmp_path, Run("here", ("sh", "-c", 'printf %s "$2" > "$1"', "sh", str(out), word)))
    assert sh(text, tmp_path, "-n").stderr == ""
    assert sh(text, tmp_path).returncode == 0
    assert out.read_bytes().decode() == word
    assert "\x1b" not in text


def test_a_file_that_has_changed_since_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text("theirs\n")
    done = sh(script(tmp_path, Write("here", str(path), b"old\n", b"new\n")), tmp_path)
    assert (done.returncode, path.read_text()) == (1, "theirs\n")
    assert "is not as it was" in done.stderr


def test_a_guard_that_does_not_hold_stops_it(tmp_path: Path) -> None:
    mark = tmp_path / "done"
    text = script(tmp_path, Run("here", ("touch", str(mark)), guards=(("test", "-e", str(tmp_path / "none")),)))
    done = sh(text, tmp_path)
    assert (done.returncode, mark.exists(), "a guard did not hold" in done.stderr) == (1, False, True)


def test_what_is_lost_must_be_typed_at_a_terminal(tmp_path: Path) -> None:
    mark = tmp_path / "done"
    text = script(tmp_path, Run("here", ("touch", str(mark))), loses=(Loss("opt's", "what is on it is lost"),))
    assert sh(text, tmp_path, "-n").stderr == ""
    done = sh(text, tmp_path)
    assert (done.returncode, mark.exists(), "what is on it is lost" in done.stderr) == (1, False, True)


def test_a_failure_ends_it(tmp_path: Path) -> None:
    mark = tmp_path / "done"
    done = sh(script(tmp_path, Run("here", ("false",)), Run("here", ("touch", str(mark)))), tmp_path)
    assert (done.returncode != 0, mark.exists()) == (True, False)


def test_a_status_that_is_well_does_not_end_it(tmp_path: Path) -> None:
    mark = tmp_path / "done"
    fine = Run("here", ("sh", "-c", "exit 3"), well=(0, 3))
    assert sh(script(tmp_path, fine, Run("here", ("touch", str(mark)))), tmp_path).returncode == 0
    assert mark.exists()


def test_each_host_is_reached_by_the_way_the_site_says(tmp_path: Path) -> None:
    actions = [Run(role, ("true",)) for role in ("proxy", "hypervisor", "mail")]  # type: ignore[arg-type]
    text = script(tmp_path, *actions)
    assert "on_proxy() { ssh -- vps 'sudo sh -s'; }" in text
    assert "on_hypervisor() { ssh -- me@home 'sh -s'; }" in text
    assert "on_mail() { ssh -- me@home 'incus exec local:mailcow -- sh -s'; }" in text


def test_it_runs_on_another_host_through_its_shell(tmp_path: Path) -> None:
    """A stand-in for ssh gives its last argument to a shell, as sshd does."""
    stand_in = tmp_path / "ssh"
    stand_in.write_text(f'#!/bin/sh\necho "$2" >> {tmp_path}/hosts\nexec sh -c "$3"\n')
    stand_in.chmod(0o755)
    (tmp_path / "sudo").symlink_to("/usr/bin/env")
    text = script(tmp_path, Write("proxy", str(tmp_path / "a"), None, b"hello\n"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        done = sh(text, tmp_path)
    assert (done.returncode, (tmp_path / "a").read_text()) == (0, "hello\n"), done.stderr
    assert (tmp_path / "hosts").read_text() == "vps\n"


def test_a_secret_is_not_written_into_it(tmp_path: Path) -> None:
    actions = (
        Write("here", str(tmp_path / "a"), None, b"word hunter2\n"),
        Write("here", str(tmp_path / "b"), None, b"sealed-words\n", sealed=True),
        Run("here", ("echo", "hunter2")),
    )
    text = script(tmp_path, *actions)
    assert ("hunter2" in text, "sealed-words" in text) == (False, False)
    assert sh(text, tmp_path, "-n").stderr == ""
    assert sh(text, tmp_path).returncode == 1


@pytest.mark.parametrize("hidden", ["\u202e", "\u200b", "\x9b", "\U000e0041", "\r"])
def test_no_content_reads_as_what_it_is_not(tmp_path: Path, hidden: str) -> None:
    content = f"a\tb \u00e9\n# x {hidden} y\n"
    text = script(tmp_path, Write("here", str(tmp_path / "f"), None, content.encode(), 0o640))
    assert hidden not in text and "base64 -d" in text
    assert sh(text, tmp_path).returncode == 0 and (tmp_path / "f").read_bytes() == content.encode()
