"""One flow: its steps at the left, the plan of the chosen one beside them, and below where the run stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from textual.app import ComposeResult

from screens.board import Change
from screens.text import Line, cells, clip, clock, follow
from screens.textual_private import PlacedWidget
from screens.view import View
from screens.views import flow_bar, flow_now, flow_rows
from screens.widgets.bar import Bar
from screens.widgets.pane import Pane

if TYPE_CHECKING:
    from console.engine.overview import FlowSeen
    from console.events import Prompt
    from console.runner.state import RunStatus

Eager = Literal["", "one", "all"]


class Flow(View):
    """The run of a flow while there is one, else what its steps said when they were last asked.

    The engine owns the run. When the operator has said what to do, `_eager` lets the next question come by itself."""

    NAME: ClassVar[str] = "flow"

    def __init__(self) -> None:
        super().__init__(id="flow")
        self.flow = ""
        self.cursor = self.top = self.skipped = 0
        self._following = True
        self._eager: Eager = ""
        self._put = self._settled = ""
        self._before = 0.0
        self._undoing = ""

    def compose(self) -> ComposeResult:
        """Lay out title, steps and plan, and what is now."""
        self.fit()
        yield Pane(self._title, id="flow-title")
        panes = Pane(self._steps, id="flow-steps"), Pane(self._edge, id="flow-edge"), Pane(self._plan, id="flow-plan")
        yield PlacedWidget(*panes, id="flow-body")
        yield Pane(self._now, id="flow-now")

    # what is known

    def seen(self) -> FlowSeen | None:
        """What was last asked of this flow."""
        return next((seen for seen in self.board.flows if seen.name == self.flow), None)

    def run_(self) -> RunStatus | None:
        """The run of this flow that is on, or that ended after its steps were last asked."""
        run, seen = self.board.flow, self.seen()
        if run is None or run.flow != self.flow:
            return None
        return run if flow_rows.newer(run, seen.look if seen else None) else None

    def state(self) -> RunStatus | None:
        """What the panes show: a run that never began shows the steps that were asked before."""
        run, seen = self.run_(), self.seen()
        return run if run is not None and run.steps else seen.look if seen else None

    def prompt(self) -> Prompt | None:
        """What the run waits for; what was answered a moment ago is nothing it waits for."""
        run = self.run_()
        asked = run.asked if run is not None else None
        return asked if asked is None or asked.id != self._settled else None

    def _moment(self) -> float:
        state = self.state()
        return max(self.board.now, state.began if state else 0.0)

    # what is shown

    def _title(self, width: int, height: int) -> list[Line]:
        ink, state, run = self.ink, self.state(), self.run_()
        left: Line = ((f" {self.flow}", ink.bright),)
        side = ""
        if run is not None and run.outcome is None:
            side = f"{flow_rows.standing(run)}, since {clock(run.began, self._moment(), seconds=True)} "
        elif run is not None and run.steps:
            began, ended = (clock(at, self._moment(), seconds=True) for at in (run.began, run.ended))
            side = f"{run.outcome}, {began} to {ended} "
        elif state is not None:
            side = f"asked {clock(state.ended, self._moment(), seconds=True)} "
        seen = self.seen()
        told = run.words if run is not None else ""  # an undo says so
        words = told or (seen.words if seen is not None else state.words if state is not None else "")
        room = width - cells(left) - len(side) - 3
        if room > 10:
            left = (*left, (f"  {clip(words, room)}", ink.muted))
        return [(*left, (" " * max(width - cells(left) - len(side), 1), ink.text), (side, ink.text))]

    def _steps(self, width: int, height: int) -> list[Line]:
        state = self.state()
        if state is None or not state.steps:
            return [((" no step is known yet", self.ink.muted),)]
        self.cursor = min(self.cursor, len(state.steps) - 1)
        listed = flow_rows.listed(state)
        self.top = follow(self.top, listed.index(self.cursor), len(listed), height)
        return flow_rows.steps(self.ink, state, self.cursor, self.top, width, height)

    def _edge(self, width: int, height: int) -> list[Line]:
        return [(("│", self.ink.faint),)] * height

    def _plan(self, width: int, height: int) -> list[Line]:
        state = self.state()
        if state is None or not state.steps:
            return []
        lines = flow_rows.step(self.ink, state, min(self.cursor, len(state.steps) - 1), self._moment(), width)
        self.skipped = max(min(self.skipped, len(lines) - height), 0)
        shown = lines[self.skipped : self.skipped + height]
        below = len(lines) - height - self.skipped
        if below > 0 and shown:
            shown[-1] = ((f" ↓ {below + 1} more lines: pgdn", self.ink.degraded),)
        return shown

    def _now(self, width: int, height: int) -> list[Line]:
        """Where it stands, and what can be done: the one place to look at."""
        return flow_now.Now(self.cowhand, self.run_(), self.seen(), self._moment()).lines(width, height)

    # what happens

    def fit(self) -> None:
        """Give what is now a third of a tall terminal."""
        super().fit()
        panes = self.query("#flow-now") if self.is_attached else None
        if panes:
            width, height = self.cowhand.size
            panes.first().styles.height = min(max(6, height // 4), 10)
            self.query_one("#flow-steps").styles.width = max(min(width * 2 // 5, 60), 30) if width > 90 else 34

    def open(self, name: str) -> None:
        """Show a flow, and ask how its steps stand when it is not running."""
        if name != self.flow:
            self.flow, self.cursor, self.top, self.skipped = name, 0, 0, 0
            self._following, self._eager = True, ""
        if not self.board.busy and self.run_() is None:  # what a run has left is kept until its steps are checked again
            self.cowhand.engine.look_flows(name)
        self.shown()

    def undo_run(self, name: str, run: str) -> None:
        """Begin to undo an earlier run of a flow: each step's plan is shown and asked for before anything changes."""
        if name != self.flow:
            self.flow, self.top, self.skipped = name, 0, 0
        self._following, self.cursor = True, 0
        self._start(run)
        self.shown()

    def _start(self, undoing: str) -> None:
        self._eager = self._eager or "one"
        self._undoing = undoing
        self._before = self.board.flow.began if self.board.flow is not None else 0.0
        self.cowhand.engine.start_flow(self.flow, undoing=undoing)

    def shown(self) -> None:
        """Come to the front."""
        if self.board.flow is not None and self.board.flow.flow == self.flow and not self.board.busy:
            self.board.noted = self.board.flow.began
        self.fit()
        self._follow()
        self.redraw()

    def hidden(self) -> None:
        """Go to the back; the run goes on, and asks nothing there."""
        self._eager = ""

    def changed(self, change: Change) -> None:
        """Show what the engine said."""
        self.shown()

    def _follow(self) -> None:
        state = self.state()
        if not self._following or state is None or not state.steps:
            return
        bad = (at for at, step in enumerate(state.steps) if step.state in ("refused", "failed"))
        todo = (at for at, step in enumerate(state.steps) if step.state in ("planned", "later"))
        first = next(bad, next(todo, 0))
        at = state.current if not state.dry else first
        if at != self.cursor:
            self.cursor, self.skipped = at, 0

    def show_next_prompt(self) -> None:
        """Put the next question when the operator has said to go on; take back one that nobody waits for any more."""
        bar, prompt, run = self.cowhand.query_one(Bar), self.prompt(), self.run_()
        if self._put and (prompt is None or prompt.id != self._put):
            self._put = ""
            bar.withdraw()
        if run is not None and run.outcome is not None and run.began != self._before:
            self._eager = ""
        if self._eager and prompt is not None and not bar.open:
            self._ask(prompt, self._eager)

    def _ask(self, prompt: Prompt, eager: Eager) -> None:
        """Open the bar for what the run waits for."""
        run = self.run_()
        if run is None or prompt.kind == "failed":
            self._eager = ""
            return
        self._put = prompt.id

        def settle(said: str | None) -> None:
            self._put = ""
            if said is None:
                self._eager = ""
                return
            if prompt.kind == "confirm":
                self._eager = "all" if said == "all" else ""
            self._answer(prompt, said)

        app = self.cowhand
        if prompt.kind == "confirm":
            flow_bar.agree(app, run, prompt, eager == "all" and "all" in prompt.choices, settle)
        elif prompt.kind == "destroy":
            flow_bar.destroy(app, run, prompt, settle)
        else:
            flow_bar.answer(app, prompt, settle)

    def _answer(self, prompt: Prompt, said: str) -> None:
        self._settled = prompt.id
        self.cowhand.engine.answer_flow(prompt.id, said)

    def offers(self) -> tuple[str, ...]:
        """Name what can be done now."""
        prompt, run = self.prompt(), self.run_()
        on = run is not None and run.outcome is None
        choices = prompt.choices if prompt is not None else {}
        confirm = prompt is not None and prompt.kind == "confirm"
        free = not self.board.busy and not self._all_so()
        can = {
            "do": free or (prompt is not None and prompt.kind != "failed"),
            "do_all": free or "all" in choices or (prompt is not None and prompt.kind in ("answer", "destroy")),
            "skip": confirm and "skip" in choices,
            "retry": "retry" in choices and not confirm,
            "undo": "undo" in choices and not confirm,
            "stop": on,
            "check": not self.board.busy,
        }
        return tuple(id for id in super().offers() if can.get(id, True))

    def _all_so(self) -> bool:
        """Whether there is nothing to do, as far as is known."""
        run, seen = self.run_(), self.seen()
        if run is not None and run.outcome is not None:
            return run.outcome == "done"
        return run is None and seen is not None and flow_rows.summary(self.ink, seen.look)[0] == "✓"

    def do(self, id: str) -> None:
        """Move, scroll, or do what the flow allows at the moment."""
        state = self.state()
        count = len(state.steps) if state else 0
        page = max(self.query_one("#flow-plan").size.height - 2, 1)
        moves = {"down": 1, "up": -1, "first": -count, "last": count}
        if id not in ("do", "do_all"):
            self._eager = ""  # who does something else meanwhile is not asked by surprise
        if id in moves and count:
            self.cursor, self.skipped = min(max(self.cursor + moves[id], 0), count - 1), 0
            self._following = state is not None and self.cursor == state.current and not state.dry
        elif id in ("page_down", "page_up"):
            self.skipped = max(self.skipped + (page if id == "page_down" else -page), 0)
        elif id == "check":
            self._check()
        elif id in ("do", "do_all", "skip", "retry", "undo", "stop"):
            self._act(id)
        self.redraw()

    def _check(self) -> None:
        if self.board.busy:
            self.cowhand.say("a flow runs: it asks its steps itself")
            return
        self._following = True
        self.cowhand.engine.look_flows(self.flow)

    def _act(self, id: str) -> None:
        """One of the changing keys; each leads to the bar."""
        app, prompt, run = self.cowhand, self.prompt(), self.run_()
        if id not in self.offers():
            app.say(self._why_not(id))
            return
        self._following = True
        if id == "stop" and run is not None and (prompt is None or prompt.kind != "failed"):
            flow_bar.stop(app, run)
        elif id in ("do", "do_all"):
            self._eager = "all" if id == "do_all" else "one"
            if prompt is not None:
                self._ask(prompt, self._eager)
            else:
                self._start(self._undoing if run is not None else "")  # what was begun again is the same thing
        elif prompt is not None:
            name = run.steps[prompt.step].words or run.steps[prompt.step].name if run else ""
            if id == "undo":
                self._eager = "one"  # what takes it back is planned now, shown, and asked for
                self._answer(prompt, "undo")
                return
            words = {
                "skip": f"leave out: {name}? What follows may need it.",
                "retry": f"try again: {name}? It is checked again, and what is still to do is done.",
                "stop": f"stop here: {prompt.text}",
            }[id]
            does = {"skip": "leave it out", "retry": "go on", "stop": "stop here"}[id]
            self._put = prompt.id

            def settle(said: str | None) -> None:
                self._put = ""
                if said is not None:
                    self._eager = "one" if id == "retry" else ""
                    self._answer(prompt, id)

            flow_bar.sure(app, id, does, words, settle)

    def _why_not(self, id: str) -> str:
        run = self.board.flow
        if run is not None and self.board.busy and run.flow != self.flow:
            return f"{run.flow} runs: one flow at a time"
        if not self.board.busy and id in ("do", "do_all"):
            return "nothing to do; c checks the steps again"
        if self.board.busy and self.prompt() is None:
            return "it runs, and waits for nothing" if id != "check" else "it runs"
        if id == "undo" and run is not None and run.outcome == "refused":
            return "it was refused before it changed anything: there is nothing to undo"
        return {
            "retry": "nothing has failed",
            "undo": "no step has failed; 7 has the runs that can be undone",
            "stop": "nothing runs",
        }.get(
            id,
            "this step cannot be skipped" if id == "skip" and self.prompt() is not None else "nothing waits for that",
        )

    def text(self) -> str:
        """The chosen step, as plain lines."""
        state = self.state()
        return flow_rows.plain(state, min(self.cursor, len(state.steps) - 1)) if state and state.steps else ""


SCREEN = Flow
