# ruff: noqa: E501
"""Any text is masked without failing, and twice the text is twice the work."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from types import FrameType, ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console import mask as mask_module
from console.mask import mask
from console.masking import elements, listings, names, pairs, shapes, statements, told, values
from console.masking import lines as whole
from console.masking.values import harmless

PIECES = st.sampled_from(
    ["password", "token", "=", ": ", '"', "'", "\\", "\n", " ", "${", "}", "{", "[", "]", "<<EOT", "EOT", "|", ">-", "-p", "x1y2z3q",
     "-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----", "sensitive = true", "user", "hdr(token)", "#", "--token", "//a:b@c",
     "variable \"a\" {", "- ", "echo ", "curl -u ", "Bearer ", "\r", "\t", "••••••", "$2y$10$aaaaaaaaaa", "İ", "\u2028"]
)  # fmt: skip


@given(st.lists(PIECES, max_size=40).map("".join))
def test_any_text_is_masked_without_failing_and_lines_stay_lines(text: str) -> None:
    shown = mask(text)
    assert shown.count("\n") == text.count("\n")


@given(
    st.text(
        alphabet=st.characters(codec="ascii", min_codepoint=33, exclude_characters="\"'\\`$•*"), min_size=8, max_size=40
    )
)
def test_any_password_in_quotes_is_hidden(secret: str) -> None:
    for before, after in (('DBPASS="', '"'), ("password: '", "'"), ('{"token": "', '"}'), ('  secret = "a ', ' b"')):
        if secret not in before + after and not harmless(secret, "strong"):
            assert secret not in mask(f"{before}{secret}{after}")


SHAPES_OF_LINES = {
    "dots": "a.",
    "names": "pass=",
    "names and blanks": "password = ",
    "quotes": 'password="',
    "quoted names": '"password":"a",',
    "escapes": 'token=\\"',
    "braces": '{"token":',
    "lists": "password=[",
    "references": "password=${a",
    "dollars": "$2y$10$",
    "crypt": "$6$a",
    "addresses": "//a:b@",
    "slashes": "//",
    "pairs with an at": "a:b@c:1 ",
    "schemes": "Bearer basic ",
    "begins": "-----BEGIN PRIVATE KEY",
    "dashes": "-----",
    "options": "--password ",
    "letters": "curl -u ",
    "glued": "mysql -pa ",
    "acl": "acl hdr(token) ",
    "conditions": "{ hdr(token) ",
    "headers": "set-header authorization x ",
    "set": "setenv a b ",
    "sends": "send auth ",
    "users": "user password ",
    "htpasswd": "htpasswd -b ",
    "login": "LOGIN a ",
    "pipes": "echo a1b2c3 | chpasswd ",
    "echoes": "echo a ",
    "commands": "$(curl ",
    "backticks": "token=`",
    "tags": "<password>",
    "calls": "('password','",
    "sql": "password 'x",
    "base64": "A" * 43 + "=",
    "heredocs": "<<EOF ",
    "defaults": "${token:-",
    "blanks": " ",
    "backslashes": "\\",
    "commas": ",password,",
    "tables": "a.b c:d ",
    "attributes": "<key name='a' value=",
    "access lists": "user a on >b ",
    "tables of users": "a_users=b:c ",
    "columns": "a:*:",
    "lone options": "- -p",
    "commands over lines": "- mysql -p \\",
    "communities": "snmp community a ",
}


def steps(text: str) -> int:
    """Count the bytecode and the calls that run."""
    count = 0

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        count += event in ("opcode", "call")
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        mask(text)
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize("shape", SHAPES_OF_LINES)
@pytest.mark.parametrize("end", ["", "\n"])
@pytest.mark.slow
def test_twice_the_text_is_twice_the_work(shape: str, end: str) -> None:
    piece = SHAPES_OF_LINES[shape]
    # Of one line as long as is looked through, and of many.
    size = 1900 if not end else 4000
    few = max(1, size // (len(piece) + len(end)))
    steps(piece * 3)  # Python 3.12 counts only in what was traced before
    small, large = (steps((piece + end) * number) for number in (few, 2 * few))
    assert large < 2.5 * small + 2000


@pytest.mark.parametrize(
    "module",
    [mask_module, elements, whole, listings, told, names, pairs, shapes, statements, values],
    ids=lambda module: module.__name__,
)
def test_no_expression_can_go_back_over_what_it_has_read(module: ModuleType) -> None:
    """What an expression does is not counted above: each repeats possessively, or a few times at most."""
    makers = [
        each
        for each in vars(module).values()
        if hasattr(each, "cache_info") and not each.__wrapped__.__code__.co_argcount
    ]
    made = [made for each in makers if each.__module__ == module.__name__ for made in _patterns(each())]
    made += [each for each in vars(module).values() if isinstance(each, re.Pattern)]
    assert made
    for pattern in made:
        assert not list(_backtracking(re._parser.parse(pattern.pattern, pattern.flags))), pattern.pattern  # type: ignore[attr-defined]


def _patterns(made: object) -> list[re.Pattern[str]]:
    found = made.values() if isinstance(made, dict) else [made]
    return [each for each in found if isinstance(each, re.Pattern)]


def _backtracking(parsed: Iterable[Any]) -> Iterator[object]:
    for operation, argument in parsed:
        if str(operation) in ("MAX_REPEAT", "MIN_REPEAT") and argument[1] > 200:
            yield argument
        for inner in argument if isinstance(argument, (list, tuple)) else ():
            for each in inner if isinstance(inner, list) else [inner]:
                if isinstance(each, re._parser.SubPattern):  # type: ignore[attr-defined]
                    yield from _backtracking(each)
