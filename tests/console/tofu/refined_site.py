"""A site whose OpenTofu files leave something open, a stand-in for OpenTofu, and who watches an engine read them."""

from __future__ import annotations

import stat
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
from console.tofu.refine import Refiner

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

STATE = """{"version": 4, "terraform_version": "1.6.2", "serial": 3, "lineage": "l", "outputs": {}, "resources": [
  {"mode": "managed", "type": "incus_instance", "name": "vm", "provider": "p", "instances": [{"attributes":
    {"name": "mailcow", "type": "virtual-machine", "image": "hunter2", "config": {"limits.memory": "6GiB"}},
    "sensitive_attributes": [[{"type": "get_attr", "value": "image"}]]}]},
  {"mode": "managed", "type": "incus_storage_volume", "name": "opt", "provider": "p", "instances": [{"attributes":
    {"name": "mailcow_opt", "pool": "fast", "content_type": "block", "config": {"size": "20GiB"}}}]}]}"""

SHOWN = """{"format_version": "1.0", "terraform_version": "1.6.2", "values": {"root_module": {"resources": [
  {"address": "incus_instance.vm", "mode": "managed", "type": "incus_instance", "name": "vm", "values":
    {"name": "mailcow", "type": "virtual-machine", "image": "hunter2", "config": {"limits.memory": "6GiB"}},
    "sensitive_values": {"image": true}},
  {"address": "incus_storage_volume.opt", "mode": "managed", "type": "incus_storage_volume", "name": "opt", "values":
    {"name": "mailcow_opt", "pool": "fast", "content_type": "block", "config": {"size": "20GiB"}}}]}}}"""

ENCRYPTED = '{"serial": 3, "lineage": "l", "meta": {}, "encrypted_data": "AAAA", "encryption_version": "v0"}'

HAPROXY = "listen smtp\n    bind :25\n    mode tcp\n    server mailcow 10.10.10.214:10025 send-proxy check\n"


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
    """Put a state where OpenTofu keeps it, in the folder itself."""
    (site.parent / "infra/terraform.tfstate").write_text(state)


def trusting(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trust", str(site), "--yes"]) == 0
    capsys.readouterr()


@pytest.fixture
def remote(site: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """The same site with its state in a bucket, which the stand-in for `tofu` reads, and trusted."""
    (site.parent / "infra/.terraform/terraform.tfstate").write_text('{"version": 3, "backend": {"type": "s3"}}')
    (site.parent / "state.json").write_text(SHOWN)
    stand_in(site, f"cat {site.parent}/state.json")
    trusting(site, capsys)
    return site


def asked(site: Path) -> list[str]:
    log = site.parent / "asked"
    return log.read_text().splitlines() if log.exists() else []


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
        assert self.done.wait(60)
        return self

    def __exit__(self, *error: object) -> None:
        assert self.engine.close(60)


class Nobody(SimpleNamespace):
    """No host at all."""

    hosts: ClassVar[dict[str, Any]] = {}
    missing: ClassVar[dict[str, str]] = {}
    lab = None

    async def open(self) -> None: ...

    def opening(self) -> dict[str, Any]:
        return {}

    async def close(self) -> None: ...

    def forget(self) -> None: ...
