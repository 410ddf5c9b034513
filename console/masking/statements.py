"""Finds secrets by the statement they are part of: HAProxy's directives, options of programs, pipes, headers, ACLs."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

from console.masking import names, terms
from console.masking.found import Opens
from console.masking.spoken import LAST, Spoken
from console.masking.values import harmless, ordinary, random
from console.masking.words import Word, operator, split

DEEPEST = 3
"""Commands within quotes within quotes are read to this depth."""


_CONSUMERS = (
    "chpasswd", "--password-stdin", "sudo -s", "passwd --stdin", "--passphrase-fd", "cryptsetup", "stdin", "passwd",
    "secret create", "gpg ", "htpasswd", "kinit", "smbpasswd", "login", "mosquitto_passwd", "rclone obscure", "su -",
    "ssh-add", "systemd-creds", "debconf-set-selections", "age -", "base64",
)  # fmt: skip
"""What reads a secret from its standard input."""

_COMMAND = re.compile(r"pass(?:word|phrase|wd)?[_-]?(?:command|cmd|eval)")
"""A name whose value is a command that says a secret: BORG_PASSCOMMAND, RESTIC_PASSWORD_COMMAND, passwordeval."""

_DIRECTIVES = terms("""
    setenv presetenv set-header add-header replace-header set-req-header hdr fastcgi_param uwsgi_param
    proxy_set_header add_header more_set_headers more_set_input_headers set-cookie env arg set export
    requestheader header default_env set-var set-query unset-var set_real_header http-send-name-header
    set-env let-env setenvif setenvifnocase rewritecond set-environment setx set-item
""")

_CONFIGURATIONS = terms("""
    user machine default option login stats peer nmcli alter grant acme d-i
""")
"""First words of lines in which `password X` is an assignment."""

_SAID_OF = terms("""
    required wrong missing set unset empty invalid valid optional not needed generated stored hidden known unknown
    changed correct incorrect expired accepted rejected refused absent given there masked secret random asked used
    unused shown ignored default removed rotated weak strong short long authentication auth login protection hash
    hashes policy prompt failed of expires expired in on must should can cannot may might shall will would could has
    have had does do did that which so if when where here there at by or and as the your this these those its it
    through over along out off up down from with without to into all any both each only also again still yet
    expire change match differ work follow be quick inet inet6 before after until unless because while between matches
    contains field file
""")
"""What is said of a password in a sentence: "the password is wrong"."""

_PASSWORDS = terms("""
    password insecure-password passwd passphrase requirepass masterauth auth-pass psk wifi-sec.psk
    dynamic-cookie-key eab-mac-key rocommunity rwcommunity rocommunity6 rwcommunity6
""")


@cache
def _quoted() -> re.Pattern[str]:
    return re.compile(r"\"(?:[^\"\\]++|\\.)*+\"|'[^']*+'")


@cache
def _fetch() -> re.Pattern[str]:
    """A sample of HAProxy's that reads a header, a cookie or a parameter by its name."""
    return re.compile(r"\w\(([\w.-]++)")


@cache
def _here() -> re.Pattern[str]:
    return re.compile(r"(?<!<)<<[-~]?[ \t]*+\\?[\"']?([A-Za-z_]\w*+)")


@cache
def _target() -> re.Pattern[str]:
    return re.compile(r">[|&]?[ \t]*+([^\s;&|<>\"']++)")


