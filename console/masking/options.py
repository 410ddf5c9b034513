"""Finds secrets in the options of programs: by the program where it is known, else by the option's name."""

from __future__ import annotations

import re

from console.masking import names, terms, values
from console.masking.found import Found, Opens
from console.masking.values import harmless, random
from console.masking.words import Word, Words, operator, split

_SECRET_OPTIONS = {
    "sshpass": "p", "mysql": "", "maria": "", "mydumper": "", "ldap": "wy", "redis-cli": "a", "valkey-cli": "a",
    "mongo": "p", "zip": "P", "unzip": "P", "7z": "", "7za": "", "rar": "", "unrar": "",
    "ipmitool": "P", "mosquitto": "P",
    "useradd": "p", "usermod": "p", "doveadm": "p", "rspamadm": "p", "rspamc": "P",
    "testsaslauthd": "p", "login": "p", "az": "p",
    "snmp": "cAX",
    "bcp": "P", "redis-benchmark": "a", "rdesktop": "p", "sqlcmd": "P", "rabbitmqadmin": "p", "cqlsh": "p",
    "influx": "pt", "smbpasswd": "", "plink": "",
    "openssl": "kK", "xfreerdp": "p", "gs-netcat": "s", "ssh-keygen": "NP", "mount.cifs": "",
    "ncat": "", "htdigest": "", "tsh": "p", "doctl": "t", "drone": "t",
    "netbird": "k", "gitlab-runner": "r", "newrelic": "k",
}  # fmt: skip
"""Options of one letter whose value is a secret, by the beginning of the program's name."""


_GLUED = ("mysql", "maria", "mydumper", "sshpass", "7z", "7za", "rar", "unrar", "mongo", "rspamadm")
"""Programs that take -pSECRET in one word."""


_GLUED_LETTERS = {"ldap": "w", "snmp": "cAX", "zip": "P", "unzip": "P"}
"""Options of one letter whose secret may be the rest of the word, as getopt and Info-ZIP read them: -wSECRET."""


_USER = {"curl": "uUE", "http": "a", "https": "a", "lftp": "u", "smbclient": "U", "rpcclient": "U", "ab": "AP",
         "net": "U", "xh": "a", "mcurl": "u", "etcdctl": "",
         "nsupdate": "y", "dig": "y", "delv": "y"}  # fmt: skip
"""Options whose value is user:password."""


_SQL = ("mysql", "maria", "mydumper")
"""Programs whose other words name users and databases, which may be called as programs are."""


_FAMILIES = ("mysql", "maria", "mongo", "ldap", "mosquitto", "snmp")
"""Beginnings of names of programs that take the same options: mysqldump, mariadb-admin."""


_PORTS = terms("""
    mkdir cp ssh scp sftp rsync read docker-compose compose iptables ip6tables nft nc ncat ps tar git install
    blkid systemctl loginctl journalctl trap parted mkfs lsof patch pgrep kill test findmnt su sudo declare type
    command docker podman nmap export unzip cpio socat time pmap perf make grep psql pg_dump pg_dumpall
    pg_restore pidstat tcpdump dig chown chmod telnet swaks mosh tail ss top sysctl udevadm loginctl touch
""")
"""Programs whose -p is a port, a path, a project or nothing of the kind."""


