"""Whether the TLSA records of a name match the certificate that its port 25 shows (DANE, RFC 7672)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from console.diagnosis.catalogue import finding
from console.diagnosis.certificates import covers
from console.model import Certificate, CertificatePlace, Finding, Tlsa, TlsaRecord
from console.text import join_words

PORT = 25
PREFIX = f"_{PORT}._tcp."
"""The name of a mail server's records, before its own."""

_LENGTHS = {0: 64, 1: 64, 2: 128}
"""Hex digits of a digest, by `matching`."""

Issuers = dict[str, tuple[Certificate, ...]]
"""Fingerprint of a certificate → the certificates that its file has after it."""


def findings(tlsa: Sequence[Tlsa], places: Sequence[CertificatePlace]) -> Iterator[Finding]:
    """CH014: no record matches what is served; or what is served does, and what is to be pushed next does not."""
    issuers = issuers_of(places)
    for each in tlsa:
        served = served_to(each, places)
        wrong = [place for place in served if agreement(each, place.certificate, issuers) is False]
        if wrong:
            yield _mismatch(each, wrong)
            continue
        if any(agreement(each, place.certificate, issuers) for place in served):
            yield from _coming(each, served, places, issuers)


def told(tlsa: Tlsa, places: Sequence[CertificatePlace]) -> str:
    """Say in words what the records of a name come to."""
    if tlsa.error:
        return f"cannot tell: {tlsa.error}"
    if not tlsa.records:
        return "no record"
    rows = join_words([numbers(each) for each in tlsa.records], 4)
    fits = matches_served(tlsa, places)
    if not served_to(tlsa, places):
        words = f"{rows}; cannot tell whether it matches: port {PORT} showed no certificate for this name"
    elif not any(usable(each) for each in tlsa.records):
        words = f"{rows}; senders that check DANE can use none of them, and encrypt without checking"
    elif fits is False:
        words = f"{rows}; not what port {PORT} serves"
    elif fits is None:
        words = (
            f"{rows}; cannot tell whether it matches: of what is served only SHA-256 of certificate and key are known"
        )
    else:
        words = f"{rows}; matches what port {PORT} serves"
    return words if tlsa.signed else f"{words}; whether the answer is signed is not known"


def numbers(record: TlsaRecord) -> str:
    """A record in short: its numbers, and how its data begin."""
    return f"{record.usage} {record.selector} {record.matching} {record.digest[:8]}…"


def served_to(tlsa: Tlsa, places: Sequence[CertificatePlace]) -> list[CertificatePlace]:
    """Where port 25 shows a certificate to a client that sends the name of these records."""
    name = tlsa.name.removeprefix(PREFIX)
    return [
        place
        for place in places
        if place.kind == "served" and place.sni == name and place.where.endswith(f":{PORT}") and place.certificate
    ]


def matches_served(tlsa: Tlsa, places: Sequence[CertificatePlace]) -> bool | None:
    """Whether the records match wherever port 25 shows a certificate for their name; None when that cannot be told."""
    issuers = issuers_of(places)
    found = {agreement(tlsa, place.certificate, issuers) for place in served_to(tlsa, places)}
    return False if False in found else None if None in found or not found else True


def issuers_of(places: Sequence[CertificatePlace]) -> Issuers:
    """What is known of the chains: of a port nothing is, but the same certificate in a file has one."""
    return {place.certificate.fingerprint: place.issuers for place in places if place.certificate and place.issuers}


def usable(record: TlsaRecord) -> bool:
    """Whether a mail server that checks DANE uses it: usages 0 and 1 are not for mail (RFC 7672, 3.1.3)."""
    return (
        record.usage in (2, 3) and record.selector in (0, 1) and len(record.digest) == _LENGTHS.get(record.matching, 0)
    )


def agreement(tlsa: Tlsa, certificate: Certificate | None, issuers: Issuers) -> bool | None:
    """Whether one of the records matches a certificate: None when that cannot be told, or none can be used."""
    if certificate is None:
        return None
    found = {_agrees(each, certificate, issuers) for each in tlsa.records if usable(each)}
    return True if True in found else None if not found or None in found else False


def _agrees(record: TlsaRecord, certificate: Certificate, issuers: Issuers) -> bool | None:
    if record.matching == 2:
        return None
    if record.usage == 3:
        return _same(record, certificate)
    found = {_same(record, each) for each in issuers.get(certificate.fingerprint, ())}
    return True if True in found else None if None in found or not found else False


def _same(record: TlsaRecord, certificate: Certificate) -> bool | None:
    known = certificate.public_key if record.selector else certificate.fingerprint
    return record.digest == known if known else None


def _mismatch(tlsa: Tlsa, wrong: Sequence[CertificatePlace]) -> Finding:
    certificate = wrong[0].certificate
    assert certificate is not None
    where = join_words([place.where for place in wrong], 4)
    summary = f"none of the TLSA records of {tlsa.name} matches the certificate that is served: {where}"
    return finding(
        "CH014", summary, wrong[0].host, observed=True, severity=None if tlsa.signed else "medium",
        evidence=(*_rows(tlsa), f"served: {_digests(certificate)}"),
        remedy=f"publish TLSA 3 1 1 {certificate.public_key or '(of its key)'} for {tlsa.name}, and renew with "
        "certbot's --reuse-key from now on",
    )  # fmt: skip


def _coming(
    tlsa: Tlsa, served: Sequence[CertificatePlace], places: Sequence[CertificatePlace], issuers: Issuers
) -> Iterator[Finding]:
    """What certbot has issued already, newer than what is served, and with no record."""
    name = tlsa.name.removeprefix(PREFIX)
    newest = max(place.certificate.not_before for place in served if place.certificate)
    for place in places:
        found = place.certificate
        if place.kind != "certbot" or found is None or found.not_before <= newest:
            continue
        if covers(found, name) and agreement(tlsa, found, issuers) is False:
            summary = (
                f"{place.host}:{place.where} is newer than what is served, and no TLSA record of {tlsa.name} matches it"
            )
            yield finding(
                "CH014", summary, place.host, observed=True, severity="medium",
                evidence=(*_rows(tlsa), f"stored: {_digests(found)}"),
                remedy=f"before it is pushed, publish TLSA 3 1 1 {found.public_key or '(of its key)'} for {tlsa.name} "
                "beside the old record, and wait until the old answer is forgotten (its TTL)",
            )  # fmt: skip


def _rows(tlsa: Tlsa) -> tuple[str, ...]:
    signed = "the name server says that the answer is signed" if tlsa.signed else (
        "the name server does not say that the answer is signed: senders ignore a record that is not"
    )  # fmt: skip
    rows = (f"record: {each.usage} {each.selector} {each.matching} {each.digest}" for each in tlsa.records[:8])
    return *rows, signed


def _digests(certificate: Certificate) -> str:
    return f"SHA-256 of its key {certificate.public_key or 'not known'}, of the certificate {certificate.fingerprint}"
