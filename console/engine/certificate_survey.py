"""Every place of an estate where its certificates are stored or served, looked at once, from the hosts there are."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Mapping
from typing import TYPE_CHECKING

from msgspec.structs import replace

from console.errors import HostError, InputError
from console.estate import named
from console.events import CertificateSurvey
from console.facts import certificate_places
from console.facts.certificate_places import UNREADABLE
from console.hosts.host import Host
from console.hosts.names import numeric
from console.ladders import IMPLICIT_TLS, STARTTLS, ProbeTarget
from console.model import CertificatePlace, CertificateUser, Kept, Lane, Role, Tlsa
from console.probes import tls
from console.probes.ladder import climb
from console.probes.sweep import MOST_ADDRESSES
from console.text import address, clean

if TYPE_CHECKING:
    from console.engine.vantages import Vantages
    from console.estate.load import Estate
    from console.facts.certificate_places import Stored
    from console.probes.trust import Trust


ROLES: tuple[Role, ...] = ("proxy", "mail")
"""Whose machines store certificates."""

ALONE = "the lab's certificates are signed by themselves"
"""Why nobody would trust them."""

AT_ONCE = 16
"""Handshakes under way at once: a server counts connections from one address."""


async def survey(estate: Estate, vantages: Vantages) -> CertificateSurvey:
    """Look at all places, from all hosts at once; nothing that a host or a server does raises."""
    from console.diagnosis import certificate_users
    from console.diagnosis import tlsa as compared
    from console.diagnosis.certificate_places import findings
    from console.engine.vantages import trusting
    from console.sources import certificate_push

    await tls.prepare()
    unseen = [f"{role}: {why}" for role, why in vantages.missing.items() if role in ROLES]
    trust = trusting(estate, vantages)
    serving = asyncio.create_task(_served(estate, vantages.hosts, trust, unseen))
    looked, users = await asyncio.gather(_stored(estate, vantages.hosts, unseen), _users(vantages.hosts))
    served = await serving
    records = await _tlsa(estate, vantages.hosts, served)
    push, timer = None, None
    for host, told in looked:
        timer = timer if timer is not None else told.timer
        if told.state and push is None:
            try:
                push = certificate_push.read(told.state)
            except ValueError as error:
                unseen.append(f"{host.name}:{certificate_push.STATE} {error}")
    stored = [told for _, told in looked]
    places = (*{(p.host, p.where): p for told in stored for p in told.places}.values(), *served)
    unseen += [f"{p.host}:{p.where}: {p.error}" for p in places if p.error]
    now = time.time()
    name = _name(estate)
    used = certificate_users.findings(users, _mail(vantages.hosts), _pushed(estate, looked))
    found = (*findings(places, push, name, now), *used, *compared.findings(records, places))
    unjudged = trust.blind if trust is not None else ALONE if vantages.lab is not None else ""
    return CertificateSurvey(now, places, found, tuple(unseen), timer, name, records, unjudged)


async def kept(estate: Estate, hosts: Mapping[Role, Host]) -> Kept:
    """Look at what is stored alone: beside a sweep, which sees what is served."""
    unseen: list[str] = []
    looked, users = await asyncio.gather(_stored(estate, hosts, unseen), _users(hosts))
    absent = {told.error for _, told in looked if told.away}  # the sweep itself says whom it could not ask
    unseen = [row for row in unseen if row not in absent]
    places = {(place.host, place.where): place for _, told in looked for place in told.places}
    unseen += [f"{place.host}:{place.where}: {place.error}" for place in places.values() if place.error]
    push = next((told.state for _, told in looked if told.state), "")
    pushed = _pushed(estate, looked)
    return Kept(
        tuple(places.values()), push, _name(estate), users=users, pushed=pushed, unseen=tuple(dict.fromkeys(unseen))
    )


async def _users(hosts: Mapping[Role, Host]) -> tuple[CertificateUser, ...]:
    from console.facts import certificate_users

    return await certificate_users.ask(hosts["mail"]) if "mail" in hosts else ()


def _mail(hosts: Mapping[Role, Host]) -> str:
    return hosts["mail"].name if "mail" in hosts else "the mail host"


def _pushed(estate: Estate, looked: list[tuple[Host, Stored]]) -> bool:
    """Whether a certificate is brought to Mailcow: the site file says so, or a push has left its state."""
    return estate.site.certificate is not None or any(told.state for _, told in looked)


async def _stored(estate: Estate, hosts: Mapping[Role, Host], unseen: list[str]) -> list[tuple[Host, Stored]]:
    authority = _authority(estate, unseen)
    looked = [hosts[role] for role in ROLES if role in hosts]
    stored = await asyncio.gather(*(certificate_places.ask(host, authority=authority) for host in looked))
    for host, told in zip(looked, stored, strict=True):
        unseen += [f"{host.name}: {told.error}"] if told.error else []
        known = {place.where for place in told.places if place.error}
        unseen += [f"{host.name}:{path}: {UNREADABLE}" for path in told.dark if path not in known]
    return list(zip(looked, stored, strict=True))


def _name(estate: Estate) -> str:
    entry = estate.site.certificate
    return entry.name if entry is not None else next(iter(estate.topology.public), "")


def _authority(estate: Estate, unseen: list[str]) -> str:
    """The PEM text of the operator's own authority; "" when there is none, or it cannot be read."""
    try:
        return named.authority(estate)
    except InputError as error:
        unseen.append(str(error))
        return ""


