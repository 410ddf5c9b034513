"""A folder with the seed's mailcow.tf, a real OpenTofu and a real Incus: `flow provision` as an operator runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.reallab.incus import Incus
from tests.reallab.warden import KIT, PROJECT

SEED = PROJECT / "tests/screens/seed/mailcow.tf"

MAIN = """\
terraform {
  required_providers {
    incus = { source = "registry.opentofu.org/lxc/incus", version = "0.3.1" }
  }
}

resource "incus_storage_pool" "default" {
  name   = "default"
  driver = "dir"
}
"""
"""What the seed's file refers to, and does not have."""

SITE = """\
[sources]
opentofu = ["tf"]

[hosts.home]
role = "hypervisor"
local = true

[[lane]]
port = 25
protocol = "smtp"
target = "10.10.10.214:10025"
"""

PATIENCE = 300.0


class Provisioned:
    """The operator's folder, and what one of their runs says. The provider comes from a mirror on this machine."""

    def __init__(self, root: Path, incus: Incus) -> None:
        self.root, self.incus = root, incus
        self.files = root / "estate/tf"
        self.site = root / "estate/site.toml"
        bin, mirror = root / "bin", root / "mirror/registry.opentofu.org/lxc/incus/0.3.1/linux_amd64"
        for folder in (self.files, bin, mirror):
            folder.mkdir(parents=True)
        (bin / "tofu").symlink_to(os.environ["TOFU"])
        provider = mirror / "terraform-provider-incus_v0.3.1"
        words = f"{os.environ['PROVIDER']} {KIT}/standins/terraform-provider-incus {incus.socket}"
        provider.write_text(f"#!/bin/sh\nexec {words}\n")
        provider.chmod(0o755)
        (root / "tofurc").write_text(
            f'provider_installation {{\n  filesystem_mirror {{ path = "{root}/mirror" }}\n}}\n'
        )
        (self.files / "main.tf").write_text(MAIN)
        (self.files / "mailcow.tf").write_text(SEED.read_text())
        self.site.write_text(SITE)

    @property
    def environment(self) -> dict[str, str]:
        """The operator's, with tools of their own before those of this machine."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("TF_", "TOFU", "INCUS"))}
        return {
            **kept,
            "PATH": f"{self.root}/bin:{os.environ['PATH']}",
            "XDG_STATE_HOME": f"{self.root}/state",
            "TF_CLI_CONFIG_FILE": f"{self.root}/tofurc",
            "PYTHONPATH": str(PROJECT),
        }

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run cowhand with the folder's site, on the machine of Incus, which has locks of its own."""
        argv = [sys.executable, "-m", "console", "--site", str(self.site), *words]
        command = [*self.incus.inside(), *argv]
        return subprocess.run(
            command, capture_output=True, text=True, env=self.environment, timeout=PATIENCE, check=False
        )

    def provision(self, *answers: str) -> subprocess.CompletedProcess[str]:
        """Run the flow, agreeing to every plan; `answers` are KEY=VALUE. What destroys data is agreed to by none."""
        return self.run("flow", "provision", "--yes", *(word for each in answers for word in ("--answer", each)))

    def write(self, old: str, new: str) -> None:
        """Edit mailcow.tf."""
        text = (self.files / "mailcow.tf").read_text()
        assert old in text
        (self.files / "mailcow.tf").write_text(text.replace(old, new))
