"""`cowhand explain`: every id of the catalogue is explained, and an unknown one is refused."""

from __future__ import annotations

import json
from string import Formatter

import pytest

from console.commands import main
from console.diagnosis import about as about_module
from console.diagnosis.about import about
from console.diagnosis.catalogue import CATALOGUE
from console.diagnosis.modes import MODES


def explain(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    status = main.run(main.build().parse_args(["explain", *words]))
    assert status == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("id", sorted(CATALOGUE))
def test_every_id_says_what_it_is_and_how_it_is_mended_and_leaves_no_blank(id: str) -> None:
    found = about(id)
    assert found is not None
    assert found.words and found.remedies
    told = [*found.words, *found.seen, *found.proofs, *found.remedies, *(word for row in found.alike for word in row)]
    assert not [words for words in told if "{" in words or "}" in words or " ," in words or "  " in words]


OPTIONAL = {"also", "over", "count", "how", "files", "only", "why", "astray", "process", "peer"}
"""What a sentence can do without; each brings its own blank or comma."""


def test_a_sentence_misses_no_word_that_it_needs() -> None:
    def names(words: str) -> set[str]:
        return {name for _, name, _, _ in Formatter().parse(words) if name}

    used = {name for mode in MODES for words in (mode.words, mode.remedy, mode.tells) for name in names(words or "")}
    assert {name for name in used - OPTIONAL if about_module._blank(f"{{{name}}}") == ""} == set()


def test_what_nothing_tells_apart_is_not_said_to_be_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert "calls PROXY/SERVER down, though it answers CH091:" in " ".join(explain(capsys, "CH051").split())
    out = " ".join(explain(capsys, "CH098").split())
    assert "a conversation from here: hung up, hung up at once, hung up after 3 s, hung up after 5 s" in out


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.id)
def test_every_mode_has_an_id_with_words_of_its_own(mode: object) -> None:
    finding = getattr(mode, "finding")  # noqa: B009
    found = about(finding)
    assert found is not None and found.words and found.seen


def test_a_mode_says_what_proves_it_and_what_looks_like_it(capsys: pytest.CaptureFixture[str]) -> None:
    out = explain(capsys, "CH051")
    assert out.startswith("CH051 server-in-maintenance (critical)\n")
    for heading in ("What it is", "What is seen", "What proves it", "What else looks like it", "How it is mended"):
        assert f"\n{heading}\n" in out
    assert "HAProxy's own row of the server says so" in out


def test_a_rule_over_files_is_explained_by_its_own_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert "IMAP IDLE" in explain(capsys, "CH019")
    assert json.loads(explain(capsys, "CH016", "--json"))["name"] == "tunnel-down"


def test_without_an_id_all_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert explain(capsys).splitlines() == [f"{entry.id}  {entry.name}" for entry in CATALOGUE.values()]
    assert {entry["id"] for entry in json.loads(explain(capsys, "--json"))} == set(CATALOGUE)


def test_an_id_that_is_none_is_refused_with_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main.build().parse_args(["explain", "CH999"])
    assert ended.value.code == 2
    assert "CH001" in capsys.readouterr().err
