"""What a step gets from its context beside hosts: files, answers, secrets, and the lock of a host."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from console.errors import FileError, Missing, NoWayIn
from console.estate.load import load
from console.hosts.host import ANY, Before, Completed, Host
from console.hosts.lock import Console, Holder, HostLocked
from console.runner.context import StepContext, Surroundings, Unanswered
from console.runner.plan import Ask, Write
from console.secret import Secret
from tests.console.flows.playing import SITE


class Shelf:
    """Stands for a host of files."""

    def __init__(self, name: str = "cow", role: str = "mail", said: Completed | None = None, **files: bytes) -> None:
        self.name, self.role, self.files = name, role, files
        self.said = said or Completed(0, b"640\n", b"")
        self.asked: list[tuple[Any, ...]] = []

    async def run(self, argv: Sequence[str], timeout: float, cap: int = 1 << 20) -> Completed:
        self.asked.append((*argv, timeout))
        return self.said

    async def read(self, path: str, cap: int = 1 << 20) -> bytes:
        self.asked.append(("read", path, cap))
        if path == "locked":
            raise FileError("no")
        if path not in self.files:
            raise Missing(path)
        return self.files[path]

    async def write(self, path: str, data: bytes, mode: int = 0o600, before: Before = ANY) -> None:
        raise AssertionError


def context(tmp_path: Path, *hosts: Shelf, **more: Any) -> StepContext:
    (tmp_path / "site.toml").write_text(SITE)
    known = {host.name: cast("Host", host) for host in hosts}
    return StepContext(load(tmp_path / "site.toml"), known, **more)


# ── files ───────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_file_is_its_bytes_or_its_text_or_none(tmp_path: Path) -> None:
    host = Shelf(a=b"x\xff")
    found = context(tmp_path, host)
    assert await found.data("mail", "a") == b"x\xff"
    assert await found.text("mail", "a") == "x\udcff"
    assert await found.data("mail", "b") is None
    assert await found.text("mail", "b") is None
    with pytest.raises(FileError):
        await found.data("mail", "locked")
    await found.data("mail", "a", 7)
    await found.text("mail", "a", 9)
    assert [each[2] for each in host.asked] == [1 << 20] * 5 + [7, 9]


async def test_only_a_fresh_look_goes_past_what_is_kept(tmp_path: Path) -> None:
    host = Shelf(a=b"x")
    found = context(tmp_path, host)
    found.keeping = True
    for _ in range(2):
        await found.data("mail", "a")
        await found.host("mail").read("a")
    assert len(host.asked) == 1
    await found.data("mail", "a", fresh=True)
    assert len(host.asked) == 2


EDITS: list[tuple[str, str | bytes, dict[str, Any], Write]] = [
    ("a", "new", {}, Write("mail", "a", b"old", b"new", 0o640)),
    ("a", b"n\xff", {"mode": 0o600}, Write("mail", "a", b"old", b"n\xff", 0o600)),
    ("a", "n\udcff", {"sealed": True}, Write("mail", "a", b"old", b"n\xff", 0o640, True)),
    ("b", "new", {}, Write("mail", "b", None, b"new", 0o644)),
    ("b", "new", {"mode": 0}, Write("mail", "b", None, b"new", 0)),
]


@pytest.mark.parametrize(("path", "after", "more", "write"), EDITS)
async def test_an_edit_keeps_the_mode_unless_one_is_given(
    path: str, after: str | bytes, more: dict[str, Any], write: Write, tmp_path: Path
) -> None:
    host = Shelf(a=b"old")
    assert await context(tmp_path, host).edit("mail", path, after, **more) == write
    stats = [each for each in host.asked if each[0] == "stat"]
    assert stats == ([("stat", "-L", "-c", "%a", "--", "a", 10.0)] if path == "a" and "mode" not in more else [])


async def test_a_mode_that_cannot_be_told_is_the_other(tmp_path: Path) -> None:
    found = context(tmp_path, Shelf(said=Completed(1, b"", b"no"), a=b"old"))
    assert await found.mode("mail", "a", 0o604) == 0o604
    assert (await found.edit("mail", "a", "new")).mode == 0o644


# ── answers and secrets ─────────────────────────────────────────────────────────────────────────────────────────────

NAME, SIZE = Ask("name", "whose?"), Ask("size", "how much?", kind="number", range=(1, 9))


def test_what_is_missing_is_asked_for_together_and_what_cannot_be_used_is_missing(tmp_path: Path) -> None:
    found = context(tmp_path, answers={"size": "10"})
    with pytest.raises(Unanswered) as caught:
        found.ask_all(NAME, SIZE)
    assert caught.value.questions == (NAME, SIZE)
    assert str(caught.value) == "whose? (--answer name=…); how much? (--answer size=…)"
    found.answers = {"size": "9"}
    with pytest.raises(Unanswered) as caught:
        found.ask_all(NAME, SIZE)
    assert caught.value.questions == (NAME,)
    found.answers["name"] = ""
    assert found.ask_all(SIZE, NAME) == ("9", "")
    assert found.ask(SIZE) == "9"


def test_what_the_site_says_is_an_answer_until_the_operator_gives_another(tmp_path: Path) -> None:
    question = Ask("name", "whose?", given="bob")
    assert context(tmp_path).ask(question) == "bob"
    assert context(tmp_path, answers={"name": "eve"}).ask(question) == "eve"
    answers = {"name": "bob"}
    found = context(tmp_path, answers=answers)
    found.answers["name"] = "eve"
    assert answers == {"name": "bob"}


def test_only_the_answer_to_a_secret_question_is_hidden(tmp_path: Path) -> None:
    found = context(tmp_path, answers={"name": "hunter2x", "other": "wonder9y"})
    found.ask_all(Ask("name", "whose?", secret=True), Ask("other", "what?"))
    assert found.redact("hunter2x wonder9y") == "•••••• wonder9y"
    assert (found.betrays("a hunter2x b"), found.betrays("wonder9y")) == (True, False)


def test_a_secret_is_asked_for_and_hidden_as_one(tmp_path: Path) -> None:
    found = context(tmp_path, answers={"name": "hunter2x"})
    assert found.secret(NAME) == Secret("hunter2x")
    assert found.betrays("hunter2x")


def test_a_secret_that_is_made_is_made_once_and_hidden(tmp_path: Path) -> None:
    found, made = context(tmp_path), iter(["hunter2x", "hunter3x", "hunter4x"])
    first = found.generated("a", lambda: next(made))
    assert (first.reveal(), found.generated("a", lambda: next(made)).reveal()) == ("hunter2x", "hunter2x")
    assert found.generated("b", lambda: next(made)).reveal() == "hunter3x"
    assert found.redact("hunter2x") == "••••••"


def test_the_longer_of_two_secrets_is_hidden_whole_and_what_looks_like_one_too(tmp_path: Path) -> None:
    found = context(tmp_path)
    found.hide("hunter")
    found.hide(Secret("hunter-two"))
    assert found.redact("a hunter-two b hunter c") == "a •••••• b •••••• c"
    assert found.redact("password: geheim") == "password: ••••••"
    assert not found.betrays("geheim")


# ── memory and means ────────────────────────────────────────────────────────────────────────────────────────────────


async def test_what_is_cached_is_made_again_after_a_change(tmp_path: Path) -> None:
    found, made = context(tmp_path), iter([None, 1])

    async def make() -> int | None:
        return next(made)

    assert (await found.cached("k", make), await found.cached("k", make)) == (None, None)
    found.invalidate()
    assert await found.cached("k", make) == 1


def test_who_looks_at_the_lanes_is_the_one_that_was_given(tmp_path: Path) -> None:
    look = cast("Any", object())
    assert context(tmp_path, lanes=look).lanes is look
    assert context(tmp_path).lanes is None


def test_what_a_dry_run_would_have_done_by_now_is_expected(tmp_path: Path) -> None:
    found = context(tmp_path, destroy=("disk",))
    found.planned.add("first")
    assert (found.expects("first"), found.expects("second"), found.destroy) == (True, False, {"disk"})


async def test_renewal_brings_new_hosts_and_forgets_what_was_read(tmp_path: Path) -> None:
    old, new = Shelf("cow"), Shelf("ox")
    estate = context(tmp_path).estate

    async def renewal() -> Surroundings:
        return Surroundings(estate, {"ox": cast("Host", new)}, {"cow": "it was sold"})

    found = context(tmp_path, old, renewal=renewal)
    found.keeping = True
    await found.data("cow", "a")
    await found.renew()
    assert (found.name("mail"), found.estate is estate, cast("Any", found.hosts["ox"]) is new) == ("ox", True, True)
    with pytest.raises(NoWayIn, match=r"^it was sold$"):
        found.machine("cow")
    plain = context(tmp_path, old)
    plain.keeping = True
    await plain.data("cow", "a")
    await plain.renew()
    await plain.data("cow", "a")
    assert len(old.asked) == 3


def test_an_interface_is_known_by_its_name(tmp_path: Path) -> None:
    one, two = cast("Any", object()), cast("Any", object())
    given = {"one": one}
    found = context(tmp_path, apis=given)
    found.offer("two", two)
    assert (found.api("one") is one, found.api("two") is two, [*given]) == (True, True, ["one"])
    for each in (found, context(tmp_path)):
        with pytest.raises(NoWayIn, match=r"^no way in: cowhand is not connected to three$"):
            each.api("three")


def test_a_host_that_is_not_there_is_named_with_what_the_site_lacks(tmp_path: Path) -> None:
    for which, words in (("mail", 'no host has role = "mail" in site.toml'), ("ox", 'site.toml has no host "ox"')):
        with pytest.raises(NoWayIn) as caught:
            context(tmp_path).key(which)
        assert str(caught.value) == f"no way in: {words}"
        assert context(tmp_path).name(which) == which


# ── locks ───────────────────────────────────────────────────────────────────────────────────────────────────────────


class Locks:
    """Stands for the locks of the hosts."""

    def __init__(self, error: HostLocked | None = None) -> None:
        self.error = error
        self.held: list[tuple[Any, str]] = []

    async def hold(self, host: Host, over: str) -> None:
        self.held.append((host, over))
        if self.error is not None:
            raise self.error


def locked(quiet: float) -> HostLocked:
    return HostLocked("cow", Holder(Console("RUN", "flow", 1, "bob", "desk"), 1.0, quiet))


async def test_a_lock_is_held_with_the_answer_that_takes_it_over(tmp_path: Path) -> None:
    host = Shelf()
    found = context(tmp_path, host)
    await found.lock("mail")
    locks = Locks()
    found.locks = cast("Any", locks)
    await found.lock("mail")
    found.answers["take-over"] = "RUN"
    await found.lock("cow")
    assert locks.held == [(host, ""), (host, "RUN")]


QUIETS = [(119.9, "", False), (120.0, "", True), (121.0, "RUN", True), (121.0, "no", False)]


@pytest.mark.parametrize(("quiet", "over", "asked"), QUIETS)
async def test_whether_it_is_taken_over_is_asked_where_its_console_has_gone_quiet(
    quiet: float, over: str, asked: bool, tmp_path: Path
) -> None:
    found = context(tmp_path, Shelf(), answers={"take-over": over} if over else {})
    error = locked(quiet)
    found.locks = cast("Any", Locks(error))
    with pytest.raises(Unanswered if asked else HostLocked) as caught:
        await found.lock("mail")
    if isinstance(caught.value, Unanswered):
        (question,) = caught.value.questions
        assert question.key == "take-over"
        assert question.text == f"{error}; whether it still changes something there is not known. Take its lock over?"
        assert question.choices == {"RUN": "take the lock over: that run has ended", "no": "leave it to that run"}


async def test_a_lock_that_is_nobody_s_any_more_is_an_error(tmp_path: Path) -> None:
    found = context(tmp_path, Shelf())
    found.locks = cast("Any", Locks(HostLocked("cow", None)))
    with pytest.raises(HostLocked):
        await found.lock("mail")
