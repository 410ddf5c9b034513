"""A program that lies in a clone is not run because PATH leads there: absolute entries alone count, everywhere."""

from __future__ import annotations

import ast
import contextlib
import hashlib
import os
import pickle
import shutil
import zlib
from pathlib import Path

import pytest

from console.__main__ import main
from console.engine.vantages import open_site
from console.errors import NoWayIn
from console.estate import cache as cached
from console.estate import tables
from console.estate.load import load
from console.hosts import programs, relay
from console.hosts.local import Local
from console.hosts.ssh import config
from console.hosts.ssh.transport import Proxy
from console.mend import haproxy
from console.mend.plan import plan
from console.site import Site
from console.sources.opentofu import grammar
from console.tofu import tool
from console.tofu.refine import refined

ROOT = Path(__file__).parents[2]
NAMES = ("ssh", "tofu", "haproxy", "docker", "tailscale", "sudo", "incus", "true", "sh", "timeout")
PATHS = (":/usr/bin:/bin", "/usr/bin:/bin:", ".:/usr/bin:/bin", "tools:/usr/bin:/bin", "/usr/bin::/bin", "", ":")


@pytest.fixture(params=PATHS, ids=lambda path: path or "nothing")
def clone(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cloned repository with programs in it, as the working folder, and a PATH that leads to them."""
    shutil.copytree(ROOT / "tests/screens/seed", tmp_path / "clone")
    here = tmp_path / "clone"
    (here / "tools").mkdir()
    (here / ".terraform").mkdir()
    files = 'haproxy = ["haproxy.cfg"]\nopentofu = ["mailcow.tf"]'
    (here / "site.toml").write_text(f"[sources]\n{files}\n")
    for folder in (here, here / "tools"):
        for name in NAMES:
            (folder / name).write_text(f"#!/bin/sh\ntouch {tmp_path}/pwned-{name}\n")
            (folder / name).chmod(0o755)
    monkeypatch.chdir(here)
    monkeypatch.setenv("PATH", request.param)
    return here


def pwned(clone: Path) -> list[str]:
    return sorted(path.name for path in clone.parent.glob("pwned-*"))


async def test_no_program_of_the_working_folder_is_run(clone: Path) -> None:
    for name in NAMES:
        await Local().run([name], 5)
    await Local().run(["timeout", "1", "docker"], 5)
    with contextlib.suppress(NoWayIn):
        await config.resolve("vps")
    proxy = await Proxy.start("docker")
    await proxy.process.wait()
    await proxy.close()
    assert pwned(clone) == []


async def test_a_tool_that_looks_in_its_working_folder_does_not_look_in_the_clone(tmp_path: Path) -> None:
    # With `local = true` and become = "sudo" in the clone's own site.toml this ran as root.
    (tmp_path / "clone").mkdir()
    for module in ("os", "select", "socket", "json", "subprocess", "sitecustomize"):
        (tmp_path / f"clone/{module}.py").write_text(f"open('{tmp_path}/pwned-{module}', 'w')\n")
    with contextlib.chdir(tmp_path / "clone"):
        await Local().run(["python3", "-c", "import socket, select, json, subprocess"], 20)
        relayed = await Local().run(relay.unix("python3", "/nobody/listens", 1) or [], 20)
        place = await Local().run(["pwd"], 20)
    assert pwned(tmp_path / "clone") == []
    assert b"No such file" in relayed.stderr and place.stdout == b"/\n"


def test_what_reads_and_mends_runs_none_either(clone: Path) -> None:
    estate = load(clone / "site.toml")
    made = plan(clone / "site.toml")
    assert "haproxy.cfg" in made.texts
    argv, _ = haproxy.command(made)
    assert argv[:1] in ([], ["/usr/sbin/haproxy"], ["/usr/local/sbin/haproxy"])
    haproxy.refusal(argv, estate) if argv else None
    refined(estate)
    assert pwned(clone) == []


@pytest.mark.parametrize("name", ["./ssh", "tools/ssh", "../clone/ssh", "", "/", ".", ".."])
def test_a_relative_path_is_no_program(clone: Path, name: str) -> None:
    assert programs.program(name) is None


def test_a_folder_or_a_file_that_may_not_run_is_no_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a/ssh").mkdir(parents=True)
    (tmp_path / "b").mkdir()
    (tmp_path / "b/ssh").write_text("")
    (tmp_path / "c").mkdir()
    (tmp_path / "c/ssh").write_text("")
    (tmp_path / "c/ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/a:{tmp_path}/b:{tmp_path}/c")
    assert programs.program("ssh") == f"{tmp_path}/c/ssh"
    assert programs.program(f"{tmp_path}/c/ssh") == f"{tmp_path}/c/ssh"
    assert programs.program(f"{tmp_path}/b/ssh") is None


def test_without_a_path_the_usual_folders_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PATH", raising=False)
    assert programs.program("sh") in ("/usr/bin/sh", "/bin/sh")


LOADING = {
    "LD_PRELOAD": "", "LD_LIBRARY_PATH": "/tmp/x", "LD_AUDIT": "", "BASH_ENV": "/tmp/x", "ENV": "/tmp/x",
    "PYTHONPATH": "/tmp/x", "PERL5OPT": "-Mx", "NODE_OPTIONS": "-r x", "GIT_SSH_COMMAND": "x",
    "GCONV_PATH": "/tmp/x", "IFS": "x", "VAULT_TOKEN": "geheim", "EDITOR": "x", "PAGER": "x", "LESSOPEN": "|x",
}  # fmt: skip
"""Variables that load code into what is run, and one of another program's secrets."""


async def test_a_local_tool_gets_a_small_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (LOADING | {"DOCKER_HOST": "unix:///x", "HOME": "/root"}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PATH", ":/usr/bin:.:/bin")
    done = await Local().run(["env"], 5)
    found = dict(line.split("=", 1) for line in done.stdout.decode().splitlines())
    assert not set(LOADING) & set(found)
    assert found["PATH"] == "/usr/bin:/bin"
    assert (found["DOCKER_HOST"], found["HOME"], found["LC_ALL"]) == ("unix:///x", "/root", "C")


def test_programs_are_looked_up_and_started_in_known_places_alone() -> None:
    starts = {"Popen", "create_subprocess_exec", "create_subprocess_shell", "posix_spawn", "system", "execv", "execvp",
              "execvpe", "popen", "which", "check_output", "check_call"}  # fmt: skip
    found = set()
    for file in [*(ROOT / "console").rglob("*.py"), *(ROOT / "screens").rglob("*.py")]:
        for node in ast.walk(ast.parse(file.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            name, whose = node.func.attr, getattr(node.func.value, "id", "")
            if name in starts or (name == "run" and whose == "subprocess"):
                found.add((str(file.relative_to(ROOT)), name))
    assert found == {
        ("console/commands/man.py", "run"),  # man, which the operator asked for
        ("console/hosts/process.py", "create_subprocess_exec"),
        ("console/hosts/ssh/config.py", "Popen"),
        ("console/lab/client.py", "Popen"),
        ("console/mend/haproxy.py", "run"),
    }


async def test_the_keys_of_a_cloud_reach_the_tool_that_needs_them_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "geheim")
    here = open_site(Site()).named["here"]
    asked = [await here.run(["env", *words, "env"], 5) for words in ((), tool.SETTINGS)]
    assert ["geheim" in done.stdout.decode() for done in asked] == [False, True]


# ── caches (B13 e) ──────────────────────────────────────────────────────────────────────────────────────────────────


class Planted:
    """Makes a folder when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.mark),)


def test_a_cache_that_is_a_folder_of_the_clone_runs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every file that is ever kept there is a pickle: with the sum of it in front, and without."""
    clone, mark = tmp_path / "clone", tmp_path / "run"
    site, cache = clone / "site.toml", clone / "cache" / "cowhand"
    cache.mkdir(parents=True, mode=0o700)
    (clone / "main.tf").write_text('resource "incus_instance" "m" {\n  name = "m"\n}\n')
    site.write_text('[sources]\nopentofu = ["main.tf"]\n')
    monkeypatch.setenv("XDG_CACHE_HOME", str(clone / "cache"))
    monkeypatch.setattr(tables, "shipped", lambda: tmp_path / "not there")
    tables.keep()
    known = grammar.parser()  # to make it takes seconds
    monkeypatch.setattr(grammar, "_compiled", lambda text, postlex: known)
    monkeypatch.setattr(grammar, "_load", [tables._found])
    monkeypatch.setattr(grammar, "_save", [])
    data = pickle.dumps(Planted(mark))
    kept = (tables.NAME, f"estate-{zlib.crc32(os.fsencode(site.absolute())):08x}.msgpack")
    try:
        for content in (data, hashlib.sha256(data).digest() + data, hashlib.sha256(data).hexdigest().encode() + data):
            for name in kept:
                (cache / name).write_bytes(content)
            grammar.parser.cache_clear()
            assert main(["--site", str(site), "lint"]) == 0
            assert grammar.parser() is known and [*tables._found()] == [content]
            assert cached.read(site) is None
            assert not mark.exists()
    finally:
        grammar.parser.cache_clear()
    capsys.readouterr()
