"""A flow as rows: its steps, the plan of one of them, and where the run stands."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.style import Style

from console.events import ActionShown, PlanShown, StepState
from console.text import progress
from screens.text import Line, clean, clip, clock, fit, wrap
from screens.themes import Ink

if TYPE_CHECKING:
    from console.engine.overview import FlowSeen, LastRun
    from console.runner.state import ActionStatus, RunStatus, StepStatus

MARKS: dict[StepState, str] = {
    "waiting": " ", "checking": "▸", "planned": "·", "applying": "▸", "verifying": "▸", "so": "✓", "done": "✓",
    "skipped": "–", "left": "○", "later": "…", "refused": "✗", "failed": "✗", "undone": "↶", "stopped": "■",
}  # fmt: skip
"""A shape for each way a step can stand, so that colour is never alone."""

WORDS: dict[StepState, str] = {
    "waiting": "not looked at yet", "checking": "looking", "planned": "to do", "applying": "changing",
    "verifying": "verifying", "so": "is there already", "done": "done, and verified", "skipped": "does not apply",
    "left": "left out", "later": "not known yet", "refused": "refused", "failed": "failed", "undone": "taken back",
    "stopped": "stopped",
}  # fmt: skip

_HEADLESS = re.compile(r" \(--answer [^)]*\)")
"""What an answer is called on the command line; here it is a key."""

NARROW = 24
"""Cells of a step's words that the narrowest list of steps shows; longer ones are told in full beside it."""

LABEL = 9
"""Where what a label says begins, in cells."""


def under_way(state: RunStatus, at: int) -> bool:
    """Whether a run that is on is at this step."""
    return state.outcome is None and not state.dry and at == state.current and state.steps[at].state != "waiting"


def mark(ink: Ink, state: RunStatus, at: int) -> tuple[str, Style]:
    """The shape of a step, and its style."""
    name = state.steps[at].state
    if under_way(state, at) and name == "planned":
        return "▸", ink.bright
    style = {
        "so": ink.ok, "done": ink.ok, "planned": ink.degraded, "later": ink.unknown, "refused": ink.broken,
        "failed": ink.broken, "undone": ink.degraded, "stopped": ink.degraded, "left": ink.degraded,
        "checking": ink.unknown, "applying": ink.bright, "verifying": ink.bright,
    }.get(name, ink.muted)  # fmt: skip
    return MARKS[name], style


def listed(state: RunStatus) -> list[int | str]:
    """The rows of the list of steps: a step by its number, or the name of the flow that the steps below belong to."""
    rows: list[int | str] = []
    within: tuple[str, ...] = (state.flow,)
    for at, step in enumerate(state.steps):
        if step.flows and step.flows != within:
            within = step.flows
            rows.append(" / ".join(within[1:] or within))
        rows.append(at)
    return rows


def steps(ink: Ink, state: RunStatus, cursor: int, top: int, width: int, height: int) -> list[Line]:
    """One row for each step and one for the name of each flow inside this one, from the row `top`.

    Where all fit whole, a long name has more rows; else it is cut, and the plan beside it says it whole."""
    lines: list[Line] = []
    digits = len(str(len(state.steps)))
    room = width - digits - 5
    whole = {at: wrap(step.words or step.name, room) for at, step in enumerate(state.steps)}
    fits = sum(len(whole[at]) if isinstance(at, int) else 1 for at in listed(state)) <= height
    for at in listed(state)[top : top + height]:
        if isinstance(at, str):
            lines.append(((f"   {clip(at, width - 4)}", ink.bright),))
            continue
        step = state.steps[at]
        shape, style = mark(ink, state, at)
        here = under_way(state, at)
        quiet = step.state in ("so", "done", "skipped", "waiting") and not here
        for part, name in enumerate(whole[at] if fits else [clip(step.words or step.name, room)]):
            row: list[tuple[str, Style]] = [
                (f" {' ' if part else shape} ", style),
                (" " * (digits + 1) if part else f"{at + 1:>{digits}} ", ink.muted),
                (fit(name, room + 1), ink.bright if here else ink.muted if quiet else ink.text),
            ]
            lines.append(tuple((text, ink.chosen(worn)) for text, worn in row) if at == cursor else tuple(row))
    return lines


