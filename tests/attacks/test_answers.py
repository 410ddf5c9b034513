"""Hostile but valid answers of docker, Tailscale and Incus: read or refused, never raised, drawn or waited for."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from console.__main__ import main
from console.errors import HostError
from console.facts import containers, incus, tailscale
from console.flows.proxy_override import stack
from tests.anchors.terminal import Terminal
from tests.console.facts import recorded

EVIL = (
    "\x1b]52;c;b3duZWQ=\x07\x1b]0;owned\x07\x1b[2J\x9b31m\u202e\u200b\u3164\u0301\u0301\u0301"
    "[red on blue]EVILMARK[/] [@click=app.quit]q[/]\r\n\0 sudo password of deploy: "
)
RAW = ("\x1b]52", "\x1b]0;", "\x9b31m", "\u202e", "\u200b", "\u3164", "\0")
INCUS = [
    {
        "name": "mailcow", "type": "virtual-machine", "status": "Running",
        "expanded_config": {"limits.cpu": "4", "limits.memory": "8GiB"},
        "expanded_devices": {
            "root": {"type": "disk", "path": "/", "size": "40GiB"},
            "eth0": {"type": "nic", "ipv4.address": "10.10.10.214"},
        },
    }
]  # fmt: skip
PARSERS: dict[str, Callable[[str], Any]] = {
    "containers": containers.parse, "tailscale": tailscale.parse, "incus": incus.parse,
}  # fmt: skip
VALID: list[tuple[str, str]] = [
    *(("containers", recorded.text("containers", name)) for name in recorded.files("containers")),
    *(("tailscale", recorded.text("tailscale", name)) for name in recorded.files("tailscale")),
    ("incus", json.dumps(INCUS)),
]
OTHERS: dict[str, Any] = {
    "escapes": EVIL, "long": "x" * 100_000, "huge": 10**30, "huge text": "9" * 400, "negative": -(2**63),
    "float": 1e308, "null": None, "true": True, "list": [EVIL], "object": {EVIL: EVIL}, "nested": [[[[[[[[{}]]]]]]]],
    "empty": "",
    "date": "9999-12-31T23:59:59.999999999-23:59", "first": "0001-01-01T00:00:00+23:59", "surrogate": "\ud800",
}  # fmt: skip


def documents(subject: str, text: str) -> Any:
    """Return the answer as data: an array, or an object a line."""
    try:
        return json.loads(text)
    except ValueError:
        return [json.loads(line) for line in text.split("\n") if line.strip()]


def changed(value: Any, to: Any) -> Iterator[Any]:
    """Yield the data again, once for each of its places, with something else there."""
    yield to
    if isinstance(value, dict):
        for key in value:
            yield {**value, f"{key}{EVIL}": value[key]}
            yield from ({**value, key: each} for each in changed(value[key], to))
    elif isinstance(value, list):
        for at, inner in enumerate(value[:2]):
            yield from ([*value[:at], each, *value[at + 1 :]] for each in changed(inner, to))


def words(found: Any) -> Iterator[str]:
    """Yield every text in what was read."""
    if isinstance(found, str):
        yield found
    elif isinstance(found, dict):
        for key, value in found.items():
            yield from (*words(key), *words(value))
    elif isinstance(found, list | tuple):
        for each in found:
            yield from words(each)
    elif isinstance(found, msgspec.Struct):
        for name in found.__struct_fields__:
            yield from words(getattr(found, name))


@pytest.mark.parametrize("to", OTHERS.values(), ids=OTHERS)
@pytest.mark.parametrize(("subject", "text"), VALID, ids=[f"{subject}{at}" for at, (subject, _) in enumerate(VALID)])
def test_an_answer_with_anything_anywhere_is_read_or_refused(subject: str, text: str, to: Any) -> None:
    tried = 0
    for data in changed(documents(subject, text), to):
        tried += 1
        if tried > 300:
            break
        try:
            found = PARSERS[subject](json.dumps(data))
        except ValueError as error:
            assert str(error).isprintable() and len(str(error)) < 300
            continue
        for word in words(found):
            assert word.isprintable() and not any(raw in word for raw in RAW) and len(word) <= 200
    assert tried > 1 or not documents(subject, text)


@pytest.mark.parametrize("subject", PARSERS)
@pytest.mark.parametrize(
    "text",
    ["[" * 200_000, '{"a":' * 200_000, "1" * 200_000, '"' * 200_000, "[{}]" * 50_000, "nul", "[1e999]", "\ufeff[]",
     '{"BackendState": "' + "a" * 200_000, '[{"name": 1, "type": 2}, {"name": 1, "name": 2, "type": {}}]'],
    ids=lambda text: text[:12],
)  # fmt: skip
def test_what_is_nested_huge_or_doubled_is_read_or_refused(subject: str, text: str) -> None:
    try:
        PARSERS[subject](text)
    except ValueError as error:
        assert str(error).isprintable() and len(str(error)) < 300


def tailnet(count: int) -> str:
    """A peer that calls as many addresses its own, and as many networks allowed."""
    node = {
        "HostName": "evil",
        "TailscaleIPs": [f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}" for n in range(count)],
        "AllowedIPs": [f"11.{n >> 16}.{n >> 8 & 255}.{n & 255}/32" for n in range(count)],
    }
    return json.dumps({"BackendState": "Running", "Self": node, "Peer": {"a": node}})


def test_a_peer_with_thousands_of_addresses_costs_no_more_than_its_size() -> None:
    took = []
    for count in (2_000, 16_000):
        text = tailnet(count)
        begin = time.process_time()
        found = tailscale.parse(text)
        took.append(time.process_time() - begin)
    assert took[1] / took[0] < 24, "eight times as many"
    assert found.own is not None and len(found.own.addresses) <= tailscale.MOST


# ── up to the outputs and the screens ───────────────────────────────────────────────────────────────────────────────

SITE = """
name = "evil"

