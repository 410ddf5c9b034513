"""The way in by `incus exec`; Incus itself is a stand-in that takes the words as the real client does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from console.engine.vantages import open_site
from console.errors import FileError, Missing, NoWayIn, TimedOut, Unresolved
from console.estate.site_file import parse
from console.hosts.incus.exec import Incus
from console.hosts.local import Local

CLIENT = """\
#!/bin/sh
[ "$1 $2" = "exec -T" ] || { echo "Error: unknown command" >&2; exit 1; }
[ "$3" = home:mailcow ] || { echo "Error: Instance not found" >&2; exit 1; }
[ "$4 $5 $6" = "--env LC_ALL=C --" ] || { echo "Error: unknown flag" >&2; exit 1; }
SAYS
shift 6
command -v "$1" >/dev/null || { echo "Error: Command not found" >&2; exit 127; }
LC_ALL=C exec "$@"
"""

Make = Callable[..., Incus]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    def made(says: str = "", instance: str = "home:mailcow") -> Incus:
        client = tmp_path / "bin" / "incus"
        client.parent.mkdir(exist_ok=True)
        client.write_text(CLIENT.replace("SAYS", says))
        client.chmod(0o755)
        monkeypatch.setenv("PATH", f"{client.parent}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        return Incus("mailcow", "mail", instance, Local("home", "hypervisor"))

    return made


async def test_a_command_runs_inside_with_its_words_and_status(make: Make) -> None:
    done = await make().run(["sh", "-c", 'printf "%s|" "$@"; exit 7', "sh", "a b", "*", "'\n"], 5)
    assert (done.status, done.stdout) == (7, b"a b|*|'\n|")


async def test_a_file_is_read_and_written_whole_with_the_version_before_kept(make: Make, tmp_path: Path) -> None:
    host = make()
    path = tmp_path / "fstab"
    await host.write(str(path), b"one\n", 0o640)
    await host.write(str(path), b"\0two", 0o600)
    assert (await host.read(str(path)), path.stat().st_mode & 0o777) == (b"\0two", 0o600)
    assert Path(f"{path}.previous").read_bytes() == b"one\n"
    with pytest.raises(Missing, match="is not there on mailcow"):
        await host.read(str(tmp_path / "none"))
    with pytest.raises(FileError, match="was not written"):
        await host.write(str(tmp_path / "none" / "file"), b"")


async def test_a_command_that_is_not_there_is_status_127(make: Make) -> None:
    done = await make().run(["no-such-tool"], 5)
    assert (done.status, done.stderr) == (127, b"no-such-tool: command not found")


async def test_a_machine_without_timeout_is_asked_without_it(make: Make) -> None:
    host = make('[ "$7" != timeout ] || { echo "Error: Command not found" >&2; exit 127; }')
    assert (await host.run(["echo", "hello"], 5)).stdout == b"hello\n"
    assert (await host.run(["no-such-tool"], 5)).status == 127


@pytest.mark.parametrize(
    "said",
    [
        "VM agent isn't currently running",
        "Instance is not running",
        'The remote "home" doesn\'t exist',
        "You don't have the needed permissions to dialogue to the incus daemon",
        'Get "http://unix.socket/1.0": dial unix /run/incus/unix.socket: connect: no such file or directory',
    ],
)
async def test_an_instance_that_cannot_be_reached_is_no_way_in(make: Make, said: str) -> None:
    host = make(f"cat >&2 <<'END'\nError: {said}\nEND\nexit 1")
    with pytest.raises(NoWayIn, match="no way in to mailcow by incus exec on home: ") as caught:
        await host.run(["true"], 5)
    assert str(caught.value).endswith(said)


async def test_an_unknown_instance_and_a_missing_client_are_said(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NoWayIn, match="Instance not found"):
        await make(instance="home:other").run(["true"], 5)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(NoWayIn, match="home has no incus"):
        await Incus("mailcow", "mail", "home:mailcow", Local("home", "hypervisor")).run(["true"], 5)


async def test_an_error_of_the_command_itself_is_its_own(make: Make) -> None:
    done = await make().run(["sh", "-c", "echo 'Error: disk is full' >&2; exit 1"], 5)
    assert (done.status, done.stderr) == (1, b"Error: disk is full\n")


async def test_a_command_that_hangs_is_given_up_by_its_own_name(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.hosts.incus.exec.LATE", 0.0)
    with pytest.raises(TimedOut, match=r"sleep did not end within 0\.2 s on mailcow"):
        await make().run(["sleep", "60"], 0.2)


async def test_names_are_resolved_inside_and_streams_are_not_opened(make: Make) -> None:
    host = make()
    assert await host.resolve("10.10.10.214") == ("10.10.10.214",)
    assert await host.resolve("localhost")
    with pytest.raises(Unresolved):
        await host.resolve("-s")
    with pytest.raises(NoWayIn, match="give it ssh"):
        await host.connect("127.0.0.1", 25, 1)


async def test_a_site_that_names_via_and_incus_is_opened_through_its_home_server(make: Make) -> None:
    make()
    text = (
        '[hosts.home]\nrole = "hypervisor"\nlocal = true\n'
        '[hosts.mailcow]\nrole = "mail"\nvia = "home"\nincus = "home:mailcow"\n'
    )
    opened = open_site(parse(text, "site.toml"))
    assert "mail" not in opened.missing
    assert (await opened.hosts["mail"].run(["echo", "inside"], 5)).stdout == b"inside\n"
    assert "echo inside" in opened.log[-1]
    await opened.close()
