"""The real screens over a real engine with the barn's flow: `python barn.py FOLDER`; told nothing, only typed at."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from console.hosts import lock
from tests.screens.barnyard import build, register


def main() -> int:
    lock.LOCKS = f"{sys.argv[1]}/locks"  # another test's console changes this machine too
    register()
    app, engine = build(Path(sys.argv[1]))
    app.run(mouse=False)
    engine.close()
    return app.return_code or 0


if __name__ == "__main__":
    sys.exit(main())
