"""Shell scripts: commands, words and places, in the seed's scripts and in whatever else is written."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import assets
from console.sources.shell import Command, Script, read

LAB = Path(assets.__file__).parent / "lab"


def script(name: str) -> Script:
    return read((LAB / name).read_text(), name)


def commands(text: str) -> list[tuple[str, ...]]:
    return [command.texts for command in read(text, "x.sh").commands if command.words]


def named(found: Script, name: str) -> list[Command]:
    return [command for command in found.commands if command.name == name]


def test_the_seed_s_deploy_script_gives_its_commands_with_their_lines() -> None:
    found = script("mailcow-cert-deploy.sh")
    assert (found.interpreter, found.problems) == ("/bin/bash", ())
    assert [(command.span.line, command.texts) for command in named(found, "docker")] == [
        (19, ("docker", "compose", "exec", "postfix-mailcow", "postfix", "reload")),
        (20, ("docker", "compose", "kill", "-s", "SIGHUP", "dovecot-mailcow")),
    ]
    assert [command.redirects[0].target.text for command in named(found, "echo")[2:4]] == [
        "$SSL_DIR/cert.pem",
        "$SSL_DIR/key.pem",
    ]


def test_the_seed_s_hook_is_one_ssh_at_the_end_of_a_pipe() -> None:
    found = script("certbot-deploy-hook.sh")
    (ssh,) = named(found, "ssh")
    assert (ssh.after, ssh.span.line, ssh.span.column) == ("|", 7, 5)
    option = next(word for word in ssh.words if word.text.startswith("StrictHostKeyChecking"))
    assert (option.span.line, option.span.column, option.span.end) == (8, 8, 40)
    assert "RENEWED_LINEAGE" not in found.variables


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a b; c && d || e | f & g", [("a", "b"), ("c",), ("d",), ("e",), ("f",), ("g",)]),
        ("a 'b c' \"d $e\" f\\ g h'i'\"j\"", [("a", "b c", "d $e", "f g", "hij")]),
        ("a \\\n  b", [("a", "b")]),
        ("a \\\r\n  b\r\nc", [("a", "b"), ("c",)]),
        ("a # b; c\n#d\ne#f", [("a",), ("e#f",)]),
        ("if a; then b; elif c; then d; else e; fi", [("a",), ("b",), ("c",), ("d",), ("e",)]),
        ("while ! a; do b; done", [("a",), ("b",)]),
        ("f() { a; }", [("f",), ("a",)]),
        ("(a; b)", [("a",), ("b",)]),
        ("X=1 Y=$(a b) c", [("c",), ("a", "b")]),
        ('echo "$(a "$(b)")"', [("echo", '$(a "$(b)")'), ("a", "$(b)"), ("b",)]),
        ("echo `a b`", [("echo", "`a b`"), ("a", "b")]),
        ("a $((1 + 2)) ${b:-c d}", [("a", "$((1 + 2))", "${b:-c d}")]),
        ("a > b 2>&1 < c", [("a",)]),
        ("a <<EOF | b\nc; d\nEOF\ne", [("a",), ("b",), ("e",)]),
        ("/usr/bin/docker compose", [("/usr/bin/docker", "compose")]),
        ("a |\n  b", [("a",), ("b",)]),
        ("a $'b\\nc'", [("a", "b\\nc")]),
    ],
)
def test_commands_and_words_are_told_apart(text: str, found: list[tuple[str, ...]]) -> None:
    assert sorted(commands(text)) == sorted(found)
    assert read(text, "x.sh").problems == ()


def test_a_command_has_what_joins_it_to_the_one_before() -> None:
    assert [command.after for command in read("a | b && c\nd; e |\nf", "x").commands] == ["", "|", "&&", "", ";", "|"]


def test_a_substitution_s_commands_are_deeper() -> None:
    found = read("a $(b $(c))", "x").commands
    assert [(command.name, command.depth) for command in found] == [("a", 0), ("b", 1), ("c", 2)]


def test_a_here_document_keeps_its_text_also_before_a_pipe() -> None:
    cat, ssh = read("cat <<-EOF | ssh host\n\tone $A\n\tEOF\n", "x").commands
    assert (cat.redirects[0].body, ssh.texts) == ("\tone $A\n", ("ssh", "host"))


def test_assignments_stand_apart_from_words() -> None:
    (command,) = read("A=1 B='x y' run me", "x").commands
    assert [word.text for word in command.assignments] == ["A=1", "B=x y"]
    assert command.texts == ("run", "me")


def test_variables_have_the_place_of_their_first_use() -> None:
    found = read("echo '$NO' \"${ONE:-x}\"\n[ \"$TWO\" = $ONE ] <<E\n$THREE\nE\ncat <<'E'\n$NOT\nE\n", "x").variables
    assert {name: (span.line, span.column) for name, span in found.items()} == {
        "ONE": (1, 13),
        "TWO": (2, 4),
        "THREE": (3, 1),
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a\necho 'open", "x:2:6: the quote that opens here does not close"),
        ('a "open', "x:1:3: the quote that opens here does not close"),
        ("a $(b", 'x:1:5: the "$(" before this has no closing ")"'),
        ("a `b", 'x:1:4: the "`" before this has no closing "`"'),
        ("cat <<EOF\nx", 'x:1:10: a here-document without its closing "EOF"'),
    ],
)
def test_what_does_not_close_is_said_at_its_place(text: str, said: str) -> None:
    found = read(text, "x")
    assert [str(problem) for problem in found.problems] == [said]
    assert found.commands


@pytest.mark.parametrize("piece", ["$((", '${a"', "${a'", '"$(', "$(", "`", "<<A\n", "(", " <<<", "\\\n", '"', "${"])
def test_repetition_ends(piece: str) -> None:
    assert read(piece * 20_000, "x").file == "x"


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.text(max_size=60), st.text("ab $(){}\"'`\\\n;&|<>#!=1EOF\r", max_size=60)))
def test_any_text_is_read_and_every_word_is_where_it_says(text: str) -> None:
    found = read(text, "x")
    lines = text.removeprefix("\ufeff").split("\n")
    for command in found.commands:
        for word in (*command.words, *command.assignments):
            line = lines[word.span.line - 1]
            assert line[word.span.column - 1 :].startswith(word.raw.split("\n")[0])


def test_a_carriage_return_behind_the_interpreter_is_said() -> None:
    (carriage,) = read("#!/bin/sh\r\nset -e\r\n", "s.sh").problems
    assert str(carriage).startswith("s.sh:1:10: the line ends in CR and LF")
    assert read("\ufeff#!/bin/sh\nset -e\n", "s.sh").problems == ()


@pytest.mark.parametrize(
    "text",
    [
        'fresh=${2%"${2##*/}"}.$fresh',
        "x=${a#'\"'}",
        "x=\"${a#'}'}\"",
        'x="${a:-it\'s}"',
        'x=${a:-"b } c"}',
        'x=${a:-$(echo "}")}',
        "x=$(case $p in *C*) ;; *) false ;; esac && echo b)",
        'x="$(case $p in (a) echo ")" ;; b) (y) ;; esac)"',
        "x=$(echo case esac)",
    ],
)
def test_braces_and_patterns_inside_of_what_is_put_in_place_close_nothing_else(text: str) -> None:
    found = read(f'{text}\ndeploy "$@"\n', "x")
    assert found.problems == ()
    assert found.commands[-1].texts == ("deploy", "$@")
    assert found.commands[-1].span.line == 2