class Options(Words):
    """Reads the options among the words of one line."""

    def _program(self, word: Word) -> None:
        name = re.split(r"[=(`$/]", word.low)[-1]
        if self.program.startswith(_SQL) and not name.startswith(_SQL):
            return  # mysql -u login: the name of a user, or of a database
        known = name in _SECRET_OPTIONS or name in _USER or name.startswith(_FAMILIES)
        if known or (not self.program and name in _PORTS):
            self.program = name

    def _option(self, at: int, word: Word) -> None:
        name = word.plain.lstrip("-")
        user = self.program in _USER or name == "proxy-user"
        if word.low.startswith(("--user=", "--proxy-user=")) and self.program in _USER:
            self._user(word)
        elif word.low.startswith("--from-literal="):
            self.hide(word, len("--from-literal="))
        elif "=" in name or "$" in name or (not word.low.startswith("--") and not names.kind(name)):
            self._letter(at, word)
        elif name in ("user", "proxy-user") and user and (value := self.next(at)):
            self._user(value)
        elif name == "cookie" and user and (value := self.next(at)):
            self.hide(value)
        else:
            self._named(at, names.kind(name) if not names.asks(name) else "")

    def _named(self, at: int, kind: names.Kind) -> None:
        """--password X"""
        value = self.next(at)
        if not kind:
            return
        if value is None:
            self._below(at)
        elif not value.low.startswith("-") and not harmless(value.plain, kind):
            self.hide(value)

    def _letter(self, at: int, word: Word) -> None:
        letters = next((each for name, each in _SECRET_OPTIONS.items() if self.program.startswith(name)), "")
        letter, value = word.plain[1:2], self.next(at)
        if self.program in _USER and letter in _USER[self.program]:
            if len(word.plain) > 2:
                self._user(word)
            elif value is not None:
                self._user(value)
            else:
                self._below(at)
        elif self.program == "curl" and letter == "b" and value is not None and len(word.plain) == 2:
            self.hide(value)
        elif letter in letters and len(word.plain) == 2:
            if value is None:
                self._below(at)
            elif not harmless(value.plain, "strong"):
                self.hide(value)
        elif letter == "p" and len(word.plain) > 2 and self.program.startswith(_GLUED):
            if not (self.program.startswith("7z") and len(word.plain) < 4):
                self._rest(word)
        elif len(word.plain) > 2 and letter in self._glued():
            self._rest(word)
        elif word.plain == "-ap" and value is not None and self.program == "swaks":
            self.hide(value)
        elif word.plain == "-ap" or (word.plain == "-p" and self.program not in _PORTS):
            self._perhaps(at, value)

    def _rest(self, word: Word) -> None:
        """-pSECRET: what is behind the letter, without the quotes around both."""
        if not harmless(word.plain[2:], "strong"):
            self.found.hide(
                word.start + 2 + (self.text[word.start] in "\"'"), word.end - (self.text[word.end - 1] in "\"'")
            )

    def _glued(self) -> str:
        return next((each for name, each in _GLUED_LETTERS.items() if self.program.startswith(name)), "")

    def _below(self, at: int) -> None:
        """The value is on the next line, unless something stands here: --password "" gives none."""
        if all(word.plain == "\\" for word in self.words[at + 1 :]):
            self.found.opens = Opens("next")

    def _perhaps(self, at: int, value: Word | None) -> None:
        """-p of a program that is not known: a password, unless it looks like a port, a path or a project."""
        if value is None:
            self.found.opens = Opens("next", "random") if self.first.startswith("-") else self.found.opens
        elif not re.match(r"[\w.\[\]:]*:\d|\d+(?:[:/]|$)|[./~]", value.plain) and not harmless(value.plain, "weak"):
            listed = self.first in ("command:", "entrypoint:", "cmd", "args:")
            self.hide(value) if listed or random(value.plain) else None

    def _user(self, word: Word) -> None:
        """user:password, of which the password is hidden; the option itself has no colon."""
        raw = self.text[word.start : word.end]
        at = re.compile(r"[:%,]").search(raw)
        if at and not harmless(raw[at.end() :].strip("\"'"), "strong"):
            quoted = raw[-1] in "\"'"
            end = values.word_end(self.text, word.start) if not quoted else word.end - 1
            self.found.hide(word.start + at.end(), end)


def program_of(text: str) -> str:
    """Return the known program whose options the end of a line is among; "" when there is none."""
    options = Options(text, Found())
    for word in split(text):
        if operator(word):
            options.program = ""
        else:
            options._program(word)
    return options.program
