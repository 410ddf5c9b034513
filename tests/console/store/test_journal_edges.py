"""What a journal's lines mean to the runs after it, and how a run is named and found."""

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from console.mask import DOTS
from console.store import journal
from console.store.journal import Carried, Entry, Journal, JournalError, NullJournal
from tests.console.store.site_journal import descriptors, folder, lay

__all__ = ["folder"]


def at(monkeypatch: pytest.MonkeyPatch, now: float) -> None:
    monkeypatch.setattr(time, "time", lambda: now)


# ── place ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("mail", "mail"),
        ("my site!", "my-site"),
        ("..-", "site"),
        ("x" * 60, "x" * 40),
        ("a.b_c-d", "a.b_c-d"),
    ],
)
def test_a_site_s_folder_is_called_after_the_folder_of_its_file(name: str, word: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    file = tmp_path / name / "site.toml"
    found, _, checksum = journal.place(file).name.rpartition("-")
    assert (found, len(checksum)) == (word, 8)
    assert journal.place(file, lab=True).name.startswith("lab-")


def test_every_lab_has_a_folder_of_its_own_and_a_site_has_one_whatever_the_lab(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = set()
    for lab in ("one", "two"):
        monkeypatch.setenv("COWHAND_LAB", lab)
        places.add((journal.place(tmp_path / "site.toml"), journal.place(tmp_path / "site.toml", lab=True)))
    (site, one), (same, two) = places
    assert site == same
    assert len({site, one, two}) == 3


# ── writing ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_run_is_called_after_its_time_in_utc_to_the_microsecond(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at(monkeypatch, 1_700_000_001.999999)
    made = Journal(folder)
    assert made.run == "20231114-221321-999999"
    with pytest.raises(JournalError, match=r"no journal can be kept: .*jsonl: file exists"):
        Journal(folder)
    made.close()


def test_a_new_file_s_name_reaches_the_disk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda handle: synced.append(os.readlink(f"/proc/self/fd/{handle}")))  # noqa: PTH115
    before = descriptors()
    made = Journal(folder)
    assert synced == [str(folder)]
    made.write("began")
    assert synced == [str(folder), str(made.path)]
    assert descriptors() == before + 1
    made.close()
    made.close()
    assert descriptors() == before


def test_a_folder_that_is_gone_is_said(folder: Path) -> None:
    with pytest.raises(JournalError, match=r"no journal can be kept: .*: no such file or directory"):
        Journal(folder / "gone")


class Place(msgspec.Struct):
    host: str


def test_every_text_at_any_depth_is_redacted_and_what_is_empty_is_left_out(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at(monkeypatch, 1_700_000_000.12345)
    made = Journal(folder, lambda text: text.replace("pw", "***"))
    made.write(
        "x", a="pw", b={"pw": ["pw", 1, None, {"c": ("pw", True)}]}, c=Place("pw"), d=0, e="", f=None, g=[], h=()
    )
    made.close()
    assert json.loads(made.path.read_text()) == {
        "at": 1_700_000_000.123, "kind": "x", "a": "***", "b": {"***": ["***", 1, None, {"c": ["***", True]}]},
        "c": {"host": "***"}, "d": 0,
    }  # fmt: skip


def behind_password(text: str) -> str:
    return re.sub(r"--password \S+", "--password ***", text)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (["mysql", "--password", "geheim", "a b"], ["mysql", "--password", DOTS, "a b"]),
        (["echo", "it's", "$HOME"], ["echo", "it's", "$HOME"]),
        ([1, "--password", "geheim"], [1, "--password", "geheim"]),
        (["--password", "geheim", "x" * 4078], ["--password", DOTS, "x" * 4078]),
        (["--password", "geheim", "x" * 4079], ["--password", "geheim", "x" * 4079]),
    ],
    ids=["hidden", "quoted", "no command", "as long as is looked through", "longer"],
)
def test_a_word_that_is_secret_by_the_one_before_it_is_hidden_in_a_command(
    given: list[object], kept: list[object], folder: Path
) -> None:
    made = Journal(folder, behind_password)
    made.write("do", argv=given)
    made.close()
    assert journal.read(made.path).entries[0].data["argv"] == kept


def test_a_dry_run_s_journal_has_a_name_writes_nothing_and_can_be_closed() -> None:
    before = descriptors()
    made = NullJournal()
    made.write("began")
    made.close()
    assert (made.run, descriptors()) == ("dry", before)


# ── finding and reading ─────────────────────────────────────────────────────────────────────────────────────────────


