"""install-mailcow and Docker: which packages are planned, whose key is believed, and what is too old."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from console.flows.install_mailcow.commands import DOCKERS, FINGERPRINT, INSTALL, OWN
from console.flows.install_mailcow.preparing import Programs
from console.runner.plan import Plan, Run
from tests.console.flows.cases import install_mailcow as case
from tests.console.flows.install_stage import world
from tests.console.flows.walking import context

__all__ = ["world"]


OLD = "docker.io 20.10.24+dfsg1-1\n"


async def programs(root: Path, system: str) -> tuple[str, str, Plan | None]:
    (root / "world/candidates").write_text(OLD)
    (root / "world/system").write_text(system)
    look = context(case.CASE, root)
    found = await Programs().check(look)
    return found.state, found.words, await Programs().plan(look) if found.state == "needed" else None


async def test_where_the_distributions_docker_is_too_old_dockers_own_is_planned_and_its_key_shown(world: Path) -> None:
    state, _, plan = await programs(world, "debian bookworm")
    assert state == "needed" and plan is not None
    assert "the distribution's docker.io is 20.10.24+dfsg1-1, and Mailcow needs 24" in plan.notes[0]
    assert FINGERPRINT in str(plan.notes) and "https://download.docker.com/linux/debian, bookworm" in str(plan.notes)
    (action,) = plan.actions
    assert isinstance(action, Run)
    assert action.argv[2:] == (OWN, "sh", DOCKERS, "debian", "bookworm", FINGERPRINT, "jq")


async def test_where_docker_has_no_packages_either_it_is_refused(world: Path) -> None:
    state, words, _ = await programs(world, "arch")
    assert state == "refused" and "20.10.24+dfsg1-1, and Mailcow needs 24; install Docker 24 or newer by hand" in words


def shell(root: Path, script: str, *words: str) -> subprocess.CompletedProcess[str]:
    argv = ["sh", "-c", script, "sh", *words]
    environment = {"PATH": f"{root}/bin", "HOME": str(root)}
    return subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_an_engine_that_is_too_old_is_refused_by_the_command_as_well(world: Path) -> None:
    (world / "world/candidates").write_text(OLD)
    done = shell(world, INSTALL, "docker", "jq")
    assert (done.returncode, "docker.io here is 20.10.24+dfsg1-1, and Mailcow needs 24" in done.stderr) == (3, True)
    assert not (world / "run/installed").exists()


def printed(home: Path, name: str, into: Path) -> str:
    """Make a key, add its public half to a file; returns its fingerprint."""
    home.mkdir(mode=0o700, exist_ok=True)
    gpg = ["gpg", "--homedir", str(home), "--batch", "--quiet"]
    subprocess.run([*gpg, "--passphrase", "", "--quick-gen-key", name, "ed25519", "sign", "never"], check=True)
    rows = subprocess.run([*gpg, "--with-colons", "-k", name], check=True, capture_output=True, text=True).stdout
    with into.open("ab") as out:
        subprocess.run([*gpg, "--armor", "--export", name], check=True, stdout=out)
    subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=False)
    return next(row.split(":")[9] for row in rows.splitlines() if row.startswith("fpr"))


@pytest.mark.skipif(shutil.which("gpg") is None, reason="no gpg here")
def test_dockers_repository_is_added_with_the_key_that_is_known_and_with_no_other(world: Path) -> None:
    for tool in ("gpg", "gpg-agent", "install"):
        (world / "bin" / tool).symlink_to(str(shutil.which(tool)))
    etc, base = world / "etc/apt", world / "docker.test"
    (base / "debian").mkdir(parents=True)
    (etc / "sources.list.d").mkdir(parents=True)
    key = base / "debian/gpg"
    script = OWN.replace("/etc/apt", str(etc)).replace("=https", "=file")
    known = printed(world / "one", "one@docker.test", key)

    def add(fingerprint: str) -> subprocess.CompletedProcess[str]:
        return shell(world, script, f"file://{base}", "debian", "bookworm", fingerprint, "jq")

    refused = add("9" * 40)
    assert (refused.returncode, f"has the fingerprint {known}, and not {'9' * 40}" in refused.stderr) == (3, True)
    assert not (etc / "keyrings").exists() and "docker-ce" not in (world / "run/installed").read_text()

    assert add(known).returncode == 0
    assert (etc / "keyrings/docker.asc").read_bytes() == key.read_bytes()
    source = (etc / "sources.list.d/docker.sources").read_text()
    assert f"URIs: file://{base}/debian\nSuites: bookworm\nComponents: stable\nSigned-By: {etc}/keyrings" in source
    wanted = "docker-ce docker-ce-cli containerd.io docker-buildx-plugin docker-compose-plugin jq"
    assert wanted in (world / "run/installed").read_text()

    (etc / "sources.list.d/docker.sources").unlink()
    printed(world / "two", "two@docker.test", key)
    assert add(known).returncode == 3, "a second key beside the one that is known"
    (etc / "sources.list.d/docker.list").write_text("deb https://download.docker.com/linux/debian bookworm stable\n")
    assert add("9" * 40).returncode == 0, "a source that is there is used as it is"
    assert not (etc / "sources.list.d/docker.sources").exists()
