"""The lab's network namespaces: bridges, addresses, routes, and the tunnel between proxy and home router."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.reallab.addresses import (
    CLIENT,
    CLIENT6,
    GATEWAY,
    MACHINES,
    MAILCOW,
    MAILCOW6,
    MTU,
    NETWORKS,
    OPER,
    OPER6,
    OPER_HOME,
    OPER_HOME6,
    ROUTER,
    TAILNET,
    TUNNEL,
    VPS,
    VPS6,
)

NAMED = Path("/run/netns")


def space(lab: str, machine: str) -> str:
    """The network namespace of a machine, as `ip netns` names it."""
    return f"{lab}-{machine}"


def call(*argv: str) -> str:
    """Run a command; raises with its own words when it fails."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode:
        raise OSError(f"{' '.join(argv)}: {done.stderr.strip() or done.returncode}")
    return done.stdout


def build(lab: str) -> None:
    """Make every namespace and wire them, the tunnel excepted."""
    for machine in (*NETWORKS, *MACHINES):
        call("ip", "netns", "add", space(lab, machine))
        _ip(lab, machine, "link set lo up")
    _bridge(lab, "wan", "203.0.113.1/24", "2001:db8:113::1/64")
    _bridge(lab, "link", f"{GATEWAY}/24")
    _plug(lab, "wan", "vps", "eth0", f"{VPS}/24", f"{VPS6}/64")
    _plug(lab, "wan", "client", "eth0", f"{CLIENT}/24", f"{CLIENT6}/64")
    _plug(lab, "wan", "oper", "wan0", f"{OPER}/24", f"{OPER6}/64")
    _plug(lab, "link", "mailcow", "eth0", f"{MAILCOW}/24", f"{MAILCOW6}/64")
    _plug(lab, "link", "oper", "lan0", f"{OPER_HOME}/24", f"{OPER_HOME6}/64")
    _ip(lab, "mailcow", f"route add default via {GATEWAY}")
    inside(lab, "link", "sysctl", "-qw", "net.ipv4.ip_forward=1")


def tie(lab: str) -> None:
    """Tie the tunnel's ends together by a veth pair, where there is no /dev/net/tun for the shuttle."""
    call(
        "ip", "link", "add", TUNNEL, "netns", space(lab, "vps"), "mtu", str(MTU),
        "type", "veth", "peer", "name", TUNNEL, "netns", space(lab, "link"),
    )  # fmt: skip
    for machine, own, peer in (("vps", TAILNET, ROUTER), ("link", ROUTER, TAILNET)):
        _ip(lab, machine, f"addr add {own}/32 peer {peer} dev {TUNNEL}")
        _ip(lab, machine, f"link set {TUNNEL} mtu {MTU} up")


def route(lab: str) -> None:
    """Send what is for the home network through the tunnel, once its ends are there."""
    _ip(lab, "vps", f"route add 10.10.10.0/24 via {ROUTER} dev {TUNNEL} onlink")


def inside(lab: str, machine: str, *argv: str) -> str:
    """Run a command in the network of a machine, with this machine's files."""
    return call("ip", "netns", "exec", space(lab, machine), *argv)


def spaces(lab: str) -> list[str]:
    """The namespaces of that lab that exist."""
    return sorted(path.name for path in NAMED.glob(f"{lab}-*")) if NAMED.is_dir() else []


def _ip(lab: str, machine: str, words: str) -> None:
    call("ip", "-n", space(lab, machine), *words.split())


def _bridge(lab: str, machine: str, *addresses: str) -> None:
    _ip(lab, machine, "link add br0 type bridge")
    _ip(lab, machine, "link set br0 up")
    _address(lab, machine, "br0", addresses)


def _plug(lab: str, network: str, machine: str, name: str, *addresses: str) -> None:
    call(
        "ip", "link", "add", f"to-{machine}", "netns", space(lab, network),
        "type", "veth", "peer", "name", name, "netns", space(lab, machine),
    )  # fmt: skip
    _ip(lab, network, f"link set to-{machine} master br0 up")
    _ip(lab, machine, f"link set {name} up")
    _address(lab, machine, name, addresses)


def _address(lab: str, machine: str, name: str, addresses: tuple[str, ...]) -> None:
    for address in addresses:
        _ip(lab, machine, f"addr add {address} dev {name}" + (" nodad" if ":" in address else ""))