def test_runs_are_listed_the_latest_first_and_found_by_their_beginning(folder: Path) -> None:
    names = ["20260101-000000-000000", "20260101-000000-000001", "20260102-000000-000000", "20260103-000000-000000"]
    for name in (names[2], names[0], names[3], names[1]):
        lay(folder, name, {"kind": "began", "flow": name})
    assert [record.run for record in journal.runs(folder)] == names[::-1]
    assert [record.run for record in journal.runs(folder, 2)] == names[:1:-1]
    assert journal.find(folder, "last").run == names[3]
    assert journal.find(folder, "20260102").run == names[2]
    assert journal.find(folder, names[0]).run == names[0]
    lay(folder, names[0] + "x", {"kind": "began"})
    assert journal.find(folder, names[0]).run == names[0], "a whole name is that run's, though another begins with it"
    with pytest.raises(JournalError, match=r'^3 runs begin with "20260101"$'):
        journal.find(folder, "20260101")
    with pytest.raises(JournalError, match=r'^there is no run "2027"$'):
        journal.find(folder, "2027")


@pytest.mark.parametrize("run", ["3" * 99, "20260101" + " " * 99])
def test_a_name_that_is_no_run_is_shown_but_not_endlessly(run: str, folder: Path) -> None:
    with pytest.raises(JournalError) as caught:
        journal.find(folder, run)
    assert len(str(caught.value).split('"')[1]) == 40


def test_a_run_tells_who_began_it_when_and_how_it_ended(folder: Path) -> None:
    began = {"kind": "began", "flow": "play", "site": "site.toml", "undo": "20250101"}
    found = journal.read(lay(folder, "a", began, {"kind": "step"}, {"kind": "ended", "outcome": "done"}))
    assert (found.run, found.flow, found.site, found.undo) == ("a", "play", "site.toml", "20250101")
    assert (found.began, found.ended, found.state, found.torn) == (100.0, 102.0, "done", False)
    assert found.entries[1] == Entry(101.0, "step", {})
    found = journal.read(lay(folder, "b", {"kind": "step", "flow": "x", "site": "y", "undo": "z"}))
    assert (found.flow, found.site, found.undo, found.began, found.ended) == ("", "", "", 0.0, 0.0)
    assert found.state == "interrupted"
    assert journal.read(lay(folder, "c")).entries == ()


@pytest.mark.parametrize(
    "line", ["[1]", "3", '"x"', "null", '{"at": 1}', '{"kind": "x"}', '{"at": "x", "kind": "y"}', "{"]
)
def test_a_line_that_is_none_is_passed_over_and_said(line: str, folder: Path) -> None:
    path = lay(folder, "a", {"kind": "began", "flow": "play"})
    path.write_text(line + "\n" + path.read_text())
    found = journal.read(path)
    assert (found.torn, found.flow, len(found.entries)) == (True, "play", 1)


def test_a_file_that_cannot_be_read_is_said(folder: Path) -> None:
    with pytest.raises(JournalError, match=r"gone\.jsonl cannot be read: no such file or directory"):
        journal.read(folder / "gone.jsonl")


def test_a_long_beginning_of_two_names_is_not_shown_endlessly(folder: Path) -> None:
    for end in "12":
        lay(folder, "3" * 60 + end)
    with pytest.raises(JournalError, match=f'^2 runs begin with "{"3" * 39}…"$'):
        journal.find(folder, "3" * 60)


