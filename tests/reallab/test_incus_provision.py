"""The seed's mailcow.tf, made, changed, repaired and not destroyed by a real OpenTofu on a real Incus, VM and all.

A stand-in for the provider does by the API of Incus what the real one does. The VM is emulated, and has no image."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import Struct

from tests.reallab.incus import EMULATED, Incus
from tests.reallab.provisioned import Provisioned

VOLUMES = "/1.0/storage-pools/default/volumes/custom"
VM = "/1.0/instances/mailcow"


@pytest.fixture(scope="module")
def estate() -> Iterator[Provisioned]:
    """The folder, and an Incus that has nothing but a bridge."""
    folder = Path(tempfile.mkdtemp(prefix="cowincus-", dir="/run"))
    with tempfile.TemporaryDirectory(prefix="cowtofu-", dir="/run") as root, Incus(folder) as incus:
        incus.run("ip", "link", "add", "home", "type", "bridge")
        pinned = {"ipv4.address": "10.10.10.214", "security.ipv4_filtering": "true"}
        nic = {"type": "nic", "nictype": "bridged", "parent": "home", **pinned}
        incus.ask("PUT", "/1.0/profiles/default", {"config": EMULATED, "devices": {"eth0": nic}})
        yield Provisioned(Path(root), incus)


class Vm(Struct, frozen=True):
    """What Incus has: the VM, and the volumes with their sizes; `made` tells a replaced one from the one before."""

    status: str
    made: tuple[str, ...]
    settings: dict[str, str]
    attached: dict[str, str]
    volumes: dict[str, str]


def seen(incus: Incus) -> Vm:
    vm = incus.ask("GET", f"{VM}?recursion=1")
    volumes = [each for each in incus.ask("GET", f"{VOLUMES}?recursion=1") if "/" not in each["name"]]
    return Vm(
        vm["status"],
        (vm["created_at"], *(each["created_at"] for each in volumes)),
        {key: value for key, value in vm["config"].items() if key.startswith("limits.")},
        {name: each["source"] for name, each in vm["devices"].items() if "source" in each},
        {each["name"]: each["config"]["size"] for each in volumes},
    )


def test_the_seeds_vm_is_made_changed_repaired_and_not_replaced(estate: Provisioned) -> None:
    incus = estate.incus

    # Nothing runs without trust. A VM that this machine is too small for is made, and does not start.
    estate.write('"limits.cpu"    = 6', '"limits.cpu"    = 4096')
    ends(estate.provision(), 4, "Let it? (--answer trust=…); nothing was changed")
    assert not incus.ask("GET", "/1.0/storage-pools")
    ends(estate.provision("trust=yes"), 1, "Failed to start instance 'mailcow'", "4 to make, 0 to change, 0 to destroy")
    half = seen(incus)
    assert (half.status, half.volumes) == ("Stopped", {"mailcow_opt": "10GiB", "mailcow_var_lib_docker": "50GiB"})

    # OpenTofu wants to make what is half made anew: that is a VM which is destroyed, and its name is wanted.
    estate.write('"limits.cpu"    = 4096', '"limits.cpu"    = 1')
    tainted = "incus_instance.mailcow is destroyed and created again, empty, because of replace because tainted"
    ends(estate.provision("trust=yes"), 4, f"needs an answer: type mailcow: {tainted}")
    assert seen(incus) == half
    done = ends(estate.provision("destroy=mailcow"), 0, "done: done, and verified")
    assert "✓ 6 vm  mailcow runs, with its volumes, at 10.10.10.214" in done
    whole = seen(incus)
    assert (whole.status, whole.settings) == ("Running", {"limits.cpu": "1", "limits.memory": "6GiB"})
    assert whole.attached == {"opt": "mailcow_opt", "var_lib_docker": "mailcow_var_lib_docker"}
    assert (whole.made[0] != half.made[0], whole.made[1:]) == (True, half.made[1:])
    ends(estate.provision(), 0, "nothing to do: everything is as it should be")

    # A volume does not grow while its VM runs, which is said before and after.
    estate.write('"limits.memory" = "6GiB"', '"limits.memory" = "7GiB"')
    estate.write('"size" = "10GiB"', '"size" = "12GiB"')
    failed = ends(estate.provision("trust=yes", "snapshot=leave"), 1, "stop what uses it first")
    assert "mailcow_opt goes from 10GiB to 12GiB while mailcow uses it: Incus refuses" in failed
    assert seen(incus) == whole

    # Stopped, and a volume taken off it by hand: the next run goes on, and repairs what it finds.
    incus.turn("mailcow", "stop")
    row = incus.ask("GET", VM)
    del row["devices"]["opt"]
    incus.ask("PUT", VM, row)
    done = ends(estate.provision("snapshot=take"), 0, "done: done, and verified")
    assert "changed outside of it since its last run:" in done
    assert '+   device["opt"].properties.source = "mailcow_opt"' in done
    repaired = seen(incus)
    assert (repaired.status, repaired.attached, repaired.made) == ("Running", whole.attached, whole.made)
    assert repaired.settings["limits.memory"] == "7GiB" and repaired.volumes["mailcow_opt"] == "12GiB"
    assert [each.startswith(f"{VM}/snapshots/cowhand-") for each in incus.ask("GET", f"{VM}/snapshots")] == [True]

    # A volume that would be replaced wants its own name typed, and no other.
    estate.write('name         = "mailcow_opt"', 'name         = "mailcow_opt2"')
    forced = 'because of name ("mailcow_opt" → "mailcow_opt2"); the volume and all that is on it are lost'
    ends(estate.provision("trust=yes", "snapshot=leave", "destroy=mailcow"), 4, "type mailcow_opt: ", forced)
    assert seen(incus) == repaired


def ends(done: subprocess.CompletedProcess[str], status: int, *words: str) -> str:
    """Check how a run has ended, and what it said at its end or on the way; returns all of it."""
    assert done.returncode == status, done.stdout + done.stderr
    assert all(each in done.stdout for each in words), done.stdout + done.stderr
    return done.stdout
