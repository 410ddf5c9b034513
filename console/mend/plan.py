"""Works out edits: each is tried in memory, and kept when lint then has fewer findings and no new one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from console.diagnosis.lint import lint
from console.differences import unified
from console.estate.load import Estate, Reader
from console.mask import mask
from console.mend import estates, listeners, scripts
from console.model import Finding, Span
from console.sources.haproxy.edit import Edit
from console.text import clean

Mend = Callable[[Estate, Finding], dict[str, str]]
"""Returns the new texts of the changed files; empty when there is no edit for the finding."""

Edits = Callable[[listeners.Places, Finding], listeners.Edits]

LISTENERS: dict[str, Edits] = {
    "CH003": listeners.aim,
    "CH002": listeners.send_header,
    "CH005": listeners.check,
    "CH004": listeners.check,
    "CH019": listeners.wait,
}
"""Edits of haproxy.cfg, which are made together: a large file has many."""

MENDS: dict[str, Mend] = {
    "CH006": estates.bind,
    "CH024": estates.pin,
    "CH012": estates.keep_acme,
    "CH015": estates.keep_http,
    "CH018": estates.speak_ipv6,
    "CH020": estates.drop_hostname,
    "CH013": scripts.reload_dovecot,
    "CH027": scripts.keep_failures,
    "CH010": scripts.reload_nginx,
    "CH026": scripts.close_channel,
}
"""In this order: later edits see the earlier ones."""

MOST = 200
"""Most findings that one plan mends; a file with more needs several."""


class Plan(Struct, frozen=True):
    """The estate as it is, the new texts by file, the findings that they mend, and those that remain."""

    estate: Estate
    texts: dict[str, str]
    mended: tuple[Finding, ...]
    left: tuple[Finding, ...]


def path_of(estate: Estate, file: str) -> Path:
    """Return the path of a file of the estate."""
    if file == str(estate.file):
        return estate.file
    return estate.file.parent / Path(file).expanduser()


def plan(path: Path) -> Plan:
    """Return the plan for the estate of a site file; nothing is written. Raises as `estate.load` does."""
    reader = Reader()
    estate = reader.load(path)
    work = _Work(reader, path, estate)
    for id, edits in LISTENERS.items():
        work.at_once(id, edits)
        work.all_of(id, _alone(edits))
    for id, mend in MENDS.items():
        work.all_of(id, mend)
    mended = _gone(lint(estate.sources, estate.topology), work.findings)
    texts = {file: text for file, text in work.texts.items() if text != estate.texts.get(file)}
    return Plan(estate, texts, mended, work.findings)


def _gone(before: tuple[Finding, ...], after: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """Return the findings that are gone; one whose words alone have changed is not."""
    left = list(after)
    for same in (_key, lambda found: _key(found)[:2]):
        unmatched = []
        for finding in before:
            match = next((each for each in left if same(each) == same(finding)), None)
            if match is None:
                unmatched.append(finding)
            else:
                left.remove(match)
        before = tuple(unmatched)
    return before


def _alone(edits: Edits) -> Mend:
    return lambda estate, found: listeners.apply(estate, edits(listeners.Places(estate), found))


class _Work:
    """An estate that is mended step by step in memory."""

    def __init__(self, reader: Reader, path: Path, estate: Estate) -> None:
        self.reader, self.path, self.estate = reader, path, estate
        self.texts: dict[str, str] = {}
        self.findings = lint(estate.sources, estate.topology)
        self.tries = MOST

    def at_once(self, id: str, edits: Edits) -> None:
        """Mend all findings of one id together, when their edits do not overlap."""
        merged: dict[str, dict[Edit, None]] = {}
        places = listeners.Places(self.estate)
        for found in self.findings:
            if found.id == id and isinstance(found.where, Span):
                for file, wanted in edits(places, found).items():
                    merged.setdefault(file, {}).update(dict.fromkeys(wanted))
        changed = listeners.apply(self.estate, {file: list(wanted) for file, wanted in merged.items()})
        if changed:
            self._holds(changed, id)

    def all_of(self, id: str, mend: Mend) -> None:
        """Mend the findings of one id one after another; each edit moves places, so each finding is located again."""
        refused: set[tuple[str, ...]] = set()
        while self.tries > 0:
            found = next((each for each in self.findings if each.id == id and _key(each) not in refused), None)
            if found is None:
                return
            self.tries -= 1
            changed = mend(self.estate, found) if isinstance(found.where, Span) else {}
            if not changed or not self._holds(changed, id):
                refused.add(_key(found))

    def _holds(self, changed: dict[str, str], id: str) -> bool:
        """Keep the new texts when they mend something and make nothing worse."""
        texts = {**self.texts, **changed}
        trial = self.reader.load(self.path, texts)
        if [*map(str, trial.problems)] != [*map(str, self.estate.problems)] and trial.problems:
            return False
        findings = lint(trial.sources, trial.topology)
        before, after = Counter(each.id for each in self.findings), Counter(each.id for each in findings)
        lighter = _weight(findings, id) < _weight(self.findings, id)
        if not lighter or any(after[each] > before[each] for each in after):
            return False
        self.texts, self.estate, self.findings = texts, trial, findings
        return True


def _weight(findings: tuple[Finding, ...], id: str) -> int:
    return sum(1 + len(each.also) for each in findings if each.id == id)


def _key(found: Finding) -> tuple[str, ...]:
    """Return what identifies a finding even when its line moves."""
    return (found.id, found.where.file if isinstance(found.where, Span) else found.where, found.summary)


# ── showing ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def diffs(made: Plan) -> dict[str, str]:
    """Return a unified diff of each file that would change, with secrets masked and control characters escaped."""
    shown = {}
    for file, text in made.texts.items():
        before, after = (mask(each).split("\n") for each in (made.estate.texts[file], text))
        if before[-1:] == after[-1:] == [""]:
            before, after = before[:-1], after[:-1]
        rows = unified(before, after, file, file)
        shown[file] = "\n".join(
            "\t".join(clean(part, 1000) for part in row.removesuffix("\r").split("\t")) for row in rows
        )
    return shown