async def _served(
    estate: Estate, hosts: Mapping[Role, Host], trust: Trust | None, unseen: list[str]
) -> tuple[CertificatePlace, ...]:
    """What each public port shows, on each address of each name, with and without SNI."""
    host = hosts.get("here")
    names = estate.topology.public
    if host is None or not names:
        unseen.append("what is served: no public name is known; add names = [...] under [public] in site.toml")
        return ()
    lanes = [lane for lane in estate.topology.lanes if lane.protocol in IMPLICIT_TLS or lane.protocol in STARTTLS]
    room = asyncio.Semaphore(AT_ONCE)
    asked: list[Coroutine[None, None, CertificatePlace]] = []
    known = trust.known if trust is not None else {}
    for name in names:
        try:
            found = await host.resolve(name)
        except HostError as error:
            unseen.append(f"{name}: {clean(str(error))}")
            continue
        if len(found) > MOST_ADDRESSES:
            unseen.append(f"{name}: it has {len(found)} addresses: more than {MOST_ADDRESSES} are not asked")
            continue
        asked += [
            _ask(host, lane, each, sni, trust, room)
            for lane in lanes
            for each in found
            for sni in dict.fromkeys((name, None))
        ]
    places = await asyncio.gather(*asked)
    # only now: each certificate is asked about once, for all ports that show it
    return tuple(replace(p, trusted=known.get(p.certificate.fingerprint)) if p.certificate else p for p in places)


async def _tlsa(estate: Estate, hosts: Mapping[Role, Host], served: tuple[CertificatePlace, ...]) -> tuple[Tlsa, ...]:
    """The TLSA records of each public name whose port 25 shows a certificate: no other can have one that counts."""
    from console.diagnosis import tlsa as compared
    from console.facts import tlsa

    names = [compared.PREFIX + name for name in estate.topology.public if "." in name and not numeric(name)]
    asked = [name for name in names if compared.served_to(Tlsa(name), served)]
    return tuple(await asyncio.gather(*(tlsa.ask(hosts["here"], name) for name in asked)))


async def _ask(
    host: Host, lane: Lane, where: str, sni: str | None, trust: Trust | None, room: asyncio.Semaphore
) -> CertificatePlace:
    implicit = lane.protocol in IMPLICIT_TLS
    target = ProbeTarget(where, lane.port, lane.protocol, name=sni, depth="greeting" if implicit else "starttls")
    async with room:
        ladder = await climb(target, host)
        if trust is not None:
            await trust.ask(host, ladder)
    found, failed = ladder.certificate, ladder.failed
    error = (failed.detail if failed else "no TLS was offered") if found is None else ""
    return CertificatePlace("served", host.name, address(where, lane.port), sni, found, error=error)
