"""What the attacks share: a home of their own, and another user of this machine with real rights and no others."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.console.conftest import home

__all__ = ["home"]

MALLORY = 64123
"""The user and group of the attacker: no account is needed to have one."""


class Mallory:
    """Runs shell commands as another user; `folder` is theirs, `precious` is a file that only root may read."""

    def __init__(self, top: Path) -> None:
        self.folder, self.precious = top / "mallory", top / "root" / "precious"
        self.folder.mkdir()
        os.chown(self.folder, MALLORY, MALLORY)
        self.precious.parent.mkdir(mode=0o755)
        self.precious.write_text("precious\n")
        self.precious.chmod(0o600)

    def does(self, script: str, *words: object) -> None:
        """Run a script as that user in their folder, with `words` as $1 and so on; it must succeed."""
        argv = ["sh", "-ec", script, "sh", *map(str, words)]
        subprocess.run(argv, check=True, user=MALLORY, group=MALLORY, extra_groups=[], cwd=self.folder)

    @contextmanager
    def acting(self) -> Iterator[None]:
        """Have this very process act as that user."""
        groups = os.getgroups()
        os.setgroups([])
        os.setegid(MALLORY)
        os.seteuid(MALLORY)
        try:
            yield
        finally:
            os.seteuid(0)
            os.setegid(0)
            os.setgroups(groups)

    def owns(self, path: Path, text: str = "theirs\n") -> Path:
        """Make a plain file of that user."""
        path.write_text(text)
        os.chown(path, MALLORY, MALLORY)
        return path

    def check_precious(self) -> None:
        """Root's file has the content, owner and mode it had."""
        found = self.precious.lstat()
        assert (found.st_uid, found.st_gid, found.st_mode & 0o7777) == (0, 0, 0o600)
        assert self.precious.read_text() == "precious\n"


@pytest.fixture
def top() -> Iterator[Path]:
    """A folder of root's that every user may enter: pytest's own are closed to them."""
    folder = Path(tempfile.mkdtemp(prefix="cowhand-attack-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def mallory(top: Path) -> Mallory:
    """Another user of this machine; needs root, as CI has it."""
    if os.geteuid() != 0:
        pytest.skip("only root can act as another user")
    return Mallory(top)
