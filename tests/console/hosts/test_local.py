"""This machine as a host: every failure has its name, every command its end."""

from __future__ import annotations

import asyncio
import socket
import sys
import time
from pathlib import Path

import pytest

from console.errors import Refused, TimedOut, Unreachable, Unresolved
from console.hosts.local import Local


async def test_a_port_that_refuses_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(Refused):
        await Local().connect("127.0.0.1", port, 1)


async def test_a_port_that_does_not_answer_times_out() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        address = server.getsockname()
        with socket.create_connection(address), pytest.raises(TimedOut):
            await Local().connect(*address, 0.3)


async def test_how_long_a_connection_took_is_not_how_late_we_heard_of_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        connecting = asyncio.create_task(Local().connect(*server.getsockname(), 5))
        await asyncio.sleep(0)
        time.sleep(0.5)  # noqa: ASYNC251  being late is what this is about
        stream = await connecting
        stream.close()
    assert (stream.took is not None) == sys.platform.startswith("linux")
    assert (stream.took or 0.0) < 500


@pytest.mark.parametrize("address", ["::ffff:300.1.1.1", "256.1.1.1", "a..b", "nowhere.invalid"])
async def test_what_is_no_address_is_unresolved(address: str) -> None:
    with pytest.raises((Unresolved, Unreachable)):
        await Local().connect(address, 25, 1)


async def test_a_socket_path_without_a_listener_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused):
        await Local().connect_unix(str(tmp_path / "none.sock"), 1)


async def test_a_command_gives_status_and_output_up_to_the_cap() -> None:
    done = await Local().run(["sh", "-c", "printf 123456789; echo no >&2; exit 3"], 5, cap=4)
    assert (done.status, done.stdout, done.stderr) == (3, b"1234", b"no\n")


async def test_a_missing_command_is_status_127() -> None:
    assert (await Local().run(["no-such-command-here"], 5)).status == 127


async def test_a_command_that_hangs_is_ended_with_its_children(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    for seconds in (0.5, 5.0, 50.0):  # on a busy machine it may not have begun
        with pytest.raises(TimedOut):
            await Local().run(["sh", "-c", f"sleep 60 & echo $! > {pid_file}; wait"], seconds)
        if pid_file.exists() and pid_file.read_text():
            break
    child = int(pid_file.read_text())
    for _ in range(3000):
        state = Path(f"/proc/{child}/stat")
        if not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z":
            return
        await asyncio.sleep(0.02)
    raise AssertionError("the child still runs")


async def test_a_command_that_is_cancelled_as_it_starts_leaves_no_process_and_no_pipe(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real, made = asyncio.create_subprocess_exec, []
    started, late = asyncio.Event(), asyncio.Event()

    async def start(*argv: str, **more: int) -> asyncio.subprocess.Process:
        made.append(await real(*argv, **more))
        started.set()
        await late.wait()  # the loop hears of the start later than of the cancellation
        return made[0]

    monkeypatch.setattr(asyncio, "create_subprocess_exec", start)
    running = asyncio.create_task(Local().run(["sleep", "60"], 5))
    await started.wait()
    running.cancel()
    await asyncio.sleep(0)
    late.set()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert made[0].returncode == -9 and made[0]._transport.is_closing()
