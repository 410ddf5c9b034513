"""`make bench`: what cowhand costs beside its peers, in one run, as ratios. Nothing here passes or fails."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.anchors.terminal import Terminal

LAUNCHES = 11

HELLO = """
from textual.app import App
from textual.widgets import Static

class Hello(App):
    def compose(self):
        yield Static("Hello-Anchor 4190")

Hello().run(mouse=False)
"""

SITE = """
[sources]
haproxy = ["haproxy.cfg"]
opentofu = ["mailcow.tf"]
compose = ["docker-compose.override.yml"]
"""


def seed(folder: Path) -> Path:
    """Lay out the operator's three files with a site file; nothing in it leads anywhere."""
    import assets

    sample = Path(assets.__file__).parent / "lab"
    for name in ("haproxy.cfg", "mailcow.tf", "docker-compose.override.yml"):
        (folder / name).write_bytes((sample / name).read_bytes())
    site = folder / "site.toml"
    site.write_text(SITE)
    return site


def home(folder: Path) -> dict[str, str]:
    """The environment of somebody whose home is a folder."""
    return {"HOME": str(folder)} | {f"XDG_{name}_HOME": str(folder / name) for name in ("STATE", "CACHE", "CONFIG")}


def first_paint(argv: list[str], needle: str, folder: Path) -> float:
    """Seconds from launch until the terminal has received `needle`."""
    began = time.perf_counter()
    environment = home(folder)
    terminal = Terminal(argv, columns=120, rows=36, environment=environment)
    try:
        while needle.encode() not in terminal.received:
            if time.perf_counter() - began > 30:
                raise AssertionError(terminal.text())
            time.sleep(0.001)
        return time.perf_counter() - began
    finally:
        terminal.close()


def paired(ours: Callable[[], float], theirs: Callable[[], float], runs: int = LAUNCHES) -> tuple[float, float, float]:
    """Median seconds of each and the median ratio, run in turn so that a drifting machine hits both."""
    ours(), theirs()
    pairs = [(ours(), theirs()) for _ in range(runs)]
    return (
        statistics.median(a for a, _ in pairs),
        statistics.median(b for _, b in pairs),
        statistics.median(a / b for a, b in pairs),
    )


def row(what: str, ours: float, peer: str, theirs: float, ratio: float, goal: str) -> None:
    """Print one line of the table."""
    print(
        f"{what:<34} {ours * 1000:8.1f} ms   {peer:<26} {theirs * 1000:8.1f} ms   {ratio:5.2f} ×   goal {goal}",
        flush=True,
    )


def wall(argv: list[str], environment: dict[str, str] | None = None) -> float:
    """Seconds a command takes."""
    began = time.perf_counter()
    none = subprocess.DEVNULL
    given = {**os.environ, **(environment or {})}
    subprocess.run(argv, stdout=none, stderr=none, stdin=none, check=False, env=given)
    return time.perf_counter() - began


def keep(argv: list[str], folder: Path) -> None:
    """Start once, until the estate is in the cache."""
    terminal = Terminal(argv, environment=home(folder))
    try:
        while not any(folder.glob("CACHE/cowhand/estate-*")):
            time.sleep(0.01)
    finally:
        terminal.close()


def fresh(folder: Path) -> Path:
    """A home that nobody has used."""
    return Path(tempfile.mkdtemp(dir=folder))


