"""Writes mended files, whole or not at all; the earlier version is kept, and HAProxy checks its files."""

from __future__ import annotations

from pathlib import Path

from console.errors import InputError
from console.mend import haproxy
from console.mend.plan import Plan, path_of
from console.store import atomic
from console.store.safe_folder import why
from console.text import join_words

KEPT = "~"
"""Suffix of the earlier version: as editors write it, and not read as one of a folder's files."""


def write(made: Plan) -> list[str]:
    """Write all files of a plan, or none; returns lines to print. Raises `InputError` when one cannot be written.

    A file that has changed since it was read is refused. When HAProxy may check its files, accepted them before and
    refuses them now, they are put back."""
    old: dict[Path, bytes] = {}
    new: dict[Path, bytes] = {}
    for file, text in made.texts.items():
        path = path_of(made.estate, file)
        old[path] = _unchanged(path, file, made.estate.texts[file])
        new[path] = text.encode("utf-8", "surrogateescape")
    argv, doubt = haproxy.command(made)
    accepted = bool(argv) and haproxy.refusal(argv, made.estate) is None
    for file in made.texts:
        path = path_of(made.estate, file)
        try:
            atomic.write(path, new[path], before=old[path], keep=KEPT)
        except OSError as error:
            left = _put_back(new, old)
            stays = f"{join_words(left)} could not be put back" if left else "nothing was changed"
            raise InputError(file, 0, 0, f"was not written: {why(error)}; {stays}") from None
    told = [f"{file}: written, the version before is {file}{KEPT}" for file in made.texts]
    if doubt:
        told.append(f"HAProxy was not asked whether it takes this, for {doubt}")
    refusal = haproxy.refusal(argv, made.estate) if accepted else None
    if refusal is None:
        return told
    names = [document.file for document in made.estate.sources.haproxy.documents]  # type: ignore[union-attr]
    ours = {path_of(made.estate, name) for name in names}
    left = _put_back({path: data for path, data in new.items() if path in ours}, old)
    if left:
        raise InputError(
            join_words(names), 0, 0, f"HAProxy refuses it: {refusal}; {join_words(left)} could not be put back"
        )
    others = [file for file in made.texts if file not in names]
    also = f"; {join_words(others)} stay{'s' * (len(others) == 1)} written" if others else ""
    raise InputError(join_words(names), 0, 0, f"put back as it was, for HAProxy refuses it: {refusal}{also}")


def _unchanged(path: Path, file: str, text: str) -> bytes:
    """Return the file's bytes; raises `InputError` when they have changed since they were read."""
    try:
        found = atomic.read(path)
    except OSError as error:
        raise InputError(file, 0, 0, f"cannot be written: {why(error)}; nothing was changed") from None
    if found != text.encode("utf-8", "surrogateescape"):
        raise InputError(file, 0, 0, "was changed by somebody else meanwhile; nothing was changed, try again")
    return found


def _put_back(new: dict[Path, bytes], old: dict[Path, bytes]) -> list[str]:
    """Undo what was written; returns the names of files that could not be put back."""
    left: list[str] = []
    for path, data in new.items():
        try:
            if atomic.read(path) != old[path]:
                atomic.write(path, old[path], before=data)
        except OSError:
            left.append(path.name)
    return left
