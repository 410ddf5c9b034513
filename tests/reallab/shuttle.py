"""Stands for Tailscale's tunnel: carries IP packets between a TUN in one namespace and a TUN in another.

Run as `shuttle.py NAMESPACE ADDRESS NAMESPACE ADDRESS CONTROL`. CONTROL is a JSON file read again whenever it changes:
`up` (bool), `delay` and `jitter` (seconds one way), `loss` (0 to 1, every nth packet: a run is like the next)."""

from __future__ import annotations

import ctypes
import fcntl
import heapq
import itertools
import json
import os
import select
import struct
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

NAME, MTU = "tailscale0", "1280"
TUNSETIFF, IFF_TUN, IFF_NO_PI, CLONE_NEWNET = 0x400454CA, 1, 0x1000, 0x40000000
LOOK = 0.05
"""Seconds between two looks at the control file."""


def main(first: str, address: str, second: str, other: str, control: str) -> None:
    """Make both ends, say so, and carry packets until killed."""
    ends = (_open(first), _open(second))
    for namespace, own, peer in ((first, address, other), (second, other, address)):
        for words in (
            f"addr add {own}/32 dev {NAME}",
            f"link set {NAME} mtu {MTU} up",
            f"route add {peer}/32 dev {NAME}",
        ):
            subprocess.run(["ip", "-n", namespace, *words.split()], check=True)
    print("ready", flush=True)
    _carry(ends, Path(control))


def _open(namespace: str) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    here = os.open("/proc/self/ns/net", os.O_RDONLY)
    there = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
    if libc.setns(there, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), f"cannot enter {namespace}")
    end = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(end, TUNSETIFF, struct.pack("16sH22x", NAME.encode(), IFF_TUN | IFF_NO_PI))
    libc.setns(here, CLONE_NEWNET)
    os.close(here)
    os.close(there)
    return end


def _carry(ends: tuple[int, int], control: Path) -> None:
    opposite = {ends[0]: ends[1], ends[1]: ends[0]}
    told: dict[str, float] = {}
    read, looked, owed = 0, 0.0, 0.0
    number = itertools.count()
    flying: list[tuple[float, int, int, bytes]] = []
    latest = dict.fromkeys(ends, 0.0)
    while True:
        now = time.monotonic()
        if now >= looked + LOOK:
            looked = now
            with suppress(OSError, ValueError):
                if (changed := control.stat().st_mtime_ns) != read:
                    told, read = json.loads(control.read_text()), changed
                    control.with_suffix(".heard").write_text(str(changed))
        while flying and flying[0][0] <= now:
            _, _, end, packet = heapq.heappop(flying)
            with suppress(OSError):
                os.write(end, packet)
        wait = min(LOOK, max(0.0, flying[0][0] - now)) if flying else LOOK
        for end in select.select(ends, [], [], wait)[0]:
            with suppress(BlockingIOError):
                while packet := os.read(end, 65536):
                    owed += told.get("loss", 0.0)
                    if owed >= 1 or not told.get("up", True):
                        owed = max(0.0, owed - 1)
                        continue
                    order = next(number)
                    jitter = told.get("jitter", 0.0) * ((order * 7919 % 201) / 100 - 1)
                    due = max(time.monotonic() + max(0.0, told.get("delay", 0.0) + jitter), latest[end])
                    latest[end] = due  # a tunnel over one path keeps the order
                    heapq.heappush(flying, (due, order, opposite[end], packet))


if __name__ == "__main__":
    main(*sys.argv[1:])
