"""What stands behind `"$NAME"`: the environment as far as it is known, and what `setenv` in the file itself says."""

from __future__ import annotations

import re
from collections.abc import Mapping

from console.sources.haproxy.build import Build

LONGEST = 4096
"""Characters of a value that is followed; each `setenv A "$A$A"` doubles one."""

_SECRET = re.compile(
    r"pass(?:word|wd|phrase)?(?![a-z])|secret|token|(?:api|private|access|secret)_?key|credential", re.IGNORECASE
)


class Variables:
    """HAProxy's environment. Given None, nothing is known but what the configuration sets itself.

    `file`, `line` and `section` are the values of the pseudo-variables .FILE, .LINE and .SECTION; `build` is what is
    known of HAProxy itself."""

    def __init__(self, given: Mapping[str, str] | None = None, build: Build | None = None) -> None:
        self.build = build
        self._values: dict[str, str | None] = dict(given or {})
        self._complete = given is not None
        self.file = ""
        self.line = 0
        self.section = ""

    def value(self, name: str) -> str | None:
        """Return the value, None when the variable is not set or not known."""
        if name.startswith("."):
            return {".FILE": self.file, ".LINE": str(self.line), ".SECTION": self.section}.get(name)
        return self._values.get(name)

    def defined(self, name: str) -> bool | None:
        """Say whether the variable is set; None when that is not known."""
        if name in self._values:
            return self._values[name] is not None
        return False if self._complete else None

    def expand(self, name: str, default: str | None = None) -> str:
        """Return what HAProxy puts in the variable's place; `${NAME}` as it stands when nobody knows.

        A variable whose name says that it is a secret stays as it stands too, so that no message can hold its value."""
        if _SECRET.search(name):
            return "${" + name + "}"
        value = self.value(name)
        if value is not None:
            return value
        if default is not None:
            return default
        return "" if self.defined(name) is False else "${" + name + "}"

    def follow(self, words: tuple[str, ...]) -> None:
        """Do what a `setenv`, `presetenv`, `unsetenv` or `resetenv` line of the global section does."""
        keyword, names = words[0], words[1:]
        if keyword in ("setenv", "presetenv") and len(names) > 1:
            if len(names[1]) > LONGEST:
                self._values.pop(names[0], None)
            elif keyword == "setenv" or not self.defined(names[0]):
                self._values[names[0]] = names[1]
        elif keyword == "unsetenv":
            self._values.update(dict.fromkeys(names))
        elif keyword == "resetenv":
            self._values = {name: value for name, value in self._values.items() if name in names}
            self._complete = self._complete or not names
