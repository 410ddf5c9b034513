"""What the proxy itself finds at the mail host's PROXY ports, and what Dovecot says of whom it turns away."""

from __future__ import annotations

import asyncio
from collections import Counter
from ipaddress import ip_address, ip_network

from console.diagnosis.log_lines import UNTRUSTED
from console.errors import HostError, StreamError, TimedOut
from console.facts.command import explain
from console.facts.log import WIDTH
from console.flows import Ask, Refusal, StepContext
from console.flows.proxy_override.stack import DOVECOT, LOOK, Stack
from console.text import join_words

PATIENCE = 3.0
"""Seconds a connection may take, and Dovecot to turn somebody away."""

TWICE = 2
"""How often Dovecot is asked: somebody else may be turned away at the same moment, but hardly both times."""

LOOKS, PAUSE = 10, 0.3
"""How often the log is looked at for what was just said, and seconds between."""

KEY = "peer"

UNKNOWN = b"PROXY UNKNOWN\r\n"
"""A header that claims nothing; who does not trust us closes before it is read."""


async def reaches(context: StepContext, address: str, port: int) -> bool:
    """Whether the proxy gets a connection."""
    try:
        stream = await context.host("proxy").connect(address, port, PATIENCE)
    except StreamError:
        return False
    stream.close()
    return True


async def turned_away(context: StepContext, address: str, port: int) -> bool:
    """Whether Dovecot closes at once on the proxy's header; raises `HostError` when nobody answers."""
    stream = await context.host("proxy").connect(address, port, PATIENCE)
    try:
        await stream.write(UNKNOWN)
        async with asyncio.timeout(PATIENCE):
            return not await stream.read(1)
    except (TimeoutError, TimedOut):
        return False
    except (OSError, StreamError):
        return True
    finally:
        stream.close()


async def refused_peer(context: StepContext, stack: Stack, address: str, port: int) -> str:
    """Whom Dovecot sees, and turns away, when the proxy connects; "" when it takes its header."""
    before = Counter(await _lines(context, stack))
    for _ in range(TWICE):
        if not await turned_away(context, address, port):
            return ""
    for _ in range(LOOKS):
        new = Counter(await _lines(context, stack)) - before
        if new.total() >= TWICE:
            break
        await asyncio.sleep(PAUSE)
    seen = Counter(match[1] for line, count in new.items() for match in [UNTRUSTED.search(line)] * count if match)
    sure = [each for each, count in seen.items() if count >= TWICE]
    if len(sure) > 1:
        raise Refusal(f"Dovecot turned away {join_words(sure)} at the same moment: start the flow again")
    return sure[0] if sure else context.ask(_question())


async def _lines(context: StepContext, stack: Stack) -> list[str]:
    """The lines in which Dovecot says that it turned somebody away."""
    words = stack.compose("logs", "--no-color", "--no-log-prefix", "--tail", "400", DOVECOT)
    said = await context.host("mail", fresh=True).run(words, LOOK)
    if said.status:
        raise HostError(explain(context.name("mail"), "docker", said))
    return distrusting(said.stdout.decode("utf-8", "replace"))


def distrusting(text: str) -> list[str]:
    """The lines of Dovecot's log in which it turned a proxy away, each as far as it is kept of any log."""
    return [line for line in (each[:WIDTH] for each in text.split("\n")) if UNTRUSTED.search(line)]


def _question() -> Ask:
    text = "Dovecot closes on HAProxy and its log does not say whom it saw. Which address has HAProxy there?"
    return Ask(KEY, text, kind="host", check=_network)


def _network(text: str) -> str:
    try:
        if ip_network(text).num_addresses == 1 or ip_address(text):
            return ""
    except ValueError:
        pass
    return "one address is wanted, not a name or a network: whoever is trusted may claim any client"
