"""Whether what is in the repository is what its hosts have and run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from console.diagnosis.catalogue import finding
from console.diagnosis.rule import Observed, observed
from console.model import Finding, HopName
from console.observation import Drifted
from console.text import join_words


@observed("CH023")
def config_drift(seen: Observed) -> Iterator[Finding]:
    """A file of the repository differs from the host's, or HAProxy runs something else than its file says."""
    absent = tuple(key[0] for key, reading in seen.readings.items() if key[1] == "haproxy" and reading.word == "absent")
    files = {lane.lane.source.file for lane in seen.seen.lanes.values()}
    for drifted in seen.seen.drifted:
        if drifted.gone and _refused(seen, drifted):
            continue
        told = _finding(drifted)  # what HAProxy does not know is left out by the file it runs
        yield replace(told, lanes=absent, hop="haproxy") if absent and drifted.place.file in files else told


def found_by(found: Iterable[Drifted]) -> Iterator[Finding]:
    """Return a finding for each file that drifted."""
    return map(_finding, found)


def _finding(drifted: Drifted) -> Finding:
    hop: HopName | None = "haproxy" if drifted.kind == "running" else None
    remedy = f"cowhand drift shows it; {_remedy(drifted)}"
    told = finding("CH023", _says(drifted), drifted.place, observed=True, hop=hop, remedy=remedy)
    return replace(told, evidence=drifted.diff)


def _remedy(drifted: Drifted) -> str:
    if drifted.kind == "running":
        return f"check {drifted.path} with haproxy -c, then reload HAProxy on {drifted.host}"
    return "apply the repository's file" + ", or adopt the host's" * bool(drifted.lines)


def _says(drifted: Drifted) -> str:
    if drifted.kind == "running":
        verb = "is" if len(drifted.gone) == 1 else "are"
        gone = f"{join_words(list(drifted.gone))} {verb} not among it"
        what = gone if drifted.gone else "servers or listeners differ"
        return f"HAProxy on {drifted.host} does not run what {drifted.path} says: {what}"
    if not drifted.lines:
        return f"{drifted.file} is not on {drifted.host}: nothing is at {drifted.path}"
    differ = f"{drifted.lines} line{'s' * (drifted.lines != 1)} differ{'s' * (drifted.lines == 1)}"
    return f"{drifted.file} is not what {drifted.host} has at {drifted.path}: {differ}"


def _refused(seen: Observed, drifted: Drifted) -> bool:
    """Whether every frontend that is gone is a lane whose port refuses: that is said already, lane by lane (CH021)."""
    lanes = {lane.lane.frontend: lane for lane in seen.seen.lanes.values()}
    return drifted.lines == len(drifted.gone) and all(
        name in lanes and any(ladder.cause == "refused" for ladder in lanes[name].public.values())
        for name in drifted.gone
    )
