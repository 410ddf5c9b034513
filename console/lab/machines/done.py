"""What a command on a machine of the lab leaves."""

from __future__ import annotations

from msgspec import Struct


class Done(Struct, frozen=True):
    """An exit status and what was written; the texts are decoded."""

    status: int
    stdout: str = ""
    stderr: str = ""
