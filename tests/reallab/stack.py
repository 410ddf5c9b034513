"""Mailcow's stack in the lab's VM, with a real Docker engine and a real docker compose: `RealLab.up(docker=True)`.

    stack = Stack(lab)
    stack.reset()                                   # the seed half-way: no override, Dovecot untrusting, blind checks
    stack.write("docker-compose.override.yml", "…") # a file of Mailcow's folder
    stack.do("up", "-d")                            # docker compose, must succeed; `compose` returns whatever comes
    stack.exec("postfix-mailcow", "postconf", "-n") # docker compose exec -T
    stack.containers(), stack.ports("nginx-mailcow"), stack.logs("dovecot-mailcow")
    stack.complete()                                # the seed whole: the override, Dovecot trusting the proxy
    stack.nothing()                                 # no Mailcow; /srv/mailcow.git to clone it from

Both `reset` and `complete` make folder, containers, networks and volumes anew on the VM, put back HAProxy's folder
on the VPS, and wait until every daemon answers. The services have Mailcow's names; one image of this machine's own
packages stands for all of Mailcow's, and unbound and memcached only sleep. MAILCOW6 of `addresses.py` leads to the VM
from the home network, where the operator's machine stands."""

from __future__ import annotations

import subprocess

from console.answers import Container, Publisher
from console.facts import containers
from tests.reallab.lab import RealLab

FOLDER, PROJECT = "/opt/mailcow-dockerized", "mailcowdockerized"
OVERRIDE, EXTRA_CF, EXTRA_CONF = (
    "docker-compose.override.yml", "data/conf/postfix/extra.cf", "data/conf/dovecot/extra.conf",
)  # fmt: skip
SERVICES = ("unbound-mailcow", "memcached-mailcow", "dovecot-mailcow", "postfix-mailcow", "nginx-mailcow")

_SCRIPT, _NOTHING = "/run/lab/conf/mailcow/stack.sh", "/run/lab/conf/mailcow/nothing.sh"
_HAPROXY = "diff -r /var/lib/haproxy.first /etc/haproxy >/dev/null && systemctl is-active haproxy >/dev/null || {\n" \
    "rm -rf /etc/haproxy && cp -a /var/lib/haproxy.first /etc/haproxy && systemctl restart haproxy\n}"  # fmt: skip
_ANSWERS = r"""answers() {  # PORT PATTERN [COMMAND]
    exec 3<>/dev/tcp/127.0.0.1/$1 || return
    [ -z "$3" ] || printf "$3" >&3
    read -t 2 -r line <&3 && [[ $line == $2 ]]
}
answers 143 '* OK *ready*' && [[ $line != *Waiting* ]] &&
    answers 587 '220 *' && answers 80 'HTTP/1.1 *' 'HEAD / HTTP/1.0\r\n\r\n'
"""
"""Dovecot first: an smtpd that is asked before Dovecot answers is not started again for a minute."""


class Stack:
    """The stack of one lab."""

    folder = FOLDER

    def __init__(self, lab: RealLab) -> None:
        self.lab = lab

    def compose(self, *words: str, input: str = "", timeout: float = 90.0) -> subprocess.CompletedProcess[str]:
        """Run `docker compose WORDS` for the project's folder and return what it left, whatever its status."""
        argv = ["docker", "compose", "--project-directory", FOLDER, *words]
        return self.lab.run("mailcow", argv, input=input, timeout=timeout)

    def do(self, *words: str) -> str:
        """Run a `docker compose` that must succeed; returns what it printed."""
        done = self.compose(*words)
        if done.returncode:
            raise OSError(f"docker compose {' '.join(words)}: {done.stderr.strip()}")
        return done.stdout

    def exec(self, service: str, *argv: str, input: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command in a service's container."""
        return self.compose("exec", "-T", service, *argv, input=input)

    def logs(self, service: str) -> str:
        """Return all that a service's container logged, as compose writes it: each line after ESC[2K."""
        return self.do("logs", "--no-color", "--no-log-prefix", service)

    def containers(self) -> dict[str, Container]:
        """Return the containers by service, running or not."""
        return {each.service: each for each in containers.parse(self.do(*containers.COMMAND))}

    def states(self) -> dict[str, str]:
        """Return the state of each container, by service."""
        return {name: each.state for name, each in self.containers().items()}

    def ids(self) -> dict[str, str]:
        """Return the id of each service's container: another one after the service was recreated."""
        return {service: self.do("ps", "-q", "-a", service).strip() for service in self.states()}

    def ports(self, service: str) -> tuple[Publisher, ...]:
        """Return what is published for a service, as the engine says it."""
        return self.containers()[service].publishers

    def read(self, name: str) -> str:
        """Return a file of Mailcow's folder; "" when it is not there."""
        return self.lab.read("mailcow", f"{FOLDER}/{name}")

    def write(self, name: str, text: str) -> None:
        """Write a file of Mailcow's folder."""
        self.lab.write("mailcow", f"{FOLDER}/{name}", text)

    def files(self) -> dict[str, bytes]:
        """Return every file of Mailcow's folder, by its name there."""
        root = self.lab.root("mailcow") / FOLDER.lstrip("/")
        return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}

    def reset(self) -> None:
        """Bring the seed back as its page leaves it half-way: no override, Dovecot untrusting, blind checks."""
        self._anew("halfway")

    def complete(self) -> None:
        """Bring the seed up whole: its override in place, and Dovecot trusting the proxy."""
        self._anew("whole")

    def nothing(self) -> None:
        """Leave the VM as it is before Mailcow is installed, with /srv/mailcow.git to clone it from."""
        self.lab.run("mailcow", [_NOTHING], timeout=90).check_returncode()

    def _anew(self, state: str) -> None:
        self.lab.do("vps", "sh", "-c", _HAPROXY)
        self.lab.run("mailcow", [_SCRIPT, state], timeout=90).check_returncode()
        self.settle()

    def settle(self) -> None:
        """Wait until Dovecot, Postfix and nginx answer on their own plain ports."""
        self.lab.wait(self.answers, "the stack did not get ready")

    def answers(self) -> bool:
        """Whether all three answer."""
        return self.lab.run("mailcow", ["bash", "-c", _ANSWERS]).returncode == 0
