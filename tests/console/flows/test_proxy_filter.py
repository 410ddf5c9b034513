"""The filter of the PROXY ports: as whom the proxy comes, what is laid, what is refused, and what is taken back."""

from __future__ import annotations

from pathlib import Path

import pytest

from console.estate.load import load
from console.events import FlowEvent, StepChanged
from console.facts.arrivals import parse
from console.flows import StepContext, registry
from console.flows.proxy_filter.rules import Guard, chain, missing, reached, written
from console.hosts.host import Stream
from console.lab.client import Lab
from console.lab.plan import site_file
from console.runner.session import Session
from tests.console.flows.cases import proxy_filter as case
from tests.console.flows.servers import Machine, Talking
from tests.console.flows.walking import agree, context, ran

GUARDS = (Guard(4, 10025, ("100.64.0.1",)), Guard(4, 10110), Guard(6, 10025))
LISTED = case.FOREIGN.replace("-A DOCKER-USER -s", "-A DOCKER-USER -j COWHAND-PROXY\n-A DOCKER-USER -s")
SH = "#!/bin/sh\n"


def test_the_tables_of_a_container_tell_who_is_connected() -> None:
    four = "   1: FD1616AC:2729 01004064:9C40 01 0000\n   2: 00000000:2729 00000000:0000 0A 0000\n"
    six = "   1: 0000000000000000FFFF0000FD1616AC:2729 0000000000000000FFFF000001004064:9C41 06 0000\n"
    six += "   2: 10FD42FD00000000000000000A000000:2729 B80D0120000000000000000077000000:9C42 01 0000\n"
    assert parse(four + six, 10025) == [("100.64.0.1", 40000), ("100.64.0.1", 40001), ("2001:db8::77", 40002)]
    assert parse(four, 10465) == []


def test_who_is_allowed_passes_and_all_others_are_dropped_port_by_port() -> None:
    match = "-m conntrack --ctstate DNAT --ctorigdstport"
    assert chain(GUARDS, 4) == [
        f"-A COWHAND-PROXY -s 100.64.0.1/32 {match} 10025 --ctdir ORIGINAL -j RETURN",
        f"-A COWHAND-PROXY {match} 10025 --ctdir ORIGINAL -j DROP",
        f"-A COWHAND-PROXY {match} 10110 --ctdir ORIGINAL -j DROP",
    ]
    assert written(GUARDS).splitlines()[1:] == ["4 10025 100.64.0.1", "4 10110 -", "6 10025 -"]


def test_a_chain_that_lacks_a_rule_or_does_not_come_first_is_not_the_filter() -> None:
    whole = LISTED + "\n".join(chain(GUARDS, 4)) + "\n"
    assert missing(whole, GUARDS, 4) == ""
    assert "no rule" in missing(LISTED, GUARDS, 4)
    assert "other rules" in missing(whole.replace("100.64.0.1", "100.64.0.9"), GUARDS, 4)
    assert "other rules" in missing(whole.replace(chain(GUARDS, 4)[-1], ""), GUARDS, 4)
    assert "does not begin with it" in missing(whole.replace("-A DOCKER-USER -j COWHAND-PROXY\n", ""), GUARDS, 4)
    later = whole.replace("-j COWHAND-PROXY\n", "-i eth0 -j ACCEPT\n-A DOCKER-USER -j COWHAND-PROXY\n", 1)
    assert "does not begin with it" in missing(later, GUARDS, 4)


def test_a_chain_that_nothing_leads_to_filters_nothing() -> None:
    assert reached(case.FOREIGN)
    assert not reached(case.FOREIGN.replace("-A FORWARD -j DOCKER-USER\n", ""))


