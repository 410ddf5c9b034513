"""Looks that root takes on a host through the account of somebody who may not be root there without a password."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from console.facts import certificate_places, installation, volumes
from console.hosts.local import Local
from console.hosts.process import Dialogue, LocalProcess, attend
from tests.attacks.conftest import MALLORY, Mallory

HOSTILE = """\
git init -q . && git config user.email a@example.org && git config user.name a
for each in one two; do echo $each >a && git add a && git commit -qm $each; done
git tag -a v1 -m v1 HEAD~1
lost=$(git rev-parse HEAD~1)
rm -f ".git/objects/$(echo "$lost" | cut -c 1-2)/$(echo "$lost" | cut -c 3-)"
git config core.repositoryformatversion 1
git config extensions.partialClone origin
git config remote.origin.promisor true
git config remote.origin.url "ext::sh -c touch% $1%S"
git config protocol.ext.allow always
touch docker-compose.yml generate_config.sh
"""
"""A repository without one of its objects, which git would fetch by a command that its owner has written down."""


def test_git_runs_nothing_of_who_owns_mailcows_folder(mallory: Mallory, top: Path) -> None:
    """Git takes the folder of the user who called sudo for one of root's own."""
    if shutil.which("git") is None:
        pytest.skip("no git")
    pwned = top / "pwned"
    mallory.does(f"export HOME={mallory.folder}\n{HOSTILE}", pwned)
    words = ["sh", "-c", installation.SCRIPT, "sh", mallory.folder, installation.PROJECT, installation.UPDATING]
    env = {**os.environ, "SUDO_UID": str(MALLORY)}
    done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=120, env=env)
    assert "kind\tmailcow\n" in done.stdout and "version\t" in done.stdout
    assert list(top.glob("pwned*")) == []


async def test_a_container_that_makes_a_huge_certificate_does_not_fill_the_hosts_memory(top: Path) -> None:
    """Of a file without a line break the tools of a host would keep all, outside of the container's own limit."""
    ssl = top / f"{certificate_places.FOLDER}/data/assets/ssl".lstrip("/")
    ssl.mkdir(parents=True)
    with (ssl / "cert.pem").open("w") as file:
        file.truncate(200 << 30)
    os.mkfifo(ssl / "key.pem")
    found = await certificate_places.ask(Local("vm"), root=str(top))
    assert (found.error, [each.error for each in found.places]) == ("", ["holds no certificate"])


async def test_the_look_at_disks_imports_nothing_from_where_it_is_started(
    top: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sudo stays in the folder of who called it."""
    (top / "json.py").write_text(f"open({str(top / 'pwned')!r}, 'w')\nraise SystemExit(9)\n")

    class Home(Local):
        """This machine, where commands are started in somebody's home."""

        async def _execute(self, argv, dialogue: Dialogue, timeout: float, cap: int):  # type: ignore[no-untyped-def]
            words = ["sh", "-c", 'cd "$0" && exec "$@"', str(top), *argv]
            return await attend(await LocalProcess.start(words, {"PATH": os.environ["PATH"]}), dialogue, cap)

    found = await volumes.ask(Home(), [volumes.Wanted("opt", ("no-such-disk",), "/no/such/folder")])
    assert found.folders["/no/such/folder"].kind == "none" and not (top / "pwned").exists()


@pytest.mark.parametrize("name", ['a",pid=1,fd=1', 'a",pid=1,fd=1)', '",pid=1'])
def test_a_process_that_calls_itself_by_another_number_is_told_by_its_own(name: str) -> None:
    """Who is told to end what listens on a port ends what is told."""
    row = f'socket\tLISTEN 0 128 0.0.0.0:25 0.0.0.0:* users:(("{name}",pid=4242,fd=3))'
    (found,) = installation.parse(f"{row}\n").sockets
    assert (found.port, found.pid) == (25, 4242)
