"""Which host a name or a role means, and what is kept between two changes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from console.errors import NoWayIn
from console.estate.load import load
from console.flows import StepContext
from console.hosts.host import Completed
from console.hosts.local import Local
from console.runner.read_only import Forbidden
from tests.console.flows.playing import SITE


def context(tmp_path: Path, *hosts: Local, missing: dict[str, str] | None = None) -> StepContext:
    (tmp_path / "site.toml").write_text(SITE)
    return StepContext(load(tmp_path / "site.toml"), {host.name: host for host in hosts}, missing)


def test_a_host_is_meant_by_its_name_or_by_a_role_that_it_alone_has(tmp_path: Path) -> None:
    found = context(tmp_path, Local("vps", "proxy"), Local("cow", "mail"))
    assert (found.key("vps"), found.key("mail"), found.name("proxy")) == ("vps", "cow", "vps")


def test_a_role_that_several_hosts_have_is_a_query_and_no_host(tmp_path: Path) -> None:
    found = context(tmp_path, Local("one", "proxy"), Local("cow", "mail"), Local("two", "proxy"))
    assert found.named("proxy") == ("one", "two")
    assert found.key("two") == "two"
    with pytest.raises(NoWayIn, match='"proxy" means more than one host: one, two'):
        found.machine("proxy")


@pytest.mark.parametrize(
    ("hosts", "means"),
    [
        ((Local("mail", "mail"),), "mail"),
        ((Local("mail", "mail"), Local("second", "mail")), "mail"),
        ((Local("mail", "proxy"),), "mail"),
        ((Local("mail", "proxy"), Local("cow", "mail")), None),
    ],
)
def test_a_host_that_is_called_like_a_role(tmp_path: Path, hosts: Sequence[Local], means: str | None) -> None:
    found = context(tmp_path, *hosts)
    if means is not None:
        assert found.key("mail") == means
        return
    with pytest.raises(NoWayIn, match='"mail" means more than one host: cow, mail'):
        found.key("mail")


def test_a_missing_host_has_its_reason(tmp_path: Path) -> None:
    found = context(tmp_path, Local("vps", "proxy"), missing={"cow": "no way in to cow: ssh is not set"})
    for which, why in (("cow", "ssh is not set"), ("mail", 'no host has role = "mail"'), ("ox", 'has no host "ox"')):
        with pytest.raises(NoWayIn, match=why):
            found.machine(which)
    assert found.name("mail") == "mail"


class Counted(Local):
    """Counts what it is asked."""

    asked = 0

    async def run(self, argv: Sequence[str], timeout: float, cap: int = 1 << 20) -> Completed:
        self.asked += 1
        return await super().run(argv, timeout, cap)


async def test_what_is_read_is_kept_until_something_changes_and_only_while_a_step_looks(tmp_path: Path) -> None:
    host = Counted("cow", "mail")
    found = context(tmp_path, host)
    counts = []
    for keeping, fresh in ((False, False), (True, False), (True, False), (True, True)):
        found.keeping = keeping
        await found.host("cow", fresh).run(["id", "-u"], 10)
        counts.append(host.asked)
    assert counts == [1, 2, 2, 3]
    found.invalidate()
    await found.host("cow").run(["id", "-u"], 10)
    assert host.asked == 4


async def test_a_host_that_is_read_can_never_be_written(tmp_path: Path) -> None:
    found = context(tmp_path, Local("cow", "mail"))
    with pytest.raises(Forbidden):
        await found.host("cow").write(str(tmp_path / "x"), b"")
    with pytest.raises(Forbidden):
        await found.host("cow").run(["touch", str(tmp_path / "x")], 10)
    assert not (tmp_path / "x").exists()