class Statement(Spoken):
    """Reads the words of one line into `found`."""

    def read(self, start: int = 0, end: int | None = None, program: str = "") -> None:
        """Read the words between two places, those in quotes too; `program` is that which the line goes on with."""
        self.words = split(self.text, start, end)
        said = [word for word in self.words if word.low.strip("#/;*-+>")]
        self.first = said[0].low.lstrip("#/;") if said else ""
        self.ends = [word.start for word in self.words if word.low in ("if", "unless", "groups")]
        self.program = program
        for at, word in enumerate(self.words):
            if operator(word):
                self.program = ""
                continue
            self._program(word)
            self._one(at, word)
        self._pipes()
        self._heredoc()
        self._alone(said)
        if self.depth < DEEPEST:
            for word in self.words:
                if " " in word.plain and ("'" in self.text or '"' in self.text):
                    for quoted in _quoted().finditer(self.text, word.start, word.end):
                        Statement(self.text, self.found, self.depth + 1).read(quoted.start() + 1, quoted.end() - 1)

    def _one(self, at: int, word: Word) -> None:
        low = word.low
        if low.startswith("-") and len(low) > 1:
            self._option(at, word)
            return
        if low.startswith("/p:") and self.program.startswith("xfreerdp"):
            self.found.hide(word.start + 3, word.end)
        rule = _RULES.get(low.rstrip(":"))
        if rule is None and low.startswith(("/", "./")) and low.rpartition("/")[2] in LAST:
            rule = Statement._passwords_last
        if rule is not None:
            rule(self, at)
        elif low in ("http_auth_pass", "http_auth"):
            self._compared(at, sets=False)
        elif low in _DIRECTIVES:
            self._directive(at)
        elif "(" in low:
            self._fetches(at, word)
        elif low in _PASSWORDS or (
            low in ("token", "secret", "apikey", "api_key") and not self.text.startswith(":", word.end)
        ):
            self._password(at)

    def _password(self, at: int) -> None:
        """password X, in a line that is no sentence, or where X was never an English word."""
        value = self.next(at)
        if value is None or value.plain[:1] in ("=", ":"):
            return
        if value.low in ("is", "was", "are", "now", "->", "=>", "will", "to", "for", "ist", "war", "von", "vom"):
            said = self.words[at + 2 : at + 5]
            last = said[0] if len(said) == 1 and said[0].low.strip(".,!") not in _SAID_OF else None
            if value.low in ("for", "to", "von", "vom"):
                # Whose it is follows, and perhaps what it is: Password for bob is X.
                given = len(said) == 3 and said[1].low in ("is", "was", "ist") and said[2].low not in _SAID_OF
                last = said[2] if given else None
            if value.low == "for" and len(said) == 2 and said[0].low.endswith(":") and said[1].low not in _SAID_OF:
                last = said[1]
            value = next((word for word in said if random(word.plain)), last)
            if value is None or re.fullmatch(r"[\w-]+\.[a-z]{2,5}", value.low):
                return
            self.hide(value)
            return
        statement = self.first in _CONFIGURATIONS or self.first in _PASSWORDS
        if not any(word.low.strip("#/;*-+>") for word in self.words[:at]) and value.low.strip(".,!") in _SAID_OF:
            return
        before = self.words[at - 1].low if at > 0 else ""
        if before == "with":
            statement = at + 2 == len(self.words) and value.low.strip(".,!") not in _SAID_OF
        elif at > 1 and self.words[at - 2].low in ("user", "login", "username"):
            statement = True
        if at == 0 and len(self.words) > 2:
            rest = self.text[self.words[2].start :].rstrip()
            written = rest.isalpha() and value.low not in ("root", "admin")  # "password reset link"
            if not written and rest.lower() not in _SAID_OF and " " not in rest and not harmless(rest, "strong"):
                self.hide_rest(self.words[2])  # GRUB's: password USER SECRET
        if harmless(value.plain, "strong") or not (statement or random(value.plain)):
            return
        if self.first == "user" and self.words[at].low in ("password", "insecure-password"):
            self.hide_rest(value)
        else:
            self.hide(value)

    def _directive(self, at: int) -> None:
        """NAME VALUE behind a word that sets: setenv, set-header, proxy_set_header, ENV."""
        where = at + 1
        while where < len(self.words) and (
            self.words[where].low in ("set", "add", "append", "always", "onsuccess")
            or self.words[where].plain.startswith("-")
        ):
            where += 1  # fish's set -gx NAME value, tmux' set-environment -g
        if where >= len(self.words):
            return
        name, value = self.words[where], self.next(where)
        sure = names.header(name.plain.strip("$%()")) if self.words[at].low != "env" else bool(names.kind(name.plain))
        if self.words[at].low in ("setenv", "presetenv") and value is not None and not sure:
            sure = not ordinary(value.plain) and names.words(name.plain)[-1:] not in (
                [each] for each in _ORDINARY_NAMES
            )
        spoken = (
            (where == at + 1 and self.words[at].low in ("set", "arg", "env", "export", "header"))
            and name.plain.isalpha()
            and name.plain.islower()
        )
        if spoken and value is not None and not random(value.plain):
            return
        if sure and value is not None and value.plain[:1] not in ("=", ":"):
            if self.words[at].low == "hdr":
                if not harmless(value.plain, "strong"):
                    self.hide(value)
            else:
                self.hide_rest(value)

    def _stats(self, at: int) -> None:
        word = self.next(at)
        if word is not None and word.low == "auth" and (value := self.next(at + 1)):
            self.hide_rest(value)

    def _server(self, at: int) -> None:
        if self.first not in ("server", "default-server", "server-template"):
            return
        value = self.next(at)
        if value is not None and at > 0:
            self.hide(value)

    def _fetches(self, at: int, word: Word) -> None:
        """An ACL on a header, a cookie or a parameter that carries a secret: what it is compared with."""
        sets = "set-var" in word.low or "set_var" in word.low
        opened = at > 0 and self.words[at - 1].low in ("{", "!{", "!")
        found = _fetch().search(word.plain)
        if not found or not (sets or opened or self.first == "acl"):
            return
        if not names.header(found[1]) and not ("url" in word.low and names.parameter(found[1])):
            return
        self._compared(at, sets)

    def _compared(self, at: int, sets: bool) -> None:
        """Hide the words that a sample is compared with, or that a variable is set to."""
        if self.again("fetch", at):
            return
        where = at + 1
        while where < len(self.words):
            later = self.words[where]
            self.again("fetch", where)
            if later.low in ("}", "||", "or", "if", "unless") or operator(later):
                return
            if later.low in ("-m", "-f"):
                where += 1
            elif not later.low.startswith("-") and later.plain not in ("{", "!") and (not sets or "str(" in later.low):
                self.hide(later) if not harmless(later.plain, "strong") else None
            where += 1

    def _pipes(self) -> None:
        """echo SECRET | program, program <<< SECRET, echo SECRET > secret.txt."""
        low = self.text.lower()
        named = "<<<" in low and any(names.kind(word.plain.strip('$"{}')) == "strong" for word in self.words)
        for at, word in enumerate(self.words):
            name = word.low.rpartition("/")[2]
            if name in ("echo", "printf", "print", "yes") and self._takes(low, word):
                self._said(at)
            elif name.endswith(("<(echo", "<(printf")):
                self._said(at, plain=False)
            elif word.low.startswith("<<<") and (named or any(each in low for each in _CONSUMERS)):
                value = word if len(word.low) > 3 else self.next(at)
                if value is not None and not harmless(value.plain.removeprefix("<<<"), "strong"):
                    self.found.hide(value.start + (3 if value is word else 0), value.end)

    def _heredoc(self) -> None:
        """chpasswd <<EOF, cat > secret.txt <<EOF: what follows is all secret."""
        found = _here().search(self.text) if "<<" in self.text else None
        if found is None or self.found.opens is not None:
            return
        low = self.text.lower()
        files = [*_target().findall(low), *(each for each in low.split() if "tee" in low and "/" in each)]
        if any(each in low for each in _CONSUMERS) or any(
            names.kind(each.rpartition("/")[2].partition(".")[0]) == "strong" for each in files
        ):
            self.found.opens = Opens("heredoc", found[1])

    def _alone(self, said: list[Word]) -> None:
        """A line of a secret's name and one word, as in kickstart's `rootpw --plaintext SECRET`."""
        given = [
            word
            for at, word in enumerate(said)
            if not word.low.startswith("-") and (at == 0 or said[at - 1].end < word.start)
        ]
        if len(given) != 2 or names.kind(given[0].plain) != "strong" or given[0].low.endswith((":", "=")):
            return
        if self.depth and given[1].plain.isalpha() and given[1].plain.islower():
            return  # two words in quotes are a title: -m "token handling"
        if re.fullmatch(r"0?[0-7]{3}|\d{1,2}", given[1].plain) and given[0].low.endswith("s"):
            return  # modes of files, and numbers of things: chown's and chmod's lists, `tokens 3`
        if given[0].low == "passwd" and (len(said) > 2 or len(given[1].plain) < 5) and given[1].plain.islower():
            return  # a user of the command
        if given[1].low.strip(".,!") not in _SAID_OF and not harmless(given[1].plain, "strong"):
            self.hide(given[1])

    def _takes(self, low: str, word: Word) -> bool:
        if _COMMAND.search(low, 0, word.start):
            return True
        pipe, into = low.find("|", word.end), low.rfind(">", word.end)
        if pipe >= 0 and any(each in low[pipe:] for each in _CONSUMERS):
            return True
        targets = low[into + 1 :].split()[:1] if into >= 0 else []
        if pipe >= 0 and "tee" in (said := low[pipe + 1 :].split()):
            targets += said
        for each in targets:
            folder, _, name = each.strip("\"'").rpartition("/")
            if folder.endswith("/secrets") or any(names.kind(part) == "strong" for part in name.split(".")):
                return True
        return False

    def _said(self, at: int, plain: bool = True) -> None:
        """Hide what is said; what is `plain` (a host, a number) only where it goes to what takes a secret."""
        if self.again("said", at):
            return
        for where in range(at + 1, len(self.words)):
            later = self.words[where]
            self.again("said", where)
            if operator(later) or later.low.startswith(">"):
                return
            if (
                not later.low.startswith("-")
                and not harmless(later.plain, "strong")
                and (plain or not ordinary(later.plain))
                and not _format().fullmatch(later.plain)
            ):
                user, colon, password = later.plain.partition(":")
                if not (colon and (harmless(password, "strong"))) and user:
                    self.hide(later)


_ORDINARY_NAMES = terms("""
    host hosts port ports mode tz lang domain name address addr log level dir path url uri ip bind version user
""")


@cache
def _format() -> re.Pattern[str]:
    """A format of printf's with nothing in it."""
    return re.compile(r"(?:%s|[:\s]|\\?n)*+")


_RULES: dict[str, Callable[[Statement, int], None]] = {
    "stats": Statement._stats, "auth": Statement._auth, "authenticate": Statement._auth, "send": Statement._send,
    "send-lf": Statement._send, "send-binary": Statement._send, "send-binary-lf": Statement._send,
    "cookie": Statement._server,
    "secure_link_md5": Statement._linked,
    **dict.fromkeys((*LAST, "passwd", "authtoken", "add-authtoken", "test"), Statement._passwords_last),
    "login": Statement._imap, "pass": Statement._pass, "config": Statement._rclone,
}  # fmt: skip
