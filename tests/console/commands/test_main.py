"""The command line is a contract: names, JSON keys, exit codes, and one line for what cannot be used."""

from __future__ import annotations

import json
import os
import re
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

import assets
from console.__main__ import main
from console.commands.main import COMMANDS, build, learn

SEED = ("haproxy.cfg", "mailcow.tf", "docker-compose.override.yml")
SITE = '[sources]\nhaproxy = ["haproxy.cfg"]\nopentofu = ["mailcow.tf"]\ncompose = ["docker-compose.override.yml"]\n'


@pytest.fixture
def seed(tmp_path: Path) -> Path:
    for name in SEED:
        (tmp_path / name).write_bytes((Path(assets.__file__).parent / "lab" / name).read_bytes())
    (tmp_path / "site.toml").write_text(SITE)
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    status = main(words)
    told = capsys.readouterr()
    return status, told.out, told.err


def test_show_tells_the_seed_in_the_contract_s_words(seed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, "--site", str(seed / "site.toml"), "show", "--json")
    told = json.loads(out)
    assert (status, err) == (0, "")
    assert set(told) >= {"nodes", "lanes", "volumes", "instances"}
    lanes = [(lane["port"], lane["target"]["host"], lane["target"]["port"]) for lane in told["lanes"]]
    host = "10.10.10.214"
    assert lanes == [(25, host, 10025), (465, host, 10465), (993, host, 10993), (4190, host, 14190)]
    for lane in told["lanes"]:
        assert set(lane) >= {"name", "protocol", "port", "binds", "target", "proxy_protocol", "tls", "source"}
        assert lane["proxy_protocol"] == "v1"
        assert len(lane["binds"]) == 2
    volumes = {(volume["name"], volume["size"], volume["mount_path"]) for volume in told["volumes"]}
    assert volumes == {("mailcow_var_lib_docker", "50GiB", "/var/lib/docker"), ("mailcow_opt", "10GiB", "/opt")}
    assert [instance["name"] for instance in told["instances"]] == ["mailcow"]
    for item in (*told["lanes"], *told["volumes"], *told["instances"]):
        assert item["source"]["file"] in SEED
        assert item["source"]["line"] > 0


def test_a_declared_lane_is_the_fifth(seed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    declared = '\n[[lane]]\nport = 443\nprotocol = "https"\ntarget = "10.10.10.214:80"\n'
    (seed / "site.toml").write_text(SITE + declared)
    _, out, _ = run(capsys, "--site", str(seed / "site.toml"), "show", "--json")
    fifth = json.loads(out)["lanes"][-1]
    assert (fifth["port"], fifth["tls"], fifth["proxy_protocol"]) == (443, "terminated", None)
    assert fifth["source"]["line"] == 6


def test_lint_is_one_when_there_are_findings(seed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "--site", str(seed / "site.toml"), "lint", "--json")
    findings = json.loads(out)["findings"]
    ids = sorted(finding["id"] for finding in findings)
    assert status == 1
    assert ids == ["CH001"] + ["CH004"] * 4 + ["CH006", "CH009", "CH017", "CH019"] + ["CH021"] * 4 + ["CH024", "CH025"]
    for finding in findings:
        assert set(finding) >= {"id", "name", "severity", "summary", "where", "remedy"}
        assert set(finding["where"]) >= {"file", "line"}


def test_a_check_that_nobody_can_answer_is_three_and_says_why(seed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "--site", str(seed / "site.toml"), "check")
    assert status == 3
    assert "no public name is known" in out
    assert 'role = "proxy"' in out
    status, out, _ = run(capsys, "--site", str(seed / "site.toml"), "check", "--json")
    told = json.loads(out)
    assert status == 3
    assert told["verdict"] == "unknown"
    assert {hop["outcome"] for lane in told["lanes"] for hop in lane["hops"]} == {"unknown"}
    assert set(told["lanes"][0]["hops"][0]) >= {"hop", "vantage", "outcome", "latency_ms", "evidence"}


class Greeting(socketserver.StreamRequestHandler):
    """An SMTP server that is well as far as a sweep goes."""

    def handle(self) -> None:
        with suppress(OSError):
            self.wfile.write(b"220 mail.example.org ESMTP\r\n")
            if self.rfile.readline():
                self.wfile.write(b"221 2.0.0 Bye\r\n")


@contextmanager
def greeting() -> Iterator[int]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Greeting) as server:
        threading.Thread(target=server.serve_forever).start()
        yield server.server_address[1]
        server.shutdown()


