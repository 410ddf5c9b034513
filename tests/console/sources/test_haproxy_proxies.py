"""What a section means once defaults, default-server, conditions and variables have had their say."""

from __future__ import annotations

import pytest

from console.model import Check, Span
from console.sources.haproxy import Configuration, Proxy, Server, parse
from console.sources.haproxy.addresses import Address, read
from console.sources.haproxy.conditions import BadConditionError, evaluate
from console.sources.haproxy.variables import Variables


def only(text: str) -> Proxy:
    (proxy,) = parse(text, "h.cfg").proxies
    return proxy


def server(line: str, *above: str) -> Server:
    lines = "".join(f"    {each}\n" for each in above)
    (found,) = only(f"listen x\n    bind :25\n{lines}    {line}\n").servers
    return found


ADDRESSES = [
    (":25", "tcp", "", 25, 25, False),
    ("*:25", "tcp", "", 25, 25, False),
    ("0.0.0.0:25", "tcp", "", 25, 25, False),
    (":::25", "tcp", "::", 25, 25, False),
    ("[::]:25", "tcp", "::", 25, 25, False),
    ("2001:db8::1:25", "tcp", "2001:db8::1", 25, 25, False),
    ("[2001:db8::1]:25-30", "tcp", "2001:db8::1", 25, 30, False),
    ("[2001:db8::1]", "tcp", "2001:db8::1", None, None, False),
    ("ipv4@:25", "tcp", "", 25, 25, False),
    ("ipv6@:25", "tcp", "::", 25, 25, False),
    ("ipv6@*:25", "tcp", "::", 25, 25, False),
    ("tcp6@[::1]:25", "tcp", "::1", 25, 25, False),
    ("quic4@:443", "quic", "", 443, 443, False),
    ("quic+ipv4@:443", "quic", "", 443, 443, False),
    ("udp@:514", "udp", "", 514, 514, False),
    ("unix@/run/x", "local", "unix@/run/x", None, None, False),
    ("/run/x", "local", "/run/x", None, None, False),
    ("abns@x:1", "local", "abns@x:1", None, None, False),
    ("fd@3", "local", "fd@3", None, None, False),
    ("mail.example.test:25", "tcp", "mail.example.test", 25, 25, False),
    ("mail.example.test", "tcp", "mail.example.test", None, None, False),
    ("mail.example.test:", "tcp", "mail.example.test", None, None, False),
    ("10.0.0.1:+1000", "tcp", "10.0.0.1", 1000, 1000, True),
    ("10.0.0.1:-10", "tcp", "10.0.0.1", -10, -10, True),
]


@pytest.mark.parametrize(("text", "transport", "host", "first", "last", "relative"), ADDRESSES)
def test_an_address_is_read_as_haproxy_reads_it(text, transport, host, first, last, relative):
    assert read(text) == Address(transport, host, first, last, relative)


@pytest.mark.parametrize("port", ["99999", "x", "1x", "30-20", "+", "-", "1-2-3", "${PORT}", "٢٥"])
def test_a_port_that_is_none_is_kept_as_it_was_written(port: str):
    assert read(f"10.0.0.1:{port}") == Address("tcp", "10.0.0.1", None, None, unread=port)


