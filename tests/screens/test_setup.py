"""The set-up on the screens: a question at a time, the file before it is written, and the site that it opens."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from textual.pilot import Pilot

from console.engine.setup_engine import SetupEngine, SetupState
from console.engine.site_setup import Row
from console.estate.site_file import load
from console.setup import asking
from screens.widgets.bar import Bar
from tests.console.hosts.ssh_server import until
from tests.screens.house import build, rows_of, settle
from tests.screens.stage import calm
from tests.screens.stage_estate import SEED
from tests.screens.test_question import KEY

pytestmark = pytest.mark.slow

ROWS = (
    Row("ok", "haproxy.cfg", "4 lanes: 25 smtp, 465 smtps, 993 imaps and 4190 sieve"),
    Row("ok", "mailcow.tf", "1 machine: mailcow; 2 volumes: mailcow_var_lib_docker 50GiB and mailcow_opt 10GiB"),
    Row("note", "", "15 findings in the files, the gravest first:"),
    Row("note", "", "  CH006 docker-compose.override.yml:8  8 PROXY ports are published on every address"),
    Row("ok", "vps", "HAProxy 2.8.5 runs"),
    Row("wrong", "mailcow", "not reached by incus exec: the agent is not running"),
)
HOSTS = asking.hosts({"vps": "root@vps.example", "home": "192.0.2.7", "web": ""}, ())
TEXT = '# mine\n\n[sources]\nhaproxy = ["haproxy.cfg"] # 4 lanes\n\n[hosts.vps]\nrole = "proxy"\nssh = "vps"'
STATES = {
    "question": SetupState("site.toml", False, ROWS[:4], HOSTS, 2),
    "choice": SetupState("site.toml", True, ROWS, asking.role("vps", (), "none of them answers there"), 3),
    "ssh": SetupState("site.toml", False, ROWS[:4], busy="looking at vps", asked=(KEY,)),
    "ready": SetupState("site.toml", False, ROWS, text=TEXT, lacks=("no way into the mail host",)),
    "problem": SetupState("site.toml", False, ROWS[:2], problem="mailcow.tf:3:1: this is not HCL"),
}


class Told:
    """A double of the set-up that stands in one state and remembers what it was told."""

    def __init__(self, state: SetupState) -> None:
        self.state = state
        self.heard: list[str] = []

    def start(self, notify: Callable[[], object]) -> None:
        self.heard.append("start")
        notify()

    def answer(self, key: str, text: str) -> None:
        self.heard.append(f"{key}={text}")

    def reply(self, id: str, text: str | None) -> None:
        self.heard.append(f"reply {text}")

    def write(self) -> None:
        self.heard.append("write")

    def close(self) -> None:
        self.heard.append("close")


@pytest.mark.slow
@pytest.mark.parametrize("name", [f"{state}-80x24" for state in STATES])
def test_picture(name: str, picture: Callable[..., None]) -> None:
    state = STATES[name.removesuffix("-80x24")]
    picture(calm(), "80x24", lab=True, setup=lambda: Told(state), first="setup")


async def test_each_key_says_what_it_should() -> None:
    told = Told(STATES["question"])
    app = build(calm(), setup=lambda: told, first="setup")
    async with app.run_test(size=(80, 24)) as pilot:
        rows = await settle(pilot)
        assert any("which machines belong to it?" in row for row in rows)
        await settle(pilot, "escape")
        assert "⏎" in "".join(rows_of(app)[4:-1])
        await settle(pilot, "enter", "ctrl+u", *"vps", "enter")
        assert told.heard == ["start", "hosts=vps"]
        await settle(pilot, "escape", "c")
        assert told.heard[-1] == "start"
    assert told.heard[-1] == "close"


async def test_nothing_is_written_without_yes() -> None:
    told = Told(STATES["ready"])
    app = build(calm(), setup=lambda: told, first="setup")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot, "enter", "enter")
        assert "write" not in told.heard
        await settle(pilot, "enter", *"ja", "enter")
        assert "write" not in told.heard
        await settle(pilot, "enter", *"yes", "enter")
        assert told.heard[-1] == "write"


async def test_a_question_of_ssh_goes_before_and_its_answer_to_the_set_up() -> None:
    told = Told(STATES["ssh"])
    app = build(calm(), setup=lambda: told, first="setup")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot, *"yes", "enter")
        assert "reply yes" in told.heard


async def test_read_only_has_none() -> None:
    app = build(calm(), setup=lambda: Told(STATES["question"]), read_only=True)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot, "i")
        assert app.view.NAME == "lanes"


async def test_from_the_seed_s_files_to_the_site_that_opens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("haproxy.cfg", "mailcow.tf", "docker-compose.override.yml"):
        (tmp_path / name).write_bytes((SEED / name).read_bytes())
    monkeypatch.setenv("COWHAND_SSH_CONFIG", "/dev/null")
    engine = SetupEngine(tmp_path, tmp_path / "site.toml")
    app = build(calm(), lab=True, setup=lambda: engine, first="setup")

    async def answered(pilot: Pilot[None], key: str, *keys: str) -> None:
        await until(lambda: engine.state.question is not None and engine.state.question.key == key)
        await until(lambda: app.query_one(Bar).open)
        await pilot.press(*keys, "enter")

    async with app.run_test(size=(80, 24)) as pilot:
        await answered(pilot, "names", *"mail.example.org")
        await answered(pilot, "hosts", "ctrl+u", *"none")
        await answered(pilot, "https")
        await until(lambda: bool(engine.state.text))
        await settle(pilot, "enter", *"yes", "enter")
        await until(lambda: app.reopen is not None)
        assert engine.state.number == 3
    assert app.reopen == str(tmp_path / "site.toml")
    assert load(tmp_path / "site.toml").public.names == ("mail.example.org",)


def test_a_problem_of_the_files_ends_it_with_a_sentence(tmp_path: Path) -> None:
    import threading

    (tmp_path / "mailcow.tf").write_text("resource {\n  x =\n}\n")
    ended = threading.Event()
    engine = SetupEngine(tmp_path, tmp_path / "site.toml")
    engine.start(lambda: ended.set() if engine.state.problem else None)
    assert ended.wait(60)
    assert "mailcow.tf:3:1: " in engine.state.problem
    engine.close()
    assert not (tmp_path / "site.toml").exists()


DOOR = """
import os, sys
from textual.app import App
from console.__main__ import main

