"""How far OpenTofu's files lead: modules and `file()` inside of the site or its repository, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from console.estate import load as estate

VM = 'resource "incus_instance" "vm" {\n  name = %s\n}\n'


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository `infra` with the site in `infra/mail`, and files beside it that are not its business."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for folder in ("infra/.git", "infra/mail/tofu", "infra/modules/vm", "infra2", "secret"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "infra/mail/site.toml").write_text('[sources]\nopentofu = ["tofu"]\n')
    for folder in ("infra/modules/vm", "infra2", "secret"):
        (tmp_path / folder / "vm.tf").write_text(VM % f'"{folder}"')
        (tmp_path / folder / "key").write_text("hidden")
    return tmp_path


def load(home: Path, text: str) -> estate.Estate:
    (home / "infra/mail/tofu/main.tf").write_text(text)
    return estate.load(home / "infra/mail/site.toml")


def module(source: str) -> str:
    return f'module "m" {{\n  source = "{source}"\n}}\n'


def test_a_module_elsewhere_in_the_repository_is_read(home: Path) -> None:
    found = load(home, module("../../modules/vm"))
    assert [vm.name for vm in found.topology.instances] == ["infra/modules/vm"]


@pytest.mark.parametrize("source", ["../../../secret", "../../../infra2", "./../../../../../../../../etc"])
def test_a_module_outside_of_it_is_not(home: Path, source: str) -> None:
    found = load(home, module(source))
    assert found.topology.instances == ()
    (problem,) = found.problems
    assert (problem.line, problem.column) == (2, 3)
    assert problem.problem.endswith("is outside of this site and its repository: not read")


def test_a_link_that_leads_out_is_not_followed(home: Path) -> None:
    (home / "infra/mail/tofu/inner").symlink_to(home / "secret")
    found = load(home, module("./inner") + VM % 'file("inner/key")')
    assert [vm.name for vm in found.topology.instances] == ['file("inner/key")']
    assert len(found.problems) == 1


def test_a_file_that_an_expression_reads_is_read_again_when_it_changes(home: Path) -> None:
    text = VM % 'trimspace(file("${path.module}/name"))'
    name = home / "infra/mail/tofu/name"
    assert [vm.name for vm in load(home, text).topology.instances] == ['trimspace(file("${path.module}/name"))']
    for written in ("one\n", "other\n"):
        name.write_text(written)
        assert [vm.name for vm in load(home, text).topology.instances] == [written.strip()]


def test_nothing_is_worked_out_again_when_nothing_changed(home: Path) -> None:
    text = VM % 'file("name")'
    (home / "infra/mail/tofu/name").write_text("one")
    load(home, text)
    tofu = load(home, text).sources.tofu
    again = estate.load(home / "infra/mail/site.toml").sources.tofu
    assert again is not None and again.instances[0].name == "one"
    assert estate.load(home / "infra/mail/site.toml").sources.tofu is again
    assert tofu == again


def test_a_tf_var_of_the_environment_counts(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_VAR_name", "by environment")
    found = load(home, VM % "var.name" + 'variable "name" {}\n')
    assert [vm.name for vm in found.topology.instances] == ["by environment"]


def test_an_override_and_a_json_file_of_a_folder_are_read(home: Path) -> None:
    (home / "infra/mail/tofu/vm_override.tf.json").write_text(
        '{"resource": {"incus_instance": {"vm": {"name": "over"}}}}'
    )
    found = load(home, VM % '"base"')
    assert [vm.name for vm in found.topology.instances] == ["over"]


COMPOSE = """
services:
  web:
    extends: { file: common.yml, service: app }
    env_file: %s
"""


def compose(home: Path, env: str) -> estate.Estate:
    mail = home / "infra/mail"
    (mail / "site.toml").write_text('[sources]\ncompose = ["docker-compose.yml"]\n')
    (mail / "docker-compose.yml").write_text(COMPOSE % env)
    (mail / "common.yml").write_text("services:\n  app:\n    ports: ['25:25']\n")
    (mail / "app.env").write_text("NAME=one\n")
    return estate.load(mail / "site.toml")


def given(found: estate.Estate) -> dict[str, str | None]:
    assert found.sources.compose is not None
    return {name: value for name, (value, _) in found.sources.compose.environment.get("web", {}).items()}


def test_what_a_compose_file_names_is_read_and_read_again_when_it_changes(home: Path) -> None:
    found = compose(home, "app.env")
    assert [(each.port, str(each.source)) for each in found.topology.published] == [(25, "common.yml:3")]
    assert given(found) == {"NAME": "one"}
    (home / "infra/mail/app.env").write_text("NAME=another\n")
    assert given(estate.load(home / "infra/mail/site.toml")) == {"NAME": "another"}


def test_a_compose_file_does_not_lead_outside(home: Path) -> None:
    found = compose(home, "../../secret/key")
    assert given(found) == {}
    assert [problem.line for problem in found.problems] == [5]
