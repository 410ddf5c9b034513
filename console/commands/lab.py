"""`lab`: the rehearsal estate, started, broken, healed and ended."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from console.commands.arguments import add_json
from console.commands.output import EXIT_WELL, emit, say
from console.errors import LabError

if TYPE_CHECKING:
    from console.lab.client import Lab


def declare(parser: argparse.ArgumentParser) -> None:
    """Add the command's verbs and their arguments."""
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True, parser_class=argparse.ArgumentParser)
    starting = verbs.add_parser("up", help="start it in the background")
    state = starting.add_mutually_exclusive_group()
    state.add_argument(
        "--empty", action="store_true", help="nothing is installed yet: no HAProxy, no Docker, no Mailcow"
    )
    state.add_argument("--seed", action="store_true", help="half-way: no override, Dovecot trusts nobody, blind checks")
    verbs.add_parser("down", help="end it")
    add_json(verbs.add_parser("status", help="whether it runs, and what is broken"))
    breaking = verbs.add_parser("break", help="break something, on purpose")
    breaking.add_argument("fault", nargs="?", help="what to break")
    breaking.add_argument("--list", action="store_true", help="name the faults")
    add_json(breaking)
    healing = verbs.add_parser("heal", help="heal one fault, or all")
    healing.add_argument("fault", nargs="?", help="which; all of them when left out")


def run(arguments: argparse.Namespace) -> int:
    """Do what the verb says; returns the exit status."""
    from console.lab import client

    if arguments.verb == "break" and (arguments.list or not arguments.fault):
        return _list(arguments)
    if arguments.verb == "up":
        say(client.up(arguments.seed, arguments.empty))
        return EXIT_WELL
    if arguments.verb == "status":
        return _status(arguments)
    lab = client.Lab.find_running()
    if lab is None:
        raise LabError(
            "no lab is running that a console shares: end the one that began by itself, if any, then `cowhand lab up`"
        )
    if arguments.verb == "down":
        lab.down()
        say("the lab is down")
    elif arguments.verb == "break":
        lab.break_(arguments.fault)
        say(f"broken: {arguments.fault}")
    else:
        say(_heal(lab, arguments.fault))
    return EXIT_WELL


def _heal(lab: Lab, fault: str | None) -> str:
    """Heal a fault, or all, and say what that was; healing a disk also takes back what flows did on the VM."""
    from console.lab.client import unswept_faults

    status: dict[str, Any] = dict(lab.status())
    before: list[str] = status["faults"]
    lab.heal(fault)
    healed = [each for each in before if fault in (None, each)]
    if not healed:
        return f"{fault} was not broken" if fault else "nothing was broken"
    disks = {each["fault"] for each in unswept_faults() if not each["finding"]}
    anew = "; the VM's disks and files are as they were when the lab started" if disks & {*healed} else ""
    return f"healed: {', '.join(healed)}{anew}"


def _list(arguments: argparse.Namespace) -> int:
    from console.lab import client

    faults = client.faults()
    if arguments.json:
        emit(faults)
        return EXIT_WELL
    for fault in faults:
        print(f"{fault['fault']:26} {fault['finding']}  {fault['words']}")
    for fault in client.unswept_faults():
        print(f"{fault['fault']:26} {fault['finding'] or '-':5}  {fault['words']}")
    return EXIT_WELL


def _status(arguments: argparse.Namespace) -> int:
    from console.lab import client

    lab = client.Lab.find_running()
    status: dict[str, Any] = dict(lab.status()) if lab is not None else {"running": False, "faults": []}
    if arguments.json:
        emit(status)
    elif lab is None:
        print("down")
    else:
        broken = status.get("faults") or []
        print("up, " + (f"broken: {', '.join(broken)}" if broken else "nothing broken"))
    return EXIT_WELL
