"""Who is who on the real lab's networks. All of it exists inside network namespaces only, and leads nowhere else."""

from __future__ import annotations

from typing import Literal

Machine = Literal["vps", "mailcow", "oper", "client"]
MACHINES: tuple[Machine, ...] = ("vps", "mailcow", "oper", "client")
"""Machines with a root, processes and daemons of their own."""

NETWORKS = ("wan", "link")
"""Namespaces that are only network: the Internet's bridge, and the home router between tunnel and VM."""

VPS, VPS6 = "203.0.113.10", "2001:db8:113::10"
CLIENT, CLIENT6 = "203.0.113.77", "2001:db8:113::77"
OPER, OPER6 = "203.0.113.50", "2001:db8:113::50"
MAILCOW, MAILCOW6 = "10.10.10.214", "fd42:10::214"
GATEWAY = "10.10.10.1"
"""The router's address in the home network: what the VM sees of the proxy while sources are rewritten."""

OPER_HOME, OPER_HOME6 = "10.10.10.5", "fd42:10::5"
"""The operator's addresses in the home network: the VM is administered from there, whatever the tunnel does."""

TAILNET, ROUTER = "100.64.0.1", "100.64.0.2"
"""The tunnel's two ends: the proxy, the home router."""

TUNNEL = "tailscale0"
MTU = 1280
"""Tailscale's own."""
