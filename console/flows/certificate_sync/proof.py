"""What proves a push: what the hook wrote down, and what Mailcow's ports show in a handshake."""

from __future__ import annotations

from msgspec import Struct

from console.errors import HostError
from console.facts import certificates
from console.flows import StepContext
from console.flows.certificate_sync.ground import LOOK, Ground
from console.sources import certificate_push

PORTS = {25: "smtp", 465: "", 587: "smtp", 110: "pop3", 143: "imap", 993: "", 995: "", 4190: "sieve", 443: ""}
"""Mailcow's ports, and the protocol in which each begins TLS."""


async def pushed(context: StepContext, ground: Ground) -> str:
    """Why the last push was not one of the certificate that certbot has now; "" when it was."""
    text = await context.text("proxy", certificate_push.STATE)
    if text is None:
        return "no push was made yet"
    try:
        push = certificate_push.read(text)
    except ValueError as error:
        return f"{certificate_push.STATE} {error}"
    if push.result != "ok":
        return f"the last push {'was not ended' if push.result == 'running' else f'failed: {push.reason}'}"
    if push.fingerprint != ground.leaf:
        return "the certificate in certbot's folder was renewed since the last push"
    return ""


class Shown(Struct, frozen=True):
    """The open ports that show certbot's certificate, another one, and certbot's without its chain."""

    right: tuple[int, ...] = ()
    other: tuple[int, ...] = ()
    bare: tuple[int, ...] = ()


async def shown(context: StepContext, ground: Ground) -> Shown:
    """Shake hands with each port of the VM that is open."""
    found: dict[str, list[int]] = {"right": [], "other": [], "bare": []}
    for port, protocol in PORTS.items():
        words = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", ground.name, "-showcerts"]
        words += ["-starttls", protocol] if protocol else []
        try:
            said = await context.host("mail").run(words, LOOK)
            chain = tuple(each.fingerprint for each in certificates.parse(said.stdout.decode("utf-8", "replace")))
        except (HostError, ValueError):
            continue
        if chain[0] != ground.leaf:
            found["other"].append(port)
        else:  # a server may add what it knows of its authority itself
            found["right" if chain[: len(ground.chain)] == ground.chain else "bare"].append(port)
    return Shown(*(tuple(ports) for ports in found.values()))
