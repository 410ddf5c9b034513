"""What differs between two texts, line by line, in a time that grows with them and not with their square.

difflib compares each line of what is the same with all that is left, so thousands of small differences take minutes.
Lines that stand once on either side are the same line: they part large texts into small ones for difflib."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import pairwise

Change = tuple[str, int, int, int, int]

AROUND = 3
"""Lines shown before and after a change."""

MANY = 2000
"""Lines of a side from which on those that are repeated often are not used to find what is the same."""

SMALL = 1_000_000
"""Most pairs of lines that are compared at once; of more, what stands between the lines that are the same differs."""


def changes(before: Sequence[str], after: Sequence[str]) -> list[Change]:
    """Return what differs, as `SequenceMatcher.get_opcodes` does; what both sides begin and end with is passed over."""
    i, j, k, m = _narrowed(before, after, 0, len(before), 0, len(after))
    if (j - i) * (m - k) <= SMALL:
        return list(_between(before, after, i, j, k, m))
    found: list[Change] = []
    for mine, theirs in [*_same(before, after, i, j, k, m), (j, m)]:
        found += _between(before, after, i, mine, k, theirs)
        i, k = mine + 1, theirs + 1
    return found


def unified(before: Sequence[str], after: Sequence[str], one: str, other: str) -> Iterator[str]:
    """Yield the rows of a unified diff, without line ends; none when nothing differs."""
    found = changes(before, after)
    if found:
        yield f"--- {one}"
        yield f"+++ {other}"
    for group in groups(found, len(before), len(after)):
        yield head(group)
        for kind, i, j, k, m in group:
            if kind == "equal":
                yield from (f" {line}" for line in before[i:j])
            else:
                yield from (f"-{line}" for line in before[i:j])
                yield from (f"+{line}" for line in after[k:m])


def groups(found: Sequence[Change], mine: int, theirs: int) -> Iterator[list[Change]]:
    """Yield the changes that are near each other, with the lines around them."""
    group: list[Change] = []
    for each in found:
        if group and each[1] - group[-1][2] > 2 * AROUND:
            yield _around(group, mine, theirs)
            group = []
        group.append(each)
    if group:
        yield _around(group, mine, theirs)


def head(group: Sequence[Change]) -> str:
    """Return the row above a group: which lines of either side it shows."""
    first, last = group[0], group[-1]
    return f"@@ -{_range(first[1], last[2])} +{_range(first[3], last[4])} @@"


def _around(group: list[Change], mine: int, theirs: int) -> list[Change]:
    (_, i, _, k, _), (_, _, j, _, m) = group[0], group[-1]
    lead, trail = min(AROUND, i, k), min(AROUND, mine - j, theirs - m)
    found: list[Change] = [("equal", i - lead, i, k - lead, k), group[0]]
    for before, after in pairwise(group):
        found += [("equal", before[2], after[1], before[4], after[3]), after]
    return [*found, ("equal", j, j + trail, m, m + trail)]


def _range(start: int, stop: int) -> str:
    length = stop - start
    return f"{start + (length > 0)}" + ("" if length == 1 else f",{length}")


# ── what is the same ────────────────────────────────────────────────────────────────────────────────────────────────


def _narrowed(before: Sequence[str], after: Sequence[str], i: int, j: int, k: int, m: int) -> tuple[int, int, int, int]:
    """Return two ranges without what both begin and end with."""
    while i < j and k < m and before[i] == after[k]:
        i, k = i + 1, k + 1
    while i < j and k < m and before[j - 1] == after[m - 1]:
        j, m = j - 1, m - 1
    return i, j, k, m


def _between(before: Sequence[str], after: Sequence[str], i: int, j: int, k: int, m: int) -> Iterator[Change]:
    """Yield what differs in two ranges; all of them when they are large."""
    i, j, k, m = _narrowed(before, after, i, j, k, m)
    if i == j and k == m:
        return
    if i == j or k == m or (j - i) * (m - k) > SMALL:
        yield ("insert" if i == j else "delete" if k == m else "replace"), i, j, k, m
        return
    matcher = SequenceMatcher(None, before[i:j], after[k:m], autojunk=max(j - i, m - k) > MANY)
    for kind, one, two, three, four in matcher.get_opcodes():
        if kind != "equal":
            yield kind, one + i, two + i, three + k, four + k


def _same(before: Sequence[str], after: Sequence[str], i: int, j: int, k: int, m: int) -> list[tuple[int, int]]:
    """Return where the same lines are that stand once on either side: as many as come in the same order."""
    once = {line for line, count in Counter(before[i:j]).items() if count == 1}
    once &= {line for line, count in Counter(after[k:m]).items() if count == 1}
    places = {before[at]: at for at in range(i, j) if before[at] in once}
    pairs = [(places[after[at]], at) for at in range(k, m) if after[at] in once]
    ends: list[int] = []  # of the longest row of each length, the smallest last place
    lasts: list[int] = []
    above: list[int] = []
    for number, (mine, _) in enumerate(pairs):
        at = bisect_left(ends, mine)
        ends[at : at + 1] = [mine]
        lasts[at : at + 1] = [number]
        above.append(lasts[at - 1] if at else -1)
    found = []
    number = lasts[-1] if lasts else -1
    while number >= 0:
        found.append(pairs[number])
        number = above[number]
    return found[::-1]
