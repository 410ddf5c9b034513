"""Words that no HAProxy knows are warned of, and what any HAProxy knows is not."""

from __future__ import annotations

import pytest

from console.sources.haproxy import Build, parse

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
    ("listen x\n    option tcplgo\n", "h.cfg:2:12", "option 'tcplgo'; 'tcplog' is meant?"),
    ("listen x\n    no option httpchk\n", "h.cfg:2:5", "'option httpchk' cannot be negated"),
    ("listen x\n    clitimeout 5s\n", "h.cfg:2:5", "no 'clitimeout' since 2.1: write 'timeout client'"),
    ("global\n    maxcon 100\n", "h.cfg:2:5", "global setting 'maxcon'; 'maxconn' is meant?"),
    ("listen x\n    acl a src_por 25\n", "h.cfg:2:11", "sample fetch 'src_por'"),
    ("listen x\n    http-request deny if { (arg) }\n", "h.cfg:2:28", "the name of a sample is missing"),
    ("listen x\n    tcp-request connection reject if !{ src,ipmsk(24) -m ip :: }\n", "h.cfg:2:45", "converter 'ipmsk'"),
    ("listen x\n    http-request set-header A %[hdr(arg))]\n", "h.cfg:2:41", "needs a ']' before ')'"),
    ('listen x\n    http-request set-header A "%[hdr(arg]"\n', "h.cfg:2:37", "behind 'hdr' is never closed"),
    ("listen x\n    http-request set-header A a%%[b]%[src\n", "h.cfg:2:41", "needs a ']' at the end"),
    ("listen x\n    http-request set-header A %[src,bytes(0,0)]\n", "h.cfg:2:43", "'bytes' takes no '0,0'"),
    ("listen x\n    http-request set-var(txn.a) src,has_ctl(bogus)\n", "h.cfg:2:45", "'has_ctl' takes no 'bogus'"),
    ("listen x\n    stick on (src)\n", "h.cfg:2:14", "the name of a sample is missing"),
    ("listen x\n    tcp-request content track-sc0 srk\n", "h.cfg:2:35", "sample fetch 'srk'"),
    ("listen x\n    use_backend %[req.ssl_sin]\n", "h.cfg:2:19", "sample fetch 'req.ssl_sin'"),
    ("listen x\n    filter spoe engine e\n", "h.cfg:2:12", "needs 'config' and a file"),
    ("listen x\n    http-send-name-header Host\n", "h.cfg:2:27", "no 'Host' here since 3.3"),
    ("defaults d\n    http-request track-sc0 src\n", "h.cfg:2:18", "needs a 'table' in defaults"),
    ("defaults d\n    http-request set-header A %[srv_conn(w)]\n", "h.cfg:2:31", "needs backend/server in defaults"),
    ("crt-store\n    load crt a.pem\n    load crt a.pem\n", "h.cfg:3:5", "'a.pem' is loaded above already"),
    ("listen x\n    bind :1 ssl crt a.pem\ncrt-store\n    load crt a.pem\n", "h.cfg:4:5", "'bind' above has loaded"),
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


def test_what_any_haproxy_knows_is_no_unknown_word():
    text = (
        "global\n    maxconn 100\n    no busy-polling\n    tune.lua.openlibs none\n"
        "defaults d\n    http-request track-sc0 src table t\n    http-request set-header A %[srv_conn(b/w)]\n"
        "listen x\n    acl a hdr_beg(host),lower -i www.\n    acl b lua.mine(a) x\n    no option redispatch\n"
        "    http-request set-header A \"%{+Q}[src,map(/a,'b)')]%%[x\"\n    stick on src,ipmask(24) table t\n"
        "    http-request return string \"100%[off\" content-type a/b if a { path,field(2,/) -m str \"x)\" }\n"
        "    use_backend %[\"$KEY\"] if !{ ssl_fc }\n    http-request set-var(txn.a) src lower\n"
        "crt-store\n    load crt a.pem alias b\n    load crt a.pem alias c\ncrt-store other\n    load crt a.pem\n"
    )  # fmt: skip
    assert [str(warning) for warning in parse(text, "h.cfg").warnings] == []


def test_an_older_haproxy_takes_what_a_newer_one_does_not():
    text = "listen x\n    bind :1\n    http-request set-header A %[src,bytes(-1)]\n    http-send-name-header host\n"
    assert parse(text, "h.cfg", build=Build("2.6.12")).warnings == ()
    assert len(parse(text, "h.cfg", build=Build("3.5-dev5")).warnings) == 2


def test_a_line_that_haproxy_refuses_is_not_doubted_too():
    assert parse("listen x\n    bind :25\n    serv", "h.cfg").warnings == ()
    assert parse("listen x\n    moon\n    bind \x00\n", "h.cfg").warnings == ()


def test_warnings_are_told_fifty_times_not_for_ever():
    assert len(parse("listen x\n    bind :1\n" + "    moon\n" * 1000, "h.cfg").warnings) == 50
