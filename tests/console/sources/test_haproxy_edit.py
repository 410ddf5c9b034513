"""Edits of haproxy.cfg: what was asked for, in its neighbours' style, and no other byte."""

from __future__ import annotations

import pytest

from console.errors import InputError
from console.sources.haproxy import parse
from console.sources.haproxy.edit import (
    Argument,
    Change,
    Drop,
    Edit,
    Insert,
    Listener,
    Recipe,
    Remove,
    apply,
    header,
    quote,
)

TEXT = """\
global\r
  stats socket /run/h.sock\r
# the defaults
defaults
\ttimeout client 30m   # half an hour

listen smtp   # in
  \tbind :25,:::25 #both
  \tmode  tcp
  \t# the VM
  \tserver 'm' "10.0.0.1":10025  check port 10025 inter 2s# glued
  \toption tcplog

# web
frontend web
bind :443 ssl crt /etc/x.pem
use_backend smtp
"""

DONE: list[tuple[Edit, str, str]] = [
    (Argument(11, ("send-proxy",)), "inter 2s# glued", "inter 2s send-proxy# glued"),
    (Argument(11, ("send-proxy",), before="check"), "10025  check", "10025  send-proxy check"),
    (Argument(11, ("send-proxy",), before="nothing"), "inter 2s# glued", "inter 2s send-proxy# glued"),
    (Argument(11, ("port", "26")), "port 10025", "port 26"),
    (Argument(11, ("inter", "30s")), "inter 2s", "inter 30s"),
    (Argument(11, ("fall", "3")), "inter 2s#", "inter 2s fall 3#"),
    (Argument(8, ("accept-proxy",)), ":::25 #both", ":::25 accept-proxy #both"),
    (Argument(16, ("ssl",)), "", ""),
    (Argument(16, ("crt", "/etc/y.pem")), "/etc/x.pem", "/etc/y.pem"),
    (Drop(11, "check"), "  check port", " port"),
    (Drop(11, "port"), " port 10025", ""),
    (Drop(16, "crt"), " crt /etc/x.pem", ""),
    (Change(5, 2, "1h"), "30m ", "1h "),
    (Change(11, 2, '"10.0.0.2":10025'), '"10.0.0.1"', '"10.0.0.2"'),
    (Insert(9, ("timeout server 30m",)), "mode  tcp\n", "mode  tcp\n  \ttimeout server 30m\n"),
    (Insert(5, ("timeout server 30m", "timeout connect 5s")), "an hour\n",
     "an hour\n\ttimeout server 30m\n\ttimeout connect 5s\n"),
    (Insert(2, ("daemon",)), "h.sock\r\n", "h.sock\r\n  daemon\r\n"),
    (Remove(12), "  \toption tcplog\n", ""),
    (Remove(10), "  \t# the VM\n", ""),
    (Listener("listen", "imaps", ("bind :993", "server m 10.0.0.1:10993")), "use_backend smtp\n",
     "use_backend smtp\n\nlisten imaps\n  bind :993\n  server m 10.0.0.1:10993\n"),
    (Listener("listen", "imaps", ("bind :993",), after=7), "tcplog\n", "tcplog\n\nlisten imaps\n  bind :993\n"),
    (Recipe(7, ("tcp-check connect port 10025 send-proxy", "tcp-check expect rstring ^220")), "mode  tcp\n",
     "mode  tcp\n  \toption tcp-check\n  \ttcp-check connect port 10025 send-proxy\n"
     "  \ttcp-check expect rstring ^220\n"),
]  # fmt: skip


@pytest.mark.parametrize(("edit", "old", "new"), DONE, ids=lambda value: str(value)[:60])
def test_an_edit_changes_what_was_asked_for_and_no_other_byte(edit: Edit, old: str, new: str):
    assert old == "" or TEXT.count(old) == 1
    assert apply(TEXT, edit) == (TEXT.replace(old, new) if old else TEXT)


REFUSED: list[tuple[Edit, str, str]] = [
    (Argument(9, ("ssl",)), "h.cfg:9:4", "no bind or server line"),
    (Argument(99, ("ssl",)), "h.cfg:99:1", "17 lines"),
    (Argument(11, ("a b",)), "h.cfg:11:4", "not one word"),
    (Argument(11, ("a\\",)), "h.cfg:11:4", "not one word"),
    (Argument(11, ("a#b",)), "h.cfg:11:4", "not one word"),
    (Argument(11, ("'a",)), "h.cfg:11:4", "not one word"),
    (Argument(11, ("port",)), "h.cfg:11:4", "another number of values"),
    (Argument(11, ()), "h.cfg:11:4", "no keyword"),
    (Drop(11, "send-proxy"), "h.cfg:11:4", "no 'send-proxy'"),
    (Drop(11, "10025"), "h.cfg:11:4", "no '10025'"),
    (Change(5, 3, "x"), "h.cfg:5:2", "no word 3"),
    (Change(5, 2, "never"), "h.cfg:5:17", "needs a time"),
    (Change(17, 1, "gone"), "h.cfg:17:13", "no backend is named"),
    (Insert(9, ("server x",)), "h.cfg:10:4", "the line may be cut"),
    (Insert(9, ("log 'x",)), "h.cfg:9:1", "no line HAProxy takes"),
    (Insert(9, ("a\nb",)), "h.cfg:9:1", "no line HAProxy takes"),
    (Remove(7), "h.cfg:7:1", "begins a section"),
    (Change(7, 0, "log"), "h.cfg:7:1", "begins a section"),
    (Change(9, 0, "listen"), "h.cfg:9:4", "would begin a section"),
    (Insert(9, ("backend y",)), "h.cfg:9:1", "would begin a section"),
    (Insert(9, (".endif",)), "h.cfg:9:1", "would begin a section"),
    (Listener("listen", "smtp", ()), "h.cfg:7:1", "is there already"),
    (Listener("backend", "smtp", ()), "h.cfg:19:1", "declared at"),
    (Listener("moon", "x", ()), "h.cfg", "no section"),
    (Listener("listen", "x", (), after=8), "h.cfg:8:4", "no section begins"),
    (Recipe(8, ()), "h.cfg:8:4", "no section begins"),
]


