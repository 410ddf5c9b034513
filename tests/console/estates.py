"""Estates from a folder of case data: its files as sources, its map and findings as lines a person can check."""

from __future__ import annotations

from pathlib import Path

from console.diagnosis.lint import lint
from console.estate.load import load
from console.model import Lane, Span
from console.sources import compose, haproxy, opentofu, shell
from console.topology.build import build
from console.topology.sources import Sources

CASES = Path(__file__).parent / "cases"
SEED = Path(__file__).parents[2] / "assets" / "lab"


def read(folder: Path) -> Sources:
    """Read a folder, as one that is called Mailcow's: *.cfg in C order, *.tf, one *.yml, *.sh."""

    def texts(pattern: str) -> list[tuple[str, str]]:
        return [(path.name, path.read_bytes().decode()) for path in sorted(folder.glob(pattern))]

    files, tofu, composed = texts("*.cfg"), texts("*.tf"), texts("*.yml")
    return Sources(
        haproxy=haproxy.parse_files(files) if files else None,
        tofu=opentofu.read(tofu) if tofu else None,
        compose=compose.read(composed[0][1], composed[0][0], {}) if composed else None,
        scripts=tuple(shell.read(text, name) for name, text in texts("*.sh")),
        folder="mailcow",
    )


def whole(folder: Path) -> Sources:
    """Read a folder as cowhand does, by its site.toml; file names are then as that file writes them."""
    found = load(folder / "site.toml")
    assert found.problems == ()
    return found.sources


def lanes(sources: Sources) -> list[str]:
    """Return one line a lane."""
    return [_line(lane) for lane in build(sources).lanes]


def _line(lane: Lane) -> str:
    binds = ",".join(f"{bind.address}:{bind.port}" for bind in lane.binds)
    target = f"{lane.target.host}:{lane.target.port}" if lane.target else "nowhere"
    check = f"{lane.check.kind}{' with header' * lane.check.sends_proxy}" if lane.check else "no server"
    parts = [lane.protocol, binds, "to", target, lane.proxy_protocol or "bare", lane.tls, check]
    return f"{lane.name}: " + " ".join(parts) + f" ({lane.source})"


def findings(sources: Sources) -> list[list[object]]:
    """Return id, file and line of every finding, in the order of the lint."""
    table: list[list[object]] = []
    for found in lint(sources, build(sources)):
        assert isinstance(found.where, Span)
        table.append([found.id, Path(found.where.file).name, found.where.line])
    return table
