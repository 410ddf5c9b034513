"""What is typed stays in memory: no core of it is written, by us or by what we start.

A limit of 0 keeps the kernel from writing a file, and not from handing a core to a program that kernel.core_pattern
names, as apport's and systemd's; a limit of 1 keeps it from both (do_coredump in fs/coredump.c)."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ABORTS = "import os; {install}os.abort()"
INSTALL = "from console.process import crash; crash.install(); "


def unlimited() -> None:
    """Allow cores of any size, as a server that wants them does."""
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))


def dumps(program: str, folder: Path) -> bool:
    """Run a program that aborts; return whether the kernel left a core of it."""
    process = subprocess.Popen(
        [sys.executable, "-c", program], cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, preexec_fn=unlimited
    )
    status = os.waitpid(process.pid, 0)[1]
    process.returncode = 0
    assert os.WIFSIGNALED(status)
    return os.WCOREDUMP(status)


def test_a_crash_of_the_interpreter_leaves_no_core(tmp_path: Path) -> None:
    dumps(ABORTS.format(install=""), tmp_path)  # it writes one, unless the machine writes none at all
    assert not dumps(ABORTS.format(install=INSTALL), tmp_path)


@pytest.mark.parametrize("argv", [["--version"], ["completion", "bash"]], ids=" ".join)
def test_every_start_forbids_cores_before_it_does_anything(argv: list[str], tmp_path: Path) -> None:
    program = (
        "import resource, sys\nfrom console.__main__ import main\n"
        f"try:\n    main({argv})\nexcept SystemExit:\n    pass\n"
        "print(resource.getrlimit(resource.RLIMIT_CORE)[0], file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, preexec_fn=unlimited, check=True
    )
    assert done.stderr.strip() == "1"


def test_what_is_started_inherits_it() -> None:
    program = (
        "import asyncio\nfrom console.process import crash\ncrash.install()\nfrom console.hosts.local import Local\n"
        "print(asyncio.run(Local().run(['grep', '-i', 'core', '/proc/self/limits'], 10)).stdout.decode())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, preexec_fn=unlimited, check=True
    )
    assert done.stdout.split()[4:5] == ["1"]
