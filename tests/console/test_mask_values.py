"""Which values may be shown though a secret's name stands before them, what looks made up, and where a value ends."""

from __future__ import annotations

import pytest

from console.masking import values
from console.masking.names import Kind

FINE: list[str] = [
    "", "  ", '""', "''", "••", "\\", "true", "NULL", "~", "optional", "undefined", "{}", "()", "|", "…", "on;", "off,",
    "[]", "on ]",
    # kept elsewhere
    "$X", "$$X", "${X}", "$${X}", "${!X}", "${ X }", "${X:-}", "${X-}", "${X:?is not set}", "${X?no}", "${var.a[0].b}",
    '${var.a["k-1"].b}', "$1", "$@", "$?", "$$", "${1}", "${@}", "${a[@]}", "${a[*]}", "${a[0]}", "{{ x }}",
    "${{ secrets.X }}",
    "%[req.hdr(a)]", "%(word)s", "%s", "$A:$B", "$A/$B", "$A@$B", "$A-$B", "$A_$B", "$A.$B", "$A $B", "${a.*.b}",
    "${x}:${y}",
    # anybody may see it
    "ssh-ed25519 AAAAC3 me@x", "ssh-rsa AAAA", "ssh-dss AAAA", "ecdsa-sha2-nistp256 AAAA", "sk-ssh-ed25519@x AAAA",
    "sk-ecdsa-x AAAA", "age1qqqq9", "SHA256:abc", "MD5:00:11", "sha256:ab", "sha512:ab", "sha384:ab", "sha1:ab",
    "md5:ab",
    "env:NAME", "file:x/y", "fd:3", "stdin", "hash:/etc/postfix/sasl", "proxy:mysql:/etc/x.cf", "lmdb:/a", "pcre:/a",
    "~/x", "./x", "../x", "/etc/x", "/run/secrets/db", "/var/lib/x", "</etc/x", "/root/.pw", "/home/a", "/opt/a",
    "/usr/a",
    "/srv/a", "/tmp/a", "/data/a", "/mnt/a", "/dev/null", "/proc/a", "/secrets/a", "/certs/a",
    "!secret db", "!env X", "!env_var X", "!vault |", "!include a", "!Ref A", "!GetAtt A.B", "!Sub x", "!reference [a]",
    "*anchor", "-----BEGIN PUBLIC KEY-----", "-----BEGIN RSA PUBLIC KEY-----", "-----BEGIN CERTIFICATE----- x",
    "***", "xxx", "....", "………",
    # a file it is kept in
    "a/b.pem", "a/b.PEM", "a/b.json", "a/b.d", "a/b.pass", "a/b.c.pem",
    # a command that holds none
    "$(cat /x)", "$(pass show x)", "`cat x`", "<(cat x)", "$(echo $X)", "$(printf '%s' $X)", "$(printf %s $X)",
    '$(printf "%s" $X)', "$(echo -n $X)", "$(echo $X | base64)", "$(echo $X | tr a b | tr c d)",
    # a word of HTTP before it
    "Bearer $X", "basic ${X}", "Token $X", "Digest $X", "bearer  $X",
]  # fmt: skip
"""What may be shown behind any name."""

HIDDEN: list[str] = [
    "hunter2", "correct horse", "truely", "$(echo hunter2)", "$(printf hunter2)", "$(echo $X hunter2)", "`echo a`",
    "$(cat <<< hunter2)", "$(echo hunter2 | base64)", "<(echo geheim)", "Bearer hunter2", "other $X", "$X hunter2",
    "x$X", "${X:-hunter2}", "${X", "{{ x", "%[x", "$A+$B", "/x/y", "xx", "**", "ssh-foo AAAA", "age1", "sha256:",
    "env:",
    "hash:x", "!other x", "-----BEGIN PRIVATE KEY-----", "Ssh-rsa AAAA", "a b/c.pem", "a/b.exe", "a/bpem", ".x",
    "[hunter2]",
    "hunter2 ]", "bearer", "token", "x ; y",
    '$(printf "x" $X)', "$(echo 'x' $X)",
]  # fmt: skip
"""What no name lets through when it is surely a secret's; the words among them may be a method behind a weaker name."""

WEAK: list[tuple[str, bool]] = [
    ("login", True), ("digest", True), ("oauth2", True), ("xoauth2", True), ("external", True), ("peer", True),
    ("ident", True), ("MD5", True), ("pam", True), ("password", True), ("publickey", True), ("rsa", True),
    ("scram-sha-256", True), ("rsa4096", True), ("hs256", True), ("fatal", True), ("plain login", True),
    ("plain, login", True), ("plain,login", True), ("plain hunter2", False), ("hunter2", False), ("server.key", True),
    ("SERVER.KEY", True), ("server.crt", True), ("server.exe", False), ("sh", False), ("my server.key", False),
    ("key", True),
]  # fmt: skip
"""Behind a name that is no sure sign: methods, and files by their names alone."""


