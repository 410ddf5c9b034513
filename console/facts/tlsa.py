"""The TLSA records of a name, asked of the name servers that a machine itself uses.

The question goes by TCP through the host, which every name server has to answer (RFC 7766). Whether an answer is signed
is the name server's word (its AD bit): nothing is validated here."""

from __future__ import annotations

import asyncio
import hashlib
import re
from typing import TYPE_CHECKING

from console.errors import HostError
from console.hosts.host import Host
from console.hosts.names import numeric
from console.model import Tlsa, TlsaRecord
from console.text import clean

if TYPE_CHECKING:
    from dns.message import Message

RESOLV_CONF = "/etc/resolv.conf"

SERVERS = 3
"""Name servers that are asked, one after another, as the C library does (MAXNS)."""

PATIENCE = 3.0
"""Seconds for one name server."""

MOST = 64
"""Records of one name that count."""

PORT = 53


async def ask(host: Host, name: str) -> Tlsa:
    """Return the TLSA records of `name`, such as `_25._tcp.mail.example.org`; failures are in the result."""
    from dns.exception import DNSException

    try:
        text = (await host.read(RESOLV_CONF, 1 << 16)).decode("utf-8", "replace")
    except HostError as error:
        return Tlsa(name, error=clean(str(error)))
    trouble = f"{RESOLV_CONF} names no name server"
    for server in servers(text):
        try:
            async with asyncio.timeout(PATIENCE):
                return _read(name, await _converse(host, server, name))
        except TimeoutError:
            trouble = f"the name server {server} did not answer by TCP within {PATIENCE:g} s"
        except HostError as why:
            trouble = f"the name server {server} was not asked by TCP: {clean(str(why))}"
        except (DNSException, ValueError) as why:
            trouble = f"the name server {server} {clean(str(why), 120)}"
    return Tlsa(name, error=trouble)


def servers(text: str) -> tuple[str, ...]:
    """The name servers of a resolv.conf, in its order."""
    found = re.findall(r"(?m)^[ \t]*nameserver[ \t]+(\S{1,64})", text)
    return tuple(server for server in dict.fromkeys(found) if numeric(server))[:SERVERS]


async def _converse(host: Host, server: str, name: str) -> Message:
    """Ask one name server; raises ValueError, DNSException or `HostError`."""
    import dns.flags
    import dns.message
    from dns.exception import DNSException
    from dns.rdatatype import TLSA

    query = dns.message.make_query(name, "TLSA", use_edns=0, want_dnssec=True)
    query.flags |= dns.flags.AD
    wire = query.to_wire()
    stream = await host.connect(server, PORT, PATIENCE)
    try:
        await stream.write(len(wire).to_bytes(2) + wire)
        data = b""
        while len(data) < 2 + int.from_bytes(data[:2]):
            more = await stream.read()
            if not more:
                raise ValueError("closed the connection without an answer")
            data += more
    finally:
        stream.close()
    try:
        # a record of the wrong length was published so: it is left out, as senders do, and harms no other
        answer = dns.message.from_wire(data[2 : 2 + int.from_bytes(data[:2])], continue_on_error=True)
    except (DNSException, ValueError):
        raise ValueError("sent an answer that cannot be read") from None
    if answer.errors and not any(each.rdtype == TLSA for each in answer.answer):
        raise ValueError("sent an answer that cannot be read")
    if not query.is_response(answer):
        raise ValueError("answered another question")
    return answer


def _read(name: str, answer: Message) -> Tlsa:
    """Read an answer; raises ValueError for one that tells nothing, such as SERVFAIL."""
    import dns.flags
    import dns.rcode
    from dns.rdatatype import TLSA

    code = answer.rcode()
    if code not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        raise ValueError(f"answered {dns.rcode.to_text(code)}")
    found = [each.to_wire() or b"" for rows in answer.answer if rows.rdtype == TLSA for each in rows]
    records = tuple(_record(each) for each in found[:MOST] if len(each) > 3)
    return Tlsa(name, records, bool(answer.flags & dns.flags.AD))


def _record(data: bytes) -> TlsaRecord:
    """Read what is in a record; data of an unknown kind are cut."""
    usage, selector, matching, rest = *data[:3], data[3:]
    return TlsaRecord(usage, selector, matching, rest[:64].hex() if matching else hashlib.sha256(rest).hexdigest())
