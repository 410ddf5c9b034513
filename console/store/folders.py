"""The XDG folders for configuration, state and caches, and whether they can be trusted."""

from __future__ import annotations

import os
from pathlib import Path

NAME = "cowhand"


def configuration_folder() -> Path:
    """Return the folder of the operator's site file; it may not exist."""
    from platformdirs import user_config_path

    return user_config_path(NAME)


def state_folder() -> Path:
    """Return the private folder for state, made when missing; raises `OSError` when that is not possible."""
    from platformdirs import user_state_path

    return private(user_state_path(NAME))


def cache_folder() -> Path | None:
    """Return the private folder for caches, made when missing; None when that is not possible."""
    from platformdirs import user_cache_path

    try:
        return private(user_cache_path(NAME))
    except OSError:
        return None


def private(folder: Path) -> Path:
    """Return `folder` with mode 0700; raises `OSError` unless it is this user's and nobody else can write to it."""
    for missing in (*reversed([each for each in folder.parents if not each.exists()]), folder):
        missing.mkdir(mode=0o700, exist_ok=True)  # as the XDG specification has it, whatever the umask is
    refusal = PermissionError(f"{folder} is not a folder that you alone write to: remove it, or chmod 700")
    if folder.is_symlink():
        raise refusal
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        found = os.fstat(handle)
        if found.st_uid != os.geteuid() or found.st_mode & 0o022:
            raise refusal
        if found.st_mode & 0o077:
            os.fchmod(handle, 0o700)
    finally:
        os.close(handle)
    return folder


WHOSE = "site"
"""The file that tells what a folder is for."""


def private_for(store: Path, word: str, told: bytes) -> Path:
    """Return the private folder in `store` for what `told` names, made when missing; raises `OSError`.

    It is called by a checksum, as it always was. Where another has that one too, the folder is called by a sum: a clone
    may have a folder for each guess where another site is."""
    import hashlib
    import zlib

    from console.store import atomic

    sum_of = hashlib.sha256(told).hexdigest()
    folder = private(store / f"{word}-{zlib.crc32(told):08x}")
    try:
        whose = (folder / WHOSE).read_text("ascii", "replace").strip()
    except FileNotFoundError:
        atomic.write(folder / WHOSE, f"{sum_of}\n".encode())
        return folder
    return folder if whose == sum_of else private(store / f"{word}-{sum_of[:32]}")


def repository(folder: Path) -> Path | None:
    """Return the root of the folder's git repository; neither a home folder that is one nor another user's counts.

    In a folder like /tmp anybody may lay a .git: what others have there is not theirs."""
    home = Path(os.path.realpath(os.path.expanduser("~")))  # noqa: PTH111 (it never raises)
    owner = _owner(folder)
    for each in (folder, *folder.parents):
        if each in (home, Path("/")):
            return None
        if owner is not None and owner == _owner(each / ".git") == _owner(each):
            return each
    return None


def _owner(path: Path) -> int | None:
    try:
        return path.lstat().st_uid
    except OSError:
        return None
