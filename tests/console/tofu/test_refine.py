"""What OpenTofu holds comes in place of what its files leave open: in commands, and in the screens a moment later."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from console.__main__ import main
from console.engine.engine import Engine
from console.estate import cache
from console.estate import load as estate
from console.events import EstateRead
from console.tofu import refine
from console.tofu.refine import Refiner

CASES = Path(__file__).parent / "cases"

FILES = """
variable "size" {}
data "incus_storage_pool" "fast" { name = "fast" }
resource "incus_storage_volume" "opt" {
  name   = "mailcow_opt"
  pool   = data.incus_storage_pool.fast.name
  config = { size = var.size }
  # Mount manually inside the VM: path = "/opt"
}
resource "incus_instance" "vm" {
  name   = "mailcow"
  image  = "images:ubuntu/24.04"
  config = { "limits.memory" = var.size }
}
"""

STATE = """{"format_version": "1.0", "terraform_version": "1.6.2", "values": {"root_module": {"resources": [
  {"address": "incus_instance.vm", "mode": "managed", "type": "incus_instance", "name": "vm", "values":
    {"name": "mailcow", "type": "virtual-machine", "image": "hunter2", "config": {"limits.memory": "6GiB"}},
    "sensitive_values": {"image": true}},
  {"address": "incus_storage_volume.opt", "mode": "managed", "type": "incus_storage_volume", "name": "opt", "values":
    {"name": "mailcow_opt", "pool": "fast", "content_type": "block", "config": {"size": "20GiB"}}}]}}}"""

HAPROXY = "listen smtp\n    bind :25\n    mode tcp\n    server mailcow 10.10.10.214:10025 send-proxy check\n"

Run = Callable[..., tuple[int, Any, str]]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A site with an initialised folder, and a folder on PATH for a `tofu` that stands in for the real one."""
    for folder in ("bin", "infra/.terraform"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "infra/main.tf").write_text(FILES)
    (tmp_path / "haproxy.cfg").write_text(HAPROXY)
    path = tmp_path / "site.toml"
    path.write_text('[sources]\nhaproxy = ["haproxy.cfg"]\nopentofu = ["infra"]\n')
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    return path


def stand_in(site: Path, script: str) -> None:
    tool = site.parent / "bin" / "tofu"
    tool.write_text(f'#!/bin/sh\necho "$*" >>{site.parent}/asked\n{script}\n')
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)


def holding(site: Path, state: str = STATE) -> None:
    (site.parent / "state.json").write_text(state)
    stand_in(site, f"cat {site.parent}/state.json")


def asked(site: Path) -> list[str]:
    log = site.parent / "asked"
    return log.read_text().splitlines() if log.exists() else []


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


def test_nothing_is_asked_but_show_of_the_folder(site: Path, run: Run) -> None:
    holding(site)
    run("show")
    assert asked(site) == [f"-chdir={site.parent}/infra show -json -no-color"]


@pytest.mark.parametrize("command", ["show", "lint", "check"])
def test_no_command_shows_what_is_sensitive(site: Path, run: Run, command: str) -> None:
    holding(site)
    assert "hunter2" not in str(run(command))
    assert len(asked(site)) == 1


@pytest.mark.parametrize("stream", ["state.json", "replace.json"])
def test_other_resources_of_a_recorded_state_change_nothing(site: Path, run: Run, stream: str) -> None:
    _, guessed, _ = run("show")
    stand_in(site, f"cat {CASES}/{stream}")
    assert run("show") == (0, guessed, "")


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
def test_what_opentofu_could_not_tell_is_one_line_and_no_error(site: Path, run: Run, script: str, why: str) -> None:
    _, guessed, _ = run("show")
    stand_in(site, script)
    status, told, err = run("show")
    assert (status, told) == (0, guessed)
    assert why in err
    assert err.count("\n") == 1
    assert err.strip().isprintable()


