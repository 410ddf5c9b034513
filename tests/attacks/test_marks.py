"""Another user of a host copies the mark of a change from the process list, so that it seems to run for ever."""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Iterator

import pytest

from console.hosts import marks
from console.hosts.local import Local
from tests.attacks.conftest import MALLORY, Mallory

MARK = secrets.token_hex(5)
"""One of each process: the tests here may run at the same time, and each finds all processes with its mark."""


@pytest.fixture
def imposter(mallory: Mallory) -> Iterator[subprocess.Popen[bytes]]:
    """A process of another user with the mark of our change."""
    words = ["sh", "-c", "echo; exec cat"]
    pipe, env = subprocess.PIPE, {marks.VARIABLE: MARK, "PATH": "/usr/bin:/bin"}
    with subprocess.Popen(words, stdin=pipe, stdout=pipe, env=env, user=MALLORY, group=MALLORY, cwd="/") as process:
        assert process.stdout is not None and process.stdout.readline() == b"\n"
        yield process
        process.kill()


async def test_a_process_of_another_user_is_not_taken_for_our_command(imposter: subprocess.Popen[bytes]) -> None:
    assert await marks.find(Local(), MARK) == ()


async def test_nor_does_it_hide_ours(imposter: subprocess.Popen[bytes]) -> None:
    words = ["sh", "-c", "echo; exec cat"]
    pipe, env = subprocess.PIPE, {marks.VARIABLE: MARK, "PATH": "/usr/bin:/bin"}
    with subprocess.Popen(words, stdin=pipe, stdout=pipe, env=env) as ours:  # noqa: ASYNC220
        assert ours.stdout is not None and ours.stdout.readline() == b"\n"
        assert await marks.find(Local(), MARK) == (ours.pid,)
        await marks.signal(Local(), MARK, "KILL")
        assert ours.wait() == -9
    assert imposter.poll() is None  # root ends nobody else's processes
    assert await marks.find(Local(), MARK) == ()
