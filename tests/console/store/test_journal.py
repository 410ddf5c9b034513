"""What was done is on disk before and after it is done, for its owner alone, and tells what is true of a torn one."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from console.__main__ import main
from console.flows import Run
from console.mask import DOTS
from console.secret import Secret
from console.store import journal
from console.store.journal import Journal, JournalError, Lock, SiteLocked
from tests.console.flows.playing import SITE, Leave, Play
from tests.console.runner.test_runner import Planned


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "site.toml").write_text(SITE)
    return journal.place(tmp_path / "site.toml")


def begun(folder: Path, flow: str = "play") -> Journal:
    made = Journal(folder)
    made.write("began", flow=flow, site="site.toml", **journal.whoever())
    return made


def test_only_its_owner_reads_it(folder: Path) -> None:
    made = begun(folder)
    assert stat.S_IMODE(made.path.stat().st_mode) == 0o600
    for each in (folder, folder.parent):
        assert stat.S_IMODE(each.stat().st_mode) == 0o700


def test_two_sites_have_two_folders_and_a_link_to_a_site_has_its(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "site.toml").write_text(SITE)
    (tmp_path / "link.toml").symlink_to(tmp_path / "a" / "site.toml")
    a, b = (journal.place(tmp_path / name / "site.toml") for name in ("a", "b"))
    assert a != b
    assert journal.place(tmp_path / "link.toml") == a


def test_a_folder_that_others_write_to_is_refused(folder: Path, tmp_path: Path) -> None:
    folder.chmod(0o777)
    with pytest.raises(JournalError, match="you alone write to"):
        journal.place(tmp_path / "site.toml")


async def test_the_intent_is_on_disk_before_the_action_and_the_result_after(tmp_path: Path) -> None:
    """The action itself looks at the journal: every line has reached the disk by an fsync of its own."""
    synced: list[int] = []
    copy = tmp_path / "copy"
    folder = Play(tmp_path, []).folder
    look = Run("here", ("sh", "-c", f'cat "{folder}"/*.jsonl > "{copy}"'))
    play = Play(tmp_path, [Planned(copy, look)], ["yes"])
    real = os.fsync

    def fsync(handle: int) -> None:
        synced.append(handle)
        real(handle)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        assert (await play.run()).outcome == "done"
    then = [json.loads(line)["kind"] for line in copy.read_text().splitlines()]
    assert then == ["began", "intent", "do"]
    assert [entry.kind for entry in play.record.entries] == [*then, "did", "step", "ended"]
    assert len(synced) >= len(play.record.entries)


async def test_without_a_journal_nothing_is_changed(tmp_path: Path) -> None:
    play = Play(tmp_path, [Leave(tmp_path / "a")], ["yes"])
    real, full = os.write, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def write(handle: int, data: bytes) -> int:
        if b'"kind":"intent"' in data:
            raise full
        return real(handle, data)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "write", write)
        ending = await play.run()
    assert ending.outcome == "failed"
    assert "cannot be written: no space left on device" in ending.words
    assert not (tmp_path / "a").exists()


# ── secrets ─────────────────────────────────────────────────────────────────────────────────────────────────────────

PLANTED = "s3cr3t-p4ss"


class Sealing(Leave):
    async def plan(self, world: object) -> object:  # type: ignore[override]
        world.hide(Secret(PLANTED))  # type: ignore[attr-defined]
        return await super().plan(world)  # type: ignore[arg-type]


async def test_a_secret_is_nowhere_but_in_its_file(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    step = Sealing(tmp_path / "a", f"user bob\nword {PLANTED}\nDBPASS={PLANTED}2\n")
    say = Run("here", ("sh", "-c", 'cat "$1"; cat "$1" >&2; exit 1', "sh", str(tmp_path / "a")))
    play = Play(tmp_path, [step, Planned(tmp_path / "b", say)], ["yes", "yes", "stop"])
    ending = await play.run()
    assert PLANTED in (tmp_path / "a").read_text()
    told = repr(play.events) + repr(play.state) + ending.words + "".join(capfd.readouterr())
    kept = "".join(path.read_text() for path in play.folder.iterdir())
    assert PLANTED not in told + kept
    assert DOTS in told
    assert DOTS in kept


async def test_a_command_that_would_show_a_secret_is_not_run(tmp_path: Path) -> None:
    play = Play(tmp_path, [Planned(tmp_path / "b", Run("here", ("echo", PLANTED)))], ["yes", "stop"])
    play.context.hide(PLANTED)
    ending = await play.run()
    assert "would show a secret to every user" in ending.words
    assert PLANTED not in "".join(path.read_text() for path in play.folder.iterdir())


# ── one console at a time ───────────────────────────────────────────────────────────────────────────────────────────


def test_a_second_console_is_told_who_runs_what(folder: Path) -> None:
    with Lock(folder, "mount-volumes"), pytest.raises(SiteLocked) as held, Lock(folder, "other"):
        pass
    words = str(held.value)
    assert words.startswith(f"mount-volumes runs already: process {os.getpid()} of ")
    assert time.strftime("%Y-%m-%d") in words
    assert stat.S_IMODE((folder / journal.LOCK).stat().st_mode) == 0o600


def test_a_lock_is_gone_with_its_process_however_that_ended(folder: Path) -> None:
    script = f"""