@pytest.mark.parametrize(
    ("path", "text", "words"),
    [
        ("mail/bin/iptables", f"{SH}exit 127\n", "there is no iptables on mailcow"),
        ("mail/bin/iptables", f"{SH}echo '-P FORWARD ACCEPT'\n", "has no chain DOCKER-USER"),
        ("mail/bin/docker", f"{SH}echo '[\"name=rootless\"]'\n", "is rootless"),
        ("mail/run/update", "12 bash ./update.sh\n", "update.sh runs"),
        ("mail/run/up", "dovecot-mailcow 127.0.0.1 14190 14190\n", "no PROXY port is published on mailcow"),
        ("mail/run/up", f"dovecot-mailcow {case.VM} 14190 14190\ndovecot-mailcow :: 14190 14190\n", "passes IPv6 on"),
        ("router", "10.10.10.1", "mailcow sees vps as 10.10.10.1, and that is no address of it"),
    ],
)
async def test_what_is_in_the_way_is_said_before_anything_changes(root: Path, path: str, text: str, words: str) -> None:
    (root / path).write_text(text)
    before = case.end(root)
    said, _ = await ran(case.CASE, root)
    assert words in said
    assert case.end(root) == before


@pytest.mark.parametrize(
    ("source", "words"),
    [(case.TAILNET, "vps itself does not reach 10.10.10.214:14190"), (case.HOME, "here still reaches 14190")],
)
async def test_a_filter_that_shuts_the_proxy_out_or_lets_a_stranger_in_is_taken_back(
    root: Path, monkeypatch: pytest.MonkeyPatch, source: str, words: str
) -> None:
    (_, before), told = case.end(root), case.passes

    def odd(mail: Path, who: str) -> bool:
        filtered = "COWHAND-PROXY" in (mail / case.RULES).read_text()
        return told(mail, who) != (filtered and who == source)

    monkeypatch.setattr(case, "passes", odd)
    said, heard = await ran(case.CASE, root)
    assert words in said + str([event.words for event in heard if isinstance(event, StepChanged)])
    assert_nothing_left(root, before)


async def test_a_filter_behind_which_the_proxy_is_not_greeted_is_taken_back(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (_, before), told = case.end(root), case.accept

    def mute(machine: Machine, source: tuple[str, int], to: tuple[str, int]) -> Stream:
        stream = told(machine, source, to)
        filtered = "COWHAND-PROXY" in (root / "mail" / case.RULES).read_text()
        return Talking(lambda line: "", source, to) if filtered else stream

    monkeypatch.setattr(case, "accept", mute)
    said, _ = await ran(case.CASE, root)
    assert "vps is shut out of 14190" in said
    assert_nothing_left(root, before)


def assert_nothing_left(root: Path, rules: str) -> None:
    files, now = case.end(root)
    assert now == rules, "the rules of others are as they were"
    assert not [path for path in files if "proxy-filter" in path]


async def test_the_filter_comes_first_and_the_rules_of_others_stay_as_they_are(root: Path) -> None:
    before = (root / "mail" / case.RULES).read_text()
    said, _ = await ran(case.CASE, root)
    assert said == "done, and verified"
    rules = (root / "mail" / case.RULES).read_text()
    assert rules.index("-j COWHAND-PROXY") < rules.index("198.51.100.9")
    assert [line for line in rules.splitlines() if "COWHAND" not in line] == before.splitlines()
    assert (await ran(case.CASE, root))[0].startswith("nothing to do")


async def test_a_list_of_flows_dials_nobody(root: Path) -> None:
    assert case.CASE.flow.standing is not None
    world = context(case.CASE, root)
    assert (await case.CASE.flow.standing(world)).state == "needed"
    assert (root / "mail" / case.SEEN).read_text() == ""
    await ran(case.CASE, root)
    seen = (root / "mail" / case.SEEN).read_text()
    world.invalidate()
    assert (await case.CASE.flow.standing(world)).state == "done"
    assert (root / "mail" / case.SEEN).read_text() == seen


async def test_where_the_router_writes_its_own_address_the_lab_that_ships_is_told_to_settle_that_first(
    tmp_path: Path,
) -> None:
    lab = Lab.start_private()
    try:
        lab.wait()
        heard: list[FlowEvent] = []
        world = StepContext(load(site_file()), lab.hosts())
        ending = await Session(registry.find("proxy-filter"), world, agree, heard.append, tmp_path).run()
        assert "sees vps as 10.10.10.1, and that is no address of it" in ending.words
        assert "--snat-subnet-routes=false" in ending.words
        assert lab.status()["mishaps"] == []
    finally:
        lab.close()
