"""What the engine asks is put in the docked bar, answered there, and never shown in clear when it is a secret."""

from __future__ import annotations

from console.events import Asked
from console.questions import Question
from tests.screens.house import build, settle
from tests.screens.stage import calm

KEY = Question(
    "host-key vps",
    "host-key",
    "vps",
    "vps shows a host key that is not known yet",
    "ED25519 SHA256:uNiVztksCsDhcc0u9e8BgrJXVGDJuvJyDZEHqyPLxXo\nit would be kept in ~/.ssh/known_hosts",
    False,
)
PASSPHRASE = Question("passphrase id", "passphrase", "vps", "the key ~/.ssh/id_ed25519 is locked", "", True)


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


async def test_escape_is_not_now_and_the_next_question_follows() -> None:
    stage = calm()
    app = build(stage)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        stage.say(Asked((KEY, PASSPHRASE)))
        rows = await settle(pilot, "escape")
        assert rows[-1].startswith(" passphrase, esc for not now")
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
