"""What is wrong with certificates where they are stored and served, and with the last push of one."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from shlex import quote

from console.diagnosis.catalogue import finding
from console.diagnosis.certificates import covers, ended
from console.model import Certificate, CertificatePlace, Finding, Severity
from console.sources.certificate_push import Push
from console.text import join_words

Letters = dict[str, str]
"""Fingerprint → the letter, or other words, that a certificate is called by."""


def letters(places: Iterable[CertificatePlace]) -> Letters:
    """Give each certificate a letter, in the order of the places: A to Z, then A2, B2, …"""
    found: Letters = {}
    for place in places:
        if place.certificate is not None and place.certificate.fingerprint not in found:
            turn, letter = divmod(len(found), 26)
            found[place.certificate.fingerprint] = chr(65 + letter) + (str(turn + 1) if turn else "")
    return found


def findings(
    places: Sequence[CertificatePlace],
    push: Push | None,
    name: str,
    now: float,
    called: Letters | None = None,
    grace: float = 0.0,
    said: Collection[tuple[str, str]] = (),
) -> tuple[Finding, ...]:
    """Return what is wrong at `now` (Unix time); `name` is what clients dial, "" when that is not known.

    Certificates are `called` by letters where nothing else is given; `grace` are the seconds that one may be due.
    `said` are ids of findings, each with the fingerprint of the certificate of which it is told elsewhere."""
    called = letters(places) if called is None else called
    served = {place.certificate.fingerprint for place in places if place.kind == "served" and place.certificate}
    lying = {id(place) for place in places if _lies(place, served)}
    ours = [place for place in places if id(place) not in lying and _about(place, name)]

    def new(id: str, among: Iterable[CertificatePlace]) -> list[CertificatePlace]:
        return [each for each in among if each.certificate is None or (id, each.certificate.fingerprint) not in said]

    return (
        *_expiring(new("CH022", ours), now, called, grace),
        *_pairs([place for place in places if id(place) not in lying]),
        *_stale(ours, called, new("CH010", ours)),
        *_names(new("CH020", places), name),
        *_untrusted(new("CH083", ours)),
        *_open_keys(places),
        *_push(push, now),
    )


def _lies(place: CertificatePlace, served: Collection[str]) -> bool:
    """Whether it only lies in HAProxy's folder: no `crt` leads to it, and no port shows it."""
    return place.unused and (place.certificate is None or place.certificate.fingerprint not in served)


def _about(place: CertificatePlace, name: str) -> bool:
    """Whether it is a place of our name: all that is served, Mailcow's own, and what covers the name."""
    return place.kind in ("served", "mailcow") or not name or covers(place.certificate, name)


def spell(place: CertificatePlace) -> str:
    """A place in words."""
    if place.kind != "served":
        return f"{place.host}:{place.where}"
    return place.where + (" without SNI" if place.sni is None else "")


def _spell(places: Sequence[CertificatePlace]) -> str:
    return join_words([spell(place) for place in places], 4)


def _groups(
    places: Iterable[CertificatePlace], wanted: Callable[[CertificatePlace], bool]
) -> list[list[CertificatePlace]]:
    """The places that are wanted, together where the certificate is the same."""
    found: dict[str, list[CertificatePlace]] = defaultdict(list)
    for place in places:
        if place.certificate is not None and wanted(place):
            found[place.certificate.fingerprint].append(place)
    return list(found.values())


def _evidence(places: Sequence[CertificatePlace]) -> tuple[str, ...]:
    return tuple(
        f"{spell(place)}: serial {place.certificate.serial}, until {day(place.certificate.not_after)}"
        for place in places
        if place.certificate is not None
    )


def day(at: float) -> str:
    """A Unix time as its day in UTC."""
    return time.strftime("%Y-%m-%d", time.gmtime(at))


def _expiring(places: Sequence[CertificatePlace], now: float, called: Letters, grace: float) -> Iterator[Finding]:
    """CH022: less than a third of its own life is left, wherever it is stored or served."""

    def due(place: CertificatePlace) -> bool:
        found = place.certificate
        return found is not None and (now > found.due + grace or now >= found.not_after)

    for group in _groups(places, due):
        certificate = group[0].certificate
        assert certificate is not None
        left, life = certificate.not_after - now, certificate.not_after - certificate.not_before
        state = (
            f"{ended(certificate, now)}, on {day(certificate.not_after)}"
            if left <= 0
            else f"ends in {left / 86400:.0f} days, with less than a third of its {life / 86400:.0f} left"
        )
        summary = f"certificate {called[certificate.fingerprint]} {state}: {_spell(group)}"
        severity: Severity | None = "critical" if left <= 0 and any(place.kind == "served" for place in group) else None
        yield finding("CH022", summary, group[0].host, observed=True, severity=severity, evidence=_evidence(group))


