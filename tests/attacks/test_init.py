"""The set-up in somebody's folder: no name there steers the terminal, and no link there has a file of ours written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from console.__main__ import main
from console.engine.site_files import stays_here
from console.engine.site_setup import SiteSetup
from console.errors import InputError

HAPROXY = "listen smtp\n    bind :25\n    mode tcp\n    server mailcow 10.0.0.2:10025 send-proxy check\n"
STEERING = {
    "c1": "\x9b2J",
    "title": "\x9d0;x\x9c",
    "bidi": "\u202egro.elpmaxe\u202c",
    "tags": "\U000e0041",
    "zero": "\u200b",
}
ANSWERS = ("--untested", "--answer", "hosts=vps=proxy", "--answer", "names=mail.example.org", "--answer", "https=none")


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "haproxy.cfg").write_text(HAPROXY)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("how", [("--plan",), ("--yes",), ()], ids=" ".join)
@pytest.mark.parametrize("kind", STEERING)
def test_a_comment_in_the_site_file_steers_no_terminal(
    kind: str, how: tuple[str, ...], clone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    comment = f"# a {STEERING[kind]} b"
    (clone / "site.toml").write_text(f'[sources]\nhaproxy = ["haproxy.cfg"]\n{comment}\n', encoding="utf-8")
    main(["init", *how, *ANSWERS])
    said = "".join(capsys.readouterr())
    assert "[hosts.vps]" in said and "# a \\" in said
    assert not any(letter in said for letter in STEERING[kind] if not letter.isascii())
    if how == ("--yes",):
        assert comment in (clone / "site.toml").read_text(encoding="utf-8"), "the file keeps its bytes"


def test_a_folder_whose_name_steers_is_not_looked_into(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a\x1b[2J", "b\x9b2J", "c\u202e"):
        (clone / name).mkdir()
        (clone / name / "haproxy.cfg").write_text(HAPROXY)
    assert main(["init", "--plan", *ANSWERS]) == 0
    said = "".join(capsys.readouterr())
    assert '"haproxy.cfg"' in said and "2J" not in said and "u202e" not in said


@pytest.mark.parametrize("mask", [0o000, 0o002, 0o022])
def test_what_a_set_up_makes_is_changed_by_nobody_else(
    mask: int, clone: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(clone / "new" / "config"))
    before = os.umask(mask)
    try:
        main(["--site", "prod", "init", ".", "--yes", *ANSWERS])
    finally:
        os.umask(before)
    made = list((clone / "new").rglob("*"))
    assert all(not path.stat().st_mode & 0o022 for path in (clone / "new", *made))
    assert [path.name for path in made if path.is_file()] == (
        ["prod.toml"] if "written" in capsys.readouterr().err else []
    )


@pytest.mark.parametrize("there", [False, True], ids=["nothing there yet", "a file"])
def test_a_site_file_that_leads_out_of_the_clone_is_not_written_through(
    there: bool, clone: Path, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    """A shell would run `$(…)` of a file's name out of the site file that was made of it."""
    login = tmp_path_factory.mktemp("home") / ".bash_login"
    if there:
        login.write_text("")
    (clone / "haproxy.cfg").rename(clone / "x$(touch pwned).cfg")
    (clone / "site.toml").symlink_to(login)
    assert main(["init", "--yes", *ANSWERS]) == 2
    assert "outside of this folder: nothing is written through it" in capsys.readouterr().err
    assert not login.exists() or not login.read_text()


def test_a_link_that_is_laid_while_the_questions_are_answered_is_not_written_through(
    clone: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("home")
    for name in ("site.toml", "docker-compose.override.yml"):
        setup = SiteSetup(clone, clone / "site.toml", tests=False)
        setup.begin()
        setup.copies = {"docker-compose.override.yml": "services: {}\n"}
        (clone / name).symlink_to(outside / "made")
        with pytest.raises(InputError, match="outside of this folder"):
            setup.write()
        (clone / name).unlink()
    assert not [*outside.iterdir()] and not (clone / "site.toml").exists()


def test_a_link_inside_of_the_clone_or_of_the_operators_own_is_written_through(
    clone: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    (clone / "infra").mkdir()
    (clone / "site.toml").symlink_to("infra/site.toml")
    assert main(["init", "--yes", *ANSWERS]) == 0
    assert "haproxy.cfg" in (clone / "infra/site.toml").read_text(encoding="utf-8")
    outside = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(outside))
    (outside / "cowhand").mkdir(mode=0o700)
    (outside / "cowhand/prod.toml").symlink_to(outside / "kept.toml")
    stays_here(outside / "cowhand/prod.toml")
