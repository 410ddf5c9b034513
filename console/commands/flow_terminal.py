"""A flow without screens: what `cowhand flow` prints, asks and returns."""

from __future__ import annotations

import asyncio
import getpass
import queue
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import msgspec

from console.engine import lanes
from console.errors import CowhandError, InputError
from console.events import (
    ActionBegan,
    ActionEnded,
    ActionProgressed,
    FlowBegan,
    FlowEnded,
    FlowEvent,
    FlowSaid,
    PlanShown,
    Prompt,
    RunOutcome,
    StepChanged,
    StepPlanned,
    StepsListed,
)
from console.runner.answers import several
from console.runner.context import StepContext, Surroundings
from console.runner.ending import Ending
from console.runner.session import Session
from console.runner.step import Flow
from console.text import clean, progress

if TYPE_CHECKING:
    from console.engine.vantages import Vantages
    from console.estate.load import Estate
    from console.process.signals import Second
    from console.store.journal import Record

EXIT: dict[RunOutcome, int] = {
    "done": 0, "planned": 0, "failed": 1, "refused": 1, "stopped": 1, "incomplete": 1, "unanswered": 4,
}  # fmt: skip

MARKS = {
    "so": "✓", "done": "✓", "skipped": "·", "left": "·", "later": "…", "planned": "▸", "refused": "✗", "failed": "✗",
    "undone": "↶", "stopped": "■",
}  # fmt: skip

OPENING = 20.0
"""Seconds that connecting to the hosts may take before the first step is checked."""

PROGRESS = 10.0
"""Seconds between two lines that say how far an action is."""

LONGEST = 500
"""Characters of a prompt."""

CUT = 0.3
"""Seconds that the action under way may still take after SIGTERM or SIGHUP."""


class FlowOptions(msgspec.Struct, frozen=True):
    """The options of the command line; `destroy` are the names given by --answer destroy=NAME."""

    answers: Mapping[str, str]
    destroy: tuple[str, ...] = ()
    yes: bool = False
    dry: bool = False
    json: bool = False
    runbook: bool = False


def flow_options(words: Sequence[str], yes: bool, dry: bool, json: bool, runbook: bool) -> FlowOptions:
    """Return the options; raises `InputError` for an --answer that is not KEY=VALUE."""
    answers: dict[str, str] = {}
    destroy: list[str] = []
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise InputError("--answer", 0, 0, f'"{clean(word, 60)}" is not KEY=VALUE')
        if key == "destroy":
            destroy.append(value)
        else:
            answers[key] = _value(key, value)
    return FlowOptions(answers, tuple(destroy), yes, dry or runbook, json, runbook)


def _value(key: str, value: str) -> str:
    """The value itself, or what is in the file of @FILE, or on standard input for -; without its last newline."""
    if value == "-":
        return sys.stdin.read().removesuffix("\n")
    if not value.startswith("@"):
        return value
    try:
        return Path(value[1:]).expanduser().read_text(encoding="utf-8").removesuffix("\n")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror.lower() if isinstance(error, OSError) and error.strerror else "it is not UTF-8 text"
        raise InputError("--answer", 0, 0, f"{clean(key, 40)}: {clean(value[1:], 200)} cannot be read: {why}") from None


async def run(
    flow: Flow,
    estate: Estate,
    opened: Vantages,
    asked: FlowOptions,
    folder: Path | None,
    load: Callable[[], Estate],
    undoing: Record | None = None,
    second: Second | None = None,
) -> int:
    """Run a flow in this terminal and return its exit status.

    `load` reads the estate again, for a flow that changes it; with `undoing` that earlier run is taken back."""
    printer = Printer(asked)

    async def renewal() -> Surroundings:
        fresh = await asyncio.to_thread(load)
        await opened.renew(fresh.site)
        return Surroundings(fresh, opened.named, opened.reasons)

    context = StepContext(estate, opened.named, opened.reasons, asked.answers, asked.destroy, renewal)
    lanes.attach(context, opened)
    operator = Operator(asked, printer)
    session = Session(flow, context, operator.ask, printer.tell, None if asked.dry else folder, undoing)
    signals = Signals(session, printer, second)
    signals.install()
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(OPENING):
                await opened.open()
        ending: Ending = await session.run()
    except asyncio.CancelledError:
        return 128 + signals.number if signals.number else 1
    except CowhandError as error:
        printer.say(str(error))
        return 1
    finally:
        signals.remove()
        await opened.close()
        printer.close()
    if asked.runbook and session.planned is not None:
        from console.runner import runbook

        if ending.outcome != "planned":
            print(f"cowhand: no runbook: {clean(ending.words, 400)}", file=sys.stderr)
        else:
            print(runbook.write(flow.name, flow.words, context, *session.planned), end="")
    return 128 + signals.number if signals.number else EXIT[ending.outcome]


