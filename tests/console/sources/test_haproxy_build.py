"""Conditions that HAProxy's own build decides, once it is known."""

from __future__ import annotations

import pytest

from console.sources.haproxy import Build, parse
from console.sources.haproxy.build import read
from console.sources.haproxy.conditions import evaluate
from console.sources.haproxy.variables import Variables

OLD = """\
HAProxy version 2.6.12-1+deb12u2 2024/03/01 - https://haproxy.org/
Feature list : +EPOLL -KQUEUE +LUA +NS -OBSOLETE_LINKER +OPENSSL
Running on OpenSSL version : OpenSSL 3.0.15 3 Sep 2024
"""
NEW = """\
HAProxy version 3.4-dev5-abcdef0 2026/08/21 - https://haproxy.org/
Feature list : +QUIC
Detected feature list : +HAVE_WORKING_TCP_MD5SIG
Running on SSL library version : AWS-LC 1.50.0
"""


def test_a_build_is_read_from_what_haproxy_says_of_itself():
    assert read(OLD) == Build(
        "2.6.12-1+deb12u2", frozenset({"EPOLL", "LUA", "NS", "OPENSSL"}), "OpenSSL 3.0.15 3 Sep 2024"
    )
    assert read(NEW) == Build("3.4-dev5-abcdef0", frozenset({"QUIC", "HAVE_WORKING_TCP_MD5SIG"}), "AWS-LC 1.50.0")
    assert read("nginx version: nginx/1.22.1\n") is None


DECIDED = [
    ("version_atleast(2.6)", True), ("version_atleast(2.6.12)", True), ("version_atleast(2.6.13)", False),
    ("version_atleast(2.7-dev0)", False), ("version_atleast(2.6-dev9)", True), ("version_before(2.6)", False),
    ("version_before(2.10)", True), ("version_before(3)", True), ("version_before(what)", None),
    ("feature(OPENSSL)", True), ("feature(KQUEUE)", False), ("feature(LU)", False), ("!feature(QUIC)", True),
    ("openssl_version_atleast(1.1.1)", True), ("openssl_version_atleast(3.0.16)", None),
    ("openssl_version_before(3.2.0)", True), ("openssl_version_before(3.0.0a)", None),
    ("openssl_version_before(x)", None), ("ssllib_name_startswith(OpenSSL)", True),
    ("ssllib_name_startswith(AWS-LC)", False), ("awslc_api_atleast(1)", None), ("enabled(POLL)", None),
    ("fips_mode()", None), ("feature(LUA) && version_atleast(2.4) && !feature(QUIC)", True),
]  # fmt: skip


@pytest.mark.parametrize(("text", "truth"), DECIDED)
def test_a_known_build_decides(text: str, truth: bool | None):
    assert evaluate(text, Variables(None, read(OLD))) is truth


@pytest.mark.parametrize(
    ("text", "truth"),
    [
        ("version_atleast(3.4-dev4)", True),
        ("version_atleast(3.4-dev6)", False),
        ("version_atleast(3.4-rc1)", False),
        ("version_atleast(3.4)", False),
        ("version_before(3.4.0)", True),
    ],
)
def test_a_development_version_comes_before_its_release(text: str, truth: bool):
    assert evaluate(text, Variables(None, read(NEW))) is truth


def test_nothing_is_made_up_about_a_library_that_does_not_tell_its_version():
    build = Build("3.0.0")
    assert evaluate("openssl_version_atleast(1)", Variables(None, build)) is None
    assert evaluate("ssllib_name_startswith(OpenSSL)", Variables(None, build)) is None


def test_a_server_or_bind_under_an_open_condition_is_marked_and_under_a_decided_one_is_not():
    text = "listen a\n.if version_before(2.7)\n  bind :25\n  server m 10.0.0.1:25\n.endif\n  bind :26\n"
    (proxy,) = parse(text, "h.cfg").proxies
    assert [(bind.port, bind.perhaps) for bind in proxy.binds] == [(25, True), (26, False)]
    assert [server.perhaps for server in proxy.servers] == [True]
    (proxy,) = parse(text, "h.cfg", build=read(OLD)).proxies
    assert [(bind.port, bind.perhaps) for bind in proxy.binds] == [(25, False), (26, False)]
    (proxy,) = parse(text, "h.cfg", build=read(NEW)).proxies
    assert [bind.port for bind in proxy.binds] == [26]