CHECKS: list[tuple[list[str], Check]] = [
    (["server s 1.1.1.1:25"], Check("none")),
    (["server s 1.1.1.1:25 check"], Check("L4", 25)),
    (["server s 1.1.1.1:25 send-proxy check"], Check("L4", 25, True)),
    (["server s 1.1.1.1:25 send-proxy check port 10025"], Check("L4", 10025)),
    (["server s 1.1.1.1:25 send-proxy check addr 1.1.1.2"], Check("L4", 25, address="1.1.1.2")),
    (["server s 1.1.1.1:25 check addr 1.1.1.1"], Check("L4", 25)),
    (["server s 1.1.1.1:25 check addr fd42::9 port 26"], Check("L4", 26, address="fd42::9")),
    (["option tcp-check", "tcp-check connect addr 1.1.1.2 port 26", "server s 1.1.1.1:25 check"],
     Check("L4", 26, address="1.1.1.2")),
    (["server s 1.1.1.1:25 send-proxy-v2 check port 26 check-send-proxy"], Check("L4", 26, True)),
    (["server s 1.1.1.1:25 ssl verify none check"], Check("L6", 25)),
    (["server s 1.1.1.1:25 ssl verify none check port 25"], Check("L4", 25)),
    (["server s 1.1.1.1:25 check check-ssl"], Check("L6", 25)),
    (["server s 1.1.1.1:25 check no-check"], Check("none")),
    (["server s 1.1.1.1:25 agent-check agent-port 99"], Check("L7", other=True)),
    (["server s 1.1.1.1:25 cookie check"], Check("none")),
    (["server s 1.1.1.1:25 source 0.0.0.0 usesrc clientip check"], Check("L4", 25)),
    (["option httpchk", "server s 1.1.1.1:80 check"], Check("L7", 80)),
    (["option smtpchk", "server s 1.1.1.1:25 send-proxy check"], Check("L7", 25, True)),
    (["option ssl-hello-chk", "server s 1.1.1.1:993 check"], Check("L6", 993)),
    (["option tcp-check", "server s 1.1.1.1:25 check"], Check("L4", 25)),
    (["tcp-check expect string x", "server s 1.1.1.1:25 check"], Check("L4", 25)),
    (["option tcp-check", "tcp-check expect string x", "server s 1.1.1.1:25 send-proxy check"], Check("L7", 25, True)),
    (["option tcp-check", "tcp-check send x", "server s 1.1.1.1:25 check"], Check("L4", 25)),
    (["option tcp-check", "tcp-check connect ssl", "server s 1.1.1.1:25 check"], Check("L6", 25)),
    (["server s 1.1.1.1:25 send-proxy check", "option tcp-check", "tcp-check connect", "tcp-check expect string x"],
     Check("L7", 25)),
    (["option tcp-check", "tcp-check connect default", "tcp-check expect string x",
      "server s 1.1.1.1:25 send-proxy check"], Check("L7", 25, True)),
    (["option tcp-check", "tcp-check connect port 26 send-proxy", "tcp-check expect string x",
      "server s 1.1.1.1:25 check"], Check("L7", 26, True)),
    (["option tcp-check", "tcp-check connect port 80", "tcp-check connect port 26 send-proxy",
      "tcp-check expect string x", "server s 1.1.1.1:25 check"], Check("L7", 26, True)),
    (["option tcp-check", "tcp-check connect port var(proc.port)", "tcp-check expect string x",
      "server s 1.1.1.1:25 check"], Check("L7")),
    (["option httpchk", "option tcp-check", "server s 1.1.1.1:25 check"], Check("L4", 25)),
    (["option tcp-check", "option httpchk", "http-check connect port 81 send-proxy", "http-check expect status 200",
      "server s 1.1.1.1:80 check"], Check("L7", 81, True)),
    (["server s 1.1.1.1:+10 check port 35"], Check("L4", 35)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("lines", "check"), CHECKS, ids=lambda value: " / ".join(value) if isinstance(value, list) else ""
)
def test_a_check_proves_what_haproxy_makes_of_it(lines: list[str], check: Check):
    proxy = only("listen x\n    bind :25\n" + "".join(f"    {line}\n" for line in lines))
    found = proxy.servers[0].check
    assert (found.kind, found.port, found.sends_proxy) == (check.kind, check.port, check.sends_proxy)
    assert found.address == check.address


HEADERS = [
    ("", None),
    ("send-proxy", "v1"),
    ("send-proxy-v2", "v2"),
    ("send-proxy-v2-ssl", "v2"),
    ("send-proxy-v2-ssl-cn", "v2"),
    ("send-proxy send-proxy-v2", "v2"),
    ("send-proxy no-send-proxy", None),
    ("send-proxy-v2 no-send-proxy", "v2"),
    ("send-proxy no-send-proxy-v2", "v1"),
    ("name send-proxy", "v1"),
    ("alpn send-proxy", None),
]


@pytest.mark.parametrize(("options", "version"), HEADERS)
def test_the_header_that_is_sent_is_the_last_word_of_the_line(options: str, version: str | None):
    assert server(f"server s 1.1.1.1:25 {options}").proxy_protocol == version


def test_default_server_lines_add_up_and_reach_only_the_servers_below():
    text = (
        "defaults\n    default-server check send-proxy\nlisten x\n    bind :1\n    server a 1.1.1.1:1\n"
        "    default-server no-send-proxy backup\n    server b 1.1.1.1:1\n    server c 1.1.1.1:1 no-check no-backup\n"
        "listen y\n    bind :2\n    server d 1.1.1.1:1\n"
    )
    found = {each.name: each for proxy in parse(text, "h.cfg").proxies for each in proxy.servers}
    assert [(name, each.proxy_protocol, each.check.kind, each.backup) for name, each in found.items()] == [
        ("a", "v1", "L4", False), ("b", None, "L4", True), ("c", None, "none", False), ("d", "v1", "L4", False),
    ]  # fmt: skip


def test_a_server_template_is_one_server_that_counts():
    found = server("server-template node 3-7 mail.example.test:25 check")
    assert (found.name, found.count, found.host, found.port) == ("node3", 5, "mail.example.test", 25)


def test_a_server_that_tracks_another_has_its_check():
    text = (
        "listen x\n bind :1\n option tcp-check\n tcp-check expect string x\n server a 1.1.1.1:1 check\n"
        "listen y\n bind :2\n server b 1.1.1.1:2 track x/a\n server c 1.1.1.1:2 track gone/a\n"
    )
    checks = [each.check.kind for each in parse(text, "h.cfg").proxies[1].servers]
    assert checks == ["L7", "none"]


@pytest.mark.parametrize(
    ("address", "reached"),
    [
        ("1.1.1.1:10025", 10025), ("1.1.1.1", 25), ("1.1.1.1:+10000", 10025), ("1.1.1.1:-5", 20), ("1.1.1.1:-99", None),
        ("unix@/run/x", None),
    ],
)  # fmt: skip
def test_a_server_is_reached_at_its_own_port_or_one_counted_from_the_clients(address: str, reached: int | None):
    assert server(f"server s {address}").reached(25) == reached


def test_every_bind_of_a_proxy_is_there_with_its_line_and_what_ends_there():
    proxy = only("listen x\n    bind :25,[::]:25 ssl crt /x accept-proxy\n    bind :30-32 name ssl\n")
    assert [(each.address, each.port, each.last, each.tls, each.accepts_proxy) for each in proxy.binds] == [
        ("", 25, 25, True, True), ("::", 25, 25, True, True), ("", 30, 32, False, False),
    ]  # fmt: skip
    assert proxy.binds[1].span == Span("h.cfg", 2, 5, 45)


DEFAULTS = """
defaults base
    timeout client 10s
    mode http
defaults long from base
    timeout client 1h
defaults
    timeout client 2s
frontend named from long
    bind :1
frontend latest
    bind :2
defaults
    timeout server 9
frontend later
    bind :3
"""


def test_a_proxy_takes_its_named_defaults_else_the_latest_above():
    found = {proxy.name: proxy for proxy in parse(DEFAULTS, "h.cfg").proxies}
    seconds = {name: {key: each.seconds for key, each in proxy.timeouts.items()} for name, proxy in found.items()}
    assert seconds == {"named": {"client": 3600.0}, "latest": {"client": 2.0}, "later": {"server": 0.009}}
    assert (found["named"].mode, found["latest"].mode) == ("http", "tcp")
    assert found["named"].timeouts["client"].span == Span("h.cfg", 6, 5, 22)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("5", 0.005), ("5ms", 0.005), ("5s", 5.0), ("5m", 300.0), ("2h", 7200.0), ("1d", 86400.0), ("500us", 0.0005),
        ("0", 0.0), ("\"$X\"", None),
    ],
)  # fmt: skip
def test_times_have_haproxys_units(written: str, seconds: float | None):
    assert only(f"frontend x\n    timeout client {written}\n").timeouts["client"].seconds == seconds


