"""The output of `certificates`: every place with its certificate, as text and as JSON."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from console.diagnosis import certificates as judged
from console.diagnosis import tlsa
from console.diagnosis.certificate_places import day, letters
from console.events import CertificateSurvey
from console.formats import document as documents
from console.formats import text as texts
from console.model import Certificate, CertificatePlace, Tlsa

BAR = 12
"""Columns of a certificate's life."""


def document(found: CertificateSurvey, name: str) -> dict[str, Any]:
    """Return the document of `certificates --json`; times are Unix seconds, digests SHA-256 in hex."""
    called = letters(found.places)
    return {
        "at": found.at,
        "certbot_next": found.renewal,
        "places": [_place(place, called, name, found.at) for place in found.places],
        "tlsa": [_tlsa(each, found.places) for each in found.tlsa],
        "findings": [documents.finding(each) for each in found.findings],
        "unseen": list(found.unseen),
    }


def _place(place: CertificatePlace, called: dict[str, str], name: str, now: float) -> dict[str, Any]:
    found = place.certificate
    told: dict[str, Any] = {"kind": place.kind, "host": place.host, "where": place.where}
    if place.kind == "served":
        told["sni"] = place.sni
    if found is None:
        return {**told, "certificate": None, "error": place.error or None}
    told |= {
        "certificate": called[found.fingerprint], "fingerprint": found.fingerprint,
        "public_key": found.public_key or None, "subject": found.subject, "issuer": found.issuer,
        "names": list(found.names), "serial": found.serial, "key": found.key or None,
        "not_before": found.not_before, "not_after": found.not_after,
        "days_left": round((found.not_after - now) / 86400, 1), "life_left": round(life(found, now), 3),
        "name_matches": covers(found, name), "trusted": None if place.trusted is None else place.trusted == "",
        "distrust": place.trusted or None,
    }  # fmt: skip
    if place.unused:
        told["used"] = False
    if place.kind != "served":
        told |= {
            "chain": place.chain, "key_path": place.key_path or None, "key_matches": place.pair,
            "key_mode": place.mode or None, "key_owner": place.owner or None,
        }  # fmt: skip
    return told


def _tlsa(records: Tlsa, places: Sequence[CertificatePlace]) -> dict[str, Any]:
    return {
        "name": records.name,
        "records": [
            {"usage": each.usage, "selector": each.selector, "matching": each.matching, "digest": each.digest}
            for each in records.records
        ],
        "signed": records.signed,
        "matches": tlsa.matches_served(records, places),
        "error": records.error or None,
    }


def life(found: Certificate, now: float) -> float:
    """Which share of its own life is left, 0 to 1."""
    whole = found.not_after - found.not_before
    return min(max((found.not_after - now) / whole, 0.0), 1.0) if whole > 0 else 0.0


def covers(found: Certificate, name: str) -> bool | None:
    """Whether it is for the name; None when no name is known."""
    return judged.covers(found, name) if name else None


def text(found: CertificateSurvey, name: str, paint: Callable[[str, str], str]) -> str:
    """Return the text: the places by letter, the certificates, what is wrong, what could not be seen."""
    called = letters(found.places)
    blocks = []
    if found.places:
        rows: list[tuple[str, ...]] = [("", "place", "SNI", "name", "key", "trusted", "key file")]
        rows += [_row(place, called, name) for place in found.places]
        first, *rest = texts.table(rows)
        blocks.append("\n".join([paint(first, "dim"), *rest]))
    if found.unjudged:
        blocks.append(f"cannot tell whether clients trust what is served: {found.unjudged}")
    certificates = {place.certificate.fingerprint: place.certificate for place in found.places if place.certificate}
    blocks += ["\n".join(_certificate(each, called, found.at, paint)) for each in certificates.values()]
    coming = dict.fromkeys(each for one in certificates.values() for each in judged.lifetimes(one, found.at))
    if coming:
        told = ", ".join(f"{days} days from {day(at)} on" for at, days in coming)
        blocks.append(f"Let's Encrypt's default profile issues for {told}")
    if found.tlsa:
        blocks.append("\n".join(f"TLSA {each.name}: {tlsa.told(each, found.places)}" for each in found.tlsa))
    if found.renewal is not None:
        blocks.append(f"certbot tries next on {day(found.renewal)}")
    blocks.append(texts.findings(found.findings, paint))
    if found.unseen:
        blocks.append("\n".join(["not seen:", *(f"  {each}" for each in found.unseen)]))
    return "\n\n".join(blocks)


def _row(place: CertificatePlace, called: dict[str, str], name: str) -> tuple[str, ...]:
    where = place.where if place.kind == "served" else f"{place.host}:{place.where}"
    where += " (no crt names it)" if place.unused else ""
    sni = "" if place.kind != "served" else "-" if place.sni is None else place.sni
    if place.certificate is None:
        return "?", where, sni, "", "", "", ""
    trusted = "?" if place.trusted is None else "yes" if place.trusted == "" else "no"
    stored = place.kind != "served"
    key_file = f"{place.mode} {place.owner}" if place.mode else ""
    matching = _yes(place.pair) if stored else ""
    return (
        called[place.certificate.fingerprint],
        where,
        sni,
        _yes(covers(place.certificate, name)),
        matching,
        trusted,
        key_file,
    )


def _yes(value: bool | None) -> str:
    return "?" if value is None else "yes" if value else "no"


def _certificate(
    found: Certificate, called: dict[str, str], now: float, paint: Callable[[str, str], str]
) -> Sequence[str]:
    share = life(found, now)
    left = (found.not_after - now) / 86400
    state = "failed" if left <= 0 else "degraded" if now > found.due else "ok"
    bar = "█" * round(share * BAR)
    days = f"{left:.0f} days left" if left > 0 else f"expired {-left:.0f} days ago"
    return (
        f"{paint(called[found.fingerprint], 'bold')}  {paint(f'{bar:░<{BAR}}', state)} {days}, "
        f"until {day(found.not_after)} ({share:.0%} of its life)",
        f"   {', '.join(found.names) or found.subject} · {found.key or 'key of unknown kind'}",
        f"   issued by {found.issuer}",
        f"   serial {found.serial}",
        f"   SHA-256 {found.fingerprint}",
        f"   key     {found.public_key or 'not known'}",
    )