runs = []

def run(self, **options):
    runs.append(self)
    print(self._first, "lab" if self.lab else "own", self.board.title, self._said, sep="|")
    sys.stdout.flush()
    if len(runs) == 1 and len(sys.argv) > 1:
        self.reopen = sys.argv[1]
        return
    os._exit(0)

for stream in (sys.stdin, sys.stderr):
    stream.isatty = lambda: True
App.run = run
main([])
"""
"""Starts the screens up to where Textual takes over; the first ones end as if they had written the site named."""


@pytest.mark.parametrize("there", [("main.tf",), ()], ids=" ".join)
def test_the_set_up_stands_in_front_where_files_are_and_its_site_is_opened_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: tuple[str, ...]
) -> None:
    monkeypatch.delenv("COWHAND_SITE", raising=False)
    for name in ("CONFIG", "STATE", "CACHE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / "home" / name.lower()))
    folder = tmp_path / "infra"
    folder.mkdir()
    for name in there:
        (folder / name).write_text("")
    site = tmp_path / "mine.toml"
    site.write_text("[[lane]]\nport = 25\nprotocol = 'smtp'\ntarget = '127.0.0.1:10025'\n")
    program = [sys.executable, "-c", DOOR, str(site)]
    done = subprocess.run(program, cwd=folder, capture_output=True, text=True, timeout=60)
    first, second = (line.split("|") for line in done.stdout.strip().split("\n"))
    assert first[:2] == ["setup" if there else "lanes", "lab"], done.stderr
    assert second[:3] == ["lanes", "own", "mine"]