def test_tcp_check_rules_of_a_proxy_put_those_of_its_defaults_away():
    text = "defaults\n option tcp-check\n tcp-check expect string x\nlisten x\n bind :1\n%s server s 1.1.1.1:1 check\n"
    assert only(text % "").servers[0].check.kind == "L7"
    assert only(text % " tcp-check send x\n").servers[0].check.kind == "L4"


CONDITIONS = [
    ("", False), ("0", False), ("1", True), ("-1", True), ("0x0", False), ("!0", True), ("!!1", True), ("! 1", False),
    ("1 && 0", False), ("1 || 0", True), ("0&&0||1", True), ("1 && (0 || !0)", True), ("defined(KNOWN)", True),
    ("defined(EMPTY)", True), ("defined(OTHER)", None), ("!defined(OTHER)", None), ("streq(a,a)", True),
    ("streq(a,b)", False), ("strneq(a,b)", True), ("strstr(abc,b)", True), ("streq(${X},b)", None),
    ('streq("a,b","a,b")', True), ("feature(OPENSSL)", None), ("version_atleast(2.4)", True),
    ("version_before(2.2)", False), ("version_atleast(2.6)", None), ("enabled(POLL)", None),
    ("feature(X) && 0", False), ("feature(X) || 1", True), ("feature(X) && 1", None), ("0 || feature(X)", None),
    ("9" * 5000, True),
]  # fmt: skip


