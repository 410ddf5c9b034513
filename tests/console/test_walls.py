"""What may import what, proven by what a fresh interpreter has loaded: the static contracts cannot see late imports."""

from __future__ import annotations

import subprocess
import sys

import pytest

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
