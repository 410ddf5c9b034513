"""A question that hides what would run is none: what a yes is for is seen whole, and changes with all it is for."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from console.__main__ import main
from console.estate.load import load
from console.store import plain, trust
from console.tofu.place import places
from console.tofu.use import use
from tests.attacks.clones import Clone

Said = pytest.CaptureFixture[str]

NOWHERE = "Host vps\n  HostName 127.0.0.1\n  Port 1\n"


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clone:
    """The clone as the working folder; a host of it is reached by its own SSH configuration."""
    made = Clone(tmp_path)
    made.site.write_text(made.site.read_text() + '[hosts.vps]\nrole = "proxy"\nssh = "vps"\n')
    monkeypatch.setenv("PATH", f"{made.bin}:/usr/bin:/bin")
    monkeypatch.setenv("COWHAND_SSH_CONFIG", str(made.folder / "ssh_config"))
    monkeypatch.chdir(made.folder)
    return made


# ── what a question hides ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "line",
    [
        "ProxyCommand env TOKEN=$({mark}) /bin/false",
        'ProxyCommand /bin/false --password "$({mark})"',
        "ProxyCommand true " + " " * 500 + "; {mark}",
    ],
    ids=["behind a name", "behind an option", "behind blanks"],
)
def test_nobody_agrees_to_a_line_that_is_not_shown_as_it_is(clone: Clone, line: str, capsys: Said) -> None:
    (clone.folder / "ssh_config").write_text(f"Host vps\n  {line.format(mark=clone.mark('ssh'))}\n{NOWHERE}")
    assert main(["trust", "--yes"]) == 1
    told = capsys.readouterr().out
    assert "would hide what runs" in told or "nobody would see its end" in told
    main(["check"])
    assert clone.marks() == []


def test_nobody_agrees_to_lua_of_which_dots_are_shown(clone: Clone, capsys: Said) -> None:
    clone.program(clone.bin / "haproxy", "#!/bin/sh\n")
    clone.plant_lua('setenv SCRIPT_PASSWORD evil.lua\n    lua-load "$SCRIPT_PASSWORD"')
    assert main(["trust", "--yes"]) == 1
    assert "dots for that would hide what runs" in capsys.readouterr().out
    assert main(["lint", "--fix", "--yes"]) in (0, 1)
    assert "HAProxy was not asked whether it takes this" in capsys.readouterr().err


def test_a_long_name_of_a_program_is_shown_to_its_end(clone: Clone, capsys: Said) -> None:
    clone.keep_state_elsewhere()
    deep = clone.provider.parent / ("x" * 100) / ("y" * 100)
    clone.program(deep / "terraform-provider-other", "#!/bin/sh\n")
    main(["trust"])
    assert "terraform-provider-other\n" in capsys.readouterr().out


# ── what a yes is for ───────────────────────────────────────────────────────────────────────────────────────────────

KUBECONFIG = "users:\n- user:\n    exec:\n      command: ./log-in.sh\n"


def keep_state_in_kubernetes(clone: Clone, text: str) -> None:
    (clone.infra / ".terraform/terraform.tfstate").write_text(text)
    (clone.infra / "log-in.sh").write_text("#!/bin/sh\ntrue\n")


SETTINGS = {
    "as tofu writes it": '{"backend": {"type": "kubernetes", "config": {"config_path": "./kubeconfig"}}}',
    "in a list": '{"backend": {"type": "s3", "config": {"shared_config_files": ["kubeconfig"]}}}',
    "as Go reads it too": '{"backend": {"type": "s3"}, "Backend": {"config": {"config_path": "kubeconfig"}}}',
    "twice": '{"backend": {"config": {"config_path": "kubeconfig"}}, "backend": {"type": "kubernetes"}}',
    "with an escape": '{"backend": {"type": "kubernetes", "config": {"config_path": "kube\\u0063onfig"}}}',
}


@pytest.mark.parametrize("how", SETTINGS)
@pytest.mark.parametrize("changed", ["kubeconfig", "log-in.sh"])
def test_a_pull_that_changes_what_the_backend_reads_needs_a_new_yes(
    clone: Clone, how: str, changed: str, capsys: Said
) -> None:
    keep_state_in_kubernetes(clone, SETTINGS[how])
    (clone.infra / "kubeconfig").write_text(KUBECONFIG)
    assert main(["trust", "--yes"]) == 0
    assert "what infra/kubeconfig names: the backend reads it" in capsys.readouterr().out
    (clone.infra / changed).write_text("#!/bin/sh\nother\n")
    assert main(["trust", "--json"]) == 1
    assert f"infra/{changed} has changed" in json.loads(capsys.readouterr().out)["programs"][0]["reason"]


def test_a_pull_that_brings_what_the_backend_reads_needs_a_new_yes(clone: Clone, capsys: Said) -> None:
    keep_state_in_kubernetes(clone, SETTINGS["as tofu writes it"])
    assert main(["trust", "--yes"]) == 0
    (clone.infra / "kubeconfig").write_text(KUBECONFIG)
    assert main(["trust"]) != 0
    assert "infra/kubeconfig has changed since this folder was trusted" in capsys.readouterr().out


def test_a_program_above_the_folder_counts_too(clone: Clone, capsys: Said) -> None:
    keep_state_in_kubernetes(clone, SETTINGS["as tofu writes it"])
    (clone.infra / "kubeconfig").write_text(KUBECONFIG.replace("./log-in", "../log-in"))
    (clone.folder / "log-in.sh").write_text("#!/bin/sh\ntrue\n")
    assert main(["trust", "--yes"]) == 0
    (clone.folder / "log-in.sh").write_text("#!/bin/sh\nother\n")
    assert main(["trust"]) != 0
    assert "log-in.sh has changed since this folder was trusted" in capsys.readouterr().out


def test_settings_that_another_reader_takes_otherwise_are_not_trusted(clone: Clone) -> None:
    keep_state_in_kubernetes(clone, '{"backend": {"type": "s3", "config": {"a": "\\ud800kubeconfig"}}}')
    [place] = places(load(clone.site))
    assert use(place, clone.folder).refused == "infra/.terraform/terraform.tfstate cannot be read"


def test_a_bucket_called_like_a_folder_is_no_file_that_is_read(clone: Clone, capsys: Said) -> None:
    keep_state_in_kubernetes(clone, '{"backend": {"type": "s3", "config": {"bucket": "states"}}}')
    (clone.infra / "states").mkdir()
    assert main(["trust", "--yes"]) == 0
    assert "the backend reads it" not in capsys.readouterr().out


# ── what looking touches ────────────────────────────────────────────────────────────────────────────────────────────


def test_no_device_is_opened_to_see_whether_it_is_a_file(clone: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    clone.keep_state_elsewhere()
    os.mkfifo(clone.top / "device")
    for link in (clone.provider.parent / "watchdog", clone.folder / "ssh_config", clone.folder / "link.cfg"):
        link.symlink_to(clone.top / "device")
    clone.site.write_text(clone.site.read_text().replace('"haproxy.cfg"', '"link.cfg"'))
    opened: list[str] = []
    real = os.open

    def watched(path: object, *rest: int, **more: int) -> int:
        opened.append(os.path.realpath(str(path)))
        return real(path, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", watched)
    for words in (["trust", "--yes"], ["lint"], ["check"]):
        main(words)
    assert str(clone.site) in opened
    assert str(clone.top / "device") not in opened


def test_what_becomes_a_device_as_it_is_opened_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    seen = (tmp_path / "file").stat()
    (tmp_path / "file").unlink()
    os.mkfifo(tmp_path / "file")
    monkeypatch.setattr(Path, "stat", lambda path: seen)
    with pytest.raises(plain.NotPlainError):
        plain.open_plain(tmp_path / "file")


# ── names that are no text ──────────────────────────────────────────────────────────────────────────────────────────


def test_a_folder_whose_name_is_no_text_is_told_and_not_trusted(clone: Clone, capsys: Said) -> None:
    clone.keep_state_elsewhere()
    odd = Path(os.fsdecode(os.fsencode(clone.top) + b"/\xff"))
    clone.folder.rename(odd)
    os.chdir(odd)
    assert main(["trust", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["path"].endswith("/\\xff")
    assert main(["trust", "--yes"]) == 2
    assert "is not UTF-8: rename it" in capsys.readouterr().err
    assert trust.find(odd) is None
    assert main(["trust", "--revoke", "--json"]) == 0


def test_nothing_is_agreed_to_that_takes_minutes_to_be_read(clone: Clone, capsys: Said) -> None:
    clone.keep_state_elsewhere()
    (clone.folder / "ssh_config").write_text(NOWHERE)
    assert main(["trust", "--yes"]) == 0
    with clone.provider.open("r+b") as file:
        file.truncate(1 << 33)  # a hole, which costs nothing
    try:
        assert main(["trust", "--yes"]) == 2
    finally:
        clone.provider.unlink()
    assert "its files have more than 4 GiB" in capsys.readouterr().err
    assert clone.marks() == []
