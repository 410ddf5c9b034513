"""OpenTofu's machine-readable output, as recorded (cases/tofu/made says by which): states, plans, streams, `show`."""

from __future__ import annotations

import contextlib
import re
import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from console.errors import InputError
from console.hosts.local import Local
from console.sources import opentofu
from console.sources.opentofu.values import Expression
from console.tofu import show as tofu
from console.tofu import state_values
from console.tofu import stream as tofu_stream
from console.tofu.show import Shown
from console.tofu.stream import Event

CASES = Path(__file__).parent / "cases"


def shown(name: str) -> Shown:
    return tofu.parse((CASES / name).read_bytes())


def stream(name: str) -> tuple[Event, ...]:
    return tofu_stream.events((CASES / name).read_bytes())


def test_a_state_has_its_resources_with_their_modules() -> None:
    found = shown("state.json")
    assert not found.planned
    assert [(each.address, each.type, each.name, each.module, each.index) for each in found.resources] == [
        ('terraform_data.vm["a"]', "terraform_data", "vm", "", "a"),
        ('terraform_data.vm["b"]', "terraform_data", "vm", "", "b"),
        ("module.inner.terraform_data.disk[0]", "terraform_data", "disk", "module.inner", 0),
    ]
    assert found.resources[2].values["input"] == "a-disk"


@pytest.mark.parametrize("name", ["state.json", "plan.json", "replace.json"])
def test_what_is_sensitive_is_not_kept(name: str) -> None:
    assert b"hunter2" in (CASES / name).read_bytes()
    assert "hunter2" not in repr(shown(name))
    assert tofu.HIDDEN in repr(shown(name))


def test_a_plan_tells_what_is_not_known_before_it_is_applied() -> None:
    found = shown("plan.json")
    assert found.planned
    vm = next(each for each in found.resources if each.index == "a")
    assert vm.values["id"] == Expression('terraform_data.vm["a"].id', reason="known after apply")
    assert {change.action for change in found.changes} == {"create"}


def test_a_replacement_is_one_change_with_what_forces_it() -> None:
    replaced = [change for change in shown("replace.json").changes if change.action == "replace"]
    assert [change.address for change in replaced] == ['terraform_data.vm["a"]', 'terraform_data.vm["b"]']
    assert all(change.destroys for change in replaced)
    assert {(change.paths, change.reason) for change in replaced} == {
        (("triggers_replace",), "replace because cannot update")
    }


@pytest.mark.parametrize("name", ["never-initialised.json", "no-state.json"])
def test_no_state_is_no_error(name: str) -> None:
    assert shown(name) == Shown(missing="there is no state yet")


def test_a_stream_tells_changes_progress_and_the_sum() -> None:
    found = stream("apply.jsonl")
    assert found[0].kind == "version"
    changes = {event.address: event.action for event in found if event.kind == "change"}
    assert changes["module.inner.terraform_data.disk[0]"] == "create"
    over = [event.address for event in found if event.kind == "progress" and event.done]
    assert sorted(over) == sorted(changes)
    sums = [event.counts for event in found if event.kind == "summary"]
    assert sums[-1] == {"add": 3, "change": 0, "import": 0, "remove": 0}


def test_a_failure_has_its_resource_and_its_place() -> None:
    found = stream("failed.jsonl")
    (said,) = [event for event in found if event.kind == "diagnostic"]
    assert (said.level, said.address, said.message) == (
        "error",
        "terraform_data.broken",
        "local-exec provisioner error",
    )
    assert said.place is not None
    assert (said.place.file, said.place.line) == ("main.tf", 22)
    assert {event.address for event in found if event.failed} == {"terraform_data.broken"}


def test_a_broken_file_is_said_with_its_place() -> None:
    said = [event for event in stream("broken.jsonl") if event.kind == "diagnostic"]
    assert said[0].place is not None
    assert (said[0].place.file, said[0].place.line, said[0].level) == ("main.tf", 20, "error")


@pytest.mark.parametrize("line", ["", "no json", "[]", "5", '{"hook": 5}', '{"@message": 1}', "[" * 5000])
def test_a_line_that_is_none_is_left_out(line: str) -> None:
    assert tofu_stream.event(line) is None


def test_control_characters_are_not_passed_on() -> None:
    found = tofu_stream.event(
        '{"@level":"error","@message":"a\\u001b[31mb","type":"diagnostic","diagnostic":{"summary":"\\u001b]0;x"}}'
    )
    assert found is not None
    assert found.message.isprintable()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "this is no output of tofu show -json"),
        ("{}", "this is no output of tofu show -json"),
        ('{"format_version": 5}', "this is no output of tofu show -json"),
        ('{"format_version": "2.0"}', "format 2.0 is newer than this cowhand knows"),
        ('{"format_version": "1.0", "values": {"root_module": {"resources": 5}}}', "this is no output"),
    ],
)
def test_what_is_no_output_of_show_is_said(text: str, said: str) -> None:
    with pytest.raises(InputError, match=re.escape(said)):
        tofu.parse(text)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 5762), st.integers(1, 40), st.text('{}[]",:1a\n', max_size=6))
