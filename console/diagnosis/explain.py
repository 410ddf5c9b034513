"""From symptoms to what explains them: the proven causes first, then the cheapest sets of suspects, in bounded time.

The search is model-based diagnosis with an open world. What holds by construction: a pass clears only what it went
through, in its own protocol (`forbids`); a suspect that nothing proves is never alone, "something else" stands beside
it; and a lane of which a symptom has no suspect has none at all: then only the hop is known."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from msgspec import Struct

from console.diagnosis.mode import Mode, Proof, Scope
from console.diagnosis.modes import MODES
from console.diagnosis.symptoms import PASS, Key, Test, key
from console.diagnosis.world import World

NEAR = 1.2
"""How much dearer an explanation may be than the cheapest to be said beside it."""

MOST = 3
"""Suspects of one explanation that nothing proves: what needs more is not explained."""

BUDGET = 4000
"""Steps of a search: what was found by then counts."""


class Suspect(Struct, frozen=True):
    """A mode somewhere: on which lanes, what facts say of it, and which symptoms (by number) it explains."""

    mode: Mode
    scope: Scope
    proof: Proof
    covers: frozenset[int]

    @property
    def cost(self) -> float:
        """How unlikely it is, by the table or by what the facts hint."""
        return self.mode.cost if self.proof.cost is None else self.proof.cost

    @property
    def proven(self) -> bool:
        """Whether a fact shows it."""
        return self.proof.holds is True


class Cause(Struct, frozen=True):
    """One cause: `suspects` is the proven one, or rivals, the likeliest first. It explains `symptoms` on `ports`."""

    suspects: tuple[Suspect, ...]
    symptoms: tuple[Test, ...]
    ports: tuple[int, ...]

    @property
    def proven(self) -> bool:
        """Whether a fact shows it."""
        return self.suspects[0].proven


class Explanation(Struct, frozen=True):
    """Causes, and the symptoms that none of them explains."""

    causes: tuple[Cause, ...] = ()
    unexplained: tuple[Test, ...] = ()


def explain(world: World, modes: Iterable[Mode] = MODES) -> Explanation:
    """Explain every symptom there is, as far as it can be."""
    symptoms = world.symptoms
    everything = frozenset(range(len(symptoms)))
    candidates = [suspect for mode in modes for suspect in _suspects(world, mode)]
    proven = _spread(_proven(world, candidates), candidates)
    explained = _union(proven)
    left = everything - explained
    stopped = any(each.mode.id == "haproxy-process/stopped" for each in proven)
    free = [each for each in candidates if not each.proven and not (stopped and each.mode.id.startswith("haproxy-"))]
    rivals = _rivals(free, left, symptoms)
    causes = [_cause((suspect,), suspect.covers, symptoms) for suspect in proven]
    for group in rivals:
        explained |= group[0].covers
        causes.append(_cause(group, group[0].covers & left, symptoms))
    rest = [symptoms[number] for number in sorted(everything - explained)]
    return Explanation(tuple(causes), tuple(rest))


# ── suspects ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _suspects(world: World, mode: Mode) -> list[Suspect]:
    """Where this mode may hold; lanes of which the same is known are one suspect."""
    found, known = [], dict[frozenset[Key], bool]()
    for scope in mode.scope(world):
        if not scope.ports or _ruled_out(world, mode, scope, known):
            continue
        covers = _covered(world, mode, scope)
        if not mode.stands and not any(world.symptoms[number].port for number in covers):
            continue
        proof = mode.fact(world, scope)
        covers = frozenset(number for number in covers if world.symptoms[number].port not in proof.spared)
        apart = not any(world.symptoms[number].port for number in covers)
        if apart and proof.holds and proof.beside:
            found.append(Suspect(mode, scope if mode.stands == "beside" else Scope(()), proof, covers))
        elif not apart and proof.holds is not False:
            found.append(Suspect(mode, scope, proof, covers))
    return _merged(found)


def _ruled_out(world: World, mode: Mode, scope: Scope, known: dict[frozenset[Key], bool]) -> bool:
    """As `_cleared`, once for all lanes on which the same came of the same tests."""
    if len(scope.ports) > 1 or scope.family or scope.addresses:
        return _cleared(world, mode, scope)
    alike = world.keys.get(scope.ports[0], frozenset())
    if alike not in known:
        idle = mode.covers.own.isdisjoint(alike) and not mode.covers.logins and not mode.stands
        known[alike] = idle or _cleared(world, mode, scope)
    return known[alike]


def _cleared(world: World, mode: Mode, scope: Scope) -> bool:
    """Whether a pass rules it out, or what it needs was tried and did not pass; what nobody tried rules nothing out."""
    keys = _keys(world, scope)
    if any(not mode.forbids.own.isdisjoint(some) for some in keys):
        return True
    for need in mode.needs.own:
        tried = [key[2] for some in keys for key in some if key[:2] == need[:2]]
        if tried and PASS not in tried:
            return True
    return False


def _keys(world: World, scope: Scope) -> list[frozenset[Key]]:
    """Kind, place and outcome of the tests that a suspect may speak of: on its lanes, on none, of its family."""
    if not scope.family and not scope.addresses:
        return [world.keys[port] for port in (0, *scope.ports) if port in world.keys]
    tests = (t for port in (0, *scope.ports) for t in world.by_port.get(port, ()))
    return [frozenset(key(t) for t in tests if _is_meant(t, scope))]


def _is_meant(test: Test, scope: Scope) -> bool:
    """Whether a test is of the suspect's family and addresses, where it came from outside."""
    if test.at not in ("here", "itself"):
        return True
    return (not scope.family or test.family == scope.family) and (
        not scope.addresses or test.address in scope.addresses
    )


