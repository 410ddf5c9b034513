"""What is wrong with certificates as machines store them, beside what the lanes tell of those that are served."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from console.diagnosis import certificate_users
from console.diagnosis.certificate_places import findings
from console.diagnosis.certificates import UNKNOWN, certificate_trouble
from console.model import CertificatePlace, CertificateUser, Finding
from console.observation import SweepData
from console.sources import certificate_push
from console.text import address

GRACE = 86400.0
"""Seconds that certbot's timer may take to renew what is due."""

_IDS = {"other name": "CH020", "self-signed": "CH083", UNKNOWN: "CH083", "older": "CH010"}


def kept(seen: SweepData, told: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return what the files add to the findings that are told already; a certificate is blamed once for one thing."""
    served, said = [], set()
    here = seen.vantages.get("here", "here")
    for lane in seen.lanes.values():
        trouble = certificate_trouble(seen, lane)
        for ladder in (*lane.public.values(), lane.vm, lane.service):
            if trouble is not None and ladder is not None and ladder.certificate is not None:
                said.add((_IDS.get(trouble[1], "CH022"), ladder.certificate.fingerprint))
        for where, ladder in lane.public.items():
            if ladder.certificate is not None:
                at = address(where, lane.lane.port)
                served.append(CertificatePlace("served", here, at, ladder.target.name, ladder.certificate))
    push = _push(seen.kept.push)
    running = push is not None and push.result == "running" and not push.died(datetime.fromtimestamp(seen.at, UTC))
    places = (*seen.kept.places, *served)
    serials = {
        place.certificate.fingerprint: _serial(place.certificate.serial) for place in places if place.certificate
    }
    mail = seen.vantages.get("mail", "the mail host")
    found = (
        *findings(places, push, seen.kept.name, seen.at, serials, GRACE, said),
        *certificate_users.findings(_users(seen), mail, seen.kept.pushed),
    )
    ages = seen.kept.settled and not running  # while a push is on, half of the places are older
    unpaired = any(each.id == "CH011" for each in told)
    return tuple(
        each for each in found if (ages or each.id != "CH010") and not (unpaired and each.id == "CH011")
    )  # fmt: skip


def _users(seen: SweepData) -> list[CertificateUser]:
    """What the last look saw of containers; of one that had ended then, only where this sweep saw the same."""
    still = {(each.service, each.state) for each in seen.containers}
    return [each for each in seen.kept.users if each.state == "running" or (each.service, each.state) in still]


def _push(text: str) -> certificate_push.Push | None:
    try:
        return certificate_push.read(text) if text else None
    except ValueError:
        return None  # `cowhand certificates` says that it cannot be read


def _serial(serial: str) -> str:
    return f"with serial {serial}" if len(serial) <= 16 else f"with serial {serial[:12]}…"