import sys; from pathlib import Path; from console.store.journal import Lock
with Lock(Path({str(folder)!r}), "x"):
    print("held", flush=True); sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(SiteLocked, match=str(other.pid)), Lock(folder, "y"):
            pass
        other.kill()
        other.wait()
    with Lock(folder, "y"):
        pass


def test_a_command_that_outlives_its_console_does_not_hold_the_lock(folder: Path) -> None:
    with Lock(folder, "x"):
        child = subprocess.Popen(["sleep", "30"], close_fds=False)
    try:
        with Lock(folder, "y"):
            pass
    finally:
        child.kill()
        child.wait()


def test_somebody_who_looks_at_the_runs_holds_nobody_up(folder: Path) -> None:
    begun(folder).close()
    handle = os.open(folder, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_SH)
    import threading

    threading.Timer(0.05, os.close, [handle]).start()
    with Lock(folder, "y"):
        pass


def test_the_lock_cannot_be_taken_twice_by_removing_its_file(folder: Path) -> None:
    with Lock(folder, "x"):
        (folder / journal.LOCK).unlink()
        with pytest.raises(SiteLocked, match=r"^another console runs a flow on this site$"), Lock(folder, "y"):
            pass
        (folder / journal.LOCK).write_text("")
        with pytest.raises(SiteLocked), Lock(folder, "y"):
            pass
    with Lock(folder, "y"):
        pass


def test_what_tells_who_holds_the_lock_is_written_through_no_link(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "precious").chmod(0o644)
    os.mkfifo(tmp_path / "fifo")
    for target in ("precious", "fifo"):
        with Lock(folder, "x"):
            (folder / journal.LOCK).unlink()
            (folder / journal.LOCK).symlink_to(tmp_path / target)
            with pytest.raises(SiteLocked, match=r"^another console"), Lock(folder, "y"):
                pass
        with Lock(folder, "y"):
            pass
    assert (tmp_path / "precious").read_text() == "precious"


def test_a_folder_that_cannot_be_locked_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(handle: int, how: int) -> None:
        raise OSError(errno.EBADF, "Bad file descriptor")

    monkeypatch.setattr(fcntl, "flock", flock)
    words = f"^{folder} cannot be locked: bad file descriptor; set XDG_STATE_HOME to a folder on a local disk$"
    with pytest.raises(JournalError, match=words), Lock(folder, "x"):
        pass
    with pytest.raises(JournalError, match="none cannot be used: no such file"), Lock(folder / "none", "x"):
        pass


def test_nothing_is_changed_under_a_journal_that_was_removed(folder: Path) -> None:
    made = begun(folder)
    made.path.unlink()
    with pytest.raises(JournalError, match="cannot be written: it was removed"):
        made.write("do", step="format")


