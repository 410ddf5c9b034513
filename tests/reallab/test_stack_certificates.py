"""Certificates on the real stack: a real certbot renews at a real authority, and its hook brings each pair there.

The authority is Pebble, on the VPS; no cowhand runs while certbot renews."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from console.flows.certificate_sync.ground import AUTHORITY, DEPLOY, HOOK, HOOKS, KEY
from console.lab.network.addresses import MAIL_NAME
from console.sources import certificate_push
from tests.reallab.addresses import Machine
from tests.reallab.authority import Authority
from tests.reallab.lab import RealLab
from tests.reallab.load import CLIENTS, Load
from tests.reallab.resolver import Resolver
from tests.reallab.searching import Search
from tests.reallab.stack import FOLDER, Stack
from tests.reallab.sweeping import COWHAND, check

SITE, ROOTS, COPY = "/root/site/site.toml", "/root/site/authority.pem", "/root/site/vps.cfg"
SSL = f"{FOLDER}/data/assets/ssl"
TRACES = "rm -rf /etc/cowhand /var/lib/cowhand /usr/local/bin/sleep /usr/local/sbin/sendmail"
ROTATIONS = 2

LAID: dict[str, tuple[str, ...]] = {
    "vps": ("/etc/cowhand", "/etc/letsencrypt/renewal-hooks", "/root/.ssh", "/etc/haproxy", "/var/lib/cowhand"),
    "mailcow": ("/etc/cowhand", "/root/.ssh", "/usr/local/bin", FOLDER, "/var/lib/cowhand"),
}
"""What the sync writes below."""

OWN = (f"vps:/etc/letsencrypt/archive/{MAIL_NAME}/privkey", "vps:/etc/letsencrypt/keys/")
"""Where certbot itself keeps them."""

HOMES = {"vps:/etc/haproxy/certs/mail.pem": 0o600, f"mailcow:{SSL}/key.pem": 0o600,
         "mailcow:/var/lib/cowhand/certificate/previous.pem": 0o600}  # fmt: skip
"""Where a private key may be beside certbot's own folder."""


class Renewing(Struct, frozen=True):
    """A stack whose certificates come from an authority of its own."""

    stack: Stack
    authority: Authority
    search: Search

    @property
    def lab(self) -> RealLab:
        """The lab of the stack."""
        return self.stack.lab

    def flow(self, *words: str) -> list[dict[str, Any]]:
        """The events of a flow on the operator's machine that must succeed."""
        argv = [COWHAND, "--site", SITE, "flow", *words, "--yes", "--json"]
        done = self.lab.run("oper", argv, timeout=240)
        events = [json.loads(line) for line in done.stdout.splitlines()]
        assert done.returncode == 0, (events[-1:], done.stderr)
        return events

    def push(self) -> certificate_push.Push:
        """What the hook has written down."""
        return certificate_push.read(self.lab.read("vps", certificate_push.STATE))

    def found(self) -> dict[str, str]:
        """What `cowhand check` finds of certificates, by id."""
        _, answer = check(self.lab)
        return {
            each["id"]: each["summary"] for each in answer["findings"] if each["observed"] and each["id"] != "CH088"
        }

    def exposed(self) -> dict[str, int]:
        """Files with a private key, beside those that must have one."""
        found = self.search.files(self.authority.keys())
        return {name: mode for name, mode in found.items() if not (name.startswith(OWN) and mode == 0o600)}

    def keys(self) -> tuple[str, ...]:
        """Every private key: certbot's, and the one that pushes, once it is made."""
        made = self.lab.root("vps") / KEY[1:]
        return (*self.authority.keys(), *((made.read_text(),) if made.is_file() else ()))


class Fault(Struct, frozen=True):
    """What is broken on a machine before certbot renews, how it is mended, what the hook leaves, what `check` finds.

    `status` is the hook's exit status (None: it never ran), `said` part of its reason."""

    machine: Machine
    broken: str
    healed: str
    status: int | None
    said: str
    found: set[str]