@pytest.mark.parametrize(("text", "truth"), CONDITIONS)
def test_a_condition_is_decided_or_left_open(text: str, truth: bool | None):
    variables = Variables()
    variables.follow(("setenv", "KNOWN", "x"))
    variables.follow(("setenv", "EMPTY", ""))
    assert evaluate(text, variables) is truth


@pytest.mark.parametrize(
    "text", ["foo", "1 1", "(1", "1)", "streq(a", "streq(a,b,c)", "defined()x", "1 &&", "(" * 5000]
)
def test_a_condition_that_cannot_be_read_is_said_to_be_so(text: str):
    with pytest.raises(BadConditionError):
        evaluate(text, Variables())


def names(text: str, environment: dict[str, str] | None = None) -> list[tuple[str, bool]]:
    configuration: Configuration = parse(text, "h.cfg", environment)
    assert configuration.problems == ()
    return [(proxy.name, proxy.perhaps) for proxy in configuration.proxies]


CHAIN = ".if {}\nlisten a\n.elif {}\nlisten b\n.else\nlisten c\n.endif\nlisten d\n"


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("1", "1", ["a", "d"]),
        ("0", "1", ["b", "d"]),
        ("0", "0", ["c", "d"]),
        ("feature(X)", "1", ["a?", "b?", "d"]),
        ("feature(X)", "0", ["a?", "c?", "d"]),
        ("0", "feature(X)", ["b?", "c?", "d"]),
        ("feature(X)", "feature(Y)", ["a?", "b?", "c?", "d"]),
        ("1", "feature(Y)", ["a", "d"]),
    ],
)
def test_branches_are_taken_dropped_or_both_kept_and_marked(first: str, second: str, expected: list[str]):
    assert [name + "?" * perhaps for name, perhaps in names(CHAIN.format(first, second))] == expected


def test_a_dropped_block_drops_what_is_nested_in_it_unread():
    assert names(".if 0\n.if what is this\nlisten a\n.else\nlisten b\n.endif\n.else\nlisten c\n.endif\n") == [
        ("c", False)
    ]


def test_the_two_branches_of_an_open_condition_may_use_one_name():
    assert names(".if feature(X)\nlisten a\n.else\nlisten a\n.endif\n") == [("a", True), ("a", True)]


def test_lines_that_are_only_perhaps_there_are_marked_in_their_section():
    text = "listen a\n.if feature(X)\n    bind :25\n.endif\n    bind :26\n"
    (section,) = parse(text, "h.cfg").sections
    assert [line.number for line in section.lines] == [3, 5]
    assert set(section.doubtful) == {3}


