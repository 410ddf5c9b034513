"""certificate-sync: what it refuses, a set-up that is upgraded where it stands, its way back, and where no key goes."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from console.errors import StreamError
from console.events import FlowEvent, Prompt
from console.flows import Refusal, asking
from console.flows.certificate_sync import lines
from console.flows.certificate_sync.ground import Ground, ground
from console.hosts.host import Completed
from console.runner.ending import Ending
from console.runner.session import Session
from console.store import journal
from tests.console.flows.case import tree
from tests.console.flows.cases import certificate_sync as case
from tests.console.flows.walking import agree, context, folder, walk

KEY = "ssh-ed25519 AAAAC3Nz"
GROUND = Ground("mail.example.org", "/etc/letsencrypt/live/mail.example.org", "", "10.0.0.2", "/opt/mailcow-dockerized",
                "/hook")  # fmt: skip
WANTED = lines.line(GROUND, KEY, "10.0.0.1", False)
ENTRY = f"{WANTED} {lines.COMMENT}"
HOSTS = "vps/etc", "vps/root", "vps/usr", "vps/var/lib", "vm/etc", "vm/root", "vm/usr", "vm/opt", "vm/var/lib"


@pytest.fixture(autouse=True)
def swift(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "PAUSE", 0)


def test_the_entry_holds_the_key_to_one_command_from_one_address() -> None:
    command = 'command="/usr/local/bin/mailcow-cert-deploy.sh mail.example.org"'
    assert f'restrict,from="10.0.0.1",{command} {KEY}' == WANTED


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", f"{ENTRY}\n"),
        ("# mine\n", f"# mine\n{ENTRY}\n"),
        ("# no end", f"# no end\n{ENTRY}\n"),
        (f"{KEY} seed\n", f"{ENTRY}\n"),
        (f'a\ncommand="/x" {KEY} seed\nb\r\n', f"a\n{ENTRY}\nb\r\n"),
        (f"{KEY} one\nssh-rsa BBBB\n{KEY} two\n", f"{ENTRY}\nssh-rsa BBBB\n"),
        (f"# {KEY} was here\n", f"# {KEY} was here\n{ENTRY}\n"),
        ("ssh-ed25519 AAAAC3NzX another\n", f"ssh-ed25519 AAAAC3NzX another\n{ENTRY}\n"),
    ],
)
def test_one_line_is_added_or_changed_and_every_other_stays(before: str, after: str) -> None:
    assert lines.allow(before, KEY, WANTED) == after
    assert not lines.allows(before, KEY, WANTED)
    assert lines.allows(after, KEY, WANTED)
    assert lines.allow(after, KEY, WANTED) == after


@pytest.mark.parametrize(
    "text", [f"{ENTRY}\n{KEY} free\n", f"{WANTED}x\n", f"restrict,{WANTED.removeprefix('restrict,')}x\n"]
)
def test_a_key_that_may_do_more_is_not_taken_for_held(text: str) -> None:
    assert not lines.allows(text, KEY, WANTED)


# ── whole runs ──────────────────────────────────────────────────────────────────────────────────────────────────────


def plain(root: Path) -> None:
    """Nothing of a sync is there."""


def guide(root: Path) -> None:
    """The hook, script and free key of a plain set-up, under names of their own."""
    hook = root / "vps/etc/letsencrypt/renewal-hooks/deploy/mailcow.sh"
    hook.write_text("#!/bin/sh\n{ cat fullchain.pem; echo ---; cat privkey.pem; } | ssh root@mailcow\n")
    hook.chmod(0o755)
    (root / case.KEY).write_text("an older key, made\n")
    (root / case.KEY).chmod(0o600)
    (root / f"{case.KEY}.pub").write_text(f"{case.PUBLIC} old\n")
    (root / "vm/usr/local/bin/mailcow-cert-deploy.sh").write_text("#!/bin/bash\ncat\n")
    (root / "vm/usr/local/bin/mailcow-cert-deploy.sh").chmod(0o700)
    with (root / "vm/root/.ssh/authorized_keys").open("a") as file:
        file.write(f"{case.PUBLIC} free\nssh-rsa CCCC last\n")
    (root / "vm/etc/ssh").mkdir()
    (root / "vm/etc/ssh/ssh_host_ed25519_key.pub").write_text("ssh-ed25519 AAAAHostKey root@vm\n")


def bytes_of(root: Path) -> dict[str, object]:
    """Both hosts whole; what the runner itself lays for its lock is not the sync's."""
    found = tree(root, *HOSTS)
    return {path: each for path, each in found.items() if "/var/lib" not in path or "certificate" in path}


