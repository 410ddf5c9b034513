"""What a wrong password, a refusal or a missing sudo means, and what is not tried again; answers come from a list."""

from __future__ import annotations

import pytest

from console.errors import NoWayIn
from console.hosts.host import Completed
from console.hosts.process import Dialogue
from tests.console.hosts.ssh_server import answering
from tests.console.hosts.sudo_machine import ASKING, NEEDS, OK, REFUSED, Machine, bounded, made, run

WRONG = "sudo on vps did not take that password; it is not tried again until you ask"


# ── what is not tried again ─────────────────────────────────────────────────────────────────────────────────────────


async def test_a_wrong_password_is_dropped_and_no_command_tries_it_again() -> None:
    become, machine = made(password="wrong"), Machine(NEEDS, NEEDS, None, NEEDS, NEEDS)
    with pytest.raises(NoWayIn) as caught:
        await run(become, machine, "docker", "ps", "-q")
    assert str(caught.value) == WRONG and become.credentials.kept("sudo:vps") is None
    with pytest.raises(NoWayIn, match=f"^{WRONG}$"):
        await run(become, machine, "docker", "ps", "-a")
    assert len(machine.heard) == 3, "the same command, whatever its arguments, is not even looked at"
    for _ in range(2):
        with pytest.raises(NoWayIn, match=f"^{WRONG}$"):
            await run(become, machine, "docker", "info")
    assert machine.heard[3:] == [bounded("docker info"), "sudo -n -- docker info"]


async def test_what_needs_no_password_still_runs_after_a_wrong_one() -> None:
    become, machine = made(password="wrong"), Machine(NEEDS, NEEDS, None, OK, OK)
    with pytest.raises(NoWayIn):
        await run(become, machine)
    assert await run(become, machine, "docker", "info") == OK
    assert await become.prefix(machine, Dialogue(), 8) == ["sudo", "-n", "--"]


async def test_a_password_that_was_changed_meanwhile_is_told_when_it_is_opened_again() -> None:
    become, machine = made(password="secret"), Machine(NEEDS, NEEDS, OK, None, NEEDS, NEEDS)
    await run(become, machine)
    with pytest.raises(NoWayIn, match=f"^{WRONG}$"):
        await run(become, machine)
    with pytest.raises(NoWayIn, match=f"^{WRONG}$"):
        await become.open(machine)


async def test_after_a_wrong_password_another_is_asked_for_once_it_is_wanted_again() -> None:
    asked, ask = answering("wrong", "right")
    become, machine = made(ask), Machine(NEEDS, NEEDS, None, NEEDS, NEEDS, OK)
    with pytest.raises(NoWayIn, match="did not take"):
        await run(become, machine, patient=True)
    become.credentials.forget()
    become.forget()
    assert await run(become, machine, patient=True) == OK
    assert machine.heard[3:] == [bounded("id"), "sudo -n -- id", f"{ASKING}id"]
    assert len(asked) == 2


async def test_a_password_that_works_is_kept_when_all_is_tried_again() -> None:
    become, machine = made(password="secret"), Machine(NEEDS, NEEDS, OK, OK)
    await run(become, machine)
    become.forget()
    await run(become, machine)
    assert machine.heard[3:] == [f"{ASKING}id"]


async def test_where_sudo_asks_for_nothing_that_stays_so_when_all_is_tried_again() -> None:
    become, machine = made(answering("secret")[1]), Machine(OK, OK)
    await run(become, machine)
    become.forget()
    await run(become, machine)
    assert machine.heard == [bounded("id"), bounded("id")]


@pytest.mark.parametrize("staffed", [True, False])
async def test_a_password_that_nobody_gives_is_told_and_why(staffed: bool) -> None:
    asked, ask = answering(None)
    become, machine = made(ask if staffed else None), Machine(*[NEEDS] * 8)
    why = "none was given" if staffed else "only the screens ask for it"
    for _ in range(2):
        with pytest.raises(NoWayIn, match=f"^sudo on vps wants a password; {why}$"):
            await run(become, machine, patient=True)
    assert len(asked) == staffed and len(machine.heard) == 4
    with pytest.raises(NoWayIn, match=why):
        await run(become, machine, "docker", "ps")
    assert len(machine.heard) == 6


async def test_without_an_answer_it_is_found_out_anew_whether_sudo_asks_at_all() -> None:
    become, machine = made(), Machine(NEEDS, NEEDS, NEEDS, NEEDS, OK)
    with pytest.raises(NoWayIn):
        await run(become, machine)
    become.forget()
    assert await run(become, machine) == OK
    assert machine.heard[-1] == bounded("id")


async def test_what_sudo_refuses_is_told_with_its_words_and_not_tried_again_until_asked() -> None:
    become, machine = made(), Machine(REFUSED, REFUSED, OK)
    said = "Sorry, user a is not allowed to execute 'id' as root on vps."
    for _ in range(2):
        with pytest.raises(NoWayIn) as caught:
            await run(become, machine)
        assert str(caught.value) == f"sudo on vps does not let us run id: {said}"
    assert len(machine.heard) == 2
    become.forget()
    assert await run(become, machine) == OK


@pytest.mark.parametrize(("length", "fits"), [(120, True), (121, False)])
async def test_what_sudo_says_is_told_up_to_120_characters(length: int, fits: bool) -> None:
    said = "Sorry, user " + "u" * (length - 12)
    answer = Completed(1, b"", said.encode())
    with pytest.raises(NoWayIn) as caught:
        await run(made(), Machine(answer, answer))
    assert str(caught.value) == f"sudo on vps does not let us run id: {said if fits else said[:119] + '…'}"


# ── what its answers mean ───────────────────────────────────────────────────────────────────────────────────────────

NOT_FOUND = Completed(127, b"", b"id: command not found")
NO_SUDO = b"env: 'sudo': No such file or directory\n"

JUDGED: list[tuple[Completed, Completed]] = [
    (OK, OK),
    (Completed(1, b"out", b"sudo: id: command not found\n"), NOT_FOUND),
    (Completed(2, b"", b"sudo: id: command not found\n"), Completed(2, b"", b"sudo: id: command not found\n")),
    (Completed(1, b"", b"sudo: ls: command not found\n"), Completed(1, b"", b"sudo: ls: command not found\n")),
    (Completed(127, b"out", b"timeout: failed to run command 'id': No such file or directory\n"), NOT_FOUND),
    (Completed(126, b"", b"timeout: failed to run command 'id'\n"),) * 2,
    (Completed(127, b"", b"sh: 1: x: not found\n"),) * 2,
    (Completed(2, b"", b"a is not in the sudoers file.\n"), OK),  # it may be sudo's no to timeout: tried bare
    (Completed(0, b"", NO_SUDO),) * 2,
]


@pytest.mark.parametrize(("answer", "judged"), JUDGED)
async def test_an_answer_is_sudos_or_the_commands_by_its_status_and_its_words(
    answer: Completed, judged: Completed
) -> None:
    assert await run(made(), Machine(answer, OK)) == judged


async def test_words_like_a_refusal_of_another_status_are_the_commands_own() -> None:
    answer = Completed(2, b"", b"a is not in the sudoers file.\n")
    assert await run(made(), Machine(answer, answer)) == answer


@pytest.mark.parametrize("status", [1, 127])
async def test_a_machine_without_sudo_is_told_and_what_to_do(status: int) -> None:
    become = made()
    with pytest.raises(NoWayIn) as caught:
        await run(become, Machine(Completed(status, b"", NO_SUDO)))
    assert str(caught.value) == "vps has no sudo; log in as root there, or leave out become"
