"""Finds secrets in what is said to a server, and the last words of programs that are given one."""

from __future__ import annotations

import re

from console.masking import names, terms
from console.masking.options import Options
from console.masking.values import harmless, random
from console.masking.words import operator

_OUTCOMES = terms("failed required rejected error succeeded")
"""What is said of AUTH and LOGIN in a log: "SASL LOGIN authentication failed"."""

_PROSE = terms("not no is was command mechanism with without over for from to by as")
"""What follows AUTH and LOGIN in a sentence, and is no user's name."""

_MECHANISM = re.compile(
    r"PLAIN|LOGIN|XOAUTH2|OAUTHBEARER|EXTERNAL|NTLM|GSSAPI|(?:CRAM|DIGEST)-MD5|SCRAM-SHA-\d+(?:-PLUS)?", re.IGNORECASE
)
"""Names of IANA's list of SASL mechanisms, as servers offer them."""


LAST = ("htpasswd", "mosquitto_passwd", "wpa_passphrase", "add_user", "change_password", "authenticate_user")
"""Programs and commands whose last word is a secret; programs have paths, too."""


class Spoken(Options):
    """Reads what SMTP, IMAP, POP3 and Redis are told, and commands whose last word is a secret."""

    def _auth(self, at: int) -> None:
        """AUTH of Redis, SMTP and tcp-check, AUTHENTICATE of IMAP; a mechanism's name is no secret, nor is a user's."""
        value, word, begun = self.next(at), self.words[at].plain, at
        if self.first in ("tcp-check", "stats"):
            return
        while value is not None and _MECHANISM.fullmatch(value.plain):
            at += 1
            value = self.next(at)
        if value is None or value.low.strip(".,:!") in _OUTCOMES:
            return
        secret = self.next(at + 1)
        if word == "AUTH" and at == begun and secret is not None and len(self.words) == at + 3:
            if value.low not in _PROSE and secret.low.strip(".,:!") not in _OUTCOMES:  # Redis 6: AUTH user secret
                self.hide_rest(secret)
            return
        shouted = self.words[at].plain.isupper() and _answer(value.plain)
        if (shouted or self.first == "auth") and not harmless(value.plain, "weak"):
            self.hide_rest(value)

    def _send(self, at: int) -> None:
        """What a check says to a server: AUTH, PASS and LOGIN with what follows, and their bytes."""
        value = self.next(at)
        if value is None:
            return
        said = value.low
        if "binary" in self.words[at].low:
            try:
                said = bytes.fromhex(value.low).decode("latin-1").lower()
            except ValueError:
                return
        if re.search(r"\b(?:auth|pass|login|user|password|hello \d auth)\b", said) and not re.fullmatch(
            r"user \w+\W*", said
        ):
            self.hide_rest(value)

    def _passwords_last(self, at: int) -> None:
        """htpasswd -b FILE USER SECRET, openssl passwd SECRET, doveadm auth test USER SECRET: the last word."""
        if self.again("last", at):
            return
        rest = []
        for word in self.words[at + 1 :]:
            if operator(word) or word.low.startswith((">", "<", "2>")):
                break
            rest.append(word)
        self.again("last", at + len(rest))
        said = [word for word in rest if not word.low.startswith("-")]
        options = "".join(word.plain for word in rest if word.low.startswith("-"))
        before = self.words[at - 1].low if at > 0 else ""
        program = self.words[at].low.rpartition("/")[2].rstrip(":")
        if program in ("htpasswd", "mosquitto_passwd"):
            wanted = "b" in options and len(said) > 1
        elif program == "passwd":
            wanted = before.endswith("openssl") and bool(said) and "stdin" not in options
        elif program in ("authtoken", "add-authtoken"):
            wanted = bool(said) and any(word.low.rpartition("/")[2] == "ngrok" for word in self.words[:at])
            said = said[:1]
        elif program == "test":
            wanted = before == "auth" and len(said) > 1
        elif program == "login":
            wanted = (
                bool(said)
                if before == "vault"
                else before == "auth" and self.words[0].low == "doveadm" and len(said) > 1
            )
        else:  # add_user, change_password, authenticate_user, wpa_passphrase
            wanted = len(said) > 1
        if wanted and not harmless(said[-1].plain, "strong"):
            self.hide(said[-1])

    def _linked(self, at: int) -> None:
        """secure_link_md5 "$uri SECRET" of nginx: what is no variable in it."""
        for word in self.words[at + 1 : at + 2]:
            for part in re.finditer(r"\$\{\w*+\}|\$\w*+|[^\s\"'$;]++", self.text[word.start : word.end]):
                if not part[0].startswith("$"):
                    self.found.hide(word.start + part.start(), word.start + part.end())

    def _rclone(self, at: int) -> None:
        """rclone config create REMOTE TYPE NAME SECRET."""
        if at == 0 or not self.words[at - 1].low.endswith("rclone"):
            return
        for where in range(at + 3, len(self.words) - 1):
            if operator(self.words[where]):
                return
            value = self.words[where + 1]
            if names.kind(self.words[where].plain) == "strong" and not harmless(value.plain, "strong"):
                self.hide(value)

    def _imap(self, at: int) -> None:
        """LOGIN user password, as IMAP says it; `docker login` and `vault login` have options."""
        self._passwords_last(at)
        user, value = self.next(at), self.next(at + 1)
        if user is None or value is None or value.low.strip(".,:!") in _OUTCOMES:
            return
        typed = at == 1 and len(self.text.split()) == 4 and user.low not in _PROSE
        typed = typed and re.fullmatch(r"[a-z]?\d{0,4}|\.", self.words[0].low) is not None
        if self.words[at].plain != "LOGIN" and not typed:
            return
        if typed or not (_MECHANISM.fullmatch(user.plain) or value.plain.isupper()):
            self.hide_rest(value)

    def _pass(self, at: int) -> None:
        """PASS secret, as POP3 and FTP say it."""
        value = self.next(at)
        if self.words[at].plain != "PASS" or value is None:
            return
        if random(value.plain) or (at <= 2 and len(self.words) == at + 2):
            self.hide_rest(value)


def _answer(word: str) -> bool:
    """Say whether a word behind AUTH, or behind its mechanism, looks made up: base64 has letters of both kinds."""
    mixed = not word.islower() and not word.isupper() and not word.istitle()
    return random(word) or (mixed and re.fullmatch(r"[A-Za-z0-9+/_-]{8,}={0,2}", word) is not None)
