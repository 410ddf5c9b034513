"""A plan as a POSIX shell script that a person can read, and follow by hand."""

from __future__ import annotations

import base64
import hashlib
import re
import time
from collections.abc import Iterator, Sequence

from console.estate.load import Estate
from console.hosts.shell import line, spelled
from console.runner import guard, show
from console.runner.context import StepContext
from console.runner.plan import Action, Call, CheckResult, Copy, Plan, Run, Wait, Write
from console.runner.step import Step
from console.site import HostEntry
from console.text import is_plain

Planned = tuple[Step, CheckResult, Plan]

HEAD = """\
#!/bin/sh
# {flow}: {words}
# Site {site}, written {when}, from how things stood then: where they have changed since, a guard stops it.
# Read each step before you run it. It can be run again: a file that is as it should be is left alone.
set -eu

say() {{ printf '%s\\n' "$*" >&2; }}
agree() {{ # agree NAME WORDS: what cannot be had back is typed, at the terminal
  say "$2"
  printf 'type %s to go on: ' "$1" >&2
  read -r typed </dev/tty || exit 1
  [ "$typed" = "$1" ] || {{ say "not agreed to: nothing of this step was done"; exit 1; }}
}}
"""


def write(flow: str, words: str, context: StepContext, planned: Sequence[Planned], steps: Sequence[Step]) -> str:
    """Return the script: the steps that are needed, in order, each on its host, with what is so already as comments."""
    when = time.strftime("%Y-%m-%d %H:%M:%S %Z")
    site = show.line(context, str(context.estate.file))
    text = HEAD.format(flow=show.line(context, flow), words=show.line(context, words), site=site, when=when)
    roles = {action.host for _, _, plan in planned for action in plan.actions}
    text += "".join(f"\non_{_word(role)}() {{ {_way(context, role)}; }}" for role in sorted(roles))
    known = {step.name: (found, plan) for step, found, plan in planned}
    for number, step in enumerate(steps, 1):
        text += f"\n\n# ── {number} {show.line(context, step.name)}: {show.line(context, step.words)}\n"
        if step.name in known:
            text += "\n".join(_step(context, flow, step, *known[step.name]))
        else:
            text += "# Nothing to do here, or not known before what comes first is done.\n"
    return text.rstrip() + "\n\nsay 'done; cowhand flow ' " + line([flow]) + " 'verifies it'\n"


def _step(context: StepContext, flow: str, step: Step, found: CheckResult, plan: Plan) -> Iterator[str]:
    yield f"# Needed: {show.line(context, found.words)}"
    for note in (*found.evidence, *plan.notes):
        yield f"#   {show.line(context, note)}"
    if plan.undo:
        yield f"# To take it back: {show.line(context, plan.undo)}"
    if plan.later:
        yield f"# Not exact yet: {show.line(context, plan.later)}. Make the runbook again after the steps before."
    yield f"say {line([f'{step.name}: {show.line(context, step.words)}'])}"
    for loss in plan.loses:
        yield f"agree {line([show.line(context, loss.name), show.line(context, loss.words)])}"
    for action in plan.actions:
        if isinstance(action, Run) and action.rescue:
            yield f"# If that failed, on {context.name(action.host)}: {show.line(context, action.text)}"
            continue
        body = list(_action(context, action))
        mark = _mark("COWHAND_STEP", body)
        yield from (f"on_{_word(action.host)} <<'{mark}'", "set -eu", *body, mark)
    for at, rollback in enumerate(plan.rollbacks):
        words = "Then" if at else "Now prove it from outside. When it is well"
        keep = guard.disarm(rollback.host, guard.name(flow, step.name, context.key(rollback.host))).argv
        yield f"# {words}, on {context.name(rollback.host)}: {line(keep)}"
    for rollback in plan.rollbacks:
        yield f"# Else {show.rollback(context, rollback)}"


def _action(context: StepContext, action: Action) -> Iterator[str]:
    match action:
        case Run():
            yield from _run(context, action)
        case Write() if is_plain(action.path):
            yield from _write(context, action)
        case Copy() if is_plain(f"{action.path}{action.source}"):
            yield f"sum=$([ ! -e {line([action.path])} ] || sha256sum < {line([action.path])} | cut -d ' ' -f 1)"
            words = f"{action.text}, with the sum {action.sha256}, and go on from here"
            yield f'[ "$sum" = {line([action.sha256])} ] || {{ echo {line([show.line(context, words)])} >&2; exit 1; }}'
        case Wait():
            yield f"say {line(['waiting until ' + show.line(context, action.words)])}"
            yield f"until {_shown(action.argv)} >/dev/null; do sleep {action.every:g}; done"
        case Call():
            words = f"{show.line(context, action.text)} is left to you: then go on from here"
            yield f"echo {line([words])} >&2; exit 1"
        case _:  # a name that a host has made up: printed, it could steer the terminal
            words = f"{show.line(context, action.text)} is left to you, for that name is not plain"
            yield f"echo {line([words])} >&2; exit 1"


