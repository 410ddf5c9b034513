"""Drills on the real lab: `make drill ARGS="--live --pairs 20 --seed 7 --seconds 540 --keep DIR"`, as root.

Breaks what is asked for (ids, or random pairs of one seed), looks, heals, and prints how it is told: as seen, and with
less to look at. What was seen is kept in a folder, so that it can be told again after a change (`--again`);
`--calm` sweeps the well estate instead; `--times 5` takes the time until three faults are told at a terminal."""

from __future__ import annotations

import asyncio
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import msgspec

from console.diagnosis.diagnose import judge
from console.diagnosis.explain import explain
from console.diagnosis.judge import judge_lane
from console.diagnosis.world import World
from console.observation import SweepData
from tests.drill import times
from tests.drill.faults import FAULTS, Drill
from tests.drill.fresh import FRESH
from tests.drill.less import LESS
from tests.drill.pairs import pair
from tests.drill.record import FAULTS as EVERY
from tests.drill.record import look, record
from tests.drill.score import Grade, Score, of_both, score
from tests.drill.touches import touches
from tests.reallab.lab import RealLab


def pairs(count: int, seed: int) -> list[Drill]:
    """Return random pairs of faults that can be made at once."""
    chance = random.Random(seed)
    known = {**FAULTS, **FRESH}
    ids = sorted(known)
    found: list[Drill] = []
    while len(found) < count:
        one, other = chance.sample(ids, 2)
        if not touches(known[one].break_) & touches(known[other].break_):
            found.append(pair(f"{one} {other}"))
    return found


def told(id: str, truth: tuple[str, ...], seen: SweepData, less: Callable[[SweepData], None] | None = None) -> Score:
    """Grade what is told of it, with less to look at where that is asked."""
    copy = msgspec.json.decode(msgspec.json.encode(seen), type=SweepData)
    if less is not None:
        less(copy)
    return score(id, truth, explain(World(copy)))


def show(drill: Drill, seen: SweepData) -> list[Grade]:
    """Print one fault: grades, sentences, lamps that are not well; returns its grades, as seen first."""
    found = {"seen": told(drill.id, drill.truth, seen)}
    found |= {name: told(drill.id, drill.truth, seen, less) for name, less in LESS.items()}
    print(f"── {drill.id}  truth {' '.join(drill.truth) or '(in no row)'} @{','.join(map(str, drill.ports))}")
    for name, each in found.items():
        if name == "seen" or each.grade == "FALSE":
            print(f"   {name}: {each.grade} {each.rivals or ''} {'; '.join(each.said)[:400]}")
    readings = [reading for lane in seen.lanes.values() for reading in judge_lane(seen, lane)]
    findings, readings = judge(seen, readings)
    for finding in findings:
        print(f"   {finding.id} [{finding.hop}] {finding.summary}")
    mark = {"failed": "✗", "degraded": "▲", "unknown": "?", "skipped": "·"}
    for lane in seen.lanes:
        bad = [f"{r.hop} {mark[r.outcome]} {r.word}" for r in readings if r.lane == lane and r.outcome != "ok"]
        print(f"   {lane:10} {'; '.join(bad)}") if bad else None
    sys.stdout.flush()
    return [each.grade for each in found.values()]


def drill(wanted: list[Drill], seconds: float, keep: Path) -> list[tuple[str, list[Grade]]]:
    """Make each fault on a lab of our own, until the time is over."""
    end = time.monotonic() + seconds
    graded: list[tuple[str, list[Grade]]] = []
    keep.mkdir(parents=True, exist_ok=True)
    lab = RealLab(f"cowdrill{os.getpid()}")
    lab.up()
    try:
        lab.recover()
        for fault in wanted:
            if (keep / f"{fault.id}.json").exists():
                continue
            if time.monotonic() > end:
                print("the time is over before", fault.id)
                break
            try:
                seen = record(lab, fault)
            except (OSError, AssertionError) as error:
                print("FAILED", fault.id, error, flush=True)
                lab.recover()
                continue
            (keep / f"{fault.id}.json").write_bytes(msgspec.json.encode(seen))
            graded.append((fault.id, show(fault, seen)))
    finally:
        lab.down()
    return graded


def calm(seconds: float) -> int:
    """Sweep the well estate until the time is over; returns how many sweeps found something."""
    end, swept, bad = time.monotonic() + seconds, 0, 0
    lab = RealLab(f"cowdrill{os.getpid()}")
    lab.up()
    try:
        lab.recover()
        while time.monotonic() < end:
            seen = asyncio.run(look(lab, ()))
            readings = [reading for lane in seen.lanes.values() for reading in judge_lane(seen, lane)]
            findings, readings = judge(seen, readings)
            swept += 1
            said = [f.summary for f in findings]
            said += [f"{r.lane} {r.hop} {r.word}" for r in readings if r.outcome != "ok"]
            if said:
                bad += 1
                print(swept, "; ".join(said), flush=True)
    finally:
        lab.down()
    print(f"{swept} calm sweeps, {bad} with a finding or a lamp that is not well")
    return bad


def again(keep: Path, wanted: list[Drill]) -> list[tuple[str, list[Grade]]]:
    """Tell once more what a folder has."""
    every = {**EVERY, **{each.id: each for each in wanted}}
    graded: list[tuple[str, list[Grade]]] = []
    for path in sorted(keep.glob("*.json")):
        id = path.stem
        fault = every.get(id) or pair(id.replace("+", " "))
        graded.append((id, show(fault, msgspec.json.decode(path.read_bytes(), type=SweepData))))
    return graded


def main(words: list[str]) -> int:
    """Drill, and print the sums; 1 when something was told falsely."""
    keys = ("--pairs", "--seed", "--seconds", "--keep", "--times")
    given = {key: words[words.index(key) + 1] for key in keys if key in words}
    plain = [w for w in words if not w.startswith("--") and w not in given.values()]
    seconds, keep = float(given.get("--seconds", "540")), Path(given.get("--keep", "/tmp/cowhand-drill"))
    if "--times" in words:
        return times.main(int(given["--times"]), plain)
    if "--calm" in words:
        return int(calm(seconds) > 0)
    wanted = [EVERY.get(id) or pair(id.replace("+", " ")) for id in plain]
    wanted += pairs(int(given.get("--pairs", "0")), int(given.get("--seed", "0")))
    graded = again(keep, wanted) if "--again" in words else drill(wanted, seconds, keep)
    for number, name in enumerate(("seen", *LESS)):
        sums = Counter(grades[number] for _, grades in graded)
        print(f"{name:10}", ", ".join(f"{count} {grade}" for grade, count in sorted(sums.items())))
    print(of_both((id, grades[0]) for id, grades in graded))
    return int(any("FALSE" in grades for _, grades in graded))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
