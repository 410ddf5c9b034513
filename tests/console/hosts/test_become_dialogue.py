"""What sudo is asked, word for word, and what is made of its answers; a stand-in machine answers from a list."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence

import pytest

from console.errors import NoWayIn
from console.hosts.host import Completed
from console.hosts.process import Dialogue
from console.questions import Question
from console.secret import Secret
from tests.console.hosts.ssh_server import answering, until
from tests.console.hosts.sudo_machine import ASKING, NEEDS, OK, REFUSED, Machine, bounded, made, run

NO_TIMEOUT = Completed(1, b"", b"sudo: timeout: command not found\n")


# ── what it is asked ────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_command_is_run_once_without_a_password_and_with_an_end_of_its_own() -> None:
    become, machine = made(), Machine(OK, OK)
    assert await run(become, machine, data=b"in") == OK
    assert await run(become, machine, "sh", "-c", "x") == OK
    assert machine.heard == [bounded("id"), bounded("sh -c x")]
    assert machine.limits == [(5, 99), (5, 99)]
    assert [(each.data, each.prompt, each.answer) for each in machine.dialogues] == [
        (b"in", b"", None),
        (b"", b"", None),
    ]


async def test_opening_runs_nothing_as_root_and_only_until_it_worked() -> None:
    become, machine = made(), Machine(OK)
    await become.open(machine)
    await become.open(machine)
    assert machine.heard == ["sudo -n -- timeout -s KILL 17 true"]
    assert machine.limits == [(15, 4096)]


async def test_opening_waits_for_the_password_and_a_command_does_not() -> None:
    asked, ask = answering("secret")
    become, machine = made(ask), Machine(NEEDS, NEEDS, OK)
    await become.open(machine)
    assert len(asked) == 1
    assert machine.heard == [
        "sudo -n -- timeout -s KILL 17 true",
        "sudo -n -- true",
        "sudo -S -k -p PROMPT -- timeout -s KILL 17 true",
    ]
    become, machine = made(answering("secret")[1]), Machine(NEEDS, NEEDS)
    with pytest.raises(NoWayIn) as caught:
        await run(become, machine)
    assert str(caught.value) == "sudo on vps wants a password: waiting for your answer"
    become.close()


async def test_the_password_is_given_to_the_prompt_and_the_input_follows() -> None:
    become, machine = made(answering("secret")[1]), Machine(NEEDS, NEEDS, OK, OK)
    for data in (b"first", b"second"):
        assert await run(become, machine, data=data, patient=True) == OK
    assert machine.heard[2:] == [f"{ASKING}id", f"{ASKING}id"]
    first, second = machine.dialogues[2:]
    assert re.fullmatch(rb"\[[0-9a-f]{12}\]", first.prompt) and second.prompt == first.prompt
    assert (first.answer, second.answer) == (Secret("secret"), Secret("secret"))
    assert (first.data, second.data) == (b"first", b"second")


async def test_no_two_machines_have_the_same_prompt() -> None:
    prompts = set()
    for _ in range(2):
        become, machine = made(password="secret"), Machine(NEEDS, NEEDS, OK)
        await run(become, machine)
        prompts.add(machine.dialogues[2].prompt)
    assert len(prompts) == 2


async def test_what_is_ready_first_and_what_stays_open_is_so_with_a_password_too() -> None:
    become, machine = made(password="secret"), Machine(NEEDS, NEEDS, OK)
    await become.run(machine, ["cat"], Dialogue(b"data", b"[ready]", stay=True), 5, 99)
    told = machine.dialogues[2]
    assert (told.data, told.ready, told.stay) == (b"data", b"[ready]", True)


@pytest.mark.parametrize("user", ["", "admin"])
async def test_the_question_is_for_the_password_of_the_user_who_logged_in(user: str) -> None:
    asked, ask = answering("secret")
    become, machine = made(ask, user=user), Machine(NEEDS, NEEDS, OK)
    await run(become, machine, patient=True)
    assert asked == [
        Question(
            "sudo:vps",
            "sudo",
            "vps",
            "sudo password of admin on vps" if user else "sudo password on vps",
            "It is kept in memory until cowhand ends, and written nowhere.",
            True,
        )
    ]


async def test_a_command_that_outlives_its_run_is_prefixed_alike() -> None:
    become, machine = made(), Machine(OK)
    told = Dialogue()
    for _ in range(2):
        assert await become.prefix(machine, told, 8) == ["sudo", "-n", "--"]
    assert (told.prompt, told.answer) == (b"", None)
    assert machine.heard == ["sudo -n -- timeout -s KILL 10 true"] and machine.limits == [(8, 4096)]


async def test_a_command_that_outlives_its_run_is_given_the_password() -> None:
    become, machine = made(password="secret"), Machine(NEEDS, NEEDS, OK)
    told = Dialogue()
    assert await become.prefix(machine, told, 8) == ["sudo", "-S", "-k", "-p", told.prompt.decode(), "--"]
    assert told.answer == Secret("secret") and told.prompt == machine.dialogues[2].prompt
    with pytest.raises(NoWayIn, match="waiting for your answer"):
        await made(answering("x")[1]).prefix(Machine(NEEDS, NEEDS), Dialogue(), 8)


# ── sudo's rules may name a command bare ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("answer", [NO_TIMEOUT, NEEDS, REFUSED])
async def test_a_command_that_is_not_run_under_timeout_is_run_bare_and_so_is_the_next(answer: Completed) -> None:
    become, machine = made(), Machine(answer, OK, OK)
    assert await run(become, machine, data=b"in") == OK
    assert await run(become, machine) == OK
    assert machine.heard == [bounded("id"), "sudo -n -- id", "sudo -n -- id"]
    assert machine.limits == [(5, 99)] * 3 and machine.dialogues[1].data == b"in"


@pytest.mark.parametrize(
    "answer",
    [
        Completed(0, b"", REFUSED.stderr),
        Completed(0, b"", NEEDS.stderr),
        Completed(0, b"", NO_TIMEOUT.stderr),
        Completed(1, b"", b"grep: x: No such file or directory"),
        Completed(3, b"", b""),
    ],
)
async def test_what_the_command_itself_says_is_not_taken_for_sudos_words(answer: Completed) -> None:
    become, machine = made(), Machine(answer)
    assert await run(become, machine) == answer
    assert len(machine.heard) == 1


async def test_a_password_that_was_not_taken_is_not_given_to_the_bare_command_too() -> None:
    become, machine = made(password="wrong"), Machine(NEEDS, NEEDS, None)
    with pytest.raises(NoWayIn, match="did not take that password"):
        await run(become, machine)
    assert len(machine.heard) == 3


async def test_words_of_a_missing_password_behind_a_wrong_one_do_not_get_it_tried_again() -> None:
    become, machine = made(password="wrong"), Machine(NEEDS, NEEDS)

    async def refusing(argv: Sequence[str], dialogue: Dialogue, timeout: float, cap: int) -> Completed:
        if not dialogue.prompt:
            return await machine(argv, dialogue, timeout, cap)
        assert not any(each.prompt for each in machine.dialogues), "sudo counts wrong passwords, and so do its lockouts"
        machine.dialogues.append(dialogue)
        dialogue.refused = True
        return NEEDS

    with pytest.raises(NoWayIn, match="did not take that password"):
        await become.run(refusing, ["id"], Dialogue(), 5, 99)


async def test_with_the_password_the_bound_is_tried_again_and_the_answer_is_fresh_for_the_bare_command() -> None:
    become, machine = made(password="secret"), Machine(NEEDS, NEEDS, REFUSED, OK, OK)

    async def counting(argv: Sequence[str], dialogue: Dialogue, timeout: float, cap: int) -> Completed:
        assert dialogue.asked == 0, "else the prompt of the bare command would count as its second"
        dialogue.asked = 1 if dialogue.prompt else 0
        return await machine(argv, dialogue, timeout, cap)

    for _ in range(2):
        assert await become.run(counting, ["id"], Dialogue(), 5, 99) == OK
    assert machine.heard[2:] == [f"{ASKING}id", "sudo -S -k -p PROMPT -- id", "sudo -S -k -p PROMPT -- id"]


# ── several commands at once ────────────────────────────────────────────────────────────────────────────────────────


async def test_commands_run_one_after_the_other_until_one_has_worked_and_then_together() -> None:
    become, started, go = made(), 0, asyncio.Event()

    async def slow(argv: Sequence[str], dialogue: Dialogue, timeout: float, cap: int) -> Completed:
        nonlocal started
        started += 1
        await go.wait()
        return OK

    async def both() -> list[asyncio.Task[Completed]]:
        tasks = [asyncio.create_task(become.run(slow, ["id"], Dialogue(), 5, 99)) for _ in range(2)]
        for _ in range(20):
            await asyncio.sleep(0)
        return tasks

    first = await both()
    assert started == 1
    go.set()
    await asyncio.gather(*first)
    go.clear()
    started = 0
    second = await both()
    assert started == 2
    go.set()
    await asyncio.gather(*second)


async def test_one_question_is_put_for_all_and_survives_who_stops_waiting() -> None:
    answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    asked: list[Question] = []

    async def ask(question: Question) -> str:
        asked.append(question)
        return await answer

    become, machine = made(ask), Machine(NEEDS, NEEDS, OK, OK)
    waiting = [asyncio.create_task(run(become, machine, patient=True)) for _ in range(2)]
    await until(lambda: bool(asked))
    with pytest.raises(NoWayIn, match="waiting for your answer"):
        await run(become, machine)
    waiting[0].cancel()
    await asyncio.wait(waiting[:1])
    answer.set_result("secret")
    assert await waiting[1] == OK
    assert await run(become, machine) == OK
    assert len(asked) == 1


async def test_closing_withdraws_the_question_and_needs_none() -> None:
    made().close()
    withdrawn = asyncio.Event()

    async def ask(question: Question) -> str:
        try:
            return await asyncio.get_running_loop().create_future()  # type: ignore[no-any-return]
        finally:
            withdrawn.set()

    become = made(ask)
    with pytest.raises(NoWayIn):
        await run(become, Machine(NEEDS, NEEDS))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    become.close()
    await asyncio.wait_for(withdrawn.wait(), 60)