def bench_start(folder: Path) -> None:
    """First paint with the topology drawn, against a bare Textual hello; `--version` against bare Python."""
    hello = folder / "hello.py"
    hello.write_text(HELLO)
    site = seed(folder)
    cowhand = [sys.executable, "-m", "console"]
    argv = [*cowhand, "--site", str(site)]
    starts = (
        ("lanes, with an empty home", "4190", True, "≤ 1.3 ×"),
        ("whole estate, with an empty home", "site.toml lacks", True, "≤ 2 ×"),
        ("lanes, from the cache", "4190", False, "≤ 1.1 ×"),
    )
    keep(argv, folder)
    for what, needle, cold, goal in starts:
        figures = paired(
            lambda needle=needle, cold=cold: first_paint(argv, needle, fresh(folder) if cold else folder),  # type: ignore[misc]
            lambda: first_paint([sys.executable, str(hello)], "Hello-Anchor", folder),
        )
        row(what, figures[0], "a bare Textual hello", figures[1], figures[2], goal)
    shown = statistics.median(wall([*argv, "show"], home(fresh(folder))) for _ in range(LAUNCHES))
    print(f"{'show, with an empty home':<34} {shown * 1000:8.1f} ms{'':58}goal ≤ 600 ms")
    figures = paired(lambda: wall([*cowhand, "--version"]), lambda: wall([sys.executable, "-c", "pass"]))
    print(f"{'--version over bare Python':<34} {(figures[0] - figures[1]) * 1000:8.1f} ms{'':58}goal ≤ 60 ms")


def bench_sweep() -> None:
    """A full sweep of the lab against its slowest single ladder in the same sweep."""
    import asyncio

    from console.commands.opening import lab_site
    from console.engine.vantages import open_lab
    from console.estate.load import load
    from console.probes.sweep import sweep

    read = load(lab_site())
    opened = open_lab()

    async def once() -> tuple[float, float]:
        began = time.perf_counter()
        seen = await sweep(read.topology, opened.hosts, lambda seen, lane: None)
        took = time.perf_counter() - began
        ladders = [one for lane in seen.lanes.values() for one in (*lane.public.values(), lane.vm, lane.service) if one]
        return took, max(sum(rung.ms or 0.0 for rung in ladder.rungs) / 1000 for ladder in ladders)

    try:
        asyncio.run(once())
        pairs = [asyncio.run(once()) for _ in range(7)]
    finally:
        asyncio.run(opened.close())
    took, slowest = statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs)
    row(
        "full sweep of the lab",
        took,
        "its slowest ladder",
        slowest,
        statistics.median(a / b for a, b in pairs),
        "≤ 1.15 ×",
    )


def bench_ports(count: int = 1000) -> None:
    """A thousand ports on loopback against a bare asyncio connect-and-banner loop."""
    import asyncio

    from console.hosts.local import Local
    from console.model import Lane, Span, Topology
    from console.probes.sweep import sweep

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 bench\r\n")
        await reader.read(64)
        writer.close()

    async def bare(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        await reader.readline()
        writer.close()

    async def both() -> tuple[float, float]:
        servers = [await asyncio.start_server(greet, "127.0.0.1", 0, backlog=256) for _ in range(count)]
        ports = [server.sockets[0].getsockname()[1] for server in servers]
        where = Span("bench", 1)
        lanes = tuple(Lane(str(port), "smtp", port, (), None, None, "passthrough", where) for port in ports)
        topology = Topology(lanes=lanes, public=("127.0.0.1",))
        began = time.perf_counter()
        seen = await sweep(topology, {"here": Local()}, lambda seen, lane: None)
        ours = time.perf_counter() - began
        assert all(ladder.cause == "" for lane in seen.lanes.values() for ladder in lane.public.values())
        room = asyncio.Semaphore(256)

        async def limited(port: int) -> None:
            async with room:
                await bare(port)

        began = time.perf_counter()
        await asyncio.gather(*(limited(port) for port in ports))
        theirs = time.perf_counter() - began
        for server in servers:
            server.close()
        return ours, theirs

    pairs = [asyncio.run(both()) for _ in range(5)]
    ours, theirs = statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs)
    row(f"{count} ports swept", ours, "bare asyncio loop", theirs, statistics.median(a / b for a, b in pairs), "≤ 3 ×")


