"""What an act of a fault changes or starts anew: two faults that share any of it undo each other, and do not mix."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_NAMED = {
    "haproxy": {"haproxy", "_reconfigure", "_systemctl", "socket", "squat", "restart", "no_socket", "second_haproxy",
                "_old_file", "_stray", "_stumble", "_deploy"},
    "postfix": {"_stray", "_stumble", "_deploy", "mismatch", "forget", "_milter", "_banner", "_postfix_v4",
                "_stop_dovecot", "_freeze_dovecot"},
    "dovecot": {"_deploy", "mismatch", "_distrust", "_squat", "_stop_dovecot", "_freeze_dovecot"},
    "mail's folder": {"fill", "_read_only"},
    "mail's certificates": {"_deploy", "mismatch"},
    "vps's network": {"route"},
    "oper's hosts": {"hosts"},
}  # fmt: skip
_DAEMONS = {"haproxy": "haproxy", "dovecot": "dovecot", "nginx": "nginx", "postscreen": "postfix", "master": "postfix"}


def touches(act: Callable[..., Any]) -> frozenset[str]:
    """Return the daemons, files and networks that an act changes, by the way it was made."""
    name = act.__qualname__.split(".<locals>")[0]
    code = act.__code__
    cells = {key: cell.cell_contents for key, cell in zip(code.co_freevars, act.__closure__ or (), strict=True)}
    if name == "both":
        return frozenset(each for part in cells["acts"] for each in touches(part))
    found = {what for what, names in _NAMED.items() if name in names}
    found |= {f"lab.{each}" for each in code.co_names if each in ("tunnel", "snat")}
    if "service" in cells:  # a file of a daemon, which is started anew
        found.add(str(cells["service"]))
    for word in (*cells.get("names", ()), *cells.get("words", ())):  # of docker compose
        found |= {daemon for daemon in ("postfix", "dovecot", "nginx") if daemon in word}
    machine = cells.get("machine") or (str(cells["key"]).split(".")[0] if name == "_sysctl" else "")
    if name == "kill":
        found |= {daemon for mark, daemon in _DAEMONS.items() if mark in " ".join(cells["pattern"])}
    elif name == "hold":  # connections that a restart would end
        found.add("haproxy" if machine == "client" else "postfix")
    elif name == "nft":
        found.add(f"{machine}'s filter")
    elif machine:
        found.add(f"{machine}'s network")
    return frozenset(found)
