"""`python -m tests.oracle.tofu_streams FOLDER`: what OpenTofu says of a small estate, recorded. Needs `tofu` on PATH.

Made of `terraform_data`, which is built in: no provider is fetched and nothing is reached."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

MAIN = """
variable "size" { default = 1 }
variable "token" {
  default   = "hunter2"
  sensitive = true
}
resource "terraform_data" "vm" {
  for_each         = toset(["a", "b"])
  triggers_replace = var.size
  input            = { name = each.key, token = var.token }
}
module "inner" {
  source = "./inner"
  name   = terraform_data.vm["a"].output.name
}
output "token" {
  value     = var.token
  sensitive = true
}
"""
INNER = """
variable "name" {}

resource "terraform_data" "disk" {
  count = 1
  input = "${var.name}-disk"
}
"""
FAILS = """
resource "terraform_data" "broken" {
  provisioner "local-exec" { command = "exit 7" }
}
"""


def main(into: str) -> None:
    """Record each command's output in a file of its own."""
    out = Path(into)
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "inner").mkdir()
        (folder / "main.tf").write_text(MAIN)
        (folder / "inner/main.tf").write_text(INNER)

        def tofu(*argv: str, to: str = "") -> None:
            done = subprocess.run(["tofu", *argv], cwd=folder, capture_output=True, timeout=120, check=False)
            if to:
                (out / to).write_bytes(done.stdout)

        tofu("show", "-json", to="never-initialised.json")
        tofu("init")
        tofu("show", "-json", to="no-state.json")
        tofu("plan", "-json", "-out=saved", to="plan.jsonl")
        tofu("show", "-json", "saved", to="plan.json")
        tofu("apply", "-json", "-auto-approve", to="apply.jsonl")
        tofu("show", "-json", to="state.json")
        tofu("plan", "-out=saved", "-var=size=2")
        tofu("show", "-json", "saved", to="replace.json")
        (folder / "main.tf").write_text(MAIN + FAILS)
        tofu("apply", "-json", "-auto-approve", to="failed.jsonl")
        (folder / "main.tf").write_text(MAIN + "resource {\n")
        tofu("plan", "-json", to="broken.jsonl")
        version = subprocess.run(["tofu", "version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]
    (out / "made").write_text(f"{version}, by python -m tests.oracle.tofu_streams\n")


if __name__ == "__main__":
    main(sys.argv[1])
