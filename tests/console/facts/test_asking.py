"""Asking a machine: which commands are tried in which order, and what is said when none answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn

import pytest

from console.errors import HostError, NoWayIn, Refused, TimedOut
from console.facts import connections, containers, haproxy_running, haproxy_stats, listeners, log, mounts, tailscale
from console.facts.command import explain
from console.hosts.host import Completed
from tests.console.facts.recorded import StandIn, failed, text

PS = text("containers", "2.26.1.json")
SOCKET = "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock: Get"
DOWN = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"
NONE = "no configuration file provided: not found"
FOLDER = "docker compose --project-directory /opt/mailcow-dockerized"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (failed(SOCKET), 'docker: permission denied on mailcow; add become = "sudo"'),
        (
            failed("permission denied while trying to connect to the docker API at unix:///var/run/docker.sock"),
            'docker: permission denied on mailcow; add become = "sudo"',
        ),
        (failed(DOWN), f"docker on mailcow: {DOWN}"),
        (failed("sh: docker: not found", 127), "docker: not found on mailcow"),
        (
            failed("docker: 'compose' is not a docker command.\nSee 'docker --help'"),
            "docker on mailcow has no compose v2: install docker-compose-plugin",
        ),
        (
            failed("unknown flag: --project-directory\nSee 'docker --help'.", 125),
            "docker on mailcow has no compose v2: install docker-compose-plugin",
        ),
        (
            failed("docker: unknown command: docker compose\n\nRun 'docker --help' for more information"),
            "docker on mailcow has no compose v2: install docker-compose-plugin",
        ),
        (failed(f'time="2026-11-22" level=warning msg="unset"\n{NONE}', 14), f"docker on mailcow: {NONE}"),
        (failed(""), "docker on mailcow ended with status 1"),
        (NoWayIn("no way in to mailcow"), "no way in to mailcow"),
        ("<html>", "docker on mailcow: not the answer to docker compose ps: JSON is malformed"),
        ("x" * (5 << 20), "docker on mailcow said more than 4194304 bytes"),
        (failed("\x1b[31mboom\x07"), "docker on mailcow: \\x1b[31mboom\\x07"),
    ],
)
async def test_what_docker_complains_of_is_said_in_the_operators_words(
    answer: Completed | str | HostError, said: str
) -> None:
    told = await containers.ask(StandIn({"docker": answer}))
    assert told.found == ()
    assert told.error.startswith(said)


async def test_a_daemon_that_does_not_answer_is_asked_once() -> None:
    host = StandIn({"docker": failed(SOCKET)})
    await containers.ask(host)
    assert len(host.asked) == 1


async def test_the_project_is_found_in_its_folder_else_where_we_are_else_by_its_name() -> None:
    found = {FOLDER: PS, "docker compose ps": PS, "docker compose --project-name mailcowdockerized ps": PS}
    for tries in (1, 2, 3):
        host = StandIn({**found, **dict.fromkeys(list(found)[: tries - 1], failed(NONE, 14))})
        told = await containers.ask(host)
        assert (len(told.found), told.error, len(host.asked)) == (3, "", tries)


async def test_a_folder_whose_settings_we_may_not_read_is_asked_by_name() -> None:
    denied = failed("open /opt/mailcow-dockerized/.env: permission denied")
    host = StandIn({FOLDER: denied, "docker compose ps": failed(NONE), "docker compose --project-name": PS})
    assert len((await containers.ask(host)).found) == 3
    host = StandIn({FOLDER: denied, "docker": failed(NONE)})
    assert (await containers.ask(host)).error == 'docker: permission denied on mailcow; add become = "sudo"'


async def test_words_of_a_container_cannot_steer_the_terminal() -> None:
    row = '{"Service":"\\u001b[2Jx","State":"exited","Status":"Exited (1) \\u202e\\u0007","ExitCode":1}'
    (found,) = (await containers.ask(StandIn({"docker": row}))).found
    assert (found.service, found.words) == ("\\x1b[2Jx", "exited (1) \\u202e\\x07")


async def test_no_containers_is_no_fault_of_docker() -> None:
    for answer in ("", "[]", "\n"):
        assert await containers.ask(StandIn({"docker": answer})) == containers.Containers()


async def test_a_machine_without_tailscale_is_told_from_one_whose_daemon_is_down() -> None:
    nothing = await tailscale.ask(StandIn({}, "vps"))
    assert nothing.absent
    said = "failed to connect to local tailscaled; it doesn't appear to be running (sudo systemctl start tailscaled ?)"
    down = await tailscale.ask(StandIn({"tailscale": failed(said)}, "vps"))
    assert (down.absent, down.error) == (False, f"tailscale on vps: {said}")


async def test_an_ss_that_knows_no_headerless_form_is_asked_for_the_other() -> None:
    usage = failed("ss: invalid option -- 'H'", 255, "Usage: ss [ OPTIONS ]\n")
    host = StandIn({"ss -Hltnp": usage, "ss -ltnp": text("listeners", "3.16.0-ltnp.txt")})
    assert [each.process for each in (await listeners.ask(host)).at(443)] == ["nginx"]


async def test_without_ss_the_kernel_is_asked_with_or_without_ipv6() -> None:
    proc = text("listeners", "proc.txt")
    host = StandIn({"cat /proc/net/tcp /proc/net/tcp6": proc})
    assert {each.address for each in (await listeners.ask(host)).at(25)} == {"0.0.0.0", "::"}
    four = proc[: proc.index("  sl", 5)]
    host = StandIn({"cat": failed("cat: /proc/net/tcp6: No such file or directory", 1, four)})
    assert [each.address for each in (await listeners.ask(host)).at(25)] == ["0.0.0.0"]


async def test_a_machine_that_tells_nothing_of_its_listeners_is_said_so() -> None:
    assert (await listeners.ask(StandIn({}))).error == "ss: not found on mailcow"
    host = StandIn({"ss": NoWayIn("no way in")})
    assert (await listeners.ask(host)).error == "no way in"
    assert len(host.asked) == 1


async def test_lines_that_a_narrow_ss_wraps_are_put_together() -> None:
    wrapped = 'LISTEN 0 100 0.0.0.0:25 0.0.0.0:*\n      users:(("master",pid=812,fd=13))\n'
    (found,) = (await listeners.ask(StandIn({"ss": wrapped}))).found
    assert (found.process, found.pid) == ("master", 812)


async def test_a_dead_network_file_system_costs_the_sizes_and_nothing_else() -> None:
    listing = text("mounts", "2.38.1.json")
    host = StandIn({"findmnt --json --bytes": TimedOut("findmnt did not end within 5 s"), "findmnt --json": listing})
    told = await mounts.ask(host)
    assert told.error == ""
    opt = told.on("/opt")
    assert opt is not None and opt.uuid.endswith("2")


async def test_without_findmnt_the_kernel_is_asked() -> None:
    told = await mounts.ask(StandIn({"cat /proc/self/mountinfo": text("mounts", "mountinfo.txt")}))
    holding = told.holding("/opt/mailcow-dockerized")
    assert holding is not None and holding.source == "/dev/sdb"
    root = told.holding("/optional")
    assert root is not None and root.target == "/"
    assert told.on("/srv") is None
    assert (await mounts.ask(StandIn({}))).error == "findmnt: not found on mailcow"


def test_of_two_mounts_on_one_folder_the_last_counts() -> None:
    stacked = "22 1 8:2 / / rw - ext4 /dev/sda2 rw\n23 22 8:16 / /opt rw - ext4 /dev/sdb rw\n"
    told = mounts.Mounts(mounts.parse(stacked + "24 22 0:30 / /opt ro - tmpfs tmpfs rw\n"))
    for found in (told.on("/opt"), told.holding("/opt/x")):
        assert found is not None and found.kind == "tmpfs"


class Socketless(StandIn):
    """Stands for a machine whose stats socket fails so."""

    def __init__(self, error: HostError) -> None:
        super().__init__({}, "vps")
        self.error = error

    async def connect_unix(self, path: str, timeout: float) -> NoReturn:
        raise self.error


async def test_a_stats_socket_we_may_not_open_is_said_with_the_remedy() -> None:
    host = Socketless(NoWayIn("/run/haproxy/admin.sock was not asked: Permission denied"))
    told = await haproxy_stats.ask(host)
    assert told.error == '/run/haproxy/admin.sock: permission denied on vps; add become = "sudo"'
    gone = await haproxy_stats.ask(Socketless(Refused("no")))
    assert gone.stopped


async def test_a_service_is_asked_for_its_log_by_the_machines_own_clock() -> None:
    host = StandIn({"docker": "one\ntwo\x1b[2J\n"})
    told = await log.ask(host, "service", "dovecot-mailcow", since=90.4, pattern="t[wx]o")
    assert told == log.Log(("two\\x1b[2J",))
    assert host.asked == [f"{FOLDER} logs --no-color --no-log-prefix --tail 1200 --since 90s dovecot-mailcow"]


async def test_a_unit_is_asked_for_its_journal_and_remarks_are_left_out() -> None:
    said = "-- Journal begins at Mon 2026-01-05 --\n2026-11-22T18:00:00+0100 vps haproxy[7]: up\n-- No entries --\n"
    host = StandIn({"journalctl": said})
    told = await log.ask(host, "unit", "haproxy", since=600)
    assert told.lines == ("2026-11-22T18:00:00+0100 vps haproxy[7]: up",)
    assert host.asked[0].endswith("--unit=haproxy --since=-600s")


async def test_a_journal_that_hides_from_us_is_not_an_empty_one() -> None:
    for hint in (
        b"Hint: You are currently not seeing messages from other users and the system.\n",
        b"No journal files were opened due to insufficient permissions.\n",
    ):
        host = StandIn({"journalctl": Completed(0, b"-- No entries --\n", hint)}, "vps")
        told = await log.ask(host, "unit", "haproxy")
        assert told.error == 'journalctl: permission denied on vps; add become = "sudo"'
    assert (await log.ask(StandIn({"journalctl": "-- No entries --\n"}), "unit", "haproxy")).error == ""


async def test_a_file_is_cut_at_a_time_by_the_machines_own_clock_and_zone() -> None:
    lines = "\n".join(
        (
            "Nov 22 18:59:00 mail old",
            "  and what belongs to it",
            "Nov 22 19:05:00 mail syslog",
            "  and what belongs to it",
            "2026-11-22T19:06:00.123456+01:00 mail rsyslog",
            "2026-11-22T18:07:00Z mail zulu",
            "2026-11-22 19:08:00 plain",
            "2026-11-22T17:59:00Z older than an hour",
        )
    )
    now = "1795374600 +0100"  # 2026-11-22 20:10 in Berlin, so 19:10 UTC
    host = StandIn({"tail": lines, "date": now.replace("1795374600", "1795371000")})  # 19:10 in Berlin
    told = await log.ask(host, "file", "/var/log/mail.log", since=600)
    assert [line.split(" ")[-1] for line in told.lines] == ["syslog", "it", "rsyslog", "zulu", "plain"]
    assert host.asked == ["tail -n 60 -- /var/log/mail.log", "date +%s %z"]


async def test_the_last_night_of_the_year_is_not_a_year_ago() -> None:
    host = StandIn({"tail": "Dec 31 23:59:30 mail new\nDec 31 22:00:00 mail old\n", "date": "1798758030 +0000"})
    assert (await log.ask(host, "file", "x", since=120)).lines == ("Dec 31 23:59:30 mail new",)


async def test_a_log_that_cannot_be_read_says_why_and_tail_says_nothing() -> None:
    missing = failed("tail: cannot open '/x' for reading: No such file or directory")
    told = await log.ask(StandIn({"tail": missing}), "file", "/x")
    assert told.error == "tail on mailcow: cannot open '/x' for reading: No such file or directory"
    assert await log.tail(StandIn({"docker": failed(DOWN)}), "dovecot-mailcow") == ()
    assert await log.tail(StandIn({"docker": "a\nb\n"}), "dovecot-mailcow") == ("a", "b")


def test_what_compose_writes_to_erase_a_line_is_no_part_of_the_line() -> None:
    text = "\x1b[2KNov 27 08:43:40 224496201c07 dovecot: imap-login\r\n\x1b[2K\r\n\x1b[2Kname\x1b[2K\n"
    assert log.parse(text) == ("Nov 27 08:43:40 224496201c07 dovecot: imap-login", "name\\x1b[2K")
    assert log.parse(text, "^Nov") == ("Nov 27 08:43:40 224496201c07 dovecot: imap-login",)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("cat: /x: Permission denied", 'sh: permission denied on vps; add become = "sudo"'),
        ("root@10.0.0.1: Permission denied (publickey).", "sh on vps: root@10.0.0.1: Permission denied (publickey)."),
        (
            "Permission denied (password,keyboard-interactive).",
            "sh on vps: Permission denied (password,keyboard-interactive).",
        ),
    ],
)
def test_a_refusal_of_another_machine_s_sshd_is_not_called_a_missing_right_here(said: str, told: str) -> None:
    assert explain("vps", "sh", Completed(255, b"", said.encode())) == told


async def test_what_stands_unanswered_is_told_of_the_program_that_dials_alone() -> None:
    rows = (
        '0 1 100.64.0.1:40001 10.10.10.214:10025 users:(("haproxy",pid=7,fd=9))\n'
        '0 1 100.64.0.1:40002 10.10.10.214:10993 users:(("curl",pid=8,fd=3))\n'
        '0 1 [2001:db8::1]:40003 [2001:db8::2]:25 users:(("haproxy",pid=7,fd=11))\n'
    )
    found = await connections.unanswered(StandIn({"ss -Htnp state syn-sent": rows}), "haproxy")
    assert found == (("100.64.0.1:40001", "10.10.10.214", 10025), ("[2001:db8::1]:40003", "2001:db8::2", 25))
    nameless = StandIn({"ss": "0 1 100.64.0.1:40001 10.10.10.214:10025\n"})
    assert await connections.unanswered(nameless, "haproxy") is None
    assert await connections.unanswered(StandIn({"ss": ""}), "haproxy") == ()
    assert await connections.unanswered(StandIn({}), "haproxy") is None


class Slow(StandIn):
    """Stands for a machine whose way in takes longer than its socket may, and then is none."""

    async def connect_unix(self, path: str, timeout: float) -> NoReturn:
        await asyncio.sleep(5 * timeout)
        raise NoWayIn("203.0.113.10:22 did not answer within 10 s")


async def test_a_way_in_that_takes_long_is_no_silence_of_haproxy() -> None:
    told = await haproxy_stats.ask(Slow({}), timeout=0.01)
    assert (told.silent, told.stopped) == (False, False)
    assert told.error == "203.0.113.10:22 did not answer within 10 s"


class Mute:
    """Stands for a stream on which nothing comes."""

    closed = False

    async def write(self, data: bytes) -> None:
        """Take it."""

    async def read(self, limit: int = 65536) -> bytes:
        await asyncio.Event().wait()
        return b""

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize("ask", [haproxy_stats.ask, haproxy_running.ask])
async def test_a_socket_on_which_nothing_comes_is_told_and_let_go_of(ask: Callable[..., Awaitable[Any]]) -> None:
    stream, host = Mute(), StandIn({})
    host.connect_unix = lambda path, timeout: _given(stream)  # type: ignore
    told = await ask(host, ("/run/haproxy.sock",), timeout=0.01)
    assert (told.error, stream.closed) == ("the stats socket /run/haproxy.sock did not answer within 0.01 s", True)


async def _given(stream: Mute) -> Mute:
    return stream