# ── a plan ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def fold(text: str, width: int) -> list[str]:
    """Break text into rows of at most `width` cells and lose no character: a command is shown as it will run."""
    text, width = clean(text), max(width, 8)
    rows: list[str] = []
    while cell_len(text) > width:
        at, room = 0, width
        while at < len(text) and room >= cell_len(text[at]):
            room -= cell_len(text[at])
            at += 1
        space = text.rfind(" ", width // 2, at)
        at = space + 1 if space > 0 else max(at, 1)
        rows.append(text[:at])
        text = text[at:]
    return [*rows, text]


def labelled(ink: Ink, label: str, text: str, width: int, style: Style | None = None) -> list[Line]:
    """Words of any length beside their label."""
    rows = wrap(text, width - LABEL - 1)
    heads = [label, *[""] * len(rows)]
    return [
        ((f" {head:<{LABEL - 1}}", ink.muted), (row, style or ink.text)) for head, row in zip(heads, rows, strict=False)
    ]


def step(ink: Ink, state: RunStatus, at: int, now: float, width: int) -> list[Line]:
    """Everything known of one step: how it stands, why, what would change, and what was done."""
    chosen = state.steps[at]
    shape, style = mark(ink, state, at)
    since = f" {clock(chosen.changed, now, seconds=True)}" if chosen.changed else ""
    waits = under_way(state, at) and state.asked is not None
    word = "waits for you" if waits and chosen.state != "failed" else WORDS[chosen.state]
    lines: list[Line] = [((f" {shape} ", style), (f"{chosen.name}", ink.bright), (f"  {word}{since}", ink.muted))]
    if cell_len(chosen.words) > NARROW:
        lines += [((f"   {row}", ink.text),) for row in wrap(chosen.words, width - 4)]
    bad = chosen.state in ("failed", "refused")
    if not (waits and chosen.state == "failed"):  # else it stands below, where the choices are
        said = wrap(_HEADLESS.sub("", chosen.said), width - 4)
        lines += [((f"   {row}", ink.text if bad else ink.muted),) for row in said]
    for number, proof in enumerate(chosen.evidence):
        lines += labelled(ink, "" if number else "seen", proof, width, ink.muted)
    if chosen.plan is not None and (chosen.state not in ("so", "skipped") or chosen.actions):
        lines += [(), *plan(ink, chosen, now, width)]
    elif chosen.actions:
        lines += [(), *(row for done in chosen.actions for row in _action(ink, done.action, done, now, width))]
    return lines


def plan(ink: Ink, chosen: StepStatus, now: float, width: int) -> list[Line]:
    """What would change, or what was changed, in the order in which it is done."""
    shown = chosen.plan or PlanShown()
    lines: list[Line] = []
    if chosen.undoing:
        lines.append(((" to undo it:", ink.degraded),))
    for name, words in shown.loses:
        lines += labelled(ink, "LOST", words, width, ink.broken)
        lines += labelled(ink, "", f"to agree, its name is typed: {name}", width, ink.muted)
    known = [row for at, note in enumerate(shown.notes) for row in labelled(ink, "" if at else "known", note, width)]
    if first := scripted(shown):
        lines += known
    host = ""
    results = {done.action: done for done in chosen.actions}
    for action in (*shown.actions, *(done for done in results if done not in shown.actions)):
        if action.host != host:
            host = action.host
            lines.append(((f" {'on':<{LABEL - 1}}", ink.muted), (clip(host, width - LABEL), ink.bright)))
        lines += _action(ink, action, results.get(action), now, width)
    lines += [] if first else known
    lines += labelled(ink, "later", shown.later, width, ink.unknown)
    for at, words in enumerate(shown.rollbacks):
        lines += labelled(ink, "" if at else "reverts", words, width)
    if shown.actions and not chosen.undoing:
        lines += labelled(ink, "undo", shown.undo or "cannot be undone", width, ink.text)
    return lines


def scripted(shown: PlanShown) -> bool:
    """Whether a command is a script of several lines: what it does is then told in words before it is shown."""
    return any(action.script for action in shown.actions)


def _action(ink: Ink, action: ActionShown, done: ActionStatus | None, now: float, width: int) -> list[Line]:
    """One change: the exact command, or the file and its diff; and what came of it."""
    ended = done is not None and done.ended
    prefix, before, after = VERBS[action.kind]
    label = after if ended else before
    rows = [part for row in action.lines for part in fold(row.removeprefix(prefix), width - LABEL - 3)]
    lines: list[Line] = [((f" {label:<{LABEL - 1}}", ink.muted), (rows[0], ink.bright))]
    lines += [((" " * (LABEL + 2), ink.text), (row, ink.bright)) for row in rows[1:]]
    for row in action.diff.split("\n"):
        lines += [((f"   {part}", _diff_style(ink, row)),) for part in (fold(row, width - 4) if row else ())]
    if done is not None:
        lines += result(ink, done, now, width)
    return lines


VERBS = {
    "run": ("", "runs", "ran"), "write": ("write ", "writes", "wrote"), "copy": ("copy ", "copies", "copied"),
    "call": ("", "asks", "asked"), "wait": ("wait ", "waits", "waited"),
}  # fmt: skip
"""For each kind of action the word that its text begins with, and its label before and after."""


def _diff_style(ink: Ink, row: str) -> Style:
    if row.startswith(("---", "+++")):
        return ink.muted
    if row.startswith("@@"):
        return ink.unknown
    return ink.ok if row.startswith("+") else ink.failed if row.startswith("-") else ink.muted


def result(ink: Ink, done: ActionStatus, now: float, width: int, most: int = 0) -> list[Line]:
    """What came of a change, and the end of what its command said: the last `most` rows of it."""
    rows = [part for row in done.output.split("\n") if row for part in fold(row, width - 7)]
    lines: list[Line] = [(("     │ ", ink.faint), (row, ink.text)) for row in (rows[-most:] if most else rows)]
    if not done.ended:
        lines.append(((f"     ▸ runs since {clock(done.began, now, seconds=True)}", ink.bright),))
        return [*lines, *_far(ink, done, width)]
    if done.problem:
        told = wrap(done.problem, width - 8)
        return [*lines, *(((f"     {'✗' if not at else ' '} {row}", ink.broken),) for at, row in enumerate(told))]
    status = "" if done.status is None else f"status {done.status}, "
    return [*lines, (("     ✓ ", ink.ok), (f"{status}{done.seconds:.1f} s", ink.muted))]


def _far(ink: Ink, done: ActionStatus, width: int) -> list[Line]:
    """How far a running change is, where that is known."""
    if done.progress is None:
        return []
    far = done.progress
    amount = progress(far.done, far.total, far.unit, far.rate, far.left)
    return [((f"       {clip(f'{far.words} {amount}'.strip(), width - 8)}", ink.bright),)]


# ── in a sentence ─────────────────────────────────────────────────────────────────────────────────────────────────────


def stands(ink: Ink, seen: FlowSeen) -> tuple[str, str, Style, float]:
    """How a flow stands, by what was asked last: a shape, words, a style, and when it was asked (0.0: never)."""
    whole, look = seen.standing, seen.look
    if whole is None or (look is not None and look.ended > whole.at):
        return *summary(ink, look), look.ended if look is not None else 0.0
    match whole.state:
        case "done" | "skipped":
            return "✓", whole.words, ink.ok, whole.at
        case "needed":
            return "·", f"to do: {whole.words}", ink.degraded, whole.at
        case "refused":
            return "✗", whole.words, ink.broken, whole.at
    return "?", whole.words, ink.unknown, whole.at


def summary(ink: Ink, look: RunStatus | None) -> tuple[str, str, Style]:
    """How a flow stands, as a dry run of it found: a shape, words, a style."""
    if look is None:
        return "?", "not asked yet", ink.muted
    if look.outcome in ("planned", "done") or (look.outcome == "unanswered" and look.steps):
        todo = sum(step.state == "planned" for step in look.steps)
        later = sum(step.state == "later" for step in look.steps)
        if not todo and not later:
            return "✓", "nothing to do", ink.ok
        words = f"{todo + later} of {len(look.steps)} steps to do"
        return "·", words, ink.degraded
    shape = "✗" if look.outcome in ("failed", "refused") else "?"
    # Room is small: the reason itself comes before which step gave it.
    said = next((step.said for step in look.steps if step.state in ("failed", "refused") and step.said), look.ending)
    return shape, said, ink.broken if shape == "✗" else ink.unknown


def standing(run: RunStatus) -> str:
    """Where a run stands, in a few words."""
    if run.outcome is not None:
        return run.ending
    at = f"step {run.current + 1} of {len(run.steps)}" if run.steps else "about to begin"
    if run.asked is None:
        return at
    return f"{at} {'failed' if run.asked.kind == 'failed' else 'waits for you'}"


def newer(run: RunStatus | None, look: RunStatus | None) -> bool:
    """Whether a run is on, or ended after the steps were last asked: then what it says is what is known."""
    return run is not None and (run.outcome is None or look is None or look.began <= run.ended)


def ending(ink: Ink, run: RunStatus) -> tuple[str, Style]:
    """The shape of how a run ended, and its style."""
    if run.outcome == "done":
        return "✓", ink.ok
    return ("✗", ink.broken) if run.outcome in ("failed", "refused") else ("■", ink.degraded)


def last_words(last: LastRun | None, now: float) -> str:
    """What the journal says of the last run."""
    if last is None:
        return "never run"
    when = clock(last.ended or last.began, now)
    return f"runs elsewhere {when}" if last.state == "running" else f"{last.state} {when}"


def elsewhere(flows: Sequence[FlowSeen], now: float) -> str:
    """Who runs a flow on this site in another console; "" when nobody does."""
    for seen in flows:
        if seen.last is not None and seen.last.state == "running":
            return f"{seen.name} runs in another console: {seen.last.who}, since {clock(seen.last.began, now)}"
    return ""


def targets(actions: Iterable[ActionShown]) -> str:
    """On which hosts how much is changed: "on mailcow: 2 commands, 1 file"."""
    counts: dict[str, Counter[str]] = {}
    for action in actions:
        counts.setdefault(action.host, Counter())[action.kind] += 1
    return "; ".join(f"on {host}: {_counted(count)}" for host, count in counts.items())


def _counted(count: Counter[str]) -> str:
    words = {"run": "command", "write": "file", "copy": "copied file", "call": "request", "wait": "wait"}
    said = [(count[kind], word) for kind, word in words.items() if count[kind]]
    return ", ".join(f"{number} {word}{'' if number == 1 else 's'}" for number, word in said)


def plain(state: RunStatus, at: int) -> str:
    """One step as plain text, to be pasted into a ticket; commands unbroken."""
    chosen = state.steps[at]
    rows = [f"{state.flow}, step {at + 1} of {len(state.steps)}, {chosen.name}: {WORDS[chosen.state]}", chosen.said]
    rows += chosen.evidence
    if chosen.plan is not None:
        rows += chosen.plan.notes
        for action in chosen.plan.actions:
            first, *more = action.lines
            rows += [f"{action.host}: {first}", *more, *action.diff.rstrip("\n").split("\n")]
        rows += [f"lost: {words}" for _, words in chosen.plan.loses]
        rows += [f"undo: {chosen.plan.undo}"] if chosen.plan.undo else []
    for done in chosen.actions:
        came = done.problem or (f"status {done.status}" if done.status is not None else "well")
        rows += [f"{done.action.host}: {done.action.text}: {came}", done.output]
    return "\n".join(row for row in rows if row) + "\n"
