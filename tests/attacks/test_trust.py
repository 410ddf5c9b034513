"""A cloned repository has programs of its own run (B1, B5): none is, before the operator said so outside of it.

Each attack is tried twice: it must leave no mark, and leave one once the folder is trusted, for it to be an attack."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from console.estate.load import load
from console.store import trust
from console.tofu.refine import refined
from tests.attacks.clones import ENCRYPTED, TERRAFORM, Clone, Run, Terminal, clone, run
from tests.attacks.conftest import MALLORY, Mallory
from tests.console.tofu.refined_site import Watcher

__all__ = ["clone", "run"]


READING = ["lint", "lint --diff", "show", "check", "drift", "flow mount-volumes --plan"]
TOFUS = ["stand-in", *(["terraform"] if TERRAFORM else [])]

NOT_ASKED = "OpenTofu: not asked, for this folder is not trusted (see cowhand trust)"


# ── providers of OpenTofu (B1) ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("tofu", TOFUS)
@pytest.mark.parametrize("command", READING)
def test_no_command_starts_a_provider_that_was_committed(clone: Clone, run: Run, command: str, tofu: str) -> None:
    clone.commit_state()
    if tofu == "terraform":
        clone.use_terraform()
    run(command)
    assert clone.marks() == []


@pytest.mark.parametrize("tofu", TOFUS)
def test_that_provider_is_started_by_whoever_shows_the_state_with_the_program_itself(clone: Clone, tofu: str) -> None:
    clone.commit_state()
    if tofu == "terraform":
        clone.use_terraform()
    subprocess.run([clone.bin / "tofu", f"-chdir={clone.infra}", "show", "-json"], capture_output=True, timeout=60)
    assert clone.marks() == ["provider-evil"]


def test_the_state_that_was_committed_is_read_without_any_program(clone: Clone, run: Run) -> None:
    clone.commit_state()
    status, told, err = run("show --json")
    assert (status, json.loads(told)["volumes"][0]["size"], err, clone.marks()) == (0, "20GiB", "", [])


@pytest.mark.parametrize("backend", ["s3", "http", "cloud", "unheard-of"])
@pytest.mark.parametrize("command", ["check", "drift"])
def test_a_state_that_is_kept_elsewhere_is_not_asked_for_in_a_clone_and_that_is_said(
    clone: Clone, run: Run, command: str, backend: str
) -> None:
    clone.keep_state_elsewhere(backend)
    assert NOT_ASKED in run(command)[2]
    assert clone.marks() == []
    assert run("trust --yes")[0] == 0
    assert clone.marks() == []
    assert "OpenTofu" not in run(command)[2]
    assert clone.marks() == ["provider-evil"]


@pytest.mark.parametrize("command", READING)
def test_an_encrypted_state_starts_neither_provider_nor_key_provider(clone: Clone, run: Run, command: str) -> None:
    (clone.infra / "terraform.tfstate").write_text(ENCRYPTED)
    key = clone.program(clone.folder / "key.sh", f"#!/bin/sh\n{clone.mark('key')}\n")
    block = f'terraform {{\n  encryption {{\n    key_provider "external" "k" {{ command = ["{key}"] }}\n  }}\n}}\n'
    (clone.infra / "main.tf").write_text(block + (clone.infra / "main.tf").read_text())
    assert NOT_ASKED in run(command)[2]
    assert clone.marks() == []
    assert "what infra/main.tf names in an encryption block" in run("trust --yes")[1]
    run(command)
    assert clone.marks() == ["key", "provider-evil"]


def test_the_console_starts_none_either(clone: Clone) -> None:
    clone.keep_state_elsewhere()
    with Watcher(clone.site, 2) as watcher:
        pass
    assert watcher.reads[-1].remark.startswith(NOT_ASKED)
    clone.commit_state()
    (clone.infra / ".terraform/terraform.tfstate").unlink()
    with Watcher(clone.site, 2) as watcher:
        pass
    assert watcher.reads[-1].topology.volumes[0].size == "20GiB"
    assert clone.marks() == []


@pytest.mark.parametrize("how", ["--site", "COWHAND_SITE", "XDG"])
def test_a_clone_is_a_clone_however_it_is_named(
    clone: Clone, run: Run, how: str, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    clone.keep_state_elsewhere()
    monkeypatch.chdir(clone.top)
    site = clone.site
    if how == "XDG":  # the site file is the operator's own, and what it names is the clone still
        site = home / "config/cowhand/site.toml"
        site.parent.mkdir(parents=True)
        site.write_text(f'[sources]\nhaproxy = ["{clone.folder}/haproxy.cfg"]\nopentofu = ["{clone.infra}"]\n')
    if how == "COWHAND_SITE":
        monkeypatch.setenv("COWHAND_SITE", str(site))
    assert NOT_ASKED in run(f"--site {site} check" if how == "--site" else "check")[2]
    assert clone.marks() == []


CHANGES: dict[str, Callable[[Clone], object]] = {
    "the provider": lambda clone: clone.provider.write_text("#!/bin/sh\n"),
    "the provider, as old and as long as before": lambda clone: keep_times(
        clone.provider, lambda path: path.write_text(path.read_text().replace("pwned", "PWNED"))
    ),
    "the provider, by a link": lambda clone: (
        shutil.copy(clone.provider, clone.top / "other"),
        (clone.top / "other").write_text("#!/bin/sh\n"),
        clone.provider.unlink(),
        clone.provider.symlink_to(clone.top / "other"),
    ),
    "one more provider": lambda clone: clone.plant_provider("worse"),
    "the lock file": lambda clone: (clone.infra / ".terraform.lock.hcl").write_text(""),
    "the backend": lambda clone: clone.keep_state_elsewhere("http"),
    "the version of OpenTofu": lambda clone: (clone.infra / ".opentofu-version").write_text("1.0.0"),
    "the folder that the site file names": lambda clone: (
        shutil.copytree(clone.infra, clone.folder / "other"),
        clone.site.write_text(clone.site.read_text().replace("infra", "other")),
    ),
    "an encryption block": lambda clone: (clone.infra / "more.tf").write_text("terraform { encryption {} }\n"),
    "configuration in JSON": lambda clone: (clone.infra / "more.tf.json").write_text("{}"),
    "the folder": lambda clone: (
        clone.folder.rename(clone.top / "aside"),
        shutil.copytree(clone.top / "aside", clone.folder, copy_function=shutil.copy2),
    ),
}


def keep_times(path: Path, change: Callable[[Path], object]) -> None:
    found = path.stat()
    change(path)
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


@pytest.mark.parametrize("what", CHANGES)
def test_a_pull_that_changes_what_would_run_needs_a_new_yes(clone: Clone, run: Run, what: str) -> None:
    clone.keep_state_elsewhere()
    assert run("trust --yes")[0] == 0
    CHANGES[what](clone)
    said = run(f"--site {clone.site} check")[2]
    assert "OpenTofu: not asked, for " in said and "(see cowhand trust)" in said
    assert clone.marks() == [] and not [*clone.top.glob("PWNED*")]


def test_a_pull_that_changes_anything_else_needs_none(clone: Clone, run: Run) -> None:
    clone.keep_state_elsewhere()
    assert run("trust --yes")[0] == 0
    (clone.infra / "main.tf").write_text((clone.infra / "main.tf").read_text() + "\n# more\n")
    (clone.folder / "README.md").write_text("words\n")
    os.utime(clone.provider)
    assert "OpenTofu" not in run("check")[2]
    assert clone.marks() == ["provider-evil"]


def test_a_trust_is_taken_back(clone: Clone, run: Run) -> None:
    clone.keep_state_elsewhere()
    assert run("trust --yes")[0] == 0
    assert run("trust --revoke")[0] == 0
    assert NOT_ASKED in run("check")[2]
    assert clone.marks() == []


# ── a trust that the repository brings along ────────────────────────────────────────────────────────────────────────


def test_a_trust_inside_of_the_repository_counts_for_nothing(
    clone: Clone, run: Run, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    clone.keep_state_elsewhere()
    assert run("trust --yes")[0] == 0
    shutil.copytree(home / "state", clone.folder / "state", copy_function=shutil.copy2)
    monkeypatch.setenv("XDG_STATE_HOME", str(clone.folder / "state"))
    assert "is inside of it: set XDG_STATE_HOME elsewhere" in run("check")[2]
    assert clone.marks() == []
    assert run("trust --yes")[0] == 2


@pytest.mark.parametrize("how", ["mode", "link", "pipe", "nonsense", "another folder's"])
def test_a_record_that_others_could_have_written_counts_for_nothing(clone: Clone, run: Run, how: str) -> None:
    clone.keep_state_elsewhere()
    assert run("trust --yes")[0] == 0
    record = trust.record(clone.folder)
    assert record is not None and stat.S_IMODE(record.stat().st_mode) == 0o600
    assert stat.S_IMODE(record.parent.stat().st_mode) == 0o700
    text = record.read_text()
    record.unlink()
    if how == "mode":
        record.write_text(text)
        record.chmod(0o644)
    elif how == "link":
        (clone.folder / "record").write_text(text)
        (clone.folder / "record").chmod(0o600)
        record.symlink_to(clone.folder / "record")
    elif how == "pipe":
        os.mkfifo(record, 0o600)
    else:
        record.write_text("{" if how == "nonsense" else text.replace(str(clone.folder), str(clone.top)))
        record.chmod(0o600)
    assert NOT_ASKED in run("check")[2]
    assert clone.marks() == []


def test_another_user_s_record_counts_for_nothing(clone: Clone, run: Run, mallory: Mallory) -> None:
    clone.keep_state_elsewhere()
    assert run("trust --yes")[0] == 0
    record = trust.record(clone.folder)
    assert record is not None
    os.chown(record, MALLORY, MALLORY)
    assert NOT_ASKED in run("check")[2]
    assert clone.marks() == []


@pytest.mark.parametrize("what", ["the folder", "the provider", "the provider's folder", "everybody's folder"])
def test_what_another_user_can_change_is_not_trusted(
    what: str, mallory: Mallory, run: Run, monkeypatch: pytest.MonkeyPatch, top: Path
) -> None:
    clone = Clone(top / "root")
    monkeypatch.setenv("PATH", f"{clone.bin}:/usr/bin:/bin")
    clone.keep_state_elsewhere()
    theirs = {"the folder": clone.folder, "the provider": clone.provider}.get(what, clone.provider.parent)
    if what == "everybody's folder":
        theirs.chmod(0o777)
        words = f"other users can change {theirs} (mode 0777)"
    else:
        os.chown(theirs, MALLORY, MALLORY)
        words = f"{theirs} belongs to uid {MALLORY}, who could change what would run"
    status, _, said = run(f"trust --yes {clone.folder}")
    assert status == 2 and words in said
    run(f"--site {clone.site} check")
    assert clone.marks() == []


def test_what_another_user_can_change_by_now_is_not_trusted_any_more(
    mallory: Mallory, run: Run, monkeypatch: pytest.MonkeyPatch, top: Path
) -> None:
    clone = Clone(top / "root")
    monkeypatch.setenv("PATH", f"{clone.bin}:/usr/bin:/bin")
    clone.keep_state_elsewhere()
    assert run(f"trust --yes {clone.folder}")[0] == 0
    os.chown(clone.provider.parent, MALLORY, MALLORY)
    assert "who could change what would run" in run(f"--site {clone.site} check")[2]
    assert clone.marks() == []


# ── git, and the working folder ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("command", [*READING, "trust", "journal", "lint --fix --yes"])
def test_git_is_never_run(clone: Clone, run: Run, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    clone.program(clone.bin / "git", f"#!/bin/sh\n{clone.mark('git')}\n")
    mark = clone.mark("git-config")
    (clone.folder / ".git/config").write_text(
        f"[core]\n\tfsmonitor = {mark}\n\tpager = {mark}\n\tsshCommand = {mark}\n"
    )
    with contextlib.suppress(SystemExit):
        run(command)
    assert clone.marks() == []


@pytest.mark.parametrize(
    ("answer", "status"), [("y\n", 0), ("yes\n", 0), ("n\n", 1), ("\n", 1), ("", 1), ("yess\n", 1)]
)
def test_only_a_yes_trusts(clone: Clone, run: Run, answer: str, status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    clone.keep_state_elsewhere()
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    found, told, said = run("trust")
    assert found == status
    assert f"{clone.bin}/tofu -chdir={clone.infra} show -json -no-color" in told
    assert str(clone.provider.relative_to(clone.folder)) in told
    assert f"let cowhand run OpenTofu on the files of {clone.folder}? [y/N]" in said
    assert (NOT_ASKED in run("check")[2]) is bool(status)


def test_what_is_agreed_to_is_what_was_shown_and_not_what_came_meanwhile(
    clone: Clone, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone.keep_state_elsewhere()

    class Slow(Terminal):
        def readline(self, *size: int) -> str:  # type: ignore[override]
            clone.plant_provider("worse")
            return "y\n"

    monkeypatch.setattr(sys, "stdin", Slow())
    assert run("trust")[0] == 1
    assert "has changed since this folder was trusted" in run("check")[2]
    assert clone.marks() == []


def test_without_a_terminal_nothing_is_agreed_to(clone: Clone, run: Run) -> None:
    clone.keep_state_elsewhere()
    status, _, said = run("trust")
    assert status == 4 and "asks before it trusts, and here is no terminal to ask on; add --yes" in said
    assert run("trust --json")[0] == 1
    assert run("--read-only trust --yes")[0] == 2
    assert NOT_ASKED in run("check")[2]


def test_a_hostile_name_cannot_steer_the_terminal(clone: Clone, run: Run) -> None:
    clone.keep_state_elsewhere()
    clone.program(clone.provider.parent / "x\x1b[2J\n  trusted   yes", "#!/bin/sh\n")
    status, told, said = run("trust --yes")
    assert status == 0 and "\x1b" not in told + said and "\\x1b[2J\\n  trusted" in told


def test_a_provider_folder_that_leads_in_circles_is_not_trusted_and_hangs_nothing(clone: Clone, run: Run) -> None:
    clone.keep_state_elsewhere()
    for name in ("a", "b", "c"):
        (clone.infra / f".terraform/providers/{name}").symlink_to(".")
    status, told, _ = run("trust --yes")
    assert status == 1 and "has more than 4000 files that decide what runs" in told
    refined(load(clone.site))
    assert clone.marks() == []
