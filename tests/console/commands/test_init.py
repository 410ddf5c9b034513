"""`cowhand init`: from the seed's three files to a site file, and a sentence for what cannot be used."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

import assets
from console.__main__ import main
from console.commands import init
from console.estate.site_file import load
from console.site import HostEntry
from tests.console.hosts.ssh_server import shut_port

SEED = ("haproxy.cfg", "mailcow.tf", "docker-compose.override.yml")


@pytest.fixture
def seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "infra"
    folder.mkdir()
    for name in SEED:
        (folder / name).write_bytes((Path(assets.__file__).parent / "lab" / name).read_bytes())
    config = tmp_path / "ssh_config"
    config.write_text(f"Host vps\n HostName 127.0.0.1\n Port {shut_port()}\nHost *.lan\n User x\n")
    monkeypatch.setenv("COWHAND_SSH_CONFIG", str(config))
    monkeypatch.chdir(folder)
    return folder


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    status = main(["init", *words])
    told = capsys.readouterr()
    return status, told.out, told.err


ANSWERS = ("--answer", "names=mail.example.org", "--answer", "hosts=vps=proxy", "--answer", "https=10.10.10.214:80")


def test_the_seed_s_files_become_a_site(seed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, "--untested", "--yes", *ANSWERS)
    assert (status, out) == (0, "")
    site = load(seed / "site.toml")
    assert (site.sources.haproxy, site.sources.opentofu, site.sources.compose) == tuple((name,) for name in SEED)
    assert site.public.names == ("mail.example.org",)
    assert site.hosts == {"vps": HostEntry("proxy", ssh="vps")}
    assert [(lane.port, lane.target) for lane in site.lane] == [(443, "10.10.10.214:80")]
    assert "haproxy.cfg  4 lanes: 25 smtp" in err
    assert "2 volumes" in err
    assert "CH006" in err
    assert "# not tried yet" in (seed / "site.toml").read_text()
    assert main(["lint"]) == 1


def test_four_questions_are_asked_at_most_and_enter_takes_what_is_proposed(
    seed: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stdin", Terminal("mail.example.org\nnone\n\n\n"))
    status, _, err = run(capsys)
    assert status == 0
    assert [line[0] for line in err.splitlines() if line[:1].isdigit()] == ["1", "2", "3"]
    assert "write site.toml? [Y/n]" in err
    assert load(seed / "site.toml").public.names == ("mail.example.org",)


def test_without_an_answer_it_is_four_and_names_the_question(seed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = run(capsys)
    assert status == 4
    assert "--answer names=" in err
    assert not (seed / "site.toml").exists()


def test_a_plan_writes_nothing(seed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "--plan", "--untested", *ANSWERS)
    assert status == 0
    assert out.startswith("# What cowhand looks at")
    assert not (seed / "site.toml").exists()


def test_what_is_there_is_kept_and_a_second_time_changes_nothing(
    seed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = '# mine\n[sources]  # and this\nhaproxy = ["haproxy.cfg"]\n\n# the end\n'
    (seed / "site.toml").write_text(own)
    assert run(capsys, "--untested", "--yes", *ANSWERS)[0] == 0
    text = (seed / "site.toml").read_text()
    assert {*own.splitlines()} <= {*text.splitlines()}
    assert load(seed / "site.toml").sources.opentofu == ("mailcow.tf",)
    answer = ("--answer", "hosts=none")
    status, _, err = run(capsys, "--untested", "--yes", *answer)
    assert status == 0
    assert "nothing was written" in err
    assert (seed / "site.toml").read_text() == text


def test_files_in_two_folders_are_a_question(seed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a", "b"):
        (seed / name).mkdir()
        (seed / name / "haproxy.cfg").write_bytes((seed / "haproxy.cfg").read_bytes())
    (seed / "haproxy.cfg").unlink()
    status, _, err = run(capsys, "--yes")
    assert status == 4
    assert "--answer files.haproxy=" in err
    assert run(capsys, "--yes", "--untested", "--answer", "files.haproxy=b", "--answer", "hosts=none")[0] == 0
    assert load(seed / "site.toml").sources.haproxy == ("b/haproxy.cfg",)


def spoil(seed: Path, what: str) -> None:
    if what == "broken":
        (seed / "mailcow.tf").write_text('resource "incus_instance" "x" {\n  name = \n}\n')
    elif what == "site":
        (seed / "site.toml").write_text("[sources]\nhaproxi = 1\n")
    elif what == "empty":
        for name in SEED:
            (seed / name).unlink()
    elif what == "settings":
        for name in SEED:
            (seed / name).unlink()
        (seed / "mailcow.conf").write_text("MAILCOW_HOSTNAME=mail.example.org\n")
    (seed / "docs").mkdir()


@pytest.mark.parametrize(
    ("what", "words", "said"),
    [
        ("", ("--answer", "opentofu=docs"), "docs: has no *.tf"),
        ("", ("--answer", "opentofu=nowhere"), "nowhere: is not there"),
        ("", ("nowhere",), "nowhere: is not a folder"),
        ("broken", (), "mailcow.tf:3:1: this is not HCL"),
        ("site", (), 'site.toml:2:1: "haproxi" is not a key'),
        ("empty", ("--answer", "hosts=none", "--answer", "names=none"), "cowhand --lab` opens the rehearsal"),
        (
            "settings",
            ("--answer", "hosts=none", "--answer", "names=none", "--answer", "https=none"),
            "mailcow.conf alone, which tells no port that clients reach: no haproxy.cfg",
        ),
        ("", ("--answer", "hosts=vps"), "vps: no way in"),
        ("", ("--answer", "hosts=-oProxyCommand"), "SSH destination"),
        ("", ("--answer", "names=a b;c"), "host name"),
        ("", ("--answer", "hosts=none", "--answer", "colour=red"), "colour was not asked"),
        ("", ("--answer", "hosts"), "is not KEY=VALUE"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_a_sentence_and_nothing_is_written(
    seed: Path, capsys: pytest.CaptureFixture[str], what: str, words: tuple[str, ...], said: str
) -> None:
    spoil(seed, what)
    before = {path.name: path.read_bytes() for path in seed.iterdir() if path.is_file()}
    status, out, err = run(capsys, "--yes", *words)
    assert (status, out) == (2, "")
    assert said in err.splitlines()[-1]
    assert {path.name: path.read_bytes() for path in seed.iterdir() if path.is_file()} == before


def test_the_lab_has_its_own_and_read_only_writes_none(seed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--lab", "init"]) == 2
    assert main(["--read-only", "init", "--yes"]) == 2
    assert not (seed / "site.toml").exists()


def test_a_long_line_is_broken_between_words_on_a_terminal_and_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    line = "● mailcow.tf  1 machine: mailcow; 2 volumes: mailcow_var_lib_docker 50GiB and mailcow_opt 10GiB"
    assert init.folded(line, "  ") == [line]
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    assert init.folded(line, "  ") == [line[: line.index(" mailcow_opt")], "  mailcow_opt 10GiB"]
    assert init.folded("x" * 100, "  ") == ["x" * 100], "a path stays whole"
