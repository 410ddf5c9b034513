"""The tree of a plan, and complaints in words: by what OpenTofu 1.6.2 and Terraform really said."""

from __future__ import annotations

from pathlib import Path

import pytest

from console.sources.opentofu.values import Expression
from console.tofu import tool, tree
from console.tofu.place import Place
from console.tofu.show import HIDDEN, Change, parse

CASES = Path(__file__).parent / "cases"


def test_the_recorded_replacement_has_its_module_its_attributes_and_what_forces_it() -> None:
    shown = parse((CASES / "replace.json").read_bytes())
    rows = tree.lines(shown.changes)
    assert '- terraform_data.vm["a"]  is destroyed and created again: triggers_replace (1 → "2") forces it' in rows
    assert "  module.inner" in rows
    assert any(row.startswith("~   terraform_data.disk[0]") or row.startswith("-   terraform") for row in rows)
    assert not any("hunter2" in row for row in rows)
    assert {row[0] for row in rows} <= {"+", "-", "~", " "}


def test_the_recorded_first_plan_makes_everything() -> None:
    shown = parse((CASES / "plan.json").read_bytes())
    assert tree.summary(shown.changes) == "3 to make, 0 to change, 0 to destroy"
    assert '+   input.token = "(sensitive)"' in tree.lines(shown.changes)


def test_attributes_are_named_as_in_the_files_and_blocks_by_their_name() -> None:
    disks = [{"name": name, "properties": {"size": size}} for name, size in (("opt", "1GiB"), ("root", "2GiB"))]
    grown = [disks[0], {"name": "root", "properties": {"size": "3GiB"}}]
    change = Change("incus_instance.vm", "incus_instance", "vm", "update", "",
                    {"config": {"limits.cpu": "2"}, "device": disks}, {"config": {}, "device": grown})  # fmt: skip
    assert tree.lines([change]) == [
        "~ incus_instance.vm  is changed in place",
        '-   config["limits.cpu"] = "2"',
        '-   device["root"].properties.size = "2GiB"',
        '+   device["root"].properties.size = "3GiB"',
    ]


def test_what_is_not_known_or_secret_is_said_to_be() -> None:
    change = Change("x.y", "x", "y", "create", after={"id": Expression("", reason="known after apply"), "p": HIDDEN,
                                                      "l": [Expression("", reason="known after apply")]})  # fmt: skip
    assert tree.lines([change])[1:] == [
        "+   id = (known after apply)",
        '+   l = ["(known after apply)"]',
        '+   p = "(sensitive)"',
    ]


@pytest.mark.parametrize(
    ("address", "module"),
    [
        ("incus_instance.vm", ""),
        ('incus_instance.vm["a.b"]', ""),
        ("module.a.incus_instance.vm", "module.a"),
        ('module.a["x.module.y"].module.b[0].data.x.y', 'module.a["x.module.y"].module.b[0]'),
        ("module.module.module.x.y.z", "module.module.module.x"),
        ("", ""),
    ],
)
def test_the_module_of_an_address(address: str, module: str) -> None:
    assert tree.module(address) == module


def test_a_plan_that_changes_nothing_has_no_rows() -> None:
    assert tree.lines([Change("x.y", "x", "y", "no-op"), Change("data.x.y", "x", "y", "read")]) == []


# ── complaints ──────────────────────────────────────────────────────────────────────────────────────────────────────

MISSING = b"""{"format_version":"1.0","valid":false,"error_count":1,"diagnostics":[{"severity":"error","summary":
"Missing required provider","detail":"This configuration requires provider registry.opentofu.org/lxc/incus, but that \
provider isn't available. You may be able to install it automatically by running:\\n  tofu init"}]}"""

RESOLVE = b"""
Error: Failed to resolve provider packages

Could not resolve provider lxc/incus: could not connect to registry.example:
dial tcp: lookup registry.example: no such host
"""


def test_what_only_init_mends_is_told_apart_from_what_is_wrong() -> None:
    assert tool.validated(MISSING).unprepared.startswith("Missing required provider: This configuration requires")
    assert tool.validated(b'{"valid":true}') == tool.Validated()
    with pytest.raises(ValueError, match="no output of validate"):
        tool.validated(b"<html>")


def test_plain_complaints_of_init_are_one_sentence() -> None:
    assert tool.said(RESOLVE).startswith(
        "something it needs could not be reached: Failed to resolve provider packages: Could not resolve provider"
    )
    assert tool.said(b"Initializing the backend...\n") == ""


@pytest.mark.parametrize(
    ("lock", "wanted"),
    [("registry.opentofu.org/lxc/incus", "tofu"), ("registry.terraform.io/lxc/incus", "terraform"), ("", "")],
)
def test_the_lock_file_says_whose_a_folder_is(tmp_path: Path, lock: str, wanted: str) -> None:
    if lock:
        (tmp_path / ".terraform.lock.hcl").write_text(f'provider "{lock}" {{}}\n')
    assert tool.wanted(Place(tmp_path, tmp_path / ".terraform")) == wanted
    (tmp_path / "x.tofu").write_text("")
    assert tool.wanted(Place(tmp_path, tmp_path / ".terraform")) == (wanted or "tofu")
