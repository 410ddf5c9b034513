"""What proves a push: what the hook wrote down, and what Mailcow's ports show in a handshake."""

from __future__ import annotations

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


async def shown(context: StepContext, ground: Ground) -> tuple[list[int], list[int]]:
    """The ports of the VM that show certbot's certificate, and those that show another; closed ones are in neither."""
    right: list[int] = []
    other: list[int] = []
    for port, protocol in PORTS.items():
        words = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", ground.name]
        words += ["-starttls", protocol] if protocol else []
        try:
            said = await context.host("mail").run(words, LOOK)
            leaf = certificates.parse(said.stdout.decode("utf-8", "replace"))[0]
        except (HostError, ValueError):
            continue
        (right if leaf.fingerprint == ground.leaf else other).append(port)
    return right, other
