"""Bytes nobody would write: the reader, the rules and the edits bear them all."""

from __future__ import annotations

import importlib.util
import platform
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.haproxy import SECRET, TOKENS, search

RUNS = 4000

TEXTS = st.lists(st.one_of(st.sampled_from(TOKENS), st.text(max_size=8), st.just("\n")), max_size=80).map("".join)
BYTES = st.tuples(st.binary(min_size=1, max_size=1), TEXTS).map(
    lambda pair: pair[0] + b"\n" + pair[1].encode("utf-8", "replace")
)


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(BYTES)
def test_words_of_the_grammar_in_any_order_are_borne(data: bytes):
    search(data)


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=2000))
def test_any_bytes_are_borne(data: bytes):
    search(data)


@pytest.mark.slow
def test_a_search_guided_by_coverage_finds_nothing():
    if importlib.util.find_spec("atheris") is None:
        # Built for x86-64 Linux and CPython 3.11 only; elsewhere the two tests above search alone.
        assert (sys.platform, platform.machine(), sys.version_info[:2]) != ("linux", "x86_64", (3, 11))
        return
    argv = [sys.executable, "-m", "tests.fuzz.haproxy", f"-runs={RUNS}", "-seed=1"]
    run = subprocess.run(
        argv, cwd=Path(__file__).parents[2], capture_output=True, text=True, errors="replace", check=False
    )
    assert run.returncode == 0, (run.stdout + run.stderr)[-4000:]


FOUND = [
    # A host name of undecodable bytes, in a finding.
    b"%\nlisten r\n    bind :993\n    server m fd\x88\x88:10993 check\n",
    # The same in a condition.
    b"J\nglobal\n    setenv A b\n.if def\xc7ined(A)\n.endif\n",
    # The last line taken out, where it has no end.
    b"\x1e\nlisten a\n bind",
    # The value of a secret where a name belongs.
    b'\x01\nlisten a\n  use_backend "$DB_PASSWORD"\n  bind "${API_TOKEN}x"\nlisten "$DB_PASSWORD"\n',
]


@pytest.mark.parametrize("data", FOUND)
def test_what_was_found_once_is_borne(data: bytes):
    search(data)
    assert SECRET.encode() not in data
