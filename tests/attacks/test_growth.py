"""What a host, a server or a clone sends costs in proportion to its size: eight times as much text, not 64 times."""

from __future__ import annotations

import gc
import os
import subprocess
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import pytest

from console.__main__ import main
from console.diagnosis.lint import lint
from console.differences import changes
from console.drift import shown
from console.errors import CowhandError
from console.estate import tables
from console.facts import (
    certificates,
    containers,
    haproxy_running,
    haproxy_stats,
    installation,
    mounts,
    pings,
    queue,
    tailscale,
    volumes,
)  # fmt: skip
from console.hosts import lock
from console.hosts.host import Completed
from console.hosts.ssh.routes import read_route
from console.mask import mask
from console.model import Topology
from console.sources import dovecot, shell
from console.sources.compose import env_edit, env_file
from console.sources.haproxy import parse
from console.sources.haproxy.lines import MOST_WORDS
from console.sources.opentofu import files
from console.store.walk import walk
from console.tofu import provisioning, show, state, tool
from console.tofu.use import files_below
from console.topology.sources import Sources


def linted(text: str) -> object:
    """Read a script and look for findings in it."""
    return lint(Sources(scripts=(shell.read(text, "hook.sh"),)), Topology())


PARSERS: dict[str, tuple[Callable[[str], object], tuple[str, ...]]] = {
    "certificates": (certificates.parse, ("-----BEGIN CERTIFICATE-----\n", "-----BEGIN TRUSTED CERTIFICATE-----\n")),
    "public key": (certificates.parse_key, ("-----BEGIN PUBLIC KEY-----\n",)),
    "ping": (lambda text: pings.parse("192.0.2.1", text), ("1", "1.", "round-trip min/avg/max = 1")),
    "dovecot": (lambda text: dovecot.listeners(text, "extra.conf"), ("a", "a.", "a b ", "a { ", "a =")),
    "lint of a script": (lambda text: linted(f"cp {text} /x\n"), ("{", "a|b ", "> x <y ", "$LINEAGE", "{chain")),
    "opentofu": (lambda text: files.parse(f"x = {text[: len(text) // 4]}1\n", "main.tf"), ("1-", "!")),
    "haproxy": (lambda text: parse(f"listen a\n  bind :25 {text}\n{text}", "haproxy.cfg"), ("a ", "  server a b\n")),
    "masking": (
        mask,
        (
            "a.",
            "pass=",
            "pass=\n",
            "a.b.pass ",
            "user:",
            "password: >-\n ",
            "-----BEGIN ",
            "users:\n ",
            "a\\r\\n",
            "your code ",
        ),
    ),
    "installation": (
        lambda text: [installation.parse(text).absent for _ in range(20)],
        ("image\ta\nwanted\tb\n", "container\ta b c\n"),
    ),
    "mailcow.conf": (lambda text: env_file.read(f"A=b{text}x\n", "mailcow.conf"), (" ", "\t", " #", "a ")),
    "an edit of it": (lambda text: env_edit.put(f"A=b{text}x\n", "A", "y", "mailcow.conf"), (" ", " #", "a ")),
    "blocks": (lambda text: [*provisioning._BLOCK.finditer(text)], ("\n", "*/", "{\n", "{")),
    "drift": (
        lambda text: shown.diff([f"x {text}"], [text], "ours", "theirs", "/etc/haproxy/haproxy.cfg"),
        ("a.", "pass="),
    ),
}
"""What reads foreign text, and pieces of which a text is made that brings it to its worst."""

SIZES = (4_000, 32_000)
ENOUGH = 0.02
"""Seconds below which nothing is told of growth: on a busy machine all of it may be noise."""


def spent(read: Callable[[str], object], text: str) -> float:
    """Seconds that reading takes, without the collector: what that goes through is what other tests have kept."""
    gc.collect()
    gc.disable()
    begin = time.process_time()
    try:
        with suppress(ValueError, CowhandError):
            read(text)
        return time.process_time() - begin
    finally:
        gc.enable()


