"""Edits of the deploy script, the hook and authorized_keys: one word or one line, and no other byte."""

from __future__ import annotations

import re
from collections.abc import Callable

from console.estate.load import Estate
from console.model import Finding, Span
from console.sources.shell import Command, Script

_UNPINNED = re.compile(r"(StrictHostKeyChecking[\s=]+)(accept-new|no|off)\b", re.IGNORECASE)
_ERREXIT = re.compile(r"(\bset\s+-(?!o\b)[A-Za-z]*e[A-Za-z]*)(?=\s|$)")
_SHELL = re.compile(r"#!\s*(?:/usr)?/bin/(?:da)?sh(?=\s|$)")
_DRY = re.compile(r"--dry-run(?=\s|$)")
_EXEC = re.compile(r"\bexec\b")


def keep_failures(estate: Estate, found: Finding) -> dict[str, str]:
    """CH027: add `set -o pipefail` or `exec -T` to a hook."""
    if "pipefail" in found.summary:
        return _edit(estate, found, _pipefail)
    if "without -T" in found.summary:
        return _edit(estate, found, lambda text, script: _each(text, found, lambda row: _EXEC.sub("exec -T", row, 1)))
    if "--dry-run" in found.summary:
        return _edit(
            estate,
            found,
            lambda text, script: _each(text, found, lambda row: _DRY.sub("--dry-run --run-deploy-hooks", row, 1)),
        )
    return {}


def _pipefail(text: str, script: Script) -> str:
    text = _SHELL.sub("#!/bin/bash", text, count=1) if _SHELL.match(text) else text
    changed, count = _ERREXIT.subn(r"\1o pipefail", text, count=1)
    return changed if count else _below_head(text, script, "set -eo pipefail")


def reload_nginx(estate: Estate, found: Finding) -> dict[str, str]:
    """CH010: add a reload of nginx below the last reload in the script."""

    def add(text: str, script: Script) -> str:
        last = max(_lines(found))
        row = _row(text, last)
        if not row.lstrip().startswith("docker compose ") or row.rstrip().endswith(("\\", "&&", "|", "'", '"')):
            return text
        blanks = row[: len(row) - len(row.lstrip())]
        return _insert(text, last, f"{blanks}docker compose exec -T nginx-mailcow nginx -s reload")

    return _edit(estate, found, add)


def reload_dovecot(estate: Estate, found: Finding) -> dict[str, str]:
    """CH013: replace the signal that ends the container by `dovecot reload`."""

    def replace(text: str, script: Script) -> str:
        commands = [command for shell in script.shells() if not shell.apart for command in shell.commands]
        for command in commands:
            if command.span == found.where and _kills_only_dovecot(command):
                first, last = command.words[0].span, command.words[-1].span
                row = _row(text, first.line)
                if first.line == last.line and last.end:
                    words = f"{command.words[0].raw} compose exec -T dovecot-mailcow dovecot reload"
                    return _put(text, first.line, row[: first.column - 1] + words + row[last.end - 1 :])
        return text

    return _edit(estate, found, replace)


def _kills_only_dovecot(command: Command) -> bool:
    texts = command.texts
    signal = texts[3:-1] in (("-s", "SIGHUP"), ("-s", "HUP"), ("-s", "1"), ("--signal", "SIGHUP"), ("--signal", "HUP"))
    return texts[1:3] == ("compose", "kill") and texts[-1] == "dovecot-mailcow" and signal


def close_channel(estate: Estate, found: Finding) -> dict[str, str]:
    """CH026: pin the host key, set a private umask, restrict the key; what needs facts of the hosts is not edited."""
    if "StrictHostKeyChecking" in found.summary:
        return _edit(estate, found, lambda text, script: _each(text, found, lambda row: _UNPINNED.sub(r"\1yes", row)))
    if "readable" in found.summary:
        return _edit(estate, found, lambda text, script: _below_head(text, script, "umask 077"))
    if "is not restricted" in found.summary and isinstance(found.where, Span):
        text = estate.texts[found.where.file]
        row = _row(text, found.where.line)
        at = found.where.column - 1
        return {found.where.file: _put(text, found.where.line, f"{row[:at]}restrict,{row[at:]}")}
    return {}


# ── splices ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _edit(estate: Estate, found: Finding, change: Callable[[str, Script], str]) -> dict[str, str]:
    assert isinstance(found.where, Span)
    file = found.where.file
    script = next((each for each in estate.sources.scripts if each.file == file), None)
    if script is None or script.problems:
        return {}
    text = estate.texts[file]
    changed = change(text, script)
    return {file: changed} if changed != text else {}


def _lines(found: Finding) -> list[int]:
    return [place.line for place in (found.where, *found.also) if isinstance(place, Span)]


def _each(text: str, found: Finding, change: Callable[[str], str]) -> str:
    for line in dict.fromkeys(_lines(found)):
        text = _put(text, line, change(_row(text, line)))
    return text


def _row(text: str, line: int) -> str:
    rows = text.split("\n")
    return rows[line - 1].removesuffix("\r") if line <= len(rows) else ""


def _put(text: str, line: int, row: str) -> str:
    rows = text.split("\n")
    rows[line - 1] = row + "\r" * rows[line - 1].endswith("\r")
    return "\n".join(rows)


def _insert(text: str, after: int, row: str) -> str:
    rows = text.split("\n")
    if after == len(rows) or (after == len(rows) - 1 and rows[-1] == ""):
        gap = "" if rows[-1] == "" else "\n"
        return f"{text}{gap}{row}\n"
    rows.insert(after, row + "\r" * rows[after - 1].endswith("\r"))
    return "\n".join(rows)


def _below_head(text: str, script: Script, row: str) -> str:
    """Put a line below a `set …` at the beginning of the script, or else below the `#!` line, or at the top."""
    first = next(iter(script.commands), None)
    if first is not None and first.name == "set":
        return _insert(text, first.span.line, row)
    return _insert(text, 1, row) if text.startswith("#!") else f"{row}\n{text}"