@pytest.mark.parametrize(("edit", "place", "words"), REFUSED, ids=lambda value: str(value)[:60])
def test_an_edit_that_cannot_be_made_says_where_and_why(edit: Edit, place: str, words: str):
    with pytest.raises(InputError) as refused:
        apply(TEXT, edit, file="h.cfg")
    assert str(refused.value).startswith(f"{place}: ")
    assert words in str(refused.value)


def test_edits_of_one_call_speak_of_the_same_lines():
    edits = (Remove(9), Argument(11, ("send-proxy",)), Argument(11, ("fall", "2")), Drop(8, "nothing"))
    assert apply(TEXT, *edits[:3]) == apply(apply(apply(TEXT, edits[2]), Drop(11, "fall")), *edits[:3])
    text = apply(TEXT, *edits[:3])
    assert "inter 2s send-proxy fall 2# glued\n" in text
    assert "mode" not in text


def test_two_edits_of_the_same_words_are_refused():
    with pytest.raises(InputError, match="want the same words"):
        apply(TEXT, Drop(11, "port"), Argument(11, ("port", "26")))


def test_a_recipe_puts_the_former_check_away():
    text = "backend b\n    option smtpchk\n    tcp-check connect\n    server m 10.0.0.1:25 check\n    option httpchk\n"
    assert apply(text, Recipe(1, ("tcp-check expect string x",))) == (
        "backend b\n    option tcp-check\n    tcp-check expect string x\n    server m 10.0.0.1:25 check\n"
    )


def test_a_recipe_stands_outside_of_conditions():
    text = "backend b\n.if defined(A)\n    mode tcp\n.endif\n    server m 10.0.0.1:25 check\n"
    assert apply(text, Recipe(1, ())) == text.replace("backend b\n", "backend b\n    option tcp-check\n")
    inside = "backend b\n.if defined(A)\n    option smtpchk\n.endif\n    server m 10.0.0.1:25 check\n"
    with pytest.raises(InputError, match=r"h\.cfg:3:5: a check stands inside an \.if"):
        apply(inside, Recipe(1, ()), file="h.cfg")


def test_a_keyword_that_is_negated_behind_itself_is_said_again():
    text = "listen x\n    server m 10.0.0.1:25 send-proxy no-send-proxy\n"
    assert apply(text, Argument(2, ("send-proxy",))).endswith("no-send-proxy send-proxy\n")


def test_nothing_is_added_to_a_file_that_may_be_cut():
    with pytest.raises(InputError, match="no line end"):
        apply("listen x\n    bind :25", Listener("listen", "y", ()))


def test_nothing_is_put_behind_a_backslash_that_would_swallow_the_blank():
    text = "listen x\n    server m 10.0.0.1:25 cookie a\\\n"
    with pytest.raises(InputError, match="backslash"):
        apply(text, Argument(2, ("check",)))


def test_words_that_one_variable_makes_are_not_edited_one_by_one():
    text = 'listen x\n    server m 10.0.0.1:25 "${A[*]}" check\n'
    once = parse(text, "h.cfg", {"A": "a b"})
    assert len(once.documents[0].lines[1].words) == 6
    assert apply(text, Drop(2, "check")) == text.replace(" check", "")


def test_a_section_in_an_empty_file_is_its_first_line():
    assert apply("", Listener("listen", "x", ("bind :25",))) == "listen x\n    bind :25\n"


def test_headers_are_found_by_name_and_kind():
    configuration = parse(TEXT, "h.cfg")
    assert (header(configuration, "smtp"), header(configuration, "smtp", "backend")) == (7, None)


@pytest.mark.parametrize("value", ["a", "a b", "", "^220 [x]", "#", "'", '"', "$HOME", "\\", "a\tb", "\r", "é"])
def test_a_quoted_value_is_read_back_as_it_was(value: str):
    assert parse(f"log {quote(value)}\n", "h.cfg").documents[0].lines[0].words == ("log", value)


@pytest.mark.parametrize("value", ["a\nb", "\x00"])
def test_what_no_word_can_hold_is_not_quoted(value: str):
    with pytest.raises(ValueError, match="line end"):
        quote(value)
