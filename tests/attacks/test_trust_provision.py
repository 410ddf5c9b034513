"""A cloned repository has OpenTofu make its VM (B1): nothing of it runs before the operator's yes.

That yes is `trust=yes`, never a plain `--yes`, and holds for the files as they were then."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from console.__main__ import main
from tests.attacks.clones import Clone

TOFU = """#!/bin/sh
# Stands in for OpenTofu: whatever is asked of a folder starts its providers.
[ "$1" = version ] && {{ echo '{{"terraform_version":"1.6.2"}}'; exit 0; }}
{mark}
case $2 in
validate) echo '{{"valid":true}}' ;;
show) echo '{{"format_version":"1.2","planned_values":{{"root_module":{{}}}}}}' ;;
esac
"""

Run = Callable[[str], int]


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clone:
    made = Clone(tmp_path)
    made.program(made.bin / "tofu", TOFU.format(mark=made.mark("tofu")))
    (made.infra / ".terraform.lock.hcl").unlink()
    monkeypatch.setenv("PATH", f"{made.bin}:/usr/bin:/bin")
    monkeypatch.chdir(made.folder)
    return made


@pytest.fixture
def run(clone: Clone) -> Run:
    def call(words: str) -> int:
        for mark in clone.top.glob("pwned-*"):
            mark.unlink()
        return main(words.split())

    return call


@pytest.mark.parametrize("words", ["--plan", "--yes", "--runbook", "--yes --answer trust=no", "--yes --json"])
def test_nothing_of_a_clone_is_run_before_it_is_trusted(clone: Clone, run: Run, words: str) -> None:
    assert run(f"flow provision {words}") in (1, 4)
    assert clone.marks() == []


PULLS: dict[str, Callable[[Clone], object]] = {
    "another file": lambda clone: (clone.infra / "more.tf").write_text("\n"),
    "the file itself": lambda clone: (clone.infra / "main.tf").write_text((clone.infra / "main.tf").read_text() + "\n"),
    "values of variables": lambda clone: (clone.infra / "x.auto.tfvars").write_text("size = 1\n"),
    "a module": lambda clone: clone.program(clone.folder / "modules/vm/main.tf", "\n"),
    "a lock file": lambda clone: (clone.infra / ".terraform.lock.hcl").write_text("\n"),
    "a provider": lambda clone: clone.provider.write_text("#!/bin/sh\n"),
    "one more provider": lambda clone: clone.program(clone.provider.parent / "worse", "\n"),
    "a provider of the folder": lambda clone: clone.program(clone.infra / "terraform.d/plugins/x", "\n"),
}


@pytest.mark.parametrize("what", PULLS)
def test_a_pull_that_decides_what_is_made_needs_a_new_yes(clone: Clone, run: Run, what: str) -> None:
    assert run("flow provision --yes --answer trust=yes") == 0
    assert clone.marks() == ["tofu"], "it is an attack: with a yes it runs"
    assert run("flow provision --yes") == 0
    PULLS[what](clone)
    assert run("flow provision --yes") == 4
    assert clone.marks() == []


def test_a_script_that_a_provisioner_may_run_is_part_of_the_yes_and_a_text_is_not(clone: Clone, run: Run) -> None:
    (clone.infra / "main.tf").write_text('resource "terraform_data" "x" {\n  provisioner "local-exec" {}\n}\n')
    script = clone.program(clone.folder / "make.sh", "#!/bin/sh\n")
    assert run("flow provision --yes --answer trust=yes") == 0
    script.write_text("#!/bin/sh\nrm -rf /\n")
    assert run("flow provision --yes") == 4
    (clone.infra / "main.tf").write_text('resource "terraform_data" "x" {}\n')
    assert run("flow provision --yes --answer trust=yes") == 0
    (clone.folder / "README").write_text("more\n")
    assert run("flow provision --yes") == 0


def test_the_trust_of_a_flow_is_listed_renewed_and_taken_back_like_any(
    clone: Clone, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("flow provision --yes --answer trust=yes") == 0
    capsys.readouterr()
    assert run("trust --list") == 0
    assert "OpenTofu (provision)" in capsys.readouterr().out
    PULLS["another file"](clone)
    assert run("trust --yes") == 0
    assert run("flow provision --yes") == 0
    assert run("trust --revoke") == 0
    assert run("flow provision --yes") == 4
    assert clone.marks() == []
