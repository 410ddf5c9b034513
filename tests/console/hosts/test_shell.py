"""Arguments as one line: what a login shell makes of it is exactly what was given."""

from __future__ import annotations

import subprocess

import pytest

from console.hosts import shell

PLAIN = ["", "a b", "it's", 'a"b', "$HOME `id`", "é*", "~", "a;b|c&", "-n", "#"]
DELICATE = ["a\\b", "a\\\\b\\", "hi!you", "two\nlines\n", "cr\r"]


@pytest.mark.parametrize("argument", [*PLAIN, *DELICATE])
@pytest.mark.parametrize("write", [shell.quote, shell.spelled, shell.line, shell.command])
def test_a_posix_shell_takes_the_line_for_exactly_these_arguments(write: object, argument: str) -> None:
    line = write(["printf", "%s|", argument, "end"])  # type: ignore[operator]
    done = subprocess.run(["sh", "-c", line], capture_output=True, check=True)
    assert done.stdout == f"{argument}|end|".encode()


@pytest.mark.parametrize("argument", PLAIN)
def test_what_single_quotes_protect_everywhere_stays_readable(argument: str) -> None:
    assert shell.quote(["echo", argument]) == shell.line(["echo", argument])


@pytest.mark.parametrize("argument", DELICATE)
def test_what_they_do_not_is_spelled_out_so_that_no_shell_can_misread_it(argument: str) -> None:
    line = shell.quote(["echo", argument])
    assert line.startswith("sh -c 'eval ")
    assert not {"!", "\n", "\r"} & set(line)


def test_a_command_takes_the_login_shell_s_place_in_the_c_locale() -> None:
    assert shell.command(["id", "-u"]) == "exec env LC_ALL=C id -u"
