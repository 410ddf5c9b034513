"""`haproxy -c` as the judge: what it takes we take, what it refuses we refuse, and an edit changes neither."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from console.errors import InputError
from console.sources.haproxy import Build, parse, write
from console.sources.haproxy.build import read
from console.sources.haproxy.edit import Argument, Change, Drop, Edit, Insert, Listener, Recipe, Remove, apply
from tests.console.sources.test_haproxy_build import DECIDED
from tests.console.sources.test_haproxy_text import REFUSED

PROGRAM = shutil.which("haproxy", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin") or ""
needed = pytest.mark.skipif(not PROGRAM, reason="haproxy is not installed: apt-get install haproxy")


@cache
def build() -> Build:
    told = subprocess.run([PROGRAM, "-vv"], capture_output=True, text=True, check=True).stdout
    found = read(told)
    assert found is not None
    return found


def takes(text: str, folder: Path, environment: dict[str, str] | None = None) -> str:
    """Return "" when HAProxy takes a text, else what it says."""
    file = folder / "h.cfg"
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    run = subprocess.run(
        [PROGRAM, "-c", "-f", str(file)], capture_output=True, env=environment or {}, check=False, timeout=60
    )
    said = (run.stdout + run.stderr).decode(errors="replace")
    # A file without a bind is none to start with, and no fault.
    return "" if run.returncode == 0 or ("no listener" in said and "[ALERT]" not in said) else said


L = "listen x\n    bind 127.0.0.1:1\n    "
ACCEPTED = [
    L + "server m 10.0.0.1:25 check # a remark\n",
    L.replace("\n", "\r\n") + "server m 10.0.0.1:25\r\n",
    L + "server m 10.0.0.1\n    server n 10.0.0.1:+1000\n    server o 10.0.0.1:-1\n",
    L + "server m 'unix@/run/x' send-proxy-v2\n    server n ipv6@[::1]:25\n    server o ::1:25\n",
    L + "bind :2-4,127.0.0.2:5\n    bind :::6 v6only\n    bind ipv4@:7,ipv6@[::1]:8\n    bind 'abns@x y'\n",
    L + 'server m "$HOST:25"\n    server n "${NONE-10.0.0.1}":25\n',
    L + 'server m $HOST:25\n    description "${LIST[*]}"\n',
    L + "server-template t 1-3 10.0.0.1:25\n    server-template u 2 10.0.0.1:26 disabled\n",
    L + "default-server send-proxy inter 30s\n    server m 10.0.0.1:25 no-send-proxy check port 26\n",
    L + "timeout client 30m\n    timeout server 1d\n    timeout connect 500\n    timeout tunnel 10000000us\n",
    L + "no option dontlognull\n    option tcp-check\n    tcp-check connect port 25 send-proxy\n"
    "    tcp-check expect rstring ^220\\ \n",
    L + "description a\\ b\\#c\\\\d \"e f\"g'h i' \\x41\n",
    "defaults a\n    mode http\ndefaults b from a\n    timeout client 1s\n"
    + L.replace("x\n", "x from b\n", 1) + "mode tcp\n",
    "defaults a\n    tcp-request connection reject if FALSE\nfrontend f from a\n    bind 127.0.0.1:1\n",
    "frontend x\n    bind 127.0.0.1:1\n    default_backend x\n    use_backend y if TRUE\nbackend x\nbackend y\n",
    ".if version_before(2)\nthis is not read\n.elif defined(HOST) && streq(\"$HOST\",10.0.0.1)\n"
    + L + "\n.else\nnor\n.endif\n",
    ".if !feature(LUA) || (1 && !0)\n.notice \"x\"\n.endif\n" + L + "\n",
    "global\n    setenv A 10.0.0.9\n    presetenv HOST b\n" + L + 'server m "$A:$PORT"\n',
    "peers p\n    peer h 127.0.0.1:99\nresolvers r\n    nameserver n 127.0.0.1:53\nuserlist u\n    user a password b\n"
    "mailers m\n    mailer n 127.0.0.1:25\ncache c\n    total-max-size 4\nring g\n    format raw\nhttp-errors e\n",
    "",
    "\n# only a comment\n",
    "\tlisten   x\t\n\tbind\t127.0.0.1:1\v\n",
]  # fmt: skip

ENVIRONMENT = {"HOST": "10.0.0.1", "PORT": "25", "LIST": "a b"}


@needed
@pytest.mark.parametrize("text", ACCEPTED)
def test_what_haproxy_takes_has_no_problem_and_is_written_back(text: str, tmp_path: Path):
    assert takes(text, tmp_path, ENVIRONMENT) == ""
    configuration = parse(text, "h.cfg", ENVIRONMENT, build())
    assert [str(problem) for problem in configuration.problems] == []
    assert write(configuration) == text


@needed
@pytest.mark.parametrize(("text", "place", "words"), REFUSED)
def test_what_we_refuse_haproxy_refuses_on_that_line(text: str, place: str, words: str, tmp_path: Path):
    said = takes(text, tmp_path)
    assert said
    lines = {int(number) for number in re.findall(r"h\.cfg:(\d+)\]", said)}
    assert not lines or int(place.split(":")[1]) in lines | {line - 1 for line in lines}


@needed
def test_a_build_decides_what_haproxy_itself_says_of_it():
    for text, _ in DECIDED:
        run = subprocess.run([PROGRAM, "-cc", text], capture_output=True, check=False)
        from console.sources.haproxy.conditions import evaluate
        from console.sources.haproxy.variables import Variables

        ours = evaluate(text, Variables({}, build()))
        assert ours is None or ours is (run.returncode == 0), text


WORDS = st.sampled_from(
    ["a", "'a b'", '"$HOST"', '"${NONE-x}"', "\\ b", "c\\#", "x\\x41", "#", "a#b", "''", "'", '"', "\\xZZ", '"${HOST"',
     "\t", "\r", "\v", "$HOST", '"\\$"', "é"]
)  # fmt: skip


@pytest.mark.slow
@needed
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(WORDS, max_size=6))
def test_a_line_of_words_is_refused_by_both_or_by_none(tmp_path: Path, words: list[str]):
    text = L + "description x " + " ".join(words) + "\n"
    ours = parse(text, "h.cfg", ENVIRONMENT).problems
    assert bool(ours) is bool(takes(text, tmp_path, ENVIRONMENT))


BASE = """\
global
    log 127.0.0.1 local0   # where

