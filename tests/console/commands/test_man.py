"""The manual is in the program and complete; each shell is told every command; one way to ask for JSON everywhere."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import assets
import console
from console.__main__ import main
from console.commands.main import COMMANDS, build, learn
from console.diagnosis.catalogue import CATALOGUE
from console.formats import manual

ROOT = Path(console.__file__).parent.parent
READ = re.compile(
    r"""environ(?:\.get\(|\[|, )\s*"([A-Z][A-Z_]+)"|given\.get\("([A-Z][A-Z_]+)"|"([A-Z_]+)" not in os\.environ"""
)
COMMON = {"SHELL"}
"""What every program reads."""


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["man"]) == 0
    return capsys.readouterr().out


def test_the_manual_names_everything_of_the_catalogue(told: str) -> None:
    flat = " ".join(told.split())
    for entry in CATALOGUE.values():
        assert f"{entry.id} {entry.name} — {entry.severity} {' '.join(entry.remedy.split())}" in flat


def test_the_manual_names_every_variable_that_the_program_reads(told: str) -> None:
    files = [file for room in ("console", "screens") for file in (ROOT / room).rglob("*.py")]
    read = {name for file in files for match in READ.findall(file.read_text()) for name in match if name}
    assert {"COWHAND_SITE", "COWHAND_LAB", "COWHAND_SSH_CONFIG", "TMUX"} <= read
    _, _, section = told.partition("\nENVIRONMENT\n")
    assert not [name for name in read - COMMON if name not in section]


def test_the_text_is_plain_and_narrow(told: str) -> None:
    assert told.startswith("NAME\n    cowhand — operator console")
    assert "[--site FILE | NAME | --lab]" in told
    assert max(map(len, told.splitlines())) <= 80
    assert not re.search(r"\\[-&e(]|^\s*\.[A-Z][a-z]\b|\b(Op|Fl|Ar|Oo|Oc|Ev|Pa) ", told, re.MULTILINE)


def test_the_source_is_the_page_that_packagers_install(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["man", "--source"]) == 0
    page = (Path(assets.__file__).parent / "cowhand.1").read_text()
    assert capsys.readouterr().out == manual.page(page)
    assert page.count(manual.MARK) == 1


def test_fish_is_told_every_command_option_and_choice(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "fish"]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert all(
        row.startswith(("complete -c cowhand", "#")) and row.count("'") % 2 == row.count("\\'") % 2 for row in rows
    )
    for name, command in learn(build()).items():
        assert any(f"-a '{name}' -d '" in row for row in rows)
        mine = [row for row in rows if f"__fish_seen_subcommand_from {name}'" in row]
        for action in command._actions:
            for option in action.option_strings:
                if option.startswith("--"):
                    assert any(f"-l {option[2:]} " in f"{row} " for row in mine), option
    assert any("prove-client-address" in row for row in rows)
    assert any("'sarif" in row or "sarif" in row for row in rows)


@pytest.mark.parametrize("command", [name for name in COMMANDS if name not in ("show", "lint")])
def test_format_json_is_json(command: str) -> None:
    parser = build()
    if not any(action.dest == "json" for action in learn(parser)[command]._actions):
        return
    verbs = ["CH001"] if command == "explain" else []
    read = [
        parser.parse_args([command, *verbs, *words]).json
        for words in ([], ["--json"], ["--format", "json"], ["--format", "text"])
    ]
    assert read == [False, True, True, False]


def test_what_has_json_has_format_too(capsys: pytest.CaptureFixture[str]) -> None:
    for command, parser in learn(build()).items():
        options = {option for action in parser._actions for option in action.option_strings}
        assert ("--json" in options) <= ("--format" in options), command
    assert main(["flow", "--list", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["flows"]


@pytest.mark.parametrize("command", [*COMMANDS])
def test_what_stands_before_the_command_may_stand_behind_it(command: str) -> None:
    needed = {"lab": ["status"], "completion": ["bash"]}.get(command, [])
    for words in (["--site", "a.toml"], ["--lab"], ["--read-only"], ["--every", "5"]):
        before = build().parse_args([*words, command, *needed])
        behind = build().parse_args([command, *words, *needed])
        assert vars(before) == vars(behind)
