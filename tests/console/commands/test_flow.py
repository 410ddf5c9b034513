"""`cowhand flow`: a contract of words, exit codes and events, with and without a terminal."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from console.__main__ import main
from console.commands.flow_options import FlowOptions
from console.commands.flow_printer import Printer
from console.events import ActionBegan, ActionProgressed, ActionShown, FlowBegan, StepChanged
from console.flows import registry
from console.store import journal

FLOW = '''\
"""Leave a greeting on this machine."""

import os

from console.flows import Ask, Flow, CheckResult, Loss, Plan, Run, Step, StepContext, done, needed

PATH = {path!r}


class Greet(Step):
    name, words = "greet", "leave a greeting"

    async def check(self, context: StepContext) -> CheckResult:
        return done("it is there") if await context.text("here", PATH) == "hello\\n" else needed("nobody said hello")

    async def plan(self, context: StepContext) -> Plan:
        who = context.ask(Ask("who", "who is greeted?", {{"bob": "the builder", "eve": "the listener"}}))
        loses = (Loss("silence", "the silence is lost"),) if os.environ.get("LOSES") else ()
        wait = (Run("here", ("sleep", os.environ["WAITS"])),) if os.environ.get("WAITS") else ()
        return Plan((*wait, await context.edit("here", PATH, "hello\\n")), (f"for {{who}}",), loses, "remove the file")


FLOW = Flow(lambda context: (Greet(),))
'''


@pytest.fixture
def greeting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A flow in a folder of its own, found as those of ours are; gives the file it leaves."""
    import console.flows

    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "say_hello.py").write_text(FLOW.format(path=str(tmp_path / "greeting")))
    (tmp_path / "site.toml").write_text('[[lane]]\nport = 25\nprotocol = "smtp"\ntarget = "127.0.0.1:25"\n')
    monkeypatch.setattr(console.flows, "__path__", [*console.flows.__path__, str(tmp_path / "more")])
    monkeypatch.chdir(tmp_path)
    registry.modules.cache_clear()
    yield tmp_path / "greeting"
    registry.modules.cache_clear()
    sys.modules.pop("console.flows.say_hello", None)


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    status = main([*words])
    told = capsys.readouterr()
    return status, told.out, told.err


Said = pytest.CaptureFixture[str]


def test_a_flow_is_found_by_its_file(greeting: Path, capsys: Said) -> None:
    status, out, _ = run(capsys, "flow", "--list")
    assert (status, "say-hello            Leave a greeting on this machine\n" in out) == (0, True)
    status, out, _ = run(capsys, "flow", "--list", "--json")
    assert {"name": "say-hello", "words": "Leave a greeting on this machine"} in json.loads(out)["flows"]


def test_looking_for_flows_imports_none(greeting: Path) -> None:
    assert "say-hello" in registry.names()
    assert "console.flows.say_hello" not in sys.modules


def test_a_plan_is_printed_and_nothing_is_changed(greeting: Path, capsys: Said) -> None:
    status, out, _ = run(capsys, "flow", "say-hello", "--plan", "--answer", "who=bob")
    assert status == 0
    assert "nothing is changed" in out
    assert "+hello" in out
    assert "for bob" in out
    assert not greeting.exists()


def test_yes_runs_it_and_again_there_is_nothing_to_do(greeting: Path, capsys: Said) -> None:
    words = ("flow", "say-hello", "--yes", "--answer", "who=bob")
    assert run(capsys, *words)[0] == 0
    assert greeting.read_text() == "hello\n"
    status, out, _ = run(capsys, *words)
    assert (status, out.splitlines()[-1]) == (0, "done: nothing to do: everything is as it should be")


@pytest.mark.parametrize("words", [("--yes",), ("--plan",), ("--yes", "--answer", "who=mallory")])
def test_a_missing_answer_is_four_and_its_key_is_named(greeting: Path, capsys: Said, words: tuple[str, ...]) -> None:
    status, out, _ = run(capsys, "flow", "say-hello", *words)
    assert (status, "--answer who=" in out) == (4, True)
    assert not greeting.exists()


