"""What is put back where a push failed: the scripts alone, and in a rotation in which one side takes the new pair."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from console.events import ActionBegan, FlowEvent, StepChanged
from console.flows import Plan, Run, StepContext, asking, needed, registry
from console.flows.certificate_sync import proof
from console.flows.certificate_sync.commands import KEEP, RETURN
from console.flows.certificate_sync.ground import Ground
from console.flows.certificate_sync.previous import MAIL, PROXY, Pushed, taking_back
from console.runner import runbook
from console.runner.session import Session
from console.sources import x509
from tests.console.flows.cases import certificate_sync as sync
from tests.console.flows.cases import rotate_certificate as case
from tests.console.flows.walking import agree, context, folder

OLD, NEW, OTHER = case.pair(10), case.pair(89), case.pair(60)
BUNDLE = "etc/haproxy/certs/mail.pem"


def leaf(pair: tuple[str, str]) -> str:
    import ssl

    read = x509.read(ssl.PEM_cert_to_DER_cert(pair[0]))
    assert read is not None
    return read.fingerprint


def tool(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def archive(vps: Path) -> Path:
    found = vps / f"etc/letsencrypt/archive/{sync.NAME}"
    found.mkdir(parents=True, exist_ok=True)
    # by number: 9 is before 10, and 10 is the new one
    for number, pair in ((2, OTHER), (9, OLD), (10, NEW)):
        (found / f"fullchain{number}.pem").write_text(pair[0])
        (found / f"privkey{number}.pem").write_text(pair[1])
    return found


def lay(vps: Path, pair: tuple[str, str] = NEW) -> Path:
    for name in ("haproxy", "systemctl"):
        tool(vps / "bin" / name, f'echo "{name} $*" >> {vps}/asked')
    bundle = vps / BUNDLE
    bundle.parent.mkdir(parents=True)
    bundle.write_text("".join(pair))
    bundle.chmod(0o640)
    (vps / "etc/haproxy/haproxy.cfg").write_text("")
    return bundle


def run(vps: Path, where: Path, bundle: Path) -> subprocess.CompletedProcess[str]:
    words = ["sh", "-c", PROXY, "sh", leaf(NEW), str(where), str(vps / "etc/haproxy/haproxy.cfg"), str(bundle)]
    return started(vps, words)


def started(vps: Path, words: list[str]) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": f"{vps}/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
    return subprocess.run(words, env=environment, capture_output=True, text=True, check=False)


def kept(vps: Path, bundle: Path) -> subprocess.CompletedProcess[str]:
    """A bundle kept as it is before the new pair is pushed."""
    return started(vps, ["sh", "-c", KEEP, "sh", str(vps / "store"), leaf(NEW), str(bundle)])


def returned(vps: Path, bundle: Path, made: str = "yes") -> subprocess.CompletedProcess[str]:
    """A push taken back."""
    config = str(vps / "etc/haproxy/haproxy.cfg")
    return started(vps, ["sh", "-c", RETURN, "sh", str(vps / "store"), leaf(NEW), made, config, str(bundle)])


def test_haproxy_gets_the_newest_pair_that_is_not_the_new_one(tmp_path: Path) -> None:
    bundle = lay(tmp_path)
    assert run(tmp_path, archive(tmp_path), bundle).returncode == 0
    assert bundle.read_text() == "".join(OLD)
    assert bundle.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in bundle.parent.iterdir()] == ["mail.pem"]
    config = tmp_path / "etc/haproxy/haproxy.cfg"
    assert (tmp_path / "asked").read_text() == f"haproxy -c -f {config}\nsystemctl reload haproxy\n"


def emptied(vps: Path, where: Path) -> None:
    for each in where.glob("*[29].pem"):
        each.unlink()


def keyless(vps: Path, where: Path) -> None:
    (where / "privkey9.pem").unlink()


def ended(vps: Path, where: Path) -> None:
    (where / "fullchain9.pem").write_text(sync.pair(77, life=90, left=0)[0])


def refused(vps: Path, where: Path) -> None:
    tool(vps / "bin/haproxy", "exit 1")


def deaf(vps: Path, where: Path) -> None:
    tool(vps / "bin/systemctl", "exit 1")


def full(vps: Path, where: Path) -> None:
    tool(vps / "bin/cp", "exit 1")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (emptied, "certbot has no pair from before"),
        (keyless, "certbot has no pair from before"),
        (ended, "the pair from before is at its end"),
        (refused, "it keeps what it had"),
        (deaf, "it keeps what it had"),
        (full, ""),
    ],
)
def test_where_the_pair_from_before_is_of_no_use_haproxy_keeps_the_new_one(
    damage: Callable[[Path, Path], None], words: str, tmp_path: Path
) -> None:
    bundle, where = lay(tmp_path), archive(tmp_path)
    damage(tmp_path, where)
    done = run(tmp_path, where, bundle)
    assert (done.returncode != 0, words in done.stderr) == (True, True), done
    assert bundle.read_text() == "".join(NEW)
    assert [path.name for path in bundle.parent.iterdir()] == ["mail.pem"]


def test_a_bundle_with_another_pair_is_left_as_it_is(tmp_path: Path) -> None:
    bundle = lay(tmp_path, OTHER)
    done = run(tmp_path, archive(tmp_path), bundle)
    assert (done.returncode, bundle.read_text()) == (0, "".join(OTHER))
    assert "it is left as it is" in done.stdout


@pytest.mark.parametrize(("held", "asked"), [(NEW, True), (OLD, False)], ids=["new", "old"])
def test_mailcow_is_put_back_only_where_it_has_the_new_pair(held: tuple[str, str], asked: bool, tmp_path: Path) -> None:
    (tmp_path / "cert.pem").write_text(held[0])
    tool(tmp_path / "deploy", f'echo "$*" > {tmp_path}/asked')
    words = [str(tmp_path / "cert.pem"), leaf(NEW), str(tmp_path / "deploy"), "/opt/mailcow", sync.NAME]
    subprocess.run(["sh", "-c", MAIL, "sh", *words], check=True, capture_output=True)
    told = (tmp_path / "asked").read_text() if (tmp_path / "asked").exists() else ""
    assert told == (f"--folder /opt/mailcow --restore {sync.NAME}\n" if asked else "")


# ── in a rotation ───────────────────────────────────────────────────────────────────────────────────────────────────


def build(root: Path) -> None:
    """A set-up with a bundle of HAProxy's own, and certbot's archive."""
    case.build(root)
    vps = root / "vps"
    lay(vps, OLD)
    archive(vps)
    (root / "haproxy.cfg").write_text(f"frontend web\n  bind 192.0.2.1:443 ssl crt /{BUNDLE}\n")
    site = root / "site.toml"
    site.write_text('[sources]\nhaproxy = ["haproxy.cfg"]\n' + site.read_text())
    settings = root / case.SETTINGS
    rows = settings.read_text().split("\n")
    settings.write_text("\n".join([*rows[:-1], f"bundle = /{BUNDLE}", ""]))
    for name in ("haproxy", "systemctl", "sleep", "sendmail"):  # the hook's own, which come first
        tool(vps / "usr/local/bin" / name, "exit 0")
    tool(root / "vm/usr/local/bin/mailcow-cert-deploy.sh", f"exec {root}/vm/bin/restore")


def mail_refuses(root: Path) -> None:
    """Mailcow says no to every pair."""
    text = (root / "vps/usr/local/bin/ssh").read_text()
    refusal = "echo 'refused: a stand-in; nothing was changed' >&2; exit 10\n"
    (root / "vps/usr/local/bin/ssh").write_text(text.replace("grep -q", f"{refusal}grep -q"))


def proxy_refuses(root: Path) -> None:
    """HAProxy cannot be reloaded by the hook."""
    tool(root / "vps/usr/local/bin/systemctl", "exit 1")


def _has(file: Path, keys: list[str]) -> bool:
    text = file.read_bytes()
    return any(key.encode() in text for key in keys)


@pytest.mark.parametrize("damage", [mail_refuses, proxy_refuses])
async def test_a_pair_that_one_side_did_not_take_is_in_use_on_neither(
    damage: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "PAUSE", 0)
    build(tmp_path)
    damage(tmp_path)
    seen: list[FlowEvent] = []
    plain = context(case.CASE, tmp_path)
    world = StepContext(plain.estate, plain.hosts, {}, {"renew": "yes"})
    ending = await Session(registry.find("rotate-certificate"), world, agree, seen.append, folder(tmp_path)).run()
    assert ending.outcome == "failed", ending
    said = [each.words for each in seen if isinstance(each, StepChanged) and each.state == "failed"][-1]
    assert "HAProxy does not have the new pair" in said
    assert "Mailcow does not have the new pair" in said
    assert (tmp_path / "vps" / BUNDLE).read_text() == "".join(OLD)
    assert (tmp_path / sync.SSL / "cert.pem").read_text() == OLD[0]
    assert (tmp_path / sync.LIVE / "fullchain.pem").read_text() == NEW[0], "what was issued stays, for the next run"
    began = [each.action for each in seen if isinstance(each, ActionBegan)]
    assert sum("only if" in each.diff for each in began) == 2
    keys = [row for pair in (OLD, NEW) for row in pair[1].split("\n") if row and "KEY" not in row]
    texts = [
        repr(seen),
        *(each.read_text() for each in Path(os.environ["XDG_STATE_HOME"]).rglob("*") if each.is_file()),
    ]
    assert any("--restore" in text for text in texts)
    assert not [key for key in keys for text in texts if key in text]
    holders = {each.relative_to(tmp_path) for each in tmp_path.rglob("*") if each.is_file() and _has(each, keys)}
    kept = {f"vps/etc/letsencrypt/archive/{sync.NAME}/privkey{number}.pem" for number in (9, 10)}
    kept |= {f"{sync.LIVE}/privkey.pem", f"{sync.SSL}/key.pem", f"vps/{BUNDLE}", "next/privkey.pem"}
    assert {str(each) for each in holders} - kept <= {"vm/var/lib/cowhand/certificate/previous.pem"}


def test_a_runbook_names_what_takes_a_push_back_and_does_not_do_it(tmp_path: Path) -> None:
    case.build(tmp_path)
    found = Ground(sync.NAME, "/live", leaf(NEW), sync.ADDRESS, "/opt/mailcow", "/hook", bundles=(f"/{BUNDLE}",))
    push, world = Pushed(), context(case.CASE, tmp_path)
    plan = Plan((Run("proxy", ("hook",)), *taking_back(found)))
    written = runbook.write("rotate-certificate", "rotate", world, [(push, needed("it is not so"), plan)], [push])
    rows = [row for row in written.split("\n") if "--restore" in row or "checkend" in row]
    assert [row[:26] for row in rows] == ["# If that failed, on vm: s", "# If that failed, on vps: "]
    assert "\nhook\n" in written


@pytest.mark.parametrize(
    ("sent", "state", "words"),
    [
        ((NEW, OLD), "done", "show the certificate of vps, with its chain"),
        ((NEW, OLD, OTHER), "done", "show the certificate of vps, with its chain"),
        ((NEW,), "needed", "25, 465 and 993 of vm show it without its whole chain"),
        ((NEW, OTHER), "needed", "25, 465 and 993 of vm show it without its whole chain"),
        ((OLD, NEW), "needed", "25, 465 and 993 of vm show another certificate"),
        ((), "needed", "no port answers"),
    ],
)
async def test_a_push_is_proven_by_the_certificate_and_its_chain(
    sent: tuple[tuple[str, str], ...], state: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case.build(tmp_path)
    (tmp_path / sync.LIVE / "fullchain.pem").write_text(NEW[0] + OLD[0])
    (tmp_path / sync.SSL / "cert.pem").write_text("".join(pair[0] for pair in sent))

    async def pushed(*nothing: object) -> str:
        return ""

    monkeypatch.setattr(proof, "pushed", pushed)
    found = await Pushed().check(context(case.CASE, tmp_path))
    assert (found.state, words in found.words) == (state, True), found.words


# ── a push that is undone ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("made", ["yes", "no"])
def test_an_undone_push_gives_haproxy_its_bundle_back_to_the_byte_and_again_changes_nothing(
    made: str, tmp_path: Path
) -> None:
    bundle = lay(tmp_path, OLD)
    bundle.write_text("# as somebody wrote it\n" + bundle.read_text())
    before = bundle.read_text()
    assert kept(tmp_path, bundle).returncode == 0
    assert [path.stat().st_mode & 0o777 for path in (tmp_path / "store").iterdir()] == [0o600]
    bundle.write_text("".join(NEW))
    for _ in range(2):
        assert returned(tmp_path, bundle, made).returncode == 0
        assert (bundle.read_text(), bundle.stat().st_mode & 0o777) == (before, 0o640)
    assert (tmp_path / "asked").read_text().count("systemctl reload haproxy") == 1
    assert [path.name for path in bundle.parent.iterdir()] == ["mail.pem"]
    assert (tmp_path / "store").exists() is (made == "no") and not list(tmp_path.glob("store/*"))


@pytest.mark.parametrize("why", ["another pair since", "a folder of others", "haproxy does not take it"])
def test_a_bundle_that_cannot_be_given_back_is_said(why: str, tmp_path: Path) -> None:
    bundle = lay(tmp_path, OLD)
    kept(tmp_path, bundle)
    bundle.write_text("".join(OTHER if why == "another pair since" else NEW))
    if why == "a folder of others":
        bundle.parent.chmod(0o777)
    if why == "haproxy does not take it":
        tool(tmp_path / "bin/haproxy", "exit 1")
    done = returned(tmp_path, bundle)
    assert done.returncode == 3 and done.stderr
    assert (bundle.read_text() == "".join(OLD)) is (why == "haproxy does not take it")
    assert (tmp_path / f"store/before.{leaf(NEW)}.1").exists()


def test_a_bundle_that_has_the_pair_already_is_not_kept(tmp_path: Path) -> None:
    bundle = lay(tmp_path, NEW)
    assert kept(tmp_path, bundle).returncode == 0
    assert not list((tmp_path / "store").iterdir())
    assert returned(tmp_path, bundle).returncode == 0
    assert bundle.read_text() == "".join(NEW) and not (tmp_path / "asked").exists()


def test_what_another_push_kept_is_left_to_its_own_undo(tmp_path: Path) -> None:
    bundle = lay(tmp_path, OTHER)
    kept(tmp_path, bundle)
    earlier = tmp_path / f"store/before.{leaf(OLD)}.1"
    earlier.write_text("kept by a push of another pair")
    bundle.write_text("".join(NEW))
    assert returned(tmp_path, bundle, "no").returncode == 0
    assert bundle.read_text() == "".join(OTHER)
    assert list((tmp_path / "store").iterdir()) == [earlier]
