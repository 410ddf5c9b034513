"""What lint finds and an edit mends: shown as a diff, written when it may be, and no byte more than that."""

from __future__ import annotations

import io
import json
import os
import shutil
import stat
import sys
from pathlib import Path

import pytest

from console.__main__ import main
from console.diagnosis.rule import STATIC
from console.errors import InputError
from console.mend.plan import LISTENERS, MENDS, diffs, plan
from console.mend.write import write
from console.store import atomic
from tests.console.diagnosis.test_lint_corrected import CORRECTED, DAMAGE
from tests.console.estates import SEED

CONFIG = (CORRECTED / "haproxy.cfg").read_text()
SUBMISSION = CONFIG[CONFIG.index("listen submission") : CONFIG.index("listen imaps")]
"""A listener without which port 587 is closed to clients: opening it again is for the operator to say."""

MORE: list[tuple[str, str, str, list[str]]] = [
    ("haproxy.cfg", "10.10.10.214:10465 verify none", "10.10.10.214:465 verify none", ["CH003", "CH021"]),
    ("mailcow.tf", '"ipv4.address" = "10.10.10.214"', "", ["CH024"]),
    ("docker-compose.override.yml", '"${SMTP_PORT_HAPROXY:-10.10.10.214:10025}:10025"',
     '"${SMTP_PORT_HAPROXY:-10025}:10025"', ["CH006"]),
    ("docker-compose.override.yml", '"10.10.10.214:10993:10993"', "10993:10993", ["CH006"]),
    ("docker-compose.override.yml", '"10.10.10.214:10993:10993"', "{target: 10993, published: 10993}", ["CH006"]),
    ("hook.sh", "set -euo pipefail\n", "", ["CH027"]),
]  # fmt: skip
"""Damage beside that of the lint's own table, and what it makes lint say."""

IDS = LISTENERS.keys() | MENDS.keys()

WORDS = {
    ("CH003", "docker-compose.override.yml"), ("CH020", "docker-compose.override.yml"),
    ("CH021", "docker-compose.override.yml"), ("CH024", "mailcow.tf"), ("CH026", "authorized_keys"),
    ("CH027", "hook.sh"), ("CH020", "data/conf/postfix/extra.cf"),
}  # fmt: skip
"""Findings that have an edit elsewhere, and here need a fact that no file has."""

MENDED = [
    (file, old, new, [id for id, _, _ in found])
    for file, old, new, found in DAMAGE
    if found and found[0][0] in IDS and (found[0][0], file) not in WORDS
]
MENDED += [
    (file, old, new, ids)
    for file, old, new, ids in (
        ("data/conf/postfix/extra.cf", "relayhost", "myhostname = mail.example.test\nrelayhost", ["CH020"]),
        ("data/conf/postfix/extra.cf", "relayhost", "myhostname =\n# x\n  mail.example.test\nrelayhost", ["CH020"]),
        ("authorized_keys", "restrict,", "", ["CH026"]),
        ("hook.sh", "set -euo pipefail", "set -eu", ["CH027"]),
        ("hook.sh", "systemctl reload", "certbot renew --dry-run\nsystemctl reload", ["CH027"]),
    )
]


def damaged(folder: Path, file: str, old: str, new: str) -> Path:
    """A copy of the corrected estate with one correction taken away."""
    estate = Path(shutil.copytree(CORRECTED, folder / "estate"))
    text = (estate / file).read_text()
    assert old in text
    (estate / file).write_text(text.replace(old, new))
    return estate


def content(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.endswith("~")
    }


def lint(estate: Path, *argv: str) -> int:
    return main(["--site", str(estate / "site.toml"), "lint", *argv])


