"""Lines of extra.cf and extra.conf with which the daemons do not start, as postconf 3.7 and doveconf 2.3 say."""

from __future__ import annotations

import pytest

from console.sources import dovecot, postfix

POSTFIX = [
    ("a = b\n", []),
    ("foo\n", [1]),
    ("a = b\nfoo bar = x\n", [2]),
    ("foo\n  = x\n", []),
    ("= x\n", [1]),
    ("a b\n\n# c\nd = e\nf : g\n", [1, 5]),
    ("foo=\n", []),
    ("fo-o = x\n", []),
    ("x = 1\n\n\n  y\n", []),
    ("\n# foo\n  # bar\n", []),
    ("a = b\n  foo\n", []),
    ("postscreen_upstream_proxy_protocol haproxy\n", [1]),
    ("{ foo = x }\n", [1]),
    ("\ufeffa = b\n", [1]),
    ("a = b", []),
    ("", []),
]
DOVECOT = [
    ("mail_debug = yes\n", []),
    ("service imap-login {\n  inet_listener imaps {\n    port = 993\n", [(2, 23)]),
    ("service imap-login {\n}\n", []),
    ("service imap-login {\n}\n}\n", [(3, 1)]),
    ("}\n", [(1, 1)]),
    ("\ufeffmail_debug = yes\n", [(1, 1)]),
    ("mail_debug = yes\r\nservice a {\r\n}\r\n", []),
    ("haproxy_trusted_networks = 10.0.0.1 {\n", []),
    ("# service {\nmail_debug = yes # {\n", []),
    ("plugin {\n  x = } y\n}\n", []),
    ("login_greeting = a \\\n  {\n", []),
    ("login_greeting = a \\\n\n  {\n", [(3, 3)]),
    ("", []),
]


@pytest.mark.parametrize(("text", "lines"), POSTFIX)
def test_a_line_that_ends_postfix_is_said(text: str, lines: list[int]) -> None:
    assert [each.line for each in postfix.refused(text, "extra.cf")] == lines


@pytest.mark.parametrize(("text", "places"), DOVECOT)
def test_a_brace_that_ends_dovecot_is_said(text: str, places: list[tuple[int, int]]) -> None:
    assert [(each.line, each.column) for each in dovecot.refused(text, "extra.conf")] == places
