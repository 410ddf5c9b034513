"""What a flow asks of the operator, in the docked bar: what is changed and where; not agreeing is the default."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len

from console.events import Prompt
from console.runner.left_down import of_run
from screens.text import Line, cells, clip, clock, wrap
from screens.themes import Ink
from screens.views.flow_rows import fold, scripted, targets
from screens.widgets.bar import Bar

if TYPE_CHECKING:
    from console.runner.state import RunStatus, StepStatus
    from screens.port import AppPort

Settle = Callable[[str | None], None]


def agree(app: AppPort, run: RunStatus, prompt: Prompt, everything: bool, settle: Settle) -> None:
    """Have a step's plan agreed to, or all that follow too; `settle` gets the answer, None when it was cancelled."""

    def head(width: int) -> list[Line]:
        ink, chosen = app.ink, run.steps[prompt.step]
        plan = chosen.plan
        lines: list[Line] = [((f" {row}", ink.bright),) for row in wrap(prompt.text, width - 2)]
        where = f"  {targets(plan.actions)}" if plan else ""
        if len(lines) == 1 and cells(lines[0]) + cell_len(where) <= width:
            lines = [(*lines[0], (where, ink.text))]
        else:
            lines += [((f" {row}", ink.text),) for row in wrap(where, width - 2)]
        for _, words in plan.loses if plan else ():
            lines += [((f" lost: {row}" if not at else f"       {row}", ink.broken),)
                      for at, row in enumerate(wrap(words, width - 9))]  # fmt: skip
        for note in plan.notes if plan and scripted(plan) else ():
            lines += _rows(ink, note, width)
        for action in plan.actions if plan else ():  # what is agreed to is read whole
            lines += [(("   " if not at else "     ", ink.muted), (row, ink.text))
                      for at, row in enumerate(fold(action.text, width - 7))]  # fmt: skip
        if everything:
            lines += _rows(ink, following(run.steps[prompt.step + 1 :]), width)
        if plan and plan.actions and not plan.undo and not chosen.undoing:
            lines.append(((" cannot be undone", ink.degraded),))
        return lines

    _typed(app, "all" if everything else "yes", "do it", head, settle)


def following(rest: Sequence[StepStatus]) -> str:
    """What an agreement to all goes on with: each step by its words, or, of a flow of flows, how many each flow has."""
    if not rest:
        return ""
    top = min(len(step.flows) for step in rest)
    counts = Counter(step.flows[-1] for step in rest if len(step.flows) > top)
    names = dict.fromkeys(step.flows[-1] if len(step.flows) > top else step.words or step.name for step in rest)
    named = ", ".join(f"{name} ({counts[name]})" if name in counts else name for name in names)
    if not counts:
        return f"and all that follow, each verified before the next: {named}"
    return f"and the {len(rest)} steps that follow, if they are needed, each verified before the next: {named}"


def destroy(app: AppPort, run: RunStatus, prompt: Prompt, settle: Settle) -> None:
    """Have the name of what is lost typed; anything else cancels."""
    name = prompt.typed or ""
    chosen = run.steps[prompt.step]

    def head(width: int) -> list[Line]:
        ink = app.ink
        words = next((words for loss, words in chosen.plan.loses if loss == name), "") if chosen.plan else ""
        hosts = targets(chosen.plan.actions) if chosen.plan else ""
        title = f"{chosen.words or chosen.name}  {hosts}"
        lines: list[Line] = [((f" {row}", ink.bright),) for row in wrap(title, width - 2)]
        lines += [((f" lost: {row}" if not at else f"       {row}", ink.broken),)
                  for at, row in enumerate(wrap(words or prompt.text, width - 9))]  # fmt: skip
        return [*lines, ((" this cannot be undone", ink.broken),)]

    def check(said: str) -> str:
        return "" if said.strip() == name else f"that was not {clip(name, 40)}: nothing was done"

    def done(answer: str | None) -> None:
        settle(name if answer is not None and answer.strip() == name else None)

    app.query_one(Bar).ask(f"type {clip(name, 40)} to {_does(chosen)} it, esc to cancel:", done, head=head, check=check)


def _does(chosen: StepStatus) -> str:
    """What is done to the thing that is lost, in a word."""
    return "format" if (chosen.words or chosen.name).startswith("format") else "lose"


