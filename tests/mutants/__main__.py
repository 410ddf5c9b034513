"""`make mutants`: which small mistakes in the dangerous modules would no test notice?

    python -m tests.mutants [MODULE …] [--survivors] [--fresh] [-n 2]

MODULE is a part of a path in targets.toml. A module whose text and tests are as they were is not tried again, unless
`--fresh`. `--survivors`, for while tests are written, tries only what survived as long as the module is as it was."""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from tests.mutants.mistakes import Mutant, mutants

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
WORK = ROOT / ".mutants"
RESULTS = WORK / "results.json"
LEAST = 95
"""Percent of the mistakes that must be noticed, those aside that change nothing."""

PATIENCE = 20.0
"""Seconds a trial may take beyond five times what its tests take; it is then taken for an endless loop, and noticed."""

Identity = tuple[str, str, str]


class Broken(Exception):
    """Nothing can be said of mistakes, for this reason."""


@dataclass
class Target:
    """A module, the tests that should notice, and how each mistake went: "killed", "late", "survived" or None."""

    module: str
    tests: list[str]
    least: float = LEAST
    apart: bool = False
    """Whether tests run the module in other processes too, so that who runs which line is not known."""
    mutants: list[Mutant] = field(default_factory=list)
    outcomes: list[str | None] = field(default_factory=list)
    lines: dict[int, list[str]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    key: str = ""
    own: str = ""

    def selection(self, mutant: Mutant) -> list[str]:
        """Return the tests that run the mistaken lines, the quickest first; all of them where that is not known."""
        runs = {test for line in range(mutant.first, mutant.last + 1) for test in self.lines.get(line, ())}
        chosen = self.seconds if self.apart or "" in runs or not mutant.inner else runs
        return sorted(chosen, key=lambda test: (self.seconds[test], test))


class Copy:
    """A copy of the project with a process that tries mistakes in it."""

    def __init__(self, number: int) -> None:
        self.folder = WORK / f"copy-{number}"
        _copy(self.folder)
        environment = {**os.environ, "PYTHONPATH": str(self.folder)}
        worker = [sys.executable, "-P", "tests/mutants/worker.py"]
        self.process = subprocess.Popen(
            worker, cwd=self.folder, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, job: dict[str, Any]) -> dict[str, Any]:
        """Have a job done; raises `Broken` when the worker is gone."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise Broken("a worker ended")
        return json.loads(line)  # type: ignore[no-any-return]

    def close(self) -> None:
        """End the worker."""
        with self.process:
            assert self.process.stdin is not None
            self.process.stdin.close()


def main(argv: list[str] | None = None) -> int:
    """Return 0 when every module is well held, 1 when not, 2 when nothing can be said."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants")
    parser.add_argument("modules", nargs="*", metavar="MODULE")
    parser.add_argument("--survivors", action="store_true", help="believe what was killed before")
    parser.add_argument("--fresh", action="store_true", help="believe nothing")
    parser.add_argument("-n", type=int, default=2, metavar="N", help="processes (2)")
    options = parser.parse_args(argv)
    targets = [each for each in load() if not options.modules or any(part in each.module for part in options.modules)]
    try:
        if not targets:
            raise Broken("no such module in targets.toml")
        with _alone():
            run(targets, options.n, fresh=options.fresh, survivors=options.survivors)
    except Broken as broken:
        print(broken, file=sys.stderr)
        return 2
    return report(targets, equivalents())


