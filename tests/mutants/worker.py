"""A copy of the project in which mistakes are made, one at a time, and a process that has loaded all the rest already.

Started in the copy, by path. One JSON line in is a `Job`, one JSON line out its answer. Each job is a fork of its own:
nothing of the project is loaded before, so what a mistake does at import is seen, and nothing of it is left after."""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import resource
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, TypedDict

import pytest

OURS = ("console", "screens", "assets", "tests", "__main__")
MEMORY = 4 << 30
"""Bytes a mistake may take before it is stopped."""


class Job(TypedDict):
    """Run `tests` (files; of them `only`, in that order, if given) with `module` changed to `text` (None: as it is)."""

    module: str
    text: str | None
    tests: list[str]
    only: list[str] | None
    limit: float
    measure: bool


class Chosen:
    """Keeps the wanted tests in the wanted order, and tells how each went and which lines it ran."""

    def __init__(self, job: Job) -> None:
        self.order = None if job["only"] is None else {name: at for at, name in enumerate(job["only"])}
        self.seconds: dict[str, float] = {}
        self.failed: list[str] = []
        self.passed = 0
        self.current = ""
        self.coverage: Any = None
        if job["measure"]:
            import coverage

            path = str(Path(job["module"]).resolve())
            self.coverage = coverage.Coverage(data_file=None, include=[path], config_file=False, messages=False)

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        if self.order is not None:
            order = self.order
            items[:] = sorted((item for item in items if item.nodeid in order), key=lambda item: order[item.nodeid])

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Any:
        began, self.current = time.perf_counter(), item.nodeid
        if self.coverage is not None:
            self.coverage.switch_context(item.nodeid)
        done = yield
        if self.coverage is not None:
            self.coverage.switch_context("")
        self.seconds[item.nodeid] = time.perf_counter() - began
        return done

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: Any) -> Any:
        """What a fixture runs for many tests, none of them runs alone."""
        shared = self.coverage is not None and fixturedef.scope != "function"
        if shared:
            self.coverage.switch_context("")
        done = yield
        if shared:
            self.coverage.switch_context(self.current)
        return done

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed.append(report.nodeid)
        self.passed += report.passed and report.when == "call"

    def lines(self, module: str) -> dict[int, list[str]]:
        """Return which tests ran each line; "" stands for what ran outside of tests."""
        if self.coverage is None:
            return {}
        return self.coverage.get_data().contexts_by_lineno(str(Path(module).resolve()))  # type: ignore[no-any-return]


def main() -> None:
    """Answer jobs until there are no more."""
    for line in sys.stdin:
        job = json.loads(line)
        answer = load(job["load"]) if "load" in job else trial(job)
        print(json.dumps(answer), flush=True)


def load(names: list[str]) -> dict[str, Any]:
    """Import other people's modules, so that no trial has to."""
    for name in names:
        if name.partition(".")[0] not in OURS and not name.startswith("_"):  # _asyncio before asyncio breaks both
            with contextlib.suppress(Exception):
                importlib.import_module(name)
    gc.collect()
    gc.freeze()  # else every trial walks all of it again, when pytest collects garbage
    assert not [name for name in sys.modules if name.partition(".")[0] in OURS[:-1]]
    return {}


def trial(job: Job) -> dict[str, Any]:
    """Run the job's tests over the job's text, and put the module back as it was."""
    path = Path(job["module"])
    before, stamp = path.read_text(encoding="utf-8"), path.stat()
    for cached in path.parent.glob(f"__pycache__/{path.stem}.*"):
        cached.unlink()  # bytecode knows its source by second and size alone
    try:
        if job["text"] is not None:
            path.write_text(job["text"], encoding="utf-8")
        return _fork(job)
    finally:
        path.write_text(before, encoding="utf-8")
        os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))


def _fork(job: Job) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="m-", ignore_cleanup_errors=True) as folder:
        out, told = Path(folder, "out"), Path(folder, "told")
        began, child = time.monotonic(), os.fork()
        if not child:
            _run(job, folder, out, told)
        timer = signal.signal(signal.SIGALRM, lambda *_: os.killpg(child, signal.SIGKILL))
        signal.setitimer(signal.ITIMER_REAL, job["limit"])
        _, status = os.waitpid(child, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, timer)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)  # what the tests left behind
        answer: dict[str, Any] = json.loads(told.read_text()) if told.exists() else {}
        answer["code"] = os.waitstatus_to_exitcode(status)
        answer["late"] = time.monotonic() - began >= job["limit"]
        answer["out"] = out.read_text(errors="replace")[-6000:] if out.exists() else ""
        return answer


def _run(job: Job, folder: str, out: Path, told: Path) -> None:
    """Be the fork: it does not return."""
    code = 99
    try:
        os.setsid()
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        writer = os.open(out, os.O_WRONLY | os.O_CREAT, 0o600)
        os.dup2(writer, 1)
        os.dup2(writer, 2)
        _apart(folder)
        _bytecode(job["text"] is None)
        chosen = Chosen(job)
        if chosen.coverage is not None:
            chosen.coverage.start()
        arguments = ["-x", "-q", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
        arguments += ["--hypothesis-seed=0", "--basetemp", str(Path(folder, "t")), *job["tests"]]
        code = int(pytest.main(arguments, plugins=[chosen]))
        if chosen.coverage is not None:
            chosen.coverage.stop()
        answer = {"seconds": chosen.seconds, "failed": chosen.failed, "passed": chosen.passed}
        if job["measure"]:
            answer |= {"lines": chosen.lines(job["module"]), "loaded": _loaded()}
        told.write_text(json.dumps(answer))
    finally:
        sys.stdout.flush()
        os._exit(code)


def _apart(folder: str) -> None:
    """Let no mistake reach what belongs to whoever runs this."""
    Path(folder, "home").mkdir()
    os.environ["HOME"] = str(Path(folder, "home"))
    for name in [name for name in os.environ if name.startswith("XDG_")] + ["CI", "SSH_AUTH_SOCK"]:
        os.environ.pop(name, None)


def _bytecode(write: bool) -> None:
    sys.dont_write_bytecode = not write
    if write:
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    else:
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"


def _loaded() -> list[list[str]]:
    """Return name and file of every module that is loaded, in the order in which that began."""
    return [[name, getattr(module, "__file__", None) or ""] for name, module in sys.modules.items()]


if __name__ == "__main__":
    main()
