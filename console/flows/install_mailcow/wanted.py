"""mailcow.conf as it has to be behind HAProxy: what generate_config.sh wrote, edited name by name."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from ipaddress import ip_address, ip_network

from msgspec import Struct

from console.errors import HostError, InputError
from console.flows import StepContext
from console.flows.certificate_sync.ground import caller
from console.flows.install_mailcow.ground import FOLDER, PORTS, Ground, bound
from console.flows.proxy_override.stack import EDITED
from console.sources.compose import env_edit, env_file

FILE = "mailcow.conf"
CONF = posixpath.join(FOLDER, FILE)
TRUSTED = "TRUSTED_PROXIES"
"""Addresses and networks, with commas between, whose X-Forwarded-For nginx believes (bootstrap.py, compose file)."""

BELIEVED = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
"""Whom nginx believes without being told (sites-default.conf.j2): a tailnet's 100.64.0.0/10 is none of them."""

SECRETS = ("DBPASS", "DBROOT", "REDISPASS", "DOVECOT_MASTER_PASS", "SPAMHAUS_DQS_KEY")


class Settings(Struct, frozen=True):
    """The text as it has to be, and in words what changes in it."""

    text: str
    changes: tuple[str, ...] = ()


def settings(text: str, ground: Ground, peer: str = "") -> Settings:
    """Edit mailcow.conf; `peer` is as whom HAProxy calls. Raises `InputError` where it cannot be edited."""
    values = env_file.read(text, FILE).values
    changes: dict[str, list[str]] = {}
    for name, value, why in (*_wanted(values, ground), *_trusted(values, peer)):
        if values.get(name, "") != value:
            text = env_edit.put(text, name, value, FILE)
            changes.setdefault(why, []).append(f"{name}={value}")
    return Settings(text, tuple(f"{', '.join(names)}: {why}" for why, names in changes.items()))


def secrets(text: str) -> list[str]:
    """The passwords that stand in it."""
    values = env_file.read(text, FILE).values
    return [values[name] for name in SECRETS if len(values.get(name, "")) > 7]


def _wanted(values: dict[str, str], ground: Ground) -> list[tuple[str, str, str]]:
    found = [six(ground)]
    if ground.address:
        found.append(("HTTP_REDIRECT", "n", "a proxy that ends TLS would be redirected without end (CH015)"))
        found.append(
            ("SKIP_LETS_ENCRYPT", "y", "acme-mailcow would replace a certificate that comes from the proxy (CH012)")
        )
    if address := bound(ground):
        shown = f"[{address}]" if ":" in address else address
        why = "on the address that HAProxy dials, not on every one"
        found += [(name, address if ":" not in address else shown, why) for name in ("HTTP_BIND", "HTTPS_BIND")]
        for name, port in PORTS.items():
            now = values.get(name, "") or str(port)
            if now.isdecimal():
                found.append((name, f"{shown}:{now}", why))
    return found


def _trusted(values: dict[str, str], peer: str) -> list[tuple[str, str, str]]:
    """The proxy among those whose X-Forwarded-For nginx believes, where it is none of those that it believes anyway."""
    now = [each for each in values.get(TRUSTED, "").replace(" ", "").split(",") if each]
    if not peer or _within(peer, (*BELIEVED, *now)):
        return []
    why = f"the web page would take every client for {peer}, as which HAProxy calls here, and ban that"
    return [(TRUSTED, ",".join((*now, peer)), why)]


def _within(address: str, networks: Sequence[str]) -> bool:
    for each in networks:
        try:
            if ip_address(address) in ip_network(each, strict=False):
                return True
        except ValueError:  # a name, which nginx takes as well
            continue
    return False


async def web_peer(context: StepContext, ground: Ground) -> str:
    """As whom the mail host sees HAProxy call; "" where HAProxy serves no page of Mailcow's, or it cannot be told."""
    lanes = context.estate.topology.lanes
    served = any(lane.protocol == "https" and lane.tls == "terminated" and lane.target is not None for lane in lanes)
    if not served or not bound(ground):
        return ""
    try:
        seen = await context.cached("the proxy as the mail host sees it", lambda: caller(context, bound(ground)))
    except HostError:
        return ""
    return "" if seen and ip_address(seen).is_loopback else seen


def six(ground: Ground) -> tuple[str, str, str]:
    """ENABLE_IPV6 by what the network has: with it off, a client over IPv6 would count as Mailcow's own (CH007)."""
    if ground.public6 and ground.there.routed6:
        return "ENABLE_IPV6", "true", f"this machine has {ground.public6[0]}, and a way out over IPv6"
    lacks = "a way out over IPv6" if ground.public6 else "an IPv6 address that the Internet reaches"
    return "ENABLE_IPV6", "false", f"this machine has not {lacks}"


def open_over_six(text: str, ground: Ground) -> str:
    """The danger of a client over IPv6 who counts as Mailcow's own; "" when there is none."""
    values = env_file.read(text, FILE).values
    if values.get("ENABLE_IPV6", "true") != "false" or not ground.public6 or ":" in values.get("SMTP_PORT", ""):
        return ""
    return f"ENABLE_IPV6=false, and this machine has {ground.public6[0]}: its clients count as Mailcow's own (CH007)"


def judged(text: str, ground: Ground) -> tuple[str, ...]:
    """What differs in a mailcow.conf that is somebody's, or why it cannot be told."""
    try:
        rows = settings(text, ground).changes
    except InputError as error:
        return (str(error),)
    danger = open_over_six(text, ground)
    return (*((f"danger: {danger}",) if danger else ()), *rows)


async def read(context: StepContext) -> str:
    """mailcow.conf's text; "" when it is not there."""
    return await context.text("mail", CONF, EDITED) or ""


def loose(ground: Ground) -> list[tuple[int, str]]:
    """The files with secrets that others than root may read, by mode and path."""
    files = [(ground.there.settings, CONF), *((mode, posixpath.join(FOLDER, path)) for mode, path in ground.there.keys)]
    return [(mode, path) for mode, path in files if mode & 0o077]
