"""The shells that a script starts: `ssh host '…'`, `sh -c '…'`, here-documents, `eval`, functions that call ssh."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from msgspec import Struct
from msgspec.structs import replace

from console.model import Span
from console.sources.shell_lexer import Command, Lexer, Redirect, Script, Word

DEEPEST = 4
"""Shells that start shells."""

MOST = 200
"""Shells that one script starts."""

LONGEST = 64 << 10
"""Characters of one inner shell's text."""

_SHELLS = frozenset(("sh", "bash", "dash", "ash", "zsh", "ksh"))
_RUNS_TEXT = re.compile(r"-[A-Za-z]*c[A-Za-z]*\Z")
_SSH_VALUES = "BbcDEeFIiJLlmOopQRSWw"
_VARIABLE = re.compile(r"\"?\$\{?([A-Za-z_]\w*)(?:\[@\])?\}?\"?\Z")
_USED = re.compile(r"\$\{?([A-Za-z_]\w*)\}?")
_PASSES = re.compile(r"^[ \t]*(?:function[ \t]+)?([A-Za-z_][\w-]*)[ \t]*\(\)\s*\{([^}]*)\}", re.MULTILINE)


class _Text(Struct, frozen=True):
    """The text of an inner shell: where its first character stands, and whether the rest stands there as it is."""

    text: str
    line: int
    column: int
    exact: bool
    strict: bool = False


class _Around(Struct, frozen=True):
    """What is known of the script around: the variables that are set once, the functions that hand on to ssh."""

    file: str
    values: Mapping[str, Word]
    functions: frozenset[str]


def inner(commands: Sequence[Command], text: str, file: str) -> tuple[Script, ...]:
    """Return the shells that the commands of a script start, and those that these start."""
    passing = frozenset(
        match[1] for match in _PASSES.finditer(text) if re.search(r"\bssh\b.*\$[@*1]", match[2], re.DOTALL)
    )
    return _inner(commands, _Around(file, _values(commands), passing), 0, [MOST])


def _inner(commands: Sequence[Command], around: _Around, depth: int, left: list[int]) -> tuple[Script, ...]:
    found: list[Script] = []
    for command in commands if depth < DEEPEST else ():
        for each in _texts(command, around):
            left[0] -= 1
            if left[0] < 0 or not each.text.strip() or len(each.text) > LONGEST:
                continue
            found.append(_read(each, around, depth, left))
    return tuple(found)


def _read(text: _Text, around: _Around, depth: int, left: list[int]) -> Script:
    lexer = Lexer(text.text, around.file)
    lexer.commands("", 0)
    commands = tuple(_moved(each, text) for each in lexer.found)
    within = replace(around, values={**around.values, **_values(commands)})
    further = _inner(commands, within, depth + 1, left)
    return Script(around.file, None, commands, lexer.variables, (), further, text.strict, not text.exact)


# ── which texts ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _texts(command: Command, around: _Around) -> Iterator[_Text]:
    """Yield what a command gives to shells: its words, and what it reads."""
    words = _expanded(command.words, around)
    at = next((at for at, word in enumerate(words[:8]) if _base(word) == "ssh"), None)
    if at is not None and (at == 0 or _base(words[0]) in _WRAPPERS):
        said = list(_ssh(words[at + 1 :], around))
        yield from said
        rest = _remote(words[at + 1 :])
        if not rest or _reads(rest):
            yield from _documents(command.redirects, _is_strict(rest))
        return
    if words and words[0].text in around.functions:
        yield from _joined(words[1:], around, False)
        return
    if words and words[0].text == "eval":
        yield from _joined(words[1:], around, False)
        return
    if any(_base(word) in _RUNS_HOOKS for word in words[:4]):
        yield from _hooks(words, around)
        return
    for at, word in enumerate(words):
        if _base(word) in _SHELLS or (_base(word) == "su" and at < 3):
            yield from _shell(words[at:], command, around)
            return


_WRAPPERS = frozenset(
    ("sudo", "doas", "env", "nice", "ionice", "timeout", "time", "nohup", "setsid", "command", "exec", "sshpass",
     "flock", "chronic", "retry", "torsocks")
)  # fmt: skip


_RUNS_HOOKS = frozenset(("certbot", "acme.sh"))
_HOOKS = frozenset(
    ("--reloadcmd", "--reload-cmd", "--pre-hook", "--post-hook", "--renew-hook", "--deploy-hook",
     "--manual-auth-hook", "--manual-cleanup-hook")
)  # fmt: skip


def _hooks(words: Sequence[Word], around: _Around) -> Iterator[_Text]:
    """Yield the commands that certbot and acme.sh are given to run."""
    for word, following in pairwise(words):
        if word.text in _HOOKS:
            yield from _joined((following,), around, False)
    for word in words:
        option, equals, value = word.text.partition("=")
        if equals and option in _HOOKS:
            yield _Text(value, word.span.line, word.span.column, False)


def _shell(words: Sequence[Word], command: Command, around: _Around) -> Iterator[_Text]:
    """Yield what `sh -c '…'`, `su - user -c '…'` or `sh <<E` run."""
    flags = [word.text for word in words[1:] if word.text.startswith("-")]
    at = next((at for at, word in enumerate(words[1:], 1) if _RUNS_TEXT.match(word.text)), None)
    strict = any(re.match(r"-[A-Za-z]*e", flag) for flag in flags)
    if at is not None:
        yield from _joined(words[at + 1 : at + 2], around, strict)
    elif _reads(words):
        yield from _documents(command.redirects, strict)


