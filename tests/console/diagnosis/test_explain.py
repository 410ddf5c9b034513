"""How symptoms are explained, by tables of a few made-up suspects: who is told, and who is left out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from console.answers import Asked, Ping
from console.diagnosis.explain import MOST, NEAR, Explanation, explain
from console.diagnosis.mode import Fact, Mode, Proof, Scope, row
from console.diagnosis.world import World
from console.model import Topology
from console.observation import LaneData, SweepData
from tests.console.diagnosis.cases import a_lane
from tests.console.diagnosis.test_symptoms import a_ladder

V4, V6 = "203.0.113.10", "2001:db8::1"
TARGETS = {25: 10025, 465: 10465, 587: 10587, 993: 10993, 4190: 14190}


def a_world(lost: Iterable[str] = (), **lanes: Any) -> World:
    """A world of lanes by port (`_993`): a dict of parts, or one cause for both public addresses ("" is well)."""
    found = {}
    for name, parts in lanes.items():
        lane = a_lane(int(name[1:]), "v2", TARGETS[int(name[1:])])
        if isinstance(parts, str):
            parts = {"public": {each: a_ladder(parts, protocol=lane.protocol, address=each) for each in (V4, V6)}}
        found[lane.id] = LaneData(lane, **parts)
    asked = Asked(pings={who: Ping("10.0.0.1", 2, 0) for who in lost})
    return World(SweepData(Topology(lanes=tuple(each.lane for each in found.values())), found, asked=asked))


def each_lane(world: World) -> list[Scope]:
    return [Scope((port,)) for port in world.lanes]


def on(*ports: int, family: int = 0, addresses: frozenset[str] = frozenset()) -> Callable[[World], list[Scope]]:
    return lambda world: [Scope(ports, family, addresses)]


def says(holds: bool | None, cost: float | None = None, *, beside: bool = True, **given: str) -> Fact:
    return lambda world, scope: Proof(holds, ("a fact",), given, cost, beside)


def a_mode(id: str, fact: Fact | bool | None = None, cost: float = 1.0, scope: Any = each_lane,
           covers: str = "talk here", **parts: Any) -> Mode:  # fmt: skip
    fact = fact if callable(fact) else says(fact)
    return row(id, id, cost, "vm", scope, covers=covers, fact=fact, finding="CH070", **parts)


def told(world: World, *modes: Mode) -> list[tuple[bool, tuple[int, ...], list[str]]]:
    """Each cause: whether it is proven, on which ports, and its suspects."""
    found: Explanation = explain(world, modes)
    return [(each.proven, each.ports, [suspect.mode.id for suspect in each.suspects]) for each in found.causes]


SILENT = a_world(_993="silent", _25="")


def test_a_proven_cause_has_no_rivals_and_what_is_disproven_is_none() -> None:
    assert told(SILENT, a_mode("a/b"), a_mode("p/q", True), a_mode("n/o", False)) == [(True, (993,), ["p/q"])]
    assert told(SILENT, a_mode("n/o", False)) == []
    assert [test.port for test in explain(SILENT, [a_mode("n/o", False)]).unexplained] == [993, 993]


def test_two_lanes_of_which_one_suspect_is_proven_leave_the_other_to_its_rivals() -> None:
    world = a_world(_993="silent", _25="silent")
    modes = a_mode("p/q", True, scope=on(993)), a_mode("p/r", scope=on(993)), a_mode("a/b", scope=on(25))
    assert told(world, *modes) == [(True, (993,), ["p/q"]), (False, (25,), ["a/b"])]


def test_where_haproxy_is_stopped_nothing_else_of_it_is_guessed() -> None:
    world = a_world(_993="silent", _25="silent")
    stopped = a_mode("haproxy-process/stopped", True, scope=on(993))
    rivals = a_mode("haproxy-server/some", scope=on(25)), a_mode("vm/some", scope=on(25))
    assert told(world, stopped, *rivals) == [(True, (993,), [stopped.id]), (False, (25,), ["vm/some"])]
    assert told(world, a_mode("haproxy-server/full", True, scope=on(993)), *rivals)[1][2] == [
        "haproxy-server/some", "vm/some",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("costs", "beside"),
    [((1.0, 1.0 + NEAR), True), ((1.0, 1.0 + NEAR + 0.01), False), ((1.0 + NEAR, 1.0), True)],
)
def test_a_rival_that_is_much_less_likely_is_not_said(costs: tuple[float, float], beside: bool) -> None:
    modes = [a_mode(f"a/{number}", cost=cost) for number, cost in enumerate(costs)]
    (found,) = told(SILENT, *modes)
    assert len(found[2]) == 1 + beside
    assert found[2][0] == f"a/{costs.index(min(costs))}"
    hinted = a_mode("a/hinted", says(None, 0.1), cost=3.0)
    assert told(SILENT, a_mode("a/b", cost=1.0), hinted)[0][2] == ["a/hinted", "a/b"]  # a fact made it likelier


def test_two_suspects_cost_one_more_than_one_that_explains_both_lanes() -> None:
    world = a_world(_993="silent", _25="silent")
    apart = a_mode("a/993", cost=0.5, scope=on(993)), a_mode("a/25", cost=0.5, scope=on(25))
    both = a_mode("a/both", cost=1.9, scope=on(25, 993))
    assert told(world, *apart, both)[0][2][0] == "a/both"  # 1.9 against 0.5 + 0.5 + 1
    dearer = a_mode("a/both", cost=2.1, scope=on(25, 993))
    assert [each[2][0] for each in told(world, *apart, dearer)] == ["a/993", "a/25"]


@pytest.mark.parametrize(("lanes", "explained"), [(MOST, True), (MOST + 1, False)])
def test_what_needs_more_than_three_suspects_is_not_explained(lanes: int, explained: bool) -> None:
    ports = [25, 465, 587, 993][:lanes]
    world = a_world(**{f"_{port}": "silent" for port in ports})
    found = told(world, *(a_mode(f"a/{port}", cost=0.1, scope=on(port)) for port in ports))
    assert bool(found) is explained
    assert len(found) == (lanes if explained else 0)


def test_a_lane_with_a_symptom_that_nobody_explains_has_no_suspects() -> None:
    odd = {"public": {V4: a_ladder("silent"), V6: a_ladder("tls", address=V6)}}
    world = a_world(_993=odd, _4190="silent")
    modes = a_mode("a/b", covers="talk here: silent"), a_mode("a/c", covers="talk here: silent", scope=on(993, 4190))
    assert [each[:2] for each in told(world, *modes)] == [(False, (4190,))]
    assert {test.outcome for test in explain(world, modes).unexplained} == {"silent", "tls"}


def test_what_it_forbids_or_needs_clears_a_suspect_and_what_nobody_tried_does_not() -> None:
    sick = {"public": {V4: a_ladder("silent")}}
    well_behind = a_world(_993={**sick, "vm": a_ladder()})
    ill_behind = a_world(_993={**sick, "vm": a_ladder("silent")})
    untried = a_world(_993=sick)
    forbids, needs = a_mode("a/f", forbids="talk vm"), a_mode("a/n", needs="talk vm")
    assert told(well_behind, forbids) == []
    assert [each[2] for each in told(untried, forbids)] == [["a/f"]]
    assert [each[2] for each in told(well_behind, needs)] == [["a/n"]] == [each[2] for each in told(untried, needs)]
    more = "talk here,vm"
    assert [each[2] for each in told(ill_behind, a_mode("a/f", covers=more, forbids="talk vm"))] == [["a/f"]]
    assert told(ill_behind, a_mode("a/n", covers=more, needs="talk vm")) == []


# ── families and addresses ──────────────────────────────────────────────────────────────────────────────────────────


def test_a_suspect_of_one_family_explains_that_family_from_outside_and_all_behind() -> None:
    one = {"public": {V4: a_ladder(), V6: a_ladder("silent", address=V6)}}
    modes = a_mode("f/6", scope=on(993, family=6)), a_mode("f/4", scope=on(993, family=4))
    assert told(a_world(_993=one), *modes) == [(False, (993,), ["f/6"])]
    only_well = a_mode("f/6", scope=on(993, family=6), forbids="talk here")
    assert [each[2] for each in told(a_world(_993=one), only_well)] == [["f/6"]]  # IPv4's pass clears nothing of IPv6
    behind = {"vm": a_ladder("silent", address="10.10.10.214")}
    assert told(a_world(_993=behind), a_mode("f/6", scope=on(993, family=6), covers="talk vm")) != []


def test_a_suspect_of_an_address_explains_what_came_from_there() -> None:
    one = {"public": {V4: a_ladder("silent"), "203.0.113.11": a_ladder("", address="203.0.113.11")}}
    here, there = (a_mode(f"a/{x}", scope=on(993, addresses=frozenset((x,)))) for x in (V4, "203.0.113.11"))
    assert told(a_world(_993=one), there, here) == [(False, (993,), [here.id])]
    cleared = a_mode("a/x", scope=on(993, addresses=frozenset((V4,))), forbids="talk here")
    assert told(a_world(_993=one), cleared) != []


def test_where_dovecot_s_logins_hang_postfix_s_submission_does_too() -> None:
    world = a_world(_993="silent", _465="silent", _25="")
    auth = a_mode("d/auth", scope=lambda w: [Scope((993,))], covers="talk here; logins talk here")
    found = explain(world, [auth])
    assert {test.port for test in found.causes[0].symptoms} == {993, 465}
    plain = a_mode("d/plain", scope=on(993))
    assert {test.port for test in explain(world, [plain]).causes[0].symptoms} == {993}
    of_postfix = a_mode("p/auth", scope=on(25), covers="logins talk here")
    assert explain(world, [of_postfix]).causes == ()


# ── merged, spread, beside ──────────────────────────────────────────────────────────────────────────────────────────


def test_one_cause_on_many_lanes_is_one_but_two_daemons_are_two() -> None:
    world = a_world(_993="silent", _4190="silent", _25="silent")
    (one,) = told(world, a_mode("a/b", True))
    assert one[1] == (993, 4190, 25)
    named = a_mode("a/b", lambda w, scope: Proof(True, (f"{scope.ports[0]}",), {"daemon": w.daemon(scope.ports[0])}))
    assert sorted(each[1] for each in told(world, named)) == [(25,), (993, 4190)]
    (cause,) = (each for each in explain(world, [named]).causes if 993 in each.ports)
    assert cause.suspects[0].proof.words == ("993", "4190")


def test_proven_on_one_lane_it_is_taken_for_the_cause_on_others_that_fit() -> None:
    world = a_world(_993="silent", _4190="silent", _25="silent")
    fact: Fact = lambda w, scope: Proof(True if scope.ports == (993,) else None)  # noqa: E731
    other = a_mode("o/p", True, scope=on(25))
    found = told(world, a_mode("a/b", fact, spreads=True), other)
    assert (True, (993, 4190), ["a/b"]) in found and (True, (25,), ["o/p"]) in found
    assert (True, (993,), ["a/b"]) in told(world, a_mode("a/b", fact), other)


def test_of_proven_ones_that_explain_the_same_the_likelier_is_told_and_one_that_stands_is_told_beside_it() -> None:
    cheap, dear = a_mode("c/c", True, cost=0.5), a_mode("d/d", True, cost=1.0)
    assert told(SILENT, dear, cheap) == [(True, (993,), ["c/c"])]
    beside = a_mode("d/d", True, cost=1.0, stands="beside")
    assert [each[2] for each in told(SILENT, cheap, beside)] == [["c/c"], ["d/d"]]
    weak = a_mode("d/d", says(True, beside=False), cost=1.0, stands="beside")
    assert [each[2] for each in told(SILENT, cheap, weak)] == [["c/c"]]


def test_one_that_explains_nothing_of_a_lane_is_told_where_a_fact_shows_it_and_it_may_stand_by_itself() -> None:
    lost = a_world(("vm",), _993="silent", _25="")
    for world in (lost, a_world(_993="", _25="")):
        for stands, ports in (("apart", ()), ("beside", (993,))):
            assert told(world, a_mode("q/a", True, scope=on(993), covers="ping host", stands=stands)) == [
                (True, ports, ["q/a"])
            ]
            assert told(world, a_mode("q/a", None, scope=on(993), covers="ping host", stands=stands)) == []
            weak = says(True, beside=False)
            assert told(world, a_mode("q/a", weak, scope=on(993), covers="ping host", stands=stands)) == []
        assert told(world, a_mode("q/a", True, covers="ping host")) == []
    after = a_mode("q/b", True, scope=on(993))
    first = a_mode("q/a", True, scope=lambda world: [Scope(()), Scope((25,)), Scope((993,))])
    assert [each[2] for each in told(lost, first)] == [["q/a"]] == [[each[2][0]] for each in told(lost, first, after)]


def test_a_suspect_that_two_others_make_needless_is_left_out() -> None:
    world = a_world(_993="silent", _4190="silent", _25="silent")
    middle = a_mode("m/m", True, cost=0.1, scope=on(993, 4190))
    left, right = a_mode("l/l", True, cost=0.2, scope=on(993, 25)), a_mode("r/r", True, cost=0.3, scope=on(4190, 25))
    assert [each[2][0] for each in told(world, middle, left, right)] == ["m/m", "l/l"]
