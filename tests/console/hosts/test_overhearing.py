"""What a command says is heard while it runs, and nothing of the dialogue about a password."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from console.hosts.host import overhearing
from console.hosts.local import Local
from console.hosts.process import Dialogue, attend
from console.runner.executor import TAIL, Ear
from console.secret import Secret


class Said:
    """A command that says its parts one after the other."""

    def __init__(self, out: Sequence[bytes], err: Sequence[bytes]) -> None:
        self.out, self.err = list(out), list(err)
        self.sent = b""

    async def read_out(self, limit: int) -> bytes:
        return self.out.pop(0) if self.out else b""

    async def read_err(self, limit: int) -> bytes:
        return self.err.pop(0) if self.err else b""

    async def send(self, data: bytes) -> None:
        self.sent += data

    def end_input(self) -> None:
        pass

    async def wait(self) -> int:
        return 0

    async def kill(self) -> None:
        pass


async def test_neither_a_prompt_nor_a_mark_is_heard_but_all_that_follows() -> None:
    heard: list[bytes] = []
    overhearing.set(heard.append)
    dialogue = Dialogue(ready=b"<ready>")
    dialogue.prompt, dialogue.answer = b"password: ", Secret("horse")
    process = Said([b"one\n", b"two\n"], [b"pass", b"word: ", b"<rea", b"dy>three\n", b"four\n"])
    left = await attend(process, dialogue, 100)
    assert process.sent == b"horse\n"
    assert left.stderr == b"three\nfour\n"
    assert sorted(heard) == [b"four\n", b"one\n", b"three\n", b"two\n"]


async def test_a_command_is_heard_before_it_ends() -> None:
    heard = asyncio.Event()
    overhearing.set(lambda data: heard.set() if b"begun" in data else None)
    running = asyncio.ensure_future(Local().run(["sh", "-c", "echo begun; exec sleep 60"], 100.0))
    await asyncio.wait_for(heard.wait(), 60)
    assert not running.done()
    running.cancel()
    await asyncio.wait({running})


async def test_an_ear_tells_whole_lines_alone_and_only_the_end_of_much() -> None:
    told: list[str] = []
    ear = Ear(told.append)
    ear.hear(b"a" * 10 * TAIL + b"\n")
    ear.hear(b"last\nhalf a pass")
    ear._flush()
    ear.hear(b"word\n")
    ear._flush()
    ear.close()
    assert told == ["last", "last\nhalf a password"]
