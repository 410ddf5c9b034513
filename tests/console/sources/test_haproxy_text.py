"""haproxy.cfg as text: kept byte for byte, cut into the words HAProxy sees, problems placed."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.sources.haproxy import parse, parse_files, write
from tests.console.estates import CASES, SEED

# What a hostile or damaged file is made of: every character the grammar knows, and some it does not.
PIECES = st.sampled_from(
    [
        *"abz09 \t\n\r\v\f\x00\x1c\x85\xa0 \\'\"#$%{}[]()!&|.,:;-+@*/é\ufeff\udcff",
        "\n", "\r\n", "    ", "listen x", "frontend ", "backend ", "defaults ", "global", "bind ", "server s ", ":25",
        "1.2.3.4:10025", " send-proxy", " check port ", ".if ", ".elif ", ".else", ".endif", "defined(", "streq(a,a)",
        "${A", "${A-b}", "${A[*]}", "$A", "\\x4", "option tcp-check", "tcp-check connect", "tcp-check expect ",
        "timeout client ", "30m", "default-server ", "server-template t 1-3 ", "use_backend ", "default_backend x",
        " from x", "setenv A b", "track x/s", "abns@x", "unix@/x", ":1-65535", ":::", "peers p", "[scope]",
    ]
)  # fmt: skip
TEXTS = st.one_of(st.text(), st.lists(PIECES, max_size=60).map("".join))


@given(TEXTS)
def test_whatever_was_read_is_written_back(text: str):
    configuration = parse(text, "h.cfg")
    assert write(configuration) == text


@given(TEXTS, TEXTS)
def test_several_files_are_written_back_each(first: str, second: str):
    configuration = parse_files([("a.cfg", first), ("b.cfg", second)])
    assert write(configuration, "a.cfg") == first
    assert write(configuration, "b.cfg") == second
    assert write(configuration) == first + second


@given(TEXTS)
def test_every_word_stands_where_its_token_says(text: str):
    for line in parse(text, "h.cfg").documents[0].lines:
        for token, word in zip(line.tokens(), line.words, strict=True):
            assert line.raw[token.start : token.end] == token.raw
            assert token.value == word


@given(TEXTS)
def test_every_problem_has_a_place_in_the_file_and_one_line_of_words(text: str):
    for problem in parse(text, "h.cfg").problems:
        assert 1 <= problem.line <= text.count("\n") + 1
        assert problem.column >= 1
        assert str(problem).isprintable()


@pytest.mark.parametrize("folder", [SEED, *(CASES / "estates").iterdir()], ids=lambda folder: folder.name)
def test_files_of_operators_are_written_back_and_have_no_problem(folder: Path):
    files = [(path.name, path.read_bytes().decode()) for path in sorted(folder.glob("*.cfg"))]
    configuration = parse_files(files)
    assert [write(configuration, name) for name, _ in files] == [text for _, text in files]
    assert [str(each) for each in configuration.problems] == []


WORDS = [
    ("server a b", ["server", "a", "b"]),
    ("\tserver  a\t b  ", ["server", "a", "b"]),
    ("server a#b c", ["server", "a"]),
    ("# server a", []),
    ("server a\\#b", ["server", "a#b"]),
    ("server a\\ b", ["server", "a b"]),
    ("a\\\\b \\n\\r\\t|", ["a\\b", "\n\r\t|"]),
    ("a\\x41b", ["aAb"]),
    ("a\\1 \\", ["a\\1", "\\"]),
    ("'a b'c\"d e\"", ["a bcd e"]),
    ("'a\\nb'", ["a\\nb"]),
    ('"a\\"b" \\"c', ['a"b', '"c']),
    ("\"a#b\" 'c#d'", ["a#b", "c#d"]),
    ("'\"' \"'\"", ['"', "'"]),
    ("a '' b", ["a", "", "b"]),
    ('a "" b', ["a", "", "b"]),
    ("'$HOME' $HOME \\$HOME", ["$HOME", "$HOME", "\\$HOME"]),
    ('"$HOME" "${HOME}x" "\\$HOME"', ["/root", "/rootx", "$HOME"]),
    ('"$HOME_DIR"', [""]),
    ('"${NONE-a b}" "${HOME-x}"', ["a b", "/root"]),
    ('x"${LIST[*]}"y "${LIST}"', ["xone", "twoy", "one two"]),
    ('a "${NONE[*]}" b', ["a", "b"]),
    ('"${.LINE}" "${.FILE}"', ["1", "h.cfg"]),
    ("a\rb c", ["a"]),
    ("a \rb", ["a", "b"]),
    ("a\x0bb\x0cc", ["a", "b", "c"]),
    ("a\xa0b \x1cc", ["a\xa0b", "\x1cc"]),
    ("server a b\r", ["server", "a", "b"]),
]


@pytest.mark.parametrize(("text", "words"), WORDS)
def test_words_are_those_that_haproxy_sees(text: str, words: list[str]):
    environment = {"HOME": "/root", "LIST": "one two"}
    line = parse(text + "\n", "h.cfg", environment).documents[0].lines[0]
    assert list(line.words) == words


def test_a_variable_that_nobody_knows_keeps_its_name():
    line = parse('server "$HOST" "${PORT}" "${X[*]}" "${Y-25}"\n', "h.cfg").documents[0].lines[0]
    assert line.words == ("server", "${HOST}", "${PORT}", "${X}", "25")


def test_a_words_raw_text_and_place_are_kept_beside_its_value():
    line = parse("listen x\n\tserver  'm'ail \"a b\" # c\n", "h.cfg").documents[0].lines[1]
    assert [(token.value, token.raw) for token in line.tokens()] == [
        ("server", "server"), ("mail", "'m'ail"), ("a b", '"a b"'),
    ]  # fmt: skip
    span = line.span("h.cfg", 1, 1)
    assert (span.line, span.column, span.end) == (2, 10, 16)
    assert line.raw[line.comment :] == "# c\n"


REFUSED = [
    ("listen a\n    bind :25", "h.cfg:2:13", "no line end"),
    ("listen a\n# end", "h.cfg:2:6", "no line end"),
    (".if moon(1)\n.endif\nlisten a\n", "h.cfg:1:1", "knows no moon()"),
    ("listen a\n  server 'x 1.1.1.1:1\n", "h.cfg:2:10", "single quote"),
    ('listen a\n  server "x 1.1.1.1:1\n', "h.cfg:2:10", "double quote"),
    ('listen a\n  server "${x" b\n', "h.cfg:2:11", "brace"),
    ('listen a\n  server "$9" b\n', "h.cfg:2:11", "name"),
    ("listen a\n  server \\xZ b\n", "h.cfg:2:10", "hexadecimal"),
    ("listen a\n  log " + "x " * 64 + "\n", "h.cfg:2:133", "64 words"),
    ("listen a\n  server x\n", "h.cfg:2:3", "a name and an address"),
    ("listen a\n  server\n", "h.cfg:2:3", "a name and an address"),
    ("listen a\n  server x 1.1.1.1:99999\n", "h.cfg:2:12", "no port HAProxy takes"),
    ("listen a\n  server x\x01 1.1.1.1:9\n", "h.cfg:2:10", "no name HAProxy takes"),
    ("listen a\n  server-template x y 1.1.1.1:9\n", "h.cfg:2:21", "no number of servers"),
    ("listen a\n  bind\n", "h.cfg:2:3", "'bind' needs"),
    ("listen a\n  bind 10.0.0.1\n", "h.cfg:2:8", "has no port"),
    ("listen a\n  bind :0\n", "h.cfg:2:8", "has no port"),
    ("listen a\n  bind :30-20\n", "h.cfg:2:8", "has no port"),
    ("listen a\n  timeout client 5x\n", "h.cfg:2:18", "needs a time"),
    ("listen a\n  timeout client\n", "h.cfg:2:11", "needs a time"),
    ("listen\n  bind :1\n", "h.cfg:1:1", "needs a name"),
    ("listen 'a b'\n", "h.cfg:1:8", "no name HAProxy takes"),
    ("listen a from b\n", "h.cfg:1:15", "no defaults section above is named 'b'"),
    ("listen a 1.1.1.1:80\n", "h.cfg:1:10", "'bind'"),
    ("listen a from\n", "h.cfg:1:10", "'bind'"),
    ("defaults b\nbackend a from b c\n", "h.cfg:2:18", "'bind'"),
    ("defaults\n  acl x always_true\n", "h.cfg:2:3", "with a name"),
    ("defaults\n  tcp-request inspect-delay 5s\n", "h.cfg:2:3", "with a name"),
    ("defaults b\n  http-request deny\ndefaults c from b\n", "h.cfg:3:1", "defaults cannot stand"),
    ("defaults b\n  http-request deny\nlisten a from b\n", "h.cfg:3:1", "a listen section cannot"),
    ("defaults b\n  http-request deny\nfrontend a from b\nbackend c from b\n", "h.cfg:4:1", "cannot share"),
    ("defaults b\n  tcp-request session accept\nbackend a from b\n", "h.cfg:3:1", "a backend cannot"),
    ("defaults b\n  tcp-response content accept\nfrontend a from b\n", "h.cfg:3:1", "a frontend cannot"),
    ("listen a\n  default_backend b\n", "h.cfg:2:19", "no backend is named 'b'"),
    ("listen a\n  acl mx dst_port 25\n  use_backend a if mxx\n", "h.cfg:3:15", "no acl is named 'mxx': 'mx' is meant?"),
    ("defaults d\n  acl x dst 1\nlisten a from d\n  use_backend a if x\n", "h.cfg:4:15", "no acl is named 'x'"),
    ("backend b\n  server s h:1\n  use-server s unless !no\n", "h.cfg:3:14", "no acl is named 'no'"),
    ("listen a\n  use_backend b if TRUE\n", "h.cfg:2:15", "no backend is named 'b'"),
    ("listen a\n  server m {{ ip }}:25\n", "h.cfg:2:12", "'{{' is a place to fill in"),
    ("listen a\n  server m {% ip %}:25\n", "h.cfg:2:12", "is a place to fill in"),
    ("listen a\n  server m <MAIL_IP>:25 send-proxy\n", "h.cfg:2:12", "'<MAIL_IP>:25' is a place to fill in"),
    ("listen a\n  server m @@IP@@:25\n", "h.cfg:2:12", "is a place to fill in"),
    ("listen a\nbackend a\n", "h.cfg:2:1", "declared at h.cfg:1"),
    ("listen a\n  server m h:1\n  server m i:2 disabled\n", "h.cfg:3:3", "a server 'm' is at h.cfg:2 already"),
    ("listen a\n  server-template m 1-3 h:1\n  server m1 h:2\n", "h.cfg:3:3", "a server 'm1' is at h.cfg:2"),
    ("bind :25\nserver x\n", "h.cfg:1:1", "outside any section"),
    (".if 1\nlisten a\n", "h.cfg:1:1", "no .endif"),
    ("listen a\n  .endif\n", "h.cfg:2:3", "without an .if"),
    (".if 1\n.else\n.elif 1\n.endif\n", "h.cfg:3:1", "after .else"),
    (".if maybe\n.endif\n", "h.cfg:1:1", "cannot read the condition"),
    (".if streq(a)\n.endif\n", "h.cfg:1:1", "takes 2 arguments"),
    (".if (1\n.endif\n", "h.cfg:1:1", "parenthesis"),
    (".iff 1\n", "h.cfg:1:1", "no directive"),
    ("\ufefflisten a\n", "h.cfg:1:1", "byte order mark"),
    ("listen a\n  server x\x00 b", "h.cfg:2:11", "NUL byte"),
]


@pytest.mark.parametrize(("text", "place", "words"), REFUSED)
def test_what_haproxy_refuses_is_said_with_its_place(text: str, place: str, words: str):
    problems = parse(text, "h.cfg").problems
    assert len(problems) == 1
    said = str(problems[0])
    assert said.startswith(place + ": ")
    assert words in said


def test_a_missing_final_newline_is_said_with_its_line_and_what_to_do():
    (problem,) = parse("listen a\n    bind :25", "haproxy.cfg").problems
    assert str(problem) == (
        "haproxy.cfg:2:13: the last line has no line end, so HAProxy refuses the file;"
        " it may be cut: add the missing rest"
    )


@pytest.mark.parametrize(
    "text",
    [
        ".if defined(A)\nlisten a\n  server m h:1\n  server n h:1\n.else\nlisten a\n  server m h:2\n.endif\n",
        "listen a\n.if defined(A)\n  server m h:1\n.else\n  server m h:2\n.endif\n",
        "listen a\n  server m h:1\nlisten b\n  server m h:1\n",
        "",
        "\n",
        "# only a comment\n",
        "global\n    daemon\n",
        "listen a\r\n  bind :25\r\n",
    ],
)
def test_what_haproxy_takes_is_no_problem(text: str):
    assert parse(text, "h.cfg").problems == ()


def test_a_file_with_a_byte_order_mark_is_read_all_the_same():
    configuration = parse("\ufefflisten a\n    bind :25\n", "h.cfg")
    assert [proxy.name for proxy in configuration.proxies] == ["a"]


def test_a_seed_cut_anywhere_within_a_line_is_refused_and_at_a_line_end_is_not():
    text = (SEED / "haproxy.cfg").read_text()
    for at in range(1, len(text)):
        problems = parse(text[:at], "haproxy.cfg").problems
        assert bool(problems) is not (text[at - 1] == "\n")


def test_what_could_be_read_of_a_cut_file_is_there():
    text = (SEED / "haproxy.cfg").read_text()
    configuration = parse(text[: text.index("4190") + 2], "haproxy.cfg")
    assert [proxy.name for proxy in configuration.proxies] == ["smtp", "smtps", "imaps", "sieve"]


def test_a_binary_file_is_one_problem_not_a_thousand():
    text = "".join(chr(number * 7919 % 256) for number in range(20000))
    assert len(parse(text, "h.cfg").problems) == 1


def test_problems_are_told_fifty_times_not_for_ever():
    assert len(parse("listen a\n" + "server x\n" * 5000, "h.cfg").problems) == 50


def test_problems_come_in_the_order_of_the_files():
    files = [("b.cfg", "listen a\n server x\n default_backend n\n"), ("a.cfg", "server y\n")]
    assert [f"{each.file}:{each.line}" for each in parse_files(files).problems] == ["b.cfg:2", "b.cfg:3", "a.cfg:1"]


def test_sections_end_with_their_file():
    configuration = parse_files([("a.cfg", "listen a\n"), ("b.cfg", "bind :25\n")])
    assert [str(each)[:9] for each in configuration.problems] == ["b.cfg:1:1"]


def test_unknown_keywords_and_sections_are_kept():
    text = "listen a\n    bind :25\n    moon phase full\nmoonbase b\n    server x 1.1.1.1:1\nlisten c\n    bind :26\n"
    configuration = parse(text, "h.cfg")
    assert [(section.kind, section.name) for section in configuration.sections] == [
        ("listen", "a"), ("moonbase", "b"), ("listen", "c"),
    ]  # fmt: skip
    assert configuration.sections[0].lines[1].words == ("moon", "phase", "full")
    assert configuration.proxies[0].servers == ()


def test_a_keyword_at_the_margin_is_no_section():
    configuration = parse("listen a\n    bind :25\nacl x always_true\nserver m 1.1.1.1:1\n", "h.cfg")
    assert [server.name for server in configuration.proxies[0].servers] == ["m"]


@pytest.mark.slow
def test_a_hundred_thousand_lines_and_ten_megabytes_on_one_line_are_read():
    stanza = 'listen s%d\n    bind :%d\n    server m "10.0.0.1:25" check # c\n    tcp-check expect string x\n\n'
    many = "".join(stanza % (number, number % 60000 + 1) for number in range(20000))
    assert len(parse(many, "h.cfg").proxies) == 20000
    for piece in ("a", "'", '"', "\\", "#", "$", '"${', "a ", " \t", "''", "(", "\x0b"):
        text = "listen x\n" + piece * (2_000_000 // len(piece)) + "\n"
        assert write(parse(text, "h.cfg")) == text
    rules = "listen x\n" + "    tcp-check expect string x\n    use_backend x if FALSE\n" * 50000
    assert parse(rules, "h.cfg").problems == ()


@pytest.mark.parametrize(
    "rest", ["listen", "server x", '    server "x', "    timeout client", "    default_backend gone"]
)
def test_a_line_that_is_cut_is_one_problem_whatever_else_is_wrong_with_it(rest: str):
    (problem,) = parse(f"listen a\n    bind :25\n{rest}", "h.cfg").problems
    assert "no line end" in problem.problem


@pytest.mark.parametrize("name", ["DB_PASSWORD", "api_key", "TOKEN", "STATS_PASS", "MY_SECRET_2", "PRIVATEKEY"])
def test_no_message_holds_the_value_of_a_variable_that_is_named_like_a_secret(name: str):
    text = f'global\n  setenv {name} hunter2\nfrontend f\n  bind "${name}"\n  use_backend "${{{name}-hunter2}}"\n'
    text += f'  bind ${{{name}}}:x\nlisten "${name} b"\n'
    configuration = parse(text, "h.cfg", {name: "hunter2"})
    assert configuration.problems
    assert not any("hunter2" in str(problem) for problem in configuration.problems)
    assert write(configuration) == text


def test_a_variable_that_only_resembles_a_secret_is_expanded():
    line = parse('log "$BYPASSED" "$KEYS"\n', "h.cfg", {"BYPASSED": "a", "KEYS": "b"}).documents[0].lines[0]
    assert line.words == ("log", "a", "b")
