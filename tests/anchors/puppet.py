"""The real screens over the stage's engine double, told what to say through a FIFO: one word a line.

Run as `python puppet.py FIFO`; a word is a name in CUES, "crash" (an error in a handler with a secret in reach), or a
name in HOLDS: then a thread computes for minutes in C, without letting any other Python code run. "main-" before it has
the screens' own thread do so."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from msgspec.structs import replace

from console.events import Event, FindingsChanged, ReadingsChanged
from console.model import HOPS
from tests.screens import stage
from tests.screens.stage_estate import LANES

FLIPPED = stage.reading(LANES[2], "tunnel", "failed", "refused", since=stage.START + 60)
TEN = tuple(
    stage.reading(lane, hop, "failed", "refused", since=stage.START + 60)
    for lane in LANES
    for hop in HOPS
    if hop in ("vm", "service")
)
CUES: dict[str, tuple[Event, ...]] = {
    "flip": (ReadingsChanged((FLIPPED,)),),
    "heal": (ReadingsChanged(stage.CALM), stage.WELL),
    "cause": (ReadingsChanged(stage.UNTRUSTED[:1]), stage.TROUBLE),
    "ten": (ReadingsChanged(TEN),),
    "same": (ReadingsChanged(stage.CALM), stage.WELL),
    "other": (replace(stage.WELL, verdict="degraded"),),
}
HOLDS: dict[str, Callable[[], object]] = {
    "regex": lambda: re.match(r"(a+)+$", "a" * 64 + "!"),
    "power": lambda: 3 ** (10**9),
    "text": lambda: str(1 << (1 << 24)) if sys.set_int_max_str_digits(0) is None else None,
}


def main() -> int:
    from console.process.signals import Leaver

    leaver = Leaver()
    leaver.install()
    from screens.app import CowhandApp

    puppet = stage.calm()
    app = CowhandApp(
        puppet, title="benoit", read_only=False, lab=False, on_loop=lambda loop: setattr(leaver, "loop", loop)
    )
    leaver.leave = lambda status: app.exit(return_code=status)

    def explode() -> None:
        passphrase = "correct horse battery staple"
        raise ValueError(passphrase)

    def listen() -> None:
        while True:
            for line in Path(sys.argv[1]).read_text().split():
                if line == "crash":
                    app.call_from_thread(app.call_later, explode)
                elif line in HOLDS:
                    threading.Thread(target=HOLDS[line], daemon=True).start()
                elif line.startswith("main-"):
                    app.call_from_thread(app.call_later, HOLDS[line.removeprefix("main-")])
                else:
                    puppet.say(*CUES[line])

    threading.Thread(target=listen, daemon=True).start()
    app.run(mouse=False)
    leaver.done.set()
    if app.crash:
        print(app.crash, file=sys.stderr)
    return app.return_code or 0


if __name__ == "__main__":
    assert isinstance(stage.WELL, FindingsChanged)
    sys.exit(main())
