"""What the files of a clone call things: no name steers the terminal, fills it, or ends the program."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from console.__main__ import main

STEERS = "\\u001b]52;c;aGk=\\u0007\\u001b[2J\\u202e[red]x"
TOFU = f"""
resource "incus_instance" "vm" {{
  name  = "{STEERS}"
  image = "{STEERS}"
  type  = "{STEERS}"
  config = {{ "limits.cpu" = "{STEERS}", "limits.memory" = "{STEERS}" }}
  device {{
    name       = "eth0"
    type       = "nic"
    properties = {{ "ipv4.address" = "{STEERS}" }}
  }}
}}
resource "incus_storage_volume" "opt" {{
  name         = "{STEERS}"
  pool         = "{STEERS}"
  content_type = "{STEERS}"
  config       = {{ size = "{STEERS}" }}
}}
"""
COMPOSE = f"""
services:
  "{STEERS}":
    image: "{STEERS}"
    ports: ["10.1.1.1:10025:25"]
"""
HALF = '"\\ud800"'
FORMATS = ("text", "json", "mermaid", "dot", "svg")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A stranger's working copy whose site file names files of each kind."""
    (tmp_path / ".git").mkdir()
    (tmp_path / "haproxy.cfg").write_text("listen smtp\n    bind :25\n    server m 10.1.1.1:10025 send-proxy\n")
    (tmp_path / "site.toml").write_text(
        '[sources]\nhaproxy = ["haproxy.cfg"]\nopentofu = ["main.tf"]\ncompose = ["compose.yml"]\n'
    )
    return tmp_path


def told(clone: Path, capsys: pytest.CaptureFixture[str], *command: str) -> str:
    main(["--site", str(clone / "site.toml"), *command])
    captured = capsys.readouterr()
    assert "cowhand stopped" not in captured.err
    return captured.out + captured.err


@pytest.mark.parametrize("form", FORMATS)
def test_no_name_of_a_machine_volume_or_service_steers_the_terminal(
    form: str, clone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (clone / "main.tf").write_text(TOFU)
    (clone / "compose.yml").write_text(COMPOSE)
    words = told(clone, capsys, "show", "--format", form)
    assert form == "mermaid" or "52;c;aGk=" in words  # it is told, and as it is written
    assert not [each for each in words if not each.isprintable() and each != "\n"]
    if form == "json":
        assert "\x1b" not in str(json.loads(words))


def test_no_name_begins_a_directive_of_mermaid(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directive = "%%{init: {'themeCSS': '* {display: none}'}}%%"
    (clone / "haproxy.cfg").write_text(f'listen "{directive}"\n    bind :25\n    server m 10.1.1.1:10025\n')
    (clone / "site.toml").write_text(f'name = "{directive}"\n' + (clone / "site.toml").read_text())
    words = told(clone, capsys, "show", "--format", "mermaid")
    assert "init: " in words.partition("flowchart")[0] and "init: " in words.partition("flowchart")[2]
    assert "%%{" not in "".join(line for line in words.split("\n") if "is no name HAProxy takes" not in line)


def test_no_name_of_a_folder_steers_the_terminal(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = clone / "a\x1b[2J\u202eb"
    folder.mkdir()
    (clone / "haproxy.cfg").rename(folder / "haproxy.cfg")
    (folder / "site.toml").write_text('[sources]\nhaproxy = ["haproxy.cfg"]\n')
    words = told(folder, capsys, "show")
    assert words.startswith("a\\x1b[2J\\u202eb\n")


def test_a_name_without_end_is_cut(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    doubled = "\n".join(f'  a{n} = "${{local.a{n - 1}}}${{local.a{n - 1}}}"' for n in range(1, 15))
    (clone / "main.tf").write_text(
        f'locals {{\n  a0 = "x"\n{doubled}\n}}\nresource "incus_storage_volume" "v" {{\n  name = local.a14\n}}\n'
    )
    (clone / "compose.yml").write_text("services: {}\n")
    words = told(clone, capsys, "show")
    assert max(map(len, words.split("\n"))) < 300
    assert "…" in words


@pytest.mark.parametrize("command", [("show",), ("show", "--json"), ("lint",), ("drift",)], ids=" ".join)
def test_half_a_character_is_no_crash(
    command: tuple[str, ...], clone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (clone / "main.tf").write_text(f'resource "incus_storage_volume" "v" {{\n  name = {HALF}\n  pool = "p"\n}}\n')
    (clone / "compose.yml").write_text(f"services: {{{HALF}: {{image: {HALF}, ports: ['10025:25']}}}}\n")
    told(clone, capsys, *command).encode()


def test_more_ports_than_anybody_asks_are_cut_and_it_is_said(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ports = ",".join(f":{port}" for port in range(1, 17_001))
    (clone / "haproxy.cfg").write_text(f"listen smtp\n    bind {ports}\n    server m 10.1.1.1:10025\n")
    (clone / "site.toml").write_text('[sources]\nhaproxy = ["haproxy.cfg"]\n')
    words = told(clone, capsys, "show")
    assert "16384 ports or more: what follows is not looked at" in words
    assert words.count("\n") < 16_400


def test_a_script_of_more_commands_than_any_has_is_read_in_part_and_it_is_said(
    clone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (clone / "hook.sh").write_text("a\n" * 10_001)
    (clone / "site.toml").write_text('[sources]\nhaproxy = ["haproxy.cfg"]\ndeploy_hook = "hook.sh"\n')
    assert "more than 10000 commands: from here on this script is not read" in told(clone, capsys, "lint")