@pytest.mark.slow
@pytest.mark.parametrize("before", [plain, guide])
async def test_both_hosts_are_synchronised_and_an_undo_restores_them_to_the_byte(
    before: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case.build(tmp_path)
    before(tmp_path)
    first = bytes_of(tmp_path)
    told: list[FlowEvent] = []
    argv: list[Sequence[str]] = []
    run = case.Machine.run

    async def watched(self: case.Machine, words: Sequence[str], timeout: float, cap: int = 1 << 20) -> Completed:
        argv.append(words)
        return await run(self, words, timeout, cap)

    monkeypatch.setattr(case.Machine, "run", watched)

    async def operator(prompt: Prompt) -> str | None:
        return next(iter(prompt.choices)) if prompt.key == "pusher" else await agree(prompt)

    ending = await walk(case.CASE, tmp_path, told.append, operator=operator)
    assert ending == Ending("done", "done, and verified", ""), ending
    assert (tmp_path / case.SSL / "cert.pem").read_text() == case.pair(2)[0]
    assert (tmp_path / case.SSL / "key.pem").read_text() == case.pair(2)[1]
    entries = (tmp_path / "vm/root/.ssh/authorized_keys").read_text()
    assert entries.startswith(case.OTHERS)
    assert entries.count(case.PUBLIC) == entries.count("restrict,") == 1
    if before is guide:
        assert entries.endswith("ssh-rsa CCCC last\n")
        assert (tmp_path / case.KEY).read_text() == "an older key, made\n"
        assert "certbot's deploy hook" in (tmp_path / case.HOOK).with_name("mailcow.sh").read_text()
        assert not (tmp_path / case.HOOK).exists()
    synced = bytes_of(tmp_path)
    assert (await walk(case.CASE, tmp_path, told.append)) == Ending(
        "done", "nothing to do: everything is as it should be", ""
    )
    assert bytes_of(tmp_path) == synced
    _no_key(tmp_path, told, argv)
    record = next(each for each in journal.runs(folder(tmp_path), 5) if each.entries and _changes(each))
    world = context(case.CASE, tmp_path)
    ending = await Session(case.CASE.flow, world, agree, told.append, folder(tmp_path), record).run()
    assert ending.outcome == "done", ending.words
    assert bytes_of(tmp_path) == first


def _changes(record: journal.Record) -> bool:
    return any(entry.kind == "intent" for entry in record.entries)


def _no_key(root: Path, told: Sequence[FlowEvent], argv: Sequence[Sequence[str]]) -> None:
    """No byte of a private key is in a journal, in what was told, or among the words of a command."""
    secrets = [row for row in case.pair(2)[1].split("\n") if row and "KEY" not in row]
    state = Path(os.environ["XDG_STATE_HOME"])
    texts = [each.read_text(errors="replace") for each in state.rglob("*") if each.is_file()]
    texts += [each.read_text(errors="replace") for each in folder(root).rglob("*") if each.is_file()]
    texts += [repr(told), repr(argv)]
    assert sum("certificate-sync" in text for text in texts)
    assert not [secret for secret in secrets for text in texts if secret in text]
    where = {path for path, each in tree(root, *HOSTS).items() if secrets[0] in str(each)}
    assert where == {f"{case.LIVE}/privkey.pem", f"{case.SSL}/key.pem"}


# ── what is refused ─────────────────────────────────────────────────────────────────────────────────────────────────


def unissued(root: Path) -> None:
    (root / case.LIVE / "fullchain.pem").unlink()


def doubled(root: Path) -> None:
    guide(root)
    (root / case.HOOK).write_text("another\n")


def elsewhere(root: Path) -> None:
    site = root / "site.toml"
    site.write_text(site.read_text() + '[[lane]]\nport = 993\nprotocol = "imaps"\ntarget = "10.10.10.9:993"\n')


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (unissued, "have certbot issue mail.example.org first"),
        (doubled, "each send the certificate away"),
        (elsewhere, "10.10.10.214 and 10.10.10.9: this flow pushes to one mail host"),
    ],
)
async def test_what_cannot_be_synchronised_is_refused(
    build: Callable[[Path], None], words: str, tmp_path: Path
) -> None:
    case.build(tmp_path)
    build(tmp_path)
    with pytest.raises(Refusal, match=words):
        await ground(context(case.CASE, tmp_path))


