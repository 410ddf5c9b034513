"""prove-client-address on two scripted servers, with logs and a queue in files."""

from __future__ import annotations

from pathlib import Path

from console.flows.registry import find
from console.hosts.host import Host, Stream
from console.model import Role
from tests.console.flows.case import Case
from tests.console.flows.servers import Machine, Talking, nobody, sieve, smtp

QUEUE = '{"queue_id": "A1", "sender": "a@example.org", "recipients": [{"address": "b@example.org"}]}\n'
SITE = """
[public]
names = ["mail.example.org"]

[[lane]]
port = 25
protocol = "smtp"
target = "10.10.10.214:10025"
proxy_protocol = "v1"

[[lane]]
port = 4190
protocol = "sieve"
target = "10.10.10.214:14190"
proxy_protocol = "v1"
"""


def build(root: Path) -> None:
    (root / "queue").write_text(QUEUE)
    (root / "site.toml").write_text(SITE)


def accept(here: Machine, source: tuple[str, int], to: tuple[str, int]) -> Stream:
    if to[1] == 25:
        here.log("postfix-mailcow", f"haproxy/postscreen[9]: CONNECT from [{source[0]}]:{source[1]} to [{to[0]}]:25")
        return Talking(smtp, source, to)
    here.log(
        "dovecot-mailcow",
        f"dovecot: managesieve-login: Disconnected: Aborted login by logging out (no auth attempts in 0 secs): "
        f"user=<>, rip={source[0]}, lip={to[0]}",
    )
    return Talking(sieve, source, to)


def hosts(root: Path) -> dict[Role, Host]:
    public = {4: "198.51.100.77", 6: "2001:db8:77::77"}
    return {"here": Machine(root, "here", "here", public, accept), "mail": Machine(root, "mailcow", "mail", {}, nobody)}


def holds(root: Path, step: str) -> bool:
    if step in ("lanes", "queue"):
        return (root / "queue").read_text() == QUEUE
    logs = [root / "postfix-mailcow.log", root / "dovecot-mailcow.log"]
    wanted = {"port 25": logs[:1], "port 4190": logs[1:]}.get(step, logs)
    return all(text in log.read_text() for log in wanted for text in ("198.51.100.77", "2001:db8:77::77"))


CASE = Case(
    find("prove-client-address"), build, hosts, holds, end=lambda root: (root / "queue").read_text(), on_demand=True
)