_HOOK, SYSTEMCTL = f"{HOOKS}/{HOOK}", "/run/lab/standins/systemctl"
FAULTS = {
    "hook: not to be run": Fault("vps", f"chmod -x {_HOOK}", f"chmod +x {_HOOK}", None, "", {"CH010"}),
    "hook: its settings are gone": Fault(
        "vps", "mv /etc/cowhand/certificate.conf /root/away", "mv /root/away /etc/cowhand/certificate.conf",
        2, "cannot be read", {"CH010", "CH027"},
    ),
    "link: sshd is stopped": Fault(
        "mailcow", f"{SYSTEMCTL} stop ssh", f"{SYSTEMCTL} start ssh", 22, "was not reached", {"CH010", "CH027"},
    ),
    "link: another host answers": Fault(
        "vps", "sed -i.away s/AAAA/AAAB/ /etc/cowhand/certificate_known_hosts",
        "mv /etc/cowhand/certificate_known_hosts.away /etc/cowhand/certificate_known_hosts",
        22, "another host key", {"CH010", "CH027"},
    ),
    "link: the key is not let in": Fault(
        "mailcow", "sed -i.away /mailcow-cert-deploy/d /root/.ssh/authorized_keys",
        "mv /root/.ssh/authorized_keys.away /root/.ssh/authorized_keys", 22, "Permission denied", {"CH010", "CH027"},
    ),
    "script: it is gone": Fault(
        "mailcow", f"mv {DEPLOY} /root/away", f"mv /root/away {DEPLOY}", 23, "status 127", {"CH010", "CH027"},
    ),
    "script: it refuses the pair": Fault(
        "mailcow", f"mv {AUTHORITY} /root/away; cp {SSL}/cert.pem {AUTHORITY}", f"mv /root/away {AUTHORITY}",
        23, "does not lead to a root", {"CH010", "CH027"},
    ),
    "script: Postfix would not take a reload": Fault(
        "mailcow", f"echo broken >>{FOLDER}/data/conf/postfix/main.cf",
        f"sed -i '$d' {FOLDER}/data/conf/postfix/main.cf", 23, "postconf -c", {"CH010", "CH027"},
    ),
    "disk: Mailcow's folder is read-only": Fault(
        "mailcow", f"mount --bind {SSL} {SSL}; mount -o remount,bind,ro {SSL}", f"umount {SSL}",
        23, "cannot be written", {"CH010", "CH027"},
    ),
    "disk: HAProxy's folder is read-only": Fault(
        "vps", "mount --bind /etc/haproxy/certs /etc/haproxy/certs; mount -o remount,bind,ro /etc/haproxy/certs",
        "umount /etc/haproxy/certs", 21, "cannot be written", {"CH010", "CH027"},
    ),
}  # fmt: skip
"""Each is made, certbot renews, `check` looks; all of them take minutes, so every day one of a kind is enough."""

TRIED = FAULTS if os.environ.get("COWHAND_WHOLE_TABLE") else {name.partition(":")[0]: name for name in FAULTS}.values()

STANDINS = {
    "/usr/local/bin/sleep": "#!/bin/sh\n[ $1 != 20 ] || exit 0\nexec /bin/sleep $1\n",
    "/usr/local/sbin/sendmail": "#!/bin/sh\nexec cat >/run/mail\n",
}
"""Stand for two commands of the VPS: the hook's pauses between tries cost a minute, and no mailer runs there."""


def files(lab: RealLab) -> dict[str, tuple[bytes, int]]:
    """All that the sync may write, on both hosts; what the runner itself keeps for its lock is not the sync's."""
    found = {}
    for machine, folders in LAID.items():
        root = lab.root(machine)  # type: ignore[arg-type]
        for path in (path for each in folders for path in sorted((root / each[1:]).rglob("*"))):
            if path.is_file() and not path.is_symlink() and "/lock" not in path.name:
                found[f"{machine}:/{path.relative_to(root)}"] = path.read_bytes(), path.stat().st_mode
    return found


@pytest.fixture(scope="module")
def renewing(stack: Stack) -> Iterator[Renewing]:
    """A certificate of certbot's on the VPS, and nothing that brings it to Mailcow."""
    lab, authority = stack.lab, Authority(stack.lab)
    stack.complete()
    site, roots = lab.read("oper", SITE), lab.read("oper", ROOTS)
    allowed = {machine: lab.read(machine, "/root/.ssh/authorized_keys") for machine in ("vps", "mailcow")}
    try:
        authority.up()
        authority.issue()
        lab.write("oper", ROOTS, roots + authority.root)
        lab.write("oper", COPY, lab.read("vps", "/etc/haproxy/haproxy.cfg"))
        named = site.replace('haproxy = ["', f'haproxy = ["{Path(COPY).name}", "')
        lab.write("oper", SITE, re.sub(r'\[\[lane\]\]\nname = "https".*?\n\n', "", named, flags=re.DOTALL))
        yield Renewing(stack, authority, Search(lab))
    finally:
        authority.down()
        lab.run("mailcow", ["umount", SSL])
        for machine in ("vps", "mailcow"):
            lab.do(machine, "sh", "-c", f"{TRACES} {KEY} {KEY}.pub {DEPLOY} {DEPLOY}.previous")
            lab.write(machine, "/root/.ssh/authorized_keys", allowed[machine])
        lab.run("mailcow", [SYSTEMCTL, "start", "ssh"])
        lab.write("oper", SITE, site)
        lab.write("oper", ROOTS, roots)


