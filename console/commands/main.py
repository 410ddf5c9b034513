"""The command line: names, JSON keys and exit codes are a contract. stdout is data, stderr is narration."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from console.commands import flow as guided
from console.errors import CowhandError, InputError, LabError

if TYPE_CHECKING:
    from console.drift.look import Compared
    from console.engine.vantages import Vantages
    from console.estate.load import Estate
    from console.model import Verdict
    from console.observation import Drifted

VERSION = "0.1.0"

EXIT_WELL, EXIT_FINDINGS, EXIT_DOWN, EXIT_UNUSABLE, EXIT_BLIND = 0, 1, 2, 2, 3

OPENING = 20.0
"""Seconds the ways in may take before a check goes on without the slow ones."""

VERDICT_EXIT: dict[Verdict, int] = {"well": 0, "degraded": 1, "down": 2, "unknown": 3}


def build() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    parser = argparse.ArgumentParser(
        prog="cowhand",
        description="An operator console for a Mailcow behind HAProxy: every mail port, probed hop by hop.",
        epilog="Without a command the screens open.",
    )
    parser.add_argument("--version", action="version", version=f"cowhand {VERSION}")
    where = parser.add_mutually_exclusive_group()
    site = where.add_argument(
        "--site", metavar="FILE", help="the site file; else $COWHAND_SITE, ./site.toml, the XDG place"
    )
    site.complete = {"bash": "_shtab_compgen_files", "zsh": "_files", "tcsh": "f"}  # type: ignore[attr-defined]
    where.add_argument(
        "--lab", action="store_true", help="the rehearsal estate: joins the running one or starts its own"
    )
    parser.add_argument("--read-only", action="store_true", help="remove every action that changes anything")
    parser.add_argument("--every", metavar="SECONDS", type=float, default=30.0, help="time between sweeps (at least 2)")
    parser.add_argument("--theme", choices=("dark", "light", "terminal"), help="colours of the screens")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    show = commands.add_parser("show", help="the topology, from the files alone")
    _format(show, ("text", "json", "mermaid", "dot", "svg"))
    lint = commands.add_parser("lint", help="findings from the files alone; 1 when there are any")
    _format(lint, ("text", "json", "sarif", "github"))
    mending = lint.add_mutually_exclusive_group()
    mending.add_argument("--diff", action="store_true", help="show what can be mended, as a diff")
    mending.add_argument("--fix", action="store_true", help="show it, ask, then write it; FILE~ is kept")
    lint.add_argument("--yes", action="store_true", help="with --fix: write without asking")
    check = commands.add_parser("check", help="one sweep: readings and findings; 0 well, 1 degraded, 2 down, 3 blind")
    _json(check)
    how = check.add_mutually_exclusive_group()
    how.add_argument("--once", action="store_true", help="one sweep (this is what happens anyway)")
    how.add_argument("--watch", action="store_true", help="sweep again and again, telling what changed, until ctrl+c")
    drifted = commands.add_parser("drift", help="the repository's files, the hosts' and what runs; 1 when they differ")
    _json(drifted)
    lab = commands.add_parser("lab", help="the rehearsal estate: up, down, status, break, heal")
    verbs = lab.add_subparsers(dest="verb", metavar="VERB", required=True)
    verbs.add_parser("up", help="start it in the background")
    verbs.add_parser("down", help="end it")
    _json(verbs.add_parser("status", help="whether it runs, and what is broken"))
    breaking = verbs.add_parser("break", help="break something, on purpose")
    breaking.add_argument("fault", nargs="?", help="what to break")
    breaking.add_argument("--list", action="store_true", help="name the faults")
    _json(breaking)
    healing = verbs.add_parser("heal", help="heal one fault, or all")
    healing.add_argument("fault", nargs="?", help="which; all of them when left out")
    guided.declare(commands)
    completion = commands.add_parser("completion", help="print the completion script of a shell")
    completion.add_argument("shell", choices=("bash", "zsh", "tcsh"))
    return parser


def _json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="machine-readable, on stdout")


def _format(parser: argparse.ArgumentParser, formats: tuple[str, ...]) -> None:
    """`--json` stays as it was; it is `--format json`."""
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--format", choices=formats, default="text", help="how it is written, on stdout")
    how.add_argument("--json", dest="format", action="store_const", const="json", help="the same as --format json")


def run(arguments: argparse.Namespace) -> int:
    """Run a one-shot command and return its exit status; every CowhandError is one line on stderr."""
    try:
        if arguments.command == "lab":
            return _lab(arguments)
        if arguments.command == "completion":
            return _completion(arguments)
        if arguments.command == "flow":
            return guided.flow(arguments)
        if arguments.command == "journal":
            return guided.journal(arguments)
        estate = load(arguments)
        if arguments.command == "show":
            return _show(estate, arguments)
        if arguments.command == "lint":
            return _lint(estate, arguments)
        if arguments.command == "drift":
            return _drift(estate, arguments)
        return _check(estate, arguments)
    except CowhandError as error:
        say(str(error))
        return EXIT_BLIND if arguments.command == "check" else EXIT_UNUSABLE
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


def say(text: str) -> None:
    """Print one line of narration."""
    from console.text import clean

    print(clean(text, 500), file=sys.stderr, flush=True)


def site_file(arguments: argparse.Namespace) -> Path:
    """Return the site file that is meant; raises InputError when there is none."""
    from console import site

    if arguments.lab:
        return lab_site()
    found = site.find(Path(arguments.site) if arguments.site else None)
    if found is None:
        raise InputError(
            "site.toml", 0, 0, "no site file here; write one (see the README), name one with --site, or --lab"
        )
    return found


def lab_site() -> Path:
    """Return the site file of the rehearsal estate, as shipped."""
    import assets

    return Path(assets.__file__).parent / "lab" / "site.toml"


OFFLINE = ("lint", "show")
"""Commands that ask files and nobody else."""


def load(arguments: argparse.Namespace, again: bool = False) -> Estate:
    """Read the estate that is meant, as OpenTofu has it where that can be asked; `again` says nothing twice."""
    from console.estate import load as estate
    from console.tofu import refine as truth

    found = estate.load(site_file(arguments))
    if not arguments.lab:
        found = truth.settled(found, network=arguments.command not in OFFLINE)
        if found.remark and not again:
            say(found.remark)
    return found


def vantages(arguments: argparse.Namespace, estate: Estate) -> Vantages:
    """Open the vantages of the lab or of the site."""
    from console.engine.vantages import open_lab, open_site

    return open_lab() if arguments.lab else open_site(estate.site)


def emit(document: Any) -> None:
    """Print a document as JSON."""
    import msgspec

    print(msgspec.json.format(msgspec.json.encode(document), indent=2).decode(), flush=True)


def _problems(estate: Estate) -> bool:
    for problem in estate.problems:
        say(str(problem))
    return bool(estate.problems)


def _doubts(estate: Estate) -> bool:
    """Say what is unusable, and what is probably wrong; return whether anything is unusable."""
    unusable = _problems(estate)
    for warning in estate.warnings:
        say(f"{warning.file}:{warning.line}:{warning.column}: warning: {warning.problem}")
    return unusable


def _show(estate: Estate, arguments: argparse.Namespace) -> int:
    from console.formats import text as report

    if arguments.format == "json":
        emit(report.topology(estate.topology))
    elif arguments.format == "text":
        print(report.topology_text(estate))
    else:
        from importlib import import_module

        from console.formats import chart

        print(import_module(f"console.formats.{arguments.format}").render(chart.draw(estate.topology, estate.title)))
    return EXIT_UNUSABLE if _doubts(estate) else EXIT_WELL


def _lint(estate: Estate, arguments: argparse.Namespace) -> int:
    from console.diagnosis.lint import lint
    from console.formats import text as report

    outcome = ""
    if arguments.diff or arguments.fix:
        from console.commands import mend as command

        outcome = command.run(estate.file, arguments, say, report.paint(sys.stdout))
        estate = load(arguments, again=True) if outcome == "written" else estate
    findings = lint(estate.sources, estate.topology)
    if outcome in ("shown", "declined"):
        pass
    elif arguments.format == "json":
        warnings = [report.warning(found) for found in estate.warnings]
        emit({"findings": [report.finding(found) for found in findings], "warnings": warnings})
    elif arguments.format == "sarif":
        from console.formats import sarif

        emit(sarif.render(estate, findings, VERSION))
    elif arguments.format == "github":
        from console.formats import github

        print(github.render(estate, findings))
    else:
        print(report.findings_text(findings, report.paint(sys.stdout)))
    if _doubts(estate):
        return EXIT_UNUSABLE
    return EXIT_FINDINGS if findings else EXIT_WELL


def _drift(estate: Estate, arguments: argparse.Namespace) -> int:
    import asyncio

    from console.diagnosis.rules.drift import found_by
    from console.drift import look as drift
    from console.formats import drift as telling
    from console.formats import text as report

    unusable = _problems(estate)
    compared = asyncio.run(_compare(estate, vantages(arguments, estate)))
    if arguments.json:
        findings = [report.finding(found) for found in found_by(drift.drifted(compared))]
        emit({"files": telling.document(compared), "findings": findings})
    else:
        print(telling.text(compared, report.paint(sys.stdout)))
    if unusable:
        return EXIT_UNUSABLE
    if drift.drifted(compared):
        return EXIT_FINDINGS
    return EXIT_WELL if any(each.state == "same" for each in compared) else EXIT_BLIND


async def _compare(estate: Estate, opened: Vantages) -> tuple[Compared, ...]:
    import asyncio

    from console.drift import look as drift

    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(OPENING):
                await opened.open()
        return await drift.look(estate, opened.hosts, opened.missing)
    finally:
        await opened.close()


def _check(estate: Estate, arguments: argparse.Namespace) -> int:
    import asyncio

    from console.diagnosis.lint import lint
    from console.formats import text as report

    unusable = _problems(estate)
    if not estate.topology.lanes:
        say("nothing to check: no lane was read from the files")
        return EXIT_BLIND
    opened = vantages(arguments, estate)
    static = lint(estate.sources, estate.topology)
    watch = report.Watch(estate, static, arguments.json)
    verdict = asyncio.run(_sweeps(estate, opened, watch, arguments))
    return EXIT_BLIND if unusable else VERDICT_EXIT[verdict]


async def _sweeps(estate: Estate, opened: Vantages, watch: Any, arguments: argparse.Namespace) -> Verdict:
    import asyncio

    from console.engine.engine import FLOOR
    from console.engine.sweeps import Survey

    async def compare() -> tuple[Drifted, ...]:
        from console.drift import look as drift

        return drift.drifted(await drift.look(estate, opened.hosts, opened.missing))

    survey, said = Survey(estate.topology, opened.hosts, opened.missing, watch.hear, compare), ""
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(OPENING):
                await opened.open()
        while True:
            await survey.sweep()
            assert survey.findings is not None
            watch.tell(survey)
            if survey.dark not in ("", said) and (arguments.json or not sys.stdout.isatty()):
                say(survey.dark)  # whoever keeps the verdict alone must not take "well" for "all was seen"
            said = survey.dark
            if not arguments.watch:
                return survey.findings.verdict
            await asyncio.sleep(max(FLOOR, arguments.every))
    finally:
        await opened.close()


def _lab(arguments: argparse.Namespace) -> int:
    from console.lab import client

    if arguments.verb == "break" and (arguments.list or not arguments.fault):
        faults = client.faults()
        if arguments.json:
            emit(faults)
        else:
            for fault in faults:
                print(f"{fault['fault']:26} {fault['finding']}  {fault['words']}")
            for fault in client.disk_faults():
                print(f"{fault['fault']:26} -      {fault['words']}")
        return EXIT_WELL
    if arguments.verb == "up":
        say(client.up())
        return EXIT_WELL
    if arguments.verb == "status":
        return _lab_status(arguments)
    lab = client.Lab.find_running()
    if lab is None:
        raise LabError("no lab is running; start one with `cowhand lab up`")
    if arguments.verb == "down":
        lab.down()
        say("the lab is down")
    elif arguments.verb == "break":
        lab.break_(arguments.fault)
        say(f"broken: {arguments.fault}")
    else:
        lab.heal(arguments.fault)
        say(f"healed: {arguments.fault or 'everything'}")
    return EXIT_WELL


def _completion(arguments: argparse.Namespace) -> int:
    import shtab

    parser = build()
    guided.completing(parser)
    print(shtab.complete(parser, shell=arguments.shell))
    return EXIT_WELL


def _lab_status(arguments: argparse.Namespace) -> int:
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
