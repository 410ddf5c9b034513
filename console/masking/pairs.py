"""Finds values by their names in a line: `name = value`, `name: value`, `NAME=value`, `"name": "value"`, `?name=x`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

from console.masking import names, terms, values
from console.masking.found import Found, Opens
from console.masking.values import harmless

ALLOWED = terms("""
    description type sensitive nullable ephemeral name names length special upper lower numeric number min_upper
    min_lower min_numeric min_special override_special depends_on count for_each provider lifecycle
    prevent_destroy ignore_changes create_before_destroy condition error_message file filename path external
    source driver mode id arn region pool environment target uid gid kind apiversion namespace labels expire rotate
    image version module index_key schema_version dependencies
""")
"""Names in a block that is a secret's whose values are not it."""

VALUES = terms("""
    value default content secret_string plaintext plain text string data result bcrypt_hash
""")
"""Names of the values of what another line names."""


_TELLING = terms("name key variable")
"""Names whose value is the name of what stands beside it."""


@cache
def _told() -> re.Pattern[str]:
    return re.compile(r"[\"']?([A-Za-z_][\w.-]*+)[\"']?(?=[\s,>])")


@cache
def _anchor() -> re.Pattern[str]:
    return re.compile(r"&([\w-]++)[ \t]")


@cache
def _pair() -> re.Pattern[str]:
    return re.compile(
        r"(?<![\w.-])(?P<name>-{0,2}[^\W_][\w.-]*+|_[\w.-]++)(?P<close>\\*+[\"']?[\])]?[\"']?)[ \t]*+"
        r"(?P<sep>=>|:=|\+=|\?=|!?={1,3}~?|:(?=[\s\"'\\]|$|(?P<tight>)))[ \t]*+"
    )


@cache
def _start() -> re.Pattern[str]:
    """What may stand before a name that is the first of its line."""
    return re.compile(
        r"[\s>#;/*|+-]*+(?:\d{1,6}[:.)]\s*+)?(?:(?:export|local|readonly|typeset|declare|env|ENV|ARG|let|const|set|SetEnv)"
        r"[ \t]++(?:-\w++[ \t]++)*+)?[\"']?"
    )


@cache
def _status() -> re.Pattern[str]:
    return re.compile(r"\d{1,3}(?!\w)")


@cache
def _tags() -> re.Pattern[str]:
    """YAML's tags and anchors before a value."""
    return re.compile(r"(?:(?:!!?(?!secret\b|env\b|env_var\b)[\w/.-]*+|&\w[\w-]*+)[ \t]++)++")


@cache
def _block() -> re.Pattern[str]:
    return re.compile(r"[|>][-+\d]{0,2}[ \t]*+(?:#.*+)?\r?$")


@cache
def _heredoc() -> re.Pattern[str]:
    return re.compile(r"<<[-~]?[ \t]*+\\?[\"']?([A-Za-z_]\w*+)")


@cache
def _strings() -> re.Pattern[str]:
    return re.compile(r"\"((?:[^\"\\]++|\\.)*+)\"|'([^']*+)'")


@cache
def _call() -> re.Pattern[str]:
    return re.compile(r"\([\"']([\w.-]++)[\"']\s*+,\s*+([\"'])([^\"']*+)")


@cache
def _default() -> re.Pattern[str]:
    return re.compile(r"\$\{(\w++)(:?[-=+?])([^}]*+)")


