"""Twice the lines cost twice the work and the memory, whatever the file is made of: counted, not timed."""

from __future__ import annotations

import sys
import tracemalloc
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from console.diagnosis.lint import lint
from console.sources import haproxy
from console.topology.build import build
from console.topology.sources import Sources


def address(number: int) -> str:
    return f"10.{number // 60000}.{number // 250 % 250}.{number % 250}"


SHAPES: dict[str, Callable[[int], list[str]]] = {
    "listeners": lambda n: [
        line for i in range(n) for line in (
            f"listen l{i}", f"  bind :{2000 + i}", "  # x", f"  server m 10.0.0.1:{10000 + i} send-proxy check", "")
    ],
    "binds and servers": lambda n: [
        "frontend f", *(f"  bind 127.0.0.1:{i + 1}" for i in range(n)), "  default_backend b",
        "backend b", *(f"  server s{i} {address(i)}:10025 send-proxy" for i in range(n)),
    ],
    "binds and servers without a port": lambda n: [
        "frontend f", "  bind :25", *(f"  bind 127.0.0.1:{i + 20000}" for i in range(n)), "  default_backend b",
        "backend b", *(f"  server s{i} {address(i)} check" for i in range(n)),
    ],
    "frontends, and servers without a port": lambda n: [
        *(line for i in range(n) for line in (f"frontend f{i}", f"  bind :{2000 + i}", "  default_backend b")),
        "backend b", *(f"  server s{i} {address(i)}" for i in range(n)),
    ],
    "use_backend": lambda n: [
        "frontend f", "  bind :25", *(f"  use_backend b{i} if TRUE" for i in range(n)),
        *(f"backend b{i}" for i in range(n)),
    ],
    "frontends of one port": lambda n: [
        "backend b", *(f"  server s{i} {address(i)}:10025" for i in range(n)),
        *(line for i in range(n) for line in (f"frontend f{i}", f"  bind {address(i)}:25", "  default_backend b")),
    ],
    "servers that are disabled": lambda n: [
        "backend b", *(f"  server s{i} {address(i)}:10025 disabled" for i in range(n)),
        *(line for i in range(n) for line in (f"frontend f{i}", f"  bind {address(i)}:25", "  default_backend b")),
    ],
    "backends": lambda n: [
        "frontend f", *(f"  bind {address(i)}:{i + 1}" for i in range(n)),
        *(f"  use_backend b{i} if TRUE" for i in range(n)),
        *(line for i in range(n) for line in (f"backend b{i}", f"  server s {address(i)}:10025")),
    ],
    "inner hops": lambda n: [
        "backend b", *(f"  server s{i} 127.0.0.1:{i + 1}" for i in range(n)),
        *(line for i in range(n) for line in (
            f"frontend f{i}", f"  bind 127.0.0.1:{i + 1}", f"  default_backend c{i}")),
        *(line for i in range(n) for line in (f"backend c{i}", f"  server s {address(i)}:10025")),
    ],
    "rules of defaults": lambda n: [
        "defaults d", "  option tcp-check", *["  tcp-check send x"] * n,
        *(line for i in range(n) for line in (f"listen l{i}", f"  bind :{i + 1}", "  server m 10.0.0.1:25 check")),
    ],
    "rules and servers": lambda n: [
        "listen l", "  bind :25", "  option tcp-check", *["  tcp-check send x"] * n,
        *(f"  server s{i} 10.0.0.1:{i + 1} check" for i in range(n)),
    ],
    "defaults on defaults": lambda n: [
        line for i in range(n) for line in (
            f"defaults d{i}" + (f" from d{i - 1}" if i else ""), f"  timeout client {i}s", f"listen l{i} from d{i}")
    ],
    "sections that reject": lambda n: [
        line for i in range(n) for line in (
            f"listen l{i}", f"  bind {address(i)}:993", "  tcp-request connection reject if TRUE",
            "  server m 10.0.0.1:10993 send-proxy")
    ],
    "conditions": lambda n: [
        line for i in range(n) for line in (".if feature(X)", f"listen l{i}", f"  bind :{i + 1}", ".endif")
    ],
    "variables": lambda n: [
        "global", *(f'  setenv A{i} "${{A{i - 1}-x}}"' for i in range(n)), "listen x",
        *(f'  bind "${{A{i}-}}":{i + 1}' for i in range(n)),
    ],
    "expressions": lambda n: [
        "frontend f", "  bind :25", *["  http-request set-header A %[src,lower] if { src 1::1 } or { hdr(a) b }"] * n,
        *["  acl a " + "src," * 40] * (n // 10), "  use_backend " + "%[src,lower]" * n + "%[" * n,
    ],
    "problems": lambda n: [
        line for i in range(n) for line in (f"listen l{i}", "  server x", "  bind", "  default_backend g")
    ],
}  # fmt: skip


def judge(text: str) -> haproxy.Configuration:
    configuration = haproxy.parse(text, "h.cfg")
    sources = Sources(haproxy=configuration, texts={"h.cfg": text}, folder="mailcow")
    lint(sources, build(sources))
    assert len(configuration.warnings) <= 50
    return configuration


def work(text: str) -> None:
    configuration = judge(text)
    for each in configuration.effective:
        each.rules("bind")


def instructions(text: str) -> int:
    """Count the bytecode that runs: comprehensions count each round, as a clock would."""
    count = 0

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        count += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work(text)
    finally:
        sys.settrace(before)
    return count


def memory(text: str, work: Callable[[str], object] = work) -> int:
    tracemalloc.start()
    try:
        work(text)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def text(shape: str, number: int) -> str:
    return "\n".join(SHAPES[shape](number)) + "\n"


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
def test_twice_the_lines_are_twice_the_work(shape: str):
    work(text(shape, 10))
    small, large = (instructions(text(shape, number)) for number in (150, 300))
    assert large < 2.4 * small


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
def test_four_times_the_lines_are_four_times_the_memory(shape: str):
    work(text(shape, 10))
    small, large = (memory(text(shape, number)) for number in (200, 800))
    # A dictionary grows by steps; what is quadratic would be sixteen times as much.
    assert large < 6 * small


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
def test_to_read_and_judge_any_shape_takes_some_fifty_times_the_file(shape: str):
    judge(text(shape, 10))
    whole = text(shape, 1500)
    # Of each port is kept who answers there and why, and what its socket is called; where every few short words raise
    # a finding, the findings' own words are a quarter of it.
    # Caches of addresses fill once for the process.
    assert any(memory(whole, judge) < (73 if shape == "binds and servers" else 58) * len(whole) for _ in range(3))


@pytest.mark.slow
def test_an_ordinary_file_takes_less_than_forty_times_its_size():
    stanza = (
        "listen smtp{0}\n    bind 127.0.0.1:{0}\n    mode tcp\n    option tcplog\n"
        "    server mailcow 10.10.10.214:{0} send-proxy check port {0}\n    # a remark\n\n"
    )
    whole = "".join(stanza.format(number) for number in range(10000, 11400))
    work(stanza.format(1))
    assert memory(whole) < 40 * len(whole)
