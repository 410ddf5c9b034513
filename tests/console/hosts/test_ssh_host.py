"""A machine by SSH: streams, commands, files, and one connection for all of them."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

import pytest

from console.errors import FileError, Missing, NoWayIn, Refused, TimedOut, Unreachable, Unresolved
from console.hosts.ssh import opening
from console.hosts.ssh.routes import read_route
from tests.console.hosts.conftest import Make
from tests.console.hosts.ssh_server import Server, echo, shut_port, until


async def test_a_command_gives_status_and_output_up_to_the_cap(server: Server, ssh: Make) -> None:
    await server.start()
    done = await ssh(server.configure()).run(["sh", "-c", "printf 123456789; echo no >&2; exit 3"], 5, cap=4)
    assert (done.status, done.stdout, done.stderr) == (3, b"1234", b"no\n")


@pytest.mark.parametrize(
    "argument", ["", "a b", "it's", 'a"b', "a\\b", "a\\\\b\\", "hi!you", "two\nlines\n", "$HOME", "é*"]
)
async def test_an_argument_arrives_as_it_was_given(server: Server, ssh: Make, argument: str) -> None:
    await server.start()
    done = await ssh(server.configure()).run(["printf", "%s|", argument, "end"], 5)
    assert done.stdout.decode() == f"{argument}|end|"


async def test_a_command_has_no_input_no_terminal_and_the_c_locale(server: Server, ssh: Make) -> None:
    await server.start()
    done = await ssh(server.configure()).run(["sh", "-c", "cat; test -t 0 || echo none; echo $LC_ALL"], 5)
    assert done.stdout == b"none\nC\n"


async def test_a_missing_command_is_status_127(server: Server, ssh: Make) -> None:
    await server.start()
    done = await ssh(server.configure()).run(["no-such-command-here"], 5)
    assert (done.status, done.stderr) == (127, b"no-such-command-here: command not found")


async def test_a_command_that_a_signal_ended_did_not_succeed(server: Server, ssh: Make) -> None:
    await server.start()
    assert (await ssh(server.configure()).run(["sh", "-c", "kill -TERM $$"], 5)).status in (-15, 143)


async def test_a_machine_without_timeout_runs_commands_all_the_same(server: Server, ssh: Make) -> None:
    place = tool(server.folder, "sh", 'exec /bin/sh "$@"')
    (place / "env").symlink_to("/usr/bin/env")
    server.path = str(place)
    await server.start()
    host = ssh(server.configure())
    for _ in range(2):
        assert (await host.run(["sh", "-c", "echo well"], 5)).stdout == b"well\n"
    assert (await host.run(["no-such-command"], 5)).status == 127
    assert len(server.commands) == 4


async def test_a_command_that_hangs_is_timed_out_and_the_connection_is_kept(server: Server, ssh: Make) -> None:
    await server.start()
    host = ssh(server.configure())
    with pytest.raises(TimedOut, match=r"sleep did not end within 0\.3 s on vps"):
        await host.run(["sleep", "60"], 0.3)
    assert (await host.run(["true"], 5)).status == 0
    assert server.dials == 1


async def test_a_large_output_is_read_to_its_end_and_cut(server: Server, ssh: Make) -> None:
    await server.start()
    done = await ssh(server.configure()).run(["sh", "-c", "head -c 3000000 /dev/zero; echo done >&2"], 20, cap=1000)
    assert (len(done.stdout), done.stderr, done.status) == (1000, b"done\n", 0)


async def test_a_stream_is_forwarded(server: Server, ssh: Make) -> None:
    await server.start()
    far, port = await echo()
    async with far:
        stream = await ssh(server.configure()).connect("127.0.0.1", port, 5)
        assert await stream.read() == b"220 here\r\n"
        await stream.write(b"hello")
        assert await stream.read() == b"hello"
        assert stream.peer == ("127.0.0.1", port)
        assert stream.local is not None and stream.local[0] == "127.0.0.1" and stream.local[1] > 1024
        stream.close()


async def test_the_address_a_stream_leaves_with_is_asked_of_the_machine_once(server: Server, ssh: Make) -> None:
    server.path = (
        f"{tool(server.folder, 'ip', 'echo x >> $COWHAND_TEST/asked; echo 10.9.9.9 via 1.1.1.1 src 100.64.0.7')}"
    )
    server.path += ":" + os.environ["PATH"]
    await server.start()
    host = ssh(server.configure())
    assert await asyncio.gather(*(host.routes.leaves("10.9.9.9") for _ in range(5))) == ["100.64.0.7"] * 5
    assert (server.folder / "asked").read_text() == "x\n"


@pytest.mark.parametrize(
    ("said", "address"),
    [
        ('[{"dst":"10.10.10.214","gateway":"100.64.0.1","dev":"tun0","prefsrc":"100.64.0.2","uid":0}]', "100.64.0.2"),
        ("10.10.10.214 via 100.64.0.1 dev tun0 src 100.64.0.2 uid 0 \n    cache", "100.64.0.2"),
        ('[{"dst":"2001:db8::1","prefsrc":"2001:db8::9"}]', "2001:db8::9"),
        ("local ::1 dev lo src ::1", "::1"),
        ("src 10.0.0.3", "10.0.0.3"),
        ("RTNETLINK answers: Network is unreachable", None),
        ('[{"dst":"10.10.10.214"}]', None),
        ("", None),
        ("src not-an-address", None),
    ],
)
def test_what_ip_route_says_is_read(said: str, address: str | None) -> None:
    assert read_route(said) == address


async def test_a_port_that_refuses_is_refused(server: Server, ssh: Make) -> None:
    await server.start()
    with pytest.raises(Refused, match="refused the connection"):
        await ssh(server.configure()).connect("127.0.0.1", shut_port(), 5)


async def test_a_failure_without_a_reason_is_a_refusal_of_the_machine_itself_alone(server: Server, ssh: Make) -> None:
    """OpenSSH says "open failed" where a connection fails at once: refused by itself, or without a route."""
    await server.start()
    host = ssh(server.configure())
    server.refuse_code = 2
    with pytest.raises(Refused):
        await host.connect("127.0.0.1", shut_port(), 5)
    with pytest.raises(Unreachable, match="no route to host"):
        await host.connect("255.255.255.255", 25, 5)


async def test_a_port_that_does_not_answer_times_out_and_the_connection_is_kept(server: Server, ssh: Make) -> None:
    await server.start()
    host = ssh(server.configure())
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        with socket.create_connection(deaf.getsockname()), pytest.raises(TimedOut):
            await host.connect(*deaf.getsockname(), 0.3)
    assert (await host.run(["true"], 5)).status == 0
    assert server.dials == 1


async def test_a_stream_that_opens_too_late_is_closed(server: Server, ssh: Make) -> None:
    await server.start()
    host = ssh(server.configure())
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        with socket.create_connection(deaf.getsockname()) as first, pytest.raises(TimedOut):
            await host.connect(*deaf.getsockname(), 0.3)
        deaf.listen(5)
        deaf.settimeout(10)
        taken = await asyncio.to_thread(deaf.accept)
        late = await asyncio.to_thread(deaf.accept)
        late[0].settimeout(10)
        assert await asyncio.to_thread(late[0].recv, 1) == b""
        for sock in (first, taken[0], late[0]):
            sock.close()


async def test_a_connection_that_is_lost_is_no_closed_port(server: Server, ssh: Make) -> None:
    await server.start()
    far, port = await echo()
    async with far:
        stream = await ssh(server.configure()).connect("127.0.0.1", port, 5)
        assert await stream.read() == b"220 here\r\n"
        server.cut()
        with pytest.raises(NoWayIn, match="the connection to vps was lost"):
            await stream.read()
        stream.close()


async def test_a_command_under_way_when_the_connection_is_lost_is_not_judged(server: Server, ssh: Make) -> None:
    await server.start()
    running = asyncio.ensure_future(ssh(server.configure()).run(["sleep", "60"], 30))
    await until(lambda: bool(server.commands))
    server.cut()
    with pytest.raises(NoWayIn, match="the connection to vps was lost"):
        await running


async def test_a_command_that_may_have_begun_when_the_connection_was_lost_is_not_begun_again(
    server: Server, ssh: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("console.hosts.ssh.link.STABLE", 0.0)
    server.hangs_up_at_command = True
    await server.start()
    with pytest.raises(NoWayIn):
        await ssh(server.configure()).run(["touch", "here"], 5)
    assert len(server.commands) == 1


async def test_a_connection_that_went_silent_is_found_out_when_a_port_is_silent(
    server: Server, ssh: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "PULSE", 0.3)
    await server.start()
    host = ssh(server.configure())
    await host.run(["true"], 5)
    server.connections[0]._transport.pause_reading()  # type: ignore[attr-defined]
    with pytest.raises(NoWayIn, match="does not answer any more"):
        await host.connect("127.0.0.1", shut_port(), 0.3)


async def test_a_command_that_starts_too_late_is_ended(server: Server, ssh: Make) -> None:
    await server.start()
    host = ssh(server.configure())
    await host.open()
    running = asyncio.ensure_future(host.run(["sleep", "60"], 30))
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert (await host.run(["true"], 5)).status == 0
    await until(lambda: server.at_once == 0)


async def test_at_most_eight_commands_run_at_once_and_all_of_them_end(server: Server, ssh: Make) -> None:
    await server.start()
    host = ssh(server.configure())
    await host.run(["true"], 5)
    done = await asyncio.gather(*(host.run(["sleep", "0.2"], 30) for _ in range(30)))
    assert [each.status for each in done] == [0] * 30
    assert server.most == 8
    assert server.dials == 1


async def test_forty_streams_are_open_at_once_on_one_connection(server: Server, ssh: Make) -> None:
    await server.start()
    host = ssh(server.configure())
    far, port = await echo()
    async with far:
        streams = await asyncio.gather(*(host.connect("127.0.0.1", port, 10) for _ in range(40)))
        assert {await stream.read() for stream in streams} == {b"220 here\r\n"}
        for stream in streams:
            stream.close()
    assert (server.dials, server.logins) == (1, 1)


async def test_a_unix_socket_is_forwarded(server: Server, ssh: Make) -> None:
    await server.start()
    path = str(server.folder / "stats.sock")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"answer to " + await reader.readline())
        await writer.drain()
        writer.close()

    async with await asyncio.start_unix_server(serve, path):
        stream = await ssh(server.configure()).connect_unix(path, 5)
        await stream.write(b"show stat\n")
        assert await stream.read() == b"answer to show stat\n"
        assert await stream.read() == b""
        stream.close()


async def test_a_unix_socket_without_a_listener_is_refused(server: Server, ssh: Make) -> None:
    await server.start()
    with pytest.raises(Refused):
        await ssh(server.configure()).connect_unix(str(server.folder / "none.sock"), 5)


async def test_names_are_resolved_there(server: Server, ssh: Make) -> None:
    await server.start()
    host = ssh(server.configure())
    assert "127.0.0.1" in await host.resolve("localhost")
    assert await host.resolve("192.0.2.1") == ("192.0.2.1",)
    with pytest.raises(Unresolved):
        await host.resolve("nowhere.invalid")
    with pytest.raises(Unresolved):
        await host.resolve("-V")


@pytest.mark.parametrize(("code", "error", "words"), [(2, Refused, "refused"), (4, NoWayIn, "no room")])
async def test_why_a_channel_was_not_opened_is_told_apart(
    server: Server, ssh: Make, code: int, error: type[Exception], words: str
) -> None:
    server.refuse_code = code
    await server.start()
    with pytest.raises(error, match=words):
        await ssh(server.configure()).connect("127.0.0.1", 25, 5)


async def test_a_file_is_read_whole_or_not_at_all(server: Server, ssh: Make) -> None:
    await server.start()
    host = ssh(server.configure())
    path = server.folder / "a file"
    path.write_bytes(b"\0binary\n" * 1000)
    assert await host.read(str(path)) == b"\0binary\n" * 1000
    with pytest.raises(FileError, match="is larger than 100 bytes"):
        await host.read(str(path), 100)
    with pytest.raises(Missing, match="is not there on vps"):
        await host.read(str(server.folder / "none"))
    with pytest.raises(FileError, match="Is a directory"):
        await host.read(str(server.folder))


async def test_a_file_is_replaced_with_its_mode_and_the_version_before_is_kept(server: Server, ssh: Make) -> None:
    await server.start()
    host = ssh(server.configure())
    path = server.folder / "it's.cfg"
    await host.write(str(path), b"one\n", 0o640)
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"one\n", 0o640)
    await host.write(str(path), b"", 0o600)
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"", 0o600)
    assert Path(f"{path}.previous").read_bytes() == b"one\n"
    await host.write(str(path), bytes(range(256)) * 4000)
    assert path.read_bytes() == bytes(range(256)) * 4000
    assert Path(f"{path}.previous").read_bytes() == b""
    assert not [entry for entry in server.folder.iterdir() if entry.name.startswith(".cowhand")]


async def test_a_link_stays_a_link_when_its_file_is_replaced(server: Server, ssh: Make) -> None:
    await server.start()
    (server.folder / "target").write_text("old")
    (server.folder / "link").symlink_to("target")
    await ssh(server.configure()).write(str(server.folder / "link"), b"new")
    assert (server.folder / "link").is_symlink() and (server.folder / "target").read_text() == "new"


async def test_a_folder_is_not_replaced_by_a_file(server: Server, ssh: Make) -> None:
    await server.start()
    (server.folder / "folder").mkdir()
    with pytest.raises(FileError, match="it is a folder"):
        await ssh(server.configure()).write(str(server.folder / "folder"), b"new")
    with pytest.raises(FileError, match="was not written"):
        await ssh(server.configure()).write(str(server.folder / "none" / "file"), b"new")


async def test_a_cut_in_the_middle_of_a_write_leaves_the_file_as_it_was(server: Server, ssh: Make) -> None:
    server.path = f"{tool(server.folder, 'sync', 'sleep 60')}:{os.environ['PATH']}"
    await server.start()
    path = server.folder / "key.pem"
    path.write_text("old")
    writing = asyncio.ensure_future(ssh(server.configure()).write(str(path), b"new"))
    await until(lambda: any(entry.name.startswith(".cowhand") for entry in server.folder.iterdir()))
    server.cut()
    with pytest.raises(NoWayIn):
        await writing
    assert path.read_text() == "old"


def tool(folder: Path, name: str, script: str) -> Path:
    """A command of our own, in a folder to put before PATH."""
    place = folder / "bin"
    place.mkdir(exist_ok=True)
    (place / name).write_text(f"#!/bin/sh\n{script}\n")
    (place / name).chmod(0o755)
    return place


async def test_a_lost_link_is_made_again_by_the_next_command(
    server: Server, ssh: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("console.hosts.ssh.link.STABLE", 0.0)
    await server.start()
    host = ssh(server.configure())
    await host.run(["true"], 5)
    server.cut()
    await asyncio.sleep(0.05)
    assert (await host.run(["echo", "again"], 5)).stdout == b"again\n"
    assert server.dials == 2


async def test_closing_gives_up_a_connection_that_is_being_made(server: Server, ssh: Make) -> None:
    server.slow_login = 30
    await server.start()
    host = ssh(server.configure())
    waiting = asyncio.ensure_future(host.run(["true"], 5))
    await until(lambda: bool(server.dials))
    await host.close()
    with pytest.raises(NoWayIn):
        await waiting
