"""How well the recorded faults are told: right, among a few, the hop alone, nothing, false. `make drill` prints it."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable
from typing import Literal

from msgspec import Struct

from console.diagnosis.explain import Explanation, explain
from console.diagnosis.world import World
from console.observation import SweepData
from tests.drill.faults import Drill
from tests.drill.hides import hidden, hides
from tests.drill.record import FAULTS, place, read

Grade = Literal["right", "among", "hidden", "hop", "nothing", "FALSE"]
"""Hidden: of two faults one is named, and the other cannot be seen meanwhile, by the table of hides.py alone."""

TRUE_TOO = {"own-tunnel-lossy": "tunnel/loss", "master-hung": "daemon/hung"}
"""What is true of a fault as well, and need not be told: one packet of twenty may be lost where nobody counts, and
Postfix's halted master shows only where it has to start a process."""


class Score(Struct, frozen=True):
    """What came of one fault: `rivals` is among how many its truth was told, `said` what was told."""

    id: str
    grade: Grade
    rivals: int
    said: tuple[str, ...]


def score(id: str, truth: tuple[str, ...], told: Explanation) -> Score:
    """Grade what is told of a fault: one proven cause that is not true makes it false, whatever else is right."""
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
    left = [each for each, size in zip(truth, sizes, strict=True) if not size]
    if any(sizes) and all(_hidden(id, each) for each in left):
        return Score(id, "hidden", max(sizes), said)
    return Score(id, "hop" if told.unexplained or groups or any(sizes) else "nothing", 0, said)


def halves(id: str) -> tuple[Drill, ...]:
    """Return the single faults of which a pair is made; none for a single one."""
    known = tuple(FAULTS[half] for half in id.split("+") if half in FAULTS)
    return known if len(known) == 2 else ()


def _hidden(id: str, truth: str) -> bool:
    """Whether the table says of that truth of a pair that the other fault hides it."""
    if not (some := halves(id)):
        return False
    return any(truth in other.truth and bool(hides(one, truth, other)) for one, other in (some, some[::-1]))


def of_both(ids: Iterable[tuple[str, Grade]]) -> str:
    """Return both figures of pairs in words: of all of them, and of those in which both faults can be seen."""
    pairs = [(halves(id), grade) for id, grade in ids if halves(id)]
    seen = [grade for (one, other), grade in pairs if not hidden(one, other)]
    shares = []
    for some in ([grade for _, grade in pairs], seen):
        right = sum(grade == "right" for grade in some)
        shares.append(f"{right} of {len(some)}" + (f" = {right / len(some):.0%}" if some else ""))
    return f"both named: {shares[0]} of all pairs; {shares[1]} of those in which both can be seen"


def scores() -> list[Score]:
    """Grade every fault that was recorded."""
    worlds = {id: World(read(id)) for id in FAULTS if place(id).exists()}
    found = [score(id, FAULTS[id].truth, explain(world)) for id, world in worlds.items()]
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
    print(of_both((each.id, each.grade) for each in found))
    return 1 if sums["FALSE"] else 0


if __name__ == "__main__":
    sys.exit(main())