@contextmanager
def _alone() -> Iterator[None]:
    """Wait until no other run works in the copies: it would try its mistakes in ours."""
    WORK.mkdir(exist_ok=True)
    with (WORK / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def load() -> list[Target]:
    """Read targets.toml."""
    rows = tomllib.loads((HERE / "targets.toml").read_text())["target"]
    return [Target(module, **row) for row in rows for module in row.pop("modules")]


def equivalents() -> dict[str, dict[Identity, str]]:
    """Read equivalent.toml: for each module the mistakes that change nothing, and why."""
    found: dict[str, dict[Identity, str]] = {}
    for row in tomllib.loads((HERE / "equivalent.toml").read_text()).get("equivalent", []):
        found.setdefault(row["module"], {})[row["place"], row["line"], row["becomes"]] = row["why"]
    return found


def run(targets: list[Target], copies: int, *, fresh: bool, survivors: bool) -> None:
    """Try every mistake that has to be tried; raises `Broken` when the tests fail without any."""
    known = {} if fresh or not RESULTS.exists() else json.loads(RESULTS.read_text())
    pool: SimpleQueue[Copy] = SimpleQueue()
    workers = [Copy(number) for number in range(copies)]
    for worker in workers:
        pool.put(worker)

    def each(work: Callable[[Copy, Any], None], jobs: Iterable[Any]) -> None:
        def one(job: Any) -> None:
            worker = pool.get()
            try:
                work(worker, job)
            finally:
                pool.put(worker)

        with ThreadPoolExecutor(copies) as threads:
            list(threads.map(one, jobs))

    try:
        loaded: dict[str, None] = {}
        each(lambda worker, target: loaded.update(dict.fromkeys(_clean(worker, target))), targets)
        for worker in workers:
            worker.ask({"load": list(loaded)})
        for target in targets:
            _recall(target, known.get(target.module, {}), survivors)
        jobs = [(target, at) for target in targets for at, done in enumerate(target.outcomes) if done is None]
        counter = _Counter(len(jobs))
        each(lambda worker, job: counter.one(_try(worker, *job)), jobs)
        tried = {target.module for target, _ in jobs}
        each(_again, [target for target in targets if target.module in tried])
    finally:
        for worker in workers:
            worker.close()
    for target in targets:
        known[target.module] = {"key": target.key, "own": target.own, "outcomes": target.outcomes}
    RESULTS.write_text(json.dumps(known))


class _Counter:
    def __init__(self, total: int) -> None:
        self.total, self.done, self.lock = total, 0, threading.Lock()

    def one(self, _: None) -> None:
        with self.lock:
            self.done += 1
            if sys.stderr.isatty() or self.done % 100 == 0:
                print(f"\r{self.done} of {self.total}", end="" if sys.stderr.isatty() else "\n", file=sys.stderr)


def _job(target: Target, **more: Any) -> dict[str, Any]:
    job = {"module": target.module, "text": None, "tests": target.tests, "only": None, "limit": 900.0, "measure": False}
    return {**job, **more}


def _clean(worker: Copy, target: Target) -> list[str]:
    """Run a target's tests without a mistake: they must pass; returns the modules that were loaded."""
    answer = worker.ask(_job(target, measure=True))
    if answer["code"] != 0 or not answer.get("passed"):
        raise Broken(f"{target.module}: its tests fail without any mistake:\n{answer['out']}")
    target.lines = {int(line): tests for line, tests in answer["lines"].items()}
    target.seconds = answer["seconds"]
    text = (worker.folder / target.module).read_text(encoding="utf-8")
    target.mutants = mutants(text)
    ours = sorted({file for _, file in answer["loaded"] if file.startswith(f"{worker.folder}/tests/")})
    target.own = _digest([text, (HERE / "mistakes.py").read_text()])
    worker_text = (HERE / "worker.py").read_text()
    target.key = _digest(
        [target.own, worker_text, repr(target.tests), *(Path(file).read_text(encoding="utf-8") for file in ours)]
    )
    return [name for name, file in answer["loaded"] if not file.startswith(f"{worker.folder}/")]


def _again(worker: Copy, target: Target) -> None:
    """Run them once more after all mistakes: what fails now may have failed for another reason."""
    answer = worker.ask(_job(target))
    if answer["code"] != 0:
        raise Broken(f"{target.module}: its tests fail without any mistake, after the trials:\n{answer['out']}")


def _try(worker: Copy, target: Target, at: int) -> None:
    mutant = target.mutants[at]
    only = target.selection(mutant)
    if not only:
        target.outcomes[at] = "survived"
        return
    files = [file for file in target.tests if any(test.startswith(file) for test in only)]
    limit = PATIENCE + 5 * sum(target.seconds[test] for test in only)
    answer = worker.ask(_job(target, text=mutant.text, tests=files, only=only, limit=limit))
    if answer["late"]:
        target.outcomes[at] = "late"
    elif answer["code"] == 0:
        target.outcomes[at] = "survived"
    elif answer["code"] in (1, 2) or answer["code"] < 0 or answer.get("failed"):
        target.outcomes[at] = "killed"  # failed, could not be imported, or ended by a signal
    else:
        raise Broken(f"{target.module}: pytest ended with {answer['code']} at\n{_shown(mutant)}\n{answer['out']}")


def _recall(target: Target, known: dict[str, Any], survivors: bool) -> None:
    target.outcomes = [None] * len(target.mutants)
    if known.get("key") == target.key:
        target.outcomes = known["outcomes"]
    elif survivors and known.get("own") == target.own:
        target.outcomes = [None if each == "survived" else each for each in known["outcomes"]]


def _digest(texts: Iterable[str]) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


def _listed() -> list[str]:
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")


def _copy(folder: Path) -> None:
    """Make `folder` the project as it stands, without what git ignores; bytecode that is there stays good."""
    wanted = {name for name in _listed() if name and (ROOT / name).is_file()}
    for path in list(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts and str(path.relative_to(folder)) not in wanted:
            path.unlink()
    for name in wanted:
        source, copy = ROOT / name, folder / name
        before, after = source.stat(), copy.stat() if copy.exists() else None
        if after is None or (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, copy)


def report(targets: list[Target], equivalent: dict[str, dict[Identity, str]]) -> int:
    """Print figures and survivors; 1 when too many survived, or the list of equivalents is wrong."""
    bad = 0
    width = max(len(target.module) for target in targets)
    print(f"{'module':{width}}  mistakes  killed  late  equivalent  survived  noticed")
    rest: list[str] = []
    for target in targets:
        listed = equivalent.get(target.module, {})
        named = [each.identity in listed for each in target.mutants]
        count = Counter("equivalent" if name else done for name, done in zip(named, target.outcomes, strict=True))
        real = len(target.mutants) - count["equivalent"]
        noticed = 100 * (count["killed"] + count["late"]) / real if real else 100.0
        few = noticed < target.least
        bad |= few
        figures = f"{len(target.mutants):8}  {count['killed']:6}  {count['late']:4}  {count['equivalent']:10}"
        print(f"{target.module:{width}}  {figures}  {count['survived']:8}  {noticed:6.1f} %{' TOO FEW' if few else ''}")
        for mutant, name, done in zip(target.mutants, named, target.outcomes, strict=True):
            if not name and done == "survived":
                rest.append(f"{target.module}\n{_shown(mutant)}")
        gone = listed.keys() - {each.identity for each in target.mutants}
        lived = {
            each.identity for each, done in zip(target.mutants, target.outcomes, strict=True) if done == "survived"
        }
        for place, line, becomes in sorted(gone | (listed.keys() - lived)):
            bad = 1
            why = "is not a mistake that can be made" if (place, line, becomes) in gone else "is noticed by a test"
            rest.append(f"{target.module}: listed as equivalent, but {why}:\n  in {place}\n  - {line}\n  + {becomes}")
    for each in rest:
        print(f"\n{each}")
    return int(bad)


def _shown(mutant: Mutant) -> str:
    return f"  in {mutant.place or 'the module'} (line {mutant.first})\n  - {mutant.line}\n  + {mutant.becomes}"


if __name__ == "__main__":
    sys.exit(main())
