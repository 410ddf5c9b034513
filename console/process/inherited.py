"""What starts us hands on, put right: closed standard files, an old encoding, ignored children, blocked signals.

The first file that is opened would be the standard output that was closed, and would get what is printed there. With
SIGCHLD ignored no status of a command can be had, and Python takes it for 0."""

from __future__ import annotations

import io
import os
import signal
import sys
import threading

STANDARD = ("stdin", "stdout", "stderr")


def put_right() -> None:
    """Open what is closed on nothing, write escapes for what the output cannot say, have signals as a shell would."""
    for number, name in enumerate(STANDARD):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)  # the lowest that is free: this one
            os.set_inheritable(opened, True)
            setattr(sys, name, open(opened, "w" if number else "r", encoding="utf-8", closefd=False))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")
    if threading.current_thread() is threading.main_thread():
        if signal.getsignal(signal.SIGCHLD) == signal.SIG_IGN:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signal.valid_signals())
