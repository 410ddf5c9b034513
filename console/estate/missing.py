"""What a site file lacks before cowhand can look, written as it would stand there: ready to be copied and filled in."""

from __future__ import annotations

from console.model import Topology
from console.site import Site
from console.text import clean

NAME = "mail.example.org"
"""Stands for the name that nobody told us (RFC 2606: it belongs to nobody)."""


def missing(site: Site, topology: Topology) -> str:
    """Return the tables that are missing in a site file, as TOML with examples; "" when it has all of them."""
    if not topology.lanes:
        return ""
    parts: list[str] = []
    if not site.public.names:
        named = site.certificate.name if site.certificate else NAME
        parts.append(f"[public]\nnames = [{_text(named)}]  # what clients dial")
    roles = {host.role for host in site.hosts.values()}
    if "proxy" not in roles:
        parts.append(_host(site, "vps", "proxy", "vps", "HAProxy's machine"))
    if "mail" not in roles:
        targets = {lane.target.host for lane in topology.lanes if lane.target}
        address = targets.pop() if len(targets) == 1 else "mailcow"
        parts.append(_host(site, "mailcow", "mail", address, "the machine of Mailcow"))
    return "\n\n".join(parts)


def _host(site: Site, name: str, role: str, ssh: str, words: str) -> str:
    free = name if name not in site.hosts else f"{name}-2"
    return f'[hosts.{free}]\nrole = "{role}"\nssh = {_text(ssh)}  # {words}, as you would type it after ssh'


def _text(value: str) -> str:
    return '"' + clean(value, 120).replace("\\", "\\\\").replace('"', '\\"') + '"'
