"""One exception tree.

CowhandError
├── InputError         a file, a setting or an argument cannot be used: `file:line:column: what is wrong`
├── HostError          a machine could not be asked
│   ├── NoWayIn        there is no way to that machine (none configured, or it does not answer)
│   ├── FileError      it was reached, the file could not be read or written
│   │   ├── Missing      there is no such file
│   │   └── Changed      it is not what it was when its change was planned; nothing was written
│   └── StreamError    it was reached, the stream it should open was not
│       ├── Refused      the far end answered, and said no
│       ├── TimedOut     nobody answered in time
│       ├── Unreachable  the network said there is no way
│       └── Unresolved   the name has no address
└── LabError           the rehearsal estate could not be started, reached or broken
"""

from __future__ import annotations

from collections.abc import Callable

Report = Callable[[BaseException], str]
"""Writes down where an exception came from, and returns the path of the report; "" when there is none."""


class CowhandError(Exception):
    """Base of all errors that cowhand raises on purpose; the text is one sentence for the operator."""


class InputError(CowhandError):
    """Unusable input at a place: `line` and `column` are 1-based, 0 when the whole file is meant."""

    def __init__(self, file: str, line: int, column: int, problem: str) -> None:
        self.file, self.line, self.column, self.problem = file, line, column, problem
        super().__init__(str(self))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, InputError) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[str, int, int, str]:
        return self.file, self.line, self.column, self.problem

    def __str__(self) -> str:
        place = self.file
        if self.line:
            place += f":{self.line}:{self.column or 1}"
        return f"{place}: {self.problem}"


class HostError(CowhandError):
    """A host could not be asked."""


FULL = "this process may open no more files: raise ulimit -n"
"""Why something was not asked when descriptors ran out."""


class NoWayIn(HostError):
    """There is no way to reach that host."""


class FileError(HostError):
    """The host was reached, but the file could not be read or written."""


class Missing(FileError):
    """The file does not exist."""


class Changed(FileError):
    """The file is not what it was when its change was planned; nothing was written."""


class StreamError(HostError):
    """The host was reached, but could not open the stream."""


class Refused(StreamError):
    """The other end refused the connection."""


class TimedOut(StreamError):
    """There was no answer in time."""


class Unreachable(StreamError):
    """The network reported that there is no route."""


class Unresolved(StreamError):
    """The name has no address."""


class LabError(CowhandError):
    """The rehearsal estate could not be started, reached or broken."""


def summarize(error: BaseException) -> str:
    """Return the exception's type and its last three places; its text only when it is one of ours.

    Texts of other exceptions may hold secrets; file names, lines and function names do not."""
    places = []
    step = error.__traceback__
    while step is not None:
        code = step.tb_frame.f_code
        places.append(f"{code.co_name} {code.co_filename.rpartition('/')[2]}:{step.tb_lineno}")
        step = step.tb_next
    said = f": {error}" if isinstance(error, CowhandError) else ""
    return f"{type(error).__name__}{said}" + (f" at {' > '.join(places[-3:])}" if places else "")


def unreported(error: BaseException) -> str:
    """Write nothing: the default `Report`."""
    return ""


def in_words(error: BaseException) -> str:
    """Return what one of our own exceptions says; of another its name and place, as `summarize` does."""
    return str(error) if isinstance(error, CowhandError) else summarize(error)