def _covered(world: World, mode: Mode, scope: Scope) -> frozenset[int]:
    """The numbers of the symptoms that it explains."""
    all_ = not scope.family and not scope.addresses
    mine = (each for port in (0, *scope.ports) for each in world.marked.get(port, ()))
    found = {number for number, key, test in mine if key in mode.covers.own and (all_ or _is_meant(test, scope))}
    if mode.covers.logins and any(world.daemon(port) == "dovecot" for port in scope.ports):
        found |= {number for number, key, _ in world.logins if key in mode.covers.logins}
    return frozenset(found)


def _merged(found: list[Suspect]) -> list[Suspect]:
    """One cause on many lanes is one: suspects of a mode of which facts say the same become one."""
    merged: list[Suspect] = []
    found = sorted(found, key=lambda each: (each.proof.holds is None, each.scope.family))
    for _, same in groupby(
        found, key=lambda each: (each.proof.holds, each.scope.family, each.scope.addresses, _name(each))
    ):
        group = list(same)
        ports = tuple(dict.fromkeys(port for each in group for port in each.scope.ports))
        scope = Scope(ports, group[0].scope.family, group[0].scope.addresses)
        covers = _union(group)
        merged.append(Suspect(group[0].mode, scope, _together([each.proof for each in group]), covers))
    return merged


def _name(suspect: Suspect) -> str:
    """What a suspect is of: two daemons are two."""
    return suspect.proof.given.get("daemon", "")


def _together(proofs: list[Proof]) -> Proof:
    words = tuple(dict.fromkeys(word for proof in proofs for word in proof.words))
    keys = dict.fromkeys(key for proof in proofs for key in proof.given)
    given = {key: ", ".join(dict.fromkeys(p.given[key] for p in proofs if key in p.given)) for key in keys}
    costs = [proof.cost for proof in proofs if proof.cost is not None]
    return Proof(proofs[0].holds, words, given, min(costs) if costs else None, all(proof.beside for proof in proofs))


# ── proven ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _proven(world: World, candidates: list[Suspect]) -> list[Suspect]:
    """The proven ones, each only if it explains what a stronger one does not: what explains most comes first."""
    kept: list[Suspect] = []
    explained: frozenset[int] = frozenset()
    for suspect in sorted((each for each in candidates if each.proven), key=lambda each: each.cost):
        if suspect.covers - explained:
            kept.append(suspect)
            explained |= suspect.covers
        elif _stands(suspect):
            kept.append(_beside(world, suspect))
    needed = [each if _is_needed(each, kept) else _beside(world, each) for each in kept]
    return [each for each in needed if each.covers or _stands(each)]


def _stands(suspect: Suspect) -> bool:
    """Whether it is told though others explain all that it would."""
    return bool(suspect.mode.stands) and suspect.proof.beside


def _beside(world: World, suspect: Suspect) -> Suspect:
    """The same, explaining nothing; one of every lane is of none: of which it is the fault cannot be told."""
    scope = suspect.scope if len(suspect.scope.ports) < len(world.lanes) else Scope(())
    return Suspect(suspect.mode, scope, suspect.proof, frozenset())


def _is_needed(suspect: Suspect, kept: list[Suspect]) -> bool:
    """Whether it explains something that no other kept one does, or is the cheapest that does."""
    others = _union(each for each in kept if each is not suspect)
    if not suspect.covers:
        return True
    return bool(suspect.covers - others) or not any(
        each.covers >= suspect.covers and each.cost <= suspect.cost for each in kept if each is not suspect
    )


