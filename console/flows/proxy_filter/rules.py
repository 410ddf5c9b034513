"""The filter as files and as rules: what is laid on the mail host, and what its chains have to say then."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import ip_network
from pathlib import Path

from msgspec import Struct

import assets

PROGRAM = "/usr/local/sbin/cowhand-proxy-filter"
RULES = "/etc/cowhand/proxy-filter"
UNIT = "cowhand-proxy-filter.service"
UNIT_FILE = f"/etc/systemd/system/{UNIT}"
WANTED_BY = f"/etc/systemd/system/docker.service.wants/{UNIT}"

USER, CHAIN = "DOCKER-USER", "COWHAND-PROXY"
"""Docker's chain for the administrator's own rules, and ours."""

TABLES = {4: "iptables", 6: "ip6tables"}

UNIT_TEXT = f"""\
# Laid by cowhand (flow proxy-filter).
[Unit]
Description=Nobody but the proxy reaches Mailcow's PROXY ports
After=docker.service
PartOf=docker.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart={PROGRAM} {RULES}

[Install]
WantedBy=docker.service
"""

HEAD = "# Who may reach which published port: FAMILY PORT ADDRESS. Laid by cowhand (flow proxy-filter).\n"


class Guard(Struct, frozen=True):
    """One published port, by IP version, and the addresses that may reach it."""

    family: int
    port: int
    allowed: tuple[str, ...] = ()


@lru_cache(maxsize=1)
def program() -> str:
    """The text of the script."""
    return (Path(assets.__file__).parent / "proxy_filter.sh").read_text(encoding="utf-8")


def written(guards: Iterable[Guard]) -> str:
    """The file that the script reads."""
    rows = [f"{each.family} {each.port} {who}\n" for each in guards for who in each.allowed or ("-",)]
    return HEAD + "".join(rows)


def chain(guards: Sequence[Guard], family: int) -> list[str]:
    """The rules of our chain, as the tool lists them."""
    ours = [each for each in guards if each.family == family]
    match = "-m conntrack --ctstate DNAT --ctorigdstport {} --ctdir ORIGINAL -j {}"
    rules = [f"-A {CHAIN} -s {ip_network(who)} {match.format(each.port, 'RETURN')}" for each in ours
             for who in each.allowed]  # fmt: skip
    return rules + [f"-A {CHAIN} {match.format(each.port, 'DROP')}" for each in ours]


def missing(listed: str, guards: Sequence[Guard], family: int) -> str:
    """What a list of `iptables -S` lacks of the filter; "" when it is whole, and the first thing that Docker asks."""
    lines = [line.strip() for line in listed.split("\n")]
    own = [line for line in lines if line.startswith(f"-A {CHAIN} ")]
    if not [each for each in guards if each.family == family]:
        return f"{TABLES[family]} has a chain {CHAIN} of former times" if own else ""
    if [_parts(line) for line in own] != [_parts(line) for line in chain(guards, family)]:
        return f"{TABLES[family]} has other rules in {CHAIN}" if own else f"{TABLES[family]} has no rule of it"
    return "" if leads(listed) else f"{USER} of {TABLES[family]} does not begin with it"


def leads(listed: str) -> bool:
    """Whether Docker's chain for the administrator begins with a jump to ours."""
    rules = [line.strip() for line in listed.split("\n") if line.startswith(f"-A {USER} ")]
    return rules[:1] == [f"-A {USER} -j {CHAIN}"]


def _parts(line: str) -> list[str]:
    """The words of a rule in an order of their own: versions of iptables list a match's options in different ones."""
    return sorted(line.split())


def reached(listed: str) -> bool:
    """Whether what is forwarded passes through Docker's chain for the administrator."""
    lines = [line.strip() for line in listed.split("\n")]
    return f"-N {USER}" in lines and any(
        line.startswith("-A FORWARD ") and line.endswith(f"-j {USER}") for line in lines
    )