def test_an_environment_that_is_known_decides():
    text = '.if defined(MAIL) && streq("$MAIL",yes)\nlisten a\n.else\nlisten b\n.endif\n'
    assert names(text, {"MAIL": "yes"}) == [("a", False)]
    assert names(text, {"MAIL": "no"}) == [("b", False)]
    assert names(text, {}) == [("b", False)]
    assert names(text) == [("a", True), ("b", True)]


def test_variables_expand_in_addresses_without_quotes_too():
    text = (
        "global\n    setenv HOST 10.0.0.9\n    presetenv PORT 99\nlisten x\n    bind :$PORT\n    server s ${HOST}:25\n"
    )
    proxy = only(text)
    assert (proxy.binds[0].port, proxy.servers[0].host) == (99, "10.0.0.9")


def test_a_variable_nobody_knows_is_no_problem_and_gives_no_port():
    configuration = parse('listen x\n    bind ":$PORT"\n    server s "$HOST:$PORT"\n', "h.cfg")
    assert configuration.problems == ()
    assert configuration.proxies[0].binds == ()
    assert configuration.proxies[0].servers[0].host == "${HOST}"


def test_variables_that_double_themselves_do_not_eat_the_memory():
    text = "global\n    setenv A 0123456789\n" + '    setenv A "$A$A"\n' * 64 + 'listen "${A}"\n'
    assert len(parse(text, "h.cfg").proxies[0].name) < 10000
    wide = "global\n    setenv A " + "x" * 4000 + "\n" + ('    log "' + "$A" * 50 + '"\n') * 200
    assert "grow without end" in str(parse(wide, "h.cfg").problems[0])


def test_stats_sockets_are_those_of_the_global_sections():
    text = (
        "global\n    stats socket /run/a.sock mode 660\n    stats socket ipv4@127.0.0.1:9999\n    stats timeout 2m\n"
        "global\n    stats socket unix@/run/b.sock\n"
    )
    assert parse(text, "h.cfg").stats_sockets == ("/run/a.sock", "/run/b.sock")


def test_a_frontend_and_a_backend_may_share_a_name_but_a_listen_is_both():
    assert parse("frontend a\nbackend a\n", "h.cfg").problems == ()
    assert len(parse("frontend a\nlisten a\n", "h.cfg").problems) == 1


def test_binds_of_a_backend_and_servers_of_a_frontend_do_not_count():
    configuration = parse("backend a\n    bind :25\nfrontend b\n    server s 1.1.1.1:1\n", "h.cfg")
    assert [(proxy.binds, proxy.servers) for proxy in configuration.proxies] == [((), ()), ((), ())]


KNOWN_ACLS = [
    "listen a\n acl x dst_port 25\n use_backend a if x or { src 10.0.0.1 } !WAIT_END\n",
    "listen a\n.if defined(Y)\n acl x dst_port 25\n.endif\n use_backend a if x || HTTP_3.0\n",
    'listen a\n use_backend a if "$NAME"\n',
]


@pytest.mark.parametrize("text", KNOWN_ACLS)
def test_acls_that_are_there_are_asked_for_freely(text: str):
    assert parse(text, "h.cfg").problems == ()


NGINX = (
    "events {}\nstream {\n  server { listen 25; proxy_pass a; }\n}\n",
    "# a proxy\nstream {\n    upstream smtp { server 10.0.0.1:25; }\n    server {\n        listen 25;\n    }\n}\n",
    "worker_processes auto;\nhttp {\n  server {\n    listen 80;\n  }\n}\n",
)


@pytest.mark.parametrize("text", NGINX)
def test_a_file_of_nginx_is_called_one_and_nothing_else_is_said_of_it(text: str):
    found = parse(text, "nginx.conf")
    assert ["nginx's configuration" in each.problem for each in (*found.problems, *found.warnings)] == [True]
    assert found.proxies == ()


def test_a_template_of_haproxys_is_not_taken_for_nginx():
    found = parse("listen s\n bind :25\n server {{ name }} {{ address }}\n", "h.cfg")
    assert not any("nginx" in each.problem for each in found.problems)
