"""What a proxy really uses, and every line that had a say in it."""

from __future__ import annotations

import pytest

from console.sources.haproxy import Effective, parse
from console.sources.haproxy.effective import Setting

TEXT = """\
defaults base
    mode http
    option httplog
    timeout client 1m
    timeout server 50s
    retries 2
    log global
    default-server inter 5s send-proxy
defaults mail from base
    mode tcp
    option tcplog
    no option httplog
    timeout client 30m
    default-server fall 5 no-send-proxy
    tcp-check expect string x
frontend in from mail
    bind :25
    bind :::25 v6only
    timeout client 31m
    no log
    use_backend out if TRUE
backend out from mail
    tcp-check connect port 26
    tcp-check expect string y
    balance leastconn
    moon phase full
    server a 10.0.0.1:25 check inter 30s
    default-server send-proxy
    server b 10.0.0.2:25
    server-template t 2-4 10.0.0.3:25 disabled
    server c 10.0.0.4:25 enabled
listen both
    maxconn 10
"""


def proxy(name: str, text: str = TEXT) -> Effective:
    (found,) = [each for each in parse(text, "h.cfg").effective if each.name == name]
    return found


def lines(setting: Setting) -> list[int]:
    return [place.line for place in setting.places]


VALUES = [
    ("in", "mode", "tcp", [2, 10]),
    ("in", "timeout client", "31m", [4, 13, 19]),
    ("in", "option tcplog", "", [11]),
    ("in", "option httplog", None, [3, 11, 12]),
    ("out", "retries", "2", [6]),
    ("out", "timeout server", "50s", [5]),
    ("out", "balance", "leastconn", [25]),
    ("both", "mode", "tcp", [2, 10]),
    ("both", "maxconn", "10", [33]),
]


@pytest.mark.parametrize(("name", "key", "value", "places"), VALUES)
def test_a_setting_is_what_counts_with_every_line_that_had_a_say(name: str, key: str, value: str | None, places):
    found = proxy(name)
    assert found.value(key) == value
    assert lines(found.settings[key]) == places


@pytest.mark.parametrize(("name", "key"), [("in", "timeout server"), ("in", "retries"), ("out", "timeout client")])
def test_a_side_that_a_proxy_does_not_have_has_no_settings(name: str, key: str):
    assert key not in proxy(name).settings


def test_without_defaults_haproxys_own_values_count_and_have_no_place():
    found = proxy("x", "listen x\n    server m 10.0.0.1:25 rise 4\n")
    assert (found.value("mode"), found.settings["mode"].places) == ("tcp", ())
    options = found.servers[0].settings
    assert {key: setting.words for key, setting in options.items()} == {
        "inter": ("2s",), "fall": ("3",), "rise": ("4",), "weight": ("1",),
    }  # fmt: skip
    assert lines(options["rise"]) == [2]


def test_the_defaults_a_proxy_stands_on_are_told_the_nearest_first():
    assert [place.line for place in proxy("in").chain] == [9, 1]
    assert [place.line for place in proxy("x", "defaults\ndefaults y\nlisten x\n").chain] == [2]
    assert proxy("x", "listen x\n").chain == ()


def test_servers_have_their_own_words_on_top_of_those_above_them():
    a, b, *templates, c = proxy("out").servers
    assert (a.name, a.address, a.settings["inter"].words, lines(a.settings["inter"])) == (
        "a", "10.0.0.1:25", ("30s",), [8, 27],
    )  # fmt: skip
    assert (a.settings["send-proxy"].on, lines(a.settings["send-proxy"])) == (False, [8, 14])
    assert (b.settings["send-proxy"].on, lines(b.settings["send-proxy"])) == (True, [8, 14, 28])
    assert lines(b.settings["fall"]) == [14]
    assert [(each.name, each.settings["disabled"].on) for each in templates] == [
        ("t2", True),
        ("t3", True),
        ("t4", True),
    ]
    assert c.settings["disabled"].on is False


