"""forgery-check on one scripted port that trusts the proxy alone, with its log and a queue in files."""

from __future__ import annotations

from pathlib import Path

from console.errors import Refused
from console.flows.registry import find
from console.hosts.host import Host, Stream
from console.model import Role
from tests.console.flows.case import Case
from tests.console.flows.cases.prove_client_address import QUEUE
from tests.console.flows.servers import Machine, Talking, sieve

SITE = """
[hosts.mailcow]
role = "mail"
ssh = "mailcow"

[[lane]]
port = 4190
protocol = "sieve"
target = "10.10.10.214:14190"
proxy_protocol = "v1"
"""


def build(root: Path) -> None:
    (root / "queue").write_text(QUEUE)
    (root / "site.toml").write_text(SITE)


def accept(machine: Machine, source: tuple[str, int], to: tuple[str, int]) -> Stream:
    if machine.role != "proxy":
        machine.log(
            "dovecot-mailcow", f"dovecot: managesieve-login: Warning: haproxy: Client not trusted (rip={source[0]})"
        )
        raise Refused(f"{to[0]}:{to[1]} refused the connection")
    machine.log(
        "dovecot-mailcow", "dovecot: managesieve-login: Disconnected: user=<>, rip=192.0.2.77, lip=172.22.1.250"
    )
    return Talking(sieve, source, to)


def hosts(root: Path) -> dict[Role, Host]:
    return {
        "here": Machine(root, "here", "here", {4: "198.51.100.77"}, accept),
        "mail": Machine(root, "mailcow", "mail", {4: "10.10.10.214"}, accept),
        "proxy": Machine(root, "vps", "proxy", {4: "100.64.0.1"}, accept),
    }


def holds(root: Path, step: str) -> bool:
    if step in ("ports", "queue"):
        return (root / "queue").read_text() == QUEUE
    said = (root / "dovecot-mailcow.log").read_text()
    wanted = {"from here": ["198.51.100.77"], "from mail": ["10.10.10.214"], "from proxy": ["192.0.2.77"]}
    return all(text in said for text in wanted.get(step, [each for texts in wanted.values() for each in texts]))


CASE = Case(find("forgery-check"), build, hosts, holds, end=lambda root: (root / "queue").read_text(), on_demand=True)
