"""`check`: prints the readings and findings of one sweep, or with --watch of one after another."""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from textwrap import shorten, wrap
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from console.commands import opening
from console.commands.arguments import add_json
from console.commands.output import EXIT_BLIND, VERDICT_EXIT, say
from console.errors import CowhandError
from console.text import join_words

if TYPE_CHECKING:
    from console.engine.sweeps import Sweeps
    from console.engine.vantages import Vantages
    from console.estate.load import Estate
    from console.events import Event
    from console.model import Finding, Kept, Role, Verdict
    from console.observation import Drifted


STEP, FIRST = 0.1, 0.8
"""Seconds between two looks at what is known so far, and until the first sentence on who has not answered yet."""

SOON, LATE, UNREAD = 0.5, 1.0, 1.5
"""Seconds that a way in may take before others are looked from meanwhile, before that is said, and where nobody reads
along: what is looked at beside a handshake is timed less well."""


def declare(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_json(parser)
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--once", action="store_true", help="one sweep (this is what happens anyway)")
    how.add_argument("--watch", action="store_true", help="sweep again and again, telling what changed, until ctrl+c")


def run(arguments: argparse.Namespace) -> int:
    """Sweep and print; returns the exit status, `EXIT_BLIND` also when nothing could be looked at."""
    try:
        return _check(arguments)
    except CowhandError as error:
        say(str(error))
        return EXIT_BLIND


def _check(arguments: argparse.Namespace) -> int:
    from console.diagnosis.lint import lint
    from console.estate.missing import missing

    estate = opening.load_estate(arguments)
    unusable = opening.say_problems(estate)
    if not estate.topology.lanes:
        say("nothing to check: no lane was read from the files")
        return EXIT_BLIND
    opened = opening.open_vantages(arguments, estate)
    lacks = missing(estate.site, estate.topology)
    watch = Watch(estate.title, lint(estate.sources, estate.topology), arguments.json, lacks, arguments.watch)
    verdict = asyncio.run(_sweeps(estate, opened, watch, arguments))
    return EXIT_BLIND if unusable else VERDICT_EXIT[verdict]


async def _sweeps(estate: Estate, opened: Vantages, watch: Watch, arguments: argparse.Namespace) -> Verdict:
    from console.engine.engine import FLOOR
    from console.engine.keeping import Keeping
    from console.engine.sweeps import PATIENCE, Sweeps
    from console.engine.vantages import trusting
    from console.process import crash

    async def compare() -> tuple[Drifted, ...]:
        from console.drift.compared import drifted
        from console.drift.look import look

        return drifted(await look(estate, opened.hosts, opened.missing))

    async def keep() -> Kept:
        from console.engine.certificate_survey import kept

        return await kept(estate, opened.hosts)

    trust, said = trusting(estate, opened), ""
    keeping = Keeping(keep, crash.report, PATIENCE)
    sweeps = Sweeps(estate.topology, opened.hosts, opened.missing, watch.hear, compare, crash.report, trust, keeping)
    try:
        async with _opened(opened, watch) as coming:
            await _swept(sweeps, watch, coming)
        while True:
            assert sweeps.findings is not None
            watch.tell(sweeps)
            if sweeps.dark not in ("", said) and (arguments.json or not sys.stdout.isatty()):
                say(sweeps.dark)  # a program that reads only the verdict must not take "well" for "everything was seen"
            said = sweeps.dark
            if not arguments.watch:
                return sweeps.findings.verdict
            await asyncio.sleep(FLOOR if sweeps.surprised else arguments.every)
            await _swept(sweeps, watch)
    finally:
        keeping.close()
        await opened.close()


@asynccontextmanager
async def _opened(opened: Vantages, watch: Watch) -> AsyncIterator[dict[Role, asyncio.Future[bool]]]:
    """Connect to every host, and go on soon: gives those that are still being connected to, each by its role.

    They are given up at the end, or after `OPENING` seconds."""
    tasks = opened.opening()
    saying = asyncio.ensure_future(_say_late(opened, tasks, watch))
    ending = asyncio.get_running_loop().call_later(opening.OPENING, lambda: [task.cancel() for task in tasks.values()])
    try:
        await asyncio.wait(tasks.values(), timeout=UNREAD if _unread(watch) else SOON)
        yield {role: task for role, task in tasks.items() if not task.done()}
    finally:
        ending.cancel()
        saying.cancel()
        for task in tasks.values():
            task.cancel()
        await asyncio.wait([*tasks.values(), saying])
    ended: list[asyncio.Future[Any]] = [*tasks.values(), saying]
    for each in ended:
        if not each.cancelled() and (error := each.exception()) is not None:
            raise error


async def _say_late(opened: Vantages, tasks: Mapping[Role, asyncio.Future[bool]], watch: Watch) -> None:
    """At a terminal, say which hosts keep us waiting."""
    await asyncio.wait(tasks.values(), timeout=LATE)
    late = [role for role, task in tasks.items() if not task.done()]
    if late and not _unread(watch):
        names = join_words([opened.hosts[role].name for role in late])
        watch.say(f"no way in to {names} so far: tried for {LATE:g} s, and looked from elsewhere meanwhile")


async def _swept(
    sweeps: Sweeps, watch: Watch, coming: Mapping[Role, asyncio.Future[bool]] = MappingProxyType({})
) -> None:
    """Sweep once, and at a terminal tell what is certain before the slow ladders end."""
    if _unread(watch):
        await sweeps.sweep(coming=coming)
        return
    progress = asyncio.create_task(watch.progress(sweeps))
    try:
        await sweeps.sweep(coming=coming)
    finally:
        progress.cancel()


def _unread(watch: Watch) -> bool:
    """Whether nobody reads along: no terminal, or JSON."""
    return watch.as_json or not sys.stdout.isatty()


class Watch:
    """Prints sweeps: the first one whole, then only what changed."""

    def __init__(
        self, title: str, static: Sequence[Finding], as_json: bool, lacks: str = "", watching: bool = False
    ) -> None:
        self.title, self.static, self.as_json, self.lacks = title, static, as_json, lacks
        self.watching = watching
        """Whether more than one sweep is printed: of JSON one document a line."""
        self._told: dict[tuple[str, str], tuple[str, str]] = {}
        self._verdict = ""
        self.changed: list[Event] = []
        self._began, self._said, self._looked = time.monotonic(), "", False
        self.count = 0

    def hear(self, event: Event) -> None:
        """Take an event of the sweep under way."""
        self.changed.append(event)

    async def progress(self, sweeps: Sweeps) -> None:
        """Print whose answer is waited for, and each cause as soon as it is certain, until cancelled."""
        from console.diagnosis.early import waiting

        began = time.monotonic()
        while True:
            await asyncio.sleep(STEP)
            told = sweeps.early.cause if sweeps.early is not None else ""
            patient = self._looked or time.monotonic() - began <= FIRST
            if not told and not patient and sweeps.seen is not None and not sweeps.seen.ended:
                told = waiting(sweeps.seen, time.time())
            self._looked = self._looked or bool(told)
            self.say(told)

    def say(self, told: str) -> None:
        """Print a sentence before the sweep has ended, unless it is the one that was printed last."""
        if told and told != self._said:
            self._said = told
            took = time.monotonic() - self._began
            print(f"{took:4.1f} s  " + "\n        ".join(wrap(told, 110)), flush=True)

    def tell(self, sweeps: Sweeps) -> None:
        """Print the sweep that just ended, if it changed anything."""
        changed, self.changed = self.changed, []
        self.count += 1
        if not changed:
            return
        if self.as_json:
            self._tell_json(sweeps)
        elif self.count == 1:
            self._tell_whole(sweeps)
            self._told = {
                key: (reading.outcome, re.sub(r"^[\d.]+ m?s$", "", reading.word))
                for key, reading in sweeps.readings.items()
            }
            self._verdict = self._sum(sweeps)
        else:
            self._tell_changes(sweeps, changed)
        sys.stdout.flush()

    def _tell_json(self, sweeps: Sweeps) -> None:
        from msgspec.json import encode
        from msgspec.json import format as indent

        from console.formats import document

        assert sweeps.findings is not None
        unseen = [sweeps.dark] if sweeps.dark else []
        unseen += [f"stored certificates: {each}" for each in sweeps.seen.kept.unseen] if sweeps.seen else []
        encoded = encode(document.check(sweeps.topology, sweeps.readings, sweeps.findings, self.static, unseen))
        print((encoded if self.watching else indent(encoded, indent=2)).decode())

    def _tell_whole(self, sweeps: Sweeps) -> None:
        from console.formats import text

        told, paint = sweeps.findings, text.paint(sys.stdout)
        assert told is not None
        state = {"well": "ok", "down": "failed", "degraded": "degraded", "unknown": "unknown"}[told.verdict]
        cause = told.cause
        if cause and cause == sweeps.dark:  # it is printed whole below
            taken = len(f"{self.title}: {told.verdict} · ")
            cause = shorten(cause, max(20, text.WIDTH - taken), placeholder=" …")
        head = f"{self.title}: {paint(told.verdict, state)}"
        print(f"{head} · {cause}" if cause else head)
        print(f"\n{text.matrix(sweeps.topology, sweeps.readings, paint)}")
        for reason in text.unknown_reasons(sweeps.readings):
            lines = wrap(reason, text.WIDTH - 2, break_long_words=False, break_on_hyphens=False)
            print(f"\n{paint('?', 'unknown')} " + "\n  ".join(lines))
        if self.lacks:
            print(f"\nsite.toml lacks this; copy it there and put in your own:\n\n{self.lacks}")
        if told.findings:
            print(f"\n{text.findings(told.findings, paint, text.terminal_width())}")
        if self.static:
            word = "finding" if len(self.static) == 1 else "findings"
            print(f"\n{len(self.static)} {word} in the files (they change no verdict): cowhand lint")

    def _tell_changes(self, sweeps: Sweeps, changed: Sequence[Event]) -> None:
        from console.events import ReadingsChanged
        from console.formats import text

        paint, now = text.paint(sys.stdout), time.strftime("%H:%M:%S")
        latest = {
            (reading.lane, reading.hop): reading
            for event in changed
            for reading in (event.readings if isinstance(event, ReadingsChanged) else ())
        }
        for key, reading in latest.items():
            word = re.sub(r"^[\d.]+ m?s$", "", reading.word)  # a latency that is a little other is no news
            if self._told.get(key) == (reading.outcome, word):
                continue
            self._told[key] = (reading.outcome, word)
            lamp = paint(f"{text.MARKS[reading.outcome]} {reading.word}", reading.outcome)
            print(f"{now}  {reading.lane}  {reading.hop}  {lamp}")
        verdict = self._sum(sweeps)
        if verdict != self._verdict:
            print(f"{now}  {verdict}")
        self._verdict = verdict

    @staticmethod
    def _sum(sweeps: Sweeps) -> str:
        """The verdict and its cause, in one line."""
        told = sweeps.findings
        assert told is not None
        cause = told.cause or (f"all {len(sweeps.topology.lanes)} lanes well" if told.verdict == "well" else "")
        return f"{told.verdict} · {cause}" if cause else told.verdict
