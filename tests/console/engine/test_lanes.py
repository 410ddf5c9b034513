"""What a flow sees of the lanes: real servers on loopback, before and after one of them is stopped."""

from __future__ import annotations

from collections import deque
from pathlib import Path

from console.engine import lanes
from console.engine.vantages import Vantages
from console.estate.load import load
from console.hosts.local import Local
from console.runner.context import StepContext
from tests.console.engine.test_sweeps import a_mail_server


def site(folder: Path, *ports: int) -> Path:
    path = folder / "site.toml"
    rows = [f'[[lane]]\nport = {port}\nprotocol = "smtp"\ntarget = "127.0.0.1:25"\n' for port in ports]
    path.write_text('[public]\nnames = ["127.0.0.1"]\n' + "".join(rows))
    return path


async def test_a_flow_sees_which_lanes_answer_at_that_moment(tmp_path: Path) -> None:
    async with a_mail_server() as one, a_mail_server() as two:
        async with a_mail_server() as gone:
            pass
        context = StepContext(load(site(tmp_path, one, two, gone)), {})
        lanes.attach(context, Vantages({"here": Local()}, {"proxy": "no way in", "mail": "no way in"}, deque()))
        assert context.lanes is not None
        seen = dict(await context.lanes())
        assert seen == {f"{one}/smtp": "ok", f"{two}/smtp": "ok", f"{gone}/smtp": "failed"}


async def test_a_flow_that_read_its_files_again_sees_their_lanes(tmp_path: Path) -> None:
    async with a_mail_server() as one, a_mail_server() as two:
        context = StepContext(load(site(tmp_path, one)), {})
        lanes.attach(context, Vantages({"here": Local()}, {}, deque()))
        assert context.lanes is not None
        assert [lane for lane, _ in await context.lanes()] == [f"{one}/smtp"]
        context.estate = load(site(tmp_path, one, two))
        assert {lane for lane, _ in await context.lanes()} == {f"{one}/smtp", f"{two}/smtp"}
