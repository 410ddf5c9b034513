"""A file of a host that a flow edits: it costs in proportion to its size, and Ctrl+C is heard meanwhile."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from console.errors import FileError
from console.estate.load import load
from console.facts import arrivals
from console.flows.haproxy_listeners import steps as listeners
from console.flows.haproxy_listeners.running import EDITED as PROXYS
from console.flows.haproxy_listeners.wanted import wanted
from console.flows.proxy_override import steps as override
from console.flows.proxy_override.reaching import distrusting
from console.flows.proxy_override.stack import EDITED, MOST, POSTFIX, Binding
from console.flows.proxy_override.wanted import Needed, files
from console.runner.context import StepContext
from tests.attacks.test_growth import ENOUGH, spent
from tests.console.flows.cases import haproxy_listeners as proxy
from tests.console.flows.cases import proxy_override as stack
from tests.console.flows.walking import walk

OPEN = f'services:\n  {POSTFIX}:\n    ports:\n      - "${{SMTP_PORT:-25}}:10025"\n'
NEED = Needed("10.10.10.214", (10025,))

FRONT = "frontend f{0}\n  mode tcp\n  bind 192.0.2.1:{1}\n  timeout client 1m\n  default_backend all\n"
ALONE = "listen a{0}\n  bind :{1}\n  server s 10.10.10.214:10025 send-proxy\n"


@pytest.mark.parametrize(
    "read",
    [
        override.closed_to_six,
        lambda text: files(NEED, [Binding(POSTFIX, "", 25, 10025)], OPEN, text),
        lambda text: arrivals.parse(text, 10025),
    ],
    ids=["is IPv6 off", "is the port's variable set", "who is connected"],
)
def test_blank_lines_are_gone_through_once(read: Callable[[str], object]) -> None:
    small, large = "\n" * 4_000, "\n" * 32_000
    first = max(spent(read, small), ENOUGH / 8)
    assert spent(read, large) / first < 24


@pytest.mark.parametrize("piece", ["imap-login: haproxy: ", "imap-login: haproxy: not trusted "])
def test_a_line_of_dovecots_log_that_does_not_end_is_looked_at_once(piece: str) -> None:
    small, large = (piece * (size // len(piece)) for size in (4_000, 32_000))
    assert spent(distrusting, large) / max(spent(distrusting, small), ENOUGH / 8) < 24
    line = "dovecot: imap-login: Warning: haproxy: Client not trusted (rip=10.10.10.1)"
    assert distrusting(f"{large}\n{line}\n") == [line]


@pytest.mark.parametrize("piece", [ALONE, FRONT], ids=["listeners", "frontends of one backend"])
def test_eight_times_the_listeners_cost_about_eight_times_as_much(piece: str, tmp_path: Path) -> None:
    proxy.build(tmp_path)
    estate = load(tmp_path / "site.toml")
    start = (tmp_path / proxy.CONFIGURATION).read_text() + "backend all\n  server s 10.10.10.214:10993\n"

    def work(text: str) -> object:
        return wanted(estate, "/etc/haproxy/haproxy.cfg", text, True)

    small, large = (start + "".join(piece.format(n, 1000 + n) for n in range(count)) for count in (150, 1200))
    spent(work, small)
    assert spent(work, large) / spent(work, small) < 14


class StrictProxy(proxy.Proxy):
    """Stands for a machine that reads no more of a file than it is asked to, as the real ones do."""

    async def read(self, path: str, cap: int = 1 << 20) -> bytes:
        data = await super().read(path, cap)
        if len(data) > cap:
            raise FileError(f"{path} is larger than {cap} bytes")
        return data


class Strict(StrictProxy, stack.Vps): ...


@pytest.mark.parametrize("name", ["mailcow.conf", "docker-compose.override.yml", "data/conf/dovecot/extra.conf"])
async def test_a_file_that_is_edited_has_the_length_that_people_write(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def peer(*given: object) -> str:
        return stack.PEER

    monkeypatch.setattr(override, "_peer", peer)
    stack.build(tmp_path)
    with (tmp_path / "mail" / stack.FOLDER / name).open("a") as file:
        file.write("#" * (EDITED + 1))
    context = StepContext(load(tmp_path / "site.toml"), {"mail": Strict(tmp_path / "mail", "mail", "vm"),
                                                         "proxy": stack.hosts(tmp_path)["proxy"]})  # fmt: skip
    with pytest.raises(FileError, match=f"{name} is larger than {EDITED} bytes"):
        for step in (override.Find(), override.Ports(), override.Trust()):
            await step.check(context)


async def test_a_haproxy_cfg_that_nobody_writes_is_not_edited(tmp_path: Path) -> None:
    proxy.build(tmp_path)
    with (tmp_path / proxy.CONFIGURATION).open("a") as file:
        file.write("#" * PROXYS)
    context = StepContext(load(tmp_path / "site.toml"), {"proxy": StrictProxy(tmp_path, "proxy", "vps")})
    with pytest.raises(FileError, match=f"haproxy.cfg is larger than {PROXYS} bytes"):
        await listeners.File().check(context)


async def test_of_thousands_of_published_ports_none_is_worked_out(tmp_path: Path) -> None:
    stack.build(tmp_path)
    path = tmp_path / "mail" / stack.OVERRIDE
    rows = "".join(f'      - "10.10.10.214:{2000 + n}:10025"\n' for n in range(MOST + 1))
    path.write_text(f"services:\n  {POSTFIX}:\n    ports:\n{rows}")
    ending = await walk(stack.CASE, tmp_path, lambda event: None)
    assert ending is not None
    assert (ending.outcome, f"compose would publish {MOST + 1} PROXY ports" in ending.words) == ("refused", True)


@pytest.mark.parametrize(
    ("module", "name", "case"),
    [(listeners, "work", proxy), (listeners, "running", proxy), (override, "files", stack)],
    ids=lambda each: getattr(each, "__name__", each),
)
async def test_ctrl_c_is_heard_while_a_long_file_is_worked_out(
    module: object, name: str, case: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, heard = threading.Event(), threading.Event()
    real = getattr(module, name)

    def slow(*given: object) -> object:
        began.set()
        assert heard.wait(60), "the loop stands still"
        return real(*given)

    monkeypatch.setattr(module, name, slow)
    case.build(tmp_path)  # type: ignore[attr-defined]
    flow = asyncio.ensure_future(walk(case.CASE, tmp_path, lambda event: None))  # type: ignore[attr-defined]
    assert await asyncio.to_thread(began.wait, 60)
    heard.set()
    ending = await flow
    assert ending is not None
    assert ending.outcome == "done"