def _reads(words: Sequence[Word]) -> bool:
    """Whether a command is a shell that reads its commands from its input."""
    at = next((at for at, word in enumerate(words) if _base(word) in _SHELLS), None)
    return at is not None and all(word.text.startswith("-") for word in words[at + 1 :])


def _is_strict(words: Sequence[Word]) -> bool:
    return any(re.match(r"-[A-Za-z]*e[A-Za-z]*\Z", word.text) for word in words)


def _ssh(words: Sequence[Word], around: _Around) -> Iterator[_Text]:
    """Yield the command that ssh runs on the other machine."""
    yield from _joined(_remote(words), around, False)


def _remote(words: Sequence[Word]) -> Sequence[Word]:
    """Return the words behind ssh's options and host."""
    at = 0
    while at < len(words):
        text = words[at].text
        if text == "--":
            at += 1
            break
        if text.startswith("-") and len(text) > 1:
            at += 2 if text[1] in _SSH_VALUES and len(text) == 2 else 1
        elif words[at].raw.startswith("$") and re.search(r"OPT|ARG|FLAG", text, re.IGNORECASE):
            at += 1
        else:
            break
    return words[at + 1 :]


def _documents(redirects: Sequence[Redirect], strict: bool) -> Iterator[_Text]:
    for each in redirects:
        operator = each.operator.lstrip("0123456789")
        if operator in ("<<", "<<-"):
            yield _Text(each.body, each.line, 1, True, strict)
        elif operator == "<<<":
            yield from _quoted(each.target, strict)


def _joined(words: Sequence[Word], around: _Around, strict: bool) -> Iterator[_Text]:
    """Yield several words as the one text that a shell gets, with variables that are set once put in."""
    if not words:
        return
    if len(words) == 1:
        match = _VARIABLE.match(words[0].raw)
        value = around.values.get(match[1]) if match else None
        yield from _quoted(value if value is not None else words[0], strict)
        return
    text = " ".join(word.text for word in words)
    text = _USED.sub(lambda match: around.values[match[1]].text if match[1] in around.values else match[0], text)
    place = words[0].span
    alone = all(word.raw == word.text and word.span.line == place.line for word in words)
    gaps = all(one.span.end + 1 == other.span.column for one, other in pairwise(words))
    yield _Text(text, place.line, place.column, alone and gaps, strict)


def _quoted(word: Word, strict: bool) -> Iterator[_Text]:
    """Yield the text of one word; one quoted piece stands in the file as the shell gets it."""
    quoted = word.raw[:1] in ("'", '"') and word.raw[1:-1] == word.text and word.raw[-1:] == word.raw[:1]
    plain = word.raw == word.text
    yield _Text(word.text, word.span.line, word.span.column + quoted, quoted or plain, strict)


# ── variables ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _values(commands: Sequence[Command]) -> dict[str, Word]:
    """Return the variables that are set once, to a text without substitutions: the text with its place."""
    found: dict[str, list[Word]] = {}
    for command in commands:
        given = command.assignments if not command.words else ()
        if command.name in ("export", "readonly", "local", "declare"):
            given = tuple(word for word in command.words[1:] if "=" in word.raw)
        for word in given:
            name, _, raw = word.raw.partition("=")
            text = word.text.partition("=")[2]
            place = Span(word.span.file, word.span.line, word.span.column + len(name) + 1, word.span.end)
            found.setdefault(name, []).append(Word(text, raw, place))
    return {name: words[0] for name, words in found.items() if len(words) == 1 and "$(" not in words[0].text}


def _expanded(words: Sequence[Word], around: _Around) -> Sequence[Word]:
    """Return words with a first one that is a variable replaced by the words of its value: `$SSH host …`."""
    match = _VARIABLE.match(words[0].raw) if words else None
    value = around.values.get(match[1]) if match else None
    if value is None:
        return words
    place = words[0].span
    return (*(Word(part, f"{part} ", place) for part in value.text.split()), *words[1:])


def _base(word: Word) -> str:
    return word.text.rpartition("/")[2]


# ── places ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _moved(command: Command, text: _Text) -> Command:
    """Return a command of an inner shell with its places in the file around."""

    def span(place: Span) -> Span:
        line = text.line + place.line - 1
        if not text.exact:
            return Span(place.file, line if "\n" in text.text else text.line, 1)
        shift = text.column - 1 if place.line == 1 else 0
        return Span(place.file, line, place.column + shift, place.end + shift if place.end else 0)

    def word(found: Word) -> Word:
        return Word(found.text, found.raw, span(found.span))

    def redirect(found: Redirect) -> Redirect:
        line = found.line + text.line - 1 if found.line else 0
        return Redirect(found.operator, word(found.target), found.body, line)

    return replace(
        command,
        words=tuple(map(word, command.words)),
        span=span(command.span),
        assignments=tuple(map(word, command.assignments)),
        redirects=tuple(map(redirect, command.redirects)),
    )
