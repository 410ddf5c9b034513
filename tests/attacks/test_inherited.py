"""Whoever starts cowhand hands on closed files and strange signals: nothing is printed into a file, or proven by it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable

import pytest

CODE = """
import os, subprocess, sys
from console.__main__ import main
main(["explain", "CH001"])
opened = os.open("{path}", os.O_RDWR | os.O_CREAT)
print("PRINTED"); print("PRINTED", file=sys.stderr); sys.stdout.flush()
status = subprocess.run(["false"]).returncode
os.write(opened, str(status).encode())
os.kill(os.getpid(), 15)
"""


def close() -> None:
    for number in (0, 1, 2):
        os.close(number)


def ignore() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)


def block() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())


@pytest.mark.parametrize("before", [close, ignore, block])
def test_what_a_program_hands_on_changes_nothing(before: Callable[[], None], tmp_path: os.PathLike[str]) -> None:
    path = os.path.join(tmp_path, "file")  # noqa: PTH118
    words = [sys.executable, "-c", CODE.format(path=path)]
    done = subprocess.run(words, preexec_fn=before, timeout=60, check=False)
    assert done.returncode == -signal.SIGTERM
    with open(path, encoding="utf-8") as file:  # noqa: PTH123
        assert file.read() == "1"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_an_output_of_an_old_encoding_has_escapes_for_what_it_cannot_say(encoding: str) -> None:
    code = "from console.__main__ import main; main(['explain', 'CH001']); print('\u2026 ✓')"
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.endswith("\\u2026 \\u2713\n")