def test_yes_is_no_answer_to_what_is_typed(greeting: Path, capsys: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOSES", "1")
    words = ("flow", "say-hello", "--yes", "--answer", "who=bob")
    for more in ((), ("--answer", "destroy=noise"), ("--answer", "destroy=yes")):
        status, out, _ = run(capsys, *words, *more)
        assert (status, "--answer destroy=silence" in out, greeting.exists()) == (4, True, False)
    assert run(capsys, *words, "--answer", "destroy=silence")[0] == 0
    assert greeting.exists()


def test_without_a_yes_and_without_a_terminal_nothing_is_done(greeting: Path, capsys: Said) -> None:
    status, out, _ = run(capsys, "flow", "say-hello", "--answer", "who=bob")
    assert (status, "--yes" in out, greeting.exists()) == (4, True, False)


def test_a_failure_is_one_and_says_why(greeting: Path, capsys: Said) -> None:
    greeting.mkdir()
    status, out, _ = run(capsys, "flow", "say-hello", "--yes", "--answer", "who=bob")
    assert status == 1
    assert out.splitlines()[-1].startswith("failed: ")


def test_json_is_one_event_a_line(greeting: Path, capsys: Said) -> None:
    status, out, _ = run(capsys, "flow", "say-hello", "--yes", "--answer", "who=bob", "--json")
    events = [json.loads(line) for line in out.splitlines()]
    assert status == 0
    assert [event["event"] for event in events] == [
        "flow-began", "step", "step", "plan", "asked", "asked", "step", "action-began", "action-ended", "step", "step",
        "flow-ended",
    ]  # fmt: skip
    assert events[-1]["outcome"] == "done"
    assert len({event["run"] for event in events}) == 1


def test_a_runbook_is_printed_and_passes_a_shell_s_reading(greeting: Path, capsys: Said) -> None:
    status, out, err = run(capsys, "flow", "say-hello", "--runbook", "--answer", "who=bob")
    assert (status, out.startswith("#!/bin/sh\n"), greeting.exists()) == (0, True, False)
    assert err == ""  # the plan is in the runbook, and nowhere else
    assert subprocess.run(["sh", "-n"], input=out, text=True, capture_output=True, check=True).stderr == ""
    subprocess.run(["sh"], input=out, text=True, capture_output=True, check=True)
    assert greeting.read_text() == "hello\n"


def test_what_keeps_a_runbook_from_being_written_is_said(greeting: Path, capsys: Said) -> None:
    status, out, err = run(capsys, "flow", "say-hello", "--runbook")
    assert (status != 0, out) == (True, "")
    assert "no runbook" in err


def test_read_only_changes_nothing_and_still_plans(greeting: Path, capsys: Said) -> None:
    words = ("flow", "say-hello", "--answer", "who=bob")
    status, _, err = run(capsys, "--read-only", *words, "--yes")
    assert (status, "nothing is changed" in err, greeting.exists()) == (2, True, False)
    assert run(capsys, "--read-only", *words, "--plan")[0] == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("flow",), "--list"),
        (("flow", "say-helo"), 'did you mean "say-hello"?'),
        (("flow", "runner"), "--list"),
        (("flow", "../say_hello"), "there is no flow"),
        (("flow", "say-hello", "--answer", "who"), "KEY=VALUE"),
    ],
)
def test_what_cannot_be_used_is_two_and_one_line(
    greeting: Path, capsys: Said, words: tuple[str, ...], said: str
) -> None:
    status, out, err = run(capsys, *words)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert said in err


def test_a_site_that_another_console_works_on_is_one_and_says_who(greeting: Path, capsys: Said) -> None:
    with journal.Lock(journal.place(Path("site.toml")), "mount-volumes"):
        status, _, err = run(capsys, "flow", "say-hello", "--yes", "--answer", "who=bob")
    assert status == 1
    assert re.search(rf"mount-volumes runs already: process {os.getpid()} of \S+ on \S+, since ", err)