class Pairs:
    """Reads the pairs of one line into `found`; `inside` are the parts that belong to a secret's block."""

    def __init__(self, text: str, found: Found, inside: Sequence[tuple[int, int]] = ()) -> None:
        self.text, self.found, self.inside = text, found, inside
        self.first = _start().match(text).end()  # type: ignore[union-attr]
        self.flow = min((at for at in (text.find("{"), text.find("[")) if at >= 0), default=len(text))
        self.behind = 0
        self.told = False

    def read(self, start: int = 0) -> None:
        """Find every pair behind `start`."""
        self.behind = start
        any_pair = False
        for each in _pair().finditer(self.text, start):
            any_pair = True
            if each.start() >= self.behind:
                self._look(each)
        if "(" in self.text:
            self._calls(start)
        if "${" in self.text:
            self._defaults(start)
        if self.inside and not any_pair and self._in(start):
            self._item(start)

    def _in(self, at: int) -> bool:
        return any(start <= at < end for start, end in self.inside)

    def _look(self, each: re.Match[str]) -> None:
        text, name = self.text, each["name"]
        tight = each["tight"] is not None and each["sep"] == ":"
        before = text[each.start() - 1 : each.start()]
        if before == "{" and text[max(0, each.start() - 2) : each.start()] == "${":
            return
        if tight and (before in ("/", "@", ".") or text.startswith("/", each.end())):
            return
        if name.lower() in _TELLING and (told := _told().match(text, each.end())) and names.kind(told[1]) == "strong":
            # {name: DB_PASSWORD, value: …}: the name says what the value beside it is.
            self.told, self.behind = True, told.end()
            return
        kind = self._kind(each, name, before, tight)
        if not kind:
            return
        listed = name.lower() == "secrets" and ":" in each["sep"] and not self._in(each.start())
        if listed and not text[each.end() :].isspace() and each.end() < len(text) and self._names(each.end()):
            return
        self._value(each, kind, before)

    def _kind(self, each: re.Match[str], name: str, before: str, tight: bool) -> names.Kind:
        if self._in(each.start()):
            return "" if name.lower().lstrip("-") in ALLOWED else "strong"
        if name.lower() in ("cookie", "set-cookie") and each["sep"] == ":":
            return "strong"
        anchor = _anchor().match(self.text, each.end())
        if (self.told and name.lower() in VALUES) or (anchor and names.kind(anchor[1])):
            return "strong"
        kind = names.kind(name)
        if (
            not kind
            and (before in ("?", "&") or (before == "#" and each.start() > self.first))
            and each["sep"] == "="
            and each["close"] == ""
        ):
            # Numbers of three digits are what a page says of itself: ?code=404.
            kind = names.parameter(name) if not _status().match(self.text, each.end()) else ""
        if kind == "weak" and name.lower() in ("key", "keys", "cookie") and before == " ":
            told = self.text[max(0, each.start() - 20) : each.start()].split()
            if told and told[-1].lower().strip("\"'") in ("public", "host", "primary", "foreign", "sort"):
                return ""
        if tight and kind == "weak":
            return ""
        return kind

    def _names(self, start: int) -> bool:
        """Say whether `secrets:` is compose's list of names rather than of secrets."""
        rest = self.text[start:].strip(" []\r")
        return (
            all(re.fullmatch(r"[\"']?[A-Za-z]+(?:[_-][A-Za-z]+)*[\"']?", each.strip()) for each in rest.split(","))
            or not rest
        )

    def _value(self, each: re.Match[str], kind: names.Kind, before: str) -> None:
        text, start = self.text, each.end()
        tags = _tags().match(text, start)
        start = tags.end() if tags else start
        if start >= len(text) or text[start:].isspace():
            self._below(each, kind)
            return
        if text.startswith(("\\\n", "\\\r"), start) or text[start:] == "\\":
            self.found.opens = Opens("continued")
            return
        if each["sep"].startswith(":") and _block().match(text, start):
            self.found.opens = Opens("block", indent=self._column(each))
            return
        heredoc = _heredoc().search(text, start, start + 200)
        if heredoc and not text[start : heredoc.start()].strip(" ($)abcdefghijklmnopqrstuvwxyz0123456789_"):
            self.found.opens = Opens("heredoc", heredoc[1])
            return
        own = before if before in ("'", '"') and not each["close"] else ""
        if own:
            self._to_quote(start, own, kind)
        elif text[start] in "\"'" or (text[start] == "\\" and text[start + 1 : start + 2] in ('"', "'")):
            self._quoted(each, start, kind)
        elif text[start] in "[({" and not text.startswith(("{{", "{%"), start):
            self._bracketed(each, start, kind)
        else:
            self._bare(each, start, kind, before)

    def _column(self, each: re.Match[str]) -> int:
        """The column of a name, as YAML counts it; that of the line's own beginning when the name is not the first."""
        start = each.start()
        if start > self.first:
            start = len(self.text) - len(self.text.lstrip(" \t"))
        elif self.text[start - 1 : start] in ("'", '"'):
            start -= 1
        return start

    def _below(self, each: re.Match[str], kind: names.Kind) -> None:
        """Nothing stands behind a name: what is deeper below is its value."""
        if each.start() <= self.first and kind == "strong" and each["sep"] == ":":
            mark = "names" if each["name"].lower() == "secrets" else ""
            self.found.opens = Opens("nested", mark, self._column(each))

    def _to_quote(self, start: int, quote: str, kind: names.Kind) -> None:
        """The pair itself is quoted, as in "TOKEN=a b"."""
        end = values.quoted_end(self.text, start, quote)
        last = end - 1 if end >= 0 else len(self.text)
        self.behind = last
        if not harmless(self.text[start:last], kind):
            self.found.hide(start, last)
            if end < 0:
                self.found.opens = Opens("quote", quote)

    def _quoted(self, each: re.Match[str], start: int, kind: names.Kind) -> None:
        text = self.text
        slashes = len(text) - start - len(text[start:].lstrip("\\"))
        quote = text[start : start + slashes + 1]
        if text.startswith(quote * 3, start) and slashes == 0:
            quote *= 3
        begin = start + len(quote)
        end = values.quoted_end(text, begin, quote)
        if end < 0:
            self.behind = len(text)
            if not harmless(text[begin:], kind):
                self.found.hide(begin, len(text))
                if slashes == 0:
                    self.found.opens = Opens("quote", quote)
            return
        value = text[begin : end - len(quote)]
        shell = quote == "'" and value.startswith("$") and not value[1:].isupper() and not value.startswith("${")
        # Shells and HAProxy put quoted pieces together: "a"'b'c is one value.
        last = end
        if end < len(text) and text[end] not in " \t\r,;)]}|&<>:#" and slashes == 0:
            last = values.word_end(text, end)
        self.behind = last
        if last > end:
            if not harmless(text[start:last].replace('"', "").replace("'", ""), kind):
                self.found.hide(start, last)
        elif shell or not harmless(value, kind):
            self.found.hide(begin, end - len(quote))

    def _bracketed(self, each: re.Match[str], start: int, kind: names.Kind) -> None:
        """A list or an expression: its strings are hidden, and its bare words when it is YAML's."""
        opener = self.text[start]
        if opener == "{" and self._in(start):
            self.behind = start + 1
            return
        end, depth = closing(self.text, start)
        self.behind = end
        self._literals(start, end)
        inner = self.text[start + 1 : end - (depth == 0)]
        if (opener == "[" and "{" not in inner) or (opener == "{" and ":" not in inner and "=" not in inner):
            for word in re.finditer(r"\"(?:[^\"\\]++|\\.)*+\"|'[^']*+'|[^\s,\"']++", inner):
                plain = word[0][0] not in "\"'" and not values.expression(word[0])
                if plain and not harmless(word[0], kind):
                    self.found.hide(start + 1 + word.start(), start + 1 + word.end())
        elif opener == "{":
            Pairs(self.text[:end], self.found, [(start, end)]).read(start + 1)
        if depth and opener != "{":
            self.found.opens = Opens("brackets", indent=depth)

    def _literals(self, start: int, end: int) -> None:
        """Hide every string between two places that may not be shown."""
        for each in _strings().finditer(self.text, start, end):
            group = 1 if each[1] is not None else 2
            if not harmless(each[group], "strong") and not self.text.startswith("=>", each.end()):
                self.found.hide(*each.span(group))

    def _item(self, start: int) -> None:
        """Hide a list's item, or a text, that stands alone on its line in a block that is a secret's."""
        rest = self.text[start:].rstrip()
        bare = rest.strip().removeprefix("- ").strip().rstrip(",")
        if rest.endswith(("{", "[", "(")):
            return
        if _strings().search(rest):
            self._literals(start, len(self.text))
        elif bare[:1] not in ("", *"{}[]()#") and not harmless(bare, "strong") and not values.expression(bare):
            at = self.text.index(bare, start)
            self.found.hide(at, at + len(bare))

    def _calls(self, start: int) -> None:
        """define('DB_PASSWORD', 'x')"""
        for each in _call().finditer(self.text, start):
            if names.kind(each[1]) and not harmless(each[3], "strong"):
                self.found.hide(*each.span(3))

    def _defaults(self, start: int) -> None:
        """${DBPASS:-hunter2} holds one too."""
        for each in _default().finditer(self.text, start):
            if (
                (self._in(each.start()) or names.kind(each[1]))
                and "?" not in each[2]
                and not harmless(each[3], "strong")
            ):
                self.found.hide(*each.span(3))

    def _bare(self, each: re.Match[str], start: int, kind: names.Kind, before: str) -> None:
        """An unquoted value: to the end of its word, of its flow, or of its line, by what kind of pair it is."""
        text, sep = self.text, each["sep"]
        word = values.word_end(text, start)
        if before in ("?", "&") or (before == "#" and each.start() > self.first):
            match = re.compile(r"[^&#\s\"'<>`]*+").match(text, start)
            end = match.end() if match else word
            self._hide_bare(start, end, kind)
            return
        reference = text[start] in "$`%<" and harmless(text[start:word], kind)
        if reference or text.startswith("{{", start) or values.expression(text[start:].rstrip(" \r,\\")):
            self.behind = word
            return
        spaced = sep.startswith(":") or text[each.end() - 1 : each.end()] in " \t"
        if _begins_expression(text, start) and spaced and not sep.startswith(":"):
            self.behind = len(text)
            self._literals(start, len(text))
            depth = closing(text, start)[1]
            if depth:
                self.found.opens = Opens("brackets", indent=depth)
            return
        if self.flow < each.start():
            match = re.compile(r"[^,}\]\r]*+").match(text, start) if spaced else None
            end = match.end() if match else word
        elif each["tight"] is not None and not each.start() <= self.first:
            end = word
        elif spaced or (each.start() <= self.first and not each["name"].startswith("-")):
            end = len(text.rstrip())
            if kind == "weak" and " " in text[start:end].split(" #")[0].strip() and sep.startswith(":"):
                # "auth: …" and "key: …" begin sentences of logs and programs.
                return
        else:
            end = word
        self._hide_bare(start, end, kind)
        if end >= len(text.rstrip()):
            self._goes_on(each, start, end, sep)

    def _goes_on(self, each: re.Match[str], start: int, end: int, sep: str) -> None:
        text = self.text
        if text.rstrip("\r").endswith("\\") and end >= len(text.rstrip("\r")):
            self.found.opens = Opens("continued")
            return
        spaced = sep.startswith(":") or text[each.end() - 1 : each.end()] in " \t"
        if each.start() <= self.first and spaced and not text.lstrip().startswith(("#", "//", ";")):
            self.found.opens = Opens("block", indent=self._column(each))

    def _hide_bare(self, start: int, end: int, kind: names.Kind) -> None:
        self.behind = end
        value = self.text[start:end]
        if kind == "weak" and re.fullmatch(r"\d{1,3}", value.strip(" ;,\r")):
            return  # a pin of a board, a key's number
        kept = len(value) - len(value.rstrip(";,)]}\"' \\")) if self.flow < start else 0
        if not harmless(value.split(" #", 1)[0], kind):
            self.found.hide(start, max(start + 1, end - kept))


def _begins_expression(text: str, start: int) -> bool:
    """Say whether an expression of HCL begins here: a call, or a name of another value."""
    return re.match(r"(?:[a-z][a-z0-9]*\(|(?:var|local|data|module|each|self)\.)", text[start : start + 80]) is not None


@cache
def _bracket() -> re.Pattern[str]:
    return re.compile(r"\"(?:[^\"\\]++|\\.)*+\"|'[^']*+'|[\[({]|[\])}]|#.*+")


def closing(text: str, start: int, depth: int = 0) -> tuple[int, int]:
    """Return the place behind the bracket that closes the one at `start`, and how many are open at the line's end."""
    for each in _bracket().finditer(text, start):
        if each[0] in ("[", "(", "{"):
            depth += 1
        elif each[0] in ("]", ")", "}"):
            depth -= 1
            if depth <= 0:
                return each.end(), 0
    return len(text), max(depth, 0)
