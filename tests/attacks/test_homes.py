"""Root, or an operator, with a home or a working folder that is another user's: nothing of theirs counts, or runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import assets
from console.__main__ import main
from console.store import plain
from tests.attacks.conftest import MALLORY, Mallory

PREAMBLE = Path(assets.__file__).parent / "preamble.py"


def begun(**environment: str) -> subprocess.CompletedProcess[str]:
    """Run what cowhand.pyz runs first."""
    words = [sys.executable, "-I", str(PREAMBLE)]
    return subprocess.run(words, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_root_unpacks_nothing_into_another_users_cache(mallory: Mallory, top: Path) -> None:
    home = top / "home"
    (home / ".cache").mkdir(parents=True)
    assert begun(HOME=str(home)).returncode == 0
    os.chown(home / ".cache", MALLORY, MALLORY)
    for environment in ({"HOME": str(home)}, {"HOME": "/", "XDG_CACHE_HOME": str(home / ".cache")}):
        done = begun(**environment)
        assert done.returncode == 1 and "start it with sudo -H" in done.stderr
    assert begun(HOME="/", PEX_ROOT=str(home / ".cache/x")).returncode == 1


def test_no_settings_of_pex_are_read_that_anybody_may_lay_beside_it(tmp_path: Path) -> None:
    code = f"exec(open({str(PREAMBLE)!r}).read()); print(os.environ['PEX_IGNORE_RCFILES'])"
    words = [sys.executable, "-I", "-c", code]
    done = subprocess.run(words, env={"HOME": "/"}, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "1\n"


def test_the_file_that_is_copied_elsewhere_begins_with_it() -> None:
    makefile = (PREAMBLE.parent.parent / "Makefile").read_text()
    assert "--preamble-file assets/preamble.py" in makefile


@pytest.mark.parametrize("whose", ["the file", "the folder"])
def test_a_site_that_another_user_laid_into_the_configuration_folder_is_not_taken_unnamed(
    whose: str, mallory: Mallory, top: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = top / "config/cowhand"
    folder.mkdir(parents=True)
    site = folder / "site.toml"
    site.write_text('name = "theirs"\n')
    monkeypatch.setenv("XDG_CONFIG_HOME", str(top / "config"))
    monkeypatch.chdir(top)
    main(["show"])
    assert "belongs to" not in capsys.readouterr().err
    os.chown(site if whose == "the file" else folder, MALLORY, MALLORY)
    assert main(["show"]) == 2
    assert "and nobody named it" in capsys.readouterr().err


@pytest.mark.parametrize("words", ["show", "check", "trust", "journal", "init --plan", "trust {folder}/x"])
def test_a_working_folder_that_may_not_be_entered_is_said(
    words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(path: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        if not path.is_absolute() or path.name == "x":
            raise PermissionError(13, "Permission denied", str(path))
        return os.stat(path, follow_symlinks=follow_symlinks)  # noqa: PTH116

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Path, "stat", refused)
    assert main(words.format(folder=tmp_path).split()) == 2
    assert "permission denied" in capsys.readouterr().err


SOURCES = '[sources]\nhaproxy = ["haproxy.cfg"]\nmailcow_conf = "mailcow.conf"\ndeploy_script = "deploy.sh"\n'


@pytest.mark.parametrize("name", ["haproxy.cfg", "mailcow.conf", "deploy.sh", "infra/main.tf", "infra/more.txt"])
def test_a_link_that_is_laid_after_the_look_is_not_read(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clone = tmp_path / "clone"
    (clone / "infra").mkdir(parents=True)
    secret = tmp_path / "secret"
    secret.write_text('listen planted\nPLANTED planted\nlocals {\n  planted = "planted"\n')
    (clone / "site.toml").write_text(SOURCES + 'opentofu = ["infra"]\n')
    (clone / "haproxy.cfg").write_text("listen smtp\n  bind :25\n  server m 10.0.0.1:25\n")
    (clone / "mailcow.conf").write_text("A=1\n")
    (clone / "deploy.sh").write_text("#!/bin/sh\n")
    (clone / "infra/main.tf").write_text(
        'resource "incus_storage_volume" "v" {\n  name = file("${path.module}/more.txt")\n}\n'
    )
    (clone / "infra/more.txt").write_text("x")
    opened = plain.open_plain

    def late(path: Path) -> int:
        if path.name == Path(name).name:
            (clone / name).unlink()
            (clone / name).symlink_to(secret)
        return opened(path)

    monkeypatch.setattr(plain, "open_plain", late)
    monkeypatch.chdir(clone)
    for words in (["show"], ["lint"], ["show", "--json"]):
        main(words)
        found = capsys.readouterr()
        assert "planted" not in (found.out + found.err).lower()
        (clone / name).unlink()
        (clone / name).write_text("x\n")