@pytest.fixture(scope="module")
def synchronised(renewing: Renewing) -> Renewing:
    """The sync, and a first push."""
    renewing.flow("certificate-sync")
    return renewing


def test_a_sync_is_proven_by_a_push_and_its_undo_restores_both_hosts_to_the_byte(renewing: Renewing) -> None:
    before = files(renewing.lab)
    with renewing.search.watching(renewing.keys):
        renewing.flow("certificate-sync")
        assert renewing.push().result == "ok"
        assert "CH010" not in renewing.found()
        made = renewing.lab.read("vps", KEY)
        assert renewing.search.files((made,)) == {f"vps:{KEY}": 0o600}
        assert renewing.exposed().items() <= HOMES.items()
        argv = [COWHAND, "--site", SITE, "journal", "--json"]
        runs = json.loads(renewing.lab.do("oper", *argv))["runs"]
        renewing.flow("certificate-sync", "--undo", runs[0]["run"])
    assert files(renewing.lab) == before
    assert renewing.search.seen == set() and renewing.search.files((made,)) == {}


def test_rotations_by_certbot_alone_cost_no_client_a_handshake(synchronised: Renewing) -> None:
    lab, authority = synchronised.lab, synchronised.authority
    rotations: list[tuple[float, float, str, str]] = []
    with Load(lab, authority.root) as load, synchronised.search.watching(synchronised.keys):
        for _ in range(ROTATIONS):
            old, began = authority.serial(), time.monotonic()
            assert authority.renew().returncode == 0
            rotations.append((began, time.monotonic(), old, authority.serial()))
            assert synchronised.push().result == "ok"
    assert {each.wrong for each in load.told} == {""}
    places = {each.place for each in load.told}
    assert len(places) == sum(len(addresses) * len(ports) for _, addresses, ports in CLIENTS)
    for place in places:
        after = [each for each in load.told if each.place == place]
        for began, ended, old, new in rotations:
            during = {each.serial for each in after if each.ended >= began and each.begun <= ended}
            assert during <= {old, new}, place
            after = [each for each in after if each.begun > ended]
        assert {each.serial for each in after} <= {rotations[-1][3]}, place
    assert synchronised.found().keys().isdisjoint({"CH010", "CH027"})
    assert synchronised.search.seen == set() and synchronised.exposed() == HOMES


def test_a_rotation_by_the_flow_costs_no_client_a_handshake_and_a_rehearsal_changes_nothing(
    synchronised: Renewing,
) -> None:
    lab, authority = synchronised.lab, synchronised.authority
    old = authority.serial()
    authority.age()
    with Load(lab, authority.root) as load, synchronised.search.watching(synchronised.keys):
        synchronised.flow("rotate-certificate", "--answer", "renew=yes")
        new = authority.serial()
        assert new != old
        before = files(lab)
        synchronised.flow("rotate-certificate", "--answer", "renew=test")
        assert authority.serial() == new
        after = files(lab)
    assert {each.wrong for each in load.told} == {""}
    places = {each.place for each in load.told}
    assert len(places) == sum(len(addresses) * len(ports) for _, addresses, ports in CLIENTS)
    assert {each.serial for each in load.told} == {old, new}
    last = {each.place: each.serial for each in load.told}
    assert {*last.values()} == {new}
    state = f"vps:{certificate_push.STATE}"
    assert {name for name in before | after if before.get(name) != after.get(name)} <= {state}
    assert synchronised.push().result == "ok"
    assert synchronised.found().keys().isdisjoint({"CH010", "CH027"})
    assert synchronised.search.seen == set() and synchronised.exposed().items() <= HOMES.items()