def test_a_template_of_a_million_servers_is_not_written_out():
    assert len(proxy("x", "listen x\n    server-template t 999999 10.0.0.1:25\n").servers) == 10_000


def test_lists_keep_their_order_and_what_a_proxy_inherits():
    assert [rule.words[1] for rule in proxy("in").rules("bind")] == [":25", ":::25"]
    assert proxy("in").rules("log") == ()
    assert [rule.place.line for rule in proxy("out").rules("log")] == [7]
    assert [rule.place.line for rule in proxy("out").rules("tcp-check")] == [23, 24]
    assert [rule.place.line for rule in proxy("both").rules("tcp-check")] == [15]
    assert proxy("out").rules("moon")[0].words == ("moon", "phase", "full")


def test_rules_of_defaults_come_before_a_proxys_own():
    text = "defaults d\n    http-request deny\nfrontend f from d\n    http-request allow\n"
    assert [rule.words[1] for rule in proxy("f", text).rules("http-request")] == ["deny", "allow"]


@pytest.mark.parametrize(
    ("former", "later"),
    [("httpchk", "tcp-check"), ("tcplog", "httplog"), ("http-server-close", "http-keep-alive")],
)
def test_an_option_that_excludes_another_puts_it_out(former: str, later: str):
    found = proxy("x", f"defaults\n    option {former} GET /\nlisten x\n    option {later}\n")
    assert found.value(f"option {former}") is None
    assert lines(found.settings[f"option {former}"]) == [2, 4]
    assert found.value(f"option {later}") == ""


def test_a_waiting_time_of_rules_is_a_setting():
    found = proxy("x", "listen x\n    tcp-request inspect-delay 5s\n    tcp-request content accept\n")
    assert found.value("tcp-request inspect-delay") == "5s"
    assert len(found.rules("tcp-request")) == 1


def test_what_an_open_condition_decides_is_marked():
    text = "listen x\n    timeout client 1m\n.if feature(X)\n    timeout client 2m\n    server a 10.0.0.1:1\n.endif\n"
    found = proxy("x", text)
    assert found.settings["timeout client"] == Setting(
        ("2m",), found.settings["timeout client"].places, True, perhaps=True
    )
    assert found.servers[0].perhaps
    assert not found.settings["mode"].perhaps


def test_a_section_that_names_defaults_nobody_knows_stands_on_none():
    assert proxy("x", "defaults\n    mode http\nlisten x from gone\n").value("mode") == "tcp"


def test_effective_proxies_stand_in_the_order_of_the_proxies():
    configuration = parse(TEXT, "h.cfg")
    assert [each.place for each in configuration.effective] == [each.span for each in configuration.proxies]
    assert configuration.effective is configuration.effective


def test_made_up_files_cost_no_more_than_their_length():
    many = "defaults\n" + "".join(
        f"    option o{n}\n    http-request x\n    default-server k{n}\n" for n in range(3000)
    )
    text = many + "".join(f"listen x{n}\n    server m 10.0.0.1:{n + 1}\n    timeout client 1s\n" for n in range(2000))
    found = parse(text, "h.cfg").effective
    assert max(len(each.settings) for each in found) <= 400
    assert max(len(each.servers[0].settings) for each in found) <= 400
    assert all(each.lists.above is found[0].lists.above for each in found)
    (once,) = parse("listen x\n" + "    timeout client 1s\n" * 3000, "h.cfg").effective
    assert lines(once.settings["timeout client"]) == list(range(2938, 3002))


def test_a_long_chain_of_defaults_is_followed_without_being_copied():
    text = "defaults d0\n    log global\n" + "".join(
        f"defaults d{n} from d{n - 1}\n    log 10.0.0.1:{n} local0\n" for n in range(1, 3000)
    )
    found = proxy("x", text + "listen x from d2999\n    log stdout daemon\n")
    assert len(found.rules("log")) == 3001
    assert len(found.chain) == 64


