"""TLSA records from real name servers: Knot signs a zone, Unbound validates it, and one breaks it."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest

from console.facts import tlsa
from console.model import Tlsa, TlsaRecord
from tests.console.facts.name_servers import Here

DIGEST = "ab" * 32
KNOT = """\
server:
    rundir: "{folder}"
    listen: {at}@{port}
    user: root:root
database:
    storage: "{folder}/db"
zone:
  - domain: example.org
    storage: "{folder}"
    file: "zone"
    dnssec-signing: on
    zonefile-sync: -1
    zonefile-load: difference-no-serial
    journal-content: all
"""
ZONE = f"""\
$ORIGIN example.org.
@ 3600 SOA ns admin 1 3600 900 604800 300
@ 3600 NS ns
ns 3600 A 127.0.0.1
mail 3600 A 192.0.2.1
_25._tcp.mail 3600 TLSA 3 1 1 {DIGEST}
"""
# what is not in the zone is asked of a port where nobody listens: nothing leaves this machine
UNBOUND = """\
server:
  interface: {at}@{port}
  port: {port}
  do-not-query-localhost: no
  username: ""
  chroot: ""
  directory: "{folder}"
  pidfile: ""
  use-syslog: no
  do-daemonize: no
  trust-anchor-file: "{folder}/{anchor}"
stub-zone:
  name: "example.org"
  stub-addr: {at}@{zone}
forward-zone:
  name: "."
  forward-addr: 127.0.0.1@1
"""
Ports = dict[str, int]


# an address of this process's own: its ports are free, and stay so until a daemon has them
AT = f"127.53.{os.getpid() >> 8 & 255}.{os.getpid() & 127 | 1}"


def start(argv: list[str], port: int, stack: ExitStack) -> None:
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    stack.callback(process.wait, 60)
    stack.callback(process.terminate)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        with closing(socket.socket()) as sock:
            if sock.connect_ex((AT, port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(f"{argv[0]} does not listen: status {process.poll()}")


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ports]:
    """Knot with the zone; Unbound that validates it, and one that has another key for it."""
    folder = tmp_path_factory.mktemp("names")
    found = {"knot": 5301, "validating": 5302, "distrusting": 5303}
    (folder / "db").mkdir()
    (folder / "zone").write_text(ZONE)
    (folder / "knot.conf").write_text(KNOT.format(at=AT, folder=folder, port=found["knot"]))
    with ExitStack() as stack:
        start(["knotd", "-c", f"{folder}/knot.conf"], found["knot"], stack)
        deadline, anchor = time.monotonic() + 60, ""
        while not anchor and time.monotonic() < deadline:
            argv = ["keymgr", "-c", f"{folder}/knot.conf", "example.org", "ds"]
            told = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60).stdout
            anchor = next((row for row in told.splitlines() if " 13 2 " in row), "")
        (folder / "right").write_text(f"{anchor}\n")
        (folder / "wrong").write_text(f"{anchor[:-64]}{'0' * 64}\n")
        for name, file in (("validating", "right"), ("distrusting", "wrong")):
            conf = folder / f"{name}.conf"
            conf.write_text(UNBOUND.format(at=AT, folder=folder, port=found[name], zone=found["knot"], anchor=file))
            start(["unbound", "-d", "-c", str(conf)], found[name], stack)
        yield found


def here(ports: Ports, server: str) -> Here:
    return Here("nameserver 127.0.0.1\n", {"127.0.0.1": ports[server]}, AT)


async def test_a_validated_answer_counts_as_signed(ports: Ports) -> None:
    name = "_25._tcp.mail.example.org"
    told = await tlsa.ask(here(ports, "validating"), name)
    assert told == Tlsa(name, (TlsaRecord(3, 1, 1, DIGEST),), signed=True)


async def test_of_a_name_server_that_does_not_validate_it_is_not_known(ports: Ports) -> None:
    told = await tlsa.ask(here(ports, "knot"), "_25._tcp.mail.example.org")
    assert (told.records, told.signed) == ((TlsaRecord(3, 1, 1, DIGEST),), False)


async def test_what_does_not_validate_is_said_to_be_unknown(ports: Ports) -> None:
    told = await tlsa.ask(here(ports, "distrusting"), "_25._tcp.mail.example.org")
    assert told.records == ()
    assert told.error == "the name server 127.0.0.1 answered SERVFAIL"


async def test_a_name_without_records_is_told_apart_from_no_answer(ports: Ports) -> None:
    for name in ("_25._tcp.other.example.org", "mail.example.org"):
        assert await tlsa.ask(here(ports, "validating"), name) == Tlsa(name, signed=True)