def test_completion_knows_the_flows(greeting: Path, capsys: Said) -> None:
    for shell in ("bash", "zsh", "tcsh"):
        assert "say-hello" in run(capsys, "completion", shell)[1]


# ── a console of its own ────────────────────────────────────────────────────────────────────────────────────────────

START = """
import sys, console.flows, console.hosts.lock
console.hosts.lock.LOCKS = {more!r} + "/locks"  # another test's console changes this machine too
console.flows.__path__.append({more!r})
from console.__main__ import main
sys.exit(main(["flow", "say-hello", *sys.argv[1:]]))
"""


def start(greeting: Path, *words: str, **more: object) -> subprocess.Popen[str]:
    script = START.format(more=str(greeting.parent / "more"))
    return subprocess.Popen([sys.executable, "-c", script, *words], text=True, **more)  # type: ignore[call-overload,no-any-return]


def talk(greeting: Path, *exchanges: tuple[str, str], words: tuple[str, ...] = ()) -> tuple[int, str]:
    """Run it on a terminal: wait for each text, then type; return its status and all it showed."""
    leader, follower = pty.openpty()
    process = start(greeting, *words, stdin=follower, stdout=follower, stderr=follower, start_new_session=True)
    os.close(follower)
    shown = ""

    def read() -> bool:
        nonlocal shown
        with suppress(OSError):
            data = os.read(leader, 4096)
            shown += data.decode()
            return bool(data)
        return False

    for wanted, typed in exchanges:
        while wanted not in shown:
            assert read(), shown
        os.write(leader, typed.encode())
    while read():
        pass
    os.close(leader)
    return process.wait(120), shown