def test_a_command_waits_only_so_long(site: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refine, "LIMIT", 0.2)
    stand_in(site, "sleep 600")
    status, told, err = run("show")
    assert (status, told["volumes"][0]["size"]) == (0, "var.size")
    assert "did not end within 0.2 s" in err


def test_a_folder_that_is_not_initialised_is_not_asked_for(site: Path, run: Run) -> None:
    (site.parent / "infra/.terraform").rmdir()
    holding(site)
    assert run("show")[1]["volumes"][0]["size"] == "var.size"
    assert asked(site) == []


@pytest.mark.parametrize(("backend", "told"), [("s3", False), ("local", True)])
def test_what_is_told_from_files_alone_asks_no_state_that_is_kept_elsewhere(
    site: Path, run: Run, backend: str, told: bool
) -> None:
    holding(site)
    kept = site.parent / "infra/.terraform/terraform.tfstate"
    kept.write_text(json.dumps({"version": 3, "backend": {"type": backend, "config": {}, "hash": 1}}))
    run("lint")
    run("show")
    assert bool(asked(site)) == told


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


class Watcher:
    """Reads what an engine tells, until somebody has said enough."""

    def __init__(self, site: Path, enough: int) -> None:
        self.reads: list[EstateRead] = []
        self.done, self.enough = Event(), enough
        self.engine = Engine(
            lambda: estate.load(site),
            lambda estate, log, ask: Nobody(),  # type: ignore[arg-type,return-value]
            on_read=lambda read: cache.write(site, read),
            refiner=Refiner(),
        )

    def hear(self, event: object) -> None:
        if isinstance(event, EstateRead):
            self.reads.append(event)
            if len(self.reads) == self.enough:
                self.done.set()

    def __enter__(self) -> Watcher:
        self.engine.start(self.hear)
        assert self.done.wait(20)
        return self

    def __exit__(self, *error: object) -> None:
        assert self.engine.close(5)


class Nobody(SimpleNamespace):
    """No host at all."""

    hosts: ClassVar[dict[str, Any]] = {}
    missing: ClassVar[dict[str, str]] = {}

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    def forget(self) -> None: ...


def test_the_screens_are_told_values_of_the_files_first_and_then_those_of_the_state(site: Path) -> None:
    holding(site)
    with Watcher(site, 2) as watcher:
        pass
    assert [read.topology.volumes[0].size for read in watcher.reads] == ["var.size", "20GiB"]
    kept = cache.read(site)
    assert kept is not None
    assert kept.topology.volumes[0].size == "var.size"


def test_the_screens_are_told_why_the_state_was_not_asked(site: Path) -> None:
    stand_in(site, f"cat {CASES}/no-state.json")
    with Watcher(site, 2) as watcher:
        pass
    assert [read.remark for read in watcher.reads] == [
        "",
        "OpenTofu: there is no state yet; what is shown is what its files say",
    ]


def test_an_engine_that_leaves_takes_a_slow_tofu_with_it(site: Path) -> None:
    stand_in(site, f"echo $$ >{site.parent}/pid; exec sleep 600")
    with Watcher(site, 1):
        while not (site.parent / "pid").exists() or not (site.parent / "pid").read_text().strip():
            Event().wait(0.02)
        pid = (site.parent / "pid").read_text().strip()
    assert not Path(f"/proc/{pid}").exists()


async def test_opentofu_is_asked_again_only_when_there_is_reason(site: Path) -> None:
    holding(site)
    told, heard = Refiner(), Event()
    told.heard = heard.set
    reader = estate.Reader()

    async def settle() -> str | None:
        told.refine(reader.load(site))
        if told._task is not None:
            await told._task
        return told.refine(reader.load(site)).topology.volumes[0].size

    assert await settle() == "20GiB"
    assert await settle() == "20GiB"
    assert len(asked(site)) == 1
    holding(site, STATE.replace("20GiB", "30GiB"))
    (site.parent / "infra/terraform.tfstate").write_text("{}")
    assert await settle() == "30GiB"
    told.forget()
    await settle()
    assert len(asked(site)) == 3
    await told.close()
