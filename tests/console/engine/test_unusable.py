"""A site file that cannot be used is said whole, kept beside what was known, and taken up again when it is mended."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from console.engine.engine import Engine
from console.engine.vantages import Vantages, open_site
from console.errors import LabError
from console.estate.load import Estate, load
from console.events import EngineFailed, EstateRead, Event

LISTEN = "listen smtp\n    bind :2525\n    server mailcow 127.0.0.1:1\n"
BROKEN = '[sources]\nhaproxxy = ["haproxy.cfg"]\n'
WHOLE = '[sources]\nhaproxy = ["haproxy.cfg"]\n'


class Heard:
    """What an engine says, and waiting for it."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.news = threading.Condition()

    def __call__(self, event: Event) -> None:
        with self.news:
            self.events.append(event)
            self.news.notify_all()

    def until(self, wanted: Callable[[EstateRead], bool]) -> EstateRead:
        """Wait for an estate that is as it should be."""
        with self.news:
            assert self.news.wait_for(lambda: self._found(wanted) is not None, timeout=60)
            found = self._found(wanted)
        assert found is not None
        return found

    def _found(self, wanted: Callable[[EstateRead], bool]) -> EstateRead | None:
        reads = [event for event in self.events if isinstance(event, EstateRead)]
        return reads[-1] if reads and wanted(reads[-1]) else None


def put(site: Path, text: str) -> None:
    """Replace a file whole, as editors do: one that is read half-written says something else."""
    fresh = site.with_suffix(".new")
    fresh.write_text(text)
    fresh.replace(site)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "haproxy.cfg").write_text(LISTEN)
    return tmp_path / "site.toml"


def test_it_is_said_whole_and_taken_up_when_it_is_mended_and_said_again_when_it_breaks(site: Path) -> None:
    put(site, BROKEN)
    heard = Heard()

    def vantages(estate: Estate, log: object, ask: object) -> Vantages:
        return open_site(estate.site, file=estate.file)

    engine = Engine(lambda: load(site), vantages)
    engine.start(heard)
    try:
        unusable = heard.until(lambda read: bool(read.problems))
        (problem,) = unusable.problems
        assert str(problem).startswith(f"{site}:2:1: ")
        assert "haproxxy" in str(problem)
        assert 'did you mean "haproxy"?' in str(problem)
        put(site, WHOLE)
        engine.sweep()
        mended = heard.until(lambda read: not read.problems)
        assert [lane.port for lane in mended.topology.lanes] == [2525]
        put(site, "[sources\n")
        engine.sweep()
        again = heard.until(lambda read: bool(read.problems))
        assert [lane.port for lane in again.topology.lanes] == [2525]
        put(site, WHOLE)
        engine.sweep()
        heard.until(lambda read: not read.problems)
        assert not any(isinstance(event, EngineFailed) for event in heard.events)
    finally:
        assert engine.close(60)


@pytest.mark.parametrize(
    ("error", "words"),
    [(LabError("COWHAND_LAB is odd"), "COWHAND_LAB is odd"), (ValueError("secret"), "ValueError at ")],
)
def test_an_engine_that_cannot_begin_says_why_in_our_words_and_in_no_others(
    error: Exception, words: str, tmp_path: Path
):
    def never(estate: Estate, log: object, ask: object) -> Vantages:
        raise error

    put(tmp_path / "haproxy.cfg", LISTEN)
    put(tmp_path / "site.toml", WHOLE)
    heard = Heard()
    engine = Engine(lambda: load(tmp_path / "site.toml"), never)
    engine.start(heard)
    try:
        assert engine.closed.wait(60)
    finally:
        engine.close(60)
    (failed,) = [event for event in heard.events if isinstance(event, EngineFailed)]
    assert failed.summary.startswith(words)
    assert "secret" not in failed.summary