def _pairs(places: Sequence[CertificatePlace]) -> Iterator[Finding]:
    """CH011: the key beside a certificate is another one's."""
    for place in places:
        if place.pair is False:
            summary = f"the key {place.key_path} does not belong to {spell(place)}"
            proof = (
                f"SHA-256 of the certificate's public key: {place.certificate.public_key}" if place.certificate else ""
            )
            yield finding("CH011", summary, place.host, observed=True, evidence=(proof,))


def _stale(
    places: Sequence[CertificatePlace], called: Letters, blamed: Sequence[CertificatePlace]
) -> Iterator[Finding]:
    """CH010: one of the places `blamed` has an older certificate of the same names than another of `places`.

    RSA and EC certificates of one name may be used beside each other; an old lineage of certbot's harms nobody."""
    newest: dict[tuple[object, ...], CertificatePlace] = {}
    for place in places:
        if place.certificate is not None:
            best = newest.get(_like(place.certificate))
            if best is None or (best.certificate and place.certificate.not_before > best.certificate.not_before):
                newest[_like(place.certificate)] = place

    def old(place: CertificatePlace) -> bool:
        if place.certificate is None or place.kind == "certbot":
            return False
        best = newest[_like(place.certificate)].certificate
        return best is not None and place.certificate.not_before < best.not_before

    for group in _groups(blamed, old):
        certificate = group[0].certificate
        assert certificate is not None
        best = newest[_like(certificate)]
        assert best.certificate is not None
        summary = (
            f"certificate {called[certificate.fingerprint]} is older than {called[best.certificate.fingerprint]}, "
            f"which {spell(best)} has: {_spell(group)}"
        )
        yield finding("CH010", summary, group[0].host, observed=True, evidence=_evidence((*group, best)))


def _like(certificate: Certificate) -> tuple[object, ...]:
    """What certificates that replace each other have in common: their names and the kind of key."""
    return frozenset(certificate.names), certificate.key.partition(" ")[0]


def _names(places: Sequence[CertificatePlace], name: str) -> Iterator[Finding]:
    """CH020: what is served to who dials the name, or lies in Mailcow's folder, is not for that name."""

    def other(place: CertificatePlace) -> bool:
        ours = place.kind == "mailcow" or (place.kind == "served" and place.sni == name)
        return ours and not covers(place.certificate, name)

    for group in _groups(places, other) if name else ():
        names = join_words(list(group[0].certificate.names), 4) if group[0].certificate else ""
        summary = f"the certificate for {names or 'no name'} does not cover {name}: {_spell(group)}"
        yield finding(
            "CH020", summary, group[0].host, observed=True, evidence=_evidence(group),
            remedy="deploy the certificate of the name that clients dial (flow certificate-sync)",
        )  # fmt: skip


def _untrusted(places: Sequence[CertificatePlace]) -> Iterator[Finding]:
    """CH083: no known authority vouches for it: self-signed, another's, or without its chain."""
    for group in _groups(places, lambda place: bool(place.trusted)):
        summary = f"the certificate is not trusted, {group[0].trusted}: {_spell(group)}"
        yield finding("CH083", summary, group[0].host, observed=True, evidence=_evidence(group))


def _open_keys(places: Sequence[CertificatePlace]) -> Iterator[Finding]:
    """CH026: a private key that everybody on its machine can read, or somebody else can change."""
    for place in places:
        mode = int(place.mode, 8) if place.mode else 0
        if mode & 0o006 or mode & 0o020:
            who = "everybody there can read or change" if mode & 0o006 else "its group can change"
            summary = f"{place.host}:{place.key_path} is a private key that {who} (mode {place.mode}, {place.owner})"
            yield finding(
                "CH026", summary, place.host, observed=True,
                remedy=f"chmod 600 {quote(place.key_path)}; who could read it may have it: renew with a new key",
            )  # fmt: skip


def _push(push: Push | None, now: float) -> Iterator[Finding]:
    """CH027: certbot's hook failed, or died, after the last renewal."""
    died = push is not None and push.died(datetime.fromtimestamp(now, UTC))
    if push is None or (push.result != "failed" and not died):
        return
    when = f" of {push.when:%Y-%m-%d %H:%M} UTC" if push.when else ""
    what = f"failed: {push.reason or 'no reason was written'}" if not died else "began and never ended"
    rows = [f"stage {push.stage}, exit status {push.status}" if push.status is not None else f"stage {push.stage}"]
    if push.succeeded:
        rows.append(f"the last push that went all the way: {push.succeeded:%Y-%m-%d %H:%M} UTC")
    yield finding(
        "CH027", f"the last push of the certificate{when} {what}", "proxy", observed=True, evidence=tuple(rows),
        remedy="mend the cause; then flow certificate-sync pushes what certbot has issued already",
    )  # fmt: skip