@pytest.fixture(autouse=True)
def no_haproxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests say themselves what HAProxy says."""
    monkeypatch.setattr("console.mend.haproxy.program", lambda name: None)


@pytest.mark.parametrize(
    ("file", "old", "new", "ids"), MENDED + MORE, ids=[f"{at}-{each[3][0]}" for at, each in enumerate(MENDED + MORE)]
)
def test_what_can_be_mended_is_mended_once_and_nothing_else_is_touched(
    file: str, old: str, new: str, ids: list[str], tmp_path: Path
):
    estate = damaged(tmp_path, file, old, new)
    before = content(estate)
    made = plan(estate / "site.toml")
    assert sorted({found.id for found in made.mended}) == sorted(set(ids))
    assert lint(estate, "--fix", "--yes") == 0
    after = content(estate)
    assert {name for name in after if after[name] != before[name]} == set(made.texts)
    assert plan(estate / "site.toml").texts == {}
    assert lint(estate, "--fix", "--yes") == 0
    assert content(estate) == after


def test_a_setting_of_several_lines_is_dropped_whole(tmp_path: Path):
    estate = damaged(tmp_path, "data/conf/postfix/extra.cf", "relayhost", "myhostname =\n# x\n  a.example\nrelayhost")
    before = (estate / "data/conf/postfix/extra.cf").read_text()
    assert lint(estate, "--fix", "--yes") == 0
    assert (estate / "data/conf/postfix/extra.cf").read_text() == before.replace(
        "myhostname =\n# x\n  a.example", "# x"
    )


@pytest.mark.parametrize(("addr", "written"), [("", True), (" addr 10.10.10.215", False)])
def test_no_check_is_written_that_another_machine_would_get(addr: str, written: bool, tmp_path: Path):
    rules = "    tcp-check connect port 10025 send-proxy\n    tcp-check expect rstring ^220\n"
    server = "    server mailcow 10.10.10.214:10025"
    estate = damaged(tmp_path, "haproxy.cfg", rules + server, server + addr)
    lint(estate, "--fix", "--yes")
    assert ("tcp-check connect port 10025" in (estate / "haproxy.cfg").read_text()) is written


def test_every_mend_is_of_a_static_rule_and_has_a_case():
    assert {id for id, _ in STATIC} >= IDS
    assert {id for *_, ids in MENDED + MORE for id in ids} - {"CH021"} == IDS


def test_no_port_is_opened_and_no_listener_added(tmp_path: Path):
    estate = damaged(tmp_path, "haproxy.cfg", SUBMISSION, "")
    before = content(estate)
    assert lint(estate, "--fix", "--yes") == 1
    assert content(estate) == before


PARTLY = {("CH020", "data/conf/postfix/extra.cf"), ("CH026", "authorized_keys"), ("CH027", "hook.sh")}


@pytest.mark.parametrize("case", [each for each in DAMAGE if each[3] and (each[3][0][0], each[0]) in WORDS - PARTLY])
def test_what_needs_a_fact_gets_words_and_no_guess(
    case: tuple[str, str, str, list[tuple[str, str, int]]], tmp_path: Path
):
    file, old, new, _ = case
    estate = damaged(tmp_path, file, old, new)
    before = content(estate)
    assert lint(estate, "--fix", "--yes") == 1
    assert content(estate) == before


def test_the_seed_is_mended_as_far_as_its_files_allow(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    estate = Path(shutil.copytree(SEED, tmp_path / "estate"))
    assert lint(estate, "--fix", "--yes", "--json") == 1
    shown = capsys.readouterr()
    left = [each["id"] for each in json.loads(shown.out)["findings"]]
    assert set(left) == {
        "CH001", "CH009", "CH011", "CH012", "CH015", "CH017", "CH020", "CH021", "CH024", "CH025", "CH027",
    }  # fmt: skip
    assert "+    bind" not in shown.err
    assert "12 findings mended by this" in shown.err
    config = (estate / "haproxy.cfg").read_text()
    assert "    tcp-check connect port 10993 send-proxy ssl\n    tcp-check expect string *\\ OK\n" in config


def test_the_version_before_and_the_mode_are_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    estate = damaged(tmp_path, "mailcow.conf", "SKIP_LETS_ENCRYPT=y", "SKIP_LETS_ENCRYPT=n # why")
    before = (estate / "mailcow.conf").read_bytes()
    (estate / "mailcow.conf").chmod(0o640)
    if os.geteuid() == 0:
        os.chown(estate / "mailcow.conf", 1234, 1235)
    owner = (estate / "mailcow.conf").stat()
    assert lint(estate, "--fix", "--yes") == 0
    assert (estate / "mailcow.conf").read_bytes() == before.replace(b"ENCRYPT=n", b"ENCRYPT=y")
    assert (estate / "mailcow.conf~").read_bytes() == before
    for name in ("mailcow.conf", "mailcow.conf~"):
        now = (estate / name).stat()
        assert (stat.S_IMODE(now.st_mode), now.st_uid, now.st_gid) == (0o640, owner.st_uid, owner.st_gid)
    assert "mailcow.conf: written, the version before is mailcow.conf~" in capsys.readouterr().err


def test_a_link_stays_a_link(tmp_path: Path):
    estate = damaged(tmp_path, "mailcow.conf", "HTTP_REDIRECT=n", "HTTP_REDIRECT=y")
    elsewhere = estate / "elsewhere"
    elsewhere.mkdir()
    (estate / "mailcow.conf").rename(elsewhere / "real.conf")
    (estate / "mailcow.conf").symlink_to(elsewhere / "real.conf")
    assert lint(estate, "--fix", "--yes") == 0
    assert (estate / "mailcow.conf").is_symlink()
    assert "HTTP_REDIRECT=n" in (elsewhere / "real.conf").read_text()
    assert (elsewhere / "real.conf~").exists()


@pytest.mark.parametrize("file", ["haproxy.cfg", "mailcow.conf"])
def test_line_ends_are_kept(file: str, tmp_path: Path):
    edits = {
        "haproxy.cfg": ("timeout client 30m", "timeout client 1m"),
        "mailcow.conf": ("HTTP_REDIRECT=n", "HTTP_REDIRECT=y"),
    }
    estate = damaged(tmp_path, file, *edits[file])
    (estate / file).write_bytes((estate / file).read_bytes().replace(b"\n", b"\r\n"))
    assert plan(estate / "site.toml").texts.keys() == {file}
    lint(estate, "--fix", "--yes")
    data = (estate / file).read_bytes()
    assert data.count(b"\n") == data.count(b"\r\n") > 0


def test_a_diff_is_shown_without_secrets_and_nothing_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    estate = damaged(tmp_path, "mailcow.conf", "HTTP_REDIRECT=n", "DBPASS=geheim\nHTTP_REDIRECT=y")
    before = content(estate)
    assert lint(estate, "--diff") == 1
    out, err = capsys.readouterr()
    assert out.startswith("--- mailcow.conf\n+++ mailcow.conf\n@@ ")
    assert "-HTTP_REDIRECT=y\n+HTTP_REDIRECT=n\n" in out
    assert "geheim" not in out + err
    assert content(estate) == before and not (estate / "mailcow.conf~").exists()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("said", "status"), [("y\n", 0), ("yes\n", 0), ("n\n", 1), ("\n", 1), ("", 1)])
def test_the_operator_is_asked_and_not_now_is_the_default(
    said: str, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    estate = damaged(tmp_path, "mailcow.conf", "HTTP_REDIRECT=n", "HTTP_REDIRECT=y")
    monkeypatch.setattr(sys, "stdin", Terminal(said))
    assert lint(estate, "--fix") == status
    assert "write mailcow.conf? [y/N]" in capsys.readouterr().err
    assert ("HTTP_REDIRECT=n" in (estate / "mailcow.conf").read_text()) is (status == 0)


REFUSED = [
    (["lint", "--fix"], "asks before it writes"),
    (["--read-only", "lint", "--fix", "--yes"], "--read-only forbids it"),
]


@pytest.mark.parametrize(("argv", "words"), REFUSED)
def test_nothing_is_written_where_nobody_can_say_so(
    argv: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    estate = damaged(tmp_path, "mailcow.conf", "HTTP_REDIRECT=n", "HTTP_REDIRECT=y")
    before = content(estate)
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    assert main(["--site", str(estate / "site.toml"), *argv]) == 2
    assert words in capsys.readouterr().err
    assert content(estate) == before


def test_the_rehearsal_estates_own_files_are_never_written(capsys: pytest.CaptureFixture[str]):
    before = content(SEED)
    assert main(["--lab", "lint", "--fix", "--yes"]) == 2
    assert "cowhand's own" in capsys.readouterr().err
    assert content(SEED) == before


def test_a_file_that_somebody_else_changed_meanwhile_is_refused_and_no_file_is_written(tmp_path: Path):
    estate = Path(shutil.copytree(SEED, tmp_path / "estate"))
    made = plan(estate / "site.toml")
    assert len(made.texts) == 4
    (estate / "mailcow-cert-deploy.sh").write_text("#!/bin/sh\n")
    before = content(estate)
    with pytest.raises(InputError, match="changed by somebody else meanwhile"):
        write(made)
    assert content(estate) == before


@pytest.mark.parametrize(("first", "then", "stays"), [(0, 1, True), (0, 0, False), (1, 1, False)])
def test_what_haproxy_refuses_now_and_took_before_is_put_back(
    first: int, then: int, stays: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    estate = Path(shutil.copytree(SEED, tmp_path / "estate"))
    program = tmp_path / "haproxy"
    program.write_text(
        f'#!/bin/sh\n[ "$1 $2" = "-c -f" ] || exit 9\n'
        f'if grep -q "inter 30s" "$3"; then echo "[ALERT] (1) : config : [x:1] : no such" >&2; exit {then}; fi\n'
        f"exit {first}\n"
    )
    program.chmod(0o755)
    monkeypatch.setattr("console.mend.haproxy.program", lambda name: str(program))
    before = (estate / "haproxy.cfg").read_bytes()
    if stays:
        with pytest.raises(InputError, match=r"put back as it was, for HAProxy refuses it: no such"):
            write(plan(estate / "site.toml"))
    else:
        write(plan(estate / "site.toml"))
    assert ((estate / "haproxy.cfg").read_bytes() == before) is stays
    assert b"-T postfix" in (estate / "mailcow-cert-deploy.sh").read_bytes()


def test_a_disk_that_is_full_leaves_every_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    estate = Path(shutil.copytree(SEED, tmp_path / "estate"))
    made = plan(estate / "site.toml")
    before = content(estate)
    real, count = os.fsync, 0

    def fsync(handle: int) -> None:
        nonlocal count
        count += 1
        if count == 7:
            raise OSError(28, "No space left on device")
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(InputError, match="no space left on device; nothing was changed"):
        write(made)
    assert content(estate) == before


@pytest.mark.slow
def test_each_moment_of_a_full_disk_leaves_every_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    real, left = os.fsync, 0

    def fsync(handle: int) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise OSError(28, "No space left on device")
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    for moment in range(1, 13):  # new, kept and folder, of each of four files
        estate = Path(shutil.copytree(SEED, tmp_path / f"estate{moment}"))
        made, before, left = plan(estate / "site.toml"), content(estate), moment
        with pytest.raises(InputError, match="no space left on device; nothing was changed"):
            write(made)
        assert content(estate) == before, moment
        assert not [*estate.rglob(".cowhand.*")]


def test_what_somebody_changes_before_it_is_put_back_is_left_to_them_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    estate = Path(shutil.copytree(SEED, tmp_path / "estate"))
    made = plan(estate / "site.toml")
    first, *_, last = [estate / name for name in made.texts]
    before, real = last.read_bytes(), atomic.write

    def written(path: Path, data: bytes, *, before: bytes | None = None, keep: str = "") -> None:
        if path == last and keep:
            first.write_text("theirs\n")
            raise OSError(28, "No space left on device")
        real(path, data, before=before, keep=keep)

    monkeypatch.setattr(atomic, "write", written)
    with pytest.raises(InputError) as raised:
        write(made)
    assert str(raised.value) == (
        f"{last.name}: was not written: no space left on device; {first.name} could not be put back"
    )
    assert first.read_text() == "theirs\n"
    assert last.read_bytes() == before


def test_what_haproxy_refuses_and_somebody_changed_meanwhile_is_left_to_them_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    estate = Path(shutil.copytree(SEED, tmp_path / "estate"))
    program = tmp_path / "haproxy"
    program.write_text(
        '#!/bin/sh\ngrep -q "inter 30s" "$3" || exit 0\n'
        f'echo theirs > {estate}/haproxy.cfg; echo "[ALERT] (1) : config : [x:1] : no such" >&2; exit 1\n'
    )
    program.chmod(0o755)
    monkeypatch.setattr("console.mend.haproxy.program", lambda name: str(program))
    words = r"^haproxy\.cfg: HAProxy refuses it: no such; haproxy\.cfg could not be put back$"
    with pytest.raises(InputError, match=words):
        write(plan(estate / "site.toml"))
    assert (estate / "haproxy.cfg").read_text() == "theirs\n"


def test_a_file_that_became_a_folder_is_refused_and_no_file_is_written(tmp_path: Path):
    estate = Path(shutil.copytree(SEED, tmp_path / "estate"))
    made = plan(estate / "site.toml")
    name = [*made.texts][-1]
    (estate / name).unlink()
    with pytest.raises(InputError, match=f"^{name}: cannot be written: no such file or directory; nothing was changed"):
        write(made)
    (estate / name).mkdir()
    before = content(estate)
    with pytest.raises(InputError, match=f"^{name}: cannot be written: /.*{name} is a folder; nothing was changed"):
        write(made)
    assert content(estate) == before


def test_a_hostile_name_in_a_diff_cannot_steer_the_terminal(tmp_path: Path):
    estate = damaged(tmp_path, "deploy.sh", "exec -T dovecot-mailcow dovecot reload", "exec dovecot-mailcow x\x1b[2J")
    (shown,) = diffs(plan(estate / "site.toml")).values()
    assert "\x1b" not in shown and "\\x1b" in shown
