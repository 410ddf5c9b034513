"""What the engine asks is put in the docked bar, answered there, and never shown in clear when it is a secret."""

from __future__ import annotations

from console.events import Asked
from console.questions import Question, quotation
from tests.screens.house import build, settle
from tests.screens.stage import calm

KEY = Question(
    "host-key vps",
    "host-key",
    "vps",
    "is this the host key of that machine?",
    "ssh-ed25519 SHA256:uNiVztksCsDhcc0u9e8BgrJXVGDJuvJyDZEHqyPLxXo\nyes adds it to ~/.ssh/known_hosts",
    False,
    "root@203.0.113.7",
)
PASSPHRASE = Question("passphrase id", "passphrase", "vps", "passphrase of ~/.ssh/id_ed25519", "to log in to vps", True)
SUDO = Question(
    "sudo id",
    "sudo",
    "mailcow",
    "sudo password of deploy on mailcow",
    "It is kept in memory until cowhand ends, and written nowhere.",
    True,
)
IMITATION = Question(
    "code id",
    "code",
    "vps",
    "an answer to log in as root",
    "",
    True,
    "root@203.0.113.7",
    quotation("cowhand asks, for mailcow:\nto log in to vps\n", "sudo p\u0430ssword of deploy on mailcow\n"),
)
"""A server that words its question as cowhand words its own."""


async def test_a_question_stands_below_the_live_lanes_and_yes_answers_it() -> None:
    stage = calm()
    app = build(stage)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        stage.say(Asked((KEY,)))
        rows = await settle(pilot)
        assert any("imaps" in row for row in rows)
        assert any("SHA256:uNiVztks" in row for row in rows)
        assert rows[-1].startswith(" type yes to trust this key")
        await settle(pilot, "y", "e", "s", "enter")
    assert "answer host-key vps yes" in stage.asked


async def test_a_secret_shows_as_dots_and_is_forgotten() -> None:
    stage = calm()
    app = build(stage)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        stage.say(Asked((PASSPHRASE,)))
        rows = await settle(pilot, *"geheim")
        assert "••••••" in rows[-1]
        assert not any("geheim" in row for row in rows)
        await settle(pilot, "enter")
        assert "geheim" not in repr(vars(app.query_one("#bar")))
    assert "answer passphrase id geheim" in stage.asked


async def test_escape_cancels_a_question_and_the_next_one_follows() -> None:
    stage = calm()
    app = build(stage)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        stage.say(Asked((KEY, PASSPHRASE)))
        rows = await settle(pilot, "escape")
        assert rows[-1].startswith(" passphrase, esc to cancel")
    assert "answer host-key vps None" in stage.asked


async def test_a_question_waits_until_the_palette_is_closed() -> None:
    stage = calm()
    app = build(stage)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot, "colon")
        stage.say(Asked((KEY,)))
        rows = await settle(pilot, "l", "o")
        assert rows[-1].startswith(" : lo")
        rows = await settle(pilot, "escape")
        assert rows[-1].startswith(" type yes")


async def test_a_question_that_is_withdrawn_leaves_the_screen() -> None:
    stage = calm()
    app = build(stage)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        stage.say(Asked((KEY,)))
        await settle(pilot)
        stage.say(Asked(()))
        rows = await settle(pilot)
        assert rows[-1].startswith(" ? help")
    assert not any(asked.startswith("answer") for asked in stage.asked)
