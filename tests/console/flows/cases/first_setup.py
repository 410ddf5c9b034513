"""From OpenTofu's files to services that answer: provision's machines and install-mailcow's VM, one after the other.

The site names no HAProxy and nobody's name: the parts that need them have nothing to do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from console.flows.registry import find
from console.hosts.host import Host
from console.model import Role
from tests.console.flows.case import Case
from tests.console.flows.cases import install_mailcow as install
from tests.console.flows.cases import provision


def build(root: Path) -> None:
    provision.build(root)
    (root / "vm").mkdir()
    install.build(root / "vm")


def hosts(root: Path) -> dict[Role, Host]:
    return {**provision.hosts(root), **install.hosts(root / "vm")}


def holds(root: Path, step: str) -> bool:
    if step == "settings":  # nobody dials it yet, so that only who reads the secrets is settled
        return (root / "vm" / install.FOLDER / "mailcow.conf").stat().st_mode & 0o077 == 0
    return provision.holds(root, step) and install.holds(root / "vm", step)


def end(root: Path) -> object:
    return provision.end(root), install.end(root / "vm")


def once(root: Path) -> dict[str, int]:
    return {**provision.once(root), **install.once(root / "vm")}


def half(root: Path, argv: Sequence[str]) -> None:
    if "-chdir" in " ".join(argv) or argv[0] == "incus":
        provision.half(root, argv)
    else:
        install.half(root / "vm", argv)


CASE = Case(
    find("first-setup"), build, hosts, holds, end, once, half,
    answers={"trust": "yes", "snapshot": "take", "zone": "Europe/Berlin", "hostname": "mail.example.org"},
    sample=10,
)  # fmt: skip
