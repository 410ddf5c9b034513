"""Stand-ins for `tofu` and `incus` on the operator's machine: the VM has less memory than the files say.

One change in place is to be made, so that a snapshot, a plan and an apply can be rehearsed. Nothing is run."""

from __future__ import annotations

import json
from typing import Any

from console.lab.machines.done import Done
from console.lab.network.addresses import MAIL

BEFORE, AFTER = "4GiB", "6GiB"
"""The VM's memory, as it is and as the lab's mailcow.tf has it."""

VM = "incus_instance.mailcow"
VERSION = "1.8.0"


class Provisioning:
    """What the stand-ins remember: the VM's memory and snapshots, and whether the providers were fetched."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.memory = BEFORE
        self.snapshots: list[str] = []
        self.prepared = False

    def run(self, argv: tuple[str, ...]) -> Done | None:
        """Answer a command of the operator's machine; None for one that is neither of both."""
        if argv[:2] == ("sh", "-c") and argv[2:] and argv[2].startswith("command -v tofu"):
            return Done(0, "/usr/bin/tofu\n")
        if argv[:1] == ("incus",):
            return self._incus(argv[1:])
        if argv[:1] in (("env",), ("sh",)) and "tofu" in argv:
            words = argv[argv.index("tofu") + 1 :]
            return self._tofu(words[1:] if words[0].startswith("-chdir=") else words)
        return None

    def _tofu(self, words: tuple[str, ...]) -> Done:
        match words[:1]:
            case ("version",):
                return Done(0, _json({"terraform_version": VERSION}))
            case ("validate",):
                return self._validate()
            case ("init",):
                self.prepared = True
                return Done(0, "\nInitializing provider plugins...\n- Installed lxc/incus v0.3.1\n")
            case ("plan",):
                return Done(2 if self.memory != AFTER else 0, _json({"type": "version", "tofu": VERSION}))
            case ("show",):
                return Done(0, _json(self._shown()))
            case ("apply",):
                return self._apply()
        return Done(1, "", f"Error: the stand-in of the rehearsal estate has no {' '.join(words[:1])}\n")

    def _validate(self) -> Done:
        if self.prepared:
            return Done(0, _json({"valid": True, "diagnostics": []}))
        detail = "The provider lxc/incus isn't available. You may be able to install it by running:\n  tofu init"
        missing = {"severity": "error", "summary": "Missing required provider", "detail": detail}
        return Done(1, _json({"valid": False, "diagnostics": [missing]}))

    def _shown(self) -> dict[str, Any]:
        before, after = (_values(memory) for memory in (self.memory, AFTER))
        actions = ["update"] if before != after else ["no-op"]
        change = {"actions": actions, "before": before, "after": after}
        row = {"address": VM, "type": "incus_instance", "name": MAIL, "change": change}
        return {"format_version": "1.2", "planned_values": {"root_module": {}}, "resource_changes": [row]}

    def _apply(self) -> Done:
        self.memory = AFTER
        rows = []
        for kind, said in (("apply_start", "Modifying..."), ("apply_complete", "Modifications complete after 1s")):
            hook = {"resource": {"addr": VM}, "action": "update", "elapsed_seconds": 1}
            rows.append(_json({"@level": "info", "@message": f"{VM}: {said}", "type": kind, "hook": hook}))
        total = "Apply complete! Resources: 0 added, 1 changed, 0 destroyed."
        rows.append(_json({"@level": "info", "@message": total, "type": "change_summary", "changes": {"change": 1}}))
        return Done(0, "".join(rows))

    def _incus(self, words: tuple[str, ...]) -> Done:
        if words[:1] == ("list",):
            return Done(0, _json([self._row()]))
        if words[:2] == ("snapshot", "create") and words[2:3] == (MAIL,) and len(words) == 4:
            if words[3] in self.snapshots:
                return Done(1, "", f'Error: Snapshot "{words[3]}" already exists\n')
            self.snapshots.append(words[3])
            return Done(0)
        if words[:2] == ("snapshot", "delete") and words[2:3] == (MAIL,) and words[3] in self.snapshots:
            self.snapshots.remove(words[3])
            return Done(0)
        return Done(1, "", f"Error: unknown command: {' '.join(words[:2])}\n")

    def _row(self) -> dict[str, Any]:
        volumes = {"opt": "mailcow_opt", "var_lib_docker": "mailcow_var_lib_docker"}
        devices: dict[str, dict[str, str]] = {
            name: {"type": "disk", "pool": "default", "source": source} for name, source in volumes.items()
        }
        devices["root"] = {"type": "disk", "pool": "default", "path": "/", "size": "25GiB"}
        return {
            "name": MAIL, "type": "virtual-machine", "status": "Running", "project": "default", "devices": devices,
            "config": {"limits.cpu": "6", "limits.memory": self.memory},
            "snapshots": [{"name": each} for each in self.snapshots],
            "state": {"network": {"enp5s0": {"addresses": [{"scope": "global", "address": self.address}]}}},
        }  # fmt: skip


def _values(memory: str) -> dict[str, Any]:
    config = {"limits.cpu": "6", "limits.memory": memory}
    return {"name": MAIL, "type": "virtual-machine", "image": "images:ubuntu/24.04", "config": config}


def _json(value: object) -> str:
    return json.dumps(value) + "\n"
