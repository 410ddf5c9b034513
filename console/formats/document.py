"""The JSON of the contract: what `show`, `lint` and `check` print with --json."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from console.errors import InputError
from console.events import FindingsChanged
from console.model import HOPS, Finding, Lane, Reading, Readings, Span, Topology


def span(source: Span | None) -> dict[str, Any] | None:
    """Return file, line and column of a place; None when there is none."""
    return {"file": source.file, "line": source.line, "column": source.column} if source else None


def topology(found: Topology) -> dict[str, Any]:
    """Return the document of `show --json`."""
    return {
        "nodes": [{"id": n.id, "kind": n.kind, "label": n.label, "source": span(n.source)} for n in found.nodes],
        "lanes": [_lane(lane) for lane in found.lanes],
        "volumes": [
            {
                "name": v.name, "device": v.device, "pool": v.pool, "size": v.size, "content_type": v.content_type,
                "mount_path": v.mount_path, "source": span(v.source), **({"guessed": True} if v.guessed else {}),
            }
            for v in found.volumes
        ],
        "instances": [
            {
                "name": i.name, "type": i.type, "image": i.image, "cpu": i.cpu, "memory": i.memory,
                "addresses": list(i.addresses), "source": span(i.source),
            }
            for i in found.instances
        ],
    }  # fmt: skip


def _lane(lane: Lane) -> dict[str, Any]:
    further: dict[str, Any] = {}
    if lane.others:
        further["others"] = [{"host": each.host, "port": each.port} for each in lane.others]
    if lane.open:
        further["open"] = lane.open
    if lane.headers:
        further["proxy_protocols"] = list(lane.headers)
    return {
        "name": lane.name,
        "protocol": lane.protocol,
        "port": lane.port,
        "binds": [{"address": b.address, "port": b.port, "source": span(b.source)} for b in lane.binds],
        "target": {"host": lane.target.host, "port": lane.target.port} if lane.target else None,
        "proxy_protocol": lane.proxy_protocol,
        "tls": lane.tls,
        "service": lane.service,
        "source": span(lane.source),
        **further,
    }


def finding(found: Finding) -> dict[str, Any]:
    """Return a finding as in `lint --json` and `check --json`."""
    where = {"host": found.where} if isinstance(found.where, str) else span(found.where)
    told: dict[str, Any] = {
        "id": found.id, "name": found.name, "severity": found.severity, "summary": found.summary, "where": where,
        "remedy": found.remedy, "observed": found.observed,
    }  # fmt: skip
    if found.also:
        told["also"] = [span(place) for place in found.also]
    if found.lanes:
        told["lanes"] = list(found.lanes)
    if found.hop:
        told["hop"] = found.hop
    if found.evidence:
        told["evidence"] = list(found.evidence)
    return told


def warning(found: InputError) -> dict[str, Any]:
    """Return a warning as in `lint --json`."""
    return {"file": found.file, "line": found.line, "column": found.column, "text": found.problem}


def check(
    found: Topology,
    readings: Readings,
    told: FindingsChanged,
    static: Sequence[Finding],
    unseen: Sequence[str] = (),
) -> dict[str, Any]:
    """Return the document of `check --json`; observed findings come before those in the files (`static`).

    `unseen` says what could not be looked at, and why, a line each."""
    lanes = []
    for lane in found.lanes:
        hops = [readings[lane.id, hop] for hop in HOPS if (lane.id, hop) in readings]
        lanes.append({"name": lane.name, "port": lane.port, "hops": [_hop(reading) for reading in hops]})
    return {
        "verdict": told.verdict,
        "cause": told.cause or None,
        "lanes": lanes,
        "findings": [finding(found) for found in (*told.findings, *static)],
        "unseen": list(unseen),
    }


def _hop(reading: Reading) -> dict[str, Any]:
    return {
        "hop": reading.hop,
        "vantage": reading.vantage or None,
        "outcome": reading.outcome,
        "word": reading.word,
        "latency_ms": None if reading.latency_ms is None else round(reading.latency_ms, 1),
        "asked": reading.asked or None,
        "evidence": [
            {
                "rung": rung.name,
                "outcome": rung.outcome,
                "detail": rung.detail,
                "ms": None if rung.ms is None else round(rung.ms, 1),
            }
            for rung in reading.evidence
        ],
    }
