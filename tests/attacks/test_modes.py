"""A mode and an owner are given to what stands at a path itself: a link there leads to no other file of root's."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

from console.runner.plan import Run, make_folder, set_mode


def run(words: tuple[str, ...], **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True, timeout=120, env={**os.environ, **environment})


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_link_laid_in_the_place_of_a_file_is_not_followed(tmp_path: Path) -> None:
    precious, path = tmp_path / "precious", tmp_path / "key.pem"
    precious.write_text("x")
    precious.chmod(0o600)
    path.symlink_to(precious)
    change = set_mode("mail", str(path), 0o640, 0o666)
    for words in (change.argv, change.undo):
        done = run(words)
        assert done.returncode and "is a link" in done.stderr
    assert mode(precious) == 0o600


def test_a_link_laid_in_the_place_of_a_folder_just_made_is_not_followed(tmp_path: Path) -> None:
    precious, path, bin_ = tmp_path / "precious", tmp_path / "folder", tmp_path / "bin"
    precious.mkdir(mode=0o700)
    bin_.mkdir()
    # As fast as the fastest attacker: mkdir itself is followed by the exchange.
    (bin_ / "mkdir").write_text(f'#!/bin/sh\n/bin/mkdir "$@" && rmdir "{path}" && ln -s "{precious}" "{path}"\n')
    (bin_ / "mkdir").chmod(0o755)
    change = make_folder("mail", str(path), 0o755, f"{os.getuid()}:{os.getgid()}")
    done = run(change.argv, PATH=f"{bin_}:{os.environ['PATH']}")
    assert done.returncode and "is a link" in done.stderr
    assert mode(precious) == 0o700


def test_a_file_and_a_folder_get_what_they_are_to_have(tmp_path: Path) -> None:
    file, folder = tmp_path / "-a b", tmp_path / "new"
    file.write_text("x")
    changes: tuple[Run, ...] = (set_mode("mail", str(file), 0o604, 0o600), make_folder("mail", str(folder), 0o751))
    for change in changes:
        done = run(change.argv)
        assert (done.returncode, done.stderr) == (0, "")
    assert (mode(file), mode(folder)) == (0o604, 0o751)
    for change in changes:
        assert run(change.undo).returncode == 0
    assert mode(file) == 0o600 and not folder.exists()
