"""Who is who in the lab: the seed's own addresses, and how far apart the machines are. All of it is loopback."""

from __future__ import annotations

from console.model import Role

HERE, PROXY, MAIL = "here", "vps", "mailcow"
ROLES: dict[str, Role] = {HERE: "here", PROXY: "proxy", MAIL: "mail"}
"""The lab's machines by name, and what each does in the estate."""

PUBLIC = ("203.0.113.10", "2001:db8:113::10")
"""The proxy's public addresses (documentation ranges: no packet is ever sent to them)."""

OPERATOR = ("198.51.100.77", "2001:db8:77::77")
"""Where `here` comes from, as the proxy sees it."""

HOME = ("198.51.100.23", "2001:db8:23::23")
"""Where the home line's own connections come from, as the proxy sees them."""

TAILNET = "100.64.0.1"
"""The proxy's end of the tunnel."""

GATEWAY = "10.10.10.1"
"""What the VM sees of the proxy: the subnet router rewrites source addresses."""

LOOPBACK = ("127.0.0.1", "::1")
"""Each machine's own."""

INTERNET_DELAY = 0.006
"""Seconds one way between an operator and the proxy: 12 ms to connect."""

TUNNEL_DELAY = 0.020
"""Seconds one way between the proxy and the VM: 40 ms to connect."""

SLOWNESS = 0.600
"""Seconds a slow tunnel adds each way."""

SOCKET = "/run/haproxy/admin.sock"
"""Where the proxy's stats socket answers, on the proxy."""

MAIL_NAME = "mail.benoit.jp.net"
"""What the mail services call themselves."""