defaults
\tmode tcp
\ttimeout client 30m
\ttimeout server 30m
\ttimeout connect 5s
\toption tcplog

# mail
listen smtp
    bind 127.0.0.1:25,127.0.0.2:25  # both
    server mailcow 10.0.0.1:10025 send-proxy check port 10025# x

listen 'imaps'\r
    bind "127.0.0.1":993 accept-proxy\r
    option smtpchk\r
    server mailcow 10.0.0.1:10993 check\r

backend spare
    server m 10.0.0.1:25 disabled
"""

EDITS: st.SearchStrategy[Edit] = st.one_of(
    st.builds(
        Argument,
        st.integers(1, 23),
        st.sampled_from([("send-proxy",), ("check",), ("port", "10026"), ("inter", "30s"), ("fall", "2")]),
        st.sampled_from([None, "check", "send-proxy"]),
    ),
    st.builds(Drop, st.integers(1, 23), st.sampled_from(["check", "port", "send-proxy", "accept-proxy", "disabled"])),
    st.builds(Change, st.integers(1, 23), st.integers(0, 4), st.sampled_from(["10.0.0.9:25", "1h", '"a"'])),
    st.builds(Insert, st.integers(1, 23), st.just(("timeout tunnel 1h",))),
    st.builds(Remove, st.integers(1, 23)),
    st.builds(Recipe, st.sampled_from([12, 16, 21]), st.just(("tcp-check connect", "tcp-check expect string x"))),
    st.builds(
        Listener,
        st.sampled_from(["listen", "backend"]),
        st.sampled_from(["sieve", "smtp", "pop"]),
        st.just(("server m 10.0.0.1:14190 send-proxy check",)),
        st.sampled_from([None, 4, 12, 16]),
    ),
)  # fmt: skip


@pytest.mark.slow
@needed
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(EDITS)
def test_an_edit_leaves_all_other_lines_and_haproxy_agrees(tmp_path: Path, edit: Edit):
    assert takes(BASE, tmp_path) == ""
    try:
        edited = apply(BASE, edit)
    except InputError as refused:
        assert refused.line >= 1
        return
    before, after = BASE.splitlines(keepends=True), edited.splitlines(keepends=True)
    if isinstance(edit, Argument | Drop | Change):
        at = edit.line - 1
        assert (before[:at], before[at + 1 :]) == (after[:at], after[at + 1 :])
    else:
        if isinstance(edit, Remove):
            del before[edit.line - 1]
        if isinstance(edit, Recipe) and edit.header == 16:
            before.remove("    option smtpchk\r\n")
        rest = iter(after)
        assert all(line in rest for line in before)
    said = takes(edited, tmp_path)
    if isinstance(edit, Argument | Drop | Insert | Change):
        # A keyword that the line's kind has not, or a line where it does not belong, is the asker's: never our doing.
        alerts = [line for line in said.splitlines() if "[ALERT]" in line and "h.cfg:" in line]
        own = getattr(edit, "line", 0) or getattr(edit, "after", 0) + 1
        assert all(f":{own}]" in line for line in alerts), said
    else:
        assert said == ""
