"""What `make dist` puts into the wheel is all that is needed: commands, manual, completion, tables and the lab."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import console

pytestmark = pytest.mark.slow

ROOT = Path(console.__file__).parent.parent


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of a copy of the checkout, unpacked into a folder of its own."""
    folder = tmp_path_factory.mktemp("dist")
    copy = folder / "checkout"
    copy.mkdir()
    for room in ("console", "screens", "assets"):
        shutil.copytree(ROOT / room, copy / room, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, copy)
    words = ["wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(copy)]
    subprocess.run([sys.executable, "-m", "pip", *words], check=True, timeout=120, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(folder / "installed")
    return folder / "installed"


def cowhand(installed: Path, home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the installed program with an empty environment and home; its libraries are those of the tests."""
    environment = {"HOME": str(home), "PATH": os.defpath, "PYTHONPATH": str(installed), "COWHAND_LAB": f"dist-{os.getpid()}"}
    program = "import console.__main__ as entry, sys; print(entry.__file__, file=sys.stderr); sys.exit(entry.main())"
    argv = [sys.executable, "-c", program, *words]
    done = subprocess.run(argv, env=environment, cwd=home, capture_output=True, text=True, timeout=120)
    assert done.stderr.startswith(str(installed)), done.stderr
    return done


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("man",), "CATALOGUE"),
        (("man", "--source"), ".Sh ENVIRONMENT"),
        (("completion", "fish"), "complete -c cowhand"),
        (("completion", "bash"), "_shtab_cowhand"),
        (("--lab", "show"), "mailcow_opt"),
        (("--lab", "check"), "rehearsal: well"),
    ],
)
def test_the_installed_program_has_all_it_needs(installed: Path, tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    done = cowhand(installed, tmp_path, *words)
    assert (done.returncode, said in done.stdout) == (0, True), done.stderr


def test_the_tables_come_with_it_and_are_not_made_again(installed: Path, tmp_path: Path) -> None:
    cowhand(installed, tmp_path, "--lab", "show")
    assert (installed / "assets" / "hcl.msgpack").stat().st_size > 100_000
    assert not list(tmp_path.rglob("hcl.msgpack"))


def test_make_run_says_in_one_line_what_a_machine_without_venv_lacks(tmp_path: Path) -> None:
    python = tmp_path / "python3"
    python.write_text('#!/bin/sh\ncase "$2" in *ensurepip*) exit 1;; esac\nexit 0\n')
    python.chmod(0o755)
    argv = ["make", "run", f"PYTHON={python}", f"VENV={tmp_path}/venv"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=60)
    said = [row for row in done.stderr.splitlines() if not row.startswith("make")]
    assert done.returncode != 0
    assert said == [f"{python} cannot make environments: sudo apt install python3-venv (Debian, Ubuntu)"]