def test_the_journals_of_another_folder_are_another_sites(folder: Path, tmp_path: Path) -> None:
    assert journal.identity(folder) == journal.identity(folder / ".." / folder.name)
    assert journal.identity(folder) != journal.identity(tmp_path)
    assert re.fullmatch("[0-9a-f]{32}", journal.identity(folder))


# ── reading ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_run_without_an_end_was_interrupted_and_one_that_is_on_is_running(folder: Path) -> None:
    with Lock(folder, "play"):
        made = begun(folder)
        assert journal.read(made.path).state == "running"
    assert journal.read(made.path).state == "interrupted"
    made.write("ended", outcome="done", words="done")
    assert journal.read(made.path).state == "done"


def test_a_change_without_a_result_is_told(folder: Path) -> None:
    made = begun(folder)
    made.write("do", step="format", text="mkfs.ext4 /dev/sdb", argv=["mkfs.ext4", "/dev/sdb"])
    found = journal.read(made.path)
    assert found.open is not None
    assert found.open["text"] == "mkfs.ext4 /dev/sdb"
    made.write("did", step="format", text="mkfs.ext4 /dev/sdb", status=0)
    assert journal.read(made.path).open is None


@pytest.mark.parametrize("cut", range(1, 40, 3))
def test_a_torn_last_line_is_passed_over_and_said(folder: Path, cut: int) -> None:
    made = begun(folder)
    made.write("do", step="format", text="mkfs.ext4 /dev/sdb")
    made.close()
    made.path.write_bytes(made.path.read_bytes()[:-cut])
    found = journal.read(made.path)
    assert (found.torn, found.state, found.flow) == (True, "interrupted", "play")
    assert [entry.kind for entry in found.entries] == ["began"]


@pytest.mark.parametrize("content", [b"", b"\x00\xff\n", b"[]\n", b'{"at":"x","kind":1}\n', b"{}\n{"])
def test_a_file_that_is_no_journal_is_no_traceback(folder: Path, content: bytes) -> None:
    path = folder / "20260101-000000-abcdef.jsonl"
    path.write_bytes(content)
    assert journal.read(path).state == "interrupted"


# ── the command ─────────────────────────────────────────────────────────────────────────────────────────────────────


def told(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    status = main(words)
    said = capsys.readouterr()
    return status, said.out, said.err


async def test_the_command_lists_and_shows_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    play = Play(tmp_path, [Leave(tmp_path / "a")], ["yes"])
    await play.run()
    site = ("--site", str(tmp_path / "site.toml"), "journal")
    status, out, _ = told(capsys, *site)
    assert (status, "play  done" in out, play.record.run in out) == (0, True, True)
    status, out, _ = told(capsys, *site, "last")
    assert f"leave: on here: write {tmp_path}/a (mode 0644, 6 bytes)" in out
    assert "leave: done: it is there" in out
    status, out, _ = told(capsys, *site, play.record.run[:-2], "--json")
    document = json.loads(out)
    assert (status, document["state"], document["torn"]) == (0, "done", False)
    assert [entry["kind"] for entry in document["entries"]] == ["began", "intent", "do", "did", "step", "ended"]


def test_the_command_says_what_was_interrupted(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = begun(folder)
    made.write("do", step="format", text="mkfs.ext4 \x1b[31m/dev/sdb")
    made.path.write_bytes(made.path.read_bytes() + b'{"at":1')
    _, out, _ = told(capsys, "--site", str(tmp_path / "site.toml"), "journal", "last")
    assert "interrupted; no result is known of: mkfs.ext4 \\x1b[31m/dev/sdb" in out
    assert "is not whole" in out
    _, out, _ = told(capsys, "--site", str(tmp_path / "site.toml"), "journal", "--json")
    assert json.loads(out)["runs"][0]["open"]["step"] == "format"


@pytest.mark.parametrize(("run", "words"), [("last", "no run"), ("2026", "no run")])
def test_a_run_that_is_not_there_is_said(
    run: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "site.toml").write_text(SITE)
    status, _, err = told(capsys, "--site", str(tmp_path / "site.toml"), "journal", run)
    assert (status, words in err) == (2, True)
