"""The entry point: runs a command or opens the screens, and imports only what that needs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse
    from collections import deque
    from pathlib import Path

    from console.engine.engine import Engine
    from console.engine.vantages import Vantages
    from console.estate.load import Estate
    from console.events import EstateRead
    from console.questions import Asker


REHEARSAL = "this is a rehearsal; for your own estate write a site.toml (see the README)"
"""What is said where there is no site file; it fits into 80 columns."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run cowhand and return its exit status."""
    from console.commands.main import build, run
    from console.process import crash

    crash.install()
    arguments = build().parse_args(argv)
    if arguments.command:
        return run(arguments)
    return _screens(arguments)


def _screens(arguments: argparse.Namespace) -> int:
    """Open the screens: signals are handled before Textual is imported, and garbage is collected rarely."""
    from console.commands.opening import site_file
    from console.commands.output import EXIT_UNUSABLE, say
    from console.errors import CowhandError
    from console.estate import cache
    from console.estate.site_file import find
    from console.process import collector, crash
    from console.process.signals import Leaver

    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        say("the screens need a terminal; `cowhand check` looks once without one")
        return 2
    leaver = Leaver()
    leaver.install()
    collector.seldom()
    try:
        hint = ""
        if not arguments.lab and not arguments.site and find(None) is None:
            arguments.lab, hint = True, REHEARSAL
        path = site_file(arguments)
    except CowhandError as error:
        say(str(error))
        return EXIT_UNUSABLE

    opening = cache.read(path) or _first(path)

    from screens.app import CowhandApp

    engine = _engine(arguments, path, opening)
    app = CowhandApp(
        engine,
        title=path.absolute().parent.name,
        opening=opening,
        read_only=arguments.read_only,
        lab=arguments.lab,
        theme=arguments.theme,
        hint=hint,
        report=crash.report,
        on_loop=lambda loop: setattr(leaver, "loop", loop),
    )
    leaver.close, leaver.leave = engine.close, lambda status: app.exit(return_code=status)
    try:
        app.run(mouse=False)
    finally:
        leaver.done.set()
        engine.close()
    if app.crash:
        say(app.crash)
    return app.return_code or 0


def _first(path: Path) -> EstateRead | None:
    """Return the lanes for the first paint where nothing is cached; files that would delay it are the engine's."""
    from console.estate.lanes import first

    return first(path)


def _engine(arguments: argparse.Namespace, path: Path, opening: EstateRead | None) -> Engine:
    """Return the engine; what it works with is imported in its own thread, after the first paint."""
    from console.engine.engine import Engine
    from console.process import collector
    from console.process.crash import report
    from console.tofu.refine import Refiner

    def load() -> Estate:
        from console.estate.load import load

        return load(path)

    def open_vantages(estate: Estate, log: deque[str], ask: Asker) -> Vantages:
        from console.engine.vantages import open_lab, open_site

        return open_lab(log) if arguments.lab else open_site(estate.site, log, ask, file=estate.file)

    def write_cache(read: EstateRead) -> None:
        from console.estate import cache
        from console.estate.load import beside

        cache.write(path, read, beside(path))

    def first() -> EstateRead | None:
        from console.estate.lanes import LARGEST_HAPROXY, first

        return first(path, LARGEST_HAPROXY)

    refiner = None if arguments.lab else Refiner()
    return Engine(load, open_vantages, arguments.every, opening, write_cache, refiner, report, first, collector.usual)


if __name__ == "__main__":
    sys.exit(main())