[sources]
opentofu = ["mailcow.tf"]

[[lane]]
port = 25
protocol = "smtp"
target = "127.0.0.1:1"

[hosts.vps]
role = "proxy"
local = true

[hosts.mailcow]
role = "mail"
local = true

[hosts.home]
role = "hypervisor"
local = true
"""
TOFU = """
resource "incus_instance" "vm" {
  name = "mailcow"
  type = "virtual-machine"
  config = { "limits.cpu" = "4" }
}
"""
ROW = {
    "Service": EVIL, "Name": f"mailcowdockerized-{EVIL}", "State": "restarting", "Status": EVIL, "Health": EVIL,
    "ExitCode": 2**40, "RunningFor": EVIL, "Labels": EVIL,
    "Publishers": [{"URL": EVIL, "TargetPort": 25, "PublishedPort": 2**40, "Protocol": EVIL}],
}  # fmt: skip
NODE = {
    "HostName": EVIL, "DNSName": EVIL, "TailscaleIPs": ["100.64.0.1"], "AllowedIPs": ["10.10.10.0/24", EVIL],
    "Online": False, "LastSeen": "9999-12-31T23:59:59-23:59", "KeyExpiry": "0001-01-01T00:00:00Z", "Expired": True,
    "Relay": EVIL, "CurAddr": EVIL,
}  # fmt: skip
MACHINE = {
    "name": "mailcow", "type": EVIL, "expanded_config": {"limits.cpu": EVIL, "limits.memory": [EVIL] * 9},
    "expanded_devices": {EVIL: {"type": "disk", "path": "/", "size": EVIL}, "n": {"type": "nic", "ipv4.address": EVIL}},
}  # fmt: skip
ANSWERS = {
    "docker": "\n".join(json.dumps(each) for each in [{**ROW, "Service": "dovecot-mailcow"}, ROW, ROW]),
    "tailscale": json.dumps({"BackendState": EVIL, "Self": NODE, "Peer": {EVIL: NODE}, "Health": [EVIL] * 9}),
    "incus": json.dumps([MACHINE, MACHINE]),
    "ss": f"State Recv-Q Send-Q Local Peer\nLISTEN 0 100 *:25 *:* users:((\"{EVIL!r}\",pid=1,fd=3))",
    "journalctl": EVIL, "findmnt": EVIL, "certbot": EVIL,
}  # fmt: skip


@pytest.fixture
def evil(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An estate whose machines answer everything with valid and hostile words."""
    folder, tools = tmp_path / "estate", tmp_path / "bin"
    folder.mkdir()
    tools.mkdir()
    (folder / "site.toml").write_text(SITE)
    (folder / "mailcow.tf").write_text(TOFU)
    for tool, text in ANSWERS.items():
        (tools / f"{tool}.answer").write_bytes(text.encode("utf-8", "surrogatepass"))
        (tools / tool).write_text(f"#!/bin/sh\ncat '{tools}/{tool}.answer'\ncat '{tools}/{tool}.answer' >&2\n")
        (tools / tool).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("command", [("check",), ("check", "--json"), ("drift",), ("drift", "--json")], ids=" ".join)
def test_no_output_has_a_raw_escape_of_an_answer(
    command: tuple[str, ...], evil: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["--site", str(evil / "site.toml"), *command])
    captured = capsys.readouterr()
    for text in (captured.out, captured.err):
        assert not any(raw in text for raw in RAW) and "\x1b" not in text
    if command[-1] == "--json":
        json.loads(captured.out)
    assert "owned" in captured.out, "the answers were read, and what they say is shown"


@pytest.mark.slow
def test_no_screen_lets_an_answer_steer_the_terminal(evil: Path) -> None:
    homes = {f"XDG_{name}_HOME": str(evil.parent / name) for name in ("STATE", "CACHE", "CONFIG")}
    argv = [sys.executable, "-m", "console", "--site", str(evil / "site.toml")]
    environment = {**homes, "PYTHONPATH": str(Path(__file__).parents[2])}
    terminal = Terminal(argv, columns=160, rows=50, environment=environment)
    try:
        terminal.wait("lanes")
        terminal.settle(1.0)
        for key in "1234562":
            terminal.send(key)
            terminal.settle(0.3)
        seen = bytes(terminal.received)
        terminal.send("q")
        status = terminal.leave()
    finally:
        terminal.close()
    assert status == 0
    for raw in ("\x1b]52;c;b3duZWQ", "\x1b]0;owned", "\x9b31m", "\u202e", "\u200b", "\u3164"):
        assert raw.encode() not in seen


@pytest.mark.parametrize("found", ["1e999", "NaN", '"/op\\ud800t/docker-compose.yml"', "[" * 5000, "1" + "0" * 5000])
def test_json_of_docker_that_no_machine_can_use_is_refused_as_no_answer(found: str) -> None:
    with pytest.raises(HostError, match="not what was asked for"):
        stack._rows(f'{{"Publishers": [{{"PublishedPort": {found}}}]}}'.encode())


def test_a_project_whose_folder_cannot_be_named_in_one_line_is_none_of_ours() -> None:
    for path in ("/a\0b/docker-compose.yml", "/a\nb/docker-compose.yml", "/a\x1b[2Jb/docker-compose.yml"):
        assert stack._folder({"ConfigFiles": path}) == ""
    assert stack._folder({"ConfigFiles": "/opt/mail cow/docker-compose.yml"}) == "/opt/mail cow"