def test_a_damaged_plan_is_read_or_said(at: int, length: int, patch: str) -> None:
    text = (CASES / "replace.json").read_text()
    with contextlib.suppress(InputError):
        tofu.parse(text[:at] + patch + text[at + length :])


STATE = """{"format_version": "1.0", "terraform_version": "1.6.2", "values": {"root_module": {"resources": [
  {"address": "incus_instance.vm", "mode": "managed", "type": "incus_instance", "name": "vm", "values":
    {"name": "mailcow", "type": "virtual-machine", "config": {"limits.cpu": "6", "user.password": "x"},
     "device": [{"name": "opt", "type": "disk", "properties": {"pool": "fast", "source": "mailcow_opt"}},
                {"name": "eth0", "type": "nic", "properties": {"network": "br0", "ipv4.address": "10.0.0.5"}}]},
    "sensitive_values": {"config": {"user.password": true}}},
  {"address": "incus_storage_volume.opt", "mode": "managed", "type": "incus_storage_volume", "name": "opt", "values":
    {"name": "mailcow_opt", "pool": "fast", "content_type": "block", "config": {"size": "20GiB"}}}]}}}"""

FILES = """
variable "size" {}
resource "incus_storage_volume" "opt" {
  name   = "mailcow_opt"
  pool   = data.incus_storage_pool.fast.name
  config = { size = var.size }
  # Mount manually inside the VM: path = "/opt"
}
resource "incus_instance" "vm" {
  name  = "mailcow"
  image = "images:ubuntu/24.04"
  device {
    name = "opt"
    type = "disk"
    properties = { source = incus_storage_volume.opt.name, pool = "fast" }
  }
}
resource "incus_instance" "later" {
  name  = "not-yet"
  image = "images:debian/12"
}
"""


class TestTruth:
    read = opentofu.read([("main.tf", FILES)])
    found = state_values.refine(read, tofu.parse(STATE))

    def test_what_was_unknown_is_what_opentofu_holds(self) -> None:
        assert {each.name for each in self.read.unknown} >= {"incus_storage_volume.opt.pool"}
        (volume,) = self.found.volumes
        assert (volume.name, volume.pool, volume.size, volume.device) == ("mailcow_opt", "fast", "20GiB", "opt")
        assert self.found.unknown == ()

    def test_places_and_what_only_files_tell_stay(self) -> None:
        (volume,), vm = self.found.volumes, self.found.instances[0]
        assert (str(volume.source), volume.mount_path) == ("main.tf:3", "/opt")
        assert (vm.name, str(vm.source), vm.image, vm.cpu) == ("mailcow", "main.tf:9", "images:ubuntu/24.04", "6")
        assert vm.addresses == ("10.0.0.5",)

    def test_what_was_never_applied_is_still_there(self) -> None:
        assert [vm.name for vm in self.found.instances] == ["mailcow", "not-yet"]


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on PATH for a `tofu` that stands in for the real one."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path


def stand_in(folder: Path, script: str) -> None:
    tool = folder / "tofu"
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)


async def test_show_reads_what_tofu_says_and_asks_for_nothing_else(path: Path) -> None:
    stand_in(path, f'echo "$TF_INPUT $*" >>{path}/asked; cat {CASES}/state.json')
    found = await tofu.show(Local("operator", "operator"), "/some where")
    assert len(found.resources) == 3
    await tofu.show(Local("operator", "operator"), "/x", plan="saved")
    assert (
        path / "asked"
    ).read_text() == "0 -chdir=/some where show -json -no-color\n0 -chdir=/x show -json -no-color saved\n"


@pytest.mark.parametrize(
    ("script", "missing"),
    [
        (
            "echo 'Error: Failed to load plugin schemas' >&2; exit 1",
            "the folder is not initialised on op: run tofu init there",
        ),
        ("echo nonsense", "this is no output of tofu show -json"),
        ("sleep 30", "op"),
    ],
)
async def test_why_there_is_nothing_to_show_is_said(path: Path, script: str, missing: str) -> None:
    stand_in(path, script)
    found = await tofu.show(Local("op", "operator"), "/x", timeout=1.0)
    assert found.resources == ()
    assert missing in found.missing


async def test_a_machine_without_tofu_is_said(path: Path) -> None:
    found = await tofu.show(Local("op", "operator"), "/x")
    assert found.missing == "tofu: not found on op"
