"""Text to the operator's own clipboard, through the terminal: OSC 52."""

from __future__ import annotations

import os
from base64 import b64encode

LIMIT = 74_994
"""Bytes: what xterm takes in one sequence, once it is base64."""


def caution(environ: dict[str, str] | None = None) -> str:
    """Return what may keep a copy from arriving: nobody answers it, so that it cannot be known."""
    given = os.environ if environ is None else environ
    return "; tmux needs: set -g set-clipboard on" if given.get("TMUX") else ""


def sequence(text: str, environ: dict[str, str] | None = None) -> str | None:
    """Return what to write to the terminal; None when the text is too long.

    Inside tmux both the plain and the passed-through form are sent, for which of them works is a setting there."""
    raw = text.encode("utf-8", "replace")
    if len(raw) > LIMIT:
        return None
    given = os.environ if environ is None else environ
    plain = f"\x1b]52;c;{b64encode(raw).decode('ascii')}\a"
    if given.get("TMUX"):
        return plain + "\x1bPtmux;" + plain.replace("\x1b", "\x1b\x1b") + "\x1b\\"
    if given.get("STY"):
        return f"\x1bP{plain}\x1b\\"
    return plain