@pytest.mark.parametrize(("name", "piece"), [(name, each) for name, (_, pieces) in PARSERS.items() for each in pieces])
def test_eight_times_the_text_costs_about_eight_times_as_much(name: str, piece: str) -> None:
    read = PARSERS[name][0]
    tables.keep()
    small, large = (piece * (size // len(piece)) for size in SIZES)
    spent(read, small)
    first = max(spent(read, small), ENOUGH / 8)
    assert spent(read, large) / first < 24


@pytest.mark.parametrize("between", ["b{}", "the same"])
def test_many_small_differences_cost_in_proportion_to_their_number(between: str) -> None:
    def rows(text: str) -> tuple[list[str], list[str]]:
        mine = [f"a{number}" for number in range(len(text))]
        return mine, [row for number, each in enumerate(mine) for row in (each, between.format(number))]

    small, large = "x" * 4_000, "x" * 32_000
    first = max(spent(lambda text: changes(*rows(text)), small), ENOUGH / 8)
    assert spent(lambda text: changes(*rows(text)), large) / first < 24


def test_a_number_that_no_machine_can_count_with_is_no_crash() -> None:
    found = files.parse(f"locals {{\n  x = {'9' * 400}\n  y = -{'9' * 400} / 3\n}}\n", "main.tf")
    assert found is not None


def test_numbers_of_ping_that_are_none_are_no_crash() -> None:
    digits = "9" * 5000
    assert pings.parse("192.0.2.1", f"{digits} packets transmitted, 1 received") is None
    found = pings.parse("192.0.2.1", "2 packets transmitted, 2 received\nrtt min/avg/max/mdev = 1.2.3/1/1/1 ms")
    assert found is not None and found.fastest is None


DEEP = "[" * 100_000
READERS: dict[str, Callable[[str], object]] = {
    "a route": read_route,
    "disks": lambda text: volumes.parse(text.encode(), "mail"),
    "a lock's holder": lambda text: lock._holder(Completed(0, f"1\n2\n{text}".encode(), b"")),
    "tofu's version": lambda text: tool.told_version(text.encode()),
    "containers": containers.parse,
    "mounts": mounts.parse,
    "queue": queue.parse,
    "tailscale": tailscale.parse,
    "a state": state.parse,
    "a plan": show.parse,
}


@pytest.mark.parametrize("text", [DEEP, f'{{"x": {DEEP}', f'[{{"x": {DEEP}'], ids=["list", "member", "list of members"])
@pytest.mark.parametrize("name", READERS)
def test_brackets_in_each_other_are_no_crash(name: str, text: str) -> None:
    with suppress(ValueError, CowhandError):
        READERS[name](text)


def test_no_command_ends_by_the_marks_of_tofu_in_a_clone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "main.tf").write_text('resource "incus_instance" "m" {\n  name = "m"\n}\n')
    (tmp_path / ".terraform").mkdir()
    (tmp_path / ".terraform" / "terraform.tfstate").write_text(f'{{"x": {DEEP}')
    (tmp_path / "site.toml").write_text('[sources]\nopentofu = ["main.tf"]\n')
    assert main(["--site", str(tmp_path / "site.toml"), "show"]) == 0
    assert "stopped" not in capsys.readouterr().err


def test_folders_in_each_other_are_walked_to_their_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for _ in range(1500):
        os.mkdir("a")  # noqa: PTH102  there is no room for the whole path
        os.chdir("a")
    Path("deep.lua").write_text("x")
    os.chdir(tmp_path)
    assert [names for _, _, names in walk(tmp_path) if names] == [["deep.lua"]]
    assert [each.name for each in files_below(tmp_path)] == ["deep.lua"]
    subprocess.run(["rm", "-rf", str(tmp_path / "a")], check=True)  # shutil's calls itself, too


def test_a_walk_is_that_of_python(tmp_path: Path) -> None:
    for name in ("b/c/d", "a/x", "e"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "f").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "b")
    (tmp_path / "lost").symlink_to("nowhere")

    def shape(found: Iterable[tuple[str, list[str], list[str]]]) -> list[tuple[str, list[str], list[str]]]:
        told = []
        for top, folders, names in found:
            folders.sort()
            told.append((top, list(folders), sorted(names)))
        return told

    for links in (False, True):
        assert shape(walk(tmp_path, followlinks=links)) == shape(os.walk(tmp_path, followlinks=links))


# ── HAProxy's lines and socket ──────────────────────────────────────────────────────────────────────────────────────


def test_of_a_line_that_haproxy_refuses_for_its_words_no_more_is_kept_than_it_takes() -> None:
    rules = f"frontend f\n    bind :25\n    use_backend b if {'{ a } ' * 1000}\n"
    [document] = parse(rules, "haproxy.cfg").documents
    assert max(len(line.words) for line in document.lines) == MOST_WORDS
    assert len(document.lines[2].tokens()) == MOST_WORDS


STAT = "# pxname,svname,status,type\n"


@pytest.mark.parametrize("row", ["\n", "a\n", ",,,\n", "a,b,UP,2\n"])
def test_an_answer_of_a_million_rows_is_refused_before_it_is_read(row: str) -> None:
    for read in (haproxy_stats.parse, haproxy_stats.parse_frontends, haproxy_running.parse_frontends):
        with pytest.raises(ValueError, match="more than 20000 rows"):
            read(STAT + row * 20_001)
    assert len(haproxy_stats.parse(STAT + "a,b,UP,2\n" * 20_000)) == 20_000


def test_a_header_of_many_names_is_not_gone_through_for_each_row() -> None:
    """Sizes are of the whole answer: half of it is header, half is rows, so that their product grows by 64."""

    def answer(size: int) -> str:
        names = ",".join(f"c{n}" for n in range(size // 12))
        return f"# pxname,svname,status,{names}\n" + "a,b,UP\n" * (size // 14)

    small, large = (answer(size) for size in (30_000, 240_000))
    assert len(haproxy_stats.parse(small)) == 30_000 // 14
    first = max(spent(haproxy_stats.parse, small), ENOUGH / 8)
    assert spent(haproxy_stats.parse, large) / first < 24


@pytest.mark.parametrize("digits", ["9" * 5000, "²", "٣", "-1"])
def test_numbers_of_haproxy_that_are_none_are_no_crash(digits: str) -> None:
    assert haproxy_stats.parse_info(f"CurrConns: {digits}\nMaxconn: 100\n") is None
    [server] = haproxy_stats.parse("# pxname,svname,status,type,weight,scur\n" + f"a,b,UP,2,{digits},{digits}\n")
    assert (server.weight, server.sessions) == (None, None)
    line = f"4 mail 1 m 10.0.0.1 2 0 1 1 6000 15 3 4 6 0 0 0 - {digits} - 0 {digits} -"
    assert haproxy_stats.parse_state(line) == {}
    ported = line.replace(f"- {digits} -", "- 10025 -", 1)
    assert haproxy_stats.parse_state(ported)["mail/m"].port == 10025
