"""rotate-certificate: what it orders and what it does not, its rehearsal, and a push that fails."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from console.events import FlowEvent, StepChanged, StepPlanned
from console.facts import certificates
from console.flows import StepContext, asking, registry
from console.runner.ending import Ending
from console.runner.session import Session
from tests.console.facts.name_servers import Here, Serve, saying, serving
from tests.console.flows.case import tree
from tests.console.flows.cases import certificate_sync as sync
from tests.console.flows.cases import rotate_certificate as case
from tests.console.flows.walking import agree, context, folder

HOSTS = "vps/etc", "vps/root", "vps/usr", "vm/etc", "vm/root", "vm/usr", "vm/opt"
RENEW = f"renew --cert-name {sync.NAME} --non-interactive --no-random-sleep-on-renew"


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    async with serving() as start:
        yield start


@pytest.fixture(autouse=True)
def swift(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "PAUSE", 0)


async def walk(root: Path, renew: str) -> tuple[Ending, list[StepChanged]]:
    seen: list[FlowEvent] = []
    plain = context(case.CASE, root)
    world = StepContext(plain.estate, plain.hosts, {}, {"renew": renew})
    ending = await Session(registry.find("rotate-certificate"), world, agree, seen.append, folder(root)).run()
    return ending, [event for event in seen if isinstance(event, StepChanged)]


def orders(root: Path) -> list[str]:
    file = root / "orders"
    return file.read_text().splitlines() if file.exists() else []


def served(root: Path) -> str:
    return (root / sync.SSL / "cert.pem").read_text()


async def test_what_is_due_is_ordered_once_pushed_by_the_hook_and_then_left_alone(tmp_path: Path) -> None:
    case.build(tmp_path)
    ending, _ = await walk(tmp_path, "due")
    assert (ending.outcome, orders(tmp_path)) == ("done", [RENEW])
    assert served(tmp_path) == case.pair(89)[0]
    before = tree(tmp_path, *HOSTS)
    for wish in ("due", "no"):
        ending, _ = await walk(tmp_path, wish)
        assert ending.words == "nothing to do: everything is as it should be"
    assert (orders(tmp_path), tree(tmp_path, *HOSTS)) == ([RENEW], before)


async def test_what_is_not_due_is_ordered_when_that_is_typed_and_a_retry_uses_what_was_issued(tmp_path: Path) -> None:
    case.build(tmp_path, left=60)
    ending, steps = await walk(tmp_path, "due")
    assert (ending.outcome, orders(tmp_path)) == ("done", [])
    assert [each.words for each in steps if "due" in each.words] == ["not due: 60 days left of 90 days"]
    for _ in range(2):
        ending, _ = await walk(tmp_path, "yes")
        assert (ending.outcome, orders(tmp_path)) == ("done", [f"{RENEW} --force-renewal"])
    assert served(tmp_path) == case.pair(89)[0]


async def test_a_rehearsal_asks_the_lineages_own_authority_and_changes_nothing(tmp_path: Path) -> None:
    case.build(tmp_path)
    before = tree(tmp_path, *HOSTS)
    ending, steps = await walk(tmp_path, "test")
    assert ending.outcome == "done", steps
    assert (tmp_path / "dry").read_text() == f"{RENEW} --server https://ca.example.org/directory --dry-run\n"
    assert (orders(tmp_path), tree(tmp_path, *HOSTS)) == ([], before)


@pytest.mark.parametrize(
    ("records", "settings", "answer", "kept", "words"),
    [
        (["3 1 1 {key}"], "", "yes", True, "the key stays, so the TLSA record still matches"),
        (["3 1 1 {key}"], "", "no", False, "the TLSA record will not match the new key"),
        (["3 1 1 {key}"], "reuse_key = True", None, False, "certbot keeps it at each renewal"),
        (["3 1 1 {other}"], "", None, False, "names this key: publish one for the new key"),
        (["3 0 1 {leaf}"], "", None, False, "names this key: publish one for the new key"),
        (["3 1 1 {other}", "3 1 1 {key}"], "reuse_key = False", "yes", True, "the key stays, so"),
        (["2 1 1 {other}"], "", None, False, "names the key or the certificate"),
        ([], "", None, False, "names the key or the certificate"),
        (None, "", None, False, "cannot tell whether a TLSA record names the key: the name server 192.0.2.1"),
    ],
)
async def test_a_key_that_a_tlsa_record_names_is_kept_when_the_operator_says_so(
    records: list[str] | None, settings: str, answer: str | None, kept: bool, words: str, tmp_path: Path, serve: Serve
) -> None:
    case.build(tmp_path)
    conf = tmp_path / f"vps/etc/letsencrypt/renewal/{sync.NAME}.conf"
    conf.write_text(f"{conf.read_text()}{settings}\n")
    (leaf,) = certificates.parse(case.pair(10)[0])
    told = [each.format(key=leaf.public_key, leaf=leaf.fingerprint, other="ab" * 32) for each in records or ()]
    name = f"_25._tcp.{sync.NAME}"
    ports = {} if records is None else {"192.0.2.1": await serve(saying(0, *told, name=name))}
    plain = context(case.CASE, tmp_path)
    hosts = {**plain.hosts, "here": Here("nameserver 192.0.2.1\n", ports)}
    flow = registry.find("rotate-certificate")
    given = {"renew": "due"} | ({"reuse": answer} if answer else {})
    if answer:
        world = StepContext(plain.estate, hosts, {}, {"renew": "due"})
        ending = await Session(flow, world, agree, lambda event: None, None).run()
        assert "--answer reuse=yes|no" in ending.words
    world = StepContext(plain.estate, hosts, {}, given)
    seen: list[FlowEvent] = []
    await Session(flow, world, agree, seen.append, folder(tmp_path)).run()  # no port is there to be seen at the end
    assert orders(tmp_path) == [f"{RENEW}{' --reuse-key' if kept else ''}"]
    assert served(tmp_path) == case.pair(89)[0]
    assert words in " ".join(note for each in seen if isinstance(each, StepPlanned) for note in each.plan.notes)


async def test_where_nothing_pushes_it_is_refused(tmp_path: Path) -> None:
    case.build(tmp_path)
    (tmp_path / case.SETTINGS).write_text("lineage = /etc/letsencrypt/live/other.example.org\n")
    ending, _ = await walk(tmp_path, "yes")
    assert ending.outcome == "refused"
    assert "run certificate-sync first; nothing was changed" in ending.words
    assert orders(tmp_path) == []


async def test_lets_encrypts_limit_is_counted_before_anything_is_ordered(tmp_path: Path) -> None:
    case.build(tmp_path)
    conf = tmp_path / f"vps/etc/letsencrypt/renewal/{sync.NAME}.conf"
    conf.write_text("server = https://acme-v02.api.letsencrypt.org/directory\n")
    for number in range(5):
        (tmp_path / f"vps/etc/letsencrypt/archive/{sync.NAME}/cert{number}.pem").touch()
    ending, _ = await walk(tmp_path, "due")
    assert ending.outcome == "refused"
    assert "issues 5 certificates for the same names within seven days, and certbot has 5" in ending.words
    assert orders(tmp_path) == []


async def test_a_push_that_fails_is_said_and_is_made_by_the_next_run_without_another_order(tmp_path: Path) -> None:
    case.build(tmp_path)
    allowed = tmp_path / "vm/root/.ssh/authorized_keys"
    kept = allowed.read_text()
    allowed.write_text("")
    for name in ("vps/usr/local/bin/sleep", "vps/bin/sleep"):  # the hook waits between its tries
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    ending, _ = await walk(tmp_path, "due")
    assert ending.outcome == "failed"
    assert served(tmp_path) == case.pair(10)[0]
    allowed.write_text(kept)
    ending, _ = await walk(tmp_path, "due")
    assert (ending.outcome, orders(tmp_path)) == ("done", [RENEW])
    assert served(tmp_path) == case.pair(89)[0]


@pytest.mark.parametrize(
    ("left", "push", "state", "words"),
    [
        (10, "", "needed", "due: 10 days left of 90 days"),
        (60, "", "done", "not due, and pushed: 60 days left of 90 days"),
        (60, "the last push failed: a reason", "needed", "the last push failed: a reason"),
    ],
)
async def test_the_list_of_flows_says_what_is_due_and_asks_nothing(
    left: int, push: str, state: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case.build(tmp_path, left=left)

    async def pushed(*nothing: object) -> str:
        return push

    monkeypatch.setattr("console.flows.certificate_sync.proof.pushed", pushed)
    plain = context(case.CASE, tmp_path)
    flow = registry.find("rotate-certificate")
    assert flow.standing is not None
    found = await flow.standing(StepContext(plain.estate, plain.hosts))
    assert (found.state, found.words) == (state, words)


async def test_an_answer_that_two_steps_need_is_named_once(tmp_path: Path) -> None:
    case.build(tmp_path, left=60)
    plain = context(case.CASE, tmp_path)
    world = StepContext(plain.estate, plain.hosts)
    session = Session(registry.find("rotate-certificate"), world, agree, lambda event: None, None)
    ending = await session.run()
    assert ending.words == "questions without an answer yet: give --answer renew=due|yes|no|test; nothing was changed"
