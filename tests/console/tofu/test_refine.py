"""What OpenTofu holds comes in place of what its files leave open, in commands."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from console.__main__ import main
from console.estate import load as estate
from console.tofu import refine
from tests.console.tofu.refined_site import (
    ENCRYPTED,
    FILES,
    SHOWN,
    STATE,
    asked,
    holding,
    remote,
    site,
    stand_in,
    trusting,
)

__all__ = ["remote", "site"]


CASES = Path(__file__).parent / "cases"

Run = Callable[..., tuple[int, Any, str]]


@pytest.fixture
def run(site: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*words: str) -> tuple[int, Any, str]:
        status = main(["--site", str(site), *words, "--json"])
        told = capsys.readouterr()
        return status, json.loads(told.out), told.err

    return call


def test_show_tells_what_opentofu_holds_in_the_same_words(site: Path, run: Run) -> None:
    status, guessed, _ = run("show")
    holding(site)
    again, told, err = run("show")
    assert (status, again, err) == (0, 0, "")
    assert {key: set(told[key][0]) for key in ("volumes", "instances", "lanes")} == {
        key: set(guessed[key][0]) for key in ("volumes", "instances", "lanes")
    }
    assert (guessed["volumes"][0]["size"], told["volumes"][0]["size"]) == ("var.size", "20GiB")
    assert (guessed["instances"][0]["memory"], told["instances"][0]["memory"]) == ("var.size", "6GiB")
    assert told["volumes"][0]["source"] == guessed["volumes"][0]["source"]
    assert told["volumes"][0]["mount_path"] == "/opt"


def test_a_state_in_the_folder_is_read_without_opentofu_even_where_nobody_initialised(site: Path, run: Run) -> None:
    holding(site)
    stand_in(site, "exit 1")
    (site.parent / "infra/.terraform").rmdir()
    assert run("show")[1]["volumes"][0]["size"] == "20GiB"
    assert asked(site) == []


def test_a_state_that_is_kept_elsewhere_is_asked_of_opentofu_and_is_the_same(remote: Path, run: Run) -> None:
    found = refine.refined(estate.load(remote)).topology
    assert asked(remote) == [f"-chdir={remote.parent}/infra show -json -no-color"]
    (remote.parent / "infra/.terraform/terraform.tfstate").unlink()
    holding(remote)
    assert refine.refined(estate.load(remote)).topology == found
    assert found.volumes[0].size == "20GiB"


@pytest.mark.parametrize("command", ["show", "lint", "check"])
def test_no_command_shows_what_is_sensitive(remote: Path, run: Run, command: str) -> None:
    assert "hunter2" not in str(run(command))
    (remote.parent / "infra/.terraform/terraform.tfstate").unlink()
    holding(remote)
    assert "hunter2" not in str(run(command))
    assert len(asked(remote)) == (command == "check")  # what is told from files alone asks no other machine


@pytest.mark.parametrize("stream", ["state.json", "replace.json"])
def test_other_resources_of_a_recorded_state_change_nothing(remote: Path, stream: str) -> None:
    guessed = estate.load(remote)
    stand_in(remote, f"cat {CASES}/{stream}")
    found = refine.refined(guessed)
    assert (found.topology, found.remark) == (guessed.topology, "")
    assert len(asked(remote)) == 1


@pytest.mark.parametrize(
    ("script", "why"),
    [
        (f"cat {CASES}/no-state.json", "there is no state yet"),
        (f"cat {CASES}/apply.jsonl", "this is no output of tofu show -json"),
        (
            "echo 'Error: Failed to load plugin schemas' >&2; exit 1",
            "is not initialised on this machine: run tofu init",
        ),
        ("printf 'Error: \\033[31mstate is locked\\n' >&2; exit 1", "state is locked"),
    ],
)
def test_what_opentofu_could_not_tell_is_one_line_and_no_error(remote: Path, run: Run, script: str, why: str) -> None:
    stand_in(remote, script)
    status, told, err = run("check")
    assert (status, told["verdict"]) == (3, "unknown")
    (line,) = [line for line in err.splitlines() if "OpenTofu" in line]
    assert why in line and line.isprintable()
    assert refine.refined(estate.load(remote)).topology.volumes[0].size == "var.size"


STATES = [
    ("", "this is no state of OpenTofu"),
    ("[]", "this is no state of OpenTofu"),
    ('{"version": 3}', "its state has format 3"),
    ('{"version": 4, "resources": []}', "there is no state yet"),
    ("[" * 100_000, "this is no state of OpenTofu"),
]


@pytest.mark.parametrize(("state", "why"), STATES, ids=[why for _, why in STATES])
def test_a_state_file_that_cannot_be_read_is_one_line_and_no_error(site: Path, run: Run, state: str, why: str) -> None:
    _, guessed, _ = run("show")
    holding(site, state)
    status, told, err = run("show")
    assert (status, told, err.count("\n")) == (0, guessed, 1)
    assert why in err and err.strip().isprintable()


def test_an_encrypted_state_is_said_and_read_by_a_trusted_opentofu_alone(
    site: Path, run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    holding(site, ENCRYPTED)
    monkeypatch.setenv("PATH", f"{site.parent}/bin")
    assert "OpenTofu: its state is encrypted, and only tofu reads it, which is not installed" in run("show")[2]
    stand_in(site, f"/bin/cat {site.parent}/state.json")
    (site.parent / "state.json").write_text(SHOWN)
    monkeypatch.setenv("PATH", f"{site.parent}/bin:/usr/bin:/bin")
    assert "OpenTofu: not asked, for this folder is not trusted (see cowhand trust)" in run("show")[2]
    assert asked(site) == []
    trusting(site, capsys)
    assert run("show")[1]["volumes"][0]["size"] == "20GiB"


def test_the_state_of_the_workspace_in_use_is_read(site: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    holding(site)
    there = site.parent / "infra/terraform.tfstate.d/second"
    there.mkdir(parents=True)
    (there / "terraform.tfstate").write_text(STATE.replace("20GiB", "30GiB"))
    (site.parent / "infra/.terraform/environment").write_text("second")
    assert run("show")[1]["volumes"][0]["size"] == "30GiB"
    monkeypatch.setenv("TF_WORKSPACE", "default")
    assert run("show")[1]["volumes"][0]["size"] == "20GiB"
    monkeypatch.setenv("TF_WORKSPACE", "../../..")
    assert run("show")[1]["volumes"][0]["size"] == "20GiB"


def test_a_local_backend_with_a_path_of_its_own_is_followed_inside_the_site_only(site: Path, run: Run) -> None:
    def backend(path: str) -> None:
        written = {"version": 3, "backend": {"type": "local", "config": {"path": path, "workspace_dir": None}}}
        (site.parent / "infra/.terraform/terraform.tfstate").write_text(json.dumps(written))

    (site.parent / "kept.tfstate").write_text(STATE)
    backend("../kept.tfstate")
    assert run("show")[1]["volumes"][0]["size"] == "20GiB"
    outside = site.parent.parent / f"{site.parent.name}.outside"
    outside.write_text(STATE)
    backend(str(outside))
    _, told, err = run("show")
    assert told["volumes"][0]["size"] == "var.size"
    assert "outside of this site and its repository: not read" in err


@pytest.mark.parametrize("block", ['backend "s3" {}', "cloud {}"])
def test_a_state_file_that_was_left_behind_by_a_move_to_a_backend_is_not_read(site: Path, run: Run, block: str) -> None:
    holding(site)
    (site.parent / "infra/main.tf").write_text(f"{FILES}terraform {{\n  {block}\n}}\n")
    assert run("show")[1]["volumes"][0]["size"] == "var.size"


def test_a_command_waits_only_so_long(remote: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refine, "LIMIT", 0.2)
    stand_in(remote, "sleep 600")
    found = refine.refined(estate.load(remote))
    assert found.topology.volumes[0].size == "var.size"
    assert "did not end within 0.2 s" in found.remark


def test_a_folder_that_is_not_initialised_is_not_asked_for(remote: Path) -> None:
    (remote.parent / "infra/.terraform/terraform.tfstate").unlink()
    (remote.parent / "infra/.terraform").rmdir()
    (remote.parent / "infra/main.tf").write_text(FILES + 'terraform {\n  backend "s3" {}\n}\n')
    found = refine.refined(estate.load(remote))
    assert (found.topology.volumes[0].size, found.remark) == ("var.size", "")
    assert asked(remote) == []


@pytest.mark.parametrize("command", ["lint", "show"])
def test_what_is_told_from_files_alone_asks_no_state_that_is_kept_elsewhere(
    remote: Path, run: Run, command: str
) -> None:
    assert "OpenTofu" not in run(command)[2]
    assert asked(remote) == []


def test_the_rehearsal_estate_is_never_asked_for(
    site: Path, run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    holding(site)
    monkeypatch.setattr("console.commands.opening.lab_site", lambda: site)
    assert main(["--lab", "show", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["volumes"][0]["size"] == "var.size"
    assert asked(site) == []


def test_what_was_never_applied_stays_unknown(site: Path) -> None:
    more = 'resource "incus_instance" "later" {\n  name  = "later"\n  image = var.size\n}\n'
    (site.parent / "infra/main.tf").write_text(FILES + more)
    holding(site)
    found = refine.refined(estate.load(site))
    assert found.sources.tofu is not None
    assert [each.name for each in found.sources.tofu.unknown] == ["incus_instance.later.image"]
