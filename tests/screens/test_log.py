"""The log says what was run, and what came of it, at every width."""

from __future__ import annotations

from screens.views.log import folded, split
from tests.screens.house import build, settle
from tests.screens.stage import calm

LONG = "docker compose --project-directory /opt/mailcow-dockerized logs --no-color --no-log-prefix --tail 60 dovecot"


def test_what_differs_in_its_times_alone_is_one_line_the_latest() -> None:
    lines = ["14:00:00  vps  true  status 0  12 ms", "14:00:01  vps  false  status 1  3 ms",
             "14:00:30  vps  true  status 0  15 ms"]  # fmt: skip
    assert folded(lines) == [lines[1], f"{lines[2]} ×2"]


def test_a_line_is_a_command_and_what_came_of_it() -> None:
    assert split("  vps  true  status 0  12 ms ×3") == ("  vps  true", "  status 0  12 ms ×3")
    assert split("  vps  nft list  status 127  9 ms") == ("  vps  nft list", "  status 127, not found  9 ms")
    assert split("  vps  whatever") == ("  vps  whatever", "")


async def test_of_a_long_command_the_result_is_seen_and_y_copies_all_of_them() -> None:
    stage = calm()
    stage.lines = tuple(f"14:00:{second}  mailcow  {LONG}  status 1  {second} ms" for second in (10, 40))
    async with build(stage).run_test(size=(80, 24)) as pilot:
        rows = await settle(pilot, "5")
        assert pilot.app.view.text().count(LONG) == 2  # type: ignore[attr-defined]
    assert rows[3].startswith(" 14:00:40  mailcow  docker compose")
    assert rows[3].endswith("…  status 1  40 ms ×2")
    assert len(rows[3]) <= 80


async def test_a_long_answer_leaves_the_command_half_of_the_row() -> None:
    stage = calm()
    stage.lines = (f"14:00:10  vps  read /etc/haproxy/haproxy.cfg  {'/etc/a/very/long/path ' * 8}is not there  7 ms",)
    async with build(stage).run_test(size=(60, 20)) as pilot:
        rows = await settle(pilot, "5")
    assert rows[3].startswith(" 14:00:10  vps  read /etc/hap")
    assert rows[3].endswith("…  7 ms")