@pytest.mark.parametrize(
    ("said", "installed", "state", "words"),
    [
        (b"SSH-2.0-Tailscale\r\n", True, "refused", "does not read authorized_keys"),
        (b"220 mail ESMTP\r\n", True, "refused", "is no SSH server"),
        (b"", True, "refused", "does not reach it"),
        (b"", False, "needed", "has no sshd"),
        (b"SSH-2.0-OpenSSH_9.2p1\r\n", True, "done", "reaches OpenSSH_9.2p1"),
    ],
)
async def test_what_answers_at_the_ssh_port_is_told_apart(
    said: bytes, installed: bool, state: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case.build(tmp_path)
    (tmp_path / "vm/usr/sbin").mkdir()
    if installed:
        (tmp_path / "vm/usr/sbin/sshd").write_text("")
        (tmp_path / "vm/usr/sbin/sshd").chmod(0o755)

    async def connect(*words: object) -> case.Banner:
        if not said:
            raise StreamError("refused")
        return case.Banner(said)

    monkeypatch.setattr(case.Machine, "connect", connect)
    world = context(case.CASE, tmp_path)
    found = await case.CASE.flow.steps(world)[1].check(world)  # type: ignore[union-attr]
    assert (found.state, words in found.words) == (state, True), found.words


async def test_a_push_that_the_mail_host_refuses_is_no_sync(tmp_path: Path) -> None:
    case.build(tmp_path)
    for name in ("vps/bin/ssh", "vps/usr/local/bin/ssh"):
        text = (tmp_path / name).read_text()
        refusal = "echo 'refused: its certificate has expired; nothing was changed' >&2; exit 10"
        (tmp_path / name).write_text(text.replace("grep -q", f"{refusal}\ngrep -q"))
    ending = await walk(case.CASE, tmp_path, lambda event: None)
    assert ending is not None
    assert ending.outcome != "done"
    assert "its certificate has expired" in ending.words + str(await case.CASE.flow.steps(
        context(case.CASE, tmp_path))[-1].check(context(case.CASE, tmp_path)))  # type: ignore[union-attr]  # fmt: skip
    assert (tmp_path / case.SSL / "cert.pem").read_text() == case.pair(1)[0]


@pytest.mark.parametrize("told", ["*", "*,!10.10.10.1", "10.10.10.?", "proxy"])
async def test_a_proxy_cannot_have_its_key_taken_from_everywhere(told: str, tmp_path: Path) -> None:
    case.build(tmp_path)
    for name in ("vps/bin/ip", "vps/usr/local/bin/ip"):
        if (tmp_path / name).exists():
            (tmp_path / name).write_text(f"#!/bin/sh\necho '10.10.10.214 dev eth0 src {told} uid 0'\n")
    asked: list[str] = []

    async def operator(prompt: Prompt) -> str | None:
        asked.append(prompt.key)
        return None if prompt.key == "from" else await agree(prompt)

    await walk(case.CASE, tmp_path, lambda event: None, operator=operator)
    assert "from" in asked
    assert "from=" not in (tmp_path / "vm/root/.ssh/authorized_keys").read_text()


# ── HAProxy's own files ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("lines", "served"),
    [
        ("bind :443 ssl crt /etc/haproxy/certs/mail.pem", True),
        ("bind *:443 ssl crt /etc/haproxy/certs/mail.pem alpn h2", True),
        ("bind :443 ssl crt /etc/haproxy/certs/", True),
        ("bind :443 ssl crt /etc/haproxy/certs", True),
        ("bind :443 ssl crt /etc/haproxy/certs/other.pem crt /etc/haproxy/certs/mail.pem", True),
        ("bind :443 ssl crt-list /etc/haproxy/list", True),
        ("bind 203.0.113.1:443 ssl crt /etc/haproxy/certs/mail.pem", False),
        ("bind :443 ssl crt mail.pem", True),
        (f"bind :443 ssl crt /etc/haproxy/certs/mail.pem crt /etc/letsencrypt/live/{case.NAME}/fullchain.pem", True),
    ],
)
async def test_a_bundle_is_found_as_a_file_in_a_folder_in_a_list_and_below_the_base(
    lines: str, served: bool, tmp_path: Path
) -> None:
    case.build(tmp_path)
    certs = tmp_path / "vps/etc/haproxy/certs"
    (certs / ".cowhand").mkdir(parents=True)
    (certs / "mail.pem").write_text("".join(case.pair(1)))
    (certs / "mail.pem.key").write_text(case.pair(1)[1])
    (certs / "other.pem").write_text("nothing\n")
    (tmp_path / "vps/etc/haproxy/list").write_text("# ours\n/etc/haproxy/certs/mail.pem [alpn h2] mail.example.org\n")
    cfg = f"global\n  crt-base /etc/haproxy/certs\nfrontend web\n  mode http\n  {lines}\n"
    (tmp_path / "haproxy.cfg").write_text(cfg)
    site = tmp_path / "site.toml"
    site.write_text('[sources]\nhaproxy = ["haproxy.cfg"]\n' + site.read_text())
    found = await ground(context(case.CASE, tmp_path))
    assert found.bundles == ("/etc/haproxy/certs/mail.pem",)
    assert found.served == (("127.0.0.1:443",) if served else ())
