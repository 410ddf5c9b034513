"""How well the recorded faults are told: right, among a few, the hop alone, nothing, false. `make drill` prints it."""

from __future__ import annotations

import sys
from collections import Counter
from typing import Literal

from msgspec import Struct

from console.diagnosis.behind import unseen
from console.diagnosis.conclude import RIVALS, hiding
from console.diagnosis.explain import Explanation, explain
from console.diagnosis.world import World
from console.observation import SweepData
from tests.drill.record import FAULTS, place, read

Grade = Literal["right", "among", "hidden", "hop", "nothing", "FALSE"]
"""Hidden: one of two faults is named, and of the other is said that nothing can be seen there meanwhile."""

HIDES = {
    "front": ("haproxy-listener/", "haproxy-process/", "vps-filter/", "vps/other-program", "here/", "certificate/"),
    "between": ("haproxy-server/", "haproxy-check/", "dovecot/untrusted-proxy", "daemon/no-header-wanted", "vm-filter/",
                "tunnel/", "publication/", "postfix/one-family"),
    "inside": ("daemon/", "dovecot/", "postfix/", "certificate/", "vm/docker-down"),
}  # fmt: skip
"""Where a truth would show: in the part of a lane that a told cause may hide."""


TRUE_TOO = {"own-tunnel-lossy": "tunnel/loss", "master-hung": "daemon/hung"}
"""What is true of a fault as well, and need not be told: one packet of twenty may be lost where nobody counts, and
Postfix's halted master shows only where it has to start a process."""


class Score(Struct, frozen=True):
    """What came of one fault: `rivals` is among how many its truth was told, `said` what was told."""

    id: str
    grade: Grade
    rivals: int
    said: tuple[str, ...]


def score(id: str, truth: tuple[str, ...], told: Explanation, world: World | None = None) -> Score:
    """Grade what is told of a fault: one proven cause that is not true makes it false, whatever else is right.

    With the `world` that was explained, what is said to be hidden counts as that."""
    proven = {cause.suspects[0].mode.id for cause in told.causes if cause.proven}
    groups = [{each.mode.id for each in cause.suspects} for cause in told.causes if not cause.proven]
    said = tuple(" OR ".join(s.mode.id for s in cause.suspects) + ("" if cause.proven else " ?")
                 + f" @{','.join(map(str, cause.ports))}" for cause in told.causes)  # fmt: skip
    said += tuple(sorted({f"unexplained {t.kind}/{t.at}/{t.port}:{t.outcome}" for t in told.unexplained}))
    if proven - {*truth} - {TRUE_TOO.get(half, "") for half in id.split("+")}:
        return Score(id, "FALSE", 0, said)
    sizes = [1 if each in proven else min((len(g) for g in groups if each in g), default=0) for each in truth]
    if all(size == 1 for size in sizes):
        return Score(id, "right", 1, said)
    if all(sizes):
        return Score(id, "among", max(sizes), said)
    if world is not None and any(sizes):
        left = [each for each, size in zip(truth, sizes, strict=True) if not size]
        if all(_hidden(id, each, told, world) for each in left):
            return Score(id, "hidden", max(sizes), said)
    return Score(id, "hop" if told.unexplained or groups or any(sizes) else "nothing", 0, said)


def _hidden(id: str, truth: str, told: Explanation, world: World) -> bool:
    """Whether a told cause says of every lane of that fault that nothing can be seen where it would show."""
    mine = [FAULTS[half].ports for half in id.split("+") if half in FAULTS and truth in FAULTS[half].truth]
    parts = [part for part, heads in HIDES.items() if truth.startswith(heads)]
    shown: dict[str, set[int]] = {}
    for cause in told.causes:
        if cause.proven or len(cause.suspects) <= RIVALS:
            for part, ports in unseen(world, hiding(cause)).items():
                shown.setdefault(part, set()).update(ports)
    return bool(mine) and any({*mine[0]} <= shown.get(part, set()) for part in parts)


def scores() -> list[Score]:
    """Grade every fault that was recorded."""
    worlds = {id: World(read(id)) for id in FAULTS if place(id).exists()}
    found = [score(id, FAULTS[id].truth, explain(world), world) for id, world in worlds.items()]
    return [*found, score("calm", (), explain(World(read("calm"))))] if place("calm").exists() else found


def through(seen: SweepData) -> Explanation:
    """Explain what was seen."""
    return explain(World(seen))


def main() -> int:
    """Print every score, and the sums; 1 when one is false. With --live faults are made on the real lab instead."""
    if "--live" in sys.argv:
        from tests.drill import live  # which needs this module

        return live.main([word for word in sys.argv[1:] if word != "--live"])
    found = scores()
    for each in found:
        among = f" of {each.rivals}" if each.grade == "among" else ""
        print(f"{each.id:34} {each.grade + among:10} {'; '.join(each.said)[:230]}")
    sums = Counter(each.grade for each in found)
    print(", ".join(f"{sums[grade]} {grade}" for grade in ("right", "among", "hidden", "hop", "nothing", "FALSE")))
    return 1 if sums["FALSE"] else 0


if __name__ == "__main__":
    sys.exit(main())