def test_faults_of_a_renewal_are_written_down_and_found_and_then_a_sync_pushes_what_was_issued(
    synchronised: Renewing,
) -> None:
    lab, authority = synchronised.lab, synchronised.authority
    for path, text in STANDINS.items():
        lab.write("vps", path, text)
        lab.do("vps", "chmod", "755", path)
    for name in TRIED:
        fault, before = FAULTS[name], (authority.serial(), lab.read("vps", certificate_push.STATE))
        lab.do(fault.machine, "sh", "-c", fault.broken)
        try:
            with synchronised.search.watching(synchronised.keys):
                assert authority.renew().returncode == 0, name
            assert authority.serial() != before[0]
            found = synchronised.found()
        finally:
            lab.do(fault.machine, "sh", "-c", fault.healed)
        if fault.status is None:
            assert lab.read("vps", certificate_push.STATE) == before[1], name
        else:
            push = synchronised.push()
            assert (push.result, push.status) == ("failed", fault.status), (name, push)
            assert fault.said in push.reason and push.reason in found["CH027"], name
            assert push.mailed == "yes" and push.reason in lab.read("vps", "/run/mail"), name
        assert fault.found <= found.keys(), (name, found)
        assert synchronised.search.seen == set()
        assert synchronised.exposed().items() <= HOMES.items(), name
    synchronised.flow("certificate-sync")
    assert synchronised.found().keys().isdisjoint({"CH010", "CH027"})
    kept = {f"vps:/var/lib/cowhand/certificate/before.{synchronised.push().fingerprint}.1": 0o600}
    assert synchronised.exposed() == HOMES | kept


def test_a_signal_that_ends_dovecot_and_an_acme_client_that_does_not_keep_away_are_found(
    synchronised: Renewing,
) -> None:
    lab, stack = synchronised.lab, synchronised.stack
    assert synchronised.found().keys().isdisjoint({"CH012", "CH013"})
    image = lab.do("mailcow", "docker", "inspect", "--format", "{{.Image}}", stack.ids()["dovecot-mailcow"]).strip()
    labels = "service=acme-mailcow", "oneoff=False"
    argv = ["docker", "run", "-d", "--name", "acme", "-e", "SKIP_LETS_ENCRYPT=n", "--network", "none"]
    argv += [word for label in labels for word in ("--label", f"com.docker.compose.{label}")]
    lab.do("mailcow", *argv, "--entrypoint", "/bin/sleep", image, "600")
    lab.do("mailcow", "touch", f"{SSL}/cert.pem")
    try:
        stack.do("kill", "-s", "SIGHUP", "dovecot-mailcow")
        lab.wait(lambda: stack.states()["dovecot-mailcow"] == "exited", "SIGHUP did not end the container")
        found = synchronised.found()
    finally:
        lab.do("mailcow", "docker", "rm", "-f", "acme")
        stack.do("up", "-d", "--no-deps", "dovecot-mailcow")
        stack.settle()
    assert "it may replace the certificate that is pushed" in found["CH012"]
    assert "after Mailcow's certificate was written, and does not run" in found["CH013"]


def test_a_first_issue_is_found_and_pushed_and_a_key_that_a_record_names_is_kept(synchronised: Renewing) -> None:
    lab, authority = synchronised.lab, synchronised.authority
    lab.do("vps", "certbot", "delete", "--cert-name", MAIL_NAME, "--non-interactive")
    authority.issue()
    # certbot 2.1 runs no deploy hook at a first issue, 5.8 does
    if synchronised.push().fingerprint != authority.fingerprint():
        assert authority.serial().lower().lstrip("0") in synchronised.found()["CH010"]
    synchronised.flow("rotate-certificate", "--answer", "renew=no")
    assert synchronised.push().fingerprint == authority.fingerprint()
    assert synchronised.found().keys().isdisjoint({"CH010", "CH027"})
    key = authority.public_key()
    with Resolver(lab, f"_25._tcp.{MAIL_NAME}. TLSA 3 1 1 {key}"):
        for answers in (["reuse=yes"], []):  # the second time certbot itself keeps it, and nothing is asked
            serial = authority.serial()
            authority.age()
            words = [word for answer in ("renew=yes", *answers) for word in ("--answer", answer)]
            synchronised.flow("rotate-certificate", *words)
            assert authority.serial() != serial
            assert authority.public_key() == key
    assert synchronised.push().fingerprint == authority.fingerprint()