def bench_parsers(folder: Path) -> None:
    """10,000 lines of haproxy.cfg parsed and linted, against `haproxy -c` where it is installed."""
    import shutil

    from console.diagnosis.lint import lint
    from console.estate.load import load

    if shutil.which("haproxy") is None:
        print("haproxy is not installed: its parser was not timed beside ours")
        return
    lines = _listeners(1428)
    file = folder / "large.cfg"
    file.write_text("\n".join(lines) + "\n")
    site = folder / "large.toml"
    site.write_text('[sources]\nhaproxy = ["large.cfg"]\n')

    def ours() -> float:
        os.utime(file)
        began = time.perf_counter()
        read = load(site)
        lint(read.sources, read.topology)
        return time.perf_counter() - began

    figures = paired(ours, lambda: wall(["haproxy", "-c", "-q", "-f", str(file)]), 5)
    row(f"{len(lines)} lines parsed and linted", figures[0], "haproxy -c", figures[1], figures[2], "≤ 3 ×")
    ten = ours()
    file.write_text("\n".join(_listeners(14280)) + "\n")
    hundred = ours()
    row("100,000 lines", hundred, "10,000 lines", ten, hundred / ten, "≈ 10 ×")
    _memory(file)


def _listeners(count: int) -> list[str]:
    """Lines of a haproxy.cfg with that many sections."""
    lines: list[str] = ["defaults", "    timeout connect 5s", "    timeout client 30m", "    timeout server 30m", ""]
    for number in range(count):
        lines += [
            f"listen smtp{number}", f"    bind 127.0.0.1:{2000 + number}", "    mode tcp", "    option tcplog",
            f"    server mailcow 10.10.10.214:{10000 + number} send-proxy check port {10000 + number}",
            "    # a remark", "",
        ]  # fmt: skip
    return lines


def _memory(file: Path) -> None:
    """How much a process grows that reads and lints one file, against the file's size."""
    program = (
        "import re, sys\n"
        "from console.diagnosis.lint import lint\n"
        "from console.sources import haproxy\n"
        "from console.topology.build import build\n"
        "from console.topology.sources import Sources\n"
        "def work(text):\n"
        "    sources = Sources(haproxy=haproxy.parse(text, 'h.cfg'), texts={'h.cfg': text})\n"
        "    return lint(sources, build(sources)), sources\n"
        "work('listen x\\n    bind :25\\n    server m 10.0.0.1:10025 check\\n')\n"
        "def used():\n"
        "    return int(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1])\n"
        "before = used()\n"
        "kept = work(open(sys.argv[1]).read())\n"
        "print(used() - before)\n"
    )
    run = subprocess.run([sys.executable, "-c", program, str(file)], capture_output=True, text=True, check=True)
    grown, size = int(run.stdout) / 1024, file.stat().st_size / (1 << 20)
    measured = f"{grown:8.1f} MiB  {'its size':<26} {size:8.1f} MiB"
    print(f"{'memory of that file':<34} {measured}  {grown / size:5.1f} ×   goal ≤ 40 ×")


BLOCK = """resource "incus_storage_volume" "v{0}" {{
  name = "mail_{0}" # a remark
  pool = incus_storage_pool.default.name
  config = {{
    size  = "${{var.size}}GiB"
    "a.b" = [1, 2, {0}]
  }}
}}

"""


def bench_hcl() -> None:
    """5,000 lines of HCL with values and places against `hcl2.loads`; the memory of both, and a second reading."""
    import gc
    import tracemalloc

    import hcl2

    from console.sources.opentofu import syntax

    text = "".join(BLOCK.format(number) for number in range(556))

    def timed(read: Callable[[], object]) -> float:
        gc.collect()
        began = time.process_time()
        read()
        return time.process_time() - began

    figures = paired(lambda: timed(lambda: syntax.parse(text, "a.tf")), lambda: timed(lambda: hcl2.loads(text)), 5)
    row("5,000 lines of HCL", figures[0], "hcl2.loads", figures[1], figures[2], "≤ 0.8 ×")
    tracemalloc.start()
    kept = syntax.parse(text, "a.tf")
    most = tracemalloc.get_traced_memory()[1] / len(text)
    tracemalloc.stop()
    assert len(kept.blocks) == 556
    print(f"{'memory of reading them':<34} {most:8.1f} × the file{'':52}goal ≤ 40 ×")


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory(prefix="cowhand-bench-") as name:
        bench_start(Path(name))
        bench_sweep()
        bench_ports()
        bench_parsers(Path(name))
        bench_hcl()
    from tests import bench_peers

    bench_peers.bench()


if __name__ == "__main__":
    main()