def test_a_setting_that_nobody_made_has_no_value():
    assert proxy("in").value("backlog") is None


def test_what_belongs_to_a_section_alone_is_not_taken_from_its_defaults():
    text = "defaults\n    bind :1\n    description d\n    acl a src 1\nlisten x\n    bind :2\nlisten y\n    bind :3\n"
    for name, port in (("x", ":2"), ("y", ":3")):
        found = proxy(name, text)
        assert [rule.words for rule in found.rules("bind")] == [("bind", port)]
        assert (found.rules("acl"), found.value("description")) == ((), None)


def test_sections_that_are_no_proxies_are_passed_over():
    assert proxy("x", "global\n    maxconn 5\nlisten x\n    maxconn 6\n").value("maxconn") == "6"


def test_a_frontend_has_no_servers_whatever_its_lines_say():
    text = "frontend f\n    server a 10.0.0.1:1\nbackend b\n    server a 10.0.0.1:1\n"
    assert proxy("f", text).servers == ()
    assert [server.name for server in proxy("b", text).servers] == ["a"]


def test_a_proxy_is_switched_off_and_on():
    text = "defaults\n    disabled\nlisten off\nlisten on\n    enabled\nlisten no\n    no disabled\n"
    assert proxy("off", text).settings["disabled"].on
    assert not proxy("on", text).settings["disabled"].on
    assert lines(proxy("on", text).settings["disabled"]) == [2, 5]


def test_no_log_puts_away_the_lines_before_it_and_not_those_behind():
    text = "defaults\n    log global\nlisten x\n    log a local0\n    no log\n    log b local0\n"
    assert [rule.words[1] for rule in proxy("x", text).rules("log")] == ["b"]


@pytest.mark.parametrize("line", ["no", "timeout", "option", "errorfile"])
def test_a_word_that_says_no_more_is_kept_for_what_it_is(line: str):
    found = proxy("x", f"listen x\n    {line}\n")
    if line == "no":
        assert found.rules("no")[0].words == ("no",)
    else:
        assert (found.value(line), lines(found.settings[line])) == ("", [2])


def test_an_inspection_delay_of_a_keyword_nobody_knows_is_a_rule():
    found = proxy("x", "listen x\n    moon inspect-delay 5s\n")
    assert (found.rules("moon")[0].words, "moon inspect-delay" in found.settings) == (
        ("moon", "inspect-delay", "5s"),
        False,
    )


def test_only_options_exclude_each_other():
    found = proxy("x", "listen x\n    option tcplog\n    timeout httplog 5s\n    no option httpslog\n")
    assert (found.value("option tcplog"), lines(found.settings["option tcplog"])) == ("", [2])


def test_a_server_s_words_take_a_value_only_where_they_have_one():
    (server,) = proxy("x", "listen x\n    server a 10.0.0.1:1 inter 30s check port 26 track b/c fall 4\n").servers
    said = {key: setting.words for key, setting in server.settings.items() if setting.places}
    assert said == {"inter": ("30s",), "check": (), "port": ("26",), "track": ("b/c",), "fall": ("4",)}


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("server a", []),
        ("server a 10.0.0.1:1", ["a"]),
        ("server-template t 2", []),
        ("server-template t 2 10.0.0.1:1", ["t1", "t2"]),
        ("server-template t 3-4 10.0.0.1:1", ["t3", "t4"]),
        ("server-template t 4-3 10.0.0.1:1", ["t4"]),
        ("server-template t many 10.0.0.1:1", []),
    ],
)
def test_a_server_line_makes_servers_only_when_it_is_whole(line: str, names: list[str]):
    found = proxy("x", f"listen x\n    {line}\n").servers
    assert [server.name for server in found] == names
    assert {server.address for server in found} <= {"10.0.0.1:1"}