class Signals:
    """Ctrl+C stops the run after the action under way, a second one ends that action, a third one cuts it off.

    SIGTERM and SIGHUP cut it soon. asyncio's own handlers would take the descriptor that the second process hears of
    signals by (`process.signals`), so these are plain ones; `second` is None where there is none."""

    def __init__(self, session: Session, printer: Printer, second: Second | None = None) -> None:
        self.session, self.printer, self.second = session, printer, second
        self._before: dict[int, Any] = {}
        self.number = self.times = 0
        self._task = asyncio.current_task()
        self._cutting: asyncio.Future[None] | None = None

    def install(self) -> None:
        """Install the handlers."""
        loop = asyncio.get_running_loop()

        def take(number: int, _: object) -> None:
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(self._hear, number)

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            self._before[number] = signal.signal(number, take)

    def remove(self) -> None:
        """Remove the handlers."""
        for number, before in self._before.items():
            signal.signal(number, before)

    async def _cut(self, task: asyncio.Task[Any]) -> None:
        await self.session.cut()
        task.cancel()

    def _hear(self, number: int) -> None:
        assert self._task is not None
        if self.second is not None:
            self.second.heard()
        times, self.number = self.times, number
        self.times += 1
        self.session.stop()
        if number == signal.SIGINT and times == 0:
            self.printer.say("stopping after the command under way; ctrl+c again ends that too")
        elif number == signal.SIGINT and times == 1:
            self.printer.say("ending the command under way; ctrl+c again cuts it off")
            self._cutting = asyncio.ensure_future(self._cut(self._task))
        elif number == signal.SIGINT:
            self._task.cancel()
        else:
            asyncio.get_running_loop().call_later(CUT, self._task.cancel)


class Printer:
    """Prints events from a thread of its own, so that a stalled terminal delays no step."""

    def __init__(self, asked: FlowOptions) -> None:
        self.asked = asked
        self.out: TextIO = sys.stderr if asked.runbook else sys.stdout
        self._names: tuple[tuple[str, str], ...] = ()
        self._paths: tuple[tuple[str, ...], ...] = ()
        self._within: tuple[str, ...] = ()
        self._far = 0.0
        self._lines: queue.SimpleQueue[tuple[TextIO, str] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._print, name="printer", daemon=True)
        self._thread.start()

    def say(self, text: str) -> None:
        """Print one line on stderr."""
        self._lines.put((sys.stderr, f"{clean(text, 1000)}\n"))

    def ask(self, text: str) -> None:
        """Print a prompt, without ending its line."""
        self._lines.put((sys.stderr, text))

    def tell(self, event: FlowEvent) -> None:
        """Print an event: as a line of JSON, or as an operator reads it."""
        if self.asked.json:
            self._lines.put((self.out, msgspec.json.encode(event).decode() + "\n"))
            return
        text = self._text(event)
        if text:
            self._lines.put((self.out, text + "\n"))

    def close(self) -> None:
        """Wait up to two seconds until everything is printed."""
        self._lines.put(None)
        self._thread.join(2.0)

    def _print(self) -> None:
        while (item := self._lines.get()) is not None:
            file, text = item
            with suppress(OSError, ValueError):
                file.write(text)
                file.flush()

    def _text(self, event: FlowEvent) -> str:
        match event:
            case FlowBegan():
                self._names, self._paths, self._within = event.steps, event.paths, (event.flow,)
                return f"{event.flow}  {event.words}" + ("  (dry run: nothing is changed)" if event.dry else "")
            case StepsListed():
                self._names, self._paths = event.steps, event.paths
                return ""
            case StepChanged(state=("checking" | "applying" | "verifying")):
                return ""
            case StepChanged():
                name = self._names[event.step][0]
                head = f"{MARKS.get(event.state, ' ')} {event.step + 1} {name}  {event.words}"
                rows = [*self._heading(event.step), head.rstrip()]
                return "\n".join([*rows, *(f"      {line}" for line in event.evidence)])
            case StepPlanned():
                return "\n".join(plan_lines(event.plan))
            case ActionBegan():
                self._far = event.at
                return f"    ─ {event.action.host}: {event.action.text}"
            case ActionProgressed() if event.at - self._far >= PROGRESS:
                self._far = event.at
                far = progress(event.done, event.total, event.unit, event.rate, event.left)
                return f"      {f'{event.words} {far}'.strip()}"
            case ActionEnded():
                took = f"{event.seconds:.1f} s"
                rows = [f"      {row}" for row in event.output.split("\n") if row]
                status = "" if event.status is None else f"status {event.status}, "
                ending = f"✗ {event.problem} ({took})" if event.problem else f"{status}{took}"
                return "\n".join([*rows, f"      {ending}"])
            case FlowSaid():
                return f"  {event.text}"
            case FlowEnded():
                return f"{event.outcome}: {event.words}"
        return ""

    def _heading(self, step: int) -> list[str]:
        """The flow that the following steps belong to, when it is another one than before."""
        within = self._paths[step] if step < len(self._paths) else self._within
        if within == self._within:
            return []
        self._within = within
        return [" / ".join(within)]