def test_well_is_not_said_without_what_could_not_be_looked_at(
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tools = tmp_path_factory.mktemp("bin")  # the HAProxies that other tests run on this machine are none of its own
    (tools / "ps").write_text("#!/bin/sh\nexit 1\n")
    (tools / "ps").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    with greeting() as port, greeting() as behind:
        (tmp_path / "haproxy.cfg").write_text(
            f"global\n    stats socket {tmp_path}/stats\nlisten smtp\n    mode tcp\n    bind :{port}\n"
            f"    server mailcow 127.0.0.1:{behind}\n"
        )
        (tmp_path / "site.toml").write_text(
            '[sources]\nhaproxy = ["haproxy.cfg"]\n[public]\nnames = ["127.0.0.1"]\n'
            '[hosts.vps]\nrole = "proxy"\nlocal = true\n'
        )
        status, out, err = run(capsys, "--site", str(tmp_path / "site.toml"), "check", "--json")
    told = json.loads(out)
    assert (status, told["verdict"]) == (0, "well"), told
    assert told["cause"] == f"could not look into HAProxy: nobody listens on the stats socket {tmp_path}/stats"
    assert err == told["cause"] + "\n"
    (lane,) = told["lanes"]
    assert {hop["hop"]: hop["outcome"] for hop in lane["hops"]}["haproxy"] == "unknown"


BAD = {
    "a missing file": ("haproxy.cfg", None, r"site\.toml:2:12: .*haproxy\.cfg.*is not there"),
    "a file that is cut": ("haproxy.cfg", b"listen smtp\n    bind :25\n    serv", r"haproxy\.cfg:3:\d+: .*line end"),
    "broken HCL": ("mailcow.tf", b'resource "a" "b" {\n  c = [1,\n', r"mailcow\.tf:2:10: .*HCL"),
    "a binary file": ("haproxy.cfg", b"\x7fELF\x00\x00", r"haproxy\.cfg:1:5: .*binary"),
    "a huge file": ("haproxy.cfg", b"# filler\n" * 4_000_000, r"haproxy\.cfg:1:1: .*too large"),
    "a misspelt key": ("site.toml", b'[sources]\nhaprxy = []\n', r"site\.toml:2:1: .*haprxy.*did you mean \"haproxy\""),
    "a byte order mark": ("haproxy.cfg", b"\xef\xbb\xbflisten x\n    bind :25\n", r"haproxy\.cfg:1:1: .*byte order"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD, ids=lambda case: case.replace(" ", "-"))
def test_unusable_input_is_one_located_line_and_no_traceback(
    case: str, seed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name, content, expected = BAD[case]
    file = seed / name
    file.unlink() if content is None else file.write_bytes(content)
    for command, status in (("show", 2), ("lint", 2), ("check", 3)):
        got, _, err = run(capsys, "--site", str(seed / "site.toml"), command)
        assert got == status, command
        lines = err.splitlines()
        assert re.search(expected, lines[0]), lines
        assert len([line for line in lines if re.match(r".*:\d+:\d+: ", line)]) == 1
        assert "Traceback" not in err


def test_what_could_be_read_is_still_shown(seed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (seed / "mailcow.tf").write_text("resource {")
    status, out, err = run(capsys, "--site", str(seed / "site.toml"), "show", "--json")
    assert status == 2
    assert len(json.loads(out)["lanes"]) == 4
    assert err.startswith("mailcow.tf:1:")


def test_a_word_nobody_knows_is_a_located_warning_and_changes_no_status(
    seed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site, config = str(seed / "site.toml"), seed / "haproxy.cfg"
    before = {command: run(capsys, "--site", site, command)[:2] for command in ("lint", "show")}
    config.write_text(config.read_text() + "    optoin tcplog\n")
    place = f"haproxy.cfg:{len(config.read_text().splitlines())}:5"
    for command, (status, out) in before.items():
        words = "no HAProxy up to 3.5 knows the keyword 'optoin'; 'option' is meant?"
        assert run(capsys, "--site", site, command) == (status, out, f"{place}: warning: {words}\n")
    (told,) = json.loads(run(capsys, "--site", site, "lint", "--json")[1])["warnings"]
    assert f"{told['file']}:{told['line']}:{told['column']}" == place
    assert told["text"].startswith("no HAProxy up to 3.5 knows")


def test_a_check_has_no_time_for_words_nobody_knows(seed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site, config = str(seed / "site.toml"), seed / "haproxy.cfg"
    config.write_text(config.read_text() + "    optoin tcplog\n")
    _, out, err = run(capsys, "--site", site, "check")
    assert "optoin" not in out + err


def test_no_site_anywhere_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    status, out, err = run(capsys, "show")
    assert (status, out) == (2, "")
    assert "--lab" in err


def test_breaking_without_a_lab_says_how_to_start_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COWHAND_LAB", "nobody-runs-this-one")
    status, _, err = run(capsys, "lab", "break", "tunnel-cut")
    assert status == 2
    assert "cowhand lab up" in err


def test_the_faults_are_named_with_what_they_must_give(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "lab", "break", "--list", "--json")
    faults = json.loads(out)
    assert status == 0
    assert {fault["fault"] for fault in faults} >= {
        "dovecot-untrusted-proxy", "proxy-header-missing", "listener-down", "tunnel-cut", "tunnel-slow",
        "service-stopped", "certificate-expired",
    }  # fmt: skip


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh", "fish"])
def test_completion_knows_every_command(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "completion", shell)
    assert status == 0
    for word in ("show", "lint", "check", "lab", "read-only"):
        assert word in out


def test_the_manual_names_every_option_and_command() -> None:
    manual = (Path(assets.__file__).parent / "cowhand.1").read_text().replace("\\-", "-")
    parser = build()
    learn(parser)
    for action in parser._actions:
        for option in action.option_strings:
            if option.startswith("--"):
                assert option.removeprefix("-") in manual, option
    for command in COMMANDS:
        assert f".It Cm {command}" in manual


def test_a_command_is_only_loaded_when_it_is_the_one_given() -> None:
    program = (
        "import sys; from console.commands.main import build; build().parse_args(['lab', 'up']); print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    loaded = {name.removeprefix("console.commands.") for name in done.stdout.split() if "console.commands." in name}
    assert "lab" in loaded
    assert not loaded & {"show", "lint", "check", "drift", "flow", "journal", "completion"}


def test_site_and_lab_may_stand_behind_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "haproxy.cfg").write_text("listen a\n bind :25\n server m 10.0.0.1:10025 send-proxy\n")
    site = tmp_path / "site.toml"
    site.write_text('[sources]\nhaproxy = ["haproxy.cfg"]\n')
    assert main(["show", "--site", str(site)]) == main(["--site", str(site), "show"]) == 0
    before, _, after = capsys.readouterr().out.partition("\n\n")
    assert before and after.count("10.0.0.1:10025") == 2
    assert main(["show", "--lab"]) == 0


def test_of_files_that_cannot_be_used_nothing_found_is_not_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "haproxy.cfg").write_text("")
    site = tmp_path / "site.toml"
    site.write_text('[sources]\nhaproxy = ["haproxy.cfg"]\n')
    assert main(["--site", str(site), "lint"]) == 2
    shown = capsys.readouterr()
    assert shown.out == "" and "no listen, frontend or backend section" in shown.err


@pytest.mark.parametrize(
    "words", [("--every", "1"), ("check", "--watch", "--every", "1.9"), ("--every", "nan"), ("--every", "soon")]
)
def test_a_time_between_sweeps_that_is_not_kept_is_refused_with_its_bounds(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    told = capsys.readouterr()
    assert (ended.value.code, told.out) == (2, "")
    assert f"argument --every: {words[-1]} is not 2 to 86400 seconds" in told.err
