"""Sites by name, in the operator's configuration folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from console.__main__ import main
from console.errors import InputError
from console.estate import site_file, site_names, sites

SITE = '[public]\nnames = ["mail.example.org"]\n[[lane]]\nport = 25\nprotocol = "smtp"\ntarget = "192.0.2.1:25"\n'


@pytest.fixture
def config(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = home / "config/cowhand"
    (folder / "school").mkdir(parents=True, mode=0o700)
    (folder / "mine.toml").write_text(SITE)
    (folder / "school/site.toml").write_text("[sources]\nhaproxi = 1\n")
    (folder / "-x.toml").write_text("")
    monkeypatch.chdir(tmp_path)
    return folder


def test_both_places_are_known_and_say_what_they_are(config: Path) -> None:
    assert site_names.sites() == {"mine": config / "mine.toml", "school": config / "school/site.toml"}
    said = {site.name: site.words for site in sites.listed()}
    assert said["mine"] == "mail.example.org"
    assert said["school"].startswith("cannot be used: ")


@pytest.mark.parametrize(("word", "path"), [("mine", "mine.toml"), ("school", "school/site.toml")])
def test_a_name_is_a_site(config: Path, word: str, path: str) -> None:
    assert site_file.find(Path(word)) == config / path


def test_a_site_goes_before_a_file_that_is_called_so(config: Path, tmp_path: Path) -> None:
    for name in ("mine", "other"):
        (tmp_path / name).write_text(SITE)
    assert site_file.find(Path("mine")) == config / "mine.toml"
    assert site_file.find(Path("other")) == Path("other")


def test_the_environment_may_name_one(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COWHAND_SITE", "mine")
    assert site_file.find() == config / "mine.toml"


@pytest.mark.parametrize("word", ["other", "Mine"])
def test_a_name_that_is_no_site_is_refused_with_those_that_are(config: Path, word: str) -> None:
    with pytest.raises(InputError, match="yours are mine and school"):
        site_file.find(Path(word))


def test_of_several_one_has_to_be_named_and_the_only_one_is_meant(config: Path) -> None:
    with pytest.raises(InputError, match="which one"):
        site_file.find()
    (config / "school/site.toml").unlink()
    assert site_file.find() == config / "mine.toml"


def test_the_one_called_site_is_meant_when_none_is_named(config: Path) -> None:
    (config / "site.toml").write_text(SITE)
    assert site_file.find() == config / "site.toml"


def test_init_makes_a_named_site_of_files_elsewhere(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "infra").mkdir()
    (tmp_path / "infra/haproxy.cfg").write_text("listen smtp\n  bind :25\n  mode tcp\n  server m 192.0.2.1:10025\n")
    words = ("--yes", "--untested", "--answer", "hosts=none", "--answer", "names=none", str(tmp_path / "infra"))
    assert main(["--site", "fresh", "init", *words]) == 0
    site = site_file.load(config / "fresh.toml")
    assert site.name == "fresh"
    assert site.sources.haproxy == (str(tmp_path / "infra/haproxy.cfg"),)
    assert main(["--site", "fresh", "show"]) == 0
    assert "25" in capsys.readouterr().out
