"""A flow in the engine: started, asked, answered, left and come back to, and ended with the console."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from console.engine.engine import Engine
from console.engine.vantages import Vantages
from console.estate.load import Estate, load
from console.events import Event, FlowBegan, FlowEnded, FlowEvent, Prompt
from console.flows import Flow, Run, StepContext, registry
from console.hosts.local import Local
from console.runner.state import RunStatus
from console.store import journal
from tests.console.flows.playing import Leave
from tests.console.runner.test_runner import Planned


class Console:
    """An engine on a folder, and what it told; `wait` is for what it is about to tell."""

    def __init__(self, root: Path) -> None:
        (root / "site.toml").write_text("[sources]\nhaproxy = []\n")
        self.site = root / "site.toml"
        self.heard: list[Event] = []
        self._more = threading.Condition()
        lines: deque[str] = deque()
        self.engine = Engine(lambda: load(self.site), lambda *_: Vantages({"here": Local()}, {}, lines), interval=3600)

    def start(self) -> None:
        self.engine.start(self._hear)

    def _hear(self, event: Event) -> None:
        with self._more:
            self.heard.append(event)
            self._more.notify_all()

    def wait(self, ready: Callable[[RunStatus], bool]) -> RunStatus:
        """Return the run's state as soon as it is so."""

        def look() -> bool:
            state = self.engine.flow()
            return state is not None and ready(state)

        with self._more:
            assert self._more.wait_for(look, 60), self.engine.flow()
        state = self.engine.flow()
        assert state is not None
        return state

    def asked(self, kind: str = "confirm") -> Prompt:
        """Wait for a prompt."""
        prompt = self.wait(lambda state: state.asked is not None and state.asked.kind == kind).asked
        assert prompt is not None
        return prompt

    def ended(self) -> RunStatus:
        """Wait for the end of the run."""
        return self.wait(lambda state: state.outcome is not None)

    def record(self) -> journal.Record:
        return journal.runs(journal.place(self.site))[0]


@pytest.fixture
def console(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Console]:
    flows = {
        "leave": Flow(lambda context: (Leave(tmp_path / "a"), Leave(tmp_path / "b", name="b")), "leave", "leave two"),
        "slow": Flow(lambda context: (Planned(tmp_path / "b", Run("here", ("sleep", "30"))),), "slow", "be slow"),
    }

    def find(name: str) -> Flow:
        if name not in flows:
            raise registry.UnknownFlow(f'there is no flow "{name}"')
        return flows[name]

    monkeypatch.setattr(registry, "find", find)
    made = Console(tmp_path)
    yield made
    made.engine.close(60)


def test_a_flow_is_started_asked_for_and_ends(console: Console, tmp_path: Path) -> None:
    console.start()
    console.engine.start_flow("leave")
    console.engine.answer_flow(console.asked().id, "all")
    state = console.ended()
    assert (state.outcome, [step.state for step in state.steps]) == ("done", ["done", "done"])
    assert (tmp_path / "b").exists()


def test_a_flow_can_look_at_the_lanes_of_its_estate(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[StepContext] = []
    flow = Flow(lambda context: seen.append(context) or (), "look", "look at them")
    monkeypatch.setattr(registry, "find", lambda name: flow)
    console.start()
    console.engine.start_flow("look")
    console.ended()
    assert seen[0].lanes is not None


def test_one_that_is_started_before_the_hosts_are_there_is_not_lost(console: Console) -> None:
    console.engine.start_flow("leave", dry=True)
    console.start()
    assert console.ended().outcome == "planned"


def test_whoever_comes_back_sees_what_they_left(console: Console) -> None:
    console.start()
    console.engine.start_flow("leave")
    console.engine.watch(False)
    console.engine.answer_flow(console.asked().id, "yes")
    state = console.wait(lambda state: state.asked is not None and state.asked.step == 1)
    assert state.steps[0].state == "done"
    assert state.steps[1].plan is not None
    console.engine.answer_flow(state.asked.id if state.asked else "", "skip")
    assert console.ended().outcome == "incomplete"


def test_a_second_flow_does_not_start_beside_the_first(console: Console) -> None:
    console.start()
    console.engine.start_flow("leave")
    first = console.asked()
    console.engine.start_flow("slow")
    console.engine.answer_flow(first.id, "stop")
    console.ended()
    assert [event.flow for event in console.heard if isinstance(event, FlowBegan)] == ["leave"]


def test_an_answer_to_what_is_not_asked_is_nobodys(console: Console, tmp_path: Path) -> None:
    console.start()
    console.engine.start_flow("leave")
    prompt = console.asked()
    console.engine.answer_flow("another", "all")
    console.engine.answer_flow(prompt.id, None)
    assert console.ended().outcome == "unanswered"
    console.engine.answer_flow(prompt.id, "all")
    assert not (tmp_path / "a").exists()


def test_a_flow_that_there_is_not_is_refused_with_the_reason(console: Console) -> None:
    console.start()
    console.engine.start_flow("nonsense")
    state = console.ended()
    assert (state.outcome, state.ending) == ("refused", 'there is no flow "nonsense"')


def test_a_site_that_is_held_is_refused_and_free_again_later(console: Console) -> None:
    console.start()
    with journal.Lock(journal.place(console.site), "other"):
        console.engine.start_flow("leave")
        assert "other runs already" in console.ended().ending
    console.engine.start_flow("leave")
    console.engine.answer_flow(console.asked().id, "all")
    console.wait(lambda state: state.outcome == "done")


def test_a_stop_cuts_what_runs_when_it_is_told_to(console: Console) -> None:
    console.start()
    console.engine.start_flow("slow")
    console.engine.answer_flow(console.asked().id, "yes")
    console.wait(lambda state: bool(state.steps[0].actions))
    console.engine.stop_flow()
    console.engine.stop_flow(cut=True)
    state = console.ended()
    assert (state.outcome, state.steps[0].state) == ("stopped", "stopped")
    assert state.steps[0].actions[0].status == -15, "it was ended by its own signal first"


@pytest.mark.parametrize("moment", ["asking", "acting"])
def test_a_console_that_leaves_closes_the_journal_first(console: Console, tmp_path: Path, moment: str) -> None:
    console.start()
    console.engine.start_flow("slow")
    prompt = console.asked()
    if moment == "acting":
        console.engine.answer_flow(prompt.id, "yes")
        console.wait(lambda state: bool(state.steps[0].actions))
    assert console.engine.close(60)
    record = console.record()
    assert record.state == "stopped"
    assert (record.open is not None) == (moment == "acting"), "what was cut off may have taken effect"
    assert isinstance([event for event in console.heard if isinstance(event, FlowEvent)][-1], FlowEnded)


def test_a_stop_is_heard_while_files_are_read(console: Console) -> None:
    """A large file has just changed: reading and judging it takes long, and holds up neither answer nor stop."""
    reading, go_on = threading.Event(), threading.Event()
    console.start()
    console.engine.start_flow("slow")
    prompt = console.asked()
    load_now = console.engine.load

    def slowly() -> Estate:
        reading.set()
        assert go_on.wait(60)
        return load_now()

    console.engine.load = slowly
    console.engine.sweep()
    assert reading.wait(60)
    console.engine.answer_flow(prompt.id, "yes")
    console.wait(lambda state: bool(state.steps[0].actions))
    console.engine.stop_flow()
    console.engine.stop_flow(cut=True)
    state = console.ended()
    still = not go_on.is_set()
    go_on.set()
    assert (state.outcome, still) == ("stopped", True)
