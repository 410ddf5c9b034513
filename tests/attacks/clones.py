"""A cloned repository with programs planted wherever a tool would run them; each leaves a mark outside of it."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import platform
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from console.__main__ import main

HAPROXY = "listen smtp\n    bind :25\n    mode tcp\n    server mailcow 10.10.10.214:10025 send-proxy check\n"

FILES = """
terraform {
  required_providers {
    incus = { source = "x/evil" }
  }
}
variable "size" {}
resource "incus_storage_volume" "opt" {
  name   = "mailcow_opt"
  pool   = "fast"
  config = { size = var.size }
}
"""

ATTRIBUTES = {"name": "mailcow_opt", "pool": "fast", "content_type": "block", "config": {"size": "20GiB"}}

ENCRYPTED = '{"serial": 3, "lineage": "l", "meta": {}, "encrypted_data": "AAAA", "encryption_version": "v0"}'

SHOWN = {
    "format_version": "1.0",
    "terraform_version": "1.6.2",
    "values": {
        "root_module": {
            "resources": [
                {
                    "address": "incus_storage_volume.opt",
                    "mode": "managed",
                    "type": "incus_storage_volume",
                    "name": "opt",
                    "values": ATTRIBUTES,
                }
            ]
        }
    },
}
"""What `tofu show -json` says of it."""

TOFU = """#!/bin/sh
# Stands in for OpenTofu: as it does for `show`, starts each provider of the folder, asks an external key provider.
cd "${{1#-chdir=}}" || exit 1
find .terraform/providers -type f -perm -u+x -exec {{}} \\; >/dev/null
sed -n 's/.*command *= *\\["\\([^"]*\\)".*/\\1/p' ./*.tf | while read -r program; do "$program"; done
cat {top}/shown.json
"""

CHECKS = """#!/bin/sh
# Stands in for HAProxy: as it does for `-c`, executes the Lua that its files name (here as a shell script).
mark() {{ sed 's/^os.execute("\\(.*\\)")$/\\1/' "$1" | sh; }}
shift
while [ "$1" = -f ]; do
    sed -n 's/^ *"*lua-load[a-z-]*"* *//p' "$2" | while read -r script; do mark "$script"; done
    shift 2
done
"""

LOCK = 'provider "{name}" {{\n  version = "1.0.0"\n  hashes = ["h1:{sum}"]\n}}\n'

REGISTRY = "registry.terraform.io"

TERRAFORM = shutil.which("terraform")
"""The real one, on a machine that has it: Terraform and OpenTofu do the same here."""


class Clone:
    """The clone in `folder`; `bin` is on PATH and holds the stand-ins; neither it nor the marks are in the clone."""

    def __init__(self, top: Path) -> None:
        self.top, self.folder, self.bin = top, top / "clone", top / "bin"
        for folder in (self.folder / ".git/hooks", self.infra / ".terraform", self.bin):
            folder.mkdir(parents=True)
        (top / "shown.json").write_text(json.dumps(SHOWN))
        (self.infra / "main.tf").write_text(FILES)
        (self.folder / "haproxy.cfg").write_text(HAPROXY)
        self.site.write_text('[sources]\nhaproxy = ["haproxy.cfg"]\nopentofu = ["infra"]\n')
        self.provider = self.plant_provider("evil")
        self.program(self.bin / "tofu", TOFU.format(top=top))

    @property
    def infra(self) -> Path:
        return self.folder / "infra"

    @property
    def site(self) -> Path:
        return self.folder / "site.toml"

    def marks(self) -> list[str]:
        """The names of the programs that ran."""
        return sorted(path.name.removeprefix("pwned-") for path in self.top.glob("pwned-*"))

    def mark(self, name: str) -> str:
        """The shell command that leaves a mark."""
        return f"/bin/touch {self.top}/pwned-{name}"

    def program(self, path: Path, text: str) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
        return path

    def plant_provider(self, name: str) -> Path:
        """Plant a provider with the package and the hash that `tofu init` would have left for it."""
        machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
        package = self.infra / f".terraform/providers/{REGISTRY}/x/{name}/1.0.0/linux_{machine}"
        script = f"#!/bin/sh\n{self.mark('provider-' + name)}\n"
        path = self.program(package / f"terraform-provider-{name}_v1.0.0", script)
        line = f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n"
        total = base64.b64encode(hashlib.sha256(line.encode()).digest()).decode()
        (self.infra / ".terraform.lock.hcl").write_text(LOCK.format(name=f"{REGISTRY}/x/{name}", sum=total))
        return path

    def commit_state(self) -> None:
        """Commit a state of one resource of ours, and one of the planted provider's."""
        provider = f'provider["{REGISTRY}/x/evil"]'
        resources = [
            {
                "mode": "managed",
                "type": kind,
                "name": "opt",
                "provider": provider,
                "instances": [{"attributes": values}],
            }
            for kind, values in (("incus_storage_volume", ATTRIBUTES), ("evil_thing", {"id": "1"}))
        ]
        state = {"version": 4, "terraform_version": "1.6.2", "serial": 1, "lineage": "l", "outputs": {}}
        (self.infra / "terraform.tfstate").write_text(json.dumps({**state, "resources": resources}))

    def keep_state_elsewhere(self, backend: str = "s3") -> None:
        """Say that the state is kept by a backend, as `tofu init` does."""
        kept = {"version": 3, "backend": {"type": backend, "config": {}, "hash": 1}}
        (self.infra / ".terraform/terraform.tfstate").write_text(json.dumps(kept))

    def use_terraform(self) -> None:
        """Put the real terraform in the place of `tofu`, when this machine has it."""
        (self.bin / "tofu").unlink()
        (self.bin / "tofu").symlink_to(str(TERRAFORM))

    def plant_lua(self, line: str = "lua-load evil.lua") -> None:
        """Have HAProxy's file load Lua that leaves a mark."""
        (self.folder / "evil.lua").write_text(f'os.execute("{self.mark("lua")}")\n')
        (self.folder / "haproxy.cfg").write_text(f"global\n    {line}\n\n{HAPROXY}")


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clone:
    """The clone as the working folder, and a PATH with the stand-ins."""
    made = Clone(tmp_path)
    monkeypatch.setenv("PATH", f"{made.bin}:/usr/bin:/bin")
    monkeypatch.setenv("CHECKPOINT_DISABLE", "1")
    monkeypatch.chdir(made.folder)
    return made


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[[str], tuple[int, str, str]]:
    def call(words: str) -> tuple[int, str, str]:
        status = main(words.split())
        told = capsys.readouterr()
        return status, told.out, told.err

    return call


Run = Callable[[str], tuple[int, str, str]]


def have_haproxy(clone: Clone, haproxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = clone.program(clone.bin / "haproxy", CHECKS.format())
    if haproxy == "haproxy":
        stand_in.unlink()
        stand_in.symlink_to("/usr/sbin/haproxy")


class Terminal(io.StringIO):
    """Somebody who sits there."""

    def isatty(self) -> bool:
        return True
