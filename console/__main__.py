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
    from console.engine.setup_engine import SetupPort
    from console.engine.vantages import Vantages
    from console.estate.load import Estate
    from console.events import EstateRead
    from console.process.signals import Leaver
    from console.questions import Asker
    from console.site import SiteListed
    from screens.app import CowhandApp


REHEARSAL = "no site.toml here: this is a rehearsal; i sets up your own (or cowhand init)"
"""What is said where there is no site file; it fits into 80 columns."""

JOINED = "this lab was running already: another console may break and heal it too"
"""What is said where a lab that runs is joined."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run cowhand and return its exit status."""
    from console.process import inherited

    inherited.put_right()
    from console.commands.output import guarded
    from console.process import crash

    crash.install()
    arguments: list[argparse.Namespace] = []

    def command() -> int:
        from console.commands.main import build, run

        parser = build()
        arguments.append(parser.parse_args(argv))
        if arguments[0].empty_lab and not arguments[0].lab:
            parser.error("--empty goes with --lab")
        return run(arguments[0]) if arguments[0].command else 0

    status = guarded(command)
    return status if status or arguments[0].command else _screens(arguments[0])


def _screens(arguments: argparse.Namespace) -> int:
    """Open the screens: signals are handled before Textual is imported, and garbage is collected rarely."""
    from pathlib import Path

    from console.commands.opening import site_file
    from console.commands.output import EXIT_UNUSABLE, say
    from console.errors import CowhandError
    from console.estate.site_file import find
    from console.process import collector
    from console.process.signals import Leaver

    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        say("the screens need a terminal; `cowhand check` looks once without one")
        return 2
    leaver = Leaver()
    leaver.install()
    collector.seldom()
    first, hint = "lanes", ""
    try:
        several = _several(arguments)
        if several:
            first = "sites"
        elif not arguments.lab and not arguments.site and find(None) is None:
            arguments.lab = True
            first, hint = _without_a_site(arguments)
        elif arguments.lab and _is_joined():
            hint = JOINED
        path = several[0] if several else site_file(arguments)
    except CowhandError as error:
        say(str(error))
        return EXIT_UNUSABLE
    try:
        while True:
            app = _open(arguments, path, leaver, first, hint)
            if app.crash:
                say(app.crash)
            if app.reopen is None:
                return app.return_code or 0
            hint = f"{app.reopen} was written: this is it" if app.view.NAME == "setup" else ""
            path, first = Path(app.reopen), "lanes"
            arguments.lab = False
    finally:
        leaver.done.set()


def _several(arguments: argparse.Namespace) -> list[Path]:
    """Return the operator's own sites when there are several, and nothing says which one is meant."""
    import os
    from pathlib import Path

    if arguments.lab or arguments.site or os.environ.get("COWHAND_SITE") or Path("site.toml").is_file():
        return []
    from console.estate import site_names

    found = [*site_names.sites().values()]
    return found if len(found) > 1 else []


def _is_joined() -> bool:
    """Whether a lab that all of this user's consoles share is up; where that cannot be asked, the engine says why."""
    from console.errors import CowhandError
    from console.lab import place

    try:
        there = place.connect(place.well_known(), 1.0)
    except CowhandError:
        return False
    if there is not None:
        there.close()
    return there is not None


def _without_a_site(arguments: argparse.Namespace) -> tuple[str, str]:
    """Return the screen to begin with where there is no site file, and what is said: the rehearsal is open behind."""
    from pathlib import Path

    here = [path.name for path in Path().glob("*") if path.suffix == ".tf" or path.name == "haproxy.cfg"]
    if here and not arguments.read_only:
        return "setup", ""
    return "lanes", REHEARSAL


def _open(arguments: argparse.Namespace, path: Path, leaver: Leaver, first: str, hint: str) -> CowhandApp:
    """Run the screens on a site until they are left; returns the app."""
    from pathlib import Path

    from console.estate import cache
    from console.estate.site_file import title
    from console.process import crash

    opening = None if first == "sites" else cache.read(path) or _first(path)

    from screens.app import CowhandApp

    engine = _engine(arguments, path, opening)

    def setup() -> SetupPort:
        from console.engine.setup_engine import SetupEngine
        from console.estate.site_file import FILE

        here = Path(FILE) if arguments.lab else path
        return SetupEngine(here.parent, here, crash.report)

    def sites() -> tuple[SiteListed, ...]:
        from console.estate.sites import listed

        return listed()

    app = CowhandApp(
        engine,
        title="" if first == "sites" else title(path),
        opening=opening,
        read_only=arguments.read_only,
        lab=arguments.lab,
        theme=arguments.theme,
        hint=hint,
        report=crash.report,
        on_loop=lambda loop: setattr(leaver, "loop", loop),
        setup=setup,
        first=first,
        sites=sites,
    )
    leaver.close, leaver.leave = engine.close, lambda status: app.exit(return_code=status)
    try:
        app.run(mouse=False)
    finally:
        engine.close()
    return app


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

        return (
            open_lab(log, arguments.empty_lab) if arguments.lab else open_site(estate.site, log, ask, file=estate.file)
        )

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
