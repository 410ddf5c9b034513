"""Reports of crashes: one line for the terminal, and the places in a file that only its owner may read.

Local variables and texts of exceptions are left out, for they may hold passphrases."""

from __future__ import annotations

import errno
import os
import sys
import time
import traceback
from collections.abc import Sequence
from types import TracebackType

from console.errors import summarize


def report(error: BaseException) -> str:
    """Write the places of an exception and its causes to a private file; returns its path, "" on failure."""
    if terminal_gone(error):
        return ""
    from console.store import atomic
    from console.store.folders import state_folder

    lines: list[str] = []
    link: BaseException | None = error
    while link is not None and len(lines) < 400:
        lines.append(f"{type(link).__module__}.{type(link).__qualname__}\n")
        lines += [f"  {f.filename}:{f.lineno} {f.name}\n" for f in traceback.extract_tb(link.__traceback__)]
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    try:
        path = state_folder() / time.strftime(f"crash-%Y%m%d-%H%M%S-{os.getpid()}.txt")
        atomic.write(path, "".join(lines).encode("utf-8", "surrogateescape"))
    except OSError:
        return ""
    return str(path)


def terminal_gone(error: BaseException, terminals: Sequence[int] = (0, 1, 2)) -> bool:
    """Whether an error only says that the terminal was closed: its window is gone, and none of its files is one."""
    if not isinstance(error, OSError) or error.errno not in (errno.EIO, errno.ENXIO, errno.EPIPE, errno.EBADF):
        return False
    return not any(os.isatty(each) for each in terminals)


def tell(error: BaseException) -> str:
    """Report `error` and return the one line to print."""
    path = report(error)
    return f"cowhand stopped: {summarize(error)}" + (f"; the report is in {path}" if path else "")


def install() -> None:
    """Print every uncaught exception of any thread by `tell`, without a traceback; leave no memory behind on a disk."""
    import resource
    import threading

    # A core has every passphrase that was typed; what we start inherits this, and may raise it again. With a limit of 0
    # Linux still hands one to a program that kernel.core_pattern names, as apport is; with 1 it does not (coredump.c).
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    resource.setrlimit(resource.RLIMIT_CORE, (hard if hard == 0 else 1, hard))

    def hook(kind: type[BaseException], error: BaseException, _: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            sys.exit(130)
        print(tell(error), file=sys.stderr)

    sys.excepthook = hook
    threading.excepthook = lambda args: print(tell(args.exc_value or RuntimeError()), file=sys.stderr)