@pytest.mark.parametrize("kind", ["strong", "weak"])
@pytest.mark.parametrize("value", FINE)
def test_what_says_nothing_or_names_another_place_is_shown(value: str, kind: Kind) -> None:
    assert values.harmless(value, kind)
    assert values.harmless(f" {value}", kind)


@pytest.mark.parametrize("value", HIDDEN)
def test_what_may_be_a_secret_is_not(value: str) -> None:
    assert not values.harmless(value, "strong")


@pytest.mark.parametrize(("value", "shown"), WEAK)
def test_a_method_is_shown_where_the_name_is_no_sure_sign_and_nowhere_else(value: str, shown: bool) -> None:
    assert values.harmless(value, "weak") is shown
    assert not values.harmless(value, "strong")


EXPRESSIONS = [
    ("var.x", True), ("local.a.b", True), ("data.a.b.c", True), ("module.a.b[0]", True), ("each.value", True),
    ("self.id", True), ("path.module", True), ("count.index", True), ("terraform.workspace", True),
    ("random_password.x.result", True), ('a_b.c.d["e-f"].g', True), ("var.x.*.y", True), ("base64encode(var.x)", True),
    ("upper(trimspace(var.x))", True), ('file("x")', True), ('filebase64("x")', True), ('templatefile("x")', True),
    ('trimspace(file("x")),', True), ("var.x, ", True), ("other.x", False), ("var", False),
    ("var.", False), ('upper("hunter2")', False), ("var.x hunter2", False), ("file(hunter2)", False),
    ("hunter2", False),
]  # fmt: skip


@pytest.mark.parametrize(("value", "is_one"), EXPRESSIONS)
def test_an_expression_holds_no_literal(value: str, is_one: bool) -> None:
    assert values.expression(value) is is_one


RANDOM = [
    ("abc12", False), ("abc123", True), ("abcdef", False), ("123456", False), ("ab/c123", False), ("ab.c123", True),
    ("a.b.c123", False), ("abc123:", False), ("abc123)", False), ("a:bc123", True), ("", False),
]  # fmt: skip


@pytest.mark.parametrize(("word", "made_up"), RANDOM)
def test_a_word_of_letters_and_digits_looks_made_up(word: str, made_up: bool) -> None:
    assert values.random(word) is made_up


QUOTED = [
    ('a" b', 0, '"', 2), ('a\\"b" c', 0, '"', 5), ('${x["k"]}" c', 0, '"', 10), ('${{a}}" c', 0, '"', 7),
    ('$a"', 0, '"', 3),
    ('a"b"', 2, '"', 4), ("a' b", 0, "'", 2), ("a\\' b", 0, "'", 3), ("ab", 0, "'", -1), ("ab", 0, '"', -1),
    ('""', 0, '"', 1), ('a""" b', 0, '"""', 4), ('a""" b"""', 0, '"""', 4), ('a"" b', 0, '"""', -1),
    ('""" b', 0, '"""', 3),
    ('x""" b"""', 4, '"""', 9),
    ('a\\" b', 0, '\\"', 3), ("'", 0, "'", 1),
]  # fmt: skip


@pytest.mark.parametrize(("text", "start", "quote", "end"), QUOTED)
def test_a_quote_ends_behind_the_one_that_closes_it(text: str, start: int, quote: str, end: int) -> None:
    assert values.quoted_end(text, start, quote) == end


ENDS = [
    ("ab cd", 0, 2), ("ab cd", 3, 5), ("ab cd", 2, 2), ('a"b c"d e', 0, 7), ("a'b c'd e", 0, 7), ("a\\ b c", 0, 4),
    ("$(a b) c", 0, 6), ("$(a (b c) d) e", 0, 12), ("`a b`c d", 0, 6), ('"a\\" b" c', 0, 7), ('a"b c', 0, 3),
    ("a'b c", 0, 3),
    ("a`b c", 0, 3), ("$a b", 0, 2), ("a\\", 0, 2),
]  # fmt: skip


@pytest.mark.parametrize(("text", "start", "end"), ENDS)
def test_a_word_ends_where_shells_end_it(text: str, start: int, end: int) -> None:
    assert values.word_end(text, start) == end


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        ("25", True), ("30s", True), ("10.0.0.1", True), ("10.0.0.0/8", True), ("mail.example.org", True),
        ("mail.example.org:25", True), ("::1", True), ("[::1]:25", True), ("/etc/x", True), ("Europe/Berlin", True),
        ("yes", True), ("$X", True), ("plain", True), ("hunter2x", False), ("correct-horse", False), ("1234567", True),
        ("Zq9planted", False),
    ],
)  # fmt: skip
def test_an_address_a_number_or_a_path_is_ordinary(value: str, plain: bool) -> None:
    assert values.ordinary(value) is plain


def test_a_community_of_bgp_is_none_of_snmp() -> None:
    assert values.harmless("65000:100", "weak") and not values.harmless("65000:x", "weak")