def _run(context: StepContext, action: Run) -> Iterator[str]:
    for test in action.guards:
        words = f"a guard did not hold: {show.line(context, line(test))}"
        yield f"{_shown(test)} >/dev/null || {{ echo {line([words])} >&2; exit 1; }}"
    written, text = line(action.argv), _shown(action.argv)
    if text != written:
        yield f"# {show.line(context, written)}"
    if context.redact(written) != written or action.stdin is not None or action.environment:
        yield f"# It has a secret in it, which is not written here: {show.line(context, written)}"
        yield "echo 'a command with a secret is left to you: see the runbook' >&2; exit 1"
        return
    if action.well == (0,):
        yield text
    else:
        well = "|".join(map(str, action.well))
        yield f"status=0; {text} || status=$?"
        yield f'case "$status" in {well}) ;; *) exit "$status" ;; esac'


def _write(context: StepContext, action: Write) -> Iterator[str]:
    path, draft, kept = (line([action.path + end]) for end in ("", ".cowhand", ".previous"))
    try:
        text: str | None = action.after.decode()
    except UnicodeDecodeError:
        text = None
    if action.sealed or (text is not None and context.redact(text) != text):
        yield f"# {show.line(context, action.path)} has a secret in it, which is not written here."
        yield "echo 'a file with a secret is left to you: see the runbook' >&2; exit 1"
        return
    yield f"sum=$([ ! -e {path} ] || sha256sum < {path} | cut -d ' ' -f 1)"
    yield f'if [ "$sum" != {_sum(action.after)} ]; then'
    before = "''" if action.before is None else _sum(action.before)
    yield f'[ "$sum" = {before} ] || {{'
    was = f"{show.line(context, action.path)} is not as it was when the runbook was written"
    yield f"  echo {line([was])} >&2; exit 1; }}"
    if action.before is not None:
        yield f"cp -p -- {path} {kept}; cp -p -- {path} {draft}"
    yield from _content(action.after, text, draft)
    yield f"chmod {action.mode:04o} {draft}"
    yield f"mv -f -- {draft} {path}"
    yield "fi"


def _shown(argv: Sequence[str]) -> str:
    """A command that steers no terminal when the runbook is printed: byte by byte where it is not plain."""
    text = line(argv)
    return text if is_plain(text.replace("\n", "")) else spelled(argv)


def _content(data: bytes, text: str | None, draft: str) -> Iterator[str]:
    rows = text[:-1].split("\n") if text is not None and text.endswith("\n") else []
    if rows and all(is_plain(row.replace("\t", " ")) for row in rows):  # else it could read as what it is not
        mark = _mark("COWHAND_FILE", rows)
        yield from (f"cat > {draft} <<'{mark}'", *rows, mark)
    else:
        rows = base64.encodebytes(data).decode().splitlines()
        yield from (f"base64 -d > {draft} <<'COWHAND_FILE'", *rows, "COWHAND_FILE")


def _mark(word: str, rows: Sequence[str]) -> str:
    """A word that ends a here-document and is no line of it."""
    lines = "\n".join(rows).split("\n")
    while word in lines:
        word += "_"
    return word


def _sum(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _word(which: str) -> str:
    """A host's name as a part of a shell function's name."""
    return re.sub(r"\W", "_", which, flags=re.ASCII)


def _way(context: StepContext, which: str) -> str:
    """The command that feeds its input to a shell on a host."""
    if which == "here":
        return "sh -s"
    name, known = context.name(which), context.estate.site.hosts
    entry = known.get(name) or next((entry for entry in known.values() if entry.role == which), None)
    if entry is None:
        return f"echo {line([f'on {name}, by hand:'])}; cat"
    return _reach(context.estate, entry)


def _reach(estate: Estate, entry: HostEntry) -> str:
    shell = ["sudo", "sh", "-s"] if entry.become else ["sh", "-s"]
    if entry.ssh is not None:
        return line(["ssh", "--", entry.ssh, line(shell)])
    if entry.incus is not None and entry.via is not None:
        through = estate.site.hosts[entry.via]
        inner = ["incus", "exec", entry.incus, "--", *shell]
        if through.local or through.ssh is None:
            return line([*(["sudo"] if through.become else []), *inner])
        return line(["ssh", "--", through.ssh, line([*(["sudo"] if through.become else []), *inner])])
    return line(shell)