def test_an_error_without_words_and_a_user_without_a_name_are_told_all_the_same(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nameless() -> str:
        raise KeyError

    monkeypatch.setattr("getpass.getuser", nameless)
    assert journal.whoever()["user"] == f"uid {os.getuid()}"
    monkeypatch.setattr(Path, "read_bytes", lambda path: (_ for _ in ()).throw(OSError()))
    with pytest.raises(JournalError, match="cannot be read: unknown reason"):
        journal.read(folder / "a.jsonl")


# ── what is still open ──────────────────────────────────────────────────────────────────────────────────────────────

DO = {"kind": "do", "mark": "1", "text": "mkfs"}
OPEN = [
    ("begun", [DO], ["1"]),
    ("ended", [DO, {"kind": "did", "mark": "1"}], []),
    ("unsure", [DO, {"kind": "did", "mark": "1", "unsure": True}], ["1"]),
    ("settled", [DO, {"kind": "did", "mark": "1", "unsure": True}, {"kind": "settled", "mark": "1"}], []),
    ("another's end", [DO, {"kind": "did", "mark": "2"}], ["1"]),
    ("another line", [DO, {"kind": "step", "mark": "1"}], ["1"]),
    ("two", [DO, {**DO, "mark": "2"}], ["1", "2"]),
    ("the first ended", [DO, {**DO, "mark": "2"}, {"kind": "did", "mark": "1"}], ["2"]),
]


@pytest.mark.parametrize(("entries", "marks"), [row[1:] for row in OPEN], ids=[row[0] for row in OPEN])
def test_a_change_is_open_until_it_is_known_to_have_ended(entries: list[Any], marks: list[str], folder: Path) -> None:
    found = journal.read(lay(folder, "a", {"kind": "began"}, *entries))
    assert [each["mark"] for each in found.unsettled] == marks
    assert (found.open or {}).get("mark") == (marks[-1] if marks else None)
    if marks:
        assert found.unsettled[0] == {"at": found.unsettled[0]["at"], "run": "a", "mark": marks[0], "text": "mkfs"}


BEGAN = {"kind": "began", "flow": "play"}
CARRIES = {**BEGAN, "carries": True}


def carried(folder: Path, *runs: list[dict[str, Any]]) -> tuple[set[tuple[str, str]], list[str]]:
    """What these runs, the earliest first, leave open: unproven steps, and marks of changes."""
    for number, entries in enumerate(runs):
        lay(folder, f"2026010{number + 1}-000000-000000", *entries)
    found = journal.carried(folder)
    assert isinstance(found, Carried)
    return set(found.unproven), [str(each.get("mark")) for each in found.open]


def intent(step: str, **more: str) -> dict[str, Any]:
    return {"kind": "intent", "step": step, **more}


def stands(step: str, state: str, **more: str) -> dict[str, Any]:
    return {"kind": "step", "step": step, "state": state, **more}


def test_nothing_is_carried_where_nothing_was_run(folder: Path) -> None:
    assert carried(folder) == (set(), [])
    assert carried(folder, []) == (set(), [])


@pytest.mark.parametrize("state", ["done", "so", "undone"])
def test_a_step_is_unproven_from_its_plan_until_it_is_seen_to_stand(state: str, folder: Path) -> None:
    assert carried(folder, [BEGAN, intent("a")]) == ({("play", "a")}, [])
    assert carried(folder, [BEGAN, intent("a"), stands("a", "failed")]) == ({("play", "a")}, [])
    assert carried(folder, [BEGAN, intent("a"), {"kind": "told", "step": "a", "state": state}]) == ({("play", "a")}, [])
    assert carried(folder, [BEGAN, intent("a"), intent("b"), stands("a", state)]) == ({("play", "b")}, [])
    assert carried(folder, [BEGAN, {"kind": "step", "step": "c", "state": "checking"}]) == (set(), [])


def test_a_step_is_known_by_its_own_flow_s_name_inside_another(folder: Path) -> None:
    entries = [BEGAN, intent("a", flow="inner"), intent("a"), stands("a", "done")]
    assert carried(folder, entries) == ({("inner", "a")}, [])
    assert carried(folder, [*entries, stands("a", "done", flow="inner")]) == (set(), [])


def test_what_one_run_leaves_open_the_next_may_prove_or_settle(folder: Path) -> None:
    first = [BEGAN, intent("a"), DO]
    assert carried(folder, first, [BEGAN]) == ({("play", "a")}, ["1"])
    assert carried(folder, first, [BEGAN, stands("a", "so"), {"kind": "settled", "mark": "1"}]) == (set(), [])
    assert carried(folder, first, [BEGAN, {"kind": "did", "mark": "1"}, {**DO, "mark": "2"}]) == (
        {("play", "a")}, ["1", "2"],
    )  # fmt: skip


def test_a_run_that_carries_on_tells_all_that_was_open_before_it(folder: Path) -> None:
    before = [BEGAN, intent("old"), {**DO, "mark": "9"}]
    carries = {**CARRIES, "unproven": [["play", "a"], ["inner", "b"]], "open": [{"mark": "7"}, {"mark": "8"}]}
    here = [carries, stands("a", "done"), {"kind": "settled", "mark": "7"}]
    assert carried(folder, before, here) == ({("inner", "b")}, ["8"])
    assert carried(folder, before, here, [BEGAN, DO]) == ({("inner", "b")}, ["8", "1"])
    later = [{**BEGAN, "unproven": [["x", "y"]], "open": [{"mark": "6"}]}]
    assert carried(folder, before, here, later) == ({("inner", "b")}, ["8"]), (
        "a run that carries nothing on tells nothing"
    )


def test_runs_that_carry_nothing_on_are_read_to_the_first(folder: Path) -> None:
    runs = [[BEGAN, intent(str(number)), {**DO, "mark": str(number)}] for number in range(8)]
    unproven, marks = carried(folder, *runs)
    assert unproven == {("play", str(number)) for number in range(8)}
    assert marks == [str(number) for number in range(8)]
