"""What is above and below every screen: the verdict, its sentence and the screens' names; the key line."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich.style import Style

from screens.actions import BY_ID, SCREENS, Action
from screens.board import Board
from screens.text import Line, Piece, cells, clip, clock
from screens.themes import MARKS, SEVERITIES, VERDICTS, Ink

if TYPE_CHECKING:
    from console.runner.state import RunStatus


STOPPED = "✗ the engine stopped, nothing below is live: "
"""What the second row says then, in front of why; the lanes' screen tells it whole where it is cut off."""

OR = "; or "
"""What stands between causes of which one is the true one."""

Piece3 = tuple[str, Style, str]


def masthead(board: Board, ink: Ink, view: str, wanted: str, width: int, *, read_only: bool, lab: bool) -> list[Line]:
    """Return the three rows; `wanted` is the filter of the screen in front."""
    return [
        _standing(board, ink, width, read_only=read_only, lab=lab),
        ((" ", ink.text), *_sentence(board, ink, width - 2)),
        _tabs(board, ink, view, wanted, width),
    ]


def foot(ink: Ink, said: str, actions: Iterable[Action], width: int) -> Line:
    """Return the key line; a message stands in its place until the next key."""
    if said:
        return ((" " + clip(said, width - 2), ink.bright),)
    offers = [(action.label, f" {action.words}  ") for action in actions]
    while len(offers) > 2 and sum(len(key + words) for key, words in offers) - 1 > width:
        del offers[-3]
    return ((" ", ink.text), *(piece for key, words in offers for piece in ((key, ink.key), (words, ink.muted))))


def _standing(board: Board, ink: Ink, width: int, *, read_only: bool, lab: bool) -> Line:
    badges: list[Piece] = []
    if lab:
        badges += [(" LAB ", ink.lab), (" ", ink.text)]
    if read_only:
        badges += [(" READ-ONLY ", ink.badge), (" ", ink.text)]
    run, title = _flow(board, ink), (f" {clip(board.title, 24)} ", ink.muted)
    right: list[Piece] = [*run, title, *badges]
    left: list[Piece] = [(" ", ink.text), _verdict(board, ink)]
    left.append((_count(board), ink.text))
    unusable = len(board.estate.problems) if board.estate else 0
    if unusable:
        left.append((f" · {unusable} {'file' if unusable == 1 else 'files'} unusable", ink.degraded))
    room = width - cells(right)
    if board.overdue is not None:
        note = f" · nothing answered since {clock(board.overdue.since, board.now, seconds=True)}"
        left.append((clip(note, max(room - cells(left), 0)), ink.degraded))
    # What is stopped, and the two warnings, are the last to go.
    for right in ([*run, title, *badges], [*run, *badges], [*run[:-1], *badges], badges):
        room = width - cells(right)
        if cells(left) <= room:
            break
    while len(left) > 2 and cells(left) > room:
        left.pop()
    gap = max(room - cells(left), 0)
    return (*left, (" " * gap, ink.text), *right)


def _count(board: Board) -> str:
    """How many lanes are well; when nobody could look at any, just that."""
    count = len(board.lanes)
    if not count or board.observed is None or board.counted is None:
        return f"   {count} lanes" if count else ""
    if board.observed.verdict == "unknown" and "ok" not in board.outcomes_seen:
        return f"   {count} lanes, none could be asked"
    return f"   {board.counted[0]} of {board.counted[1]} lanes {'answer' if board.blind else 'well'}"


def _flow(board: Board, ink: Ink) -> list[Piece]:
    """The run that is on and where it stands; one that ended, until its end was seen."""
    run = board.flow
    if run is None or run.dry:
        return []
    from console.runner.left_down import of_run  # a run is seldom: it is not loaded before the first paint

    down = of_run(run)
    if run.outcome is not None and run.began == board.noted and not down:
        return []
    at = f" {run.current + 1}/{len(run.steps)}" if run.steps else ""
    shape, style, word = _state(run, ink)
    stopped: list[Piece] = [(f" ✗ {clip(down[0].service, 12)} stopped ", ink.broken)] if down else []
    return [*stopped, (f" {shape} {clip(run.flow, 20)}{at}{word} ", style)]


def _state(run: RunStatus, ink: Ink) -> Piece3:
    if run.outcome is not None:
        if run.outcome == "done":
            return "✓", ink.ok, " done"
        failed = run.outcome in ("failed", "refused")
        return ("✗", ink.broken, f" {run.outcome}") if failed else ("■", ink.degraded, f" {run.outcome}")
    if run.asked is None:
        return "▸", ink.unknown, ""
    return ("✗", ink.broken, " failed") if run.asked.kind == "failed" else ("?", ink.degraded, " waits")


