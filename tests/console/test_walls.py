"""The walls of the house: what may import what, what a fresh interpreter has loaded, and which rooms touch no machine.

The contracts of pyproject.toml hold the order of the rooms; they are tried here with imports that they must refuse."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import console
from console.estate import cache
from console.events import EstateRead
from console.model import Topology

HEAVY = ("textual", "rich", "asyncssh", "pylxd", "hcl2", "lark", "ruamel", "cryptography", "aiosmtpd", "pymap")

ENGINE = (
    "console.engine.engine",
    "console.engine.sweeps",
    "console.formats.text",
    "console.topology.build",
    "console.flows.registry",
    "console.commands.flow_terminal",
    "console.engine.stage",
    "console.estate.load",
    "console.diagnosis.lint",
    "console.diagnosis.diagnose",
    "console.lab.client",
    "console.sources.haproxy",
    "console.sources.opentofu.files",
    "console.sources.compose.files",
)


ROOT = Path(console.__file__).parent.parent

PURE = ("sources", "topology", "diagnosis", "setup")
"""Rooms that get texts and values and return values."""

MACHINE = {
    "os", "io", "pathlib", "shutil", "tempfile", "glob", "socket", "ssl", "select", "subprocess", "asyncio", "signal",
    "threading",
}  # fmt: skip
BUILTINS = {"open", "exec", "eval", "__import__", "input", "print"}


def touches(tree: ast.AST) -> Iterator[str]:
    """Yield what in a module could touch the machine."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (each.name for each in names if each.name.partition(".")[0] in MACHINE)
            case ast.ImportFrom(module=str(module)) if module.partition(".")[0] in MACHINE:
                yield module
            case ast.Name(id=name, ctx=ast.Load()) if name in BUILTINS:  # a field may be called `open`
                yield name


def loaded_after(code: str) -> set[str]:
    """Top-level names of `sys.modules` after running `code` in a fresh interpreter."""
    script = f"import sys\n{code}\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    return set(done.stdout.split())


@pytest.mark.parametrize("module", ENGINE)
def test_the_engine_loads_no_screen_and_nothing_heavy(module: str) -> None:
    loaded = loaded_after(f"import {module}")
    assert not loaded & {*HEAVY, "screens"}


@pytest.mark.parametrize("flag", ["--version", "--help"])
def test_version_and_help_load_neither_textual_nor_msgspec(flag: str) -> None:
    code = f"""
from console.__main__ import main
try:
    main([{flag!r}])
except SystemExit as left:
    assert not left.code
"""
    loaded = loaded_after(code)
    assert not loaded & {*HEAVY, "msgspec", "asyncio", "ssl"}


def test_the_screens_load_nothing_heavy_but_textual() -> None:
    loaded = loaded_after("import screens.app")
    assert not loaded & set(HEAVY[2:])


@pytest.mark.parametrize("module", ["console.engine.engine", "console.commands.main", "screens.app"])
def test_no_flow_is_loaded_before_one_is_started(module: str) -> None:
    script = f"import sys, {module}\nprint(*(name for name in sys.modules if name.startswith('console.flows.')))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == []


@pytest.mark.parametrize("room", PURE)
def test_a_pure_room_touches_no_machine(room: str) -> None:
    found = [
        f"{file.relative_to(ROOT)}: {what}"
        for file in sorted((ROOT / "console" / room).rglob("*.py"))
        for what in touches(ast.parse(file.read_text()))
    ]
    assert found == []


@pytest.mark.parametrize(
    "line",
    ["import subprocess", "import os.path", "def late():\n    from pathlib import Path", "open('x')", "run = eval"],
)
def test_a_line_that_touches_the_machine_is_noticed(line: str) -> None:
    assert [*touches(ast.parse(line))] != []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("sources/shell.py", "import subprocess"),
        ("topology/build.py", "def late():\n    import subprocess"),
        ("diagnosis/words.py", "import socket"),
        ("probes/wire.py", "def late():\n    from console.engine import engine"),
        ("drift/compared.py", "from console.drift import look"),
    ],
)  # fmt: skip
def test_make_check_refuses_an_import_that_a_wall_is_against(tmp_path: Path, file: str, line: str) -> None:
    for part in ("console", "screens"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    changed = tmp_path / "console" / file
    changed.write_text(f"{changed.read_text()}\n{line}\n")
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert "BROKEN" in done.stdout


LONGEST = 400
"""Lines of a file; what grows over it is split by subject."""

ONE_FILE = {"assets/disk.py"}
"""Sent to hosts as it is, where nothing of ours can be imported."""


def longer(root: Path) -> list[str]:
    """Return the Python files of a checkout that should be split, by their paths."""
    files = [path for part in ("assets", "console", "screens", "tests") for path in (root / part).rglob("*.py")]
    named = {str(path.relative_to(root)): len(path.read_text(encoding="utf-8").splitlines()) for path in files}
    return sorted(name for name, lines in named.items() if lines > LONGEST and name not in ONE_FILE)


def test_no_file_is_longer_than_400_lines() -> None:
    assert longer(ROOT) == []


def test_a_file_that_is_longer_than_400_lines_is_noticed(tmp_path: Path) -> None:
    for name, lines in (("console/a.py", 400), ("tests/b/c.py", 401), ("assets/disk.py", 800), ("screens/d.txt", 401)):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x\n" * lines)
    assert longer(tmp_path) == ["tests/b/c.py"]


FIRST_PAINT = """
import os, sys
from pathlib import Path
from textual.app import App
from console.__main__ import main

def run(self, **options):
    print(*(name for name in sys.modules if name.partition(".")[0] in sys.argv[2:]))
    sys.stdout.flush()
    os._exit(0)

for stream in (sys.stdin, sys.stderr):
    stream.isatty = lambda: True
App.run = run
main(["--site", sys.argv[1]])
"""
"""Starts the screens up to where Textual takes over; the engine starts after the first paint."""


SITE = "[[lane]]\nport = 25\nprotocol = 'smtp'\ntarget = '127.0.0.1:10025'\n"
NEVER = ("console.hosts.ssh", "console.runner", "console.diagnosis.lint", *HEAVY[2:])


def loaded_before_the_first_paint(site: Path) -> list[str]:
    program = [sys.executable, "-c", FIRST_PAINT, site, "console", "screens", "assets", *HEAVY[2:]]
    return subprocess.run(program, capture_output=True, text=True, check=True, timeout=60).stdout.split()


def test_few_of_our_modules_are_loaded_before_the_first_paint(tmp_path: Path) -> None:
    site = tmp_path / "site.toml"
    site.write_text(SITE)
    cache.write(site, EstateRead("", Topology(), (), (), {}))
    loaded = loaded_before_the_first_paint(site)
    assert "screens.app" in loaded
    assert len(loaded) <= 53
    assert not {name for name in loaded if name.startswith(("console.sources", *NEVER))}


def test_without_a_cache_only_what_reads_lanes_is_loaded_before_the_first_paint(tmp_path: Path) -> None:
    site = tmp_path / "site.toml"
    site.write_text(SITE)
    loaded = loaded_before_the_first_paint(site)
    assert "console.sources.haproxy" in loaded
    assert len(loaded) <= 132
    assert not {name for name in loaded if name.startswith(NEVER)}
