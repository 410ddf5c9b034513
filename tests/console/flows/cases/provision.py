"""provision: a folder stands for this machine and the home server, small scripts for `tofu` and `incus`.

The plan file of the stand-in is what `show -json` says of it. A volume is to be made, and the VM's memory changed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from console.flows.registry import find
from console.hosts import lock
from console.hosts.host import Host
from console.model import Role
from tests.console.flows.case import Case, Rooted, tree

MAIN = """\
resource "incus_storage_volume" "opt" {
  name         = "opt"
  pool         = "default"
  content_type = "block"
  config       = { "size" = "10GiB" }
}

resource "incus_instance" "mailcow" {
  name   = "mailcow"
  type   = "virtual-machine"
  image  = "images:ubuntu/24.04"
  config = { "limits.memory" = "6GiB" }
}
"""

TOFU = """\
folder=
case $1 in -chdir=*) folder=${1#-chdir=}; shift ;; esac
verb=$1; shift
world=$ROOT/world
change() { # ADDRESS TYPE ACTION BEFORE AFTER
  printf '{"address":"%s","type":"%s","name":"x","change":{"actions":["%s"],"before":%s,"after":%s}}' "$@"
}
hook() { # TYPE ADDRESS ACTION
  printf '{"@level":"info","@message":"%s: %s","type":"%s","hook":{"resource":{"addr":"%s"},"action":"%s"}}\\n' \\
    "$2" "$1" "$1" "$2" "$3"
}
case $verb in
version) echo '{"terraform_version":"1.6.2"}' ;;
validate)
  if [ -e "$folder/.terraform/providers/incus" ]; then echo '{"valid":true}'; exit 0; fi
  echo '{"valid":false,"diagnostics":['
  echo '{"severity":"error","summary":"Missing required provider","detail":"run: tofu init"}]}'
  exit 1 ;;
init)
  mkdir -p "$folder/.terraform/providers"
  sleep "${SLOW:-0}"
  [ -e "$folder/.terraform/providers/incus" ] || echo fetched >>"$ROOT/log/once"
  echo 'provider "registry.opentofu.org/lxc/incus" {}' >"$folder/.terraform.lock.hcl"
  echo binary >"$folder/.terraform/providers/incus" ;;
plan)
  [ -e "$world/error" ] && { cat "$world/error"; exit 1; }
  for word; do case $word in -out=*) out=${word#-out=} ;; esac; done
  rows=
  [ -e "$world/opt" ] || rows=$(change incus_storage_volume.opt incus_storage_volume create null '{"name":"opt"}')
  if [ "$(cat "$world/memory")" != 6GiB ]; then
    rows="$rows${rows:+,}$(change incus_instance.mailcow incus_instance update \\
      '{"name":"mailcow","config":{"limits.memory":"4GiB"}}' '{"name":"mailcow","config":{"limits.memory":"6GiB"}}')"
  fi
  [ -e "$world/rows" ] && rows=$(cat "$world/rows")
  echo '{"format_version":"1.2","planned_values":{"root_module":{}},"resource_changes":['"$rows"']}' >"$out"
  [ -n "$rows" ] && exit 2
  exit 0 ;;
show) for word; do out=$word; done; cat "$out" ;;
apply)
  for word; do out=$word; done
  [ -e "$out" ] || { echo '{"@level":"error","type":"diagnostic","diagnostic":{"summary":"no plan"}}'; exit 1; }
  [ -e "$world/rows" ] && { rm "$world/rows"; echo destroyed >>"$ROOT/log/once"; exit 0; }
  if grep -q incus_storage_volume.opt "$out"; then
    hook apply_start incus_storage_volume.opt create
    [ -e "$world/opt" ] && exit 1
    echo made >>"$ROOT/log/once"; echo block >"$world/opt"
    hook apply_complete incus_storage_volume.opt create
  fi
  sleep "${SLOW:-0}"
  [ -e "$world/broken" ] && { cat "$world/broken"; rm "$world/broken"; exit 1; }
  if grep -q incus_instance.mailcow "$out"; then
    hook apply_start incus_instance.mailcow update
    echo changed >>"$ROOT/log/once"; echo 6GiB >"$world/memory"
    hook apply_complete incus_instance.mailcow update
  fi ;;
*) echo "Error: $verb" >&2; exit 1 ;;
esac
"""

INCUS = """\
case "$1 $2" in
'list --format')
  snapshots=
  for each in $(cat "$ROOT/world/snapshots"); do snapshots="$snapshots${snapshots:+,}{\\"name\\":\\"$each\\"}"; done
  echo '[{"name":"mailcow","type":"virtual-machine","status":"Running","config":{},"devices":{},'
  echo '"snapshots":['"$snapshots"'],"state":{"network":{"eth0":{"addresses":['
  echo '{"scope":"global","address":"10.10.10.214"}]}}}}]' ;;
'snapshot create')
  grep -qx "$4" "$ROOT/world/snapshots" && { echo 'Error: already exists' >&2; exit 1; }
  sleep "${SLOW:-0}"
  echo "$4" >>"$ROOT/world/snapshots"; echo taken >>"$ROOT/log/once" ;;
*) exit 2 ;;
esac
"""


class Machine(Rooted):
    """Its tools come before those of this machine; paths are what they are, but those of a machine's own locks."""

    def at(self, path: str) -> Path:
        return super().at(path) if path.startswith(lock.LOCKS) else Path(path)

    def words(self, argv: Sequence[str]) -> list[str]:
        return ["env", f"PATH={self.folder}/bin:{os.environ['PATH']}", *super().words(argv)]


def build(root: Path) -> None:
    for name in ("bin", "tf", "world", "log"):
        (root / name).mkdir()
    for name, text in {"tofu": TOFU, "incus": INCUS, "terraform": "exit 9\n"}.items():
        tool = root / "bin" / name
        tool.write_text(f"#!/bin/sh\nROOT='{root}'\n{text}")
        tool.chmod(0o755)
    (root / "tf/main.tf").write_text(MAIN)
    (root / "world/memory").write_text("4GiB\n")
    (root / "world/snapshots").write_text("")
    (root / "log/once").write_text("")
    (root / "site.toml").write_text('[sources]\nopentofu = ["tf"]\n[hosts.home]\nrole = "hypervisor"\nlocal = true\n')


def hosts(root: Path) -> dict[Role, Host]:
    return {"here": Machine(root, "here", "here"), "hypervisor": Machine(root, "hypervisor", "home")}


def holds(root: Path, step: str) -> bool:
    match step:
        case "init":
            return (root / "tf/.terraform/providers/incus").exists()
        case "snapshot":
            return len((root / "world/snapshots").read_text().split()) == 1
        case "apply":
            return (root / "world/opt").exists() and (root / "world/memory").read_text() == "6GiB\n"
        case _:
            return True


def end(root: Path) -> object:
    return tree(root, "tf", "world")


def once(root: Path) -> dict[str, int]:
    lines = (root / "log/once").read_text().split()
    return {word: lines.count(word) for word in ("fetched", "taken", "made", "changed")}


def half(root: Path, argv: Sequence[str]) -> None:
    if "init" in argv:
        (root / "tf/.terraform/providers").mkdir(parents=True, exist_ok=True)
    if "apply" in argv:
        (root / "world/opt").write_text("block\n")
        with (root / "log/once").open("a") as log:
            log.write("made\n")


CASE = Case(
    find("provision"), build, hosts, holds, end, once, half, answers={"trust": "yes", "snapshot": "take"},
)  # fmt: skip
