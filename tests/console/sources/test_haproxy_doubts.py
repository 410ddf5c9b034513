"""Words that no HAProxy knows are warned of, and what any HAProxy knows is not."""

from __future__ import annotations

import pytest

from console.sources.haproxy import parse

DOUBTED = [
    ("listen x\n    sever m 10.0.0.1:25\n", "h.cfg:2:5", "keyword 'sever'; 'server' is meant?"),
    ("listen x\n    moon phase\n", "h.cfg:2:5", "keyword 'moon': correct or remove it"),
    ("listen x\n    no optoin tcplog\n", "h.cfg:2:8", "'option' is meant?"),
    (
        "listen x\n    server m 10.0.0.1:25 check send-prxy\n",
        "h.cfg:2:32",
        "'server' argument 'send-prxy'; 'send-proxy'",
    ),
    ("listen x\n    bind :25 accept-prxy\n", "h.cfg:2:14", "'bind' argument 'accept-prxy'; 'accept-proxy'"),
    ("listen x\n    default-server chek\n", "h.cfg:2:20", "'check' is meant?"),
    ("listen x\n    bind :25\nbackned y\n    server m 10.0.0.1:25\n", "h.cfg:3:1", "section 'backned'; 'backend'"),
]


@pytest.mark.parametrize(("text", "place", "words"), DOUBTED)
def test_an_unknown_word_is_warned_of_with_its_place(text: str, place: str, words: str):
    configuration = parse(text, "h.cfg")
    (warning,) = configuration.warnings
    assert str(warning).startswith(f"{place}: ")
    assert words in str(warning)
    assert configuration.problems == ()


def test_values_and_unknown_variables_are_no_unknown_words():
    text = (
        "listen x\n    bind :25 name moon ssl crt /x v6only\n    bind :26 \"$WHAT\"\n"
        "    server m 10.0.0.1:25 cookie moon source 0.0.0.0 usesrc clientip set-proxy-v2-tlv-fmt(0x20) x check\n"
    )  # fmt: skip
    assert parse(text, "h.cfg").warnings == ()


def test_warnings_are_told_fifty_times_not_for_ever():
    assert len(parse("listen x\n    bind :1\n" + "    moon\n" * 1000, "h.cfg").warnings) == 50