def _spread(proven: list[Suspect], candidates: list[Suspect]) -> list[Suspect]:
    """One cause on many lanes is one: what is proven on a lane is taken for the cause on others that fit, too."""
    return [_widened(each, _union(other for other in proven if other is not each), candidates) for each in proven]


def _widened(suspect: Suspect, others: frozenset[int], candidates: list[Suspect]) -> Suspect:
    ports, covers = list(suspect.scope.ports), suspect.covers
    for each in candidates if suspect.mode.spreads else ():
        if each.mode is suspect.mode and not each.proven and each.covers - others - covers:
            ports += [port for port in each.scope.ports if port not in ports]
            covers |= each.covers - others
    scope = Scope(tuple(ports), suspect.scope.family, suspect.scope.addresses)
    return Suspect(suspect.mode, scope, suspect.proof, covers)


def _union(suspects: Iterable[Suspect]) -> frozenset[int]:
    return frozenset(number for each in suspects for number in each.covers)


# ── rivals ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _rivals(free: list[Suspect], left: frozenset[int], symptoms: tuple[Test, ...]) -> list[tuple[Suspect, ...]]:
    """Groups of rivals that explain what is left: the cheapest set, and beside each of its members who could be it."""
    free = [each for each in free if each.covers & left]
    dim = _dim(free, left, symptoms)
    wanted = frozenset(number for number in left & _union(free) if symptoms[number].port not in dim)
    free = _trimmed(free, wanted, dim)
    sets = _cheapest(free, wanted)
    if not sets:
        return []
    price, best = sets[0]
    groups = {id(each): [each] for each in best}
    for cost, some in sets[1:]:
        for other in some if cost <= price + NEAR else ():
            if not any(other is known for group in groups.values() for known in group):
                nearest = max(best, key=lambda each: len(each.covers & other.covers & wanted))
                groups[id(nearest)].append(other)
    return [tuple(group) for group in groups.values()]


def _dim(free: list[Suspect], left: frozenset[int], symptoms: tuple[Test, ...]) -> frozenset[int]:
    """The lanes that have a symptom which nobody explains: nothing is said of them but the hop."""
    some = _union(free)
    return frozenset(symptoms[number].port for number in left - some if symptoms[number].port)


def _trimmed(free: list[Suspect], wanted: frozenset[int], dim: frozenset[int]) -> list[Suspect]:
    """Suspects without the lanes of which only the hop is known, and with what is wanted of what they explain."""
    kept = []
    for each in free:
        if not each.covers & wanted:
            continue
        ports = tuple(port for port in each.scope.ports if port not in dim)
        kept.append(
            Suspect(each.mode, Scope(ports, each.scope.family, each.scope.addresses), each.proof, each.covers & wanted)
        )
    return kept


def _cheapest(free: list[Suspect], wanted: frozenset[int]) -> list[tuple[float, tuple[Suspect, ...]]]:
    """Minimal sets of at most MOST suspects that explain everything wanted, the cheapest first."""
    found: list[tuple[float, tuple[Suspect, ...]]] = []
    by_symptom = {number: sorted((s for s in free if number in s.covers), key=lambda s: s.cost) for number in wanted}
    if not wanted or not all(by_symptom.values()):
        return []
    steps, best = 0, float("inf")

    def search(chosen: tuple[Suspect, ...], cost: float, rest: frozenset[int]) -> None:
        nonlocal steps, best
        steps += 1
        if not rest:
            found.append((cost, chosen))
            best = min(best, cost)
            return
        if len(chosen) == MOST or steps > BUDGET:
            return
        hardest = min(rest, key=lambda number: (len(by_symptom[number]), number))
        for suspect in by_symptom[hardest]:
            price = cost + suspect.cost + (1.0 if chosen else 0.0)
            if price <= best + NEAR:
                search((*chosen, suspect), price, rest - suspect.covers)

    search((), 0.0, wanted)
    found.sort(key=lambda each: each[0])
    return [
        each for number, each in enumerate(found) if not any(_within_set(other[1], each[1]) for other in found[:number])
    ]


def _within_set(small: tuple[Suspect, ...], large: tuple[Suspect, ...]) -> bool:
    return all(any(each is other for other in large) for each in small)


def _cause(suspects: tuple[Suspect, ...], covers: frozenset[int], symptoms: tuple[Test, ...]) -> Cause:
    shown = tuple(symptoms[number] for number in sorted(covers))
    lanes = dict.fromkeys(test.port for test in shown if test.port)  # in the order of the estate, as symptoms are
    ports = tuple(port for port in lanes if port in suspects[0].scope.ports)
    return Cause(suspects, shown, ports or suspects[0].scope.ports)
