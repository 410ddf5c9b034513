"""What CI tries again: a test or two of a whole run, each alone, and nothing that stays red passes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

WRONG = "def test_wrong():\n    assert 0\n"
RIGHT = "import pytest\n\n@pytest.mark.parametrize('x', ['a b@c'])\ndef test_right(x):\n    assert 1\n"
CALM = "test_it.py::test_right[a b@c]@reallab"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("failed", "ended", "status", "said"),
    [
        ([CALM], (1, 0), 0, f"unsteady: failed beside others, passed alone: {CALM.removesuffix('@reallab')}"),
        (["test_it.py::test_wrong"], (1, 0), 1, ""),
        ([CALM, "test_it.py::test_wrong"], (1, 0), 1, ""),
        ([CALM, "b", "c", "d"], (1, 0), 1, "4 failed tests"),
        ([CALM], (1, 1), 1, "0 failed tests"),  # one was skipped as well
        ([CALM], (2, 0), 1, "0 failed tests"),  # it was interrupted
        ([], (1, 0), 1, "0 failed tests"),
        ([CALM], None, 1, "0 failed tests"),
    ],
)
def test_what_is_tried_again(
    failed: list[str], ended: tuple[int, int] | None, status: int, said: str, tmp_path: Path
) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "test_it.py").write_text(RIGHT + WRONG)
    cache = tmp_path / ".pytest_cache/v"
    for folder in ("cache", "cowhand"):
        (cache / folder).mkdir(parents=True)
    (cache / "cache/lastfailed").write_text(json.dumps(dict.fromkeys(failed, True)))
    if ended is not None:
        (cache / "cowhand/ended").write_text(json.dumps({"exit": ended[0], "skipped": ended[1]}))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    words = [sys.executable, "-m", "tests.again"]
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (bool(done.returncode), said in done.stderr) == (bool(status), True)