@pytest.mark.slow
def test_on_a_terminal_each_step_is_shown_and_asked_for(greeting: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOSES", "1")
    status, shown = talk(greeting, ("which one?", "1\n"), ("type silence", "silence\n"), ("[y/N", "y\n"))
    assert (status, greeting.exists()) == (0, True), shown
    assert "1  bob  the builder" in shown
    assert shown.index("+hello") < shown.index("[y/N")


@pytest.mark.slow
@pytest.mark.parametrize("typed", ["\n", "n\n", "yess\n", "\x04"])
def test_on_a_terminal_anything_but_yes_is_no(greeting: Path, typed: str) -> None:
    status, shown = talk(greeting, ("[y/N", typed), words=("--answer", "who=bob"))
    assert (status, greeting.exists()) == (4 if typed == "\x04" else 1, False), shown
    assert "nothing was changed" in shown


def sleeps(seconds: str) -> bool:
    """Whether `sleep` runs for that long, anywhere here."""
    done = subprocess.run(["ps", "-A", "-o", "args="], capture_output=True, text=True, check=True)
    return f"sleep {seconds}" in done.stdout.splitlines()


@pytest.mark.slow
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_ends_it_with_the_journal_closed(
    greeting: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals, status: int
) -> None:
    seconds = f"{2 if number == signal.SIGINT else 30}.{os.getpid()}"  # like no other process's
    monkeypatch.setenv("WAITS", seconds)
    process = start(greeting, "--yes", "--answer", "who=bob", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    for line in process.stdout:
        if "─ here: sleep" in line:
            break
    end = time.monotonic() + 60
    while not sleeps(seconds) and time.monotonic() < end:
        pass
    assert sleeps(seconds)
    process.send_signal(number)
    process.communicate(timeout=120)
    record = journal.runs(journal.place(Path("site.toml")))[0]
    assert (process.returncode, record.state, greeting.exists()) == (status, "stopped", False)
    assert (record.open is not None) == (number != signal.SIGINT), "what was cut off may have taken effect"
    assert not sleeps(seconds)


@pytest.mark.slow
def test_a_reader_that_goes_away_stops_nothing_half_way(greeting: Path) -> None:
    process = start(greeting, "--yes", "--answer", "who=bob", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    status = process.wait(120)
    assert status == 0, process.stderr.read() if process.stderr else ""
    assert greeting.read_text() == "hello\n"
    assert process.stderr is not None
    process.stderr.close()


@pytest.mark.slow
def test_a_reader_that_takes_its_time_gets_every_line(greeting: Path) -> None:
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    os.write(writing, b"x" * 4096)  # it is full: nothing can be printed until somebody reads
    process = start(greeting, "--yes", "--json", "--answer", "who=bob", stdout=writing)
    os.close(writing)
    end = time.monotonic() + 60
    while not greeting.exists() and time.monotonic() < end:
        pass
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(4)
    with os.fdopen(reading, encoding="utf-8") as stream:
        lines = stream.read().removeprefix("x" * 4096).splitlines()
    assert (process.wait(120), json.loads(lines[-1])["event"], json.loads(lines[0])["event"]) == (
        0, "flow-ended", "flow-began",
    )  # fmt: skip


def greeted(capsys: Said) -> str:
    """Leave a greeting and return the name of the run that did."""
    assert run(capsys, "flow", "say-hello", "--yes", "--answer", "who=bob")[0] == 0
    return json.loads(run(capsys, "journal", "--json")[1])["runs"][0]["run"]


@pytest.fixture
def kept(greeting: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return greeting


def test_the_plan_of_an_undo_says_what_would_be_done_and_changes_nothing(kept: Path, capsys: Said) -> None:
    name = greeted(capsys)
    status, out, _ = run(capsys, "flow", "say-hello", "--undo", name, "--plan")
    assert status == 0
    assert f"take back the run {name}" in out
    assert str(kept) in out
    assert kept.read_text() == "hello\n"
    assert len(json.loads(run(capsys, "journal", "--json")[1])["runs"]) == 1


@pytest.mark.parametrize("which", ["last", "by its name"])
def test_a_run_is_undone_and_the_undo_itself_is_not(kept: Path, capsys: Said, which: str) -> None:
    name = greeted(capsys)
    status, out, _ = run(capsys, "flow", "say-hello", "--undo", "last" if which == "last" else name, "--yes")
    assert (status, kept.exists()) == (0, False), out
    status, _, err = run(capsys, "flow", "say-hello", "--undo", "last", "--yes")
    assert status == 1
    assert f"took back {name}" in err


def test_an_undo_without_a_yes_or_a_terminal_changes_nothing(kept: Path, capsys: Said) -> None:
    greeted(capsys)
    assert run(capsys, "flow", "say-hello", "--undo", "last")[0] == 4
    assert kept.read_text() == "hello\n"


def test_a_run_that_is_not_there_or_of_another_flow_is_not_undone(kept: Path, capsys: Said) -> None:
    name = greeted(capsys)
    status, _, err = run(capsys, "flow", "say-hello", "--undo", "1999", "--yes")
    assert (status, 'there is no run "1999"' in err) == (2, True)
    status, _, err = run(capsys, "flow", "mount-volumes", "--undo", name, "--yes")
    assert (status, f"{name} is a run of say-hello, not of mount-volumes" in err) == (1, True)
    assert kept.read_text() == "hello\n"


def test_an_inner_flow_is_named_once_and_progress_is_told_now_and_then(capsys: Said) -> None:
    steps, paths = (("a", ""), ("b", ""), ("c", "")), (("out",), ("out", "in"), ("out", "in"))
    printer = Printer(FlowOptions({}))
    printer.tell(FlowBegan("r", "out", "words", steps, False, 100.0, paths))
    for at in range(3):
        printer.tell(StepChanged("r", at, "so", "", (), 100.0))
    printer.tell(ActionBegan("r", 2, ActionShown("copy", "mail", "copy x"), 100.0))
    for at in (104.0, 111.0, 115.0):
        printer.tell(ActionProgressed("r", 2, at, 200, "files", 0, 0, "", at))
    asyncio.run(printer.close())
    rows = capsys.readouterr().out.splitlines()
    assert [row.rstrip() for row in rows] == [
        "out  words", "✓ 1 a", "out / in", "✓ 2 b", "✓ 3 c", "    ─ mail: copy x", "      111 of 200 files",
    ]  # fmt: skip
