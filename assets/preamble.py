"""Runs first in cowhand.pyz: no settings of PEX's count, and root starts nothing out of another user's cache folder.

PEX unpacks itself there. Its settings are in a file beside cowhand.pyz too, where in /tmp anybody may lay one, and name
the Python that is run."""

import os
import stat
import sys


def _cowhand_preamble() -> None:
    home = os.path.expanduser("~")  # noqa: PTH111
    cache = os.environ.get("XDG_CACHE_HOME") or home
    named = os.environ.get("PEX_ROOT") or home
    for place in (f"{home}/.cache/pex", f"{home}/.pex", f"{cache}/pex", named):
        _cowhand_check(os.path.realpath(place))


def _cowhand_check(place: str) -> None:
    above = place
    while True:
        try:
            found = os.stat(above)  # noqa: PTH116
        except OSError:  # it is made by us, in the folder above
            found = None
        loose = found is not None and found.st_mode & 0o022 and not found.st_mode & stat.S_ISVTX
        if found is not None and (found.st_uid not in (0, os.geteuid()) or loose):
            sys.exit(f"cowhand: others can change {above!a}, where this file may unpack itself: start it with sudo -H")
        if above == "/":
            return
        above = os.path.dirname(above)  # noqa: PTH120


os.environ["PEX_IGNORE_RCFILES"] = "1"
if os.geteuid() == 0:
    _cowhand_preamble()
