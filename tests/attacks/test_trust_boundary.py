"""How far around a site a trust looks, whoever lays folders there, and when there is too much to look through."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from console.estate.boundary import Boundary
from tests.attacks.clones import Clone, Run, clone, have_haproxy, run
from tests.attacks.conftest import MALLORY, Mallory

__all__ = ["clone", "run"]


def test_a_git_folder_of_another_user_above_the_site_widens_no_boundary(mallory: Mallory, top: Path) -> None:
    site = top / "root/site"
    site.mkdir()
    (top / "root/.git").mkdir()
    assert Boundary(site, ()).holds(mallory.precious)
    os.chown(top / "root/.git", MALLORY, MALLORY)
    assert not Boundary(site, ()).holds(mallory.precious)


def test_nor_does_one_that_the_owner_of_a_site_lays_where_everybody_may(mallory: Mallory, top: Path) -> None:
    shared = top / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    (shared / "root").mkdir(mode=0o700)
    (shared / "root/haproxy.cfg").write_text("frontend precious\n")
    mallory.does('mkdir "$1/.git" "$1/site" "$1/site/below"', shared)
    assert not Boundary(shared / "site", ()).holds(shared / "root/haproxy.cfg")
    mallory.does('mkdir "$1/site/.git"', shared)
    assert Boundary(shared / "site/below", ()).holds(shared / "site/haproxy.cfg")


def test_a_site_in_a_home_of_many_folders_is_looked_through_only_so_far(
    clone: Clone, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    have_haproxy(clone, "stand-in", monkeypatch)
    clone.plant_lua()
    monkeypatch.setattr("console.mend.haproxy.MOST", 3)
    for number in range(5):
        (clone.folder / f"many/{number}").mkdir(parents=True)
    status, told, _ = run("trust --yes")
    assert status == 1 and "there are more than 3 folders or files that Lua may load" in told
    run("lint --fix --yes")
    assert clone.marks() == []


def test_a_clone_of_one_file_too_many_is_not_agreed_to(clone: Clone, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    have_haproxy(clone, "stand-in", monkeypatch)
    clone.plant_lua()
    for number in range(30):  # more than there are folders
        (clone.folder / f"{number}.txt").write_text("")
    files = [path for path in clone.folder.rglob("*") if path.is_file() and ".git" not in path.parts]
    monkeypatch.setattr("console.mend.haproxy.MOST", len(files) - 1)
    status, told, _ = run("trust --yes")
    assert status == 1 and f"more than {len(files) - 1} folders or files that Lua may load" in told
    monkeypatch.setattr("console.mend.haproxy.MOST", len(files))
    assert run("trust --yes")[0] == 0
