"""A cloned haproxy.cfg has HAProxy load Lua (B5): what is mended runs none of it before the operator said so."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.attacks.clones import Clone, Run, Terminal, clone, have_haproxy, run

__all__ = ["clone", "run"]


HAPROXIES = ["stand-in", *(["haproxy"] if Path("/usr/sbin/haproxy").exists() else [])]

LOADS = [
    "lua-load evil.lua", "lua-load-per-thread evil.lua", '"lua-load" evil.lua', "lua-l'oa'd evil.lua",
    "lua-load evil\\x2elua", ".if defined(HOME)\n    lua-load evil.lua\n.endif",
]  # fmt: skip


@pytest.mark.parametrize("haproxy", HAPROXIES)
@pytest.mark.parametrize("line", LOADS)
def test_lint_fix_runs_no_lua_of_the_file_it_mends(
    clone: Clone, run: Run, haproxy: str, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    have_haproxy(clone, haproxy, monkeypatch)
    clone.plant_lua(line)
    status, _, said = run("lint --fix --yes")
    assert status in (0, 1)
    assert clone.marks() == []
    assert "HAProxy was not asked whether it takes this, for haproxy.cfg:2 (" in said
    assert "and this folder is not trusted (see cowhand trust)" in said
    assert "timeout connect" in (clone.folder / "haproxy.cfg").read_text()


@pytest.mark.parametrize("haproxy", HAPROXIES)
def test_with_a_trust_haproxy_checks_it_and_a_pull_of_other_lua_needs_a_new_yes(
    clone: Clone, run: Run, haproxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    have_haproxy(clone, haproxy, monkeypatch)
    clone.plant_lua()
    before = (clone.folder / "haproxy.cfg").read_text()
    assert "haproxy.cfg:2: lua-load evil.lua" in run("trust --yes")[1]
    run("lint --fix --yes")
    assert clone.marks() == ["lua"]  # which proves that the attack above is one
    (clone.top / "pwned-lua").unlink()
    (clone.folder / "haproxy.cfg").write_text(before)
    (clone.folder / "evil.lua").write_text((clone.folder / "evil.lua").read_text() * 2)
    assert "evil.lua has changed since this folder was trusted" in run("lint --fix --yes")[2]
    (clone.folder / "haproxy.cfg").write_text(before.replace("lua-load", "lua-prepend-path /x\n    lua-load"))
    assert "what it would run has changed since" in run("lint --fix --yes")[2]
    assert clone.marks() == []


def test_lua_that_the_loaded_lua_may_load_counts_too(clone: Clone, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    have_haproxy(clone, "stand-in", monkeypatch)
    clone.plant_lua()
    assert run("trust --yes")[0] == 0
    (clone.folder / "lib").mkdir()
    (clone.folder / "lib/more.lua").write_text("x = 1\n")
    assert "lib/more.lua has changed since this folder was trusted" in run("lint --fix --yes")[2]
    assert clone.marks() == []


def test_a_plain_file_is_checked_without_a_question_more(
    clone: Clone, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone.program(clone.bin / "haproxy", f'#!/bin/sh\necho "$*" >>{clone.top}/asked\n')
    assert "was not asked" not in run("lint --fix --yes")[2]
    assert (clone.top / "asked").read_text().splitlines() == [f"-c -f {clone.folder}/haproxy.cfg"] * 2


def test_the_question_of_lint_fix_names_the_command(clone: Clone, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    clone.program(clone.bin / "haproxy", "#!/bin/sh\n")
    monkeypatch.setattr(sys, "stdin", Terminal("n\n"))
    command = f"{clone.bin}/haproxy -c -f {clone.folder}/haproxy.cfg"
    assert f"write haproxy.cfg, and have it checked by {command}? [y/N]" in run("lint --fix")[2]
