"""Mended files written to the operator's own disk: whole or not at all, the version before kept, HAProxy asked."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from pathlib import Path

from console.errors import InputError
from console.estate.load import Estate
from console.mend.plan import Plan
from console.store import atomic
from console.text import clean, join_words

KEPT = "~"
"""What the version before is called, beside the file: as editors call it, and no name that a folder's reader takes."""

PATIENCE = 30.0
"""Seconds HAProxy may take to check its files."""


def path_of(estate: Estate, file: str) -> Path:
    """Return where a file of the estate is on this machine."""
    if file == str(estate.file):
        return estate.file
    return estate.file.parent / Path(file).expanduser()


def write(made: Plan) -> list[str]:
    """Write all files of a plan and return what to tell; raises `InputError` when one cannot be, and none is then.

    A file that is not any more what was read is refused. When HAProxy, where it is installed, accepted its files
    before and refuses them now, they are put back."""
    old: dict[Path, bytes] = {}
    for file in made.texts:
        path = path_of(made.estate, file)
        old[path] = _unchanged(path, file, made.estate.texts[file])
    accepted = check(made.estate) is None
    done: list[Path] = []
    try:
        for file, text in made.texts.items():
            path = path_of(made.estate, file)
            _keep(path, old[path])
            done.append(path)
            _replace(path, text.encode("utf-8", "surrogateescape"))
    except OSError as error:
        _put_back(done, old)
        why = (error.strerror or "unknown reason").lower()
        raise InputError(file, 0, 0, f"was not written: {why}; nothing was changed") from None
    told = [f"{file}: written, the version before is {file}{KEPT}" for file in made.texts]
    refusal = check(made.estate) if accepted and made.estate.sources.haproxy else None
    if refusal is None:
        return told
    ours = {path_of(made.estate, document.file) for document in made.estate.sources.haproxy.documents}  # type: ignore[union-attr]
    _put_back([path for path in done if path in ours], old)
    names = [document.file for document in made.estate.sources.haproxy.documents]  # type: ignore[union-attr]
    others = [file for file in made.texts if file not in names]
    also = f"; {join_words(others)} stay{'s' * (len(others) == 1)} written" if others else ""
    raise InputError(join_words(names), 0, 0, f"put back as it was, for HAProxy refuses it: {refusal}{also}")


def check(estate: Estate) -> str | None:
    """Ask HAProxy, where it is installed, for its opinion of the files as they are: None when it takes them."""
    program = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin:/usr/local/sbin:/sbin")
    if program is None or estate.sources.haproxy is None:
        return None
    files = [path_of(estate, document.file).absolute() for document in estate.sources.haproxy.documents]
    argv = [program, "-c", *(word for file in files for word in ("-f", str(file)))]
    try:
        done = subprocess.run(argv, capture_output=True, timeout=PATIENCE, cwd=estate.file.parent, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode == 0:
        return None
    alerts = [line for line in done.stderr.splitlines() if b"ALERT" in line]
    said = (alerts or done.stderr.splitlines() or [b"it does not say why"])[0]
    return clean(said.rpartition(b"] : ")[2].strip() or said, 200)


def _unchanged(path: Path, file: str, text: str) -> bytes:
    """Return the file's bytes; raises `InputError` when they are not any more what was read."""
    try:
        found = path.read_bytes()
    except OSError as error:
        why = (error.strerror or "unknown reason").lower()
        raise InputError(file, 0, 0, f"cannot be read again: {why}; nothing was changed") from None
    if found != text.encode("utf-8", "surrogateescape"):
        raise InputError(file, 0, 0, "was changed by somebody else meanwhile; nothing was changed, try again")
    return found


def _keep(path: Path, data: bytes) -> None:
    """Keep the version before beside the file, with its mode."""
    there = Path(os.path.realpath(path))
    kept = there.with_name(there.name + KEPT)
    if kept.is_symlink():
        kept.unlink()
    atomic.write(kept, data)
    kept.chmod(there.stat().st_mode & 0o777)
    _own(kept, there.stat())


def _put_back(paths: list[Path], old: dict[Path, bytes]) -> None:
    for path in paths:
        _replace(path, old[path])


def _replace(path: Path, data: bytes) -> None:
    """Replace a file's content; its mode stays, and its owner too when root is who edits."""
    owner = path.stat()
    atomic.write(path, data)
    _own(path, owner)


def _own(path: Path, owner: os.stat_result) -> None:
    now = path.stat()
    if (now.st_uid, now.st_gid) != (owner.st_uid, owner.st_gid):
        with contextlib.suppress(PermissionError):
            os.chown(path, owner.st_uid, owner.st_gid)
