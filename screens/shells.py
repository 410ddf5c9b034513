"""A shell where the operator looks: the screens are lent to it, and come back when it ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.app import SuspendNotSupported

from screens.widgets.bar import Bar

if TYPE_CHECKING:
    from console.engine.shells import ShellWay
    from screens.port import AppPort


def open_shell(app: AppPort) -> None:
    """Open a shell at what is chosen on the screen; where that is no machine, ask which."""
    ways = app.engine.shells()
    if not ways:
        app.say("no host is known: a shell needs one in site.toml")
        return
    wanted = app.machine()
    if wanted is None:
        _choose(app, ways)
        return
    role, service = wanted
    here = [way for way in ways if way.role == role]
    if not here:
        app.say(f'no shell there: no host has role = "{role}" in site.toml')
        return
    enter(app, next((way for way in here if way.service == service), here[0]))


def _choose(app: AppPort, ways: tuple[ShellWay, ...]) -> None:
    offers = [(str(at), way.where, way.problem or way.line) for at, way in enumerate(ways)]

    def suggest(typed: str) -> list[tuple[str, str, str]]:
        return [offer for offer in offers if typed.lower() in offer[1].lower()]

    def done(answer: str | None) -> None:
        if answer is not None:
            enter(app, ways[int(answer)])

    app.query_one(Bar).ask("a shell where?", done, suggest=suggest)


def enter(app: AppPort, way: ShellWay) -> None:
    """Lend the terminal to a shell, and take it back when that has ended."""
    if way.problem:
        app.say(f"no shell in {way.where}: {way.problem}")
        return
    app.engine.watch(False)
    try:
        with app.suspend():
            said = app.engine.run_shell(way)
    except SuspendNotSupported:
        said = f"this terminal cannot be lent; the command is {way.line}"
    finally:
        app.engine.watch(True)
    app.say(said)
