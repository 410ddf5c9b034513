"""A terminal that hangs for fifteen seconds freezes the screens; it must not cost the engine one step."""

from __future__ import annotations

import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest

from tests.anchors.terminal import Terminal

PROGRAM = '''
import sys, time
from collections import deque
from console.engine import engine
from console.events import FindingsChanged
from console.engine.vantages import Vantages
from console.estate import load as estates
from pathlib import Path

engine.FLOOR = 0.2
steps = open(sys.argv[1], "a")

def load():
    """One step of the engine: it reads the estate before each sweep."""
    steps.write(f"{time.monotonic()}\\n")
    steps.flush()
    read = estates.load(Path(sys.argv[2]))
    texts = {**read.texts, "tick": "x" * 400 + str(time.monotonic())}
    return type(read)(**{name: getattr(read, name) for name in read.__struct_fields__} | {"texts": texts})

from screens.app import CowhandApp
made = engine.Engine(load, lambda estate, log, ask: Vantages({}, {"here": "-", "proxy": "-", "mail": "-"}, log), 0.2)
app = CowhandApp(made, title="stall", read_only=False, lab=False)
app.run(mouse=False)
made.close()
'''


@pytest.mark.slow
def test_a_stall_of_fifteen_seconds_loses_no_engine_step(tmp_path: Path) -> None:
    import assets

    program, steps = tmp_path / "stalled.py", tmp_path / "steps"
    program.write_text(PROGRAM)
    site = Path(assets.__file__).parent / "lab" / "site.toml"
    terminal = Terminal([sys.executable, str(program), str(steps), str(site)])
    try:
        terminal.wait("imaps")
        terminal.stall()
        before = len(steps.read_text().split())
        for key in range(150):
            terminal.send("12345"[key % 5])
            time.sleep(0.1)
        stalled = [float(word) for word in steps.read_text().split()[before:]]
        assert len(stalled) >= 60
        assert max(later - earlier for earlier, later in pairwise(stalled)) < 2
        terminal.resume()
        terminal.settle()
        terminal.send("1")
        terminal.wait("imaps")
        terminal.send("q")
        assert terminal.leave() == 0
    finally:
        terminal.close()
