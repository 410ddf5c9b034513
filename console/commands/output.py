"""What every command prints and returns: narration on stderr, data on stdout, and the exit codes of the contract."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

    from console.model import Verdict

VERSION = "0.1.0"

EXIT_WELL, EXIT_FINDINGS, EXIT_DOWN, EXIT_UNUSABLE, EXIT_BLIND = 0, 1, 2, 2, 3
EXIT_DONE, EXIT_FAILED = 0, 1

VERDICT_EXIT: dict[Verdict, int] = {"well": 0, "degraded": 1, "down": 2, "unknown": 3}


EXIT_UNWRITABLE = 74
"""Output cannot be written: sysexits' EX_IOERR."""


class _Output:
    """Standard output that remembers why it could not be written; argparse takes no notice of that."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.failed: OSError | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        try:
            return self.stream.write(text)
        except OSError as error:
            self.failed = error
            raise

    def flush(self) -> None:
        try:
            self.stream.flush()
        except OSError as error:
            self.failed = error
            raise


def guarded(act: Callable[[], int]) -> int:
    """Return what `act` returns, or `EXIT_UNWRITABLE` when standard output cannot be written, which is then said.

    A reader that went away is 141; what went on to its end all the same, as a flow does, returns its own status."""
    import os
    from contextlib import suppress

    stream = sys.stdout
    sys.stdout = output = cast("TextIO", _Output(stream))
    watched = cast("_Output", output)
    went_on = False
    try:
        status = act()
        went_on = watched.failed is not None
        output.flush()
    except SystemExit:  # of --help and --version
        with suppress(OSError):
            output.flush()
        if watched.failed is None:
            raise
        status = 0
    except OSError as error:
        if watched.failed is None:
            if error.filename is None:
                raise
            say(f"{os.fsdecode(error.filename)}: {(error.strerror or 'it cannot be used').lower()}")
            return EXIT_UNUSABLE
        status = status if went_on else 0
    finally:
        sys.stdout = stream
    if watched.failed is None:
        return status
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    if isinstance(watched.failed, BrokenPipeError):
        return status if went_on else 141
    say(f"standard output cannot be written: {os.strerror(watched.failed.errno or 0).lower()}")
    return EXIT_UNWRITABLE


def say(text: str) -> None:
    """Print one line on stderr."""
    from console.text import clean

    print(clean(text, 500), file=sys.stderr, flush=True)


def emit(document: Any) -> None:
    """Print a document as JSON on stdout."""
    import msgspec

    try:
        encoded = msgspec.json.encode(document)
    except UnicodeEncodeError:
        encoded = msgspec.json.encode(_encodable(document))
    print(msgspec.json.format(encoded, indent=2).decode(), flush=True)


def _encodable(document: Any) -> Any:
    """Return a document whose texts have an escape for each byte that was no text: of a folder's name, above all."""
    if isinstance(document, str):
        return document.encode("utf-8", "backslashreplace").decode()
    if isinstance(document, dict):
        return {_encodable(key): _encodable(value) for key, value in document.items()}
    return [_encodable(each) for each in document] if isinstance(document, list | tuple) else document
