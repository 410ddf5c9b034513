"""The topology as Graphviz reads it (the DOT language): `cowhand show --format dot | dot -Tsvg`."""

from __future__ import annotations

from console.formats.chart import Chart, Machine, volume_words

HEAD = """\
digraph cowhand {
  rankdir=LR;
  graph [fontname="Helvetica", fontsize=12, style="rounded", color="#888888", margin=14];
  node [fontname="Helvetica", fontsize=11, shape=box, style="rounded", color="#555555", margin="0.15,0.06"];
  edge [fontname="Helvetica", fontsize=9, color="#555555", arrowsize=0.7];"""


def render(chart: Chart) -> str:
    """Return the graph: a node a listener and a service, an edge for each hop of a lane."""
    lines = [HEAD, f"  label={_quote(chart.title)}; labelloc=t;"]
    if chart.rows:
        lines.append(f"  internet [label={_quote('internet', chart.public)}, shape=ellipse];")
        lines.append(f"  subgraph cluster_proxy {{ label={_quote(chart.proxy)};")
        for number, row in enumerate(chart.rows):
            words = [f"{row.lane.port} {row.listener}", *([row.check] if row.check else [])]
            lines.append(f"    listener{number} [label={_quote(*words)}];")
        lines.append("  }")
    if any(row.target for row in chart.rows):
        lines.append('  tunnel [label="tunnel", shape=cds];')
    for number, machine in enumerate(chart.machines):
        lines += _machine(chart, number, machine)
    lines += _edges(chart)
    return "\n".join([*lines, "}"])


def _machine(chart: Chart, number: int, machine: Machine) -> list[str]:
    words = [machine.name, " · ".join(machine.notes)] if machine.notes else [machine.name]
    lines = [f"  subgraph cluster_machine{number} {{ label={_quote(*words)};"]
    lines += [
        f"    service{at} [label={_quote(row.service or row.target)}];"
        for at, row in enumerate(chart.rows)
        if row.target and row.machine == machine.name
    ]
    for at, volume in enumerate(machine.volumes):
        lines.append(f"    volume{number}_{at} [label={_quote(*volume_words(volume))}, shape=cylinder];")
    return [*lines, "  }"]


def _edges(chart: Chart) -> list[str]:
    lines = []
    for number, row in enumerate(chart.rows):
        lines.append(f"  internet -> listener{number} [label={_quote(row.lane.protocol)}];")
        if row.target:
            lines.append(f"  listener{number} -> tunnel [label={_quote(row.header)}];")
            lines.append(f"  tunnel -> service{number} [label={_quote(row.target)}];")
    return lines


def _quote(*lines: str) -> str:
    """Return lines as one quoted string: a quote and a backslash are escaped, and `\\n` parts them."""
    return '"' + "\\n".join(line.replace("\\", "\\\\").replace('"', '\\"') for line in lines) + '"'