def _verdict(board: Board, ink: Ink) -> Piece:
    if board.choosing:
        return "· no site is open", ink.muted
    if board.observed is None:
        if board.failed is not None:
            return "✗ stopped", ink.broken
        return ("✗ unusable", ink.broken) if board.unusable else ("· looking", ink.muted)
    verdict = board.observed.verdict
    outcome = VERDICTS[verdict]
    style = ink.broken if outcome == "failed" else ink.state(outcome)
    if board.blind and board.failed is None:
        told = bool(board.observed.cause)
        return f"{'?' if told else MARKS['ok']} well from outside", ink.unknown if told else ink.ok
    stale = board.overdue is not None or board.failed is not None
    return f"{MARKS[outcome]} {verdict}", ink.muted if stale and outcome == "ok" else style


def _sentence(board: Board, ink: Ink, width: int) -> Line:
    if board.choosing:
        return (("which of your sites? nothing is asked of any before you choose", ink.text),)
    if board.failed is not None:
        return ((clip(f"{STOPPED}{board.failed.summary}", width), ink.broken),)
    seen = board.observed
    if seen is not None and seen.cause:
        outcome = VERDICTS[seen.verdict]
        name = f" ({seen.cause_id})" if seen.cause_id and seen.cause_id not in seen.cause else ""
        since = f", since {clock(seen.since, board.now)}" if seen.since else ""
        others = board.more
        if others:
            named = f"  +{len(others)} more: {', '.join(others[:3])}"
            fits = cells(((seen.cause + named + since, ink.text),)) <= width
            since = (named if fits else f"  +{len(others)} more") + since
        cause = seen.cause
        if cells(((cause + name + since, ink.text),)) > width:
            name, cause = "", _shorter(cause, len(board.lanes), width - len(since))
        style = ink.state("unknown" if outcome == "ok" else outcome)
        return ((clip(cause, width - len(name) - len(since)) + name, style), (since, ink.muted))
    if board.overdue is not None:
        return ((clip(f"sweeps do not finish: {board.overdue.why}", width), ink.degraded),)
    if board.estate is None:
        return (("reading the sources", ink.muted),)
    if board.estate.partial and not board.estate.problems:
        return (("the lanes are read; the other files follow", ink.muted),)
    if board.estate.problems:
        more = len(board.estate.problems) - 1
        tail = f" (and {more} more: 2)" if more else ""
        return ((clip(str(board.estate.problems[0]), width - len(tail)) + tail, ink.degraded),)
    if not board.lanes:
        return (("no lanes: the sources name no listener", ink.degraded),)
    if board.awaited:
        return ((clip(board.awaited, width), ink.degraded),)
    if seen is not None and seen.verdict == "well":
        since = f" since {clock(seen.since, board.now)}" if seen.since else ""
        return ((f"all {len(board.lanes)} lanes well{since}", ink.muted),)
    return ()


def _shorter(cause: str, lanes: int, width: int) -> str:
    """A sentence that has to be cut, without what its reader can spare: the ports of all lanes, then of several causes
    what was seen, then the causes that are named last."""
    seen, either, told = cause.partition(". Either ")
    where, colon, rest = seen.partition(": ")
    if colon and where.startswith("lanes "):
        named = where.removeprefix("lanes ").replace(" and ", ", ").split(", ")
        count = sum(int(each.removesuffix(" more")) if each.endswith(" more") else 1 for each in named)
        where = "every lane" if count == lanes else where
    shown = f"{where}{colon}{rest}{either}{told}"
    whole, left = told.split(OR), 0
    while either and cells(((shown, Style()),)) > width and left < len(whole):
        others = [f"{left} others"] if left > 1 else ["another"] if left else []
        shown = f"{where}: either {OR.join((*whole[: len(whole) - left], *others))}"
        left += 1
    return shown


def _tabs(board: Board, ink: Ink, view: str, wanted: str, width: int) -> Line:
    """The names of the screens, of findings how many; shorter when the row has no room for all of it."""
    names = [*SCREENS, *([view] if view not in SCREENS else [])]
    known = board.findings()
    grave = sum(found.severity == "critical" for found in known)
    mark = f" {SEVERITIES['critical']}{grave}"  # always: a tab that grows would shift those behind it
    for dash, tally, spelled in (
        (" ─", f"{len(known)}{mark}", True),
        ("", f"{len(known)}{mark}", True),
        ("", f"{len(known)}", True),
        ("", f"{len(known)}", False),
    ):
        pieces: list[Piece] = [("─", ink.faint)]
        for name in names:
            here = name == view
            label = f"{BY_ID[name].label} {name}" if name in SCREENS else name
            if not spelled and not here:
                label = BY_ID[name].label
            pieces.append((f" {label}", ink.bright if here else ink.muted))
            if name == "findings" and known:
                pieces.append((f" ({tally}){'' if len(known) > 9 else ' '}", ink.failed if grave else ink.muted))
            if here and wanted and name in SCREENS:
                pieces.append((f" /{clip(wanted, 16)}", ink.degraded))
            pieces.append((dash, ink.faint))
        if cells(pieces) <= width:
            break
    rest = max(width - cells(pieces), 0)
    return (*pieces, ("─" * rest if dash else f" {'─' * (rest - 1)}", ink.faint))
