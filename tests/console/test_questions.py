"""Questions are put once, secrets never show."""

from __future__ import annotations

import asyncio
import copy
import pickle
import traceback
from typing import Any

import msgspec
import pytest

from console.questions import Credentials, Question
from console.secret import Secret

VALUE = "correct horse"
QUESTION = Question("passphrase:/k", "passphrase", "vps", "passphrase of /k", "", True)


def test_a_secret_shows_in_no_text() -> None:
    secret = Secret(VALUE)
    texts = [
        repr(secret),
        str(secret),
        f"{secret}",
        f"{secret!s:>20}",
        "%s" % secret,  # noqa: UP031
        repr([secret]),
        repr({1: secret}),
    ]
    assert not any(VALUE in text for text in texts)
    assert secret.reveal() == VALUE
    assert copy.deepcopy({"a": secret})["a"] is secret and copy.copy(secret) is secret


@pytest.mark.parametrize("write", [pickle.dumps, msgspec.json.encode, msgspec.to_builtins])
def test_a_secret_is_not_written_down(write: Any) -> None:
    with pytest.raises(TypeError) as caught:
        write(Secret(VALUE))
    assert VALUE not in str(caught.value)


def test_a_secret_shows_in_no_traceback_with_locals() -> None:
    def fail(secret: Secret) -> None:
        raise ValueError(f"with {secret}")

    try:
        fail(Secret(VALUE))
    except ValueError as error:
        shown = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    assert VALUE not in shown.replace('VALUE = "', "")


async def test_the_same_question_is_put_once_for_all_who_ask() -> None:
    asked: list[Question] = []
    answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def ask(question: Question) -> str:
        asked.append(question)
        return await answer

    credentials = Credentials(ask)
    waiting = [asyncio.ensure_future(credentials.ask(QUESTION)) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    answer.set_result(VALUE)
    done = await asyncio.gather(*waiting, return_exceptions=True)
    assert [each.reveal() for each in done[1:] if isinstance(each, Secret)] == [VALUE, VALUE]
    assert isinstance(done[0], asyncio.CancelledError) and len(asked) == 1


async def test_not_now_is_not_asked_again_until_forgotten() -> None:
    asked: list[Question] = []

    async def ask(question: Question) -> str | None:
        asked.append(question)
        return None

    credentials = Credentials(ask)
    assert [await credentials.ask(QUESTION) for _ in range(3)] == [None, None, None]
    assert len(asked) == 1 and credentials.declined(QUESTION.id)
    credentials.forget()
    await credentials.ask(QUESTION)
    assert len(asked) == 2


async def test_a_question_nobody_waits_for_any_more_is_withdrawn() -> None:
    withdrawn = asyncio.Event()

    async def ask(question: Question) -> str:
        try:
            await asyncio.sleep(60)
        finally:
            withdrawn.set()
        return ""

    waiting = asyncio.ensure_future(Credentials(ask).ask(QUESTION))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait_for(withdrawn.wait(), 60)


async def test_nobody_is_asked_where_there_is_nobody() -> None:
    assert await Credentials().ask(QUESTION) is None
    assert Credentials().declined(QUESTION.id) and not Credentials().staffed