def answer(app: AppPort, prompt: Prompt, settle: Settle) -> None:
    """Have a step's question answered: typed, or chosen."""

    def head(width: int) -> list[Line]:
        number, count = prompt.part
        text = f"{number} of {count}: {prompt.text}" if count > 1 else prompt.text
        wrong: list[Line] = [((f" {row}", app.ink.broken),) for row in wrap(prompt.wrong, width - 2)]
        return [*wrong, *_rows(app.ink, text, width)]

    offer = prompt.last if prompt.last is not None else prompt.default

    def done(said: str | None) -> None:
        settle(offer if said == "" and offer is not None else said or None)

    bar = app.query_one(Bar)
    if not prompt.choices or prompt.wants == "several":
        hint = f", enter for {clip(offer, 30)}" if offer and not prompt.secret else ""
        bar.ask(f"answer{hint}, esc to cancel:", done, head=head, secret=prompt.secret)
        return
    values = list(prompt.choices)

    def suggest(query: str) -> list[tuple[str, str, str]]:
        wanted = query.lower()
        return [(value, value, words) for value, words in prompt.choices.items()
                if wanted in f"{value} {words}".lower()]  # fmt: skip

    picked = values.index(offer) if offer in values else 0
    bar.ask("↑ ↓ and enter, esc to cancel:", done, head=head, suggest=suggest, picked=picked)


def sure(app: AppPort, word: str, does: str, words: str, settle: Settle) -> None:
    """Have a word typed for anything else; `words` say what it does to what."""

    def head(width: int) -> list[Line]:
        return _rows(app.ink, words, width)

    _typed(app, word, does, head, settle)


def stop(app: AppPort, run: RunStatus) -> None:
    """End the run: between two commands, or at once."""
    busy = _busy(run)

    def head(width: int) -> list[Line]:
        words = f"stop {run.flow}? {busy or 'nothing is under way: it ends here'}"
        return [*down(app, run, width), *_rows(app.ink, words, width)]

    def done(said: str | None) -> None:
        _end(app, said, busy, app.engine.stop_flow)

    app.query_one(Bar).ask(_endings(busy, "stop"), done, head=head, check=_ending)


def leave(app: AppPort) -> None:
    """Leaving would end the run: ask."""
    run = app.board.flow
    assert run is not None
    busy = _busy(run)
    at = f"step {run.current + 1} of {len(run.steps)}" if run.steps else "its beginning"

    def head(width: int) -> list[Line]:
        words = f"{run.flow} runs, at {at}; leaving ends it. {busy or 'No command is running now.'}"
        again = "It can be started again, and goes on from how things are then."
        return [*down(app, run, width), *_rows(app.ink, words, width), ((f" {again}", app.ink.muted),)]

    def done(said: str | None) -> None:
        _end(app, said, busy, app.leave_after)

    app.query_one(Bar).ask(_endings(busy, "stop and leave"), done, head=head, check=_ending)


def down(app: AppPort, run: RunStatus, width: int) -> list[Line]:
    """What the run has stopped and not started again: it stays down when the run ends here."""
    rows: list[Line] = []
    for each in of_run(run):
        words = f"{each.words}, since {clock(each.since, app.board.now)}. Ending here leaves it so."
        rows += [
            ((f" {'✗' if not at else ' '} {row}", app.ink.broken),) for at, row in enumerate(wrap(words, width - 4))
        ]
    return rows


def _busy(run: RunStatus) -> str:
    """The command that is under way, in a sentence."""
    for step in run.steps[run.current : run.current + 1]:
        for done in step.actions[-1:]:
            if not done.ended:
                return f"Under way on {done.action.host}: {done.action.text}"
    return ""


def _endings(busy: str, what: str) -> str:
    if busy:
        return "type stop to end after it, cut to cut it off, esc to stay:"
    return f"type stop to {what}, esc to stay:"


def _ending(said: str) -> str:
    return "" if said.strip().lower() in ("stop", "cut") else f"{clip(said, 20)} is neither stop nor cut: it goes on"


def _end(app: AppPort, said: str | None, busy: str, end: Callable[[bool], None]) -> None:
    word = (said or "").strip().lower()
    if word in ("stop", "cut"):
        end(word == "cut")
        after = "it ends as soon as the command under way has ended" if busy else "it ends here"
        app.say(after if word == "stop" else "cut off")


def _typed(app: AppPort, word: str, does: str, head: Callable[[int], list[Line]], settle: Settle) -> None:
    def check(said: str) -> str:
        return "" if said.strip().lower() == word else f"that was not {word}: nothing was done"

    def done(said: str | None) -> None:
        settle(word if said is not None and said.strip().lower() == word else None)

    app.query_one(Bar).ask(f"type {word} to {does}, esc to cancel:", done, head=head, check=check)


def _rows(ink: Ink, text: str, width: int) -> list[Line]:
    return [((f" {row}", ink.bright if not at else ink.text),) for at, row in enumerate(wrap(text, width - 2))]
