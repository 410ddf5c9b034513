"""Stands in for the kernel's vhost_vsock, without which Incus runs no VM: `python vsock.py COMMAND…`.

The command is run under a filter of system calls (seccomp) whose notices come here. Its listener on the host's own
address (CID 2), which nobody has without that module, is bound to any; that an address for a guest may be taken is
answered with yes. A VM has to do without the device, so nobody inside it can be asked: it is a VM without agent."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import select
import signal
import socket
import struct
import sys
from pathlib import Path

BIND, IOCTL, SECCOMP, PIDFD_OPEN, PIDFD_GETFD = 49, 16, 317, 434, 438
"""System calls of x86_64."""

SET_GUEST_CID = 0x4008AF60
"""_IOW(0xAF, 0x60, u64) of linux/vhost.h"""

RECEIVE, SEND = 0xC0502100, 0xC0182101
"""SECCOMP_IOCTL_NOTIF_RECV and _SEND of linux/seccomp.h; a notice has 80 bytes, an answer 24."""

ALLOW, NOTIFY, CONTINUE, NEW_LISTENER = 0x7FFF0000, 0x7FC00000, 1, 8
HOST, ANY = 2, 0xFFFFFFFF

libc = ctypes.CDLL(None, use_errno=True)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def _load(offset: int) -> bytes:
    return struct.pack("<HBBI", 0x20, 0, 0, offset)


def _equal(value: int, then: int, otherwise: int) -> bytes:
    return struct.pack("<HBBI", 0x15, then, otherwise, value)


def _answer(action: int) -> bytes:
    return struct.pack("<HBBI", 0x06, 0, 0, action)


FILTER = b"".join(
    (_load(0), _equal(BIND, 3, 0), _equal(IOCTL, 0, 3), _load(24), _equal(SET_GUEST_CID, 0, 1), _answer(NOTIFY),
     _answer(ALLOW))
)  # fmt: skip
"""The number of the call is at 0, its second argument at 24."""


def begin(command: list[str]) -> tuple[int, int]:
    """Start the command; returns its pid and the descriptor of its notices. Raises OSError where there are none."""
    here, there = socket.socketpair()
    pid = os.fork()
    if not pid:
        buffer = ctypes.create_string_buffer(FILTER, len(FILTER))
        program = _Program(len(FILTER) // 8, ctypes.addressof(buffer))
        notices = libc.syscall(SECCOMP, 1, NEW_LISTENER, ctypes.byref(program))
        if notices < 0:
            os._exit(97)
        socket.send_fds(there, [b"x"], [notices])
        os.close(notices)
        os.execvp(command[0], command)
    there.close()
    _, found, _, _ = socket.recv_fds(here, 1, 1)
    if not found:
        raise OSError("this kernel gives no notices of system calls")
    return pid, found[0]


def serve(pid: int, notices: int) -> int:
    """Answer until the command has ended; returns how. Other processes that end are reaped: we may be their PID 1."""
    poll = select.poll()
    poll.register(notices, select.POLLIN)
    while True:
        ready = poll.poll(500)
        while (ended := _reap()) is not None:
            if ended[0] == pid:
                return os.waitstatus_to_exitcode(ended[1])
        if ready and ready[0][1] & select.POLLIN:
            _notice(notices)


def _reap() -> tuple[int, int] | None:
    try:
        ended, status = os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return None
    return (ended, status) if ended else None


def _notice(notices: int) -> None:
    buffer = bytearray(80)
    try:
        fcntl.ioctl(notices, RECEIVE, buffer, True)
    except OSError:  # the caller has ended
        return
    number, thread, _, call, _, _, *arguments = struct.unpack("<QIIiIQ6Q", buffer)
    error, flags = 0, 0
    if call == BIND:
        bound = _bind(thread, int(arguments[0]), arguments[1], arguments[2])
        error, flags = (0, CONTINUE) if bound is None else (-bound, 0)
    try:
        fcntl.ioctl(notices, SEND, struct.pack("<QqiI", number, 0, error, flags))
    except OSError:
        return


def _bind(thread: int, descriptor: int, address: int, length: int) -> int | None:
    """Bind a vsock listener of the host for its owner; returns the error, or None for what is none of ours."""
    if length < 16:
        return None
    try:
        with Path(f"/proc/{thread}/mem").open("rb", 0) as memory:
            memory.seek(address)
            family, _, port, cid = struct.unpack("<HHII", memory.read(12))
        if (family, cid) != (socket.AF_VSOCK, HOST):
            return None
        status = Path(f"/proc/{thread}/status").read_text().splitlines()
        group = next(int(line.split()[1]) for line in status if line.startswith("Tgid"))
    except (OSError, struct.error):
        return None
    process = libc.syscall(PIDFD_OPEN, group, 0)
    theirs = libc.syscall(PIDFD_GETFD, process, descriptor, 0)
    wanted = struct.pack("<HHII", socket.AF_VSOCK, 0, port, ANY) + bytes(4)
    why = ctypes.get_errno() or errno.EINVAL if libc.bind(theirs, wanted, len(wanted)) else 0
    os.close(theirs)
    os.close(process)
    return why


def main() -> int:
    """Run the command of the arguments to its end; SIGTERM and SIGINT are handed on to it."""
    pid, notices = begin(sys.argv[1:])
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, frame: os.kill(pid, number))
    return serve(pid, notices)


if __name__ == "__main__":
    sys.exit(main())
