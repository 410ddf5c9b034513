"""Runs of a case: undisturbed, or in trouble, or in a console of their own that can be killed."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from console.estate.load import load
from console.events import FlowEvent, Prompt
from console.flows import StepContext
from console.hosts import lock
from console.runner.ending import Ending
from console.runner.progress import Operator
from console.runner.session import Session
from console.store import journal
from tests.console.flows.case import Case, find
from tests.console.flows.faults import Faulty, Trouble


def context(case: Case, root: Path, trouble: Trouble | None = None) -> StepContext:
    """The world of a console that has just started."""
    hosts = case.hosts(root)
    if trouble is not None:
        hosts = {role: Faulty(host, trouble) for role, host in hosts.items()}
    return StepContext(load(root / "site.toml"), hosts, {}, case.answers, case.destroy)


def folder(root: Path) -> Path:
    """Where the journals of a case are."""
    return journal.place(root / "site.toml")


async def agree(prompt: Prompt) -> str | None:
    """An operator who says yes, and stops at a failure."""
    return {"confirm": "yes", "failed": "stop"}.get(prompt.kind)


async def walk(
    case: Case,
    root: Path,
    hear: Callable[[FlowEvent], None],
    trouble: Trouble | None = None,
    operator: Operator = agree,
) -> Ending | None:
    """Run the flow of a case; None when it was cut off."""

    def tell(event: FlowEvent) -> None:
        if trouble is not None:
            trouble.hear(event)
        hear(event)

    session = Session(case.flow, context(case, root, trouble), operator, tell, folder(root))
    if trouble is not None:
        trouble.stop = session.stop
    task = asyncio.ensure_future(session.run())
    await asyncio.wait({task})
    return None if task.cancelled() else task.result()


async def ran(case: Case, root: Path) -> tuple[str, list[FlowEvent]]:
    """Walk it undisturbed, and return how it ended, in words, with all that was told."""
    heard: list[FlowEvent] = []
    ending = await walk(case, root, heard.append)
    assert ending is not None
    return ending.words, heard


class Nursery:
    """A process that has imported all it needs, and forks a console for each run that is to be killed."""

    def __init__(self) -> None:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        words = [sys.executable, "-m", "tests.console.flows.walking"]
        self.process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def walk(self, *words: str) -> int:
        """Run NAME ROOT STATE FAULT MOMENT NUMBER STEP, and return how the console ended: minus the signal's number."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(words) + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def close(self) -> None:
        """End it."""
        self.process.communicate(timeout=60)


def main() -> None:
    """Fork a console for each line of the input, and tell how it ended."""
    for line in sys.stdin:
        name, root, state, fault, moment, number, step = json.loads(line)
        child = os.fork()
        if not child:
            os.environ["XDG_STATE_HOME"] = state
            lock.LOCKS = f"{state}/locks"  # another test's console changes this machine too
            case = find(name)
            trouble = Trouble(case, Path(root), fault, moment, int(number), int(step))
            asyncio.run(walk(case, Path(root), lambda event: None, trouble))
            os._exit(0)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