def plan_lines(plan: PlanShown) -> list[str]:
    """Return the lines of a plan."""
    rows = [f"      {note}" for note in plan.notes]
    for action in plan.actions:
        rows.append(f"    {action.host}: {action.text}")
        rows += [f"      {row}" for row in action.diff.split("\n") if row]
    rows += [f"    lost: {words} (type {name})" for name, words in plan.loses]
    rows += [f"    {label}: {words}" for label, words in _rest(plan) if words]
    return rows


def _rest(plan: PlanShown) -> list[tuple[str, str]]:
    undo = plan.undo or ("" if not plan.actions else "cannot be undone")
    back = [("reverts by itself", words) for words in plan.rollbacks]
    return [("not exact yet", plan.later), *back, ("undo", undo)]


class Operator:
    """Answers prompts from the options of the command line, and from the terminal when there is one."""

    def __init__(self, asked: FlowOptions, printer: Printer) -> None:
        self.asked, self.printer = asked, printer
        self.present = sys.stdin.isatty() and not asked.json and not asked.yes

    async def ask(self, prompt: Prompt) -> str | None:
        """Return the answer; None when there is neither an option for it nor a terminal."""
        if prompt.kind == "confirm" and self.asked.yes:
            return "yes"
        if prompt.kind == "answer" and not self.present and self.asked.yes:
            return prompt.default
        if not self.present:
            return None
        if prompt.kind == "confirm":
            return await self._confirm(prompt)
        if prompt.choices:
            return await self._choose(prompt)
        if prompt.wrong:
            self.printer.say(f"  {prompt.wrong}")
        offer = prompt.last if prompt.last is not None else prompt.default
        said = await self._type(f"  {_counted(prompt)}{f' [{offer}]' if offer else ''}: ", prompt.secret)
        return offer if said == "" and offer is not None else said

    async def _confirm(self, prompt: Prompt) -> str | None:
        letters = {"y": "yes", "yes": "yes", "a": "all", "all": "all", "s": "skip", "skip": "skip"}
        offered = "".join(f", {key[0]} {words}" for key, words in prompt.choices.items() if key not in ("yes", "stop"))
        said = await self._type(f"  {prompt.text} [y/N{offered}] ", False)
        if said is None:
            return None
        wanted = letters.get(said.strip().lower(), "stop")
        return wanted if wanted in prompt.choices else "stop"

    async def _choose(self, prompt: Prompt) -> str | None:
        if prompt.wrong:
            self.printer.say(f"  {prompt.wrong}")
        self.printer.say(f"  {_counted(prompt)}")
        values = list(prompt.choices)
        for number, value in enumerate(values, 1):
            self.printer.say(f"    {number}  {value}  {prompt.choices[value]}")
        offer = prompt.last if prompt.last is not None else prompt.default
        which = "which ones, with commas between" if prompt.wants == "several" else "which one"
        said = await self._type(f"  {which}{f' [{offer}]' if offer else ''}? ", False)
        if said is None:
            return None
        said = said.strip() or offer or ""
        picked = [values[int(each) - 1] if each.isdecimal() and 1 <= int(each) <= len(values) else each
                  for each in (several(said) if prompt.wants == "several" else [said])]  # fmt: skip
        return ",".join(picked)

    async def _type(self, text: str, secret: bool) -> str | None:
        """Read a line in a thread that is abandoned when the run is cut; None at the end of the input."""
        loop = asyncio.get_running_loop()
        typed: asyncio.Future[str | None] = loop.create_future()
        text = _asked(text)
        if not secret:
            self.printer.ask(text)

        def settle(line: str | None) -> None:
            if not typed.done():
                typed.set_result(line)

        def read() -> None:
            line: str | None = None
            with suppress(EOFError, OSError):
                line = getpass.getpass(text) if secret else _line()
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(settle, line)

        threading.Thread(target=read, name="typing", daemon=True).start()
        return await typed


def _asked(text: str) -> str:
    """Return a prompt as it is printed: one line, and nothing in it steers the terminal or looks like another's words.

    The blanks around it are ours. What is asked may quote a host or a file."""
    inner = text.strip(" ")
    indent, rest = text[: len(text) - len(text.lstrip(" "))], text[len(text.rstrip(" ")) :]
    return f"{indent}{clean(inner, LONGEST)}{rest}"


def _counted(prompt: Prompt) -> str:
    """The question, with its number when several are asked together."""
    number, count = prompt.part
    return f"{number} of {count}: {prompt.text}" if count > 1 else prompt.text


def _line() -> str | None:
    line = sys.stdin.readline()
    return line.rstrip("\r\n") if line else None
