"""How a cause is put into words: its lanes, its names, what tells rivals apart, and how grave it is."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from console.answers import Server, Stats
from console.diagnosis.conclude import MOST, RIVALS, conclude, seen_on
from console.diagnosis.explain import Cause, Explanation, Suspect
from console.diagnosis.mode import Mode, Pattern, Proof, Scope
from console.diagnosis.symptoms import Test
from console.diagnosis.world import World
from console.model import Finding, HopName, Target, Topology
from console.observation import LaneData, SweepData
from tests.console.diagnosis.cases import a_lane, certificate, ladder

PORTS = (25, 993)


def a_world(stats: Stats | None = None, *, served: tuple[int, ...] = ()) -> World:
    """Two lanes; those in `served` answer their clients, the others hang up at once."""
    lanes = {}
    for port, target in zip(PORTS, (10025, 10993), strict=True):
        lane = a_lane(port, "v1", target)
        word = "ok" if port in served else "closed 0.1"
        public = {"203.0.113.1": ladder(word, "203.0.113.1", port, lane.protocol, None, certificate(60))}
        lanes[lane.id] = LaneData(lane, public)
    topology = Topology(lanes=tuple(each.lane for each in lanes.values()))
    return World(SweepData(topology, lanes, {"here": "laptop", "proxy": "vps", "mail": "box"}, stats=stats))


def mode(words: str = "it broke", **parts: object) -> Mode:
    given: dict[str, object] = {"finding": "CH070", "id": "daemon/some", "hop": "vm", "cost": 1.0, **parts}
    return Mode(words=words, scope=lambda world: [], covers=Pattern(), forbids=Pattern(),
                fact=lambda world, scope: Proof(), **given)  # type: ignore[arg-type]  # fmt: skip


def closed(*ports: int) -> tuple[Test, ...]:
    return tuple(Test("talk", "here", "closed-0", port) for port in ports)


def told(world: World, *modes: Mode, ports: tuple[int, ...] = (993,), proof: Proof | None = None,
         scope: tuple[int, ...] | None = None, symptoms: tuple[Test, ...] | None = None) -> list[Finding]:  # fmt: skip
    """Conclude one cause of these rivals; one with a proof is proven."""
    some = Scope(ports if scope is None else scope)
    suspects = tuple(Suspect(each, some, proof or Proof(), frozenset()) for each in modes)
    cause = Cause(suspects, closed(*ports) if symptoms is None else symptoms, ports)
    return conclude(world, Explanation((cause,)))


PROVEN = Proof(True, ("ss: nobody listens",))


def test_with_more_rivals_than_a_sentence_can_name_only_the_hop_is_known() -> None:
    rivals = [mode(f"reason {number}") for number in range(RIVALS + 1)]
    (found,) = told(a_world(), *rivals[:RIVALS])
    assert found.summary.endswith("reason 3; or reason 4; or something not known here")
    assert told(a_world(), *rivals) == []
    assert len(told(a_world(), *rivals, proof=PROVEN)) == 1  # a proven one has no rivals


@pytest.mark.parametrize(
    ("names", "ports", "scope", "says"),
    [
        ("{lanes}", (25, 993), (25, 993), "lanes 25 and 993"),
        ("{lanes}", (25, 993), (993,), "lane 993"),  # of the symptoms' lanes those where this may hold
        ("{lanes}", (993,), (25,), "lane 993"),  # where it may hold on none of them, theirs
        ("{every}", (25, 993), (25, 993), "every lane"),
        ("{every}", (993,), (993,), "lane 993"),
        ("{daemon}", (25, 993), (25, 993), "postfix and dovecot"),
        ("{target}", (25, 993), (25, 993), "10025 and 10993"),
        ("{ports}", (993,), (993,), "port 993"),
        ("{ports}", (25, 993), (25, 993), "ports 25 and 993"),
        ("{server}", (993,), (993,), "imaps/mailcow"),
        ("{nothing}", (993,), (993,), "?"),
        ("word " * 300, (993,), (993,), ("word " * 180).strip() + "…"),
    ],
)
def test_words_are_filled_with_the_lanes_of_the_suspect(
    names: str, ports: tuple[int, ...], scope: tuple[int, ...], says: str
) -> None:
    (found,) = told(a_world(), mode(names), ports=ports, scope=scope, proof=PROVEN)
    assert found.summary == says


def test_a_server_is_named_by_haproxy_s_own_row_where_no_file_has_it() -> None:
    world = a_world(Stats((Server("web", "nginx", "UP", "L4OK", ""),)))
    lane = world.lanes[993].lane
    world.lanes[993].lane = replace(lane, proxy="", protocol="https")
    assert told(world, mode("{server}"), proof=PROVEN)[0].summary == "web/nginx"
    world.lanes[993].lane = replace(lane, proxy="")
    assert told(world, mode("{server}"), proof=PROVEN)[0].summary == "of these lanes"


def test_a_port_that_no_file_gives_is_not_called_0() -> None:
    world = a_world()
    lane = world.lanes[993].lane
    for target in (Target("10.10.10.214", 0, lane.source), None):
        world.lanes[993].lane = replace(lane, target=target)
        assert told(world, mode("{target}"), proof=PROVEN)[0].summary == "the port"


def test_rivals_say_what_would_tell_them_apart_each_once() -> None:
    one, other = mode("a", tells="ss on {mail}"), mode("b", tells="ss on {mail}")
    (found,) = told(a_world(), one, other, mode("c", tells="its log"))
    assert found.remedy == "to tell: ss on box; its log"
    assert found.summary == "lane 993: hung up at once from here. Either a; or b; or c; or something not known here"
    (found,) = told(a_world(), mode("a"))
    assert found.remedy == "look at the evidence of these lanes"


@pytest.mark.parametrize(
    ("finding", "served", "ports", "severity"),
    [
        ("CH070", (), (993,), "critical"),
        ("CH070", (993,), (993,), "high"),  # some clients of it are served
        ("CH070", (993,), (25, 993), "critical"),  # of one of its lanes none is
        ("CH070", (25, 993), (), "critical"),  # it is of no lane
        ("CH055", (993,), (993,), "medium"),  # what is less grave stays so
    ],
)
def test_what_breaks_only_some_clients_is_less_grave(
    finding: str, served: tuple[int, ...], ports: tuple[int, ...], severity: str
) -> None:
    (found,) = told(a_world(served=served), mode(finding=finding), ports=ports, proof=PROVEN)
    assert found.severity == severity


@pytest.mark.parametrize(
    ("kins", "ports", "id"),
    [
        (("CH016 CH031", "CH031"), (25, 993), "CH031"),  # nobody answers on any lane: that is what they share
        (("CH016 CH031", "CH031 CH016"), (993,), "CH016"),  # of one lane it cannot be said
        (("CH016", "CH016 CH031"), (993,), "CH016"),
        (("CH016", "CH021"), (993,), "CH032"),
        (("CH028", "CH028"), (993,), "CH032"),  # port 25 is another matter
        (("CH028", "CH028"), (25,), "CH028"),
    ],
)
def test_rivals_go_by_the_name_that_they_share(kins: tuple[str, ...], ports: tuple[int, ...], id: str) -> None:
    (found,) = told(a_world(), *(mode(kin=kin) for kin in kins), ports=ports)
    assert found.id == id


def test_a_remedy_that_nobody_knows_is_the_catalogue_s() -> None:
    usual = told(a_world(), mode(), proof=PROVEN)[0].remedy
    assert usual and "listener" in usual
    assert told(a_world(), mode(remedy="restart {daemon}"), proof=PROVEN)[0].remedy == "restart dovecot"
    trust = mode(finding="CH001", remedy="haproxy_trusted_networks = {peer}")
    assert "= 10.0.0.9" in (told(a_world(), trust, proof=replace(PROVEN, given={"peer": "10.0.0.9"}))[0].remedy or "")
    assert "=  " not in (told(a_world(), trust, proof=PROVEN)[0].remedy or "")  # whom to trust is not known


def test_evidence_is_what_proves_it_then_what_was_seen_and_not_too_much() -> None:
    (found,) = told(a_world(), mode(), proof=Proof(True, (*(f"line {n}" for n in range(4)), "", "x" * 300)))
    assert found.evidence == (
        "line 0", "line 1", "line 2", "line 3", "x" * 199 + "…", "lane 993: hung up at once from here",
    )  # fmt: skip
    (found,) = told(a_world(), mode(), proof=Proof(True, tuple(f"line {n}" for n in range(9))))
    assert found.evidence == tuple(f"line {n}" for n in range(MOST)) and MOST == 6


def test_what_was_seen_is_told_from_the_inside_to_the_outside_each_once() -> None:
    some = (
        Test("check", "haproxy", "down", 993), Test("talk", "here", "silent", 993), Test("talk", "here", "silent", 25),
        Test("talk", "inside", "says-5xx", 993, said="554 no"), Test("ping", "host", "lost"),
        Test("name", "gateway", "odd", 993),
    )  # fmt: skip
    assert seen_on(a_world(), some) == "554 no inside box, HAProxy's check fails and silent from here"
    assert seen_on(a_world(), some[:1]) == "HAProxy's check fails"
    assert seen_on(a_world(), (some[-1], some[1])) == "silent from here and a strange answer"
    assert seen_on(a_world(), (Test("talk", "vm", "says-4xx", 993),)) == "says-4xx from vps to box"
    assert seen_on(a_world(), some[4:5]) == "no answer"  # of no lane


def test_evidence_of_what_broke_no_lane_yet_is_what_proves_it_alone() -> None:
    assert told(a_world(), mode(), proof=PROVEN, symptoms=())[0].evidence == PROVEN.words
    assert told(a_world(), mode(), ports=(), proof=PROVEN, symptoms=closed(993))[0].evidence == PROVEN.words


def test_rivals_have_the_evidence_of_the_likeliest() -> None:
    hint = Proof(None, ("show stat: DOWN",))
    (found,) = told(a_world(), mode(), mode("other"), proof=hint)
    assert found.evidence == ("show stat: DOWN", "lane 993: hung up at once from here")


@pytest.mark.parametrize(
    ("id", "finding", "hop", "where"),
    [
        ("name/astray", "CH036", "public", "laptop"),
        ("here/offline", "CH070", "public", "laptop"),
        ("vps/off", "CH031", "public", "laptop"),
        ("vps/other", "CH070", "public", "vps"),
        ("tunnel/some", "CH016", "tunnel", "vps"),
        ("daemon/some", "CH070", "service", "box"),
        ("haproxy-server/some", "CH050", "haproxy", "haproxy.cfg:993"),
        ("haproxy-check/some", "CH054", "haproxy", "haproxy.cfg:993"),
    ],
)
def test_a_cause_is_at_a_line_of_the_files_or_at_a_machine(id: str, finding: str, hop: HopName, where: str) -> None:
    (found,) = told(a_world(), mode(id=id, finding=finding, hop=hop), proof=PROVEN)
    assert str(found.where) == where


def test_a_port_where_nobody_listens_is_critical_whatever_the_catalogue_says_of_files() -> None:
    assert told(a_world(), mode(finding="CH021"), proof=PROVEN)[0].severity == "critical"


@pytest.mark.parametrize(
    ("symptoms", "hop"),
    [
        ((Test("talk", "inside", "silent", 993), Test("talk", "here", "silent", 993)), "service"),
        ((Test("talk", "vm", "silent", 993), Test("talk", "here", "silent", 993)), "vm"),
        ((Test("connect", "here", "timeout", 993), Test("ping", "host", "lost")), "public"),
        ((Test("connect", "here", "timeout", 993), Test("talk", "here", "silent", 25)), "tunnel"),
        ((Test("connect", "vm", "timeout", 993), Test("talk", "here", "silent", 993)), "tunnel"),
    ],
)
def test_rivals_break_a_lane_where_a_conversation_failed_nearest_to_the_daemon(
    symptoms: tuple[Test, ...], hop: HopName
) -> None:
    (found,) = told(a_world(), mode(id="tunnel/some", hop="tunnel"), symptoms=symptoms)
    assert found.hop == hop


@pytest.mark.parametrize(
    ("id", "hop", "places", "said"),
    [
        ("daemon/some", "vm", ("inside", "here"), "service"),
        ("daemon/some", "service", ("vm", "here"), "vm"),
        ("daemon/some", "service", ("here",), "service"),
        ("vm/off", "vm", ("inside",), "vm"),
    ],
)
def test_a_proven_daemon_fails_where_it_was_asked(id: str, hop: HopName, places: tuple[str, ...], said: str) -> None:
    symptoms = tuple(Test("talk", place, "silent", 993) for place in places)  # type: ignore[arg-type]
    (found,) = told(a_world(), mode(id=id, hop=hop), symptoms=symptoms, proof=PROVEN)
    assert found.hop == said
