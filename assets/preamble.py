"""Runs first in cowhand.pyz: root starts nothing out of another user's cache folder, into which PEX unpacks itself."""

import os
import stat
import sys


def _cowhand_preamble() -> None:
    home = os.path.expanduser("~")  # noqa: PTH111
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.join(home, ".cache")  # noqa: PTH118
    place = os.path.realpath(os.environ.get("PEX_ROOT") or os.path.join(cache, "pex"))  # noqa: PTH118
    while place != "/":
        try:
            found = os.stat(place)  # noqa: PTH116
        except OSError:  # it is made by us, in the folder above
            found = None
        loose = found is not None and found.st_mode & 0o022 and not found.st_mode & stat.S_ISVTX
        if found is not None and (found.st_uid not in (0, os.geteuid()) or loose):
            sys.exit(
                f"cowhand: other users can change {place!a}, where this file unpacks itself: start it with sudo -H"
            )
        place = os.path.dirname(place)  # noqa: PTH120


if os.geteuid() == 0:
    _cowhand_preamble()
