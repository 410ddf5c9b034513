"""first-setup: which parts it has for a site, a mail host that comes later, and what it says is left."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from console.errors import NoWayIn
from console.estate.load import load
from console.flows import StepContext, registry
from console.flows.first_setup.report import Left, outside, records
from console.flows.first_setup.steps import PARTS, Reach, needless
from console.hosts.host import Completed, Host
from console.lab.plan import site_file
from console.model import Outcome
from console.runner.context import Surroundings
from tests.console.flows.test_faults import listed

ETH0 = "2: eth0    inet {} scope global eth0 \\       valid_lft forever preferred_lft forever\n"


class Machine:
    """Stands for a host that has addresses, a way to look names up, and nothing else."""

    def __init__(self, name: str, role: str, addresses: Sequence[str] = (), names: Sequence[str] = ()) -> None:
        self.name, self.role, self.addresses, self.names = name, role, addresses, names

    async def run(self, argv: Sequence[str], timeout: float, cap: int = 1 << 20) -> Completed:
        if argv[0] == "ip":
            return Completed(0, "".join(ETH0.format(each) for each in self.addresses).encode(), b"")
        if argv[:2] == ["getent", "hosts"] and self.names:
            told = f"{argv[2]} {self.names[0]}\n" if len(self.names[0]) > 1 else ""
            return Completed(0 if told else 2, told.encode(), b"")
        return Completed(127, b"", b"not found")

    async def resolve(self, name: str) -> tuple[str, ...]:
        return ("203.0.113.10",)


def world(**machines: Machine) -> StepContext:
    hosts: dict[str, Host] = {**machines}  # type: ignore[dict-item]
    return StepContext(load(site_file()), hosts)


def test_the_parts_come_in_the_order_in_which_they_need_each_other() -> None:
    parts = registry.find("first-setup").steps(world())
    assert [each.name for each in parts] == [PARTS[0], "reach", *PARTS[1:], "report"]
    names = [each.name for each in listed(registry.find("first-setup"), world())]
    assert names.index("mount") < names.index("clone") < names.index("ports") < names.index("listeners")


def test_a_part_that_the_site_says_too_little_for_is_left_out_in_words(tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text("")
    bare = StepContext(load(tmp_path / "site.toml"), {})
    assert {name for name in PARTS if needless(bare, name)} == {
        "haproxy-listeners", "certificate-sync", "prove-client-address",
    }  # fmt: skip
    assert {name for name in PARTS if needless(world(), name)} == set()


async def test_a_mail_host_that_was_just_made_is_reached_by_reading_the_site_again() -> None:
    there = Machine("mailcow", "mail", ["10.10.10.214/24"])
    estate = load(site_file())

    async def renewal() -> Surroundings:
        return Surroundings(estate, {"mail": there}, {})  # type: ignore[dict-item]

    found = await Reach().check(StepContext(estate, {}, renewal=renewal))
    assert found.words == "mailcow answers; it has 10.10.10.214"
    with pytest.raises(NoWayIn):
        await Reach().check(StepContext(estate, {}))


@pytest.mark.parametrize(
    ("names", "wish"),
    [
        (["mail.benoit.jp.net"], None),
        (["vps.example.net"], "(now: vps.example.net)"),
        (["-"], "(now: none)"),
        ([], "(not looked up: vps has no getent)"),
    ],
)
async def test_the_report_says_which_records_are_to_be_added(names: list[str], wish: str | None) -> None:
    vps = Machine("vps", "proxy", ["203.0.113.10/24", "10.0.0.5/24"], names)
    context = world(proxy=vps, here=Machine("here", "here"))

    async def lanes() -> Sequence[tuple[str, Outcome]]:
        return [("25/smtp", "ok"), ("993/imaps", "failed")]

    context.lanes = lanes
    found = await Left().check(context)
    assert found.evidence[:2] == ("well, from here to the service: 25/smtp", "not well: 993/imaps (failed)")
    pointers = [row for row in found.evidence if row.startswith("PTR")]
    wanted = f"PTR, set where 203.0.113.10 was rented: 203.0.113.10 → mail.benoit.jp.net.  {wish}"
    assert pointers == ([] if wish is None else [wanted])
    assert found.words == f"{len(found.evidence) - 2} things are left for other hands"
    assert not any(" A " in row for row in found.evidence), "the name has its address"


async def test_an_address_that_a_name_lacks_is_to_be_added_and_what_cannot_be_seen_is_said() -> None:
    vps = Machine("vps", "proxy", ["198.51.100.9/24"], ["mail.benoit.jp.net"])
    found = await Left().check(world(proxy=vps, here=Machine("here", "here")))
    assert found.evidence[0] == "how the lanes are cannot be told here: cowhand check"
    row = "DNS: mail.benoit.jp.net. A 198.51.100.9  (this machine finds 203.0.113.10)"
    assert row in found.evidence
    away = await Left().check(world(here=Machine("here", "here")))
    assert any("the proxy has no address that the Internet reaches" in row for row in away.evidence)


def test_records_are_of_the_domain_above_the_host() -> None:
    rows = records("mail.example.org")
    assert "DNS, not looked up here: example.org. MX 10 mail.example.org." in rows
    assert [outside(each) for each in ("10.1.2.3", "100.64.0.1", "fd00::1", "203.0.113.10", "2a01::1")] == [
        False, False, False, True, True,
    ]  # fmt: skip
