"""Where a flow stands: what runs, what it waits for, or how it ended, and the keys for what can be done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from console.text import join_words
from screens.text import Line, cells, clip, clock, wrap
from screens.views import flow_bar, flow_rows
from screens.views.evidence import rule

if TYPE_CHECKING:
    from console.engine.overview import FlowSeen
    from console.events import Prompt
    from console.runner.state import ActionStatus, RunStatus
    from screens.port import AppPort


ASKS = "needs an answer"
"""What a step says that could not be planned for want of an answer."""


@dataclass(frozen=True)
class Now:
    """A flow at one moment: `run` while there is one, `seen` what its steps said when they were last asked."""

    app: AppPort
    run: RunStatus | None
    seen: FlowSeen | None
    moment: float

    def lines(self, width: int, height: int) -> list[Line]:
        """Return what fits into the pane."""
        ink, run = self.app.ink, self.run
        if run is None:
            return self._asked(width)[:height]
        if run.outcome is not None:
            return self._ended(run, width)[:height]
        prompt = run.asked
        if prompt is not None:
            return self._waits(run, prompt, width, height)[:height]
        current = run.steps[run.current] if run.steps else None
        title = flow_rows.WORDS[current.state] if current else "about to begin"
        since = clock(current.changed or run.began, self.moment, seconds=True) if current else ""
        lines = [rule(ink, ((f"▸ {title}", ink.bright), (f" since {since}" if since else "", ink.muted)), width)]
        action = self._latest(run)
        if action is not None:
            lines += self._action(action, width, height - 1)
        return [*lines, *self._said(run, width)][:height]

    def _asked(self, width: int) -> list[Line]:
        """No run is on: what the steps said."""
        ink, seen = self.app.ink, self.seen
        look = seen.look if seen else None
        if seen is not None and seen.looking:
            since = clock(seen.looking, self.moment, seconds=True)
            return [rule(ink, ((f"▸ asking how the steps stand, since {since}", ink.bright),), width)]
        if seen is None and self.app.board.flows:
            return [rule(ink, (("✗ there is no such flow", ink.broken),), width)]
        shape, words, style = flow_rows.summary(ink, look)
        bad = look is not None and look.outcome in ("failed", "refused")
        title = f"{look.outcome}; nothing was changed" if bad and look is not None else words
        lines = [rule(ink, ((f"{shape} {clip(title, width - 6)}", style),), width)]
        if bad:
            lines += [((f" {row}", ink.text),) for row in wrap(words, width - 2, 3)]
        elif look is not None and look.outcome == "unanswered":  # the options in its ending are for the command
            asking = [at for at, step in enumerate(look.steps, 1) if step.state == "later" and ASKS in step.said]
            which = (
                f"Step {', '.join(map(str, asking))} asks"
                if len(asking) == 1
                else f"Steps {join_words([*map(str, asking)])} ask"
            )
            lines.append(((f" {which} before anything is changed: d begins.", ink.text),))
        todo = shape == "·"
        held = flow_rows.elsewhere(self.app.board.flows, self.moment)
        if held and not self.app.board.busy:
            lines += [((f" {row}", ink.degraded),) for row in wrap(held, width - 2)]
        elif self.app.read_only:
            lines.append(((" read-only: nothing can be changed from here", ink.degraded),))
        elif todo:
            lines.append(self._keys(("d", "do it, step by step"), ("a", "do all that is to do")))
            lines.append(((" Before anything changes you are asked, and see what and where.", ink.muted),))
        if seen is not None and seen.last is not None:
            last = f" last run: {flow_rows.last_words(seen.last, self.moment)}  {seen.last.words}"
            lines.append(((clip(last, width - 1), ink.muted),))
        return lines

    def _waits(self, run: RunStatus, prompt: Prompt, width: int, height: int) -> list[Line]:
        """The run waits for the operator."""
        ink = self.app.ink
        read_only = self.app.read_only
        if prompt.kind == "failed":
            lines = [rule(ink, (("✗ failed; true now:", ink.broken),), width)]
            lines += [((f" {row}", ink.text),) for row in wrap(prompt.text, width - 2, max(height - 2, 1))]
            lines = lines[: height - 1]
            keys = {"retry": "R", "undo": "u", "stop": "x"}
            offers = [(keys[value], words) for value, words in prompt.choices.items() if value in keys]
            return [*lines, self._keys(*offers)] if not read_only else lines
        chosen = run.steps[prompt.step] if run.steps else None
        lines = [rule(ink, (("▸ waits for you", ink.degraded),), width)]
        actions = chosen.plan.actions if chosen and chosen.plan and prompt.kind != "answer" else ()
        hosts = flow_rows.targets(actions)
        text = prompt.text if prompt.kind != "destroy" else f"{chosen.words if chosen else ''}: {prompt.text}"
        lines += [((f" {row}", ink.bright),) for row in wrap(text, width - 2, 3)]
        if hosts:
            lines.append(((f" {hosts}", ink.text),))
        if read_only:
            return [*lines, ((" read-only: it cannot be answered from here", ink.degraded),)]
        if prompt.kind == "answer":
            lines.append(self._keys(("d", "answer"), ("a", "do this and all remaining"), ("x", "stop")))
        elif prompt.kind == "destroy":
            lines.append(self._keys(("d", "type the name"), ("a", "do this and all remaining"), ("x", "stop")))
        else:
            words = {"yes": ("d", "do it"), "all": ("a", "do this and all remaining"), "skip": ("S", "skip"),
                     "stop": ("x", "stop")}  # fmt: skip
            lines.append(self._keys(*(words[value] for value in prompt.choices if value in words)))
        return [*lines, *self._said(run, width)]

    def _ended(self, run: RunStatus, width: int) -> list[Line]:
        """The run has ended: what is true since."""
        ink = self.app.ink
        shape, style = flow_rows.ending(ink, run)
        when = clock(run.ended, self.moment, seconds=True)
        lines = [rule(ink, ((f"{shape} {run.outcome}", style), (f" {when}", ink.muted)), width)]
        lines += flow_bar.down(self.app, run, width)
        lines += [((f" {row}", ink.text),) for row in wrap(run.ending, width - 2, 4)]
        if not self.app.read_only:
            again = (("d", "begin again"),) if run.outcome != "done" else ()
            lines.append(self._keys(*again, ("c", "check the steps again")))
        return [*lines, *self._said(run, width)]

    def _said(self, run: RunStatus, width: int) -> list[Line]:
        return [((f" {row}", self.app.ink.muted),) for text in run.said[-2:] for row in wrap(text, width - 2)]

    def _latest(self, run: RunStatus) -> ActionStatus | None:
        done = [action for step in run.steps for action in step.actions]
        return max(done, key=lambda action: action.began) if done else None

    def _action(self, action: ActionStatus, width: int, room: int) -> list[Line]:
        """The command under way, or the last one, with the end of what it says."""
        ink = self.app.ink
        host: Line = ((f" {action.action.host}  ", ink.muted),)
        rows = [part for line in action.action.lines for part in flow_rows.fold(line, width - cells(host) - 1)]
        ending = flow_rows.result(ink, action, self.moment, width)
        most = max(room - len(ending), 1)
        if len(rows) > most:
            rows = [*rows[: most - 1], clip(" ".join(rows[most - 1 :]), width - cells(host) - 1)]
        head: list[Line] = [
            (*(host if not at else ((" " * cells(host), ink.muted),)), (row, ink.bright)) for at, row in enumerate(rows)
        ]
        return [*head, *ending[-max(room - len(head), 1) :]]

    def _keys(self, *offers: tuple[str, str]) -> Line:
        ink = self.app.ink
        pieces = [piece for key, words in offers for piece in ((f" {key} ", ink.key), (f"{words}  ", ink.text))]
        return tuple(pieces)
