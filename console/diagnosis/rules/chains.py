"""Whether a script hands on a certificate with its chain: the server's own alone is trusted by few clients."""

from __future__ import annotations

import re
from collections.abc import Iterator

from console.diagnosis.catalogue import finding
from console.diagnosis.rule import static
from console.diagnosis.rules.commands import PEM, REMOTE, all_commands, all_words, meant, values
from console.model import Finding, Topology
from console.sources.shell import Command, Script, Word
from console.topology.sources import Sources

# A word may be as long as its file: what may be anything has an end here, or a hostile one would take minutes.
_LEAF = re.compile(r"(?:letsencrypt/live/[^/\s]{1,255}|\$\{?\w{0,60}(?:LINEAGE|lineage)\w{0,60}\}?)/cert\.pem\b")
_CHAIN = re.compile(r"(?:full)?chain\d{0,9}\.pem|\{[^{}]{0,200}chain[^{}]{0,200}\}")
_HAND_ON = REMOTE | {"cat", "cp", "install", "tar", "dd", "tee", "mv", "ln", "curl"}
_TRANSFORMS = frozenset(("-noout", "-req", "-signkey", "-key", "-x509toreq", "-pubkey"))


@static("CH083")
def chain_lost(sources: Sources, topology: Topology) -> Iterator[Finding]:
    """A script sends or installs the first certificate of a chain alone."""
    for script in sources.scripts:
        lost = list(_first_alone(script))
        sent = list(_leaf_sent(script))
        if sent:
            yield _said(sent, "the script hands on cert.pem, which is the server's certificate without its chain")
        if lost:
            yield _said(lost, "openssl x509 writes the first certificate alone, and the chain behind it is lost")


def _said(places: list[Word], problem: str) -> Finding:
    return finding(
        "CH083",
        f"{problem}: clients and servers that do not know the intermediate refuse it",
        places[0].span,
        also=tuple(word.span for word in places[1:]),
        severity="high",
        hop="service",
        remedy="install fullchain.pem as it is, once openssl has looked at it with -noout",
    )


def _leaf_sent(script: Script) -> Iterator[Word]:
    if any(_CHAIN.search(word.text) for word in all_words(script)):
        return
    known = values(script)
    for command in all_commands(script):
        if any(name in _HAND_ON for name in (command.name, *(text.rpartition("/")[2] for text in command.texts[:8]))):
            yield from (word for word in command.words if _LEAF.search(meant(word.text, known)))
            yield from (each.target for each in command.redirects if _LEAF.search(each.target.text))


def _first_alone(script: Script) -> Iterator[Word]:
    """Yield what `openssl x509` writes and the script then installs as the certificate."""
    commands = list(all_commands(script))
    taken = {text for command in commands if command.name in ("mv", "install", "cp", "scp") for text in command.texts}
    for command in commands:
        out = _written(command)
        if out is not None and (out.text in taken or "data/assets/ssl" in out.text):
            yield out


def _written(command: Command) -> Word | None:
    texts = command.texts
    if command.name != "openssl" or texts[1:2] != ("x509",) or _TRANSFORMS & set(texts):
        return None
    at = texts.index("-out") + 1 if "-out" in texts else len(texts)
    if at < len(texts):
        return command.words[at]
    files = [each.target for each in command.redirects if each.operator.endswith(">")]
    return files[0] if files and PEM.search(files[0].text) else None
